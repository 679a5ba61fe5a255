"""The texts that events bind, where they stand now, and whether they are what was bound.

An event holds sha256(salt || text) and not the text. The app that keeps a text says where (`places`, filled in `apps.py`);
here each is hashed again, in the database.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection

from conversations.audit import Kind
from conversations.trail.chain import Break


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands that events of `kinds` bind under `name`. `text` and `on` are SQL: `e` is the event, `t` the row.

    `since` is the form of event from which on the text that is kept is the one that is bound, in full.
    """

    what: str
    kinds: Sequence[Kind]
    name: str
    table: str
    text: str
    on: str
    since: int = 1


@dataclass(frozen=True, slots=True)
class Witness:
    """Rows that must have an event. `on` is SQL: `e` is the event, `t` the row."""

    what: str
    table: str
    on: str


#: Yields every break that it finds.
Check = Callable[[uuid.UUID], Iterator[Break]]

places: list[Place] = [
    Place(
        "the text of a message",
        (Kind.MESSAGE_RECEIVED,),
        "body",
        "conversations_message",
        "t.body_text",
        "t.id = e.object_id::uuid",
    ),
    Place(
        "the name of who wrote a message",
        (Kind.MESSAGE_RECEIVED,),
        "actor",
        "conversations_message",
        "coalesce(nullif(t.metadata ->> 'sender_name', ''), t.metadata ->> 'sender')",
        "t.id = e.object_id::uuid",
    ),
    Place(
        "what was proposed",
        (Kind.ACTION_PROPOSED,),
        "arguments",
        "conversations_proposedaction",
        "t.arguments_sha256",
        "t.id = e.object_id::uuid",
    ),
    Place(
        "why somebody said no",
        (Kind.ACTION_REJECTED,),
        "said",
        "conversations_proposedaction",
        "t.said",
        "t.id = e.object_id::uuid",
    ),
]
witnesses: list[Witness] = [
    Witness(
        "an action that was carried out",
        "conversations_actionreceipt",
        "e.kind = 'action.executed' AND e.object_id = t.action_id::text",
    )
]
checks: list[Check] = []


@dataclass(slots=True)
class Found:
    """How many texts hold, how many an erasure removed, how many rows have their event, and what does not hold."""

    held: int
    forgotten: int
    witnessed: int
    breaks: list[Break]


# A place's own words are ours, never a caller's.
PLACE_SQL = """
SELECT count(*) FILTER (WHERE state = 'held'), count(*) FILTER (WHERE state = 'forgotten'),
       min(seq) FILTER (WHERE state = 'changed'), min(seq) FILTER (WHERE state = 'gone'),
       min(seq) FILTER (WHERE state = 'unsalted')
  FROM (
  SELECT e.seq, CASE
      WHEN s.value IS NULL AND coalesce({text}, '') = '' THEN 'forgotten'
      WHEN s.value IS NULL THEN 'unsalted'
      WHEN t.id IS NULL THEN 'gone'
      WHEN e.commitments ->> %(name)s = encode(sha256(convert_to(s.value || coalesce({text}, ''), 'UTF8')), 'hex') THEN 'held'
      ELSE 'changed' END AS state
    FROM conversations_auditevent e
    LEFT JOIN conversations_auditsalt s ON s.account_id = e.account_id AND s.event_id = e.id
    LEFT JOIN {table} t ON t.account_id = e.account_id AND {on}
   WHERE e.account_id = %(account)s AND e.kind = ANY (%(kinds)s) AND e.hash_form >= %(since)s
     AND jsonb_exists(e.commitments, %(name)s)) bound
"""
WITNESS_SQL = """
SELECT count(*) FILTER (WHERE is_told), min(created_at) FILTER (WHERE NOT is_told) FROM (
  SELECT t.created_at, EXISTS (
      SELECT FROM conversations_auditevent e WHERE e.account_id = t.account_id AND {on}) AS is_told
    FROM {table} t WHERE t.account_id = %(account)s) rows
"""


def examine(account_id: uuid.UUID) -> Found:
    """Hash every bound text again. The caller is in the tenant."""
    found = Found(0, 0, 0, [])
    with connection.cursor() as cursor:
        for place in places:
            sql = PLACE_SQL.format(text=place.text, table=place.table, on=place.on)
            kinds = [str(kind) for kind in place.kinds]
            cursor.execute(sql, {"account": account_id, "name": place.name, "kinds": kinds, "since": place.since})
            held, forgotten, changed, gone, unsalted = cursor.fetchone()
            found.held += held
            found.forgotten += forgotten
            for seq, reason in (
                (changed, f"{place.what} is not the one that it bound"),
                (gone, f"{place.what} is gone, and no erasure removed it"),
                (unsalted, f"its salt was removed, and {place.what} still stands: nothing proves that text any more"),
            ):
                if seq is not None:
                    found.breaks.append(Break(seq, reason))
        for witness in witnesses:
            cursor.execute(WITNESS_SQL.format(table=witness.table, on=witness.on), {"account": account_id})
            told, untold = cursor.fetchone()
            found.witnessed += told
            if untold is not None:
                found.breaks.append(Break(0, f"{witness.what} of {untold:%Y-%m-%d %H:%M:%S} UTC has no event"))
    for check in checks:
        found.breaks += check(account_id)
    return found
