"""The one clock: processes' own clocks differ, the database's is everybody's."""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def database_time() -> datetime:
    """The time by the database, which every process shares."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found
