"""The texts of an account's configuration file: each as it was stored, never changed and never removed."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from conversations.database.guards import AppendOnly, one_of, tenant_guards
from conversations.models.base import TenantRow


class ConfigDocument(TenantRow):
    """The one with the highest number is what the account declares; those before it are its history."""

    class Origin(models.TextChoices):
        UPLOADED = "uploaded", "Uploaded"
        EXPORTED = "exported", "Written from the desk"
        ADOPTED = "adopted", "Taken from the desk in one place"
        IMPORTED = "imported", "Imported by command"

    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    origin = models.CharField(max_length=20, choices=Origin.choices)
    path = models.CharField(max_length=1200, blank=True, default="", help_text="The place, where one was taken.")
    by_name = models.CharField(max_length=120)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("configdocument", grants=("SELECT", "INSERT")),
            models.UniqueConstraint(fields=["account", "number"], name="configdocument_number"),
            models.CheckConstraint(condition=Q(number__gt=0), name="configdocument_counts_from_one"),
            models.CheckConstraint(condition=~Q(text=""), name="configdocument_has_text"),
            one_of("configdocument", "origin", ["uploaded", "exported", "adopted", "imported"]),
            AppendOnly(name="configdocument_append_only"),
        ]

    def __str__(self) -> str:
        return f"document {self.number}"
