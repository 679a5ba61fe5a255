"""Drafts, what people wrote over them, who holds them, and what was decided."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.database import database_time
from conversations.database.guards import (
    AppendOnly,
    OfCustomers,
    Transitions,
    Trigger,
    json_under_64k,
    one_of,
    same_account,
    tenant_guards,
)
from conversations.models.base import OfKind, TenantForeignKey, TenantRow
from conversations.models.tenants import SHARE
from conversations.visible import Visible

#: The arrows of a draft's life; the database refuses any other.
DRAFT_MOVES = {
    "pending": ["approved", "rejected", "superseded", "stale", "answered_elsewhere", "expired"],
    "approved": ["sent", "pending", "stale", "answered_elsewhere"],
    "rejected": ["pending", "archived"],
    **{state: ["archived"] for state in ("sent", "superseded", "stale", "answered_elsewhere", "expired")},
}

#: The `model_key` of a draft that a person began: it is nobody's suggestion, so no figure judges a model by it.
BY_A_PERSON = "person"

#: What a reply does (`writing.acts.Act`), in the words of the page.
ACTS = [
    ("answer", "Answers"),
    ("partly", "Answers in part"),
    ("ask", "Asks back"),
    ("hold", "Holds: a colleague answers"),
    ("none", "No answer needed"),
    ("person", "Hands over to a person"),
]

NOTHING_ASKED = "none"

#: A person should look twice: a statement without a source, money, or a reason that the drafter named.
NEEDS_CARE = Q(unsourced_count__gt=0) | Q(is_about_money=True) | ~Q(needs_human=[])


class DraftQuerySet(models.QuerySet["Draft"]):
    def pending(self) -> DraftQuerySet:
        return self.filter(status=Draft.Status.PENDING)

    def in_queue(self) -> DraftQuerySet:
        """Pending and not snoozed: what an operator is asked to decide now."""
        return self.pending().filter(Q(snoozed_until__isnull=True) | Q(snoozed_until__lte=Now()))

    def needing_care(self) -> DraftQuerySet:
        return self.filter(NEEDS_CARE)

    def within(self, channels: Visible) -> DraftQuerySet:
        return self.filter(**channels.where("conversation__channel_id"))

    def due_first(self) -> DraftQuerySet:
        return self.order_by("due_at", "id")


class Draft(TenantRow):
    """A proposed reply to `base_message`, the inbound that was newest when it was written; None: it begins a conversation.

    `version` counts what people saved over it: 0 is the text as suggested, n is revision n. A decision names the
    version it was made on. `recipients` says of "to", "cc" and "bcc" what is not as the mail itself asks: the copies that
    were asked for are kept in it when the draft is written, and a person's choice has all three.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        SENT = "sent"
        REJECTED = "rejected"
        SUPERSEDED = "superseded"
        STALE = "stale"
        ANSWERED_ELSEWHERE = "answered_elsewhere"
        EXPIRED = "expired"
        ARCHIVED = "archived"

    conversation = TenantForeignKey("conversations.Conversation", related_name="drafts", db_index=False)
    conversation_kind = OfKind()
    base_message = TenantForeignKey("conversations.Message", null=True, related_name="drafts_based_on")
    trigger_message = TenantForeignKey("conversations.Message", null=True, related_name="drafts_triggered")
    author_user = models.ForeignKey(
        "conversations.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="drafts_created"
    )
    model_key = models.CharField(max_length=100)
    prompt_version = TenantForeignKey("drafts.PromptVersion", null=True, related_name="drafts")
    prompt_label = models.CharField(max_length=80, blank=True, default="", help_text="e.g. reply-v14")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    version = models.PositiveIntegerField(default=0)
    suggested_text = models.TextField(blank=True)
    suggested_html = models.TextField(blank=True, default="")
    top_sources = models.JSONField(default=list)
    statements = models.JSONField(default=list, help_text="[{start, end, sources}] spans in code points")
    questions = models.JSONField(
        default=list, db_default=[], help_text="[{text, answer}]: what was asked, and the statement that answers it."
    )
    act = models.CharField(
        max_length=10,
        choices=ACTS,
        blank=True,
        default="",
        db_default="",
        help_text='What the reply does; "": a person\'s own.',
    )
    facts = models.JSONField(default=list, db_default=[], help_text="[{kind, text}]: what the mail tells.")
    checks = models.JSONField(default=list)
    unsourced_count = models.PositiveIntegerField(default=0)
    is_about_money = models.BooleanField(default=False)
    confidence = models.FloatField(null=True, validators=SHARE)
    raw_confidence = models.FloatField(
        null=True, validators=SHARE, help_text="As the drafter computed it, before it was calibrated on decisions."
    )
    confidence_reasons = models.JSONField(default=list)
    intent = models.CharField(max_length=100, blank=True, default="")
    needs_human = models.JSONField(default=list)
    tokens_used = models.PositiveIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True, default="", help_text="Why there is no text to sign.")
    is_canary = models.BooleanField(default=False)
    canary_defect = models.CharField(
        max_length=300, blank=True, default="", help_text="What was planted in a check draft, in words."
    )
    language = models.CharField(max_length=20, blank=True, default="", help_text="Of the customer's message, e.g. de")
    cost_micros = models.PositiveBigIntegerField(null=True, help_text="Millionths of the price list's currency.")
    sources_changed_at = models.DateTimeField(null=True, help_text="When a source that the text cites changed or went.")
    to_forwarded = models.BooleanField(
        default=False, db_default=False, help_text="A person chose to answer who wrote the mail that was passed on."
    )
    is_formatted = models.BooleanField(
        default=False, db_default=False, help_text="Its text is Markdown, and leaves with HTML as its alternative."
    )
    recipients = models.JSONField(default=dict, db_default={}, blank=True, help_text="{to, cc, bcc}: [{address, name}]")
    subject = models.CharField(
        max_length=998, blank=True, default="", db_default="", help_text="Of what answers nothing; else the mail's own."
    )
    due_at = models.DateTimeField(
        default=database_time.now, help_text="Copied from the conversation: the queue's order."
    )
    snoozed_until = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DraftQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("draft"),
            models.UniqueConstraint(
                fields=["account", "conversation"], condition=Q(status="pending"), name="draft_one_live"
            ),
            one_of(
                "draft",
                "status",
                [
                    "pending",
                    "approved",
                    "sent",
                    "rejected",
                    "superseded",
                    "stale",
                    "answered_elsewhere",
                    "expired",
                    "archived",
                ],
            ),
            models.CheckConstraint(
                condition=~Q(suggested_text="") | Q(erased_at__isnull=False) | ~Q(error="") | Q(model_key="person"),
                name="draft_has_text",
            ),
            models.CheckConstraint(
                condition=Q(base_message__isnull=False) | Q(model_key="person"), name="draft_answers_or_is_a_persons"
            ),
            models.CheckConstraint(
                condition=Q(confidence__isnull=True) | Q(confidence__range=(0, 1)), name="draft_confidence_range"
            ),
            models.CheckConstraint(
                condition=Q(is_canary=False) | ~Q(status__in=["approved", "sent"]), name="draft_canary_never_leaves"
            ),
            *(
                json_under_64k("draft", field)
                for field in (
                    "top_sources",
                    "statements",
                    "checks",
                    "confidence_reasons",
                    "needs_human",
                    "recipients",
                    "questions",
                    "facts",
                )
            ),
            one_of("draft", "act", ["", *(act for act, _ in ACTS)]),
            Transitions(moves=DRAFT_MOVES, name="draft_moves"),
            Trigger(
                name="draft_waits_where_owed",
                when="AFTER INSERT OR UPDATE OF status, snoozed_until",
                function="nobody_is_forgotten",
                deferred=True,
            ),
            Trigger(name="draft_answers_latest", when="BEFORE UPDATE OF status", function="draft_answers_latest"),
            *same_account("draft", "base_message", "trigger_message", "prompt_version"),
            one_of("draft", "conversation_kind", ["customer"]),
            OfCustomers(name="draft_of_customers"),
        ]
        indexes: ClassVar = [
            # One index for each order and each count of the queue, over waiting drafts only: the history costs nothing.
            models.Index(fields=["account", "due_at", "id"], name="idx_draft_queue", condition=Q(status="pending")),
            models.Index(fields=["account", "id"], name="idx_draft_oldest", condition=Q(status="pending")),
            models.Index(
                fields=["account", "unsourced_count", "due_at", "id"],
                name="idx_draft_sourced",
                condition=Q(status="pending"),
            ),
            models.Index(
                fields=["account", "due_at", "id"], name="idx_draft_care", condition=Q(status="pending") & NEEDS_CARE
            ),
            models.Index(
                fields=["account", "snoozed_until"],
                name="idx_draft_snoozed",
                condition=Q(status="pending", snoozed_until__isnull=False),
            ),
            models.Index(fields=["account", "status", "due_at", "id"], name="idx_draft_status_due"),
            models.Index(fields=["conversation", "status"], name="idx_draft_conversation_status"),
            models.Index(fields=["status", "created_at"], name="idx_draft_status_created"),
        ]

    def __str__(self) -> str:
        return f"{self.status} draft v{self.version}"

    @property
    def not_answered(self) -> int:
        """How many questions of the mail the suggested text leaves open."""
        return sum(1 for one in self.questions if not one["answer"])

    @property
    def is_readdressed(self) -> bool:
        """Whether a person chose who gets it."""
        return self.to_forwarded or "to" in self.recipients


