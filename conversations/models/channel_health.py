"""How a channel fares on its own, whatever is sent or fetched: when it last worked, since when it does not, and until when
nobody asks it (docs/decisions/0063)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database.guards import same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow


class ChannelHealth(TenantRow):
    """One row for each channel, made at its first use. `faults` counts the channel's own in a row, since `failing_since`;
    until `paused_until` nothing is handed to it. `told_at` and `fetch_told_at`: when admins were told of what lasts."""

    channel = TenantForeignKey("conversations.Channel", related_name="+", db_index=False)
    sent_at = models.DateTimeField(null=True)
    faults = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    paused_until = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True, default="")
    told_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True)
    fetch_problem = models.CharField(max_length=500, blank=True, default="")
    fetch_told_at = models.DateTimeField(null=True)
    hook_refused_at = models.DateTimeField(
        null=True, help_text="When a post to its address was last refused, where none was right since."
    )

    pace_left = models.FloatField(
        null=True,
        help_text="Replies that might have gone at once at `pace_at`, where its provider takes so many a second.",
    )
    pace_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "channel health"
        constraints: ClassVar = [
            *tenant_guards("channelhealth"),
            models.UniqueConstraint(fields=["account", "channel"], name="channelhealth_one_per_channel"),
            models.CheckConstraint(
                condition=Q(faults=0, failing_since__isnull=True, paused_until__isnull=True)
                | Q(faults__gt=0, failing_since__isnull=False, paused_until__isnull=False),
                name="channelhealth_fails_since_and_until",
            ),
            *same_account("channelhealth", "channel"),
        ]

    def __str__(self) -> str:
        return self.problem or "works"


class ChannelHook(TenantRow):
    """The address that a vendor posts a channel's events to: `/hooks/<token>/`, of whose token only the digest is kept.

    One that was replaced stands until `expires_at`.
    """

    channel = TenantForeignKey("conversations.Channel", related_name="+", db_index=False)
    digest = models.CharField(max_length=64, editable=False)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("channelhook"),
            models.UniqueConstraint(fields=["account", "digest"], name="channelhook_digest"),
            models.UniqueConstraint(
                fields=["account", "channel"], condition=Q(expires_at__isnull=True), name="channelhook_one_current"
            ),
            *same_account("channelhook", "channel"),
        ]
        # Asked before anybody knows whose it is: by `channel_by_hook` alone.
        indexes: ClassVar = [models.Index(fields=["digest"], name="idx_channelhook_digest")]

    def __str__(self) -> str:
        return "replaced" if self.expires_at else "current"
