"""A decision is a step: what becomes of the customer is chosen with it, in the same transaction."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import models, transaction

from conversations.database import database_time
from conversations.errors import Invalid
from conversations.messages import owing
from conversations.models import Conversation, User
from drafts.desk import decisions, life
from drafts.desk.scene import UNRECORDED, Attention, Seen, lock, repeat_of
from drafts.models import Draft, DraftAction

MORE = "More than the reply that was sent"
APPROVALS = {DraftAction.Type.APPROVE, DraftAction.Type.EDIT}


class Then(models.TextChoices):
    """What follows, in the order of the form."""

    WRITE = "write", "Write it myself"
    REDRAFT = "redraft", "Redraft with an instruction"
    ELSEWHERE = "elsewhere", "Answered elsewhere"
    CLOSE = "close", "Close, no answer is needed"
    OWED = "owed", "Keep as owed"


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a rejection, with what it needs: an instruction, a reason, or until when it is owed, and by whom."""

    then: Then = Then.OWED
    instruction: str = ""
    reason: str = ""
    due_at: datetime | None = None
    is_mine: bool = False


class Sent(models.TextChoices):
    """What follows an approval."""

    WAIT = "", "Wait for the customer"
    CLOSE = "close", "Close"
    OWED = "owed", "Keep as owed, by me"


def approve(
    *, draft_id: uuid.UUID, actor: User, follows: Sent = Sent.WAIT, request_id: str = "", **decision: Any
) -> DraftAction:
    """`decisions.approve`, and what follows: the conversation is closed, or owed by this person until an answer's time.

    Raises what that, `life.close` and `life.owe` raise, and then nothing at all was done: who promises a colleague's answer
    does not close. Repeating it (same request id) returns its first outcome and does not go on twice.
    """
    approval = partial(decisions.approve, draft_id=draft_id, actor=actor, request_id=request_id, **decision)
    if follows == Sent.WAIT:
        return approval()
    with transaction.atomic():
        if done := repeat_of(lock(draft_id, actor=actor, request_id=request_id), APPROVALS):
            return done
        action = approval()
        if action.message_id is None:  # a check draft: nothing is sent, the real one follows
            return action
        if follows == Sent.CLOSE:
            life.close(conversation_id=action.conversation_id, actor=actor)
        else:
            conversation = Conversation.objects.select_related("account", "channel").get(pk=action.conversation_id)
            life.owe(
                conversation_id=conversation.pk,
                actor=actor,
                due_at=owing.due_from(conversation, database_time.now()),
                note=MORE,
                to=actor.pk,
            )
    return action


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
        conversation, draft = scene.conversation, scene.draft
        if done := repeat_of(scene, {DraftAction.Type.REJECT}):
            return done, Draft.objects.filter(conversation=conversation, author_user=actor).pending().first()
        if follows.then == Then.OWED and not draft.is_canary:
            _keep_owed(conversation, follows, actor)
        action = decisions.reject_here(
            scene, actor=actor, seen=seen, reasons=reasons, notes=notes, attention=attention, request_id=request_id
        )
        if draft.is_canary:
            if follows.then in {Then.ELSEWHERE, Then.CLOSE}:
                raise Invalid("This was a check draft; the real one follows. Decide that one; nothing was changed.")
            return action, None
        match follows.then:
            case Then.WRITE:
                return action, life.write(conversation_id=conversation.pk, actor=actor)
            case Then.REDRAFT:
                decisions.regenerate(draft_id=draft_id, actor=actor, seen=seen, instruction=follows.instruction)
            case Then.ELSEWHERE:
                life.answered_elsewhere(conversation_id=conversation.pk, actor=actor)
            case Then.CLOSE:
                life.close(conversation_id=conversation.pk, actor=actor, reason=follows.reason)
    return action, None


def _keep_owed(conversation: Conversation, follows: Next, actor: User) -> None:
    """Whose it is and until when; the rejection saves it. Raises Invalid (422)."""
    if follows.due_at is not None:
        life.within_a_year(follows.due_at)
        conversation.due_at = follows.due_at
    if follows.is_mine:
        conversation.owner = actor
