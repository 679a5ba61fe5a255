"""Sending again what was sent, given up, or happened while an endpoint was off: with the same ids."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.jobs import wake
from conversations.models import User, WebhookDelivery, WebhookEndpoint, WebhookEvent
from conversations.webhooks import health
from conversations.webhooks.emit import KEPT, QUEUE, TASK
from conversations.webhooks.endpoints import locked

Status = WebhookDelivery.Status
#: Events of one replay.
MOST = 5_000


def replay(
    *,
    endpoint_id: uuid.UUID,
    actor: User,
    event_ids: Sequence[uuid.UUID] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Send the events again that are named, or that happened in a span of time. How many; what is on its way anyhow is tried
    at once and counts too.

    Raises WebhookEndpoint.DoesNotExist (404), PermissionDenied (403), Conflict (409: it is off), Invalid (422).
    """
    if bool(event_ids) == bool(since and until):
        raise Invalid("Name events, or a span of time. Nothing was sent.")
    with transaction.atomic():
        endpoint = locked(endpoint_id, actor)
        if endpoint.state != WebhookEndpoint.State.ON:
            raise Conflict("It is switched off. Switch it on first; nothing was sent.")
        if event_ids:
            events = _theirs(endpoint).filter(pk__in=event_ids)
        else:
            assert since is not None and until is not None
            events = in_span(endpoint, since, until)
        ids = list(events.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
        if not ids:
            raise Invalid("There is no such event for this endpoint. Nothing was sent.")
        if len(ids) > MOST:
            raise Invalid(f"These are more than {MOST:,} events. Choose a shorter span; nothing was sent.")
        now = database_time.now()
        WebhookDelivery.objects.bulk_create(
            [WebhookDelivery(account_id=endpoint.account_id, event_id=pk, endpoint=endpoint) for pk in ids],
            ignore_conflicts=True,
        )
        found = WebhookDelivery.objects.filter(endpoint=endpoint, event__in=ids)
        found.filter(status=Status.PENDING).update(next_attempt_at=now)
        found.filter(status__in=[Status.DELIVERED, Status.GIVEN_UP]).update(
            status=Status.PENDING, tries_before=F("attempt_count"), next_attempt_at=now
        )
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(paused_until=None)
        # The worker that sends the first goes on with those that follow.
        for pk in (
            found.filter(status=Status.PENDING).order_by("next_attempt_at", "pk").values_list("pk", flat=True)[:2]
        ):
            wake(TASK, queue=QUEUE, account_id=endpoint.account_id, delivery_id=pk)
        data = {"host": health.host_of(endpoint), "count": len(ids)}
        audit.record(audit.Kind.WEBHOOK_REPLAYED, actor=actor, about=endpoint, data=data)
    return len(ids)


def in_span(endpoint: WebhookEndpoint, since: datetime, until: datetime) -> QuerySet[WebhookEvent]:
    """What happened in it that the endpoint wants to be told of, and is kept. Raises Invalid (422)."""
    if since >= until:
        raise Invalid("The span ends before it begins. Nothing was sent.")
    return _theirs(endpoint).filter(created_at__gte=since, created_at__lt=until, kind__in=endpoint.events)


def _theirs(endpoint: WebhookEndpoint) -> QuerySet[WebhookEvent]:
    """A test belongs to the endpoint that it was sent to."""
    kept = WebhookEvent.objects.filter(account_id=endpoint.account_id, created_at__gte=database_time.now() - KEPT)
    told = WebhookDelivery.objects.filter(endpoint=endpoint).values("event")
    return kept.filter(kind__in=endpoint.events) | kept.filter(pk__in=told)
