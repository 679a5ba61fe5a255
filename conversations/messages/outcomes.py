"""What becomes known of a reply later: it is seen where it went, it bounces, a person settles what nobody knows."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.channels.base import Receipt
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.messages import moves, owing
from conversations.models import Delivery, Message, Notification, User
from conversations.people.roles import Verb, check

Status = Delivery.Status
#: What may still turn out not to have arrived.
BOUNCEABLE = (Status.SENT, Status.DELIVERED)


def found_sent(delivery: Delivery, shown: Receipt) -> None:
    """A reply of unknown fate stands among what was sent; the caller holds its lock."""
    named = {"provider_id": delivery.provider_id or shown.provider_id[:255], "receipt": shown.response[:500]}
    moves.move(delivery, Status.SENT, sent_at=database_time.now(), error="", lease_until=None, **named)
    moves.settle(delivery)
    moves.record(
        audit.Kind.DELIVERY_SENT, delivery, audit.SYSTEM, attempt=delivery.attempt_count, response=shown.response[:200]
    )


def not_found(delivery: Delivery, *, times: int, why: str) -> None:
    """It was looked for in vain, which proves nothing: a person is told and decides. The caller holds its lock."""
    looked = f"It is not among what was sent, looked for {times} times up to {database_time.now():%H:%M} UTC."
    moves.move(delivery, Status.UNCERTAIN, error=f"{delivery.error} {looked}{why}"[:500])
    moves.notify(delivery, Notification.Type.SEND_UNCERTAIN)


def not_said(delivery: Delivery) -> None:
    """Its provider took it over and does not say what became of it: a person is told and decides. The caller holds its lock."""
    moves.move(delivery, Status.UNCERTAIN, error=moves.unsaid(delivery), lease_until=None)
    moves.owe(delivery, owing.Owed.UNCERTAIN)
    moves.notify(delivery, Notification.Type.SEND_UNCERTAIN)
    moves.tell(delivery)
    attempt, said = delivery.attempt_count, delivery.error[:200]
    moves.record(audit.Kind.DELIVERY_UNCERTAIN, delivery, audit.SYSTEM, attempt=attempt, error=said)


def resolve(*, delivery_id: uuid.UUID, actor: User, outcome: str) -> Delivery:
    """A person settles an uncertain or failed delivery: `sent` (it arrived), `send_again`, or `give_up`.

    Raises Delivery.DoesNotExist (404), PermissionDenied (403), Conflict (409: nothing to settle), Invalid (422).
    """
    with transaction.atomic():
        delivery = moves.lock_delivery(delivery_id)
        check(actor, Verb.RESOLVE_DELIVERY, account_id=delivery.account_id)
        allowed = {Status.UNCERTAIN: {"sent", "send_again", "give_up"}, Status.FAILED: {"send_again", "give_up"}}
        if outcome not in {"sent", "send_again", "give_up"}:
            raise Invalid("Say what happened: sent, send_again or give_up. Nothing was changed.")
        if outcome not in allowed.get(Status(delivery.status), set()):
            raise Conflict(f"This delivery is {delivery.get_status_display().lower()}: there is nothing to settle.")
        if outcome == "sent":
            moves.move(delivery, Status.SENT, sent_at=database_time.now(), error="")
            moves.settle(delivery)
        elif outcome == "send_again":
            moves.move(delivery, Status.QUEUED, next_attempt_at=database_time.now(), error="")
            moves.owe(delivery, owing.Owed.LEAVING)
            moves.wake_now(delivery)
        else:
            moves.move(delivery, Status.CANCELLED)
            moves.taken_back(delivery)
            moves.tell(delivery)
        moves.record(audit.Kind.DELIVERY_RESOLVED, delivery, actor, outcome=outcome)
    return delivery


class StillSending(Exception):
    """A worker has the reply in its hands and will say in a moment what became of it."""


def record_seen(*, delivery_id: uuid.UUID, provider_id: str) -> bool:
    """The provider shows us the reply, so it arrived, whatever we knew of it; False for one that was never handed over, or was
    given up: that is another message. Raises StillSending."""
    with transaction.atomic():
        delivery = moves.lock_delivery(delivery_id)
        if delivery.status == Status.SENDING and delivery.taken_at is None:
            raise StillSending
        named = {"provider_id": delivery.provider_id or provider_id[:255]}
        if delivery.status in {Status.SENT, Status.DELIVERED, Status.BOUNCED}:
            if not delivery.provider_id:
                moves.move(delivery, Status(delivery.status), **named)
            return True
        # Tried and put back, or given to a person: what proves that it left keeps it from leaving twice.
        tried = {Status.UNCERTAIN, Status.QUEUED, Status.FAILED, Status.SENDING}
        if delivery.status not in tried or not delivery.attempt_count:
            return False
        now = database_time.now()
        moves.move(delivery, Status.SENT, sent_at=now, error="", lease_until=None, **named)
        Message.objects.filter(pk=delivery.message_id).update(sent_at=now)
        moves.settle(delivery)
        moves.record(audit.Kind.DELIVERY_SEEN, delivery, audit.SYSTEM)
    return True


def record_not_sent(*, delivery_id: uuid.UUID, detail: str) -> bool:
    """The provider had taken it over and says now that it did not go out: it is owed again. False where that is known, or where
    it was never handed over. Raises StillSending."""
    with transaction.atomic():
        delivery = moves.lock_delivery(delivery_id)
        if delivery.status == Status.SENDING and delivery.taken_at is None:
            raise StillSending
        if delivery.status in BOUNCEABLE:
            return record_bounce(delivery_id=delivery_id, detail=detail)
        if delivery.status not in {Status.SENDING, Status.UNCERTAIN}:
            return False
        moves.failed(delivery, detail)
    return True


def record_bounce(*, delivery_id: uuid.UUID, detail: str) -> bool:
    """The provider says that it did not arrive; False if the delivery was never sent, or its bounce is known."""
    with transaction.atomic():
        delivery = moves.lock_delivery(delivery_id)
        if delivery.status not in BOUNCEABLE:
            return False
        moves.move(delivery, Status.BOUNCED, error=detail[:500])
        moves.owe(delivery, owing.Owed.BOUNCED)
        moves.notify(delivery, Notification.Type.BOUNCED)
        moves.tell(delivery)
        moves.record(audit.Kind.DELIVERY_BOUNCED, delivery, audit.SYSTEM)
    return True