class DraftRevision(TenantRow):
    """What a person saved while editing. Kept for good, never overwritten."""

    draft = TenantForeignKey(Draft, related_name="revisions")
    number = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    html = models.TextField(blank=True, default="")
    statements = models.JSONField(default=list)
    author = models.ForeignKey("conversations.User", null=True, on_delete=models.SET_NULL, related_name="+")
    author_name = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("draftrevision", grants=("SELECT", "INSERT", "UPDATE")),
            models.UniqueConstraint(fields=["account", "draft", "number"], name="draftrevision_number"),
            models.CheckConstraint(condition=Q(number__gte=1), name="draftrevision_from_one"),
            AppendOnly(name="draftrevision_append_only", erasable=["text", "html", "statements", "author_id"]),
            json_under_64k("draftrevision", "statements"),
            *same_account("draftrevision", "draft"),
        ]

    def __str__(self) -> str:
        return f"revision {self.number}"


class Hold(TenantRow):
    """Who is working on a conversation. `token` fences: an older holder's writes carry an older token.

    One live hold per conversation: a hold whose lease ran out is replaced in the same statement that takes it.
    """

    conversation = TenantForeignKey("conversations.Conversation", related_name="holds", db_index=False)
    draft_id = models.UUIDField(null=True)
    user = models.ForeignKey("conversations.User", on_delete=models.CASCADE, related_name="+")
    lease_until = models.DateTimeField()
    token = models.PositiveIntegerField(default=1)
    asked_by = models.ForeignKey(
        "conversations.User",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who asked to take over.",
    )
    asked_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("hold"),
            models.UniqueConstraint(fields=["account", "conversation"], name="hold_one_per_conversation"),
            *same_account("hold", "conversation"),
        ]

    def __str__(self) -> str:
        return f"{self.user} until {self.lease_until:%H:%M:%S}"


