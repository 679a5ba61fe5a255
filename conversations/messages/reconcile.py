"""A reply whose fate nobody knows is looked for where its server keeps what was sent, before anybody is troubled with it.

What is there was sent. What is not there is not thereby unsent: nothing is sent again on that, and a person decides
(docs/decisions/0073).
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from conversations.channels.base import ChannelError, Failure
from conversations.database import database_time
from conversations.failpoints import failpoint
from conversations.jobs import wake
from conversations.messages import moves, outbox, outcomes, sent_mail
from conversations.models import Delivery
from conversations.tenancy import tenant_context


def look(*, account_id: uuid.UUID, delivery_id: uuid.UUID, number: int) -> str:
    """Look for the `number`th time; returns the delivery's status afterwards. Harmless when it runs twice or late. Outside of
    any transaction."""
    with tenant_context(account_id, durable=True):
        delivery = Delivery.objects.select_related("channel").filter(pk=delivery_id).first()
    if delivery is None or not _is_open(delivery):
        return delivery.status if delivery else "gone"
    shown, not_sent, why = None, "", ""
    try:
        shown = sent_mail.find(delivery)
    except ChannelError as error:
        said = f"{error} {error.response}".strip()
        not_sent, why = (said, "") if error.failure == Failure.PERMANENT else ("", f" The last look failed: {said}")
    except OSError as error:  # a file of it that is gone
        why = f" The last look failed: {error}"
    failpoint("reconcile.looked")
    with tenant_context(account_id, durable=True):
        delivery = moves.lock_delivery(delivery_id)
        if not _is_open(delivery):  # a person was quicker, or the provider
            return delivery.status
        looks = outbox.TAKEN_LOOKS if delivery.status == Delivery.Status.SENDING else outbox.LOOKS
        if shown and not shown.is_pending:
            outcomes.found_sent(delivery, shown)
        elif not_sent:
            moves.failed(delivery, not_sent)
        elif number < len(looks):
            at = database_time.now() + timedelta(seconds=looks[number])
            ids: dict[str, Any] = {"account_id": account_id, "delivery_id": delivery_id}
            wake(outbox.LOOK_TASK, at=at, queue="outbox", **ids, number=number + 1)
        elif delivery.status == Delivery.Status.SENDING:
            outcomes.not_said(delivery)
        else:
            outcomes.not_found(delivery, times=number, why=why)
    return delivery.status


def _is_open(delivery: Delivery) -> bool:
    """Nobody knows what became of it, or its provider has it and has not sent it yet."""
    is_taken = delivery.status == Delivery.Status.SENDING and delivery.taken_at is not None
    return is_taken or delivery.status == Delivery.Status.UNCERTAIN
