"""Checkpoints: heads of the chain, signed with a key that the database does not hold, numbered and chained themselves."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from datetime import UTC

from django.conf import settings
from django.core.signing import Signer
from django.db import connection

from conversations.database import database_time
from conversations.models import AuditCheckpoint
from conversations.trail.chain import Break, Link, first_break, head_of

_SALT = "countersign.audit.checkpoint"
MISSING_SQL = """
SELECT min(c.seq) FROM conversations_auditcheckpoint c
  LEFT JOIN conversations_auditevent e ON e.account_id = c.account_id AND e.seq = c.seq AND e.hash = c.hash
 WHERE c.account_id = %s AND e.id IS NULL
"""


class NotSigned(Exception):
    """The chain does not hold, so it was not signed."""


def checkpoint(account_id: uuid.UUID) -> AuditCheckpoint | None:
    """Sign the newest link, if the chain holds from the checkpoint before it; None if nothing is new.

    The caller is in the tenant. Raises NotSigned: what was tampered with must not get a signature.
    """
    head = head_of(account_id)
    before = AuditCheckpoint.objects.filter(account_id=account_id).order_by("-number").first()
    if head is None or (before and before.seq == head.seq and before.hash == head.hash):
        return None
    if before and head.seq <= before.seq:
        raise NotSigned(f"event {before.seq}: the chain was cut or rewritten after a signed checkpoint")
    if broken := first_break(account_id, after=Link(before.seq, before.hash) if before else None):
        raise NotSigned(f"event {broken.seq}: {broken.reason}")
    point = AuditCheckpoint(
        account_id=account_id,
        created_at=database_time.now(),
        number=before.number + 1 if before else 1,
        seq=head.seq,
        hash=head.hash,
        previous=_link(account_id, before),
    )
    point.signature = Signer(salt=_SALT).signature(_signed_text(point))
    point.save(force_insert=True)
    return point


def first_forged(account_id: uuid.UUID) -> Break | None:
    """The first checkpoint that is missing, forged, or that the chain does not contain any more; None if all hold."""
    before: AuditCheckpoint | None = None
    for point in AuditCheckpoint.objects.filter(account_id=account_id).order_by("number").iterator(chunk_size=1000):
        if point.number != (before.number if before else 0) + 1:
            return Break(point.seq, "a checkpoint before it is missing")
        has_no_link = point.previous == "" and (before is None or before.previous == "")
        if not is_signed(point) or not (has_no_link or point.previous == _link(account_id, before)):
            return Break(point.seq, "a checkpoint was forged")
        before = point
    with connection.cursor() as cursor:
        cursor.execute(MISSING_SQL, [account_id])
        rewritten = cursor.fetchone()[0]
    return None if rewritten is None else Break(rewritten, "the chain was rewritten after a signed checkpoint")


def is_signed(point: AuditCheckpoint) -> bool:
    """Whether one of our keys, the current or a former one, signed what this checkpoint says."""
    return any(
        hmac.compare_digest(point.signature, Signer(key=key, salt=_SALT).signature(_signed_text(point)))
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )


def _signed_text(point: AuditCheckpoint) -> str:
    facts = f"{point.account_id}:{point.seq}:{point.hash}"
    if not point.previous:  # as they were signed before checkpoints were chained
        return facts
    return f"2:{facts}:{point.number}:{point.created_at.astimezone(UTC).isoformat()}:{point.previous}"


def _link(account_id: uuid.UUID, before: AuditCheckpoint | None) -> str:
    return hashlib.sha256((before.signature if before else str(account_id)).encode()).hexdigest()
