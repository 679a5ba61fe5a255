"""What an edit teaches."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from conversations.database.guards import OfCustomers, one_of, same_account, tenant_guards
from conversations.models.base import OfKind, TenantForeignKey, TenantRow
from conversations.models.tenants import SHARE


class LearningSample(TenantRow):
    """A draft as suggested, the text as signed for, and the operations between: `apply(original, operations) == final`."""

    class Split(models.TextChoices):
        TRAIN = "train"
        VALIDATION = "validation"

    draft = TenantForeignKey("drafts.Draft", related_name="learning_samples")
    action = TenantForeignKey("drafts.DraftAction", related_name="learning_samples", db_index=False)
    conversation = TenantForeignKey("conversations.Conversation", related_name="+")
    conversation_kind = OfKind()
    question = models.TextField(blank=True)
    original = models.TextField(blank=True)
    final = models.TextField(blank=True)
    operations = models.JSONField()
    reasons = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    similarity = models.FloatField(validators=SHARE)
    model_key = models.CharField(max_length=100)
    prompt_label = models.CharField(max_length=80, blank=True, default="")
    split = models.CharField(max_length=20, choices=Split.choices, default=Split.TRAIN)
    embedding_ref = models.CharField(max_length=255, blank=True, default="")
    erased_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("learningsample"),
            models.UniqueConstraint(fields=["account", "action"], name="learningsample_action"),
            one_of("learningsample", "split", ["train", "validation"]),
            *same_account("learningsample", "draft", "action"),
            one_of("learningsample", "conversation_kind", ["customer"]),
            OfCustomers(name="learningsample_of_customers"),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "created_at"], name="idx_learningsample_created")]

    def __str__(self) -> str:
        return f"sample of {self.draft_id}"
