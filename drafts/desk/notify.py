"""Telling people what happened to a draft of theirs, or in a conversation that they watch."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from conversations.models import Conversation, Membership, Notification, User, Watcher
from drafts.models import Draft


def notify(user: User, kind: Notification.Type, draft: Draft, **facts: Any) -> Notification | None:
    """A notification about a draft, in the caller's transaction; None if the person muted its kind."""
    if kind in user.choices.muted:
        return None
    payload = {"draft": str(draft.pk), "conversation": str(draft.conversation_id), **facts}
    return Notification.objects.create(account_id=draft.account_id, user=user, type=kind, payload=payload)


def watchers(conversation: Conversation, what: str, *, but: Collection[uuid.UUID | None] = ()) -> None:
    """Tell who watches it and may still see it, but for those who did it or are told already; in the caller's transaction."""
    watching = Watcher.objects.filter(conversation=conversation).values("user_id")
    members = Membership.objects.seeing(conversation.channel_id).filter(
        account_id=conversation.account_id, user__in=watching, is_active=True, user__is_active=True
    )
    kind = Notification.Type.WATCHED
    payload = {"conversation": str(conversation.pk), "number": conversation.number, "what": what}
    Notification.objects.bulk_create(
        Notification(account_id=conversation.account_id, user=member.user, type=kind, payload=payload)
        for member in members.select_related("user")
        if member.user_id not in but and kind not in member.user.choices.muted
    )
