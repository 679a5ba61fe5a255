"""A chat as it is shown: what was said, what an answer rests on, and what is being written."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from conversations import hooks
from conversations.answer_shapes import AnswerClaim
from conversations.chats import turns
from conversations.metadata import MessageMetadata
from conversations.models import AssistantSession, AssistantTurn, Message, ProposedAction
from conversations.views.words import Clock, clock_for, plural

_ITEM = re.compile(r"(?:[-*•]|\d{1,2}[.)])\s+")
BUILT_IN = "built-in assistant"
KINDS = {
    "value_mismatch": "Other value",
    "missing_in_db": "Missing in the desk",
    "missing_in_yaml": "Missing in the file",
}
WHERE = {"yaml": "in the file", "database": "in the desk", "both": "in the desk and in the file"}
SUGGESTIONS = {
    "workflow": "How people work", "custom_field": "Words and prompts", "automation_rule": "What happens by itself",
    "infrastructure": "Channels",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cite:
    """What stands behind a statement: the number of a source, or a message by its time."""

    label: str
    url: str
    is_message: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Pieces of text, each with what it rests on. `label` is what stands before it ("Wants")."""

    pieces: Sequence[tuple[str, Sequence[Cite]]]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that stand together: `p`, `list` or `facts`."""

    kind: str
    lines: list[Line] = field(default_factory=list)


def shown(request: HttpRequest, session: AssistantSession, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages with their cards; below a question what is being written, or why no answer came."""
    clock = clock_for(request)
    asked = turns.newest_turns(session, [one.pk for one in messages if one.role == Message.Role.USER])
    cards = _cards(request, session, messages)
    newest = messages[-1].pk if messages else None
    return [
        said(one, clock, cards=cards.get(one.pk, []), is_newest=one.pk == newest)
        if one.role != Message.Role.USER
        else {
            "mine": True,
            "text": one.body_text,
            "erased": one.erased_at is not None,
            "at": clock.stamp(one.received_at),
            "turn": under_way(asked.get(one.pk), clock),
        }
        for one in messages
    ]


def said(
    message: Message, clock: Clock, *, cards: Sequence[SafeString] = (), is_newest: bool = False
) -> dict[str, Any]:
    """An answer: its text with what each statement rests on, the steps to it, and its cards."""
    details = message.details
    return {
        "id": message.pk,
        "mine": False,
        "who": {"assistant": "Assistant", "system": "Countersign"}.get(message.role, "A colleague"),
        "erased": message.erased_at is not None,
        "blocks": blocks(message, details),
        "steps": [(step.text, f"{step.seconds:.1f} s") for step in details.steps],
        "did": " · ".join(step.text for step in details.steps),
        "sources": [
            {"id": f"s-{message.pk}-{at}", "n": at, "title": one.title, "url": _web(one.url), "quote": one.quote}
            for at, one in enumerate(details.sources, 1)
        ],
        "differences": [
            {
                "path": one.path,
                "kind": KINDS[one.type],
                "desk": _value(one.dbValue, one.type != "missing_in_db"),
                "file": _value(one.yamlValue, one.type != "missing_in_yaml"),
            }
            for one in (details.comparisonResults.differences if details.comparisonResults else ())
        ],
        "suggestions": [(SUGGESTIONS[one.type], one.explanation) for one in details.suggestions or ()],
        "references": []
        if details.comparisonResults
        else [(one.path, WHERE[one.type]) for one in details.configReferences or ()],
        "documentation": [
            f"{one.file}{f', {one.section}' if one.section else ''}" for one in details.documentationLinks or ()
        ],
        "support": _support(details),
        "stopped": details.stopped,
        "choices": details.choices if is_newest else [],
        "cards": cards,
        "at": clock.stamp(message.received_at),
        "by": BUILT_IN if message.model_used.startswith("offline") else message.model_used,
    }


