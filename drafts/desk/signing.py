"""Where a text becomes a reply. Whoever signs, a person or an open lane, it happens here and is recorded alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from conversations import audit
from conversations.database import database_time
from conversations.messages import outbox
from conversations.messages.formatted import to_html
from conversations.messages.owing import Promise, due_from
from conversations.models import Conversation, User
from conversations.webhooks.emit import News, emit
from drafts.desk.scene import UNRECORDED, Attention, Seen
from drafts.desk.text import Text, promises_a_person
from drafts.diffing import diff_ops
from drafts.learning import samples
from drafts.models import BY_A_PERSON, Draft, DraftAction

Type = DraftAction.Type
Actor = User | audit.Actor
#: What a person's edit changes in the draft itself, beside the revision that it adds.
REVISED = ("version", "unsourced_count", "is_about_money", "checks")


def sign(
    *,
    conversation: Conversation,
    draft: Draft,
    text: Text,
    envelope: Mapping[str, Any],
    actor: Actor,
    hold_seconds: int,
    seen: Seen,
    promise: Promise | None = None,
    about: Mapping[str, Any] | None = None,
    **facts: Any,
) -> DraftAction:
    """Queue the reply, mark the draft approved (with what an edit changed in it), and record the act and its event; in the caller's transaction, which
    holds the locks and has checked everything. A text that promises a person leaves a promise. `about` is added to the event, `facts` to the act."""
    if not promises_a_person(text.text):
        promise = None
    elif promise is None:
        promise = Promise(due_from(conversation, database_time.now()))
    body_html = to_html(text.text) if draft.is_formatted else ""
    delivery = outbox.queue_outbound(
        conversation=conversation,
        envelope=envelope,
        body_text=text.text,
        body_html=body_html,
        actor=actor,
        hold_seconds=hold_seconds,
        draft_id=draft.pk,
        promise=promise,
    )
    draft.status = Draft.Status.APPROVED
    draft.save(update_fields=["status", *REVISED, "updated_at"])
    changed = text.text != draft.suggested_text
    action = act(
        Type.EDIT if changed else Type.APPROVE,
        draft,
        actor,
        seen=seen,
        version=draft.version,
        final_text=text.text,
        final_html=body_html,
        diff=diff_ops(draft.suggested_text, text.text) if changed else None,
        message=delivery.message,
        **facts,
    )
    if changed and draft.model_key != BY_A_PERSON:
        samples.keep_sample(draft=draft, action=action)
    audit.record(
        audit.Kind.DRAFT_APPROVED,
        actor=actor,
        about=draft,
        conversation_id=conversation.pk,
        data={
            "version": draft.version,
            "edited": changed,
            "unsourced": text.unsourced,
            "delivery": str(delivery.pk),
            "envelope": seen.envelope,
            "action": str(action.pk),
            **(about or {}),
        },
        commit={"text": text.text},
        act_id=action.pk,
    )
    emit(News.DRAFT_DECIDED, draft, conversation_id=conversation.pk, decision="edited" if changed else "approved")
    return action


def act(
    type_: Type,
    draft: Draft,
    actor: Actor,
    *,
    seen: Seen | None = None,
    attention: Attention = UNRECORDED,
    **facts: Any,
) -> DraftAction:
    """One touch of a draft, as it happened."""
    return DraftAction.objects.create(
        account_id=draft.account_id,
        draft=draft,
        conversation_id=draft.conversation_id,
        user=actor if isinstance(actor, User) else None,
        user_name=actor.name[:120],
        type=type_,
        seen=seen.as_json() if seen else {},
        **asdict(attention),
        **facts,
    )
