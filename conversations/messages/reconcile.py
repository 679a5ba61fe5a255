"""A reply whose fate nobody knows is looked for where its server keeps what was sent, before anybody is troubled with it.

What is there was sent. What is not there is not thereby unsent: nothing is sent again on that, and a person decides
(docs/decisions/0073).
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from conversations.channels.base import ChannelError
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
    if delivery is None or delivery.status != Delivery.Status.UNCERTAIN:
        return delivery.status if delivery else "gone"
    try:
        shown, why = sent_mail.find(delivery), ""
    except ChannelError as error:
        shown, why = None, f" The last look failed: {error} {error.response}".rstrip()
    failpoint("reconcile.looked")
    with tenant_context(account_id, durable=True):
        delivery = moves.lock_delivery(delivery_id)
        if delivery.status != Delivery.Status.UNCERTAIN:  # a person was quicker
            return delivery.status
        if shown:
            outcomes.found_sent(delivery, shown)
        elif number < len(outbox.LOOKS):
            at = database_time.now() + timedelta(seconds=outbox.LOOKS[number])
            ids: dict[str, Any] = {"account_id": account_id, "delivery_id": delivery_id}
            wake(outbox.LOOK_TASK, at=at, queue="outbox", **ids, number=number + 1)
        else:
            outcomes.not_found(delivery, times=number, why=why)
    return delivery.status
