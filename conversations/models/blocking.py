"""Whose mail an account does not want."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from conversations.database.guards import tenant_guards
from conversations.models.base import TenantRow


class BlockedSender(TenantRow):
    """Mail of this address is set aside as it comes. Not a conversation's: it holds until somebody unblocks the address."""

    address = models.CharField(max_length=320, help_text="In its normal form.")
    blocked_by_name = models.CharField(max_length=120, editable=False)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("blockedsender"),
            models.UniqueConstraint(fields=["account", "address"], name="blockedsender_once"),
            models.CheckConstraint(condition=~models.Q(address=""), name="blockedsender_has_an_address"),
        ]

    def __str__(self) -> str:
        return self.address
