"""The folder of sent mail is read for what people of the desk wrote in their own mail programs (docs/decisions/0073).

Only what answers a conversation is taken in, as a reply of theirs. Everything else in that folder is nobody's business here:
of it the headers are looked at, and nothing is kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from conversations import audit
from conversations.channels.base import Inbound, Raw
from conversations.channels.provider import Arrival
from conversations.errors import Refusal
from conversations.messages import elsewhere, joining
from conversations.messages.inbox import storable
from conversations.models import Channel, Conversation, Delivery, Message

logger = logging.getLogger(__name__)

#: By which our own mail is known where a server gave it another Message-ID.
OURS = "x-countersign-delivery"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sent mail is here: a person's reply in a conversation, or (`delivery`) our own under another id."""

    conversation: UUID | None = None
    delivery: UUID | None = None


def look(channel: Channel, head: Raw) -> Answer | None:
    """What a mail is by its headers; None for what is none of ours. Looks rows up."""
    found = _read(channel, head)
    if found is None:
        return None
    ids = channel.provided_by.ids
    if ids.read(found.external_id):
        return None  # our own, under the id that we gave it
    if ours := ids.read(found.headers.get(OURS, "")):
        return Answer(delivery=ours)
    own = {one.lower() for one in channel.options.own_addresses(channel.external_id)}
    if found.automatic is not None or found.sender.address.lower() not in own:
        return None
    place = joining.answered_by(channel, storable(found))
    return Answer(conversation=place) if place else None


def take(channel: Channel, raw: Raw, answer: Answer) -> bool:
    """Keep it, in the caller's transaction; whether anything is new."""
    parsed = _read(channel, raw)
    if parsed is None:
        return False
    found = storable(parsed)
    if answer.delivery:
        return _keep_alias(channel, answer.delivery, found.external_id)
    if answer.conversation is None:
        return False
    text = found.body_new or found.body_text
    if found.files:
        text = f"{text}\n\n(Files that it had, left in the mailbox: {len(found.files)})"
    if len(raw.content) > settings.MAIL_MAX_BYTES or not text.strip():
        text = "(A reply from another mail program; its text was not read.)"
    try:
        _, is_new = elsewhere.record_answer(
            conversation=Conversation.objects.get(pk=answer.conversation),
            external_id=found.external_id,
            body_text=text,
            actor=audit.SYSTEM,
            sent_at=found.sent_at or raw.at,
        )
    except Refusal as refusal:  # it came in by another way, as another message
        logger.info("channel %s: a sent mail was not taken in: %s", channel.pk, refusal)
        return False
    return is_new


def _keep_alias(channel: Channel, delivery_id: UUID, external_id: str) -> bool:
    """The server gave our mail another id: whoever answers that one answers this conversation."""
    message_id = Delivery.objects.filter(pk=delivery_id, channel=channel).values_list("message_id", flat=True).first()
    if message_id is None or Message.objects.filter(channel=channel, external_id=external_id).exists():
        return False
    rows = Message.objects.filter(pk=message_id, external_id="", erased_at__isnull=True)
    return bool(rows.update(channel=channel, external_id=external_id))


def _read(channel: Channel, raw: Raw) -> Inbound | None:
    # Nobody's own address is named: what an automaton of that mailbox wrote is to be seen as such.
    read = channel.provided_by.read
    return read(Arrival(raw.content), channel.options) if read else None
