"""A question in a chat and what becomes of it: asked, worked on by one worker at a time, answered once."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database.guards import Transitions, Trigger, json_under_64k, one_of, same_account, tenant_guards
from conversations.metadata import Steps, validate_with
from conversations.models.base import PrivateTo, TenantForeignKey, TenantRow

#: The arrows of a turn's life; the database refuses any other.
TURN_MOVES = {
    "queued": ["running", "stopped", "failed"],
    "running": ["done", "stopped", "failed", "queued"],  # back: its worker was lost
}
LIVE = ("queued", "running")


class AssistantTurnQuerySet(models.QuerySet["AssistantTurn"]):
    def live(self) -> AssistantTurnQuerySet:
        return self.filter(status__in=LIVE)


class AssistantTurn(TenantRow):
    """`fence` counts the workers that had it: only the last one may write. `text` and `steps` are what it wrote so far,
    and empty once there is an answer. `tokens` are set aside while it lives, and what was used afterwards."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Starting"
        RUNNING = "running", "Being written"
        DONE = "done", "Answered"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "No answer came"

    class Engine(models.TextChoices):
        CONFIGURED = "configured", "The assistant"
        OFFLINE = "offline", "The built-in assistant"

    session = TenantForeignKey("conversations.AssistantSession", related_name="turns", db_index=False)
    conversation = TenantForeignKey("conversations.Conversation", related_name="+", db_index=False)
    private_to = PrivateTo()
    question = TenantForeignKey("conversations.Message", related_name="+", db_index=False)
    answer = TenantForeignKey("conversations.Message", null=True, related_name="+", db_index=False)
    engine = models.CharField(max_length=20, choices=Engine.choices, default=Engine.CONFIGURED)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    fence = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    stop_asked_at = models.DateTimeField(null=True)
    text = models.TextField(blank=True, default="")
    steps = models.JSONField(default=list, blank=True, validators=[validate_with(Steps)])
    model_used = models.CharField(max_length=100, blank=True, default="")
    tokens = models.PositiveIntegerField(default=0)
    is_estimated = models.BooleanField(default=False, help_text="A stopped stream tells nobody what it took.")
    cost_micros = models.BigIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")
    ended_at = models.DateTimeField(null=True)

    objects = AssistantTurnQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("assistantturn", private_to="private_to_id"),
            one_of("assistantturn", "status", [*LIVE, "done", "stopped", "failed"]),
            one_of("assistantturn", "engine", ["configured", "offline"]),
            models.UniqueConstraint(
                fields=["account", "session"], condition=Q(status__in=LIVE), name="assistantturn_one_lives"
            ),
            models.CheckConstraint(
                condition=Q(status="running", lease_until__isnull=False)
                | Q(~Q(status="running"), lease_until__isnull=True),
                name="assistantturn_leased_iff_running",
            ),
            models.CheckConstraint(
                condition=Q(status__in=LIVE, ended_at__isnull=True) | Q(~Q(status__in=LIVE), ended_at__isnull=False),
                name="assistantturn_ended_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(~Q(status="done"), answer__isnull=True)
                | Q(status__in=["done", "stopped"], answer__isnull=False),
                name="assistantturn_done_has_its_answer",
            ),
            models.CheckConstraint(
                condition=Q(status__in=LIVE) | Q(text="", steps=[]), name="assistantturn_ended_holds_no_text"
            ),
            json_under_64k("assistantturn", "steps"),
            Transitions(moves=TURN_MOVES, name="assistantturn_moves"),
            Trigger(name="turn_begins", when="BEFORE INSERT", function="turn_begins"),
            *same_account("assistantturn", "session", "conversation", "question", "answer"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "session", "-created_at"], name="idx_turn_session"),
            # What people and the account used today, and what waits for a worker.
            models.Index(fields=["account", "created_at"], name="idx_turn_day"),
            models.Index(fields=["account", "lease_until"], name="idx_turn_live", condition=Q(status__in=LIVE)),
        ]

    def __str__(self) -> str:
        return self.get_status_display()

    @property
    def is_live(self) -> bool:
        return self.status in LIVE
