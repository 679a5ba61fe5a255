"""Conversations: whose turn it is, what is owed, and which of them belong together."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from conversations.database import database_time
from conversations.database.guards import json_under_64k, one_of, same_account, tenant_guards
from conversations.models.base import PrivateTo, TenantForeignKey, TenantRow
from conversations.visible import Visible

OWED = (
    "message", "draft", "rejected", "promised", "note", "reopened", "writing", "leaving", "unsent", "failed", "uncertain", "bounced",
)  # fmt: skip
#: Not asleep, or awake again.
AWAKE = Q(snoozed_until__isnull=True) | Q(snoozed_until__lte=Now())
#: Approved and about to leave; one that has not left when the answer was due is somebody's business again.
ON_ITS_WAY = Q(owed="leaving", due_at__gt=Now())
OUTCOMES = ("answered_elsewhere", "not_needed", "goes_on", "other", "closed_there", "quiet", "merged", "spam")


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

    def family(self, conversation: Conversation) -> list[Conversation]:
        """All that are merged with it, it among them: their messages are one timeline. Statements: one for each step."""
        root = conversation
        while root.merged_into_id:
            root = self.get(pk=root.merged_into_id)
        found, newest = [root], [root.pk]
        while children := list(self.filter(merged_into__in=newest).order_by("pk")):
            found += children
            newest = [child.pk for child in children]
        return found

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
        CLOSED_THERE = "closed_there", "Closed at the vendor"
        QUIET = "quiet", "Nobody wrote for days"
        MERGED = "merged", "Merged"
        SPAM = "spam", "Spam"

    number = models.PositiveIntegerField(
        null=True, editable=False, help_text="Counts within the account, for people. A private chat has none."
    )
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
    merged_into = TenantForeignKey(
        "self",
        null=True,
        related_name="merged",
        db_index=False,
        editable=False,
        help_text="Whose mail and debts it has.",
    )
    answered_seq = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Messages up to this one were answered or closed."
    )
    customer_email = models.CharField(max_length=320, blank=True, default="")
    customer_name = models.CharField(max_length=200, blank=True, default="")
    customer_address = TenantForeignKey(
        "conversations.CustomerAddress",
        null=True,
        related_name="conversations",
        db_index=False,
        editable=False,
        help_text="Who opened it, or whom we opened it to: where the answers go.",
    )
    key_topics = models.JSONField(default=list, blank=True)
    tags = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Of a chat, its person's own words. A customer's conversation has `ConversationTag`.",
    )
    last_seq = models.PositiveIntegerField(default=0, editable=False)
    message_count = models.PositiveIntegerField(default=0, editable=False)
    user_message_count = models.PositiveIntegerField(default=0, editable=False)
    ai_message_count = models.PositiveIntegerField(default=0, editable=False)
    average_sentiment = models.FloatField(
        null=True, editable=False, validators=[MinValueValidator(-1.0), MaxValueValidator(1.0)]
    )
    sentiment_sum = models.DecimalField(max_digits=14, decimal_places=4, default=0, db_default=0, editable=False)
    sentiment_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    private_to = PrivateTo(null=True)
    is_archived = models.BooleanField(default=False)
    is_pinned = models.BooleanField(default=False)
    is_favorited = models.BooleanField(default=False)
    pinned_at = models.DateTimeField(null=True, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False, help_text="When its person deleted a chat.")
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
            *tenant_guards("conversation", private_to="private_to_id"),
            models.UniqueConstraint(fields=["account", "id", "kind"], name="conversation_account_id_kind"),
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
            # A chat is one person's; it takes no number, whose order is an account-wide lock.
            models.CheckConstraint(
                condition=Q(kind="customer", private_to__isnull=True, number__isnull=False)
                | Q(kind="assistant", private_to__isnull=False, number__isnull=True),
                name="conversation_private_iff_assistant",
            ),
            models.CheckConstraint(
                condition=Q(is_pinned=True, pinned_at__isnull=False) | Q(is_pinned=False, pinned_at__isnull=True),
                name="conversation_pinned_has_its_time",
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
            models.CheckConstraint(condition=Q(kind="assistant") | Q(tags=[]), name="conversation_tags_of_chats"),
            # What is merged is over here: new mail, bounces and debts are the other one's.
            models.CheckConstraint(
                condition=Q(Q(merged_into__isnull=True), ~Q(outcome="merged"))
                | Q(~Q(merged_into=F("id")), merged_into__isnull=False, status="closed", outcome="merged"),
                name="conversation_merged_is_closed",
            ),
            *same_account("conversation", "channel", "last_inbound_message", "customer_address", "merged_into"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "status"], name="idx_conversation_acct_status"),
            models.Index(fields=["channel", "created_at"], name="idx_conversation_chan_created"),
            models.Index(
                fields=["merged_into"], name="idx_conversation_merged", condition=Q(merged_into__isnull=False)
            ),
            # Of customers: chats neither lengthen these lists nor cost the search its reading of the index alone.
            models.Index(
                fields=["account", "-last_message_at", "-id"],
                name="idx_conversation_recent",
                condition=Q(kind="customer"),
            ),
            models.Index(fields=["account", "customer_email"], name="idx_conversation_customer"),
            models.Index(
                fields=["customer_address", "-last_message_at"],
                name="idx_conversation_address",
                condition=Q(customer_address__isnull=False),
            ),
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
            # A person's own chats. None of these is written to for a customer's conversation.
            models.Index(
                fields=["account", "private_to", "-last_message_at", "-id"],
                name="idx_chat_recent",
                condition=Q(kind="assistant", is_archived=False, deleted_at__isnull=True),
            ),
            models.Index(
                fields=["account", "private_to", "-last_message_at", "-id"],
                name="idx_chat_archived",
                condition=Q(kind="assistant", is_archived=True, deleted_at__isnull=True),
            ),
            models.Index(
                fields=["account", "private_to", "-pinned_at"],
                name="idx_chat_pinned",
                condition=Q(kind="assistant", is_pinned=True, deleted_at__isnull=True),
            ),
            models.Index(
                fields=["account", "private_to", "-last_message_at", "-id"],
                name="idx_chat_favourite",
                condition=Q(kind="assistant", is_favorited=True, deleted_at__isnull=True),
            ),
            models.Index(
                fields=["account", "private_to", "-created_at"], name="idx_chat_created", condition=Q(kind="assistant")
            ),
        ]

    def __str__(self) -> str:
        number = "" if self.number is None else f"#{self.number} "
        return f"{number}{self.subject or self.title}".strip()

    @property
    def customer(self) -> str:
        return self.customer_name or self.customer_email or "Customer"


class RelatedConversation(TenantRow):
    """A conversation that another may belong to. Nothing is joined by it: a person reads both and decides."""

    class Reason(models.TextChoices):
        NOT_A_PARTICIPANT = "not_a_participant", "It answers a message there, and its sender is not part of that thread"
        SAME_MAIL = "same_mail", "The same mail reached both desks"
        FORWARDED = "forwarded", "It was forwarded from there"

    conversation = TenantForeignKey(Conversation, on_delete=models.CASCADE, related_name="related_to")
    other = TenantForeignKey(Conversation, on_delete=models.CASCADE, related_name="related_from")
    reason = models.CharField(max_length=20, choices=Reason.choices)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("relatedconversation"),
            models.UniqueConstraint(fields=["account", "conversation", "other"], name="relatedconversation_once"),
            models.CheckConstraint(condition=~Q(conversation=models.F("other")), name="relatedconversation_of_two"),
            one_of("relatedconversation", "reason", ["not_a_participant", "same_mail", "forwarded"]),
            *same_account("relatedconversation", "conversation", "other"),
        ]

    def __str__(self) -> str:
        return self.get_reason_display()
