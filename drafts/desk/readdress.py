"""Whom a reply to a mail that was passed on goes to: who passed it on, or who wrote it. A person chooses, before anybody approves."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.errors import Invalid
from conversations.messages.envelope import digest
from conversations.models import User
from conversations.people.roles import Verb
from drafts.desk import recipients
from drafts.desk.decisions import Changed, still_open
from drafts.desk.scene import Seen, envelope_of, lock
from drafts.models import Draft

TO_FORWARDED = {"forwarded": True, "writer": False}
WORDS = {True: "who wrote the mail that was passed on", False: "who passed the mail on"}


def readdress(*, draft_id: uuid.UUID, actor: User, seen: Seen, to: str) -> Draft:
    """Address the reply to who wrote the mail that was passed on ("forwarded"), or back to who sent it here ("writer").

    What others have open does not match any more, so that nobody approves recipients that they did not see. Saying it
    twice is saying it once. Raises Draft.DoesNotExist (404), PermissionDenied (403), Stale, Changed or AlreadyDecided (409),
    Locked (423), Invalid (422: no such choice, or nothing was passed on).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.EDIT)
        conversation, draft = scene.conversation, scene.draft
        still_open(scene, seen)
        if to not in TO_FORWARDED or draft.base_message.details.forwarded is None:
            raise Invalid("There is nobody else whom this reply could go to. Nothing was changed.")
        if digest(envelope_of(conversation, draft)) != seen.envelope:
            raise Changed("The recipients or files changed while you were reading. Nothing was changed; look again.")
        if draft.to_forwarded == TO_FORWARDED[to]:
            return draft
        draft.to_forwarded = TO_FORWARDED[to]
        draft.checks = recipients.checks_anew(conversation, draft, envelope_of(conversation, draft))
        draft.save(update_fields=["to_forwarded", "checks", "updated_at"])
        audit.record(
            audit.Kind.DRAFT_READDRESSED,
            actor=actor,
            about=draft,
            conversation_id=conversation.pk,
            data={"to": WORDS[draft.to_forwarded]},
            commit={"to": envelope_of(conversation, draft)["to"][0]["address"]},
        )
    return draft
