"""What people keep for themselves at the desk, or share, who is looking at what, and what is being written for them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from conversations.database import database_time
from conversations.database.guards import same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow


class SavedView(TenantRow):
    """Filters of the queue, or a search, under a name. `query` is the query string of the page."""

    class Page(models.TextChoices):
        QUEUE = "queue"
        HISTORY = "history"

    user = models.ForeignKey("conversations.User", on_delete=models.CASCADE, related_name="+", db_index=False)
    page = models.CharField(max_length=20, choices=Page.choices, default=Page.QUEUE)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=500, blank=True, default="")
    is_shared = models.BooleanField(default=False, db_default=False, help_text="Everybody in the account finds it.")

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("savedview"),
            models.UniqueConstraint(fields=["account", "user", "page", "name"], name="savedview_name"),
            models.CheckConstraint(condition=models.Q(page__in=["queue", "history"]), name="savedview_page_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Presence(TenantRow):
    """Who has a conversation open. The page's pulse renews it; a row older than a minute says nothing."""

    conversation = TenantForeignKey("conversations.Conversation", related_name="+", db_index=False)
    user = models.ForeignKey("conversations.User", on_delete=models.CASCADE, related_name="+", db_index=False)
    seen_at = models.DateTimeField(default=database_time.now)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("presence"),
            models.UniqueConstraint(fields=["account", "conversation", "user"], name="presence_once"),
            *same_account("presence", "conversation"),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.seen_at:%H:%M:%S}"


class Writing(TenantRow):
    """The text of another draft while a model writes it, for the page that asked. Goes when the draft is there."""

    conversation = TenantForeignKey("conversations.Conversation", related_name="+", db_index=False)
    text = models.CharField(max_length=20_000, blank=True, default="")
    updated_at = models.DateTimeField(default=database_time.now)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("writing"),
            models.UniqueConstraint(fields=["account", "conversation"], name="writing_once"),
            *same_account("writing", "conversation"),
        ]

    def __str__(self) -> str:
        return f"{len(self.text)} characters at {self.updated_at:%H:%M:%S}"
