"""Working on a draft before deciding it: claim, release, save a revision, keep a stale one, reopen."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid, Locked
from conversations.messages import owing
from conversations.models import Message, Notification, User
from conversations.people.roles import Verb
from conversations.web.bidi import isolated
from drafts.desk import files, recipients, sources
from drafts.desk.decisions import add_revision, tidy
from drafts.desk.notify import notify
from drafts.desk.scene import AlreadyDecided, Changed, Stale, decided, lock
from drafts.desk.signing import REVISED, act
from drafts.desk.text import current_text, edited_text, statements_to_json
from drafts.models import Draft, DraftAction, DraftRevision, Hold

LEASE = timedelta(minutes=2)
MAX_TEXT = 100_000


def claim(*, draft_id: uuid.UUID, actor: User, take_over: bool = False) -> Hold:
    """Take the conversation for two minutes, or prolong one's own lease. Raises Locked (423) naming the holder.

    Whoever loses it to a take-over is told.
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.TAKE_OVER if take_over else Verb.CLAIM)
        conversation, draft = scene.conversation, scene.draft
        if draft.status != Draft.Status.PENDING:
            raise decided(draft)
        now = database_time.now()
        held = (
            Hold.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(conversation=conversation)
            .first()
        )
        mine = held is not None and held.user_id == actor.pk
        if held and not mine and held.lease_until > now and not take_over:
            raise Locked(
                f"{isolated(held.user.name)} is working on this conversation until {held.lease_until:%H:%M} UTC."
            )
        if held and mine and held.lease_until > now:
            until = max(held.lease_until, now + LEASE)  # what a colleague handed over is held longer
            Hold.objects.filter(pk=held.pk).update(lease_until=until, draft_id=draft.pk)
            held.lease_until = until
            return held
        former = held.user if held and not mine and held.lease_until > now else None
        if held:
            # A new holder's token is higher: what the former one still sends is recognised as older.
            Hold.objects.filter(pk=held.pk).update(
                user=actor,
                lease_until=now + LEASE,
                token=F("token") + 1,
                draft_id=draft.pk,
                asked_by=None,
                asked_at=None,
            )
            held.refresh_from_db()
        else:
            held = Hold.objects.create(
                account_id=draft.account_id,
                conversation=conversation,
                draft_id=draft.pk,
                user=actor,
                lease_until=now + LEASE,
            )
        action = act(DraftAction.Type.CLAIM, draft, actor, version=draft.version)
        audit.record(
            audit.Kind.DRAFT_CLAIMED,
            actor=actor,
            about=draft,
            conversation_id=conversation.pk,
            data={"token": held.token, "took_over": former.name if former else ""},
            act_id=action.pk,
        )
        if former:
            notify(former, Notification.Type.TAKEN_OVER, draft, by=actor.name)
    return held


def release(*, draft_id: uuid.UUID, actor: User) -> bool:
    """Let one's own hold go; False if there was none.

    Raises Draft.DoesNotExist (404), PermissionDenied (403).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.CLAIM)
        conversation, draft = scene.conversation, scene.draft
        if not Hold.objects.filter(conversation=conversation, user=actor).delete()[0]:
            return False
        action = act(DraftAction.Type.RELEASE, draft, actor, version=draft.version)
        audit.record(
            audit.Kind.DRAFT_RELEASED, actor=actor, about=draft, conversation_id=conversation.pk, act_id=action.pk
        )
    return True


def save_revision(*, draft_id: uuid.UUID, actor: User, version: int, text: str) -> Draft:
    """Keep what a person typed as the next version. `version` is the one they typed over (If-Match).

    Raises Changed if somebody saved meanwhile: both texts stay, the newer one is not overwritten.
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.EDIT)
        conversation, draft = scene.conversation, scene.draft
        if draft.status != Draft.Status.PENDING:
            raise decided(draft)
        typed = tidy(text)
        if len(typed) > MAX_TEXT:
            raise Invalid(
                f"A reply can have {MAX_TEXT:,} characters; this one has {len(typed):,}. Shorten it; nothing was saved."
            )
        if not typed.strip():
            raise Invalid("A reply cannot be empty. The last saved text was kept.")
        if current_text(draft).text == typed:
            return draft
        if scene.holder:
            raise Locked(f"{scene.holder} is working on this conversation. Your text is still in the box, not saved.")
        if version != draft.version:
            author = DraftRevision.objects.filter(draft=draft, number=draft.version).values_list(
                "author_name", flat=True
            )
            raise Changed(
                f"{author.first() or 'Somebody'} saved version {draft.version} while you were typing on version {version}. "
                "Both texts are kept: theirs is saved, yours is still in the box.",
                version=draft.version,
            )
        revision = add_revision(draft, edited_text(draft, typed), actor)
        draft.save(update_fields=[*REVISED, "updated_at"])
        audit.record(
            audit.Kind.DRAFT_EDITED,
            actor=actor,
            about=draft,
            conversation_id=conversation.pk,
            data={"version": revision.number},
            commit={"text": typed},
        )
    return draft


