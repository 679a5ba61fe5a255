"""What is told to systems of the account's own: where to, what happened, and every try to tell it (docs/decisions/0076)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database import database_time
from conversations.database.encryption import EncryptedTextField
from conversations.database.guards import (
    Transitions,
    Trigger,
    json_under_64k,
    one_of,
    same_account,
    tenant_guards,
)
from conversations.models.base import TenantForeignKey, TenantRow

#: A delivery's life. What arrived, or was given up, is sent again when a person replays it.
WEBHOOK_MOVES = {
    "pending": ["sending", "given_up"],
    "sending": ["pending", "delivered", "given_up"],
    "delivered": ["pending"],
    "given_up": ["pending"],
}


class WebhookEndpoint(TenantRow):
    """An address of the account's own that is told of events. `faults` counts what failed since something arrived last; while
    `paused_until` lasts, nothing is tried. Two secrets sign until `before_until`."""

    class State(models.TextChoices):
        ON = "on"
        OFF = "off"  # by a person
        FAILED = "failed"  # by itself, after five days
        GONE = "gone"  # it answered 410

    url = models.CharField(max_length=500)
    events = models.JSONField(default=list)
    with_text = models.BooleanField(default=False)
    state = models.CharField(max_length=20, choices=State.choices, default=State.ON)
    state_at = models.DateTimeField(default=database_time.now)
    secret = EncryptedTextField()
    secret_before = EncryptedTextField(null=True)
    before_until = models.DateTimeField(null=True)
    faults = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    paused_until = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True, help_text="When it was tried last.")
    last_status = models.PositiveIntegerField(null=True)
    last_milliseconds = models.PositiveIntegerField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("webhookendpoint"),
            one_of("webhookendpoint", "state", ["on", "off", "failed", "gone"]),
            models.CheckConstraint(
                condition=Q(faults=0, failing_since__isnull=True, paused_until__isnull=True)
                | Q(faults__gt=0, failing_since__isnull=False),
                name="webhookendpoint_fails_since",
            ),
            models.CheckConstraint(
                condition=Q(before_until__isnull=True, secret_before__isnull=True)
                | Q(before_until__isnull=False, secret_before__isnull=False),
                name="webhookendpoint_old_secret_ends",
            ),
            json_under_64k("webhookendpoint", "events"),
        ]

    def __str__(self) -> str:
        return self.url


class WebhookEvent(TenantRow):
    """Something that happened: its kind and ids, never a text. Its number, `seq`, is given when its transaction commits."""

    seq = models.PositiveBigIntegerField(null=True, editable=False)
    kind = models.CharField(max_length=40)
    data = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("webhookevent"),
            models.UniqueConstraint(fields=["account", "seq"], name="webhookevent_seq"),
            json_under_64k("webhookevent", "data"),
            Trigger(name="webhook_number", when="AFTER INSERT", function="webhook_number", deferred=True),
            one_of(
                "webhookevent",
                "kind",
                [
                    "message.received",
                    "draft.ready",
                    "draft.decided",
                    "delivery.sent",
                    "delivery.failed",
                    "delivery.uncertain",
                    "conversation.closed",
                    "endpoint.test",
                ],
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "created_at"], name="idx_webhookevent_at")]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq}"


class WebhookDelivery(TenantRow):
    """One event on its way to one endpoint. `tries_before` are those of before somebody replayed it."""

    class Status(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        DELIVERED = "delivered"
        GIVEN_UP = "given_up"

    event = TenantForeignKey(WebhookEvent, related_name="deliveries")
    endpoint = TenantForeignKey(WebhookEndpoint, related_name="deliveries", db_index=False)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING, db_default="pending")
    attempt_count = models.PositiveIntegerField(default=0, db_default=0)
    tries_before = models.PositiveIntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(default=database_time.now)
    lease_until = models.DateTimeField(null=True)
    handover_at = models.DateTimeField(null=True)
    last_status = models.PositiveIntegerField(null=True)
    delivered_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints: ClassVar = [
            *tenant_guards("webhookdelivery"),
            models.UniqueConstraint(fields=["account", "endpoint", "event"], name="webhookdelivery_once"),
            one_of("webhookdelivery", "status", ["pending", "sending", "delivered", "given_up"]),
            models.CheckConstraint(
                condition=~Q(status="sending") | Q(lease_until__isnull=False), name="webhookdelivery_sending_has_lease"
            ),
            models.CheckConstraint(
                condition=~Q(status="delivered") | Q(delivered_at__isnull=False), name="webhookdelivery_has_time"
            ),
            Transitions(moves=WEBHOOK_MOVES, name="webhookdelivery_moves"),
            *same_account("webhookdelivery", "event", "endpoint"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account", "endpoint", "next_attempt_at"],
                name="idx_webhookdelivery_waiting",
                condition=Q(status__in=["pending", "sending"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} after {self.attempt_count} tries"


class WebhookAttempt(TenantRow):
    """One try. Written when it starts, completed once. What was answered to a body with texts is not kept."""

    class Outcome(models.TextChoices):
        DELIVERED = "delivered"
        REFUSED = "refused"  # an answer, but not a good one
        UNREACHABLE = "unreachable"
        CRASHED = "crashed"

    delivery = TenantForeignKey(WebhookDelivery, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=database_time.now)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True, default="")
    http_status = models.PositiveIntegerField(null=True)
    milliseconds = models.PositiveIntegerField(null=True)
    answer = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("webhookattempt"),
            models.UniqueConstraint(fields=["account", "delivery", "number"], name="webhookattempt_number"),
            one_of("webhookattempt", "outcome", ["", "delivered", "refused", "unreachable", "crashed"]),
            Transitions(
                field="outcome",
                moves={"": ["delivered", "refused", "unreachable", "crashed"]},
                name="webhookattempt_moves",
            ),
            *same_account("webhookattempt", "delivery"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome or 'running'}"
