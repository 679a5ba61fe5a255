"""What signing in keeps, before a tenant is known: how often something was tried, and resets of a lost second factor."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from conversations.database.guards import one_of
from conversations.models.base import Row
from conversations.models.tenants import User

WAIT = timedelta(hours=24)


class Tally(models.Model):
    """How often one thing was tried in one span of time. Written by `conversations.people.limits` alone, which explains it."""

    key = models.CharField(max_length=64, primary_key=True, help_text="A keyed hash: no address stands here readable.")
    count = models.PositiveIntegerField()
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.count} until {self.until}"


class FactorReset(Row):
    """A person's wish to sign in without the second factor that they lost: asked, address proved, waited, done.

    The wait is the database's to keep: a row cannot become `done` before `ready_at`.
    """

    class Outcome(models.TextChoices):
        OPEN = "open"
        CANCELLED = "cancelled"
        DONE = "done"
        LAPSED = "lapsed"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    proved_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, default=Outcome.OPEN)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user"], condition=Q(outcome="open"), name="factorreset_one_open"),
            one_of("factorreset", "outcome", ["open", "cancelled", "done", "lapsed"]),
            models.CheckConstraint(
                condition=Q(outcome="open", ended_at__isnull=True) | (~Q(outcome="open") & Q(ended_at__isnull=False)),
                name="factorreset_ended_when_not_open",
            ),
            models.CheckConstraint(
                condition=Q(proved_at__isnull=True, ready_at__isnull=True)
                | Q(proved_at__isnull=False, ready_at__isnull=False, ready_at__gte=F("proved_at") + WAIT),
                name="factorreset_waits_after_proof",
            ),
            models.CheckConstraint(
                condition=~Q(outcome="done") | Q(ready_at__isnull=False, ended_at__gte=F("ready_at")),
                name="factorreset_done_after_the_wait",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.outcome}"
