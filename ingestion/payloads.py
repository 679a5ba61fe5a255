"""The bytes of a raw event, to the database and back in binary: the ORM would write them into the text of its statement, twice
as long and copied several times (docs/decisions/0043)."""

from __future__ import annotations

import uuid

from django.db import connection
from psycopg import Cursor
from psycopg.pq import Format
from psycopg.rows import TupleRow, tuple_row


def put(event_id: uuid.UUID, raw: bytes) -> None:
    """Store the bytes of an event that has none yet, in the caller's transaction."""
    with _cursor() as cursor:
        cursor.execute("UPDATE ingestion_inboundevent SET payload = %b WHERE id = %s", [raw, event_id])


def get(event_id: uuid.UUID) -> bytes:
    """The bytes of an event, b"" when they expired or there is no such event. The caller is in its tenant."""
    with _cursor() as cursor:
        row = cursor.execute("SELECT payload FROM ingestion_inboundevent WHERE id = %s", [event_id]).fetchone()
    return bytes(row[0]) if row and row[0] is not None else b""


def _cursor() -> Cursor[TupleRow]:
    """A cursor that sends parameters apart from the statement; in the caller's transaction and tenant."""
    connection.ensure_connection()
    found = Cursor(connection.connection, row_factory=tuple_row)
    found.format = Format.BINARY
    return found
