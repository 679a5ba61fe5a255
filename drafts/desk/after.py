"""A rejection is a step: what becomes of the customer is chosen with it, in the same transaction."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import models, transaction

from conversations.errors import Invalid
from conversations.models import User
from drafts.desk import decisions, life
from drafts.desk.scene import UNRECORDED, Attention, Seen, lock
from drafts.models import Draft, DraftAction


class Then(models.TextChoices):
    """What follows, in the order of the form."""

    WRITE = "write", "Write it myself"
    REDRAFT = "redraft", "Redraft with an instruction"
    ELSEWHERE = "elsewhere", "Answered elsewhere"
    CLOSE = "close", "Close, no answer is needed"
    OWED = "owed", "Keep as owed"


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a rejection, with what it needs: an instruction, a reason, or until when and by whom it is owed."""

    then: Then = Then.OWED
    instruction: str = ""
    reason: str = ""
    due_at: datetime | None = None
    owner: uuid.UUID | None = None


def reject(
    *,
    draft_id: uuid.UUID,
    actor: User,
    seen: Seen,
    reasons: Sequence[str],
    follows: Next,
    notes: str = "",
    attention: Attention = UNRECORDED,
    request_id: str = "",
) -> tuple[DraftAction, Draft | None]:
    """Reject a draft and do what follows; the second value is the reply that the person begins, if they chose to write.

    Raises what `decisions.reject` and the verb that follows raise, and then nothing at all was done. Repeating it (same
    request id) returns its first outcome and does not go on twice.
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor, request_id=request_id)
        action = decisions.reject(
            draft_id=draft_id,
            actor=actor,
            seen=seen,
            reasons=reasons,
            notes=notes,
            attention=attention,
            request_id=request_id,
        )
        conversation_id, draft = scene.conversation.pk, scene.draft
        if scene.repeated is not None:
            return action, Draft.objects.filter(conversation_id=conversation_id, author_user=actor).pending().first()
        if draft.is_canary:
            if follows.then in {Then.ELSEWHERE, Then.CLOSE}:
                raise Invalid("This was a check draft; the real one follows. Decide that one; nothing was changed.")
            return action, None
        match follows.then:
            case Then.WRITE:
                return action, life.write(conversation_id=conversation_id, actor=actor)
            case Then.REDRAFT:
                decisions.regenerate(draft_id=draft_id, actor=actor, seen=seen, instruction=follows.instruction)
            case Then.ELSEWHERE:
                life.answered_elsewhere(conversation_id=conversation_id, actor=actor, last_inbound=seen.last_inbound)
            case Then.CLOSE:
                life.close(
                    conversation_id=conversation_id,
                    actor=actor,
                    reason=follows.reason,
                    last_inbound=seen.last_inbound,
                )
            case Then.OWED:
                life.keep_owed(conversation_id=conversation_id, actor=actor, due_at=follows.due_at, to=follows.owner)
    return action, None