def keep(*, draft_id: uuid.UUID, actor: User, last_inbound: uuid.UUID) -> Draft:
    """Use a stale draft's text as the answer to the newer message, knowingly. It becomes a new pending draft.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), AlreadyDecided (409: not stale any more), Stale (409:
    yet another message came).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.EDIT)
        conversation, old = scene.conversation, scene.draft
        if old.status != Draft.Status.STALE:
            raise AlreadyDecided("This draft is not stale any more. Look at it again.")
        if old.is_canary:
            raise AlreadyDecided(
                "This was a check draft with a planted error; it cannot be kept. A new draft is on its way."
            )
        if last_inbound != conversation.last_inbound_message_id:
            raise Stale("The customer wrote yet again. Read the newest message first; nothing was changed.")
        newest, text = Message.objects.get(pk=last_inbound), current_text(old)
        if not text.text.strip():
            raise AlreadyDecided("There is no text in it that could be kept. Write a reply; nothing was changed.")
        owing.begin(conversation)
        owing.draft_waits(conversation)
        conversation.save(update_fields=owing.FIELDS)
        for other in Draft.objects.filter(conversation=conversation).pending():
            retire(other, Draft.Status.SUPERSEDED, reason="an earlier draft was kept", actor=actor)
        kept = Draft.objects.create(
            account_id=old.account_id,
            conversation=conversation,
            base_message=newest,
            trigger_message=newest,
            recipients=recipients.asked_for(conversation, newest),
            author_user=actor,
            model_key=old.model_key,
            prompt_version=old.prompt_version,
            prompt_label=old.prompt_label,
            suggested_text=text.text,
            statements=statements_to_json(text.statements),
            questions=old.questions if old.version == 0 else [],
            top_sources=old.top_sources,
            checks=old.checks,
            unsourced_count=text.unsourced,
            is_about_money=text.is_about_money,
            confidence=old.confidence,
            raw_confidence=old.raw_confidence,
            confidence_reasons=old.confidence_reasons,
            intent=old.intent,
            needs_human=old.needs_human,
            due_at=conversation.due_at or database_time.now(),
            snoozed_until=conversation.snoozed_until,
        )
        files.move(old, kept)
        audit.record(
            audit.Kind.DRAFT_KEPT,
            actor=actor,
            about=kept,
            conversation_id=conversation.pk,
            data={"from": str(old.pk)},
            commit={"text": text.text},
        )
        sources.mark_if_gone(kept)
    return kept


def retire(draft: Draft, status: Draft.Status, *, reason: str, actor: User | audit.Actor = audit.SYSTEM) -> None:
    """Move a draft out of the queue without a decision; the caller holds the conversation's lock."""
    draft.status = status
    draft.save(update_fields=["status", "updated_at"])
    audit.record(
        audit.Kind.DRAFT_RETIRED,
        actor=actor,
        about=draft,
        conversation_id=draft.conversation_id,
        data={"status": str(status), "reason": reason},
    )


def reopen(*, draft_id: uuid.UUID, actor: User) -> Draft:
    """Bring a rejected draft back to the queue, if it still answers the newest message and none took its place.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), AlreadyDecided, Stale or Conflict (409: another draft
    took its place).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.REJECT)
        conversation, draft = scene.conversation, scene.draft
        if draft.status != Draft.Status.REJECTED:
            raise decided(draft)
        if draft.base_message_id != conversation.last_inbound_message_id:
            raise Stale("The customer wrote again since. Answer the new message; nothing was changed.")
        if Draft.objects.filter(conversation=conversation).pending().exists():
            raise Conflict("Another draft took its place. Decide that one; nothing was changed.")
        draft.status = Draft.Status.PENDING
        draft.snoozed_until = conversation.snoozed_until
        draft.save(update_fields=["status", "snoozed_until", "updated_at"])
        owing.draft_waits(conversation)
        owing.begin(conversation)
        conversation.save(update_fields=owing.FIELDS)
        action = act(DraftAction.Type.UNDO, draft, actor, version=draft.version)
        audit.record(
            audit.Kind.DRAFT_UNDONE, actor=actor, about=draft, conversation_id=conversation.pk, act_id=action.pk
        )
    return draft
