"""The words of messages, for search. Its own table, so that an erasure costs one small row and not a rewritten message."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from conversations.guards import same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow


class MessageWords(TenantRow):
    """Kept by the database: a trigger on messages writes it, an erasure removes it. Nobody else does."""

    message = TenantForeignKey("conversations.Message", on_delete=models.CASCADE, related_name="+", db_index=False)
    conversation = TenantForeignKey("conversations.Conversation", on_delete=models.CASCADE, related_name="+")
    sent_at = models.DateTimeField()
    words = SearchVectorField()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("messagewords", grants=("SELECT",)),
            models.UniqueConstraint(fields=["account", "message"], name="messagewords_once"),
            *same_account("messagewords", "message", "conversation"),
        ]
        indexes: ClassVar = [
            GinIndex(fields=["account", "words"], name="idx_messagewords_words"),
            models.Index(fields=["account", "-sent_at", "-id"], name="idx_messagewords_recent"),
        ]

    def __str__(self) -> str:
        return f"words of {self.message_id}"
