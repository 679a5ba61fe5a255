"""What every row has: a UUIDv7 made in Python (PostgreSQL 15 has no uuidv7()), and for tenant rows an account."""

from __future__ import annotations

import uuid
from typing import Any

import uuid_utils.compat
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562 section 5.7): sorts by creation time, so indexes grow at one end."""
    return uuid_utils.compat.uuid7()


class Row(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)

    class Meta:
        abstract = True


class TenantRow(Row):
    # The index would repeat the unique (account, id) key; the key itself comes with `tenant_guards`.
    account = models.ForeignKey(
        "conversations.Account", on_delete=models.PROTECT, related_name="+", db_index=False, editable=False
    )

    class Meta:
        abstract = True


class TenantForeignKey(models.ForeignKey):  # type: ignore[type-arg]
    """A link inside one tenant. The database checks it as (account, id), by `SameAccount` in Meta.constraints."""

    def __init__(self, to: Any, on_delete: Any = models.PROTECT, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        super().__init__(to, on_delete, **kwargs)


class DatabaseNumber(models.PositiveIntegerField):
    """A number that a trigger gives; the insert returns it, so the instance has it too."""

    db_returning = True
