"""A practice against its rubric: each criterion met, not met or undecided, with the places in the texts that say so.

Pure: the same scenario and the same answers give the same score. A criterion is met only with a place to show for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from drafts.desk.text import statements_from_json
from drafts.diffing import diff_ops
from drafts.evidence.canaries import still_says
from drafts.models import PracticeTurn, Scenario
from drafts.models.rubric import Criterion, Graded, Rubric, Span, phrases_of
from drafts.practice import words
from drafts.writing.statements import rebase_statements, supports

SCORED_BY = "rubric-v1"
Ended = Literal["resolved", "impatient", "ended"]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the trainee, and the draft that it was made of."""

    number: int
    text: str
    draft: str
    unsourced: tuple[tuple[int, int], ...]
    sourced: tuple[tuple[int, int], ...]
    planted: str

    @property
    def whole(self) -> Span:
        return Span(turn=self.number, start=0, end=len(self.text))

    def at(self, place: tuple[int, int]) -> Span:
        return Span(turn=self.number, start=place[0], end=place[1])


@dataclass(frozen=True, slots=True)
class Score:
    grades: tuple[Graded, ...]
    met: int
    decided: int

    @property
    def total(self) -> int | None:
        return round(100 * self.met / self.decided) if self.decided else None


def score(scenario: Scenario, turns: Iterable[PracticeTurn], ended: Ended) -> Score:
    replies = [reply_of(turn) for turn in turns if turn.status == PracticeTurn.Status.ANSWERED]
    return grade(Rubric.model_validate(scenario.rubric).root, phrases_of(scenario.goal), replies, ended)


def reply_of(turn: PracticeTurn) -> Reply:
    """Untouched sentences keep the draft's sources; another has one if a quoted source says it."""
    operations = diff_ops(turn.suggested_text, turn.final_text)
    given = statements_from_json(turn.statements)
    quotes = [source["quote"] for source in turn.sources]
    sides: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for one in rebase_statements(given, operations, source=turn.suggested_text):
        text = turn.final_text[one.start : one.end]
        # The planted error claims a source as a model's mistake would; none says it.
        is_borne = text != turn.planted and (bool(one.source_ids) or any(supports(text, quote) for quote in quotes))
        sides[is_borne].append((one.start, one.end))
    return Reply(
        turn.number, turn.final_text, turn.suggested_text, tuple(sides[False]), tuple(sides[True]), turn.planted
    )


def grade(rubric: Sequence[Criterion], goal: Sequence[str], replies: Sequence[Reply], ended: Ended) -> Score:
    grades = tuple(_graded(criterion, goal, replies, ended) for criterion in rubric)
    decided = [one for one in grades if one.outcome != "undecided"]
    met = sum(one.weight for one in decided if one.outcome == "met")
    return Score(grades, met, sum(one.weight for one in decided))


def _graded(criterion: Criterion, goal: Sequence[str], replies: Sequence[Reply], ended: Ended) -> Graded:
    found: Found = None
    if replies:
        found = _JUDGES[criterion.kind](_Asked(criterion.text, tuple(goal), replies, ended))
    if found is None:
        return Graded(kind=criterion.kind, weight=criterion.weight, outcome="undecided")
    is_met, evidence = found
    is_met = is_met and bool(evidence)  # nothing to show for it: not met
    outcome: Literal["met", "not_met"] = "met" if is_met else "not_met"
    return Graded(kind=criterion.kind, weight=criterion.weight, outcome=outcome, evidence=evidence)


#: Whether a criterion is met and the places that say so; None: this talk does not decide it.
Found = tuple[bool, list[Span]] | None


@dataclass(frozen=True, slots=True)
class _Asked:
    text: str
    goal: tuple[str, ...]
    replies: Sequence[Reply]
    ended: Ended

    @property
    def phrases(self) -> list[str]:
        return phrases_of(self.text)

    @property
    def about(self) -> tuple[str, ...]:
        return tuple(self.phrases) or words.PROMISED


def _first(phrase: str, replies: Sequence[Reply], *, where: Callable[[str, str], tuple[int, int] | None]) -> list[Span]:
    return next(([reply.at(place)] for reply in replies if (place := where(phrase, reply.text))), [])


def _says(asked: _Asked) -> Found:
    places = [_first(phrase, asked.replies, where=words.find) for phrase in asked.phrases]
    return all(places), [span for spans in places for span in spans]


def _never_says(asked: _Asked) -> Found:
    said = [reply.at(p) for reply in asked.replies for phrase in asked.phrases if (p := words.find(phrase, reply.text))]
    return (False, said) if said else (True, [reply.whole for reply in asked.replies])


def _asks_for(asked: _Asked) -> Found:
    """One of the phrases is enough: they are ways to ask for the same."""
    for phrase in asked.phrases:
        if spans := _first(phrase, asked.replies, where=words.asked):
            return True, spans
    return False, []


def _sourced(asked: _Asked) -> Found:
    missing = [reply.at(place) for reply in asked.replies for place in reply.unsourced]
    borne = [reply.at(place) for reply in asked.replies for place in reply.sourced]
    if not missing and not borne:
        return None  # nothing was stated
    return (False, missing) if missing else (True, borne)


def _no_promise(asked: _Asked) -> Found:
    promised = [reply.at(place) for reply in asked.replies for place in words.promises(reply.text, asked.about)]
    if promised:
        return False, promised
    careful = [reply.at(place) for reply in asked.replies for place in words.careful(reply.text, asked.about)]
    return True, careful or [reply.whole for reply in asked.replies]


def _greets(asked: _Asked) -> Found:
    without = [reply for reply in asked.replies if words.greeting(reply.text) is None]
    if without:
        return False, [reply.at((0, len(reply.text.split("\n", 1)[0]))) for reply in without]
    return True, [reply.at(place) for reply in asked.replies if (place := words.greeting(reply.text))]


def _catches(asked: _Asked) -> Found:
    planted = [reply for reply in asked.replies if reply.planted]
    if not planted:
        return None
    left = [reply for reply in planted if still_says(reply.planted, reply.draft, reply.text)]
    shown = left or planted
    spans = []
    for reply in shown:
        start = reply.draft.find(reply.planted)
        spans.append(Span(turn=reply.number, start=start, end=start + len(reply.planted), of="draft"))
    return not left, spans


def _resolves(asked: _Asked) -> Found:
    spans = [span for phrase in asked.goal for span in _first(phrase, asked.replies, where=words.find)]
    return asked.ended == "resolved", spans


def _within(asked: _Asked) -> Found:
    return asked.ended == "resolved" and len(asked.replies) <= int(asked.text), [asked.replies[-1].whole]


def _like_sent(asked: _Asked) -> Found:
    """Half of what counted in the reply that was really sent is enough; all answers together count."""
    places = [_first(phrase, asked.replies, where=words.find) for phrase in asked.phrases]
    found = [span for spans in places for span in spans]
    return 2 * len(found) >= len(places), found


_JUDGES: dict[str, Callable[[_Asked], Found]] = {
    "says": _says,
    "never_says": _never_says,
    "asks_for": _asks_for,
    "sourced": _sourced,
    "no_promise": _no_promise,
    "greets": _greets,
    "catches": _catches,
    "resolves": _resolves,
    "within": _within,
    "like_sent": _like_sent,
}
