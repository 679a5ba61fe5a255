"""The bytes of files: one row for each content of an account, under a name that says nothing of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q

from conversations.database import database_time
from conversations.database.guards import Trigger, one_of, tenant_guards
from conversations.models.base import TenantRow
from conversations.models.messages import Attachment


class StoredFileQuerySet(models.QuerySet["StoredFile"]):
    def of_use(self) -> StoredFileQuerySet:
        """Those that are there to stay: not on their way out of the store."""
        return self.filter(dropped_at__isnull=True)

    def unchecked(self) -> StoredFileQuerySet:
        """Those that are there as a whole and of which no scanner has said what they are."""
        return self.filter(kept_at__isnull=False, verdict__in=["", "unknown"])

    def unnamed(self) -> StoredFileQuerySet:
        """Those that no message and no draft names."""
        named = Attachment.objects.filter(account_id=OuterRef("account_id"), sha256=OuterRef("sha256"))
        return self.filter(~Exists(named))

    def on_their_way_out(self) -> StoredFileQuerySet:
        return self.filter(dropped_at__isnull=False)


class StoredFile(TenantRow):
    """Bytes in the store. The row is there before they are and goes after them, so none are there that no row names.

    `kept_at` is null until they were there as a whole; from `dropped_at` on nobody may name them any more.
    """

    class Verdict(models.TextChoices):
        UNASKED = "", "not checked"
        CLEAN = "clean"
        INFECTED = "infected"
        UNKNOWN = "unknown"  # the scanner could not say, and is asked again

    sha256 = models.CharField(max_length=64, editable=False)
    storage_key = models.CharField(max_length=255, editable=False)
    size_bytes = models.PositiveBigIntegerField(editable=False)
    kind = models.CharField(max_length=127, editable=False, help_text="Its media type, told by its first bytes.")
    asked_at = models.DateTimeField(default=database_time.now, help_text="When somebody last wanted to keep it.")
    kept_at = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=10, choices=Verdict.choices, blank=True, default="", db_default="")
    finding = models.CharField(max_length=200, blank=True, default="", db_default="", help_text="The scanner's words.")
    scanned_at = models.DateTimeField(null=True)

    objects = StoredFileQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("storedfile"),
            models.UniqueConstraint(fields=["account", "storage_key"], name="storedfile_key"),
            models.UniqueConstraint(
                fields=["account", "sha256"], condition=Q(dropped_at__isnull=True), name="storedfile_digest"
            ),
            Trigger(name="storedfile_verdict", when="AFTER UPDATE OF verdict", function="storedfile_verdict"),
            one_of("storedfile", "verdict", ["", "clean", "infected", "unknown"]),
            models.CheckConstraint(
                condition=Q(verdict="", scanned_at__isnull=True) | Q(~Q(verdict=""), scanned_at__isnull=False),
                name="storedfile_verdict_has_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "asked_at"], name="idx_storedfile_asked"),
        ]

    def __str__(self) -> str:
        return self.sha256
