"""That chats exist, for who answers for an account: whose, about what, how much. Never a title, never a word."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from conversations.models import User
from conversations.people.roles import Verb, check


@dataclass(frozen=True, slots=True)
class ChatThatExists:
    person_id: uuid.UUID
    context_type: str
    status: str
    message_count: int
    user_message_count: int
    ai_message_count: int
    created_at: datetime
    last_message_at: datetime | None
    is_deleted: bool


def sessions_overview(*, account_id: uuid.UUID, actor: User) -> list[ChatThatExists]:
    """All sessions of this transaction's account, oldest first. Raises PermissionDenied (403)."""
    check(actor, Verb.EXPORT_AUDIT, account_id=account_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM sessions_overview()")
        return [ChatThatExists(*row) for row in cursor.fetchall()]


def session_owners() -> list[uuid.UUID]:
    """Everybody in this transaction's account who has or had a chat: what retention does, it does as each of them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_owners()")
        return [row[0] for row in cursor.fetchall()]
