"""What was said in a conversation, and in those that are merged with it: messages and notes as one timeline."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from conversations.models import Conversation, Message
from conversations.views import present
from conversations.views.notes import NoteView, among, notes_of
from conversations.views.present import MessageView
from conversations.views.words import Clock

MESSAGES = 100


@dataclass(frozen=True, slots=True)
class Talk:
    """The newest part, oldest first; `earlier` is where the part before it ends, "" at the beginning."""

    entries: list[MessageView | NoteView]
    earlier: str


def talk_of(
    conversation: Conversation,
    family: Sequence[Conversation],
    clock: Clock,
    *,
    account: str,
    before: str,
    may_correct: bool,
    may_fetch: bool,
    reader: str,
) -> Talk:
    """`family` is the conversation with all that are merged with it; `before` is what `earlier` said. Of one conversation the
    order is its numbering; of several, when each message arrived."""
    messages = Message.objects.shown().filter(conversation__in=family).prefetch_related("attachments")
    messages = messages.order_by("-seq") if len(family) == 1 else messages.order_by("-received_at", "-seq")
    end = _end(family, before)
    if end is not None:
        messages = messages.filter(Q(seq__lt=end[0]) if len(family) == 1 else Q(received_at__lt=end[1]))
    found = list(messages[: MESSAGES + 1])
    shown = list(reversed(found[:MESSAGES]))
    is_more = len(found) > MESSAGES
    notes = notes_of(
        family, clock, reader=reader, since=shown[0].received_at if is_more else None, before=end[1] if end else None
    )
    by_id = {one.pk: one for one in family}
    views = []
    for message in shown:
        of = by_id[message.conversation_id]
        entry = as_entry(message)
        view = present.message_view(
            entry,
            clock,
            customer=of.customer,
            account=account,
            address=of.customer_email,
            may_correct=may_correct,
            may_fetch=may_fetch,
        )
        if of.pk != conversation.pk:
            view.notes.append(f"in #{of.number}")
        views.append((message.received_at, view))
    return Talk(among(views, notes), str(shown[0].pk) if is_more else "")


def as_entry(message: Message) -> dict[str, Any]:
    """A message as `present.message_view` takes it."""
    return {
        "id": message.pk,
        "direction": message.direction,
        "text": message.body_text,
        "new": message.body_new,
        "has_html": bool(message.body_html),
        "sent_at": message.sent_at,
        "is_automatic": message.is_automatic,
        "erased_at": message.erased_at,
        **{
            name: message.metadata.get(name)
            for name in ("sender", "sender_name", "reply_to", "answer_to", "cc", "authentication", "problems", "there")
        },
        "files": [
            {"id": f.pk, "name": f.file_name, "size": f.size_bytes, "verdict": f.verdict}
            for f in message.attachments.all()
        ],
    }


def _end(family: Sequence[Conversation], before: str) -> tuple[int, datetime] | None:
    try:
        pk = uuid.UUID(before)
    except ValueError:
        return None
    found = Message.objects.filter(conversation__in=family, pk=pk).values_list("seq", "received_at").first()
    return found and (found[0], found[1])
