"""What a channel signs in with now, where tokens are renewed (docs/decisions/0072)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database.encryption import EncryptedTextField
from conversations.database.guards import same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow


class ChannelToken(TenantRow):
    """One row for each channel whose tokens are renewed. `entered` says of which sign-in that an admin entered it goes on;
    `generation` counts what was stored. Until `lease_until` somebody asks the vendor, and nobody else does; `is_broken`:
    the vendor ended it, and nobody asks any more."""

    channel = TenantForeignKey("conversations.Channel", related_name="+", db_index=False)
    entered = models.CharField(max_length=64)
    refresh_token = EncryptedTextField(blank=True, default="")
    access_token = EncryptedTextField(blank=True, default="")
    renewed_at = models.DateTimeField(null=True)
    renew_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    generation = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    is_broken = models.BooleanField(default=False)
    faults = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("channeltoken"),
            models.UniqueConstraint(fields=["account", "channel"], name="channeltoken_one_per_channel"),
            models.CheckConstraint(
                condition=Q(renewed_at__isnull=True, expires_at__isnull=True, renew_at__isnull=True)
                | Q(expires_at__isnull=False, renew_at__isnull=False, renewed_at__isnull=False),
                name="channeltoken_ends",
            ),
            models.CheckConstraint(condition=Q(is_broken=False) | ~Q(problem=""), name="channeltoken_broken_says_why"),
            *same_account("channeltoken", "channel"),
        ]

    def __str__(self) -> str:
        return self.problem or f"generation {self.generation}"
