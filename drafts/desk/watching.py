"""Watching a conversation: being told of what the customer writes, of notes and of its closing (`notify.watchers`)."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.models import User, Watcher
from conversations.people.roles import Verb
from drafts.desk import life


def watch(*, conversation_id: uuid.UUID, actor: User, on: bool) -> None:
    """Begin or end it, for oneself; twice is once.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Conflict (409: it is merged; watch the other one).
    """
    with transaction.atomic():
        place = life.look(conversation_id, actor=actor)
        place.permit(Verb.WATCH)
        mine = Watcher.objects.filter(conversation=place.conversation, user=actor)
        if mine.exists() == on:
            return
        if on:
            Watcher.objects.create(
                account_id=place.conversation.account_id, conversation=place.conversation, user=actor
            )
        else:
            mine.delete()
        audit.record(
            audit.Kind.CONVERSATION_WATCHED if on else audit.Kind.CONVERSATION_UNWATCHED,
            actor=actor,
            about=place.conversation,
            conversation_id=conversation_id,
        )
