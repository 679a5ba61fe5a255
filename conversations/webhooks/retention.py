"""Events are kept for thirty days, with every try to tell them."""

from __future__ import annotations

import uuid

from conversations.database import database_time
from conversations.legal_hold import is_held
from conversations.models import WebhookAttempt, WebhookDelivery, WebhookEvent
from conversations.tenancy import tenant_context
from conversations.webhooks.emit import KEPT

BATCH = 1000


def forget_old(*, account_id: uuid.UUID) -> int:
    """How many events went; a batch a transaction. One that is on its way stays, and a legal hold keeps all."""
    gone = 0
    while True:
        with tenant_context(account_id):
            if is_held(account_id):
                return gone
            under_way = WebhookDelivery.objects.filter(status__in=["pending", "sending"]).values("event")
            old = WebhookEvent.objects.filter(created_at__lt=database_time.now() - KEPT).exclude(pk__in=under_way)
            ids = list(old.values_list("pk", flat=True)[:BATCH])
            if not ids:
                return gone
            WebhookAttempt.objects.filter(delivery__event__in=ids).delete()
            WebhookDelivery.objects.filter(event__in=ids).delete()
            gone += WebhookEvent.objects.filter(pk__in=ids).delete()[0]
