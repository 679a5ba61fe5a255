"""What an assistant proposed and a person decided, and the proof of what was done (docs/decisions/0057)."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.database.guards import (
    AppendOnly,
    Transitions,
    Trigger,
    json_under_64k,
    one_of,
    same_account,
    tenant_guards,
)
from conversations.models.base import TenantForeignKey, TenantRow

#: The arrows of an action's life; the database refuses any other. The last four words are final.
ACTION_MOVES = {
    "proposed": ["confirmed", "rejected", "expired"],
    "confirmed": ["executing", "rejected", "expired"],
    "executing": ["executed", "failed"],
}
UNDECIDED = ("proposed", "confirmed")
FINAL = ("executed", "failed", "rejected", "expired")


def _person() -> Any:
    return models.ForeignKey(
        "conversations.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False, editable=False
    )


class ProposedActionQuerySet(models.QuerySet["ProposedAction"]):
    def undecided(self) -> ProposedActionQuerySet:
        """In nobody's past yet: it can still be confirmed, countersigned or rejected."""
        return self.filter(status__in=UNDECIDED, expires_at__gt=Now())

    def overdue(self) -> ProposedActionQuerySet:
        return self.filter(status__in=UNDECIDED, expires_at__lte=Now())

    def to_countersign(self, person_id: uuid.UUID) -> ProposedActionQuerySet:
        """Confirmed by somebody else, and waiting for a second person."""
        return self.undecided().filter(status="confirmed").exclude(owner=person_id)


class ProposedAction(TenantRow):
    """One change, as it was shown to a person: by which tool, with which arguments, on which facts, to what effect.

    What was shown never changes; an erasure may empty it. It is readable in the account, because a second person may have
    to sign: it holds arguments, never a word of the chat, which `session` and `message` belong to.
    """

    class Status(models.TextChoices):
        PROPOSED = "proposed", "Proposed"
        CONFIRMED = "confirmed", "Waits for a second person"
        EXECUTING = "executing", "Doing it"
        EXECUTED = "executed", "Done"
        FAILED = "failed", "Failed"
        REJECTED = "rejected", "Rejected"
        EXPIRED = "expired", "Expired"

    session = TenantForeignKey("conversations.AssistantSession", related_name="+", db_index=False)
    message = TenantForeignKey("conversations.Message", related_name="+", db_index=False)
    owner = _person()
    owner_name = models.CharField(max_length=120, editable=False)
    case = TenantForeignKey("conversations.Conversation", null=True, related_name="actions", db_index=False)
    tool = models.CharField(max_length=60)
    version = models.PositiveSmallIntegerField()
    arguments = models.JSONField(default=dict)
    precondition = models.JSONField(default=list, help_text="The facts that it rests on, as they were.")
    effect = models.JSONField(default=dict, help_text="What was shown: the sentence, old and new.")
    arguments_sha256 = models.CharField(max_length=64)
    precondition_sha256 = models.CharField(max_length=64)
    effect_sha256 = models.CharField(max_length=64)
    tainted = models.BooleanField(default=False, help_text="What was read before it held an instruction.")
    call_id = models.CharField(max_length=100)
    replaces = TenantForeignKey("self", null=True, related_name="replaced_by", db_index=False)
    reverts = TenantForeignKey("self", null=True, related_name="+", db_index=False)
    expires_at = models.DateTimeField()

    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PROPOSED)
    fence = models.PositiveIntegerField(default=0, help_text="How often somebody began to carry it out.")
    seen_ms = models.PositiveIntegerField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = _person()
    confirmed_name = models.CharField(max_length=120, blank=True, default="")
    confirm_request = models.CharField(max_length=64, blank=True, default="")
    second_at = models.DateTimeField(null=True)
    second_by = _person()
    second_name = models.CharField(max_length=120, blank=True, default="")
    second_request = models.CharField(max_length=64, blank=True, default="")
    ended_at = models.DateTimeField(null=True, help_text="When it came to one of its four ends.")
    rejected_by = _person()
    rejected_name = models.CharField(max_length=120, blank=True, default="")
    reason = models.CharField(max_length=60, blank=True, default="", help_text="Why it ended, as a word of ours.")
    said = models.CharField(
        max_length=1000, blank=True, default="", help_text="What came of it, or why somebody said no, in words."
    )
    found = models.JSONField(default=list, help_text="The facts as they were when it could not be done any more.")

    objects = ProposedActionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("proposedaction", grants=("SELECT", "INSERT", "UPDATE")),
            models.UniqueConstraint(fields=["account", "message", "call_id"], name="proposedaction_call"),
            one_of("proposedaction", "status", [*ACTION_MOVES, *FINAL]),
            models.CheckConstraint(
                condition=Q(status__in=FINAL, ended_at__isnull=False) | Q(~Q(status__in=FINAL), ended_at__isnull=True),
                name="proposedaction_ended_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["confirmed", "executing", "executed", "failed"])
                | Q(confirmed_at__isnull=False),
                name="proposedaction_done_was_confirmed",
            ),
            # Four eyes are those of two people.
            models.CheckConstraint(
                condition=Q(second_by__isnull=True) | ~Q(second_by=models.F("owner")),
                name="proposedaction_second_is_another",
            ),
            *(json_under_64k("proposedaction", name) for name in ("arguments", "precondition", "effect", "found")),
            *same_account("proposedaction", "session", "message", "case", "replaces", "reverts"),
            Transitions(moves=ACTION_MOVES, name="proposedaction_moves"),
            Trigger(name="action_begins", when="BEFORE INSERT", function="action_begins"),
            Trigger(name="action_stays_as_shown", when="BEFORE UPDATE", function="action_stays_as_shown"),
            Trigger(
                name="action_moves_session", when="AFTER INSERT OR UPDATE OF status", function="action_moves_session"
            ),
            Trigger(
                name="action_has_its_receipt",
                when="AFTER INSERT OR UPDATE OF status",
                function="action_has_its_receipt",
                deferred=True,
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["session", "id"], name="idx_action_session"),
            models.Index(fields=["case", "-id"], name="idx_action_case", condition=Q(case__isnull=False)),
            models.Index(
                fields=["account", "expires_at"], name="idx_action_undecided", condition=Q(status__in=UNDECIDED)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool}: {self.get_status_display()}"

    @property
    def is_undecided(self) -> bool:
        return self.status in UNDECIDED


class ActionReceipt(TenantRow):
    """That an action was carried out, once: the second receipt of an action is refused by its key, whoever asks.

    `before` and `after` are the facts around it. `reverts` is the action that this one took back; that happens once, too.
    """

    action = TenantForeignKey(ProposedAction, related_name="receipts", db_index=False)
    fence = models.PositiveIntegerField()
    before = models.JSONField(default=list)
    after = models.JSONField(default=list)
    kept = models.JSONField(default=dict, help_text="What taking it back needs to know.")
    reverts = TenantForeignKey(ProposedAction, null=True, related_name="reverted_by", db_index=False)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("actionreceipt", grants=("SELECT", "INSERT", "UPDATE")),
            models.UniqueConstraint(fields=["account", "action"], name="actionreceipt_once"),
            models.UniqueConstraint(fields=["account", "reverts"], name="actionreceipt_reverted_once"),
            *(json_under_64k("actionreceipt", name) for name in ("before", "after", "kept")),
            *same_account("actionreceipt", "action", "reverts"),
            AppendOnly(name="actionreceipt_append_only", erasable=["before", "after", "kept"]),
        ]

    def __str__(self) -> str:
        return f"receipt of {self.action_id}"
