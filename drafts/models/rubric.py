"""The shapes of a scenario's facts and rubric, and of a score's criteria."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, RootModel, field_validator, model_validator

from conversations.shapes import Shape

CriterionKind = Literal[
    "says", "never_says", "asks_for", "sourced", "no_promise", "greets", "catches", "resolves", "within", "like_sent"
]
Outcome = Literal["met", "not_met", "undecided"]
#: Kinds that mean nothing without words, and kinds that have none.
WITH_WORDS = ("says", "never_says", "asks_for", "like_sent")
WITHOUT_WORDS = ("sourced", "greets", "catches", "resolves")
MAX_FACTS, MAX_CRITERIA = 20, 12
#: What the likeness to the reply that was really sent may count of a whole rubric: that reply may have been the worse one.
MOST_LIKENESS = 0.2


def phrases_of(text: str) -> list[str]:
    """What is separated by commas, without blanks and repetition."""
    return list(dict.fromkeys(part for each in text.split(",") if (part := " ".join(each.split()))))


class Fact(Shape):
    """Something the persona knows: `key` are the words that ask for it, separated by commas, `sentence` what they say then."""

    key: str = Field(max_length=80)
    sentence: str = Field(max_length=400)

    @field_validator("key")
    @classmethod
    def _has_words(cls, key: str) -> str:
        if not phrases_of(key):
            raise ValueError("a fact needs the words that ask for it")
        return key

    @field_validator("sentence")
    @classmethod
    def _says_something(cls, sentence: str) -> str:
        if not sentence.strip():
            raise ValueError("a fact needs what the persona says")
        return sentence.strip()


class Facts(RootModel[list[Fact]]):
    root: list[Fact] = Field(max_length=MAX_FACTS)


class Criterion(Shape):
    """One line of a rubric. `text` are phrases separated by commas, or for `within` the number of answers."""

    kind: CriterionKind
    text: str = Field(default="", max_length=200)
    weight: int = Field(ge=1, le=100)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Criterion:
        if self.kind in WITH_WORDS and not phrases_of(self.text):
            raise ValueError(f"“{WORDS[self.kind]}” needs words")
        if self.kind == "within" and not (self.text.strip().isdecimal() and 1 <= int(self.text) <= 8):
            raise ValueError("“answers at most” needs a number from 1 to 8")
        return self

    @property
    def name(self) -> str:
        """The criterion as a sentence for people."""
        words, many = self.text.strip(), ""
        match self.kind:
            case "like_sent":
                return f"Like the reply that was sent: {words}"
            case "says":
                return f"Says {words}"
            case "never_says":
                return f"Never says {words}"
            case "asks_for":
                return f"Asks for {words}"
            case "no_promise":
                return f"Promises nothing about {words}" if words else "Promises nothing that is not sure"
            case "within":
                many = "answer" if words == "1" else "answers"
                return f"Solved with {words} {many} at most"
        return NAMES[self.kind]


#: The kinds in a form, and in the table of progress.
WORDS: dict[str, str] = {
    "says": "says",
    "never_says": "never says",
    "asks_for": "asks for",
    "sourced": "all sourced",
    "no_promise": "promises nothing",
    "greets": "greets",
    "catches": "catches an error",
    "resolves": "reaches the goal",
    "within": "answers at most",
    "like_sent": "like the sent reply",
}
NAMES: dict[str, str] = {
    "says": "Says what counts",
    "never_says": "Leaves out what must not be said",
    "asks_for": "Asks for what is missing",
    "sourced": "Every statement has a source",
    "no_promise": "Promises nothing unchecked",
    "greets": "Greets",
    "catches": "Catches what is wrong in a draft",
    "resolves": "Gives what the customer came for",
    "within": "Needs few answers",
    "like_sent": "Says what the sent reply said",
}


class Rubric(RootModel[list[Criterion]]):
    root: list[Criterion] = Field(min_length=1, max_length=MAX_CRITERIA)

    @model_validator(mode="after")
    def _likeness_counts_little(self) -> Rubric:
        alike = sum(one.weight for one in self.root if one.kind == "like_sent")
        if alike > MOST_LIKENESS * sum(one.weight for one in self.root):
            raise ValueError(
                f"“{WORDS['like_sent']}” counts a fifth of all points at most: that reply may be the worse one"
            )
        return self


class Span(Shape):
    """Where something stands: in the trainee's reply (or the draft) of answer `turn`, code points ``[start, end)``."""

    turn: int = Field(ge=1)
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    of: Literal["reply", "draft"] = "reply"


class Graded(Shape):
    """A criterion as it was scored. Of the rubric only the kind and the weight: its words are the scenario's."""

    kind: CriterionKind
    weight: int
    outcome: Outcome
    evidence: list[Span] = []


class Grades(RootModel[list[Graded]]):
    pass
