"""Telling one person what happened to a draft of theirs."""

from __future__ import annotations

from typing import Any

from conversations.models import Notification, User
from drafts.models import Draft


def notify(user: User, kind: Notification.Type, draft: Draft, **facts: Any) -> Notification | None:
    """A notification about a draft, in the caller's transaction; None if the person muted its kind."""
    if kind in user.choices.muted:
        return None
    payload = {"draft": str(draft.pk), "conversation": str(draft.conversation_id), **facts}
    return Notification.objects.create(account_id=draft.account_id, user=user, type=kind, payload=payload)
