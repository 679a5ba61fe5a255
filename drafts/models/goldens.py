"""Approved question and answer pairs, and what a prompt version makes of them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from conversations.database import database_time
from conversations.database.guards import Transitions, json_under_64k, one_of, same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow
from conversations.models.tenants import SHARE


class GoldenQuerySet(models.QuerySet["Golden"]):
    def in_use(self) -> GoldenQuerySet:
        """Accepted, and valid now."""
        now = database_time.now()
        return self.filter(status=Golden.Status.ACCEPTED).filter(
            Q(valid_from__isnull=True) | Q(valid_from__lte=now), Q(valid_until__isnull=True) | Q(valid_until__gt=now)
        )


class Golden(TenantRow):
    """A question and the answer that a person stands for.

    While it is in use it is a source document at `address`, so that drafts find and cite it like any other source.
    """

    class Status(models.TextChoices):
        PROPOSED = "proposed"
        ACCEPTED = "accepted"
        REFUSED = "refused"
        RETIRED = "retired"

    class Origin(models.TextChoices):
        FILE = "file"
        CORRECTIONS = "corrections"
        PERSON = "person"

    question = models.TextField()
    answer = models.TextField()
    intent = models.CharField(max_length=100, blank=True, default="")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PROPOSED)
    origin = models.CharField(max_length=20, choices=Origin.choices, default=Origin.PERSON)
    external_key = models.CharField(
        max_length=200, blank=True, default="", help_text="Its key in the file, or the digest of the corrections."
    )
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    samples = models.JSONField(default=list, help_text="Ids of the corrections that it was proposed from.")
    decided_by = models.ForeignKey("conversations.User", null=True, on_delete=models.SET_NULL, related_name="+")
    decided_name = models.CharField(max_length=120, blank=True, default="")
    decided_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = GoldenQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("golden"),
            models.UniqueConstraint(
                fields=["account", "external_key"], condition=~Q(external_key=""), name="golden_external_key"
            ),
            models.CheckConstraint(condition=~Q(question="") & ~Q(answer=""), name="golden_has_both"),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True) | Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from")),
                name="golden_valid_range",
            ),
            one_of("golden", "status", ["proposed", "accepted", "refused", "retired"]),
            one_of("golden", "origin", ["file", "corrections", "person"]),
            Transitions(
                moves={
                    "proposed": ["accepted", "refused"],
                    "accepted": ["retired"],
                    "refused": ["accepted"],
                    "retired": ["accepted"],
                },
                name="golden_moves",
            ),
            json_under_64k("golden", "samples"),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "status", "created_at"], name="idx_golden_status")]

    def __str__(self) -> str:
        return self.question[:80]

    @property
    def address(self) -> str:
        """Its address as a source document."""
        return f"golden:{self.pk}"


class EvalRun(TenantRow):
    """A prompt version (or the drafter as it is) measured on the goldens in use."""

    class Status(models.TextChoices):
        RUNNING = "running"
        PASSED = "passed"
        REGRESSED = "regressed"
        FAILED = "failed"

    prompt_version = TenantForeignKey("drafts.PromptVersion", null=True, related_name="eval_runs")
    baseline = TenantForeignKey("drafts.EvalRun", null=True, related_name="+")
    model_key = models.CharField(max_length=100, blank=True, default="")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.RUNNING)
    metrics = models.JSONField(default=dict)
    error = models.CharField(max_length=500, blank=True, default="")
    started_by = models.ForeignKey("conversations.User", null=True, on_delete=models.SET_NULL, related_name="+")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("evalrun"),
            one_of("evalrun", "status", ["running", "passed", "regressed", "failed"]),
            Transitions(moves={"running": ["passed", "regressed", "failed"]}, name="evalrun_moves"),
            json_under_64k("evalrun", "metrics"),
            *same_account("evalrun", "prompt_version", "baseline"),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "-created_at"], name="idx_evalrun_recent")]

    def __str__(self) -> str:
        return f"evaluation {self.status}"


class EvalCase(TenantRow):
    """One golden's question, asked: how near the answer came."""

    run = TenantForeignKey(EvalRun, on_delete=models.CASCADE, related_name="cases")
    golden = TenantForeignKey(Golden, related_name="cases")
    answer = models.TextField(blank=True)
    similarity = models.FloatField(validators=SHARE)
    unsourced = models.PositiveIntegerField(default=0)
    declined = models.BooleanField(default=False)
    passed = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("evalcase"),
            models.UniqueConstraint(fields=["account", "run", "golden"], name="evalcase_once"),
            models.CheckConstraint(condition=Q(similarity__range=(0, 1)), name="evalcase_similarity_range"),
            *same_account("evalcase", "run", "golden"),
        ]

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'missed'} {self.similarity:.2f}"
