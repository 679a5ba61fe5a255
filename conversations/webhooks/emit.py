"""Telling of what happened, in the transaction in which it happened: a rollback takes both back.

One statement, which finds nothing to do where nobody wants to be told. It is the account's endpoints that it looks at, and it
holds them only against being removed meanwhile: who saves what an endpoint answered need not wait.
"""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

from django.db import connection, models

from conversations.jobs import wake
from conversations.models import Delivery
from conversations.models.base import TenantRow, new_id

TASK = "conversations.tell_webhook"
QUEUE = "webhooks"
#: So long an event is kept, and can be sent again.
KEPT = timedelta(days=30)


class News(models.TextChoices):
    """What an endpoint can be told of, and what that is in words."""

    MESSAGE_RECEIVED = "message.received", "a customer wrote"
    DRAFT_READY = "draft.ready", "a draft waits for a person"
    DRAFT_DECIDED = "draft.decided", "approved, edited or rejected"
    DELIVERY_SENT = "delivery.sent", "a reply left"
    DELIVERY_FAILED = "delivery.failed", "it came back or was refused"
    DELIVERY_UNCERTAIN = "delivery.uncertain", "we do not know if it arrived"
    CONVERSATION_CLOSED = "conversation.closed", "closed by a person or by itself"


#: Sent by *Send a test* to one endpoint, whatever it wants to be told of.
TEST = "endpoint.test"
_OF_A_DELIVERY = {
    Delivery.Status.SENT: News.DELIVERY_SENT,
    Delivery.Status.FAILED: News.DELIVERY_FAILED,
    Delivery.Status.BOUNCED: News.DELIVERY_FAILED,
    Delivery.Status.UNCERTAIN: News.DELIVERY_UNCERTAIN,
}

# An endpoint that is off is not told, but the event is kept for it: it can be replayed.
_EMIT = """
WITH wanted AS MATERIALIZED (
  SELECT id, account_id, state FROM conversations_webhookendpoint
   WHERE account_id = %(account)s AND jsonb_exists(events, %(kind)s) FOR KEY SHARE
), event AS (
  INSERT INTO conversations_webhookevent (id, created_at, account_id, kind, data)
  SELECT %(event)s, now(), %(account)s, %(kind)s, %(data)s::jsonb WHERE EXISTS (SELECT 1 FROM wanted)
)
INSERT INTO conversations_webhookdelivery (id, account_id, event_id, endpoint_id, next_attempt_at, updated_at)
SELECT gen_random_uuid(), account_id, %(event)s, id, now(), now() FROM wanted WHERE state = 'on' RETURNING id
"""


def emit(kind: News, about: TenantRow, *, conversation_id: uuid.UUID, **said: object) -> None:
    """Tell every endpoint that wants to know. `about` is what the kind begins with; `said` are ids and states, never texts."""
    data = {"conversation": str(conversation_id), kind.split(".")[0]: str(about.pk)}
    data |= {name: str(value) for name, value in said.items()}
    values: dict[str, Any] = {
        "account": about.account_id,
        "kind": str(kind),
        "event": new_id(),
        "data": json.dumps(data),
    }
    with connection.cursor() as cursor:
        cursor.execute(_EMIT, values)
        found = [row[0] for row in cursor.fetchall()]
    for delivery_id in found:
        wake(TASK, queue=QUEUE, account_id=about.account_id, delivery_id=delivery_id)


def emit_delivery(delivery: Delivery, before: str) -> None:
    """A delivery came from `before` to where it stands: some of these moves are news."""
    kind = _OF_A_DELIVERY.get(Delivery.Status(delivery.status))
    if kind is not None and before != delivery.status:
        draft = {"draft": delivery.draft_id} if delivery.draft_id else {}
        emit(kind, delivery, conversation_id=delivery.conversation_id, status=delivery.status, **draft)
