"""The words that search finds. Their own table, so that an erasure costs small rows and not rewritten large ones."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from conversations.database.guards import same_account, tenant_guards
from conversations.models.base import PrivateTo, TenantForeignKey, TenantRow


class SearchWords(TenantRow):
    """Kept by the database: triggers write it, an erasure removes it. Nobody else does. The id is that of the conversation
    (its names and subject), the message or the file whose words these are."""

    conversation = TenantForeignKey("conversations.Conversation", on_delete=models.CASCADE, related_name="+")
    words = SearchVectorField()
    private_to = PrivateTo(null=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("searchwords", grants=("SELECT",), private_to="private_to_id"),
            *same_account("searchwords", "conversation"),
        ]
        indexes: ClassVar = [
            # Every search reads what is not yet in its place in the index: a short list, against 2 ms more of a long one.
            GinIndex(fields=["account", "words"], name="idx_searchwords_words", gin_pending_list_limit=512),
            GinIndex(
                fields=["account", "private_to", "words"],
                name="idx_searchwords_own",
                condition=models.Q(private_to__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"words of {self.conversation_id}"
