"""What a reply does, not only what it says: the six acts, and which of them a message calls for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from drafts.writing.reading import Need, Reading


class Act(StrEnum):
    """The values are stored with drafts (`models.drafts.ACTS` says them to people)."""

    ANSWER = "answer"
    PARTLY = "partly"  # answers what it can, and says that the rest is open
    ASK = "ask"  # asks back for what is missing
    HOLD = "hold"  # promises that a colleague will answer
    NONE = "none"  # nothing is asked any more: a courtesy, and the conversation can be closed
    PERSON = "person"  # a person at once: no page is quoted at an injury or a lawyer


def before_reading_sources(reading: Reading, *, asks_outright: bool) -> Act | None:
    """The act that a message calls for whatever the pages say; None where the pages decide."""
    if belongs_to_a_person(reading.needs):
        return Act.PERSON
    if Need.INJECTION in reading.needs and not asks_outright:
        return Act.PERSON
    if reading.is_closed:
        return Act.NONE
    return None


def after_choosing(*, answered: bool, is_open: bool, missing: Sequence[str]) -> Act:
    """The act that is left when it is known what the pages answer and what they do not."""
    if answered:
        return Act.PARTLY if is_open else Act.ANSWER
    return Act.ASK if missing else Act.HOLD


#: What each act asks of a model that writes it.
WISHES = {
    Act.ANSWER: "answer the questions",
    Act.PARTLY: "answer what the sources answer and say plainly that the rest is open and a colleague will answer it",
    Act.ASK: "only ask back for what is missing, in one or two questions; state nothing",
    Act.HOLD: "only say that a colleague will look into it and answer; state nothing",
    Act.NONE: "only thank the customer in one sentence; nothing is asked any more",
    Act.PERSON: "only say warmly, in your own words, that a colleague takes care of it personally; quote no rule",
}


def of_a_reply(text: str, *, states: bool, is_open: bool, reading: Reading) -> Act:
    """What a reply that somebody else wrote does, told from what it states and asks."""
    if states:
        return Act.PARTLY if is_open else Act.ANSWER
    if called_for := before_reading_sources(reading, asks_outright=True):
        return called_for
    return Act.ASK if "?" in text else Act.HOLD


def belongs_to_a_person(needs: Sequence[Need]) -> bool:
    """A quoted policy is no answer to an injury, a lawyer, a call for a person, plain fury, or anger about money."""
    return bool({Need.LEGAL, Need.SAFETY, Need.PERSON, Need.PRIVACY, Need.FURIOUS} & set(needs)) or (
        {Need.REFUND, Need.UPSET} <= set(needs)
    )
