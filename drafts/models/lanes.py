"""Earned automatic approval: one lane for each intent, channel and prompt version."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database.guards import Transitions, json_under_64k, one_of, same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow
from conversations.models.tenants import SHARE


class Lane(TenantRow):
    """Shut until evidence opens it; suspended by drift, by a person, or by a new prompt version."""

    class State(models.TextChoices):
        SHUT = "shut"
        OPEN = "open"
        SUSPENDED = "suspended"

    intent = models.CharField(max_length=100)
    channel = TenantForeignKey("conversations.Channel", related_name="lanes")
    prompt_label = models.CharField(max_length=80)
    model_key = models.CharField(max_length=100)
    state = models.CharField(max_length=20, choices=State.choices, default=State.SHUT)
    sampling_rate = models.FloatField(default=0.1, validators=SHARE, help_text="Share that people still review.")
    evidence = models.JSONField(default=dict)
    reason = models.CharField(max_length=300, blank=True, default="", help_text="Why it is in its state.")
    opened_at = models.DateTimeField(null=True)
    opened_by_name = models.CharField(max_length=120, blank=True, default="")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("lane"),
            models.UniqueConstraint(
                fields=["account", "intent", "channel", "prompt_label", "model_key"], name="lane_once"
            ),
            models.CheckConstraint(condition=Q(sampling_rate__range=(0, 1)), name="lane_sampling_range"),
            models.CheckConstraint(condition=~Q(state="open") | ~Q(evidence={}), name="lane_opens_on_evidence"),
            models.CheckConstraint(condition=~Q(state="open", intent__in=["", "other"]), name="lane_has_a_topic"),
            one_of("lane", "state", ["shut", "open", "suspended"]),
            Transitions(
                field="state",
                moves={"shut": ["open"], "open": ["suspended", "shut"], "suspended": ["shut"]},
                name="lane_moves",
            ),
            json_under_64k("lane", "evidence"),
            *same_account("lane", "channel"),
        ]

    def __str__(self) -> str:
        return f"{self.intent} ({self.state})"
