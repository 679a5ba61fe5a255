"""Prompts as versions: the text of a version never changes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database.guards import Transitions, Trigger, one_of, tenant_guards
from conversations.models.base import TenantRow
from conversations.models.tenants import SHARE


class PromptVersion(TenantRow):
    class Status(models.TextChoices):
        DRAFT = "draft"
        ACTIVE = "active"
        RETIRED = "retired"

    key = models.CharField(max_length=60, default="reply")
    version = models.PositiveIntegerField()
    text = models.TextField()
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.DRAFT)
    note = models.CharField(max_length=300, blank=True, default="", help_text="What changed, for people.")
    trial_share = models.FloatField(
        default=0.0, validators=SHARE, help_text="Share of conversations that try this version before it is active."
    )
    created_by = models.ForeignKey("conversations.User", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("promptversion"),
            models.UniqueConstraint(fields=["account", "key", "version"], name="promptversion_number"),
            models.UniqueConstraint(
                fields=["account", "key"], condition=Q(status="active"), name="promptversion_one_active"
            ),
            models.CheckConstraint(condition=~Q(text=""), name="promptversion_has_text"),
            models.CheckConstraint(
                condition=Q(trial_share=0) | Q(status="draft", trial_share__range=(0, 1)), name="promptversion_trial"
            ),
            one_of("promptversion", "status", ["draft", "active", "retired"]),
            Transitions(
                moves={"draft": ["active", "retired"], "active": ["retired"], "retired": ["active"]},
                name="promptversion_moves",
            ),
            Trigger(
                name="promptversion_text_fixed",
                when="BEFORE UPDATE OF text, key, version",
                function="promptversion_text_fixed",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        return f"{self.key}-v{self.version}"
