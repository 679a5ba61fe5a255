"""What an admin sees of the endpoints: how each fares, and what became of every event."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Min, Prefetch, Q, QuerySet
from django.utils.timesince import timesince

from conversations.database import database_time
from conversations.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from conversations.webhooks.body import body_of
from conversations.webhooks.deliver import WAITS
from conversations.webhooks.emit import KEPT, News
from conversations.webhooks.health import OFF_AFTER, host_of

Status = WebhookDelivery.Status
State = WebhookEndpoint.State
#: Tries of one event.
TRIES = len(WAITS) + 1
_SHOWN = {
    "open": Q(status__in=[Status.PENDING, Status.SENDING, Status.GIVEN_UP]),
    "delivered": Q(status=Status.DELIVERED),
    "all": Q(),
}
_WHY = {State.GONE: "It answered 410: it is gone.", State.FAILED: "Nothing arrived for five days."}
SHOWS = {"open": "Not delivered", "delivered": "Delivered", "all": "All"}


@dataclass(frozen=True, slots=True)
class Fares:
    """One endpoint, what waits for it, and how many of its events of seven days arrived."""

    endpoint: WebhookEndpoint
    waiting: int
    next_at: datetime | None
    arrived: int
    ended: int

    @property
    def host(self) -> str:
        return host_of(self.endpoint)

    @property
    def state(self) -> tuple[str, str]:
        """In words, and as a colour."""
        one = self.endpoint
        if one.state in {State.GONE, State.FAILED}:
            return f"Switched off by itself, {one.state_at:%-d %b}", "q"
        if one.state == State.OFF:
            return "Switched off", "q"
        if one.failing_since is not None:
            return f"Fails for {timesince(one.failing_since, depth=1)}", "bad"
        return ("Works", "ok") if one.answered_at else ("Nothing sent yet", "q")

    @property
    def needs_a_person(self) -> bool:
        return self.endpoint.failing_since is not None or self.endpoint.state in {State.FAILED, State.GONE}

    @property
    def off_at(self) -> datetime | None:
        since = self.endpoint.failing_since
        return since + OFF_AFTER if since else None

    @property
    def share(self) -> int | None:
        return self.arrived * 100 // self.ended if self.ended else None

    @property
    def said(self) -> str:
        """What it is told of, and how that went, in sentences."""
        one, events = self.endpoint, self.endpoint.events
        said = ["All events" if len(events) == len(News) else ", ".join(events)]
        said[0] += ", with texts." if one.with_text else ", without texts."
        if one.state in _WHY:
            said.append(f"{_WHY[State(one.state)]} Admins were told.")
        if one.answered_at:
            answer = f"Last answer {one.last_status}" if one.last_status else "No answer"
            said.append(f"{answer} in {one.last_milliseconds} ms, {timesince(one.answered_at, depth=1)} ago.")
        if self.share is not None:
            said.append(f"{self.share} % of {self.ended:,} in seven days.")
        if self.waiting:
            said.append(
                f"{self.waiting:,} wait{'s' if self.waiting == 1 else ''}; next try {self.next_at:%-d %b %H:%M} UTC."
            )
        return " ".join(said)

    @property
    def problem(self) -> str:
        """What follows from its faults."""
        paused = self.endpoint.paused_until
        events = f"{self.waiting:,} {'event waits' if self.waiting == 1 else 'events wait'}; none is lost."
        pause = f" It has a pause until {paused:%H:%M}." if paused and paused > database_time.now() else ""
        return f"It is tried until {self.off_at:%-d %b %H:%M} UTC and then switched off. {events}{pause}"


def fares() -> list[Fares]:
    """Every endpoint of this transaction's account, in the order in which they were made: two statements."""
    week = Q(created_at__gte=database_time.now() - timedelta(days=7))
    waits = Q(status__in=[Status.PENDING, Status.SENDING])
    counted = WebhookDelivery.objects.values("endpoint").annotate(
        waiting=Count("pk", filter=waits),
        next_at=Min("next_attempt_at", filter=waits),
        arrived=Count("pk", filter=week & Q(status=Status.DELIVERED)),
        ended=Count("pk", filter=week & Q(status__in=[Status.DELIVERED, Status.GIVEN_UP])),
    )
    found = {row["endpoint"]: (row["waiting"], row["next_at"], row["arrived"], row["ended"]) for row in counted}
    endpoints = WebhookEndpoint.objects.order_by("created_at", "pk")
    return [Fares(one, *found.get(one.pk, (0, None, 0, 0))) for one in endpoints]


@dataclass(frozen=True, slots=True)
class Line:
    """One event on its way, as the list shows it."""

    delivery: WebhookDelivery
    last: WebhookAttempt | None

    @property
    def tries(self) -> int:
        return self.delivery.attempt_count - self.delivery.tries_before

    @property
    def answer(self) -> tuple[str, str]:
        if self.last is None:
            return "Not tried yet", "q"
        if not self.last.outcome:
            return "Being sent", "q"
        if self.last.http_status:
            return str(self.last.http_status), "ok" if self.last.outcome == "delivered" else "bad"
        return self.last.answer or "The worker stopped", "bad"

    @property
    def can_be_sent(self) -> bool:
        return self.delivery.status != Status.SENDING

    @property
    def is_open(self) -> bool:
        return self.delivery.status in {Status.PENDING, Status.SENDING}


def lines(deliveries: Sequence[WebhookDelivery]) -> list[Line]:
    return [Line(one, max(one.attempts.all(), key=lambda each: each.number, default=None)) for one in deliveries]


def deliveries_of(endpoint: WebhookEndpoint, show: str) -> QuerySet[WebhookDelivery]:
    """The newest event first, with its newest try."""
    newest = WebhookAttempt.objects.filter(number=F("delivery__attempt_count"))
    rows = WebhookDelivery.objects.filter(_SHOWN[show], endpoint=endpoint).select_related("event")
    return rows.prefetch_related(Prefetch("attempts", queryset=newest)).order_by("-event__created_at", "-event_id")


def delivery_of(endpoint: WebhookEndpoint, pk: uuid.UUID) -> WebhookDelivery | None:
    """With every try, the first one first."""
    every = WebhookAttempt.objects.order_by("number")
    rows = WebhookDelivery.objects.filter(endpoint=endpoint, pk=pk).select_related("event")
    return rows.prefetch_related(Prefetch("attempts", queryset=every)).first()


def body_shown(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> str:
    """What would be sent now, for a person to read."""
    return json.dumps(json.loads(body_of(delivery.event, endpoint)), indent=2, ensure_ascii=False)


def kept_until(endpoint: WebhookEndpoint) -> datetime:
    """Until when what happened since it went off can be replayed."""
    return endpoint.state_at + KEPT
