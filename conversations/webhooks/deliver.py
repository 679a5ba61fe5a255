"""The worker's side: one event to one endpoint, by the steps of `conversations.database.once`; sent again until it arrives.

At least once: a worker that dies after it sent leaves a delivery that is sent again with the same id. An endpoint that does
not work holds one worker for one request at a time, with pauses that grow; the events of others pass by.
"""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from conversations.database import database_time, once
from conversations.failpoints import failpoint
from conversations.jobs import wake
from conversations.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from conversations.tenancy import tenant_context
from conversations.webhooks import signing
from conversations.webhooks.body import body_of
from conversations.webhooks.emit import QUEUE, TASK
from conversations.webhooks.health import failed, locked, switched_off_by_itself, worked
from conversations.webhooks.posting import SECONDS, Answer, post

Status = WebhookDelivery.Status
State = WebhookEndpoint.State
Outcome = WebhookAttempt.Outcome
#: Seconds between the tries of one event, give or take a fifth. With the first there are eight.
WAITS = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
SPREAD = 0.2
LONGEST_ASKED = 86_400.0
LEASE = SECONDS + 30
#: Requests to one endpoint at the same time, while it answers well.
PARALLEL = 2
#: A worker that finds more for the same endpoint goes on for so long, and then lets others in.
IN_A_ROW = 10.0
BREATH = timedelta(seconds=1)
GONE = 410


@dataclass(frozen=True, slots=True)
class _Claim:
    delivery_id: uuid.UUID
    endpoint_id: uuid.UUID
    attempt: int
    event_id: str
    url: str
    body: bytes
    keys: tuple[str, ...]
    is_told_texts: bool


def deliver(*, account_id: uuid.UUID, delivery_id: uuid.UUID) -> str:
    """Send it if it is due, and then what else waits for the same endpoint, for a while. How many were sent, in words."""
    began, count, next_one = time.monotonic(), 0, delivery_id
    while True:
        with tenant_context(account_id, durable=True):
            claim = _claim(next_one)
        if claim is None:
            return f"{count} sent"
        goes_on = _send(account_id, claim)
        count += 1
        with tenant_context(account_id):
            waiting = _waiting(claim.endpoint_id).first()
            if waiting is None:
                return f"{count} sent"
            if not goes_on or time.monotonic() - began > IN_A_ROW:
                _wake_later(waiting, claim.endpoint_id, goes_on)
                return f"{count} sent"
        next_one = waiting.pk


def _wake_later(waiting: WebhookDelivery, endpoint_id: uuid.UUID, goes_on: bool) -> None:
    """Others come first; after a fault the endpoint has a moment to itself, or its pause."""
    now = database_time.now()
    paused = WebhookEndpoint.objects.filter(pk=endpoint_id).values_list("paused_until", flat=True).first()
    at = None if goes_on else max(paused or now, now + BREATH)
    wake(TASK, at=at, queue=QUEUE, account_id=waiting.account_id, delivery_id=waiting.pk)


def _waiting(endpoint_id: uuid.UUID | None = None) -> QuerySet[WebhookDelivery]:
    rows = WebhookDelivery.objects.filter(status=Status.PENDING, next_attempt_at__lte=database_time.now())
    rows = rows.filter(endpoint=endpoint_id) if endpoint_id else rows
    return rows.order_by("next_attempt_at", "pk")


def _claim(delivery_id: uuid.UUID) -> _Claim | None:
    rows = WebhookDelivery.objects.filter(pk=delivery_id, status=Status.PENDING)
    endpoint_id = rows.values_list("endpoint_id", flat=True).first()
    endpoint = locked(endpoint_id) if endpoint_id else None
    if endpoint is None or not _is_open(endpoint):
        return None
    delivery = once.due(rows)
    if delivery is None:
        return None
    attempt = once.lease(delivery, working=Status.SENDING, seconds=LEASE)
    WebhookAttempt.objects.create(account_id=delivery.account_id, delivery=delivery, number=attempt)
    event = delivery.event
    return _Claim(
        delivery.pk,
        endpoint.pk,
        attempt,
        str(event.pk),
        endpoint.url,
        body_of(event, endpoint),
        keys_of(endpoint, database_time.now()),
        endpoint.with_text,
    )


def keys_of(endpoint: WebhookEndpoint, now: datetime) -> tuple[str, ...]:
    """The secrets that sign now, the newest first."""
    before = endpoint.secret_before if endpoint.before_until and endpoint.before_until > now else None
    return (endpoint.secret, *([before] if before else []))


def _is_open(endpoint: WebhookEndpoint) -> bool:
    """Whether the locked endpoint takes one more now: one at a time where the last one failed."""
    now = database_time.now()
    if endpoint.state != State.ON or (endpoint.paused_until is not None and endpoint.paused_until > now):
        return False
    under_way = WebhookDelivery.objects.filter(endpoint=endpoint, status=Status.SENDING, lease_until__gt=now)
    return under_way.count() < (1 if endpoint.faults else PARALLEL)


