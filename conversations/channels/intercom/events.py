"""What Intercom's notifications say happened (developers.intercom.com, "Webhook topics"): a conversation with its newest
parts.

A message is named by its conversation and its part, the first one by the conversation's source. Notes of teammates to
each other, and what a bot says, are no messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from conversations.channels.base import Author, Event, EventKind, Inbound, Party, handed_out
from conversations.channels.intercom.settings import IntercomSettings

NOTHING = Event(EventKind.OTHER)
BEGUN = "conversation.user.created"
#: Somebody answered: with the answer itself, or with an assignment, a closing or an opening that carries one.
ANSWERED = frozenset(
    {
        "conversation.user.replied",
        "conversation.admin.replied",
        "conversation.admin.assigned",
        "conversation.admin.closed",
        "conversation.admin.opened",
        "conversation.admin.snoozed",
    }
)
REDACTED = "conversation_part.redacted"
#: The conversation itself was closed or opened, after what was said with it.
_STATUS = {"conversation.admin.closed": EventKind.CLOSED, "conversation.admin.opened": EventKind.OPENED}
_CUSTOMERS, _OURS = frozenset({"user", "lead", "contact"}), frozenset({"admin", "team"})
_HTML = re.compile(
    r"\s*<(?:!doctype|html|body|p|div|h[1-6]|ul|ol|pre|blockquote|table|br|img|a|b|i|em|strong|code)\b", re.I
)


def parse(raw: bytes, settings: IntercomSettings) -> Sequence[Event]:
    """Raises ValueError, KeyError or TypeError for what is none of Intercom's posts."""
    data = json.loads(raw)
    topic = data["topic"]
    if topic != BEGUN and topic not in ANSWERED and topic != REDACTED:
        return [NOTHING]
    item = data["data"]["item"]
    if item.get("type") != "conversation":
        return [NOTHING]
    conversation = str(item["id"])
    if topic == REDACTED:
        gone = [part for part in parts_of(item) if part.get("redacted")]
        return [Event(EventKind.DELETED, provider_id=name_of(conversation, part)) for part in gone] or [NOTHING]
    return list(_written(item, conversation, topic, settings)) or [NOTHING]


def _written(item: Mapping[str, Any], conversation: str, topic: str, settings: IntercomSettings) -> Iterator[Event]:
    source = item.get("source") or item.get("conversation_message") or {}
    customer = _customer(item, source)
    if topic == BEGUN:
        first = {**source, "created_at": item.get("created_at")}
        yield from _message(first, f"{conversation}:source", conversation, customer, source, settings)
    for part in parts_of(item):
        if not is_note(part):
            yield from _message(part, name_of(conversation, part), conversation, customer, source, settings)
    if kind := _STATUS.get(topic):
        last: Mapping[str, Any] = next(iter(reversed(list(parts_of(item)))), {})
        at = last.get("created_at") or item.get("updated_at")
        yield Event(
            kind,
            provider_id=conversation,
            author=_author(last, settings) or Author.CUSTOMER,
            at=datetime.fromtimestamp(int(at), UTC) if at else None,
        )


def _message(
    part: Mapping[str, Any],
    name: str,
    conversation: str,
    customer: Party,
    source: Mapping[str, Any],
    settings: IntercomSettings,
) -> Iterator[Event]:
    author = _author(part, settings)
    text, html = text_of(part)
    attached = [file for file in part.get("attachments") or () if isinstance(file, dict)]
    files = [str(file.get("name") or "a file") for file in attached]
    if author is None or part.get("redacted") or not (text.strip() or files):
        return
    by = _party(part.get("author") or {})
    if author == Author.CUSTOMER:
        by = by if by.address else customer
    subject, _ = text_of({"body": source.get("subject")})
    yield Event(
        EventKind.MESSAGE,
        provider_id=name,
        author=author,
        inbound=Inbound(
            external_id=name,
            thread_id=conversation,
            sender=by,
            customer=customer if author != Author.CUSTOMER else None,
            subject=" ".join((subject or text_of(source)[0] or text).split())[:80],
            body_text=text or " ".join(files),
            body_new=text or " ".join(files),
            body_html=html,
            **handed_out(
                "Intercom", [(n, str(file.get("url") or "")) for n, file in zip(files, attached, strict=True)]
            ),
        ),
        at=datetime.fromtimestamp(int(part["created_at"]), UTC) if part.get("created_at") else None,
    )


def _author(part: Mapping[str, Any], settings: IntercomSettings) -> Author | None:
    """None for a bot: what it says settles nothing, and nobody waits for an answer to it."""
    author = part.get("author") or {}
    if author.get("type") in _CUSTOMERS:
        return Author.CUSTOMER
    if author.get("type") not in _OURS or author.get("from_ai_agent"):
        return None
    is_ours = bool(settings.admin_id) and str(author.get("id")) == settings.admin_id
    return Author.US if is_ours else Author.TEAM


def _customer(item: Mapping[str, Any], source: Mapping[str, Any]) -> Party:
    """Whose conversation it is. They are known by Intercom's id of them: an address is whatever a visitor typed."""
    author = source.get("author") or {}
    found = item.get("user") or (author if author.get("type") in _CUSTOMERS else {})
    contacts = (item.get("contacts") or {}).get("contacts") or [{}]
    return _party(found) if found.get("id") else _party(contacts[0])


def _party(person: Mapping[str, Any]) -> Party:
    return Party(str(person.get("id") or ""), str(person.get("name") or person.get("email") or ""))


def parts_of(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts that stand in a conversation as Intercom gives it, in their order."""
    listed = item.get("conversation_parts")
    found = listed.get("conversation_parts") if isinstance(listed, dict) else None
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def name_of(conversation: str, part: Mapping[str, Any]) -> str:
    return f"{conversation}:{part['id']}"


def is_note(part: Mapping[str, Any]) -> bool:
    """Whether teammates wrote it to each other."""
    return str(part.get("part_type") or "").startswith("note")


def text_of(part: Mapping[str, Any]) -> tuple[str, str]:
    """What a part says, as text, and its HTML if it is HTML: since version 2.15 posts carry plain text."""
    body = part.get("body")
    if not isinstance(body, str):
        return "", ""
    if not _HTML.match(body):
        return body, ""
    # Imported when the first one is read: pages need none of it.
    from conversations.channels.email.reading.html_text import html_to_text

    return html_to_text(body).strip(), body
