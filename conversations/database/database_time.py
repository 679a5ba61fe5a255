"""What time it is: the database's, for everything that is compared, expires, is ordered or is limited.

Machines' clocks differ; leases, holds and limits of several machines must not. Each transaction that names its tenant learns
the database's clock in that same statement, and the timer since boot (which a wrong or corrected clock does not move) says
how much later it is now. So it costs no statement, and is wrong by half a round trip at most.

`timezone.now()` and `datetime.now()` are refused in our apps by the linter.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection

SLOW_NS = 250_000_000  # a statement that took longer says too little about the time
OLD_NS = 600 * 1_000_000_000  # two machines' timers differ by less than a tenth of a second in that time
_TIMER = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps


class _Known(NamedTuple):
    at: datetime
    timer: int


_known: _Known | None = None


def timer() -> int:
    """Nanoseconds of the timer, to be read before the database is asked for its time."""
    return time.clock_gettime_ns(_TIMER)


def learn(at: datetime, *, asked: int) -> None:
    """The database said that it is `at`, in answer to a statement that was sent when the timer said `asked`."""
    global _known
    answered, known = timer(), _known
    if known is None or answered - asked < SLOW_NS or answered - known.timer > OLD_NS:
        _known = _Known(at, (asked + answered) // 2)


def now() -> datetime:
    """The database's time, aware, in UTC. Asks only if nobody did in the last ten minutes."""
    known = _known
    if known is None or timer() - known.timer > OLD_NS:
        asked = timer()
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            learn(cursor.fetchone()[0], asked=asked)
        known = _known
    assert known is not None
    return (known.at + timedelta(microseconds=(timer() - known.timer) // 1000)).astimezone(UTC)
