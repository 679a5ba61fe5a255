"""What an account's customers write about, in its own people's words."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower

from conversations.database.guards import tenant_guards
from conversations.models.base import TenantRow


class TopicQuerySet(models.QuerySet["Topic"]):
    def words(self) -> dict[str, list[str]]:
        """Topic -> the words that tell it. The caller is in the tenant."""
        return dict(self.values_list("name", "words"))


class Topic(TenantRow):
    """Drafts, figures and lanes carry its name, so a new name begins without any evidence."""

    name = models.CharField(
        max_length=60,
        validators=[RegexValidator(r"^[\w-]+\Z", "Letters, digits, - and _ only.")],
        help_text="Also the topic to give to approved answers. The name of a built-in topic replaces that.",
    )
    words = ArrayField(
        models.CharField(max_length=80),
        default=list,
        blank=True,
        size=100,
        help_text="Words and phrases that tell it, with commas between; * at the end of a word is any ending: leak*, bend radius.",
    )

    objects = TopicQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("topic"),
            models.UniqueConstraint("account", Lower("name"), name="topic_name"),
            models.CheckConstraint(condition=~models.Q(name=""), name="topic_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
