"""The details of an order as the arguments of its tool; or what is missing, as one question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from drafts.assistant import slots
from drafts.assistant.port import Request
from drafts.assistant.reader import Reading
from drafts.writing.relevance import asks_of

WHEN = ("In 3 hours", "Tomorrow at 9", "On Monday at 9")
REASONS = ("Close it, it was answered elsewhere", "Close it, the customer no longer needs it", "Close it, it goes on in another conversation")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Missing:
    """The detail that is not there; `choices` where several are meant; `why` where asking for it would not help."""

    slot: str = ""
    choices: Sequence[str] = ()
    why: str = ""


def own_words(order: Reading) -> str:
    words = order.words
    for at, quoted in enumerate(order.quoted):
        words = words.replace(f"␟{at}", f'"{quoted}"')
    return words[:2000]


def could_be(slot: str, request: Request) -> bool:
    """Whether a text can be the detail that was asked for: else it is a new thought."""
    text = request.text
    if len(text) > 300 or text.rstrip().endswith("?"):
        return False
    if slot == "time":
        return slots.moment(text, request.now, request.zone) is not None
    if slot == "person":
        return bool(slots.people(text, request.colleagues, me=request.person.id))
    if slot == "number":
        return slots.number(f"with {text}") is not None
    if slot == "closing_reason":
        return bool(slots.closing_reason(text))
    return True


def as_slot(slot: str, text: str) -> str:
    lead = {
        "number": "with ",
        "name": "to ",
        "person": "to ",
        "note": ": ",
        "closing_reason": "because ",
        "tags": "tag ",
    }
    return lead.get(slot, "") + text.strip()


def _redraft(request: Request, order: Reading) -> dict[str, Any] | Missing:
    return {"instruction": own_words(order).strip()[:1000]}


def _tags(request: Request, order: Reading) -> dict[str, Any] | Missing:
    add, remove = slots.tags(order.words, order.quoted, request.tags)
    if not add and not remove:
        return Missing("tags", choices=[f"Tag it {name}" for name in list(request.tags)[:6]])
    return {"add": add, "remove": remove}


def _assign(request: Request, order: Reading) -> dict[str, Any] | Missing:
    found = slots.people(order.words, request.colleagues, me=request.person.id)
    if len(found) == 1:
        return {"to": found[0].name}
    return Missing("person", choices=[f"Assign it to {one.name}" for one in (found or request.colleagues)[:8]])


def _snooze(request: Request, order: Reading) -> dict[str, Any] | Missing:
    until = slots.moment(order.words, request.now, request.zone)
    return {"until": until.isoformat()} if until else Missing("time", choices=WHEN)


def _close(request: Request, order: Reading) -> dict[str, Any] | Missing:
    return {"reason": slots.closing_reason(order.words)}


def _merge(request: Request, order: Reading) -> dict[str, Any] | Missing:
    number = slots.number(order.words)
    return {"into": number} if number else Missing("number")


def _rename(request: Request, order: Reading) -> dict[str, Any] | Missing:
    name = slots.name(order.words, order.quoted)
    return {"name": name[:200]} if name else Missing("name")


def _escalate(request: Request, order: Reading) -> dict[str, Any] | Missing:
    found = slots.people(order.words, request.colleagues)
    if len(found) > 1:
        return Missing("person", choices=[f"Escalate it to {one.name}" for one in found[:8]])
    note = slots.reason_given(order.words, order.quoted)
    if not note:
        return Missing("note")
    return {"to": found[0].name if found else "", "note": note[:2000]}


def _golden(request: Request, order: Reading) -> dict[str, Any] | Missing:
    case = request.case
    if case is None:
        return Missing(why="Open the conversation whose answer is to be kept, and ask there.")
    theirs = [one for one in case.messages if not one.ours]
    ours = [one for one in case.messages if one.ours]
    answer = order.quoted[0] if order.quoted else (ours[-1].text if ours else case.draft)
    if not answer or not theirs:
        return Missing("golden") if theirs else Missing(why="The customer asked nothing here, so there is no answer to keep.")  # fmt: skip
    asks = [ask.text for ask in asks_of(theirs[-1].text, subject=case.subject) if ask.outright]
    return {"question": (asks[0] if asks else theirs[-1].text)[:500], "answer": answer}


ARGUMENTS: dict[str, Callable[[Request, Reading], dict[str, Any] | Missing]] = {
    "redraft": _redraft, "tags": _tags, "assign": _assign, "snooze": _snooze, "close": _close, "merge": _merge,
    "rename": _rename, "escalate": _escalate, "golden": _golden,
}  # fmt: skip
