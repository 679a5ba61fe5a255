"""A person's own conversations with an assistant: nobody else's, not an admin's either (docs/decisions/0053)."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database import database_time
from conversations.database.guards import Transitions, Trigger, json_under_64k, one_of, same_account, tenant_guards
from conversations.metadata import SessionContext, validate_with
from conversations.models.base import PrivateTo, TenantForeignKey, TenantRow

#: The arrows of a session's life; the database refuses any other.
SESSION_MOVES = {
    "active": ["awaiting_confirmation", "completed", "expired"],
    "awaiting_confirmation": ["active", "completed", "expired"],
}
CONTEXTS = ("general", "case", "project", "infrastructure", "practice")
#: A person has one open session for each of these; talk in general and practice begin anew.
ONE_EACH = ("case", "project", "infrastructure")
OPEN = ("active", "awaiting_confirmation")


class AssistantSessionQuerySet(models.QuerySet["AssistantSession"]):
    def of(self, person_id: uuid.UUID) -> AssistantSessionQuerySet:
        """A person's own. The database shows no others; the question says it all the same."""
        return self.filter(private_to_id=person_id)

    def kept(self) -> AssistantSessionQuerySet:
        return self.filter(conversation__deleted_at__isnull=True)

    def open(self) -> AssistantSessionQuerySet:
        return self.filter(status__in=OPEN)


class AssistantSession(TenantRow):
    """What a chat is about, and whether it goes on. Its messages are those of its conversation."""

    class Context(models.TextChoices):
        GENERAL = "general", "In general"
        CASE = "case", "A conversation"
        PROJECT = "project", "A channel"
        INFRASTRUCTURE = "infrastructure", "The whole desk"
        PRACTICE = "practice", "Practice"

    class Status(models.TextChoices):
        """The four words of seed 000."""

        ACTIVE = "active", "Open"
        AWAITING_CONFIRMATION = "awaiting_confirmation", "Waits for a decision"
        COMPLETED = "completed", "Ended"
        EXPIRED = "expired", "Ended, nobody wrote"

    conversation = TenantForeignKey("conversations.Conversation", related_name="sessions", db_index=False)
    private_to = PrivateTo()
    context_type = models.CharField(max_length=20, choices=Context.choices, default=Context.GENERAL)
    case = TenantForeignKey(
        "conversations.Conversation", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    project_kind = models.CharField(max_length=20, blank=True, default="", help_text="What kind of thing it is about.")
    project_id = models.UUIDField(null=True, help_text="No key: what it is about may stand above this app.")
    scenario_id = models.UUIDField(null=True)
    status = models.CharField(max_length=30, choices=Status.choices, default=Status.ACTIVE)
    context = models.JSONField(default=dict, blank=True, validators=[validate_with(SessionContext)])
    closed_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=60, blank=True, default="", help_text="Why it ended, where that is not plain.")
    updated_at = models.DateTimeField(auto_now=True)

    objects = AssistantSessionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("assistantsession", private_to="private_to_id"),
            one_of("assistantsession", "context_type", CONTEXTS),
            one_of("assistantsession", "status", [*OPEN, "completed", "expired"]),
            models.CheckConstraint(
                condition=Q(~Q(project_kind=""), context_type="project", project_id__isnull=False)
                | Q(~Q(context_type="project"), project_kind="", project_id__isnull=True),
                name="assistantsession_project_iff_project",
            ),
            models.CheckConstraint(
                condition=Q(context_type="practice", scenario_id__isnull=False)
                | Q(~Q(context_type="practice"), scenario_id__isnull=True),
                name="assistantsession_scenario_iff_practice",
            ),
            models.CheckConstraint(
                condition=Q(case__isnull=True) | Q(context_type="case"), name="assistantsession_case_of_a_case"
            ),
            models.CheckConstraint(
                condition=Q(status__in=OPEN, closed_at__isnull=True) | Q(~Q(status__in=OPEN), closed_at__isnull=False),
                name="assistantsession_ended_has_its_time",
            ),
            models.UniqueConstraint(
                fields=["account", "private_to", "context_type", "case", "project_kind", "project_id"],
                condition=Q(status__in=OPEN, context_type__in=ONE_EACH),
                nulls_distinct=False,
                name="assistantsession_one_open",
            ),
            models.UniqueConstraint(fields=["account", "conversation"], name="assistantsession_conversation"),
            json_under_64k("assistantsession", "context"),
            Transitions(moves=SESSION_MOVES, name="assistantsession_moves"),
            # Whose it is, and that it is a chat at all, says its conversation.
            Trigger(name="session_begins", when="BEFORE INSERT", function="session_begins"),
            Trigger(
                name="session_ends_its_actions", when="AFTER UPDATE OF status", function="session_ends_its_actions"
            ),
            *same_account("assistantsession", "conversation", "case"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "private_to", "status"], name="idx_session_person_status"),
            models.Index(fields=["account", "case"], name="idx_session_case", condition=Q(case__isnull=False)),
            models.Index(
                fields=["account", "private_to", "project_kind", "project_id"],
                name="idx_session_project",
                condition=Q(project_id__isnull=False),
            ),
            models.Index(fields=["account", "-updated_at"], name="idx_session_updated"),
        ]

    def __str__(self) -> str:
        return f"{self.get_context_type_display()}, {self.get_status_display()}"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class MessageVector(TenantRow):
    """What a message of a chat means, as one model sees it: small whole numbers, `values[i] / 127` of the largest."""

    message = TenantForeignKey("conversations.Message", on_delete=models.CASCADE, related_name="+", db_index=False)
    conversation = TenantForeignKey(
        "conversations.Conversation", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    private_to = PrivateTo()
    embedder = models.CharField(max_length=200)
    values = models.BinaryField()
    made_at = models.DateTimeField(default=database_time.now)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("messagevector", private_to="private_to_id"),
            models.UniqueConstraint(fields=["account", "message", "embedder"], name="messagevector_once"),
            *same_account("messagevector", "message", "conversation"),
            Trigger(name="vector_is_its_persons", when="BEFORE INSERT", function="vector_is_its_persons"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "private_to", "embedder"], name="idx_messagevector_own"),
        ]

    def __str__(self) -> str:
        return f"{self.embedder} of {self.message_id}"
