"""Things a person should know that are not in front of them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from conversations.database.guards import json_under_64k, one_of, tenant_guards
from conversations.models.base import TenantRow
from conversations.models.threads import Conversation
from conversations.visible import Visible


class NotificationQuerySet(models.QuerySet["Notification"]):
    def for_person(self, user_id: Any) -> NotificationQuerySet:
        return self.filter(Q(user_id=user_id) | Q(user__isnull=True)).order_by("-created_at", "-id")

    def within(self, channels: Visible) -> NotificationQuerySet:
        """Those that tell of no conversation, or of one in these channels."""
        if channels.is_all:
            return self
        told_of = Cast(KeyTextTransform("conversation", OuterRef("payload")), models.UUIDField())
        seen = Conversation.objects.of_customers().within(channels).filter(pk=told_of)
        return self.filter(Q(payload__conversation__isnull=True) | Exists(seen))


class Notification(TenantRow):
    class Type(models.TextChoices):
        DRAFT_READY = "draft_ready"
        DRAFT_FAILED = "draft_failed"
        CAME_BACK = "came_back"
        SEND_FAILED = "send_failed"
        SEND_UNCERTAIN = "send_uncertain"
        BOUNCED = "bounced"
        JOB_FAILED = "job_failed"
        HANDED_OVER = "handed_over"
        TAKEN_OVER = "taken_over"
        ASKED_FOR = "asked_for"
        SOURCE_CHANGED = "source_changed"
        LANE_SHUT = "lane_shut"
        FACTOR_LOST = "factor_lost"
        INBOUND_HELD = "inbound_held"
        MENTIONED = "mentioned"
        WATCHED = "watched"
        COUNTERSIGN = "countersign"
        CHANNEL_AWAY = "channel_away"
        EXPIRING = "expiring"
        WEBHOOK_AWAY = "webhook_away"

    user = models.ForeignKey(
        "conversations.User", null=True, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    type = models.CharField(max_length=40, choices=Type.choices)
    payload = models.JSONField(default=dict)
    read_at = models.DateTimeField(null=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("notification"),
            one_of(
                "notification",
                "type",
                [
                    "draft_ready",
                    "draft_failed",
                    "came_back",
                    "send_failed",
                    "send_uncertain",
                    "bounced",
                    "job_failed",
                    "handed_over",
                    "taken_over",
                    "asked_for",
                    "source_changed",
                    "lane_shut",
                    "factor_lost",
                    "inbound_held",
                    "mentioned",
                    "watched",
                    "countersign",
                    "channel_away",
                    "expiring",
                    "webhook_away",
                ],
            ),
            json_under_64k("notification", "payload"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "created_at"], name="idx_notification_account"),
            models.Index(fields=["user", "created_at"], name="idx_notification_user"),
            models.Index(fields=["account", "user"], name="idx_notification_unread", condition=Q(read_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.type