def _send(account_id: uuid.UUID, claim: _Claim) -> bool:
    """Whether the endpoint took it, and may be given the next."""

    def handing_over() -> None:
        with tenant_context(account_id, durable=True):
            rows = WebhookDelivery.objects.filter(pk=claim.delivery_id)
            once.hand_over(rows, working=Status.SENDING, attempt=claim.attempt)

    at = int(database_time.now().timestamp())
    signed = signing.headers(event_id=claim.event_id, at=at, body=claim.body, keys=claim.keys)
    sent_with = {"content-type": "application/json", "user-agent": "Countersign-Webhooks", **signed}
    try:
        answer = post(claim.url, claim.body, sent_with, before=handing_over)
    except once.LeaseLost:
        return False
    failpoint("webhook.answered")
    with tenant_context(account_id, durable=True):
        _record(claim, answer)
    return answer.is_good


def _record(claim: _Claim, answer: Answer) -> None:
    endpoint = locked(claim.endpoint_id)
    delivery = WebhookDelivery.objects.select_for_update(of=("self",)).filter(pk=claim.delivery_id).first()
    if endpoint is None or delivery is None:
        return  # removed meanwhile
    outcome = Outcome.DELIVERED if answer.is_good else Outcome.REFUSED if answer.status else Outcome.UNREACHABLE
    # A server may repeat what it was sent: what is said to a body with texts is not kept, our own words are.
    words = "" if claim.is_told_texts and answer.status else answer.words
    now = database_time.now()
    WebhookAttempt.objects.filter(delivery=delivery, number=claim.attempt, outcome="").update(
        outcome=outcome,
        finished_at=now,
        http_status=answer.status,
        milliseconds=answer.milliseconds,
        answer=words[:500],
    )
    endpoint.answered_at, endpoint.last_status = now, answer.status
    endpoint.last_milliseconds = answer.milliseconds
    mine = once.owns(delivery, working=Status.SENDING, attempt=claim.attempt)
    if mine:
        delivery.last_status, delivery.lease_until = answer.status, None
        delivery.delivered_at = now if answer.is_good else delivery.delivered_at
        delivery.status = Status.DELIVERED if answer.is_good else Status.PENDING
        if not answer.is_good and endpoint.state != State.ON:
            delivery.status = Status.GIVEN_UP  # switched off meanwhile, and with it all that waited
        elif not answer.is_good:
            _again(delivery, answer.retry_after)
        delivery.save()
    if answer.is_good:
        worked(endpoint)
    elif answer.status == GONE:
        switched_off_by_itself(endpoint, State.GONE, "it answered 410: it is gone")
    else:
        failed(endpoint, f"{answer.status}" if answer.status else answer.words)


def _again(delivery: WebhookDelivery, asked: float = 0.0) -> None:
    """When it is tried again, or that it is not. The caller saves."""
    tries = delivery.attempt_count - delivery.tries_before
    if tries > len(WAITS):
        delivery.status = Status.GIVEN_UP
        return
    wait = WAITS[tries - 1] * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - spreads load, keeps no secret
    delivery.next_attempt_at = database_time.now() + timedelta(seconds=max(wait, min(asked, LONGEST_ASKED)))
    wake(TASK, at=delivery.next_attempt_at, queue=QUEUE, account_id=delivery.account_id, delivery_id=delivery.pk)


def sweep(*, account_id: uuid.UUID) -> dict[str, int]:
    """Put back what lost its worker, and wake what is due: for each endpoint that is open as many as it takes at once."""
    found = {"recovered": 0, "woken": 0}
    with tenant_context(account_id):
        now = database_time.now()
        lost = once.crashed(WebhookDelivery.objects.all(), working=Status.SENDING, now=now)
        open_ones = WebhookEndpoint.objects.filter(state=State.ON).exclude(paused_until__gt=now)
        for endpoint_id in open_ones.values_list("pk", flat=True):
            late = _waiting(endpoint_id).filter(next_attempt_at__lt=now - timedelta(seconds=5))
            for pk in late.values_list("pk", flat=True)[:PARALLEL]:
                wake(TASK, queue=QUEUE, once=f"webhook:{pk}", account_id=account_id, delivery_id=pk)
                found["woken"] += 1
    for delivery_id, attempt in lost:
        with tenant_context(account_id):
            found["recovered"] += _recover(delivery_id, attempt, now)
    return found


def _recover(delivery_id: uuid.UUID, attempt: int, now: datetime) -> int:
    """It may have arrived: it is sent again all the same, and whoever gets it twice knows it by its id."""
    delivery = WebhookDelivery.objects.select_for_update(of=("self",)).filter(pk=delivery_id).first()
    if delivery is None or not once.is_lost(delivery, working=Status.SENDING, attempt=attempt, now=now):
        return 0
    WebhookAttempt.objects.filter(delivery=delivery, number=attempt, outcome="").update(
        outcome=Outcome.CRASHED, finished_at=now
    )
    delivery.status, delivery.lease_until = Status.PENDING, None
    _again(delivery)
    delivery.save()
    return 1