class DraftAction(TenantRow):
    """One decision or touch, as it happened. Append-only; an erasure may empty its texts."""

    class Type(models.TextChoices):
        APPROVE = "approve"
        EDIT = "edit"
        REJECT = "reject"
        REGENERATE = "regenerate"
        CLAIM = "claim"
        RELEASE = "release"
        UNDO = "undo"
        ESCALATE = "escalate"
        ANSWER_ELSEWHERE = "answer_elsewhere"

    draft = TenantForeignKey(Draft, related_name="actions")
    conversation = TenantForeignKey("conversations.Conversation", related_name="draft_actions")
    user = models.ForeignKey(
        "conversations.User", null=True, on_delete=models.SET_NULL, related_name="draft_actions", db_index=False
    )
    user_name = models.CharField(max_length=120)
    type = models.CharField(max_length=20, choices=Type.choices)
    version = models.PositiveIntegerField(help_text="The draft version that was decided on.")
    final_text = models.TextField(null=True, blank=True)  # noqa: DJ001 - null: this act has no text; '' : erased
    final_html = models.TextField(blank=True, default="")
    reasons = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    notes = models.TextField(blank=True, default="")
    diff = models.JSONField(null=True)
    seen = models.JSONField(default=dict, help_text="What was on the screen: version, last inbound, envelope hash.")
    viewed_ms = models.PositiveIntegerField(null=True)
    sources_opened = models.PositiveSmallIntegerField(default=0)
    pressed_twice = models.BooleanField(default=False)
    request_id = models.CharField(max_length=64, blank=True, default="")
    wished_act = models.CharField(
        max_length=10, choices=ACTS, blank=True, default="", db_default="", help_text="What another draft should do."
    )
    message = TenantForeignKey("conversations.Message", null=True, related_name="draft_actions")
    lane = TenantForeignKey("drafts.Lane", null=True, related_name="actions")
    evidence = models.JSONField(default=dict, help_text="Of an automatic approval: the figures that opened its lane.")

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("draftaction", grants=("SELECT", "INSERT", "UPDATE")),
            one_of(
                "draftaction",
                "type",
                [
                    "approve",
                    "edit",
                    "reject",
                    "regenerate",
                    "claim",
                    "release",
                    "undo",
                    "escalate",
                    "answer_elsewhere",
                ],
            ),
            one_of("draftaction", "wished_act", ["", *(act for act, _ in ACTS)]),
            models.UniqueConstraint(
                fields=["account", "user", "request_id"], condition=~Q(request_id=""), name="draftaction_request"
            ),
            AppendOnly(
                name="draftaction_append_only",
                erasable=["final_text", "final_html", "notes", "diff", "user_id"],
            ),
            json_under_64k("draftaction", "seen"),
            json_under_64k("draftaction", "evidence"),
            *same_account("draftaction", "draft", "conversation", "message", "lane"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["draft"], name="idx_action_draft"),
            models.Index(fields=["user", "created_at"], name="idx_action_user_created"),
            models.Index(fields=["account", "-created_at"], name="idx_action_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.type} by {self.user_name}"
