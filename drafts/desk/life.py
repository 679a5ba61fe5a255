"""What a person does with a conversation, whether or not a draft waits in it: close, reopen, assign, snooze, owe, write.

Every verb locks the conversation and then its waiting draft, checks, changes, records in one transaction. What is owed is kept
by `conversations.messages.owing`; the database refuses a draft that waits in a conversation where nothing is owed.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models.functions import Now

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid, Locked
from conversations.messages import owing
from conversations.models import AuditEvent, Conversation, Membership, Role, User
from conversations.people.roles import Policy, Verb
from conversations.web.bidi import isolated
from conversations.webhooks.emit import News, emit
from drafts.desk import notify, recipients
from drafts.desk.editing import retire
from drafts.desk.scene import Stale, decided, lock
from drafts.models import BY_A_PERSON, Draft, Hold

Doer = User | audit.Actor
Owed, Status, Outcome = Conversation.Owed, Conversation.Status, Conversation.Outcome
#: What a person may say when they close while something is owed.
REASONS = (Outcome.ANSWERED_ELSEWHERE, Outcome.NOT_NEEDED, Outcome.GOES_ON, Outcome.OTHER)
MAX_NOTE = 200
MAX_DAYS = 365
SNOOZE_DAYS = 30
#: Nothing is asked of who closes here: the reply is on its way, or all that is owed is a reply that nobody wrote yet.
_NEEDS_NO_REASON = {"", Owed.LEAVING, Owed.WRITING}


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation under its lock, with the draft that waits in it and what the actor may do. `holder`: who else is at it.
    A service may what its token's scopes let it, which is asked where the token is read."""

    conversation: Conversation
    draft: Draft | None
    role: Role | None
    policy: Policy
    holder: str
    is_service: bool = False

    def permit(self, verb: Verb) -> None:
        if not self.is_service:
            self.policy.permit(self.role, verb)

    def nobody_else(self) -> None:
        if self.holder:
            raise Locked(f"{self.holder} is working on this conversation. Nothing was changed; ask them first.")


def look(conversation_id: uuid.UUID, *, actor: Doer, merged_too: bool = False) -> Place:
    """Lock the conversation, then its waiting draft. Raises Conversation.DoesNotExist (404) also for foreign ids, an
    assistant's conversation, and a channel that the actor does not see; Conflict (409) for one that is merged, but for who
    asks for it `merged_too`."""
    locked = Conversation.objects.of_customers().select_for_update(of=("self",)).select_related("account", "channel")
    conversation = locked.get(pk=conversation_id)
    person = actor if isinstance(actor, User) else None
    mine = Membership.objects.filter(account_id=conversation.account_id, user=person, is_active=True)
    member = mine.first()
    if member and not mine.seeing(conversation.channel_id).exists():
        raise Conversation.DoesNotExist
    if conversation.merged_into_id and not merged_too:
        raise Conflict("This conversation is merged with another. Nothing was changed; go on there.")
    draft = Draft.objects.select_for_update(of=("self",)).filter(conversation=conversation).pending().first()
    holds = Hold.objects.filter(conversation=conversation, lease_until__gt=Now()).exclude(user=person)
    held = holds.select_related("user").first()
    return Place(
        conversation=conversation,
        draft=draft,
        role=Role(member.role) if member else None,
        policy=Policy.of(conversation.account),
        holder=isolated(held.user.name) if held else "",
        is_service=audit.actor_of(actor).type == AuditEvent.ActorType.SERVICE,
    )


def close(
    *, conversation_id: uuid.UUID, actor: Doer, reason: str = "", last_inbound: uuid.UUID | None = None
) -> Conversation:
    """Nothing more to do here: a waiting draft expires, the conversation closes. Closing it twice is closing it once.

    `last_inbound` is the newest message that the person saw. Raises Conversation.DoesNotExist (404), PermissionDenied (403),
    Stale (409: the customer wrote meanwhile), Locked (423), Invalid (422: something is owed and no reason is given).
    """
    with transaction.atomic():
        place = look(conversation_id, actor=actor)
        place.permit(Verb.CLOSE)
        conversation = place.conversation
        if conversation.status == Status.CLOSED:
            return conversation
        _as_seen(conversation, last_inbound)
        place.nobody_else()
        if reason and reason not in REASONS:
            raise Invalid("This is no reason that is known. Nothing was changed.")
        close_here(conversation, place.draft, actor=actor, reason=reason)
    return conversation