def under_way(turn: AssistantTurn | None, clock: Clock) -> dict[str, Any] | None:
    """A turn that has no whole answer: the steps and text so far, or how it ended."""
    if turn is None or turn.status == turns.Status.DONE:
        return None
    *before, now = [str(step["text"]) for step in turn.steps] or [str(turn.get_status_display())]
    one = [turn.pk]
    return {
        "id": turn.pk,
        "live": turn.is_live,
        "stopping": turn.stop_asked_at is not None and turn.is_live,
        "before": before,
        "now": now,
        "text": turn.text,
        "url": reverse("conversations:turn", args=one),
        "stop": reverse("conversations:stop-turn", args=one),
        "again": reverse("conversations:ask-again", args=one),
        "failed": turn.status == turns.Status.FAILED,
        "error": turn.error,
        "ended": clock.stamp(turn.ended_at) if turn.ended_at else "",
        "has_answer": turn.answer_id is not None,
        "is_offline": turn.engine == turns.Engine.OFFLINE,
    }


def live_turn(session: AssistantSession, clock: Clock) -> dict[str, Any] | None:
    return under_way(AssistantTurn.objects.filter(session=session).live().first(), clock)


def blocks(message: Message, details: MessageMetadata) -> list[Block]:
    """The text line by line, so that nothing in it is ever taken for markup."""
    found: list[Block] = []
    at, fresh = 0, True
    for line in message.body_text.split("\n"):
        end = at + len(line)
        claims = [one for one in details.claims if at <= one.start and one.end <= end]
        if line.strip():
            kind, shown_line = _line(message, line, at, claims)
            if fresh or not found or found[-1].kind != kind or kind == "p":
                found.append(Block(kind))
            found[-1].lines.append(shown_line)
        fresh = not line.strip()
        at = end + 1
    return found


def _line(message: Message, line: str, at: int, claims: Sequence[AnswerClaim]) -> tuple[str, Line]:
    label = claims[0].label if claims else ""
    item = _ITEM.match(line)
    begins = claims[0].start - at if label else item.end() if item else 0
    pieces: list[tuple[str, Sequence[Cite]]] = []
    for claim in claims:
        pieces.append((line[begins : claim.end - at], _cites(message, claim)))
        begins = claim.end - at
    if line[begins:].strip():
        pieces.append((line[begins:], ()))
    return ("facts" if label else "list" if item else "p"), Line(pieces, label)


def _cites(message: Message, claim: AnswerClaim) -> list[Cite]:
    sources = [Cite(str(number), f"#s-{message.pk}-{number}") for number in claim.sources]
    told = [Cite(one.label, _place(one.conversation, one.message), is_message=True) for one in claim.said]
    return [*sources, *told]


def _place(conversation: str, message: str) -> str:
    try:
        url = reverse("conversations:detail", args=[uuid.UUID(conversation)])
    except ValueError:
        return ""
    return f"{url}#m-{message}" if message else url


def _web(url: str) -> str:
    return url if url.startswith(("https://", "http://")) else ""


def _support(details: MessageMetadata) -> dict[str, Any] | None:
    if not details.claims:
        return None
    held = sum(bool(one.sources or one.said) for one in details.claims)
    told = all(one.said for one in details.claims)
    what = "its message" if told and held == 1 else "their messages" if told else "a source"
    return {"ok": held == len(details.claims), "words": f"{held} of {plural(len(details.claims), 'statement')} {'has' if held == 1 else 'have'} {what}"}  # fmt: skip


def _cards(
    request: HttpRequest, session: AssistantSession, messages: Sequence[Message]
) -> dict[uuid.UUID, list[SafeString]]:
    """By message, its proposals as cards. How one looks, the app knows that knows its tool."""
    actions = list(ProposedAction.objects.filter(session_id=session.pk, message__in=messages).order_by("pk"))
    if not actions or hooks.draw_cards is None:
        return {}
    found: dict[uuid.UUID, list[SafeString]] = {}
    for action, card in zip(actions, hooks.draw_cards(request, actions), strict=True):
        found.setdefault(action.message_id, []).append(card)
    return found


def _value(value: Any, is_there: bool) -> str:
    if not is_there:
        return "not there"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "empty" if value in (None, "") else str(value)
