"""What the people of an account write to each other inside a conversation."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database.guards import json_under_64k, same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow
from conversations.models.threads import Conversation


class Note(TenantRow):
    """An internal note. It is no Message, and a Delivery sends a Message of its account: the database's foreign key refuses
    any other, so a note has no way out. One that its author took back, or an erasure emptied, stays as a place without words.
    """

    conversation = TenantForeignKey(Conversation, related_name="notes", db_index=False)
    author = models.ForeignKey(
        "conversations.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False, editable=False
    )
    author_name = models.CharField(max_length=120, editable=False)
    text = models.TextField(blank=True)
    mentions = models.JSONField(default=dict, blank=True, help_text="As it is written in the text -> whose id.")
    removed_at = models.DateTimeField(null=True, editable=False, help_text="When its author took it back.")
    erased_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("note"),
            models.CheckConstraint(
                condition=(~Q(text="") & Q(removed_at__isnull=True, erased_at__isnull=True))
                | (Q(text="", mentions={}) & (Q(removed_at__isnull=False) | Q(erased_at__isnull=False))),
                name="note_has_text_until_it_is_taken_back",
            ),
            json_under_64k("note", "mentions"),
            *same_account("note", "conversation"),
        ]
        indexes: ClassVar = [models.Index(fields=["conversation", "created_at"], name="idx_note_conversation")]

    def __str__(self) -> str:
        return f"Note of {self.author_name}"


class Watcher(TenantRow):
    """Somebody who is told what happens in a conversation, whoever has it in hand."""

    conversation = TenantForeignKey(Conversation, on_delete=models.CASCADE, related_name="watchers", db_index=False)
    user = models.ForeignKey("conversations.User", on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("watcher"),
            models.UniqueConstraint(fields=["account", "conversation", "user"], name="watcher_once"),
            *same_account("watcher", "conversation"),
        ]
        indexes: ClassVar = [models.Index(fields=["conversation"], name="idx_watcher_conversation")]

    def __str__(self) -> str:
        return f"{self.user} watches {self.conversation}"