def close_here(conversation: Conversation, draft: Draft | None, *, actor: Doer, reason: str) -> None:
    """The rest of `close`, in the caller's transaction and under its locks. Raises Invalid (422)."""
    if not reason and needs_reason(conversation):
        raise Invalid(f"Say why: {Owed(conversation.owed).label.lower()}. It was not closed.")
    owed = conversation.owed
    if draft is not None:
        retire(draft, Draft.Status.EXPIRED, reason="the conversation was closed", actor=actor)
    owing.settle(conversation, Status.CLOSED, outcome=reason)
    conversation.save(update_fields=owing.FIELDS)
    Hold.objects.filter(conversation=conversation).delete()
    who = audit.actor_of(actor)
    notify.watchers(conversation, f"{who.name} closed it", but={who.user.pk} if who.user else ())
    audit.record(
        audit.Kind.CONVERSATION_CLOSED,
        actor=actor,
        about=conversation,
        conversation_id=conversation.pk,
        data={"reason": Outcome(reason).label.lower() if reason else "", "owed": owed},
    )
    emit(News.CONVERSATION_CLOSED, conversation, conversation_id=conversation.pk)


def needs_reason(conversation: Conversation) -> bool:
    """Whether whoever closes it has to say why."""
    return conversation.owed not in _NEEDS_NO_REASON


def reopen(*, conversation_id: uuid.UUID, actor: Doer) -> Conversation:
    """Closed or waiting, it is ours again: owed from now on.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Conflict (409: it is open).
    """
    with transaction.atomic():
        place = look(conversation_id, actor=actor)
        place.permit(Verb.CLOSE)
        conversation = place.conversation
        if conversation.status == Status.OPEN:
            raise Conflict("This conversation is open already. Nothing was changed.")
        not_gone(conversation)
        reopen_here(conversation, actor=actor)
    return conversation


def reopen_here(conversation: Conversation, *, actor: Doer) -> None:
    """The rest of `reopen`, in the caller's transaction and under its lock."""
    owing.owe(conversation, Owed.REOPENED)
    conversation.save(update_fields=owing.FIELDS)
    audit.record(audit.Kind.CONVERSATION_REOPENED, actor=actor, about=conversation, conversation_id=conversation.pk)


def answered_elsewhere(
    *, conversation_id: uuid.UUID, actor: User, last_inbound: uuid.UUID | None = None
) -> Conversation:
    """The customer has their answer by other means: the conversation waits for them. A draft that waits is decided by its
    own verb (`decisions.answered_elsewhere`).

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Conflict (409: nothing is owed, or a draft waits), Stale
    (409), Locked (423).
    """
    with transaction.atomic():
        place = look(conversation_id, actor=actor)
        place.permit(Verb.ANSWER_ELSEWHERE)
        conversation = place.conversation
        if conversation.status != Status.OPEN or place.draft is not None:
            raise Conflict("There is nothing here to mark as answered. Look at it again; nothing was changed.")
        _as_seen(conversation, last_inbound)
        place.nobody_else()
        owed = conversation.owed
        owing.settle(conversation)
        conversation.save(update_fields=owing.FIELDS)
        audit.record(
            audit.Kind.CONVERSATION_ANSWERED,
            actor=actor,
            about=conversation,
            conversation_id=conversation.pk,
            data={"owed": owed},
        )
    return conversation


def assign(*, conversation_id: uuid.UUID, actor: Doer, to: uuid.UUID | None) -> Conversation:
    """Who sees to it from now on; None: whoever comes first. It lasts until somebody changes it.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Invalid (422: nobody who may decide here).
    """
    with transaction.atomic():
        place = look(conversation_id, actor=actor)
        place.permit(Verb.ASSIGN)
        conversation = place.conversation
        owner = _somebody(place, to)
        if conversation.owner_id == to:
            return conversation
        conversation.owner = owner
        conversation.save(update_fields=["owner", "updated_at"])
        audit.record(
            audit.Kind.CONVERSATION_ASSIGNED,
            actor=actor,
            about=conversation,
            conversation_id=conversation.pk,
            data={"to": owner.name if owner else "nobody"},
        )
    return conversation


def snooze(*, conversation_id: uuid.UUID, actor: User, until: datetime) -> Conversation:
    """Out of the lists until `until`, at most 30 days and never past what was promised.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Conflict (409: nothing is owed), Locked (423), Invalid
    (422: not a time that is possible).
    """
    with transaction.atomic():
        place = look(conversation_id, actor=actor)
        place.permit(Verb.SNOOZE)
        place.nobody_else()
        snooze_here(place.conversation, place.draft, actor=actor, until=until)
    return place.conversation


