"""Conversations, their messages and the files that came with them."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.database import database_time
from conversations.database.guards import SameAccount, Trigger, json_under_64k, one_of, same_account, tenant_guards
from conversations.metadata import MessageMetadata, validate_with
from conversations.models.base import DatabaseNumber, TenantForeignKey, TenantRow
from conversations.models.tenants import SHARE
from conversations.visible import Visible


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def newest_first(self) -> ConversationQuerySet:
        return self.order_by("-last_message_at", "-id")

    def of_customers(self) -> ConversationQuerySet:
        return self.filter(kind=Conversation.Kind.CUSTOMER)

    def within(self, channels: Visible) -> ConversationQuerySet:
        return self.filter(**channels.where("channel_id"))


class Conversation(TenantRow):
    """A thread. Its counters, `last_message_at` and `last_inbound_message` are kept by the database, from messages."""

    class Kind(models.TextChoices):
        CUSTOMER = "customer"
        ASSISTANT = "assistant"

    class Status(models.TextChoices):
        OPEN = "open"
        PENDING = "pending"
        CLOSED = "closed"

    number = models.PositiveIntegerField(editable=False, help_text="Counts within the account, for people.")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.CUSTOMER)
    channel = TenantForeignKey("conversations.Channel", null=True, related_name="conversations", db_index=False)
    external_id = models.CharField(max_length=255, blank=True, default="")
    subject = models.CharField(max_length=200, blank=True, default="")
    title = models.CharField(max_length=200, blank=True, default="")
    summary = models.TextField(blank=True, default="")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.OPEN)
    customer_email = models.CharField(max_length=320, blank=True, default="")
    customer_name = models.CharField(max_length=200, blank=True, default="")
    key_topics = models.JSONField(default=list, blank=True)
    tags = models.JSONField(default=list, blank=True)
    last_seq = models.PositiveIntegerField(default=0, editable=False)
    message_count = models.PositiveIntegerField(default=0, editable=False)
    user_message_count = models.PositiveIntegerField(default=0, editable=False)
    ai_message_count = models.PositiveIntegerField(default=0, editable=False)
    average_sentiment = models.FloatField(null=True, validators=[MinValueValidator(-1.0), MaxValueValidator(1.0)])
    is_archived = models.BooleanField(default=False)
    is_pinned = models.BooleanField(default=False)
    is_favorited = models.BooleanField(default=False)
    started_at = models.DateTimeField(default=database_time.now, db_default=Now())
    completed_at = models.DateTimeField(null=True)
    last_message_at = models.DateTimeField(null=True, editable=False)
    last_inbound_message = TenantForeignKey(
        "conversations.Message", null=True, on_delete=models.DO_NOTHING, related_name="+", editable=False
    )
    due_at = models.DateTimeField(null=True, help_text="When the customer should have an answer.")
    archived_at = models.DateTimeField(null=True, help_text="When retention removed the texts.")
    forgotten_at = models.DateTimeField(null=True, help_text="When it removed whose they were, too.")
    updated_at = models.DateTimeField(auto_now=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("conversation"),
            models.UniqueConstraint(fields=["account", "number"], name="conversation_number"),
            models.UniqueConstraint(
                fields=["account", "channel", "external_id"], condition=~Q(external_id=""), name="conversation_external"
            ),
            models.CheckConstraint(
                condition=Q(kind="customer", channel__isnull=False) | Q(kind="assistant", channel__isnull=True),
                name="conversation_channel_iff_customer",
            ),
            models.CheckConstraint(
                condition=Q(average_sentiment__isnull=True) | Q(average_sentiment__range=(-1, 1)),
                name="conversation_sentiment_range",
            ),
            one_of("conversation", "kind", ["customer", "assistant"]),
            one_of("conversation", "status", ["open", "pending", "closed"]),
            *(json_under_64k("conversation", field) for field in ("key_topics", "tags")),
            *same_account("conversation", "channel", "last_inbound_message"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "status"], name="idx_conversation_acct_status"),
            models.Index(fields=["channel", "created_at"], name="idx_conversation_chan_created"),
            models.Index(fields=["account", "-last_message_at", "-id"], name="idx_conversation_recent"),
            models.Index(fields=["account", "customer_email"], name="idx_conversation_customer"),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.subject or self.title}".strip()

    @property
    def customer(self) -> str:
        return self.customer_name or self.customer_email or "Customer"


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
    erased_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True, help_text="Outbound only: taken back before it left.")

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("message"),
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
            one_of("message", "direction", ["inbound", "outbound", "system"]),
            one_of("message", "role", ["user", "assistant", "operator", "system"]),
            json_under_64k("message", "metadata"),
            *same_account("message", "conversation", "channel"),
            Trigger(name="message_arrives", when="BEFORE INSERT", function="message_arrives"),
            Trigger(name="message_withdrawn", when="AFTER UPDATE OF withdrawn_at", function="message_withdrawn"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["conversation", "sent_at"], name="idx_message_conversation_sent"),
            models.Index(
                fields=["account", "received_at"], name="idx_message_unerased", condition=Q(erased_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.seq}"

    @property
    def details(self) -> MessageMetadata:
        return MessageMetadata.model_validate(self.metadata)


class RelatedConversation(TenantRow):
    """A conversation that another may belong to. Nothing is joined by it: a person reads both and decides."""

    class Reason(models.TextChoices):
        NOT_A_PARTICIPANT = "not_a_participant", "It answers a message there, and its sender is not part of that thread"
        SAME_MAIL = "same_mail", "The same mail reached both desks"

    conversation = TenantForeignKey(Conversation, on_delete=models.CASCADE, related_name="related_to")
    other = TenantForeignKey(Conversation, on_delete=models.CASCADE, related_name="related_from")
    reason = models.CharField(max_length=20, choices=Reason.choices)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("relatedconversation"),
            models.UniqueConstraint(fields=["account", "conversation", "other"], name="relatedconversation_once"),
            models.CheckConstraint(condition=~Q(conversation=models.F("other")), name="relatedconversation_of_two"),
            one_of("relatedconversation", "reason", ["not_a_participant", "same_mail"]),
            *same_account("relatedconversation", "conversation", "other"),
        ]

    def __str__(self) -> str:
        return self.get_reason_display()


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

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("attachment"),
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
