"""What people decided: the one place that says which acts count as a verdict on a draft.

A verdict is a person's newest approval, edit or rejection of a draft that stands. What was taken back or overtaken by the
customer, check drafts, automatic approvals and replies that a person began are none. Figures, calibration, the quality page
and lanes all ask here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.core.cache import caches
from django.db import connection

from drafts.evidence.care import WAS_READ
from drafts.models import Draft, DraftAction

TYPES = (DraftAction.Type.APPROVE, DraftAction.Type.EDIT, DraftAction.Type.REJECT)
STATUSES = (Draft.Status.APPROVED, Draft.Status.SENT, Draft.Status.REJECTED, Draft.Status.ARCHIVED)
REMEMBERED_SECONDS = 300  # a figure this old misleads nobody

_VERDICTS = f"""
WITH verdicts AS (
  SELECT DISTINCT ON (acts.draft_id) acts.id, acts.draft_id, acts.created_at, acts.type
    FROM (SELECT a.id, a.draft_id, a.created_at, a.type
            FROM drafts_draftaction a
            JOIN drafts_draft d ON d.account_id = %(account)s AND d.id = a.draft_id
           WHERE a.account_id = %(account)s AND a.created_at >= %(since)s::timestamptz AND a.created_at < %(until)s::timestamptz
             AND a.type = ANY(%(types)s) AND a.lane_id IS NULL
             AND (NOT %(read)s OR a.type <> 'approve' OR {WAS_READ})
             AND NOT d.is_canary AND d.model_key <> 'person' AND d.status = ANY(%(statuses)s)
             AND (%(intent)s::text IS NULL OR d.intent = %(intent)s)
             AND (%(prompt_label)s::text IS NULL OR d.prompt_label = %(prompt_label)s)
             AND (%(model_key)s::text IS NULL OR d.model_key = %(model_key)s)
             AND (%(channel_id)s::uuid IS NULL OR EXISTS (
               SELECT FROM conversations_conversation c
                WHERE c.account_id = %(account)s AND c.id = d.conversation_id AND c.channel_id = %(channel_id)s))
           ORDER BY a.created_at DESC, a.id DESC LIMIT %(most)s) acts
   ORDER BY acts.draft_id, acts.created_at DESC, acts.id DESC)
"""  # noqa: S608 - of our own constants


@dataclass(frozen=True, slots=True)
class Kind:
    """Drafts of one topic, prompt version and model on one channel; None: whichever."""

    intent: str | None = None
    prompt_label: str | None = None
    model_key: str | None = None
    channel_id: uuid.UUID | None = None


EVERY_KIND = Kind()


def ask(
    statement: str,
    *,
    account_id: uuid.UUID,
    since: datetime | None = None,
    until: datetime | None = None,
    most: int | None = None,
    kind: Kind = EVERY_KIND,
    read: bool = False,
    **more: Any,
) -> list[tuple[Any, ...]]:
    """The rows of `statement`, which selects from `verdicts` (id of the act, draft_id, created_at, type; a row a draft) or
    goes on with another WITH query. The caller is in the tenant.

    `most` is how many of the newest acts are looked at (None: all); `read` leaves out approvals that nobody can have read
    (`drafts.evidence.care`); `more` are the statement's own parameters.
    """
    asked = {
        "account": account_id,
        "since": since or "-infinity",
        "until": until or "infinity",
        "most": most,
        "read": read,
        "types": list(TYPES),
        "statuses": list(STATUSES),
        **asdict(kind),
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(_VERDICTS + statement, asked)
        return list(cursor.fetchall())


Answer = TypeVar("Answer")


def remembered(what: str, account_id: uuid.UUID, find: Callable[[], Answer], *, fresh: bool = False) -> Answer:
    """What `find` said of this account at most `REMEMBERED_SECONDS` ago, in this process; `fresh` asks it again.

    In the process, because every page asks: the shared cache is a table, and would cost each a statement.
    """
    cache, key = caches["process"], f"{what}:{account_id}"
    found: Answer | None = None if fresh else cache.get(key)
    if found is None:
        found = find()
        cache.set(key, found, REMEMBERED_SECONDS)
    return found
