"""Messages, and the files that came with them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.database import database_time
from conversations.database.guards import SameAccount, Trigger, json_under_64k, one_of, same_account, tenant_guards
from conversations.metadata import MessageMetadata, validate_with
from conversations.models.base import DatabaseNumber, PrivateTo, TenantForeignKey, TenantRow
from conversations.models.tenants import SHARE
from conversations.models.threads import Conversation
from conversations.visible import Visible


class MessageQuerySet(models.QuerySet["Message"]):
    def shown(self) -> MessageQuerySet:
        """Messages that are part of the thread: not those taken back before they left."""
        return self.filter(withdrawn_at__isnull=True)

    def within(self, channels: Visible) -> MessageQuerySet:
        return self.filter(**channels.where("conversation__channel_id"))

    def in_order(self) -> MessageQuerySet:
        return self.order_by("seq")


class Message(TenantRow):
    """One message, stored once. Order is `seq`, given by arrival; `sent_at` is the provider's clock, for people."""

    class Direction(models.TextChoices):
        INBOUND = "inbound"
        OUTBOUND = "outbound"
        SYSTEM = "system"

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"
        OPERATOR = "operator"
        SYSTEM = "system"

    conversation = TenantForeignKey(Conversation, related_name="messages", db_index=False)
    channel = TenantForeignKey("conversations.Channel", null=True, related_name="+", db_index=False)
    seq = DatabaseNumber(default=0, editable=False)
    external_id = models.CharField(max_length=998, blank=True, default="")
    direction = models.CharField(max_length=20, choices=Direction.choices)
    role = models.CharField(max_length=20, choices=Role.choices)
    writer = TenantForeignKey(
        "conversations.CustomerAddress",
        null=True,
        related_name="messages",
        db_index=False,
        editable=False,
        help_text="The customer who wrote it, by the address that is answered; none for what we wrote.",
    )
    subject = models.CharField(max_length=998, blank=True, default="")
    body_text = models.TextField()
    body_new = models.TextField(
        blank=True, default="", help_text="What is new in it: quoted history and signature cut."
    )
    body_html = models.TextField(blank=True, default="", help_text="Sanitised.")
    content_sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    sent_at = models.DateTimeField(default=database_time.now, db_default=Now())
    received_at = models.DateTimeField(default=database_time.now, db_default=Now())
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_with(MessageMetadata)])
    intent = models.CharField(max_length=100, blank=True, default="")
    confidence = models.FloatField(null=True, validators=SHARE)
    tokens_used = models.PositiveIntegerField(null=True)
    model_used = models.CharField(max_length=100, blank=True, default="")
    latency_ms = models.PositiveIntegerField(null=True)
    is_automatic = models.BooleanField(default=False, help_text="An automatic reply or a bounce: nobody is answered.")
    sentiment = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, editable=False, help_text="From -1 to 1; null: not measured."
    )
    sentiment_by = models.CharField(max_length=60, blank=True, default="", db_default="", editable=False)
    private_to = PrivateTo(null=True)
    erased_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True, help_text="Outbound only: taken back before it left.")

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("message", private_to="private_to_id"),
            models.UniqueConstraint(fields=["account", "conversation", "seq"], name="message_seq"),
            models.UniqueConstraint(
                fields=["account", "channel", "external_id"], condition=~Q(external_id=""), name="message_external"
            ),
            models.CheckConstraint(condition=~Q(body_text="") | Q(erased_at__isnull=False), name="message_has_text"),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True) | Q(direction="outbound"), name="message_withdrawn_outbound"
            ),
            models.CheckConstraint(
                condition=Q(confidence__isnull=True) | Q(confidence__range=(0, 1)), name="message_confidence_range"
            ),
            models.CheckConstraint(
                condition=Q(sentiment__isnull=True) | Q(sentiment__range=(-1, 1)), name="message_sentiment_range"
            ),
            one_of("message", "direction", ["inbound", "outbound", "system"]),
            one_of("message", "role", ["user", "assistant", "operator", "system"]),
            json_under_64k("message", "metadata"),
            *same_account("message", "conversation", "channel", "writer"),
            models.CheckConstraint(
                condition=Q(writer__isnull=True) | Q(direction="inbound"), name="message_writer_inbound"
            ),
            Trigger(name="message_arrives", when="BEFORE INSERT", function="message_arrives"),
            Trigger(name="message_withdrawn", when="AFTER UPDATE OF withdrawn_at", function="message_withdrawn"),
            Trigger(name="message_sentiment", when="AFTER UPDATE OF sentiment", function="message_sentiment"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["conversation", "sent_at"], name="idx_message_conversation_sent"),
            models.Index(
                fields=["writer", "conversation"], name="idx_message_writer", condition=Q(writer__isnull=False)
            ),
            models.Index(
                fields=["account", "received_at"], name="idx_message_unerased", condition=Q(erased_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.seq}"

    @property
    def details(self) -> MessageMetadata:
        return MessageMetadata.model_validate(self.metadata)


class Attachment(TenantRow):
    """A file of a message (or, later, of a draft). The bytes are stored under their digest, once per account."""

    message = TenantForeignKey(Message, null=True, related_name="attachments")
    draft_id = models.UUIDField(null=True, editable=False)
    file_name = models.CharField(max_length=255)
    mime_type = models.CharField(max_length=127)
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=255)
    content_id = models.CharField(max_length=255, blank=True, default="")
    is_inline = models.BooleanField(default=False)
    verdict = models.CharField(
        max_length=10,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="That of its bytes (StoredFile).",
    )

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("attachment"),
            one_of("attachment", "verdict", ["", "clean", "infected", "unknown"]),
            Trigger(name="attachment_verdict", when="BEFORE INSERT", function="attachment_verdict"),
            SameAccount(field="message", name="attachment_message_same_account"),
            models.CheckConstraint(
                condition=Q(message__isnull=False, draft_id__isnull=True)
                | Q(message__isnull=True, draft_id__isnull=False),
                name="attachment_of_one",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "sha256"], name="idx_attachment_digest"),
            models.Index(fields=["draft_id"], name="idx_attachment_draft"),
        ]

    def __str__(self) -> str:
        return self.file_name
