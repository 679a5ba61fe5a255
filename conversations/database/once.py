"""Work that may happen at most once, though whoever does it can die at any moment: lease, hand over, fence, recover.

For rows that have `status`, `attempt_count`, `lease_until`, `handover_at` and `next_attempt_at`. One attempt goes like this:

1. `due` locks the row if it is its turn, `lease` marks it as being worked on; commit.
2. The work, outside of any transaction. Just before the step that cannot be taken back, `hand_over` marks that it comes
   now, in a transaction of its own; it raises `LeaseLost` if another attempt has the row meanwhile (the fence).
3. The result is recorded, under the row's lock, if `owns` still says that the row is this attempt's.

`crashed` finds the rows whose worker never came back. Before the hand-over the work may be done again; after it nobody
knows whether it happened, and `may_repeat` says no: a person decides. All times are the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from conversations.database import database_time

Row = TypeVar("Row", bound=Model)


class LeaseLost(Exception):
    """The attempt took too long: the row is somebody else's now, and nothing may be handed over."""


def due(rows: QuerySet[Row]) -> Row | None:
    """The first of `rows` whose time has come, locked; None if there is none, or somebody has its lock. In a transaction."""
    waiting = rows.filter(next_attempt_at__lte=database_time.now())
    return waiting.select_for_update(of=("self",), skip_locked=True).first()


def lease(row: Any, *, working: str, seconds: float) -> int:
    """Mark a locked row as being worked on for `seconds`; returns the attempt's number. The caller commits."""
    row.status, row.handover_at = working, None
    row.lease_until = database_time.now() + timedelta(seconds=seconds)
    row.attempt_count += 1
    row.save(update_fields=["status", "handover_at", "lease_until", "attempt_count", "updated_at"])
    return int(row.attempt_count)


def hand_over(rows: QuerySet[Any], *, working: str, attempt: int, **facts: Any) -> None:
    """Mark that the step that cannot be taken back comes now, and what is known with it; `rows` is the one row. The caller
    commits before the step.

    Raises LeaseLost, and marks nothing, when the lease has run out or another attempt has the row.
    """
    now = database_time.now()
    if not rows.filter(status=working, attempt_count=attempt, lease_until__gt=now).update(handover_at=now, **facts):
        raise LeaseLost


def owns(row: Any, *, working: str, attempt: int) -> bool:
    """Whether the locked row is still this attempt's to record."""
    return bool(row.status == working and row.attempt_count == attempt)


def crashed(rows: QuerySet[Any], *, working: str, now: datetime) -> list[tuple[Any, int]]:
    """Key and attempt of every row whose lease ran out while it was worked on. Unlocked: ask `is_lost` under the lock."""
    return list(rows.filter(status=working, lease_until__lt=now).values_list("pk", "attempt_count"))


def is_lost(row: Any, *, working: str, attempt: int, now: datetime) -> bool:
    """Whether the locked row still waits for an attempt that never came back."""
    return owns(row, working=working, attempt=attempt) and row.lease_until is not None and row.lease_until < now


def may_repeat(row: Any) -> bool:
    """Whether a lost attempt provably did nothing: it never came to the hand-over."""
    return row.handover_at is None


def next_try(attempt: int, *, waits: Sequence[int]) -> datetime:
    """When the attempt after this one may begin: `waits` in seconds after each, the last for all that follow."""
    return database_time.now() + timedelta(seconds=waits[min(attempt - 1, len(waits) - 1)])
