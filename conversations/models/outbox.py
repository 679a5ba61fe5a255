"""What was approved to leave, and every attempt to hand it over."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database import database_time
from conversations.database.guards import (
    OfCustomers,
    Transitions,
    Trigger,
    json_under_64k,
    one_of,
    same_account,
    tenant_guards,
)
from conversations.models.base import OfKind, TenantForeignKey, TenantRow
from conversations.visible import Visible

#: The arrows of a delivery's life; the database refuses any other. What was thought not to have left may turn out to be there:
#: the provider shows it to us.
DELIVERY_MOVES = {
    "held": ["queued", "cancelled"],
    "queued": ["sending", "sent", "cancelled"],
    "sending": ["queued", "sent", "failed", "uncertain"],
    "failed": ["queued", "sent", "cancelled"],
    "uncertain": ["queued", "sent", "failed", "cancelled"],
    "sent": ["delivered", "bounced"],
    "delivered": ["bounced"],
}


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def within(self, channels: Visible) -> DeliveryQuerySet:
        return self.filter(**channels.where("conversation__channel_id"))


class Delivery(TenantRow):
    """One approved reply on its way out: text, recipients and files as approved, never changed afterwards.

    `idempotency_key` is also the mail's Message-ID. `handover_at` is set just before the provider could first accept
    the message: a crash before it is safe to repeat, a crash after it is not. While it is being sent, `taken_at` says that the
    provider has it and no worker of ours is busy with it any more.
    """

    class Status(models.TextChoices):
        HELD = "held"
        QUEUED = "queued"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"
        UNCERTAIN = "uncertain"
        CANCELLED = "cancelled"
        DELIVERED = "delivered"
        BOUNCED = "bounced"

    conversation = TenantForeignKey("conversations.Conversation", related_name="deliveries")
    conversation_kind = OfKind()
    message = TenantForeignKey("conversations.Message", related_name="deliveries")
    channel = TenantForeignKey("conversations.Channel", related_name="+")
    draft_id = models.UUIDField(null=True, editable=False)
    approved_by = models.ForeignKey(
        "conversations.User", null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    approved_by_name = models.CharField(max_length=120, blank=True, default="")
    idempotency_key = models.CharField(max_length=255)
    envelope = models.JSONField(help_text="sender, to, cc, subject, in_reply_to, references, files with digests")
    body_text = models.TextField(blank=True)
    body_html = models.TextField(blank=True, default="")
    content_sha256 = models.CharField(max_length=64)
    return_path = models.CharField(
        max_length=320, blank=True, default="", db_default="", editable=False, help_text="Where a bounce comes back to."
    )
    owed_before = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="What was owed when it was approved: owed again if it is taken back.",
    )
    is_automatic = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="No person approved it."
    )
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.HELD)
    hold_until = models.DateTimeField(default=database_time.now)
    next_attempt_at = models.DateTimeField(default=database_time.now)
    attempt_count = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    handover_at = models.DateTimeField(null=True)
    taken_at = models.DateTimeField(
        null=True, editable=False, help_text="The provider has it and had not sent it by then."
    )
    sent_at = models.DateTimeField(null=True)
    receipt = models.CharField(max_length=500, blank=True, default="")
    provider_id = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The provider's own id of the message.",
    )
    error = models.CharField(max_length=500, blank=True, default="")
    erased_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            *tenant_guards("delivery"),
            Trigger(name="delivery_files", when="BEFORE INSERT", function="delivery_files"),
            models.UniqueConstraint(fields=["account", "idempotency_key"], name="delivery_idempotency"),
            models.UniqueConstraint(
                fields=["account", "draft_id"],
                condition=Q(draft_id__isnull=False) & ~Q(status="cancelled"),
                name="delivery_one_per_draft",
            ),
            models.UniqueConstraint(
                fields=["account", "message"], condition=~Q(status="cancelled"), name="delivery_one_per_message"
            ),
            one_of(
                "delivery",
                "status",
                ["held", "queued", "sending", "sent", "failed", "uncertain", "cancelled", "delivered", "bounced"],
            ),
            models.CheckConstraint(
                condition=~Q(status="sending") | Q(lease_until__isnull=False), name="delivery_sending_has_lease"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["sent", "delivered", "bounced"]) | Q(sent_at__isnull=False),
                name="delivery_sent_has_time",
            ),
            models.CheckConstraint(condition=~Q(body_text="") | Q(erased_at__isnull=False), name="delivery_has_text"),
            json_under_64k("delivery", "envelope"),
            Transitions(moves=DELIVERY_MOVES, name="delivery_moves"),
            Trigger(name="delivery_without_person", when="BEFORE INSERT", function="delivery_without_person"),
            *same_account("delivery", "message", "channel"),
            one_of("delivery", "conversation_kind", ["customer"]),
            OfCustomers(name="delivery_of_customers"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account", "next_attempt_at", "id"],
                name="idx_delivery_waiting",
                condition=Q(status__in=["held", "queued", "sending"]),
            ),
            models.Index(fields=["account", "approved_by", "-created_at"], name="idx_delivery_by_person"),
            models.Index(fields=["account", "status", "-created_at"], name="idx_delivery_status"),
            models.Index(
                fields=["account", "created_at"], name="idx_delivery_automatic", condition=Q(is_automatic=True)
            ),
            models.Index(
                fields=["account", "provider_id"], name="idx_delivery_provider_id", condition=~Q(provider_id="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.idempotency_key}"


class DeliveryAttempt(TenantRow):
    """One try. Written when it starts and completed once; a row without an outcome is a try that never came back."""

    class Outcome(models.TextChoices):
        SENT = "sent"
        PERMANENT = "permanent"
        TRANSIENT = "transient"
        UNCERTAIN = "uncertain"
        CRASHED = "crashed"
        CHANNEL = "channel"  # the channel itself did not work: it does not count against the reply

    delivery = TenantForeignKey(Delivery, related_name="attempts")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=database_time.now)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True, default="")
    response = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("deliveryattempt", grants=("SELECT", "INSERT", "UPDATE")),
            models.UniqueConstraint(fields=["account", "delivery", "number"], name="deliveryattempt_number"),
            one_of(
                "deliveryattempt",
                "outcome",
                ["", "sent", "permanent", "transient", "uncertain", "crashed", "channel"],
            ),
            Transitions(
                field="outcome",
                moves={"": ["sent", "permanent", "transient", "uncertain", "crashed", "channel"]},
                name="deliveryattempt_moves",
            ),
            *same_account("deliveryattempt", "delivery"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome or 'running'}"
