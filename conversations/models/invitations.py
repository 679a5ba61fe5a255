"""Invitations: one for each membership that somebody may take up. Of the link only a digest is kept."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower, Now

from conversations.database.guards import one_of, tenant_guards
from conversations.models.base import TenantRow
from conversations.models.tenants import Role, User

OPEN = models.Q(accepted_at=None, declined_at=None, revoked_at=None)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> InvitationQuerySet:
        """Neither accepted, declined nor withdrawn; it may have ended."""
        return self.filter(OPEN)

    def live(self) -> InvitationQuerySet:
        """Can be accepted now, by the database's clock."""
        return self.open().filter(expires_at__gt=Now())


class Invitation(TenantRow):
    """A membership that waits for its person. It names an address, never a person: who that is, is for them to say."""

    address = models.EmailField(max_length=254)
    role = models.CharField(max_length=20, choices=Role.choices)
    channels = ArrayField(
        models.UUIDField(), default=list, blank=True, help_text="the channels that an agent is kept to; none: all"
    )
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    round = models.PositiveSmallIntegerField(default=1, help_text="how many times it was sent; each makes a new link")
    token_digest = models.CharField(max_length=64, blank=True, editable=False, help_text="SHA-256 of the link's secret")
    is_shown = models.BooleanField(
        default=False, help_text="The link was shown on screen, because no mail can be sent: it proves no address."
    )
    sent_at = models.DateTimeField(help_text="when it was asked for, last")
    mailed_at = models.DateTimeField(null=True, help_text="when the mail left")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    declined_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("invitation", grants=("SELECT", "INSERT", "UPDATE")),
            models.UniqueConstraint("account", Lower("address"), condition=OPEN, name="invitation_open_once"),
            models.UniqueConstraint(
                fields=["account", "token_digest"], condition=~models.Q(token_digest=""), name="invitation_token_once"
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None, accepted_by=None)
                | models.Q(accepted_at__isnull=False, accepted_by__isnull=False),
                name="invitation_accepted_by_somebody",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None, declined_at=None)
                | models.Q(declined_at=None, revoked_at=None)
                | models.Q(accepted_at=None, revoked_at=None),
                name="invitation_ends_one_way",
            ),
            models.CheckConstraint(condition=OPEN | models.Q(token_digest=""), name="invitation_closed_has_no_link"),
            one_of("invitation", "role", Role.values),
        ]
        indexes: ClassVar = [models.Index(fields=["token_digest"], name="invitation_by_token")]

    def __str__(self) -> str:
        return f"{self.address} ({self.role})"
