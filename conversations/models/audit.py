"""The trail: what happened, who did it, chained per account. Content is committed to, never copied."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from conversations.database import database_time
from conversations.database.guards import TenantIsolation, json_under_64k, one_of, same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow


class AuditEvent(TenantRow):
    """One event. `seq`, `prev_hash` and `hash` are given by the database when the transaction commits.

    `commitments` maps a name to sha256(salt || content); the salt is in `AuditSalt`, which an erasure deletes, after
    which the chain still verifies and the content cannot be guessed from its commitment.
    """

    class ActorType(models.TextChoices):
        USER = "user"
        SERVICE = "service"
        MODEL = "model"
        SYSTEM = "system"

    seq = models.PositiveBigIntegerField(null=True, editable=False)
    at = models.DateTimeField(default=database_time.now, db_default=Now(), editable=False)
    kind = models.CharField(max_length=60)
    actor_type = models.CharField(max_length=20, choices=ActorType.choices)
    actor_id = models.CharField(max_length=64, blank=True, default="")
    actor_name = models.CharField(max_length=120)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    conversation_id = models.UUIDField(null=True)
    act_id = models.UUIDField(help_text="Events of one act share it: the act itself and what followed from it.")
    data = models.JSONField(default=dict)
    commitments = models.JSONField(default=dict)
    prev_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    hash_form = models.PositiveSmallIntegerField(
        default=2, db_default=1, editable=False, help_text="What the hash covers: 2 also the id and the times."
    )
    forgotten_at = models.DateTimeField(
        null=True, editable=False, help_text="Form 1 only: when an erasure took the customer's name out of it."
    )

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("auditevent", grants=("SELECT", "INSERT")),
            models.UniqueConstraint(fields=["account", "seq"], name="auditevent_seq"),
            one_of("auditevent", "actor_type", ["user", "service", "model", "system"]),
            models.CheckConstraint(condition=~models.Q(actor_name=""), name="auditevent_has_actor"),
            json_under_64k("auditevent", "data"),
            json_under_64k("auditevent", "commitments"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "conversation_id", "id"], name="idx_audit_conversation"),
            models.Index(fields=["account", "-id"], name="idx_audit_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.seq}: {self.kind}"


class AuditSalt(TenantRow):
    """The salt of an event's commitments. Deleting it is how an erasure forgets; it can never be changed."""

    event = TenantForeignKey(AuditEvent, on_delete=models.DO_NOTHING, related_name="salts", db_index=False)
    conversation_id = models.UUIDField(null=True, db_index=True)
    value = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("auditsalt", grants=("SELECT", "INSERT", "DELETE")),
            models.UniqueConstraint(fields=["account", "event"], name="auditsalt_event"),
            *same_account("auditsalt", "event"),
        ]

    def __str__(self) -> str:
        return "salt"


class AuditHead(models.Model):
    """The newest link of an account's chain; written by the sealing trigger alone. `webhook_seq` is the number of its newest
    outgoing event (`webhook_number`): numbers of both kinds are given at commit, under this one row's lock."""

    account = models.OneToOneField(
        "conversations.Account", on_delete=models.PROTECT, primary_key=True, related_name="+", editable=False
    )
    seq = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64)
    webhook_seq = models.PositiveBigIntegerField(default=0, db_default=0)

    class Meta:
        constraints: ClassVar = [TenantIsolation(name="audithead_isolation", grants=("SELECT",))]

    def __str__(self) -> str:
        return f"{self.seq}"


class AuditCheckpoint(TenantRow):
    """A head that was seen and signed at a moment: a chain cut or rewritten later no longer contains it.

    Checkpoints are a chain of their own: each has the next number and signs the one before it (`previous`), so that none
    can be taken out of the middle. Those of before that have no `previous`.
    """

    number = models.PositiveIntegerField()
    seq = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64)
    previous = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="SHA-256 of the signature before this one."
    )
    signature = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("auditcheckpoint", grants=("SELECT", "INSERT")),
            models.UniqueConstraint(fields=["account", "seq"], name="auditcheckpoint_seq"),
            models.UniqueConstraint(fields=["account", "number"], name="auditcheckpoint_number"),
        ]

    def __str__(self) -> str:
        return f"{self.seq}"
