"""What a post of Zoho Desk says happened: which thread of which ticket, or which comment. Its words are not read here.

One post is a list of events: `eventType`, `payload` (the thing itself) and `orgId`
(desk.zoho.com/support/WebhookDocument.do).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TICKET, THREAD, COMMENT = "Ticket_Add", "Ticket_Thread_Add", "Ticket_Comment_Add"
CHANGED = "Ticket_Update"


@dataclass(frozen=True, slots=True)
class Said:
    """`thread` is "" for a new ticket that names none; `comment` is of a comment alone; `is_change`: only of the ticket
    itself."""

    ticket: str
    thread: str = ""
    comment: str = ""
    is_change: bool = False


def names(raw: bytes) -> list[str]:
    """Of each event its name, by which it is known when it comes again; nothing if one of them has none."""
    try:
        found = [_name(kind, payload, event) for kind, payload, event in _events(raw)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return found if all(found) else []


def read(raw: bytes) -> list[Said]:
    """What has to be asked for. Raises ValueError, KeyError, TypeError or AttributeError for what is none of Zoho's
    posts."""
    found = []
    for kind, payload, _ in _events(raw):
        if kind == TICKET:
            first = payload.get("firstThread") or {}
            found.append(Said(_id(payload["id"]), thread=_id(first["id"]) if first.get("id") else ""))
        elif kind == THREAD:
            found.append(Said(_id(payload["ticketId"]), thread=_id(payload["id"])))
        elif kind == COMMENT:
            found.append(Said(_id(payload["ticketId"]), comment=_id(payload["id"])))
        elif kind == CHANGED:
            found.append(Said(_id(payload["id"]), is_change=True))
    return list(dict.fromkeys(found))


def _events(raw: bytes) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    data = json.loads(raw)
    for event in data if isinstance(data, list) else [data]:
        payload = event.get("payload")
        yield str(event.get("eventType") or ""), payload if isinstance(payload, dict) else {}, event


def _name(kind: str, payload: dict[str, Any], event: dict[str, Any]) -> str:
    about = payload.get("firstThread") if kind == TICKET else None
    which = (about or payload).get("id") or ""
    when = payload.get("modifiedTime") or payload.get("createdTime") or event.get("eventTime") or ""
    return f"{kind}:{which}:{when}"[:400] if kind and which else ""


def _id(written: Any) -> str:
    """Digits alone: it becomes a part of an address."""
    name = str(written)
    if not (name.isascii() and name.isdigit() and len(name) <= 30):
        raise ValueError("An id that is none of Zoho's.")
    return name
