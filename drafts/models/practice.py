"""Practice: the scenarios that the assistant plays, what a trainee decided in one, and what came of it (docs/decisions/0065).

A practice is a person's own chat. It has no draft, no delivery and no sample: their keys ask for a customer's conversation.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from conversations.database import database_time
from conversations.database.guards import (
    AppendOnly,
    Transitions,
    Trigger,
    json_under_64k,
    one_of,
    same_account,
    tenant_guards,
)
from conversations.metadata import validate_with
from conversations.models.base import PrivateTo, TenantForeignKey, TenantRow
from drafts.models.rubric import Facts, Rubric

#: The languages whose script lines the persona knows.
LANGUAGES = (("en", "English"), ("de", "German"), ("es", "Spanish"))
#: The longest talk: a persona whose patience is still there says goodbye then.
MOST_ANSWERS = 8
SCENARIO_MOVES = {"draft": ["ready", "retired"], "ready": ["retired"]}
TURN_MOVES = {"writing": ["waiting"], "waiting": ["answered"]}


class ScenarioQuerySet(models.QuerySet["Scenario"]):
    def ready(self) -> ScenarioQuerySet:
        return self.filter(status="ready")

    def kept(self) -> ScenarioQuerySet:
        return self.filter(erased_at__isnull=True)


class Scenario(TenantRow):
    """A customer to practise with: what they open with, what they know, want and put up with, and what a good reply does.

    One that is ready is frozen: a change is a new version, which takes its place when a person sets it ready. Scores stay
    with the version that they were given by.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        READY = "ready", "Ready"
        RETIRED = "retired", "Retired"

    title = models.CharField(max_length=80)
    language = models.CharField(max_length=2, choices=LANGUAGES, default="en")
    persona_name = models.CharField(max_length=80)
    persona = models.CharField(max_length=600, blank=True, default="", help_text="Who they are, for the trainee.")
    subject = models.CharField(max_length=200, blank=True, default="")
    opening = models.TextField(max_length=2000)
    facts = models.JSONField(default=list, blank=True, validators=[validate_with(Facts)])
    goal = models.CharField(max_length=300, help_text="What a reply has to say, separated by commas.")
    patience = models.PositiveSmallIntegerField(default=3, validators=[MinValueValidator(1), MaxValueValidator(6)])
    rubric = models.JSONField(default=list, validators=[validate_with(Rubric)])
    version = models.PositiveSmallIntegerField(default=1)
    replaces = TenantForeignKey("self", null=True, related_name="+", db_index=False)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.DRAFT)
    mined_from = TenantForeignKey("conversations.Conversation", null=True, related_name="+", db_index=False)
    redacted = models.PositiveIntegerField(default=0, help_text="How many personal details were replaced.")
    written_by = models.ForeignKey(
        "conversations.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False, editable=False
    )
    updated_at = models.DateTimeField(auto_now=True)
    erased_at = models.DateTimeField(null=True, editable=False)

    objects = ScenarioQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("scenario", grants=("SELECT", "INSERT", "UPDATE")),
            one_of("scenario", "status", ["draft", "ready", "retired"]),
            one_of("scenario", "language", [code for code, _ in LANGUAGES]),
            models.CheckConstraint(condition=Q(patience__range=(1, 6)), name="scenario_patience_range"),
            models.CheckConstraint(
                condition=Q(erased_at__isnull=False) | (~Q(title="") & ~Q(opening="")), name="scenario_has_text"
            ),
            models.UniqueConstraint(
                fields=["account", "mined_from"], condition=Q(version=1), name="scenario_mined_once"
            ),
            *(json_under_64k("scenario", name) for name in ("facts", "rubric")),
            *same_account("scenario", "replaces", "mined_from"),
            Transitions(moves=SCENARIO_MOVES, name="scenario_moves"),
            Trigger(name="scenario_stays_as_set", when="BEFORE UPDATE", function="scenario_stays_as_set"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "status"], name="idx_scenario_status"),
            models.Index(fields=["mined_from"], name="idx_scenario_mined", condition=Q(mined_from__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.title}, version {self.version}"

    @property
    def first_name(self) -> str:
        return self.persona_name.split(" ")[0]


class PracticeTurnQuerySet(models.QuerySet["PracticeTurn"]):
    def of(self, session_id: uuid.UUID) -> PracticeTurnQuerySet:
        return self.filter(session=session_id).order_by("number")

    def answered(self) -> PracticeTurnQuerySet:
        return self.filter(status="answered")


class PracticeTurn(TenantRow):
    """A message of the persona, the drafter's draft for it, and what the trainee made of it. Decided once, never changed."""

    class Status(models.TextChoices):
        WRITING = "writing", "The draft is being written"
        WAITING = "waiting", "Waits for the trainee"
        ANSWERED = "answered", "Answered"

    class Decision(models.TextChoices):
        APPROVED = "approved", "As drafted"
        EDITED = "edited", "Edited"
        REPLACED = "replaced", "Written anew"

    session = TenantForeignKey("conversations.AssistantSession", related_name="+", db_index=False)
    private_to = PrivateTo()
    number = models.PositiveSmallIntegerField()
    persona_message = TenantForeignKey("conversations.Message", related_name="+", db_index=False)
    answer = TenantForeignKey("conversations.Message", null=True, related_name="+", db_index=False)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.WRITING)
    suggested_text = models.TextField(blank=True, default="")
    statements = models.JSONField(default=list)
    sources = models.JSONField(default=list)
    planted = models.CharField(
        max_length=300, blank=True, default="", help_text="The error that was put into the draft."
    )
    error = models.CharField(max_length=500, blank=True, default="", help_text="Why there is no draft.")
    model_key = models.CharField(max_length=100, blank=True, default="")
    latency_ms = models.PositiveIntegerField(null=True)
    decision = models.CharField(max_length=20, choices=Decision.choices, blank=True, default="")
    final_text = models.TextField(blank=True, default="")
    operations = models.JSONField(null=True)
    told = models.JSONField(default=list, help_text="Keys of the facts that the persona has told by then.")
    patience = models.PositiveSmallIntegerField(help_text="What is left of it.")
    viewed_ms = models.PositiveIntegerField(null=True)
    drafted_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)

    objects = PracticeTurnQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("practiceturn", grants=("SELECT", "INSERT", "UPDATE"), private_to="private_to_id"),
            one_of("practiceturn", "status", ["writing", "waiting", "answered"]),
            one_of("practiceturn", "decision", ["", "approved", "edited", "replaced"]),
            models.UniqueConstraint(fields=["account", "session", "number"], name="practiceturn_number"),
            models.UniqueConstraint(fields=["account", "persona_message"], name="practiceturn_message"),
            models.CheckConstraint(
                condition=Q(status="answered", answer__isnull=False, answered_at__isnull=False)
                | Q(~Q(status="answered"), answer__isnull=True, decision=""),
                name="practiceturn_answered_once",
            ),
            *(json_under_64k("practiceturn", name) for name in ("statements", "sources", "told")),
            *same_account("practiceturn", "session", "persona_message", "answer"),
            Transitions(moves=TURN_MOVES, name="practiceturn_moves"),
            Trigger(name="practice_turn_begins", when="BEFORE INSERT", function="practice_turn_begins"),
            Trigger(name="practice_turn_stays", when="BEFORE UPDATE", function="practice_turn_stays"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account", "created_at"], name="idx_practiceturn_writing", condition=Q(status="writing")
            )
        ]

    def __str__(self) -> str:
        return f"answer {self.number}, {self.status}"


