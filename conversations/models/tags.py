"""Tags: an account's own short list of words to find conversations by."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower

from conversations.database.guards import one_of, same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow
from conversations.models.threads import Conversation


class TagQuerySet(models.QuerySet["Tag"]):
    def for_menu(self, conversation: Conversation) -> TagQuerySet:
        """What can be chosen for it, with `chosen`; a retired tag only while it is."""
        links = ConversationTag.objects.filter(tag=OuterRef("pk"), conversation=conversation)
        return self.annotate(chosen=Exists(links)).filter(Q(is_retired=False) | Q(chosen=True)).order_by(Lower("name"))

    def of(self, conversation_id: OuterRef) -> TagQuerySet:
        """The tags of an outer statement's conversation."""
        return self.filter(links__conversation=conversation_id).order_by(Lower("name"))


class Tag(TenantRow):
    """A colour is never the only sign: the name stands beside it. What was once used is retired, not removed."""

    class Colour(models.TextChoices):
        GREY = "grey"
        BLUE = "blue"
        GREEN = "green"
        AMBER = "amber"
        RED = "red"
        PLUM = "plum"

    name = models.CharField(max_length=40, help_text="A word or two, as it stands beside a conversation.")
    colour = models.CharField(
        max_length=10, choices=Colour.choices, default=Colour.GREY, help_text="The dot before the name."
    )
    is_retired = models.BooleanField(
        default=False, help_text="Ticked: it stays where it was given, and is given to no other conversation."
    )

    objects = TagQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("tag"),
            models.UniqueConstraint("account", Lower("name"), name="tag_name"),
            models.CheckConstraint(condition=~Q(name=""), name="tag_has_a_name"),
            one_of("tag", "colour", ["grey", "blue", "green", "amber", "red", "plum"]),
        ]

    def __str__(self) -> str:
        return self.name


class ConversationTag(TenantRow):
    """A tag on a conversation. Both keys are indexed: a page asks for a conversation's tags, a filter for a tag's rows."""

    conversation = TenantForeignKey(Conversation, on_delete=models.CASCADE, related_name="tag_links", db_index=False)
    tag = TenantForeignKey(Tag, on_delete=models.CASCADE, related_name="links", db_index=False)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("conversationtag"),
            models.UniqueConstraint(fields=["account", "conversation", "tag"], name="conversationtag_once"),
            *same_account("conversationtag", "conversation", "tag"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["conversation"], name="idx_tag_of_conversation"),
            models.Index(fields=["tag", "conversation"], name="idx_conversation_of_tag"),
        ]

    def __str__(self) -> str:
        return f"{self.tag} on {self.conversation}"
