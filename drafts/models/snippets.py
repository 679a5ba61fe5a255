"""Texts that people use again."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database.guards import tenant_guards
from conversations.models.base import TenantRow


class SnippetQuerySet(models.QuerySet["Snippet"]):
    def of(self, user_id: object) -> SnippetQuerySet:
        """What this person can use: the account's, and their own."""
        return self.filter(Q(owner=None) | Q(owner=user_id)).order_by("name", "id")


class Snippet(TenantRow):
    """A text under a name, with fields that are filled in where it is used (`drafts.desk.snippets.FIELDS`). Without an
    owner it is the whole account's."""

    owner = models.ForeignKey(
        "conversations.User", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=60)
    text = models.CharField(max_length=5000)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SnippetQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("snippet"),
            models.UniqueConstraint(fields=["account", "owner", "name"], nulls_distinct=False, name="snippet_name"),
            models.CheckConstraint(condition=~Q(text="") & ~Q(name=""), name="snippet_says_something"),
        ]

    def __str__(self) -> str:
        return self.name