def snooze_draft(*, draft_id: uuid.UUID, actor: User, until: datetime) -> Draft:
    """The same by the draft that waits. Raises Draft.DoesNotExist (404), AlreadyDecided (409), and what `snooze` raises."""
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.SNOOZE)
        if scene.draft.status != Draft.Status.PENDING:
            raise decided(scene.draft)
        snooze_here(scene.conversation, scene.draft, actor=actor, until=until)
    return scene.draft


def snooze_here(conversation: Conversation, draft: Draft | None, *, actor: User, until: datetime) -> None:
    """The rest of `snooze`, in the caller's transaction and under its locks. Raises Conflict (409), Invalid (422)."""
    if conversation.status != Status.OPEN or (conversation.owed == Owed.LEAVING and draft is None):
        raise Conflict("Nothing is owed here, so there is nothing to put off. Nothing was changed.")
    may_sleep(conversation, until)
    conversation.snoozed_until = until
    conversation.save(update_fields=["snoozed_until", "updated_at"])
    Draft.objects.filter(conversation=conversation).pending().update(snoozed_until=until)
    if draft is not None:
        draft.snoozed_until = until
    Hold.objects.filter(conversation=conversation, user=actor).delete()
    audit.record(
        audit.Kind.CONVERSATION_SNOOZED if draft is None else audit.Kind.DRAFT_SNOOZED,
        actor=actor,
        about=conversation if draft is None else draft,
        conversation_id=conversation.pk,
        data={"until": until.isoformat(timespec="minutes")},
    )


def may_sleep(conversation: Conversation, until: datetime) -> None:
    """Raises Invalid (422) for a time that it may not sleep until."""
    if not database_time.now() < until <= database_time.now() + timedelta(days=SNOOZE_DAYS):
        raise Invalid(f"Snooze to a time in the next {SNOOZE_DAYS} days. Nothing was changed.")
    lasting = conversation.owed in {Owed.PROMISED, Owed.NOTE}
    if lasting and conversation.due_at and until > conversation.due_at:
        raise Invalid("That is later than what was promised. Nothing was changed; change the promise first.")


def owe(
    *, conversation_id: uuid.UUID, actor: User, due_at: datetime, note: str = "", to: uuid.UUID | None = None
) -> Conversation:
    """Something is to be done here until `due_at`, by `to` or whoever comes first: a promise is changed, or one is noted.

    It stands until a reply is sent or somebody closes. Raises Conversation.DoesNotExist (404), PermissionDenied (403),
    Locked (423), Invalid (422: a time that is past or too far, a note too long, or nobody who may decide here).
    """
    with transaction.atomic():
        place = look(conversation_id, actor=actor)
        place.permit(Verb.ASSIGN)
        place.nobody_else()
        owe_here(place, actor=actor, due_at=due_at, note=note, to=to)
    return place.conversation


def owe_here(place: Place, *, actor: User, due_at: datetime, note: str, to: uuid.UUID | None) -> None:
    """The rest of `owe`, in the caller's transaction and under its locks. Raises Invalid (422)."""
    conversation = place.conversation
    not_gone(conversation)
    within_a_year(due_at)
    if len(note.strip()) > MAX_NOTE:
        raise Invalid(f"A note can have {MAX_NOTE} characters; this one has {len(note.strip())}. Nothing was changed.")
    conversation.owner = _somebody(place, to)
    promised = conversation.owed == Owed.PROMISED
    owing.owe(conversation, Owed.PROMISED if promised else Owed.NOTE, due_at=due_at, note=note.strip())
    if place.draft and place.draft.snoozed_until != conversation.snoozed_until:
        Draft.objects.filter(pk=place.draft.pk).update(snoozed_until=conversation.snoozed_until)
    conversation.save(update_fields=owing.FIELDS)
    audit.record(
        audit.Kind.CONVERSATION_OWED,
        actor=actor,
        about=conversation,
        conversation_id=conversation.pk,
        data={
            "until": due_at.isoformat(timespec="minutes"),
            "to": conversation.owner.name if conversation.owner else "nobody",
        },
        commit={"note": note.strip()} if note.strip() else None,
    )


