"""What somebody of ours answered outside of this desk: part of the thread, never delivered by us."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from conversations import audit, hooks
from conversations.channels.base import Party
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.messages import owing
from conversations.messages.inbox import clean, locked, plausible
from conversations.messages.tombstones import tombstone
from conversations.models import Conversation, Message


def record_answer(
    *,
    conversation: Conversation,
    external_id: str,
    body_text: str,
    actor: Any,
    sent_at: datetime | None = None,
    sender: Party | None = None,
) -> tuple[Message, bool]:
    """A reply that somebody (`sender`) sent outside this desk: part of the thread, never delivered by us. It settles what is
    owed, unless the customer wrote after it (`sent_at`; None: just now).

    Raises Invalid (422) for a message without text, Conflict (409) for an id that bears another text already.
    """
    if not body_text.strip():
        raise Invalid("The message has no text. Nothing was stored.")
    with transaction.atomic():
        living = owing.living(locked(pk=conversation.pk)[0])
        names = [external_id, tombstone(external_id)]
        known = Message.objects.filter(account_id=living.account_id, channel=living.channel, external_id__in=names)
        if external_id and (found := known.first()):
            if found.body_text != clean(body_text) and not found.erased_at:
                raise Conflict("A message with this id and another text is stored already. Nothing was changed.")
            return found, False
        at = plausible(sent_at)
        asked = Message.objects.filter(conversation=living, direction=Message.Direction.INBOUND, is_automatic=False)
        asked_again = at is not None and asked.filter(sent_at__gt=at).exists()
        message = Message.objects.create(
            account_id=living.account_id,
            conversation=living,
            channel=living.channel,
            external_id=external_id,
            direction=Message.Direction.OUTBOUND,
            role=Message.Role.OPERATOR,
            body_text=clean(body_text),
            sent_at=at or database_time.now(),
            metadata={"sender": clean(sender.address)[:320], "sender_name": clean(sender.name)[:200]} if sender else {},
        )
        audit.record(
            audit.Kind.MESSAGE_RECEIVED,
            actor=actor,
            about=message,
            conversation_id=living.pk,
            data={"seq": message.seq, "elsewhere": True},
            commit={"body": message.body_text},
        )
        if not asked_again:
            living.last_seq = message.seq
            settle(living)
    return message, True


def settle(conversation: Conversation) -> None:
    """Nothing is owed in the locked conversation any more: somebody answered outside of this desk."""
    for handler in hooks.on_answered_elsewhere:
        handler(conversation)
    owing.settle(conversation)
    conversation.save(update_fields=owing.FIELDS)
