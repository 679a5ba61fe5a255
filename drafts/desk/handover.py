"""A conversation goes from one person's hands to another's: handed over, asked for, given or kept."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid, Locked
from conversations.models import Conversation, Membership, Notification, Role, User
from conversations.people.roles import Verb
from drafts.desk.editing import claim
from drafts.desk.notify import notify
from drafts.desk.scene import Scene, decided, lock
from drafts.desk.signing import act
from drafts.models import Draft, DraftAction, Hold

LEASE = timedelta(
    minutes=30
)  # somebody who was given a conversation has this long to find it; a page of it renews less
MAX_NOTE = 500
Type = Notification.Type


def colleagues(conversation: Conversation, user: User) -> list[tuple[str, str]]:
    """(id, name) of everybody who may be given the conversation, by name; not oneself, not auditors, and no agent who
    is kept to other channels."""
    found = (
        Membership.objects.seeing(conversation.channel_id)
        .filter(account_id=conversation.account_id, is_active=True, user__is_active=True)
        .exclude(user=user)
        .exclude(role=Role.AUDITOR)
        .select_related("user")
    )
    return sorted(((str(row.user_id), row.user.name) for row in found), key=lambda entry: entry[1].lower())


def hand_over(*, draft_id: uuid.UUID, actor: User, to: uuid.UUID, note: str = "") -> Hold:
    """Give the conversation to a colleague, with a note. They hold it for half an hour and are told.

    Raises PermissionDenied (403), Draft.DoesNotExist (404), AlreadyDecided (409), Invalid (422: nobody of this account
    who may decide, or oneself), Locked (423: somebody else holds it and the actor may not take over).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.CLAIM)
        _pending(scene)
        if scene.holder and not scene.policy.answer(scene.role, Verb.TAKE_OVER).allowed:
            raise Locked(f"{scene.holder} is working on this conversation. Nothing was changed; ask them first.")
        if len(note) > MAX_NOTE:
            raise Invalid(f"A note can have {MAX_NOTE} characters; this one has {len(note)}. Nothing was changed.")
        receiver = _member(scene, to, actor)
        held, former = _give(scene, receiver)
        _record(scene, actor, receiver, held, note.strip())
        if former and former.pk not in {actor.pk, receiver.pk}:
            notify(former, Type.TAKEN_OVER, scene.draft, by=actor.name)
    return held


def ask(*, draft_id: uuid.UUID, actor: User) -> Hold:
    """Ask the holder for the conversation; they decide. A conversation that nobody holds is taken at once.

    Asking again while the question stands tells nobody again. Somebody else's question that stands is a Conflict.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), Conflict (409).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.CLAIM)
        _pending(scene)
        now = database_time.now()
        held = _held(scene)
        if held is None or held.lease_until <= now or held.user_id == actor.pk:
            return claim(draft_id=draft_id, actor=actor)
        if held.asked_by_id == actor.pk:
            return held
        if held.asked_by_id is not None:
            raise Conflict(f"{held.asked_by.name} asked first. Nothing was changed.")  # type: ignore[union-attr]
        held.asked_by, held.asked_at = actor, now
        held.save(update_fields=["asked_by", "asked_at"])
        audit.record(
            audit.Kind.DRAFT_ASKED_FOR,
            actor=actor,
            about=scene.draft,
            conversation_id=scene.conversation.pk,
            data={"holder": held.user.name},
        )
        notify(held.user, Type.ASKED_FOR, scene.draft, by=actor.name)
    return held


def answer(*, draft_id: uuid.UUID, actor: User, give: bool) -> Hold:
    """The holder's answer to who asked: give the conversation, or keep it. Raises Conflict if nobody asks (any more)."""
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.CLAIM)
        held = _held(scene)
        if held is None or held.user_id != actor.pk or held.asked_by is None:
            raise Conflict("Nobody asks you for this conversation any more. Nothing was changed.")
        asker = held.asked_by
        if give:
            _pending(scene)
            held, _ = _give(scene, asker)
            _record(scene, actor, asker, held, "")
            return held
        held.asked_by = held.asked_at = None
        held.save(update_fields=["asked_by", "asked_at"])
        audit.record(
            audit.Kind.DRAFT_HELD_ON,
            actor=actor,
            about=scene.draft,
            conversation_id=scene.conversation.pk,
            data={"asker": asker.name},
        )
    return held


def _pending(scene: Scene) -> None:
    if scene.draft.status != Draft.Status.PENDING:
        raise decided(scene.draft)


def _held(scene: Scene) -> Hold | None:
    return (
        Hold.objects.select_for_update(of=("self",))
        .select_related("user", "asked_by")
        .filter(conversation=scene.conversation)
        .first()
    )


def _member(scene: Scene, to: uuid.UUID, actor: User) -> User:
    """The colleague, if they may decide here. Anybody else gets one answer, whether they exist or not."""
    found = (
        Membership.objects.seeing(scene.conversation.channel_id)
        .filter(account_id=scene.conversation.account_id, user_id=to, is_active=True, user__is_active=True)
        .select_related("user")
        .first()
    )
    if found is None or not scene.policy.answer(Role(found.role), Verb.CLAIM).allowed:
        raise Invalid("Choose a colleague who may decide drafts. Nothing was changed.")
    if found.user_id == actor.pk:
        raise Invalid("You cannot hand it over to yourself. Nothing was changed.")
    return found.user


def _give(scene: Scene, receiver: User) -> tuple[Hold, User | None]:
    """The hold, now the receiver's, and who held it a moment ago (None: nobody)."""
    now = database_time.now()
    held = _held(scene)
    former = held.user if held and held.lease_until > now else None
    values = {
        "user": receiver,
        "lease_until": now + LEASE,
        "draft_id": scene.draft.pk,
        "asked_by": None,
        "asked_at": None,
    }
    if held is None:
        values["account_id"] = scene.draft.account_id
        return Hold.objects.create(conversation=scene.conversation, **values), None
    # A new holder's token is higher: what the former one still sends is recognised as older.
    Hold.objects.filter(pk=held.pk).update(token=F("token") + 1, **values)
    held.refresh_from_db()
    return held, former


def _record(scene: Scene, actor: User, receiver: User, held: Hold, note: str) -> None:
    draft, conversation = scene.draft, scene.conversation
    action = act(DraftAction.Type.ESCALATE, draft, actor, version=draft.version, notes=note)
    audit.record(
        audit.Kind.DRAFT_HANDED_OVER,
        actor=actor,
        about=draft,
        conversation_id=conversation.pk,
        data={"to": receiver.name, "token": held.token},
        commit={"note": note} if note else None,
        act_id=action.pk,
    )
    notify(receiver, Type.HANDED_OVER, draft, by=actor.name, customer=conversation.customer, note=note)
