"""The customer, as the built-in assistant plays them: they say what the scenario lets them know, and nothing else.

No model and no chance: the same replies get the same answers. Every sentence is the opening, a fact's, or a line of the script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drafts.models import Scenario
from drafts.models.practice import MOST_ANSWERS
from drafts.models.rubric import Fact, Facts, phrases_of
from drafts.practice import words

Outcome = Literal["", "resolved", "impatient"]

#: What a customer says beside facts. `again` are said in turn when a reply brings them nowhere.
SCRIPT: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "thanks": ("Thank you, that is what I needed.",),
        "again": ("That does not help me yet.", "I still do not know what to do.", "You have not answered my question."),
        "told": ("I have told you that already.",),
        "leaves": ("This leads nowhere. I will look for help elsewhere.",),
    },
    "de": {
        "thanks": ("Danke, genau das wollte ich wissen.",),
        "again": ("Das hilft mir noch nicht.", "Ich weiß immer noch nicht, was ich tun soll.", "Meine Frage ist nicht beantwortet."),
        "told": ("Das habe ich Ihnen schon gesagt.",),
        "leaves": ("So kommen wir nicht weiter. Ich suche mir anderswo Hilfe.",),
    },
    "es": {
        "thanks": ("Gracias, es lo que necesitaba.",),
        "again": ("Eso todavía no me ayuda.", "Sigo sin saber qué hacer.", "No ha contestado a mi pregunta."),
        "told": ("Eso ya se lo he dicho.",),
        "leaves": ("Así no avanzamos. Buscaré ayuda en otra parte.",),
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Persona:
    language: str
    opening: str
    facts: tuple[Fact, ...]
    goal: tuple[str, ...]
    patience: int

    @classmethod
    def of(cls, scenario: Scenario) -> Persona:
        return cls(
            language=scenario.language,
            opening=scenario.opening,
            facts=tuple(Facts.model_validate(scenario.facts).root),
            goal=tuple(phrases_of(scenario.goal)),
            patience=scenario.patience,
        )


@dataclass(frozen=True, slots=True)
class Said:
    """What the persona answers, what they have told by then (keys of facts), and what is left of their patience."""

    text: str
    told: tuple[str, ...]
    patience: int
    outcome: Outcome = ""


def answer(persona: Persona, replies: Sequence[str], *, told: Sequence[str], patience: int) -> Said:
    """Their answer to the newest of the replies that they got so far."""
    script, newest, known = SCRIPT[persona.language], replies[-1], tuple(told)
    if reached(persona.goal, replies):
        return Said(script["thanks"][0], known, patience, "resolved")
    wanted = [fact for fact in persona.facts if any(words.asked(key, newest) for key in phrases_of(fact.key))]
    new = [fact for fact in wanted if fact.key not in known]
    if new and len(replies) < MOST_ANSWERS:
        return Said(" ".join(fact.sentence for fact in new), (*known, *(fact.key for fact in new)), patience)
    if patience <= 1 or len(replies) >= MOST_ANSWERS:
        return Said(script["leaves"][0], known, 0, "impatient")
    line = script["told"][0] if wanted else script["again"][(persona.patience - patience) % len(script["again"])]
    return Said(line, known, patience - 1)


def reached(goal: Sequence[str], replies: Sequence[str]) -> bool:
    """Whether the replies together say all that the persona came for."""
    return bool(goal) and all(any(words.find(phrase, reply) for reply in replies) for phrase in goal)
