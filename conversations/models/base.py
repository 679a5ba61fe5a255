"""What every row has: a UUIDv7 made in Python (PostgreSQL 15 has no uuidv7()), and for tenant rows an account."""

from __future__ import annotations

import functools
import secrets
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models.functions import Now

from conversations.database import database_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_one_at_a_time = threading.Lock()
_last = 0


def new_id() -> uuid.UUID:
    """A UUIDv7 of the database's time: sorts by creation, within a process strictly, so indexes grow at one end.

    RFC 9562 section 5.7; the twelve bits after the milliseconds are a finer clock (section 6.2, method 3), as in the uuidv7() of
    PostgreSQL 18, which older ones lack.
    """
    global _last
    ticks = (database_time.now() - _EPOCH) // timedelta(microseconds=1) * 4096 // 1000
    with _one_at_a_time:
        _last = ticks = max(ticks, _last + 1)
    high = (ticks >> 12) << 80 | 7 << 76 | (ticks & 0xFFF) << 64
    return uuid.UUID(int=high | 2 << 62 | secrets.randbits(62))


def first_id(at: datetime) -> uuid.UUID:
    """No id of that time or later is smaller: with it a statement of the newest rows reads these alone."""
    return uuid.UUID(int=((at - _EPOCH) // timedelta(milliseconds=1)) << 80)


class Row(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(default=database_time.now, db_default=Now(), editable=False)

    class Meta:
        abstract = True


def insert(*rows: Row) -> None:
    """Store new rows, of one or several models, in one statement. What a trigger makes of them is not read back.

    For what every decision and every message writes: the ORM would build each INSERT anew and send it by itself.
    """
    *first, last = [_insert_sql(type(row)) for row in rows]
    parts = ", ".join(f"part{at} AS ({sql})" for at, sql in enumerate(first))
    values = [
        field.get_db_prep_save(field.pre_save(row, True), connection)
        for row in rows
        for field in row._meta.concrete_fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {parts} {last}" if parts else last, values)
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


@functools.cache
def _insert_sql(model: type[Row]) -> str:
    columns = [f'"{field.column}"' for field in model._meta.concrete_fields]
    return f'INSERT INTO "{model._meta.db_table}" ({", ".join(columns)}) VALUES ({", ".join(["%s"] * len(columns))})'  # noqa: S608 - a model's own names


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


class PrivateTo(models.ForeignKey):  # type: ignore[type-arg]
    """The person for whom alone a row exists, by row-level security (`TenantIsolation.private_to`); null: everybody's.

    It outlives the person: their chats are emptied when they go, and the empty rows are nobody's, not everybody's.
    """

    def __init__(self, **kwargs: Any) -> None:
        fixed: dict[str, Any] = {
            "to": "conversations.User", "on_delete": models.DO_NOTHING, "db_constraint": False, "db_index": False,
            "related_name": "+", "editable": False,
        }  # fmt: skip
        super().__init__(**{**kwargs, **fixed})


class OfKind(models.CharField):  # type: ignore[type-arg]
    """The kind of the conversation that a row may belong to; the key of `OfCustomers` looks whether it is of that kind."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{**kwargs, "max_length": 20, "default": "customer", "db_default": "customer", "editable": False}
        )


class DatabaseNumber(models.PositiveIntegerField):
    """A number that a trigger gives; the insert returns it, so the instance has it too."""

    db_returning = True
