"""How an endpoint fares: pauses after several faults in a row, a notice after a day, off after five. Its row is locked."""

from __future__ import annotations

import uuid
from datetime import timedelta
from urllib.parse import urlsplit

from conversations import audit
from conversations.database import database_time
from conversations.models import Membership, Notification, Role, WebhookDelivery, WebhookEndpoint

State = WebhookEndpoint.State
#: So many faults in a row, and nothing is tried for a while: seconds, doubling.
PATIENCE, FIRST_PAUSE, LONGEST_PAUSE = 5, 30, 300
TOLD_AFTER, OFF_AFTER = timedelta(hours=24), timedelta(days=5)


def locked(endpoint_id: uuid.UUID) -> WebhookEndpoint | None:
    """The endpoint, against everybody but those who only add events for it; None if it was removed."""
    rows = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True)
    return rows.filter(pk=endpoint_id).first()


def host_of(endpoint: WebhookEndpoint) -> str:
    """What it is called where its whole address, which may hold a key, does not belong."""
    return (urlsplit(endpoint.url).hostname or "")[:120]


def worked(endpoint: WebhookEndpoint) -> None:
    endpoint.faults, endpoint.failing_since, endpoint.paused_until, endpoint.told_at = 0, None, None, None
    endpoint.save()


def failed(endpoint: WebhookEndpoint, problem: str) -> None:
    now = database_time.now()
    endpoint.faults += 1
    since = endpoint.failing_since = endpoint.failing_since or now
    if endpoint.faults >= PATIENCE:
        pause = min(FIRST_PAUSE * 2 ** min(endpoint.faults - PATIENCE, 10), LONGEST_PAUSE)
        endpoint.paused_until = now + timedelta(seconds=pause)
    if now - since >= OFF_AFTER and endpoint.state == State.ON:
        switched_off_by_itself(endpoint, State.FAILED, f"nothing arrived for five days, last: {problem}")
        return
    if now - since >= TOLD_AFTER and endpoint.told_at is None:
        endpoint.told_at = now
        off_at = since + OFF_AFTER
        _tell(endpoint, f"Nothing arrived since {since:%d %b %H:%M} UTC. It is switched off on {off_at:%d %b %H:%M}.")
    endpoint.save()


def switched_off_by_itself(endpoint: WebhookEndpoint, state: WebhookEndpoint.State, why: str) -> None:
    """Nothing is tried any more, and what waits is given up; it stays to be replayed. Admins are told."""
    if endpoint.state != State.ON:
        endpoint.save()
        return
    switch(endpoint, state)
    audit.record(
        audit.Kind.WEBHOOK_SWITCHED,
        actor=audit.SYSTEM,
        about=endpoint,
        data={"host": host_of(endpoint), "state": "off", "reason": audit.masked(why)[:200]},
    )
    _tell(endpoint, f"Switched off: {why}.")


def switch(endpoint: WebhookEndpoint, state: WebhookEndpoint.State) -> None:
    """To another state, with nothing held against it. What waits is given up when it goes off."""
    endpoint.state, endpoint.state_at = state, database_time.now()
    endpoint.faults, endpoint.failing_since, endpoint.paused_until, endpoint.told_at = 0, None, None, None
    endpoint.save()
    if state != State.ON:
        waiting = WebhookDelivery.objects.filter(endpoint=endpoint, status=WebhookDelivery.Status.PENDING)
        waiting.update(status=WebhookDelivery.Status.GIVEN_UP)


def _tell(endpoint: WebhookEndpoint, problem: str) -> None:
    """One notice for each admin."""
    admins = Membership.objects.filter(role=Role.ADMIN, is_active=True).values_list("user_id", flat=True)
    payload = {"host": host_of(endpoint), "problem": problem[:400]}
    Notification.objects.bulk_create(
        Notification(
            account_id=endpoint.account_id, user_id=pk, type=Notification.Type.WEBHOOK_AWAY, payload=dict(payload)
        )
        for pk in admins
    )