class ScoreCard(TenantRow):
    """What a practice came to: each criterion met, not met or undecided, with the places in the texts that say so.

    Places are numbers of answers and code points, never words: who empties the texts has emptied the score's evidence.
    """

    session = TenantForeignKey("conversations.AssistantSession", related_name="+", db_index=False)
    private_to = PrivateTo()
    scenario = TenantForeignKey(Scenario, related_name="+", db_index=False)
    rubric_version = models.PositiveSmallIntegerField()
    criteria = models.JSONField(default=list)
    points_met = models.PositiveSmallIntegerField()
    points_decided = models.PositiveSmallIntegerField()
    total = models.PositiveSmallIntegerField(null=True, help_text="Of 100; null where nothing was decided.")
    answers = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=20)
    scored_by = models.CharField(max_length=40)
    scored_at = models.DateTimeField(default=database_time.now)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("scorecard", grants=("SELECT", "INSERT"), private_to="private_to_id"),
            one_of("scorecard", "outcome", ["resolved", "impatient", "ended"]),
            models.CheckConstraint(
                condition=Q(points_met__lte=models.F("points_decided"))
                & (Q(total__isnull=True) | Q(total__range=(0, 100))),
                name="scorecard_adds_up",
            ),
            models.UniqueConstraint(fields=["account", "session"], name="scorecard_session"),
            json_under_64k("scorecard", "criteria"),
            *same_account("scorecard", "session", "scenario"),
            Trigger(name="scorecard_begins", when="BEFORE INSERT", function="practice_is_its_persons"),
            AppendOnly(name="scorecard_append_only"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "private_to", "-id"], name="idx_scorecard_own"),
            models.Index(fields=["account", "scenario"], name="idx_scorecard_scenario"),
        ]

    def __str__(self) -> str:
        return f"{self.total} of 100"
