"""Closing what asks for nothing: the draft proposed it, a person agrees with one press, and no courtesy is sent."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations.errors import Invalid
from conversations.models import Conversation, User
from conversations.people.roles import Verb
from drafts.desk import life
from drafts.desk.scene import Seen, lock, still_open
from drafts.models import Draft


def close_unanswered(*, draft_id: uuid.UUID, actor: User, seen: Seen) -> Draft:
    """The conversation closes without a reply; the draft that waits expires.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), Stale, Changed or AlreadyDecided (409), Locked (423), Invalid
    (422: a check draft has a real one behind it).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.CLOSE)
        still_open(scene, seen)
        if scene.draft.is_canary:
            raise Invalid("This was a check draft; the real one follows. Decide that one; nothing was changed.")
        life.close_here(scene.conversation, scene.draft, actor=actor, reason=Conversation.Outcome.NOT_NEEDED)
    return scene.draft
