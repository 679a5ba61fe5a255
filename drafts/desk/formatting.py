"""Whether a reply's text is read as Markdown (`conversations.messages.formatted`): a person chooses, before anybody approves."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.errors import Invalid
from conversations.messages import outbox
from conversations.models import User
from conversations.people.roles import Verb
from drafts.desk.readdress import as_seen
from drafts.desk.scene import Seen, lock, still_open
from drafts.models import Draft


def choose(*, draft_id: uuid.UUID, actor: User, seen: Seen, formatted: bool) -> Draft:
    """Whether the text is read as Markdown. Saying it twice is saying it once.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), Stale, Changed or AlreadyDecided (409), Locked (423), Invalid
    (422: a channel that sends plain text alone).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.EDIT)
        still_open(scene, seen)
        as_seen(scene, seen)
        draft = scene.draft
        if formatted and not outbox.channel_of(scene.conversation).provided_by.by_address:
            raise Invalid("This channel sends plain text. Nothing was changed.")
        if draft.is_formatted == formatted:
            return draft
        draft.is_formatted = formatted
        draft.save(update_fields=["is_formatted", "updated_at"])
        audit.record(
            audit.Kind.DRAFT_FORMATTED,
            actor=actor,
            about=draft,
            conversation_id=scene.conversation.pk,
            data={"as": "formatted" if formatted else "plain text"},
        )
    return draft