def write(*, conversation_id: uuid.UUID, actor: User) -> Draft:
    """Begin a reply of one's own: an empty draft that waits, to be written, saved and approved like any other.

    A draft that waits already is where one writes: it is returned. Raises Conversation.DoesNotExist (404), PermissionDenied
    (403), Locked (423), Invalid (422: nobody wrote yet, or the texts are gone).
    """
    with transaction.atomic():
        place = look(conversation_id, actor=actor)
        place.permit(Verb.EDIT)
        place.nobody_else()
        if place.draft is not None:
            return place.draft
        return write_here(place.conversation, actor=actor, author=actor)


def write_here(conversation: Conversation, *, actor: Doer, author: User) -> Draft:
    """The rest of `write`, in the caller's transaction and under its locks; `author` is whose reply it is. Raises Invalid (422)."""
    not_gone(conversation)
    base = conversation.last_inbound_message
    asked = recipients.asked_for(conversation, base) if base else {}
    subject = ""
    if base is None:  # we wrote first, and follow up
        begun = Draft.objects.filter(conversation=conversation, status=Draft.Status.SENT).order_by("-id").first()
        if begun is None:
            raise Invalid("Nobody wrote here yet who could be answered. Nothing was changed.")
        asked, subject = begun.recipients, begun.subject
    if conversation.status != Status.OPEN:
        owing.owe(conversation, Owed.WRITING)
        conversation.save(update_fields=owing.FIELDS)
    draft = Draft.objects.create(
        account_id=conversation.account_id,
        conversation=conversation,
        base_message=base,
        trigger_message=base,
        author_user=author,
        model_key=BY_A_PERSON,
        recipients=asked,
        subject=subject,
        due_at=conversation.due_at or database_time.now(),
        snoozed_until=conversation.snoozed_until,
    )
    audit.record(audit.Kind.DRAFT_BEGUN, actor=actor, about=draft, conversation_id=conversation.pk)
    return draft


def discard(*, draft_id: uuid.UUID, actor: User) -> Conversation:
    """Give up a reply that a person began. What was owed before is owed still.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), AlreadyDecided (409), Invalid (422: a model wrote it; reject it).
    """
    with transaction.atomic():
        conversation_id = Draft.objects.values_list("conversation_id", flat=True).get(pk=draft_id)
        try:
            place = look(conversation_id, actor=actor)
        except Conversation.DoesNotExist:
            raise Draft.DoesNotExist from None
        place.permit(Verb.EDIT)
        draft, conversation = place.draft, place.conversation
        if draft is None or draft.pk != draft_id:
            raise decided(Draft.objects.get(pk=draft_id))
        if draft.model_key != BY_A_PERSON:
            raise Invalid("A drafter wrote this. Reject it, with a reason; nothing was changed.")
        if draft.author_user_id != actor.pk and not place.policy.answer(place.role, Verb.TAKE_OVER).allowed:
            raise PermissionDenied("Somebody else began this reply. Nothing was changed; ask them.")
        retire(draft, Draft.Status.SUPERSEDED, reason="it was given up", actor=actor)
        owing.draft_given_up(conversation)
        conversation.save(update_fields=owing.FIELDS)
        Hold.objects.filter(conversation=conversation, user=actor).delete()
    return conversation


def within_a_year(due_at: datetime) -> None:
    """Raises Invalid (422) for a time that is past or too far."""
    if not database_time.now() < due_at <= database_time.now() + timedelta(days=MAX_DAYS):
        raise Invalid("Say until when: a time within a year. Nothing was changed.")


def _as_seen(conversation: Conversation, last_inbound: uuid.UUID | None) -> None:
    if last_inbound is not None and last_inbound != conversation.last_inbound_message_id:
        raise Stale("The customer wrote while you were reading. Nothing was changed; read the new message first.")


def not_gone(conversation: Conversation) -> None:
    if conversation.archived_at is not None and conversation.status == Status.CLOSED:
        raise Invalid("Its texts were removed under the retention rules. Nothing was changed.")


def _somebody(place: Place, to: uuid.UUID | None) -> User | None:
    """The colleague, if they may decide here. Anybody else gets one answer, whether they exist or not."""
    if to is None:
        return None
    members = Membership.objects.seeing(place.conversation.channel_id).filter(is_active=True, user__is_active=True)
    found = members.filter(account_id=place.conversation.account_id, user_id=to).select_related("user").first()
    if found is None or not place.policy.answer(Role(found.role), Verb.CLAIM).allowed:
        raise Invalid("Choose a colleague who may decide here. Nothing was changed.")
    return found.user
