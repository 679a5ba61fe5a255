"""Who has a conversation open, and who asks for it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from conversations.database import database_time
from conversations.models.base import new_id
from conversations.visible import Visible
from drafts.models import Hold, Presence

FRESH = 60  # seconds after which a page that went quiet says nothing any more
REMOVE_AFTER = 3600  # seconds
RENEW_AFTER = 15  # seconds: a pulse more often than this writes nothing

#: The conversation of the draft on the page, if the person may see its channel. The tenant is named in each statement:
#: the indexes begin with it. `%(draft)s` is null for a page without a draft.
_HERE = """
  SELECT d.conversation_id AS id FROM drafts_draft d WHERE d.account_id = %(account)s AND d.id = %(draft)s
     AND (%(within)s::uuid[] IS NULL OR EXISTS (SELECT FROM conversations_conversation c
          WHERE c.account_id = %(account)s AND c.id = d.conversation_id AND c.channel_id = ANY (%(within)s::uuid[])))
"""

_ENTER = f"""
INSERT INTO drafts_presence (id, created_at, account_id, conversation_id, user_id, seen_at)
SELECT %(id)s, now(), %(account)s, here.id, %(user)s, clock_timestamp() FROM ({_HERE}) here
ON CONFLICT (account_id, conversation_id, user_id) DO UPDATE SET seen_at = excluded.seen_at
  WHERE drafts_presence.seen_at < clock_timestamp() - make_interval(secs => %(renew)s)
"""  # noqa: S608 - a constant

_LOOK = f"""
WITH here AS ({_HERE})
SELECT (SELECT seq FROM conversations_audithead WHERE account_id = %(account)s),
       (SELECT json_agg(json_build_array(u.id, coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)))
                        ORDER BY u.id)
          FROM drafts_presence p JOIN conversations_user u ON u.id = p.user_id
         WHERE p.account_id = %(account)s AND p.conversation_id = (SELECT id FROM here) AND p.user_id <> %(user)s
           AND p.seen_at > clock_timestamp() - make_interval(secs => %(fresh)s)),
       (SELECT json_build_array(coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)), h.asked_at)
          FROM drafts_hold h JOIN conversations_user u ON u.id = h.asked_by_id
         WHERE h.account_id = %(account)s AND h.conversation_id = (SELECT id FROM here) AND h.user_id = %(user)s
           AND h.lease_until > clock_timestamp())
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody asks the holder, who reads this, for the conversation."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Room:
    """What a pulse learns: the newest audit event, who else reads the conversation, and who asks its holder for it."""

    seq: int
    others: tuple[tuple[str, str], ...] = ()
    asked: Asked | None = None

    @property
    def key(self) -> str:
        """Changes when somebody comes or goes; short, for a page to send back."""
        return ".".join(pk[-12:] for pk, _ in self.others)


def asked_of(account_id: uuid.UUID, user_id: uuid.UUID, conversation_id: uuid.UUID) -> Asked | None:
    """Who asks this holder for the conversation, for a page that has not pulsed yet."""
    hold = (
        Hold.objects.filter(account_id=account_id, conversation_id=conversation_id, user_id=user_id)
        .filter(asked_by__isnull=False, asked_at__isnull=False, lease_until__gt=database_time.now())
        .select_related("asked_by")
        .first()
    )
    return Asked(hold.asked_by.name, hold.asked_at) if hold and hold.asked_by and hold.asked_at else None


def enter(
    account_id: uuid.UUID,
    user_id: uuid.UUID,
    draft_id: uuid.UUID | None,
    *,
    within: Visible,
    renew: bool = True,
) -> Room:
    """Say that this person has the draft's conversation open, and look around. `renew` False only looks (auditors);
    in a channel that is not in `within` nobody is told and nothing is said."""
    values: dict[str, Any] = {
        "account": account_id,
        "user": user_id,
        "draft": draft_id,
        "id": new_id(),
        "within": within.ids,
        "fresh": FRESH,
        "renew": RENEW_AFTER,
    }
    with connection.cursor() as cursor:
        if renew and draft_id:  # an auditor's transaction is READ ONLY
            cursor.execute(_ENTER, values)
        cursor.execute(_LOOK, values)
        seq, others, asked = cursor.fetchone()
    return Room(
        seq=seq or 0,
        others=tuple((str(pk), name) for pk, name in others or ()),
        asked=Asked(asked[0], datetime.fromisoformat(asked[1])) if asked else None,
    )


def forget(account_id: uuid.UUID) -> int:
    """Remove what says nothing any more: who read which conversation is nobody's history. How many rows."""
    old = database_time.now() - timedelta(seconds=REMOVE_AFTER)
    return Presence.objects.filter(account_id=account_id, seen_at__lt=old).delete()[0]
