"""The chain itself: every event has the next number, follows from the one before, and is what its hash says."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connection

from conversations.models import Account, AuditHead


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the trail does not hold, and in which way. `seq` 0: no event's own place."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Link:
    """An event's place in the chain, from which a walk goes on."""

    seq: int
    hash: str


BROKEN_SQL = """
WITH start AS (
  SELECT %(seq)s::bigint AS seq, coalesce(%(hash)s, encode(sha256(convert_to(%(account)s::text, 'UTF8')), 'hex')) AS hash)
SELECT seq, reason FROM (
  SELECT e.seq,
    CASE
      WHEN e.seq IS NULL THEN 'the event was never sealed'
      WHEN e.seq <> lag(e.seq, 1, start.seq) OVER w + 1 THEN 'an event before it is missing'
      WHEN e.prev_hash <> lag(e.hash, 1, start.hash) OVER w THEN 'it does not follow from the event before it'
      WHEN e.hash_form < lag(e.hash_form, 1, 1::smallint) OVER w THEN 'it claims an older form than the event before it'
      -- Events of form 1 lose names to an erasure and cannot be hashed again; below is asked whether there was one.
      WHEN e.hash_form <> 1 AND e.forgotten_at IS NOT NULL THEN 'its content was changed'
      WHEN e.forgotten_at IS NULL AND e.hash <> audit_hash(e) THEN 'its content was changed'
    END AS reason
  FROM conversations_auditevent e, start
  WHERE e.account_id = %(account)s AND (e.seq IS NULL OR e.seq > start.seq)
  WINDOW w AS (ORDER BY e.seq NULLS LAST)) rows
WHERE reason IS NOT NULL ORDER BY seq NULLS LAST LIMIT 1
"""
#: An event that says it lost its name, in a conversation that no erasure named.
NOT_ERASED_SQL = """
SELECT min(e.seq) FROM conversations_auditevent e
 WHERE e.account_id = %(account)s AND e.forgotten_at IS NOT NULL AND NOT EXISTS (
   SELECT FROM conversations_auditevent r
    WHERE r.account_id = e.account_id AND r.kind = 'retention.applied' AND r.seq > e.seq
      AND r.data -> 'of' ? e.conversation_id::text)
"""
ENDS_SQL = """
SELECT h.seq, h.hash FROM (SELECT %s::uuid AS id) a LEFT JOIN conversations_audithead h ON h.account_id = a.id
UNION ALL
SELECT e.seq, e.hash FROM (SELECT %s::uuid AS id) a LEFT JOIN LATERAL (
  SELECT seq, hash FROM conversations_auditevent WHERE account_id = a.id AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1) e ON true
"""


def first_break(account_id: uuid.UUID, *, after: Link | None = None) -> Break | None:
    """Walk the tenant's chain in the database, from its start or `after` an event; None if it holds, up to its head."""
    given: dict[str, Any] = {
        "account": account_id,
        "seq": after.seq if after else 0,
        "hash": after.hash if after else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(BROKEN_SQL, given)
        if found := cursor.fetchone():
            return Break(found[0] or 0, found[1])
        if after is None:
            cursor.execute(NOT_ERASED_SQL, given)
            if (seq := cursor.fetchone()[0]) is not None:
                return Break(seq, "it was emptied, and no erasure named its conversation")
    head, last = _ends(account_id)
    if head != last:
        return Break(last.seq + 1 if last else 1, "the newest events are missing")
    if last is None and Account.objects.filter(pk=account_id).exists():
        return Break(1, "there is no event at all, not even that of the account's creation")
    return None


def head_of(account_id: uuid.UUID) -> Link | None:
    """The newest link as the sealing trigger left it."""
    head = AuditHead.objects.filter(account_id=account_id).first()
    return Link(head.seq, head.hash) if head else None


def _ends(account_id: uuid.UUID) -> tuple[Link | None, Link | None]:
    """The head and the newest event that is there, in one statement: others commit between two."""
    with connection.cursor() as cursor:
        cursor.execute(ENDS_SQL, [account_id, account_id])
        found = [Link(*row) if row[0] else None for row in cursor.fetchall()]
    return found[0], found[1]
