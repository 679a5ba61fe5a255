"""What Zoho Desk itself says of a thread or a comment that a post named.

A thread of direction "in" is the customer's, one of direction "out" is ours or a colleague's. What is private (comments
mostly, and threads that were passed on) was never for the customer and never becomes a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from conversations.channels.base import Author, Event, EventKind, Inbound, Party, handed_out
from conversations.channels.zoho import events
from conversations.channels.zoho.api import GONE, desk, ticket_path
from conversations.channels.zoho.settings import ZohoSettings

NOTHING = Event(EventKind.OTHER)


def ask(raw: bytes, settings: ZohoSettings, token: str) -> Sequence[Event]:
    """What happened, as Zoho tells it. Raises ChannelError, and what `events.read` raises."""
    return [_event(said, settings, token) for said in events.read(raw)] or [NOTHING]


def _event(said: events.Said, settings: ZohoSettings, token: str) -> Event:
    zoho = desk(settings, token)
    ticket = zoho.read(ticket_path(said.ticket), takes=GONE).data()
    if not ticket.get("id"):
        return NOTHING
    if settings.listened_to and str(ticket.get("departmentId")) not in settings.listened_to:
        return NOTHING
    if said.is_change:
        return _status(ticket)
    if said.comment:
        comment = zoho.read(ticket_path(said.ticket, f"/comments/{said.comment}"), takes=GONE).data()
        return _comment(comment, ticket)
    name = said.thread or _first(zoho.read(ticket_path(said.ticket, "/threads"), {"limit": "50"}, takes=GONE).data())
    if not name:
        return NOTHING
    path = ticket_path(said.ticket, f"/threads/{name}")
    thread = zoho.read(path, {"include": "plainText"}, takes=GONE).data()
    if thread.get("isContentTruncated"):
        thread = {**thread, **zoho.read(f"{path}/fullContent", takes=GONE).data(), "plainText": None}
    return event_of(thread, ticket)


def _status(ticket: dict[str, Any]) -> Event:
    """Whether the ticket is closed there. By whom nobody tells: a person, a rule of theirs, or an answer that closes. One that
    is open says nothing: most were never closed, and what a customer writes opens it here too."""
    if str(ticket.get("statusType")) != "Closed":
        return NOTHING
    return Event(EventKind.CLOSED, str(ticket["id"]), at=_at(ticket.get("closedTime")))


def _first(page: dict[str, Any]) -> str:
    """The thread that a ticket began with; the newest stands first."""
    threads = [one for one in page.get("data") or () if isinstance(one, dict) and one.get("direction") == "in"]
    return str(threads[-1].get("id") or "") if threads else ""


def event_of(thread: dict[str, Any], ticket: dict[str, Any]) -> Event:
    """One thread. Raises ValueError or KeyError for what is none."""
    if not thread.get("id") or thread.get("visibility") == "private" or thread.get("isForward"):
        return NOTHING
    name, is_out, status = str(thread["id"]), thread.get("direction") == "out", thread.get("status") or "SUCCESS"
    if is_out and status == "DRAFT":
        return NOTHING
    if is_out and status == "FAILED":
        return Event(EventKind.FAILED, provider_id=name, author=Author.TEAM, detail="Zoho Desk could not send it.")
    author = thread.get("author") or {}
    written = _party(str(thread.get("fromEmailAddress") or ""), author)
    files = [
        (str(one.get("name") or "a file"), str(one.get("href") or ""))
        for one in thread.get("attachments") or ()
        if isinstance(one, dict)
    ]
    inbound = _inbound(name, ticket, written, _text(thread), files, is_out=is_out)
    if not is_out:
        return Event(EventKind.MESSAGE, name, Author.CUSTOMER, inbound, at=_at(thread.get("createdTime")))
    # Whose own it is tells its id: we know it before anything is sent.
    at = _at(thread.get("createdTime"))
    return Event(EventKind.MESSAGE, name, Author.TEAM, inbound, at=at, is_pending=status == "PENDING")


def _comment(comment: dict[str, Any], ticket: dict[str, Any]) -> Event:
    if not comment.get("id") or comment.get("isPublic") is not True:
        return NOTHING
    who = comment.get("commenter") or {}
    name = f"comment:{comment['id']}"
    author = Author.CUSTOMER if who.get("type") == "END_USER" else Author.TEAM
    sender, is_out = _party(str(who.get("email") or ""), who), author == Author.TEAM
    inbound = _inbound(name, ticket, sender, _text(comment), [], is_out=is_out)
    return Event(EventKind.MESSAGE, name, author, inbound, at=_at(comment.get("commentedTime")))


def _inbound(
    name: str,
    ticket: dict[str, Any],
    sender: Party,
    text: tuple[str, str],
    files: list[tuple[str, str]],
    *,
    is_out: bool,
) -> Inbound:
    # Imported when the first thread is read: pages need none of it.
    from conversations.channels.email.reading.quoting import split_reply

    plain, html = text
    new, _ = split_reply(plain)
    named = " ".join(name for name, _ in files)
    address = str(ticket.get("email") or "")
    return Inbound(
        external_id=name,
        thread_id=str(ticket["id"]),
        sender=sender,
        subject=str(ticket.get("subject") or ""),
        body_text=plain or named,
        body_new=new or plain or named,
        body_html=html,
        customer=Party(address) if is_out and address else None,
        **handed_out("Zoho Desk", files),
    )


def _text(thing: dict[str, Any]) -> tuple[str, str]:
    """Its words, and its HTML if Zoho has it as that."""
    from conversations.channels.email.reading.html_text import html_to_text

    content = str(thing.get("content") or "")
    if "html" in str(thing.get("contentType") or "html").lower():
        return html_to_text(content) or str(thing.get("plainText") or ""), content
    return content or str(thing.get("plainText") or ""), ""


def _party(written: str, who: dict[str, Any]) -> Party:
    from conversations.channels.email.reading.addresses import parse_addresses

    found = next(iter(parse_addresses(written)), Party(""))
    name = str(who.get("name") or " ".join(filter(None, (who.get("firstName"), who.get("lastName")))))
    return Party(found.address or str(who.get("email") or who.get("id") or ""), found.name or name)


def _at(written: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return found if found.tzinfo else None
