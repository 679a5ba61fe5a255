"""Conversations, their messages and the files that came with them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from conversations.database import database_time
from conversations.database.guards import SameAccount, Trigger, json_under_64k, one_of, same_account, tenant_guards
from conversations.metadata import MessageMetadata, validate_with
from conversations.models.base import DatabaseNumber, TenantForeignKey, TenantRow
from conversations.models.tenants import SHARE
from conversations.visible import Visible

OWED = (
    "message", "draft", "rejected", "promised", "note", "reopened", "writing", "leaving", "unsent", "failed", "uncertain", "bounced",
)  # fmt: skip
#: Not asleep, or awake again.
AWAKE = Q(snoozed_until__isnull=True) | Q(snoozed_until__lte=Now())
#: Approved and about to leave; one that has not left when the answer was due is somebody's business again.
ON_ITS_WAY = Q(owed="leaving", due_at__gt=Now())
OUTCOMES = ("answered_elsewhere", "not_needed", "goes_on", "other", "quiet")


def _has_draft() -> Exists:
    drafts = Conversation._meta.get_field("drafts").related_model  # this app knows drafts only as data
    return Exists(drafts._default_manager.filter(conversation=OuterRef("pk"), status="pending"))  # type: ignore[union-attr]


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def newest_first(self) -> ConversationQuerySet:
        return self.order_by("-last_message_at", "-id")

    def most_urgent_first(self) -> ConversationQuerySet:
        return self.order_by("due_at", "id")

    def of_customers(self) -> ConversationQuerySet:
        return self.filter(kind=Conversation.Kind.CUSTOMER)

    def within(self, channels: Visible) -> ConversationQuerySet:
        return self.filter(**channels.where("channel_id"))

    # The lists. A customer's conversation stands in exactly one of these five (tests/drafts/test_nobody_is_forgotten.py).
    def to_answer(self) -> ConversationQuerySet:
        """A draft waits for a decision now."""
        return self._due_now().filter(_has_draft())

    def owed(self) -> ConversationQuerySet:
        """We owe something and no draft waits for a decision: somebody has to see to it."""
        return self._due_now().exclude(owed="draft").exclude(_has_draft()).exclude(ON_ITS_WAY)

    def snoozed(self) -> ConversationQuerySet:
        return self.filter(status="open", snoozed_until__gt=Now())

    def waiting(self) -> ConversationQuerySet:
        """We answered, or our answer is on its way: the customer is next."""
        leaving = Q(status="open") & ON_ITS_WAY & AWAKE & ~Q(_has_draft())
        return self.filter(Q(status="pending") | leaving)

    def closed(self) -> ConversationQuerySet:
        return self.filter(status="closed")

    def of_owner(self, user_id: uuid.UUID) -> ConversationQuerySet:
        return self.filter(owner_id=user_id).exclude(status="closed")

    def with_draft(self) -> ConversationQuerySet:
        """With `has_draft`: whether a draft waits for a decision."""
        return self.annotate(has_draft=_has_draft())

    def _due_now(self) -> ConversationQuerySet:
        return self.filter(AWAKE, status="open")


class Conversation(TenantRow):
    """A thread. Its counters, `last_message_at` and `last_inbound_message` are kept by the database, from messages."""

    class Kind(models.TextChoices):
        CUSTOMER = "customer"
        ASSISTANT = "assistant"

    class Status(models.TextChoices):
        """Whose turn it is, under the words of seed 004: ours, the customer's, nobody's."""

        OPEN = "open", "To answer"
        PENDING = "pending", "Waiting"
        CLOSED = "closed", "Closed"

    class Owed(models.TextChoices):
        """What we owe the customer, in the words of a list. Open means that there is something, and only that."""

        MESSAGE = "message", "No reply and no draft yet"
        DRAFT = "draft", "A draft waits"
        REJECTED = "rejected", "Draft rejected, no reply yet"
        PROMISED = "promised", "Promised a colleague"
        NOTE = "note", "To do"
        REOPENED = "reopened", "Reopened"
        WRITING = "writing", "A reply was begun"
        LEAVING = "leaving", "Reply on its way"
        UNSENT = "unsent", "Approved, waits for Send"
        FAILED = "failed", "Delivery failed"
        UNCERTAIN = "uncertain", "Delivery uncertain"
        BOUNCED = "bounced", "Reply came back"

    class Outcome(models.TextChoices):
        """How it ended, where that is not plain: asked of whoever closes while something is owed."""

        ANSWERED_ELSEWHERE = "answered_elsewhere", "Answered elsewhere"
        NOT_NEEDED = "not_needed", "The customer no longer needs it"
        GOES_ON = "goes_on", "Goes on in another conversation"
        OTHER = "other", "Something else"
        QUIET = "quiet", "Nobody wrote for days"

    number = models.PositiveIntegerField(editable=False, help_text="Counts within the account, for people.")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.CUSTOMER)
    channel = TenantForeignKey("conversations.Channel", null=True, related_name="conversations", db_index=False)
    external_id = models.CharField(max_length=255, blank=True, default="")
    subject = models.CharField(max_length=200, blank=True, default="")
    title = models.CharField(max_length=200, blank=True, default="")
    summary = models.TextField(blank=True, default="")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    owed = models.CharField(max_length=20, choices=Owed.choices, blank=True, default="", editable=False)
    owed_note = models.CharField(
        max_length=200, blank=True, default="", help_text="What is to be done, in the words of who said so."
    )
    owner = models.ForeignKey(
        "conversations.User",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text="Who sees to it; nobody: whoever comes first.",
    )
    snoozed_until = models.DateTimeField(null=True, editable=False)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True, default="", editable=False)
    answered_seq = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Messages up to this one were answered or closed."
    )
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
    due_at = models.DateTimeField(null=True, help_text="When what we owe is due; nothing owed, no time.")
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
            one_of("conversation", "owed", ["", *OWED]),
            one_of("conversation", "outcome", ["", *OUTCOMES]),
            # Nobody is forgotten: open is what we owe something in, with a time, and nothing else has either.
            models.CheckConstraint(
                condition=Q(kind="assistant")
                | Q(~Q(owed=""), status="open", due_at__isnull=False)
                | Q(~Q(status="open"), owed="", due_at__isnull=True),
                name="conversation_open_iff_owed",
            ),
            models.CheckConstraint(
                condition=Q(kind="assistant")
                | Q(status="closed", completed_at__isnull=False)
                | Q(~Q(status="closed"), completed_at__isnull=True, outcome=""),
                name="conversation_closed_has_its_time",
            ),
            # What was promised does not sleep past its time.
            models.CheckConstraint(
                condition=Q(snoozed_until__isnull=True)
                | Q(~Q(owed__in=["promised", "note"]), status="open")
                | Q(status="open", snoozed_until__lte=F("due_at")),
                name="conversation_sleeps_within_its_time",
            ),
            *(json_under_64k("conversation", field) for field in ("key_topics", "tags")),
            *same_account("conversation", "channel", "last_inbound_message"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "status"], name="idx_conversation_acct_status"),
            models.Index(fields=["channel", "created_at"], name="idx_conversation_chan_created"),
            models.Index(fields=["account", "-last_message_at", "-id"], name="idx_conversation_recent"),
            models.Index(fields=["account", "customer_email"], name="idx_conversation_customer"),
            models.Index(
                fields=["account", "due_at", "id"],
                name="idx_conversation_owed",
                condition=Q(status="open") & ~Q(owed="draft"),
            ),
            models.Index(
                fields=["account", "owner"],
                name="idx_conversation_owner",
                condition=Q(owner__isnull=False) & ~Q(status="closed"),
            ),
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
