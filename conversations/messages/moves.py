"""What every act on a delivery does: it locks, moves the row, says so in the trail, tells whoever waits for it."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from conversations import audit, hooks
from conversations.database import database_time
from conversations.jobs import wake
from conversations.messages import owing
from conversations.models import Conversation, Delivery, Message, Notification
from conversations.webhooks.emit import emit_delivery

TASK = "conversations.deliver"


def wake_now(delivery: Delivery) -> None:
    wake(TASK, at=delivery.next_attempt_at, queue="outbox", account_id=delivery.account_id, delivery_id=delivery.pk)


def wake_once(account_id: uuid.UUID, delivery_id: uuid.UUID, *, at: datetime | None = None) -> None:
    wake(TASK, at=at, queue="outbox", once=f"deliver:{delivery_id}", account_id=account_id, delivery_id=delivery_id)


def lock_delivery(delivery_id: uuid.UUID) -> Delivery:
    """The delivery under its conversation's lock: everything that changes a thread locks the conversation first."""
    conversation_id = Delivery.objects.filter(pk=delivery_id).values_list("conversation_id", flat=True).get()
    conversations = Conversation.objects.select_for_update(of=("self",)).select_related("account", "channel")
    conversation = conversations.get(pk=conversation_id)
    delivery = Delivery.objects.select_for_update(of=("self",)).get(pk=delivery_id)
    delivery.conversation = conversation
    return delivery


def move(delivery: Delivery, to: Delivery.Status, **changes: Any) -> None:
    before, delivery.status = delivery.status, to
    for name, value in changes.items():
        setattr(delivery, name, value)
    delivery.save(update_fields=["status", "updated_at", *changes])
    emit_delivery(delivery, before)


def record(kind: audit.Kind, delivery: Delivery, actor: Any, **data: Any) -> None:
    data = {name: audit.masked(value) if isinstance(value, str) else value for name, value in data.items()}
    audit.record(kind, actor=actor, about=delivery, conversation_id=delivery.conversation_id, data=data)


def owe(delivery: Delivery, why: owing.Owed) -> None:
    conversation = owing.living(delivery.conversation)
    owing.owe(conversation, why)
    conversation.save(update_fields=owing.FIELDS)


def taken_back(delivery: Delivery) -> None:
    """The message leaves the thread, and what it was to answer is owed again."""
    Message.objects.filter(pk=delivery.message_id).update(withdrawn_at=database_time.now())
    owing.taken_back(delivery.conversation, delivery.owed_before, seq=delivery.message.seq)
    delivery.conversation.save(update_fields=owing.FIELDS)


def tell(delivery: Delivery) -> None:
    for handler in hooks.on_delivery:
        handler(delivery)


def notify(delivery: Delivery, kind: Notification.Type) -> None:
    Notification.objects.create(
        account_id=delivery.account_id,
        user_id=delivery.approved_by_id,
        type=kind,
        payload={"delivery": str(delivery.pk), "conversation": str(delivery.conversation_id)},
    )


def failed(delivery: Delivery, detail: str) -> None:
    """It did not go, and nothing tries it again by itself: a person decides. The caller holds its lock."""
    move(delivery, Delivery.Status.FAILED, error=detail[:500], lease_until=None)
    owe(delivery, owing.Owed.FAILED)
    notify(delivery, Notification.Type.SEND_FAILED)
    tell(delivery)
    record(audit.Kind.DELIVERY_FAILED, delivery, audit.SYSTEM, attempt=delivery.attempt_count, error=detail[:200])


def unsaid(delivery: Delivery) -> str:
    """Of a reply that the provider took over and then kept quiet about."""
    return f"It was taken at {delivery.taken_at:%H:%M} UTC, and whether it went out has not been said since."


def settle(delivery: Delivery) -> None:
    if owing.reply_left(delivery.conversation):
        delivery.conversation.save(update_fields=owing.FIELDS)
    tell(delivery)
