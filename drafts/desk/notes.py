"""Internal notes: what colleagues say to each other in a conversation, and whom they name in it. Nothing of it is ever sent."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import Conversation, Membership, Note, Notification, User
from conversations.people.roles import Verb
from drafts.desk import life, notify

MAX_CHARS = 10_000
#: An @ that begins a word: not the one of an address.
_AT = re.compile(r"(?<![\w.@])@(?=\w)")


def write(
    *,
    conversation_id: uuid.UUID,
    actor: User | audit.Actor,
    text: str,
    due_at: datetime | None = None,
    to: uuid.UUID | None = None,
) -> Note:
    """Keep a note, and tell the colleagues whom it names. With `due_at` it is owed until then, by `to` or whoever comes first.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Locked (423: it is to be owed and somebody else is at
    it), Invalid (422: no words, too many, a name that several bear, a time that is not possible).
    """
    with transaction.atomic():
        place = life.look(conversation_id, actor=actor)
        place.permit(Verb.NOTE)
        life.not_gone(place.conversation)
        text, person = _fit(text), actor if isinstance(actor, User) else None
        mentions = _named(text, _colleagues(place.conversation))
        note = Note.objects.create(
            account_id=place.conversation.account_id,
            conversation=place.conversation,
            author=person,
            author_name=actor.name[:120],
            text=text,
            mentions={written: str(user.pk) for written, user in mentions.items()},
        )
        audit.record(
            audit.Kind.NOTE_WRITTEN,
            actor=actor,
            about=note,
            conversation_id=conversation_id,
            data={"names": len(told := _told(mentions, person))},
            commit={"text": text},
        )
        _tell(place.conversation, note, told)
        notify.watchers(
            place.conversation,
            f"{actor.name} wrote a note",
            but={*([person.pk] if person else []), *(user.pk for user in told)},
        )
        if due_at is not None and person:
            place.permit(Verb.ASSIGN)
            place.nobody_else()
            [first, *_] = text.splitlines()
            life.owe_here(place, actor=person, due_at=due_at, note=first[: life.MAX_NOTE], to=to)
    return note


def remove(*, note_id: uuid.UUID, actor: User) -> Note:
    """Take one's own note back: its place stays, without words. Twice is once.

    Raises Note.DoesNotExist (404), PermissionDenied (403: somebody else wrote it, or the role writes none), Conflict (409: a
    legal hold keeps it, or the conversation is merged).
    """
    with transaction.atomic():
        conversation_id = Note.objects.values_list("conversation_id", flat=True).get(pk=note_id)
        try:
            place = life.look(conversation_id, actor=actor)
        except Conversation.DoesNotExist:
            raise Note.DoesNotExist from None
        place.permit(Verb.NOTE)
        note = Note.objects.get(pk=note_id)
        if note.author_id != actor.pk:
            raise PermissionDenied("Somebody else wrote this note. Nothing was changed; only they can take it back.")
        if note.removed_at or note.erased_at:
            return note
        if place.conversation.account.legal_hold:
            raise Conflict("This account is under a legal hold: nothing is removed. Nothing was changed.")
        note.text, note.mentions, note.removed_at = "", {}, database_time.now()
        note.save(update_fields=["text", "mentions", "removed_at"])
        Notification.objects.filter(payload__note=str(note.pk)).delete()
        audit.forget_about([note])
        audit.record(audit.Kind.NOTE_REMOVED, actor=actor, about=note, conversation_id=conversation_id)
    return note


def told_by(note: Note) -> list[User]:
    """Who was told of a note: those whom it names, but for its author."""
    named = User.objects.filter(pk__in=note.mentions.values())
    return sorted((user for user in named if user.pk != note.author_id), key=lambda user: user.name.lower())


def _fit(text: str) -> str:
    text = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not text:
        raise Invalid("A note needs words. Nothing was saved.")
    if len(text) > MAX_CHARS:
        raise Invalid(f"A note can have {MAX_CHARS:,} characters; this one has {len(text):,}. Nothing was saved.")
    return text


def _colleagues(conversation: Conversation) -> list[User]:
    """Who could read the note: the members who see its channel."""
    members = Membership.objects.seeing(conversation.channel_id).filter(is_active=True, user__is_active=True)
    return [row.user for row in members.filter(account_id=conversation.account_id).select_related("user")]


def _named(text: str, colleagues: Iterable[User]) -> dict[str, User]:
    """Whom `@` names, by the words as they stand: a whole name, a first name, or what an address begins with; the longest
    wins. Who is not known is no mention. Raises Invalid (422) where several people bear the name."""
    known: dict[str, set[User]] = defaultdict(set)
    for user in colleagues:
        for name in (user.name, user.name.split()[0], user.email.partition("@")[0]):
            known[name.lower()].add(user)
    longest_first = sorted(known, key=len, reverse=True)
    named: dict[str, User] = {}
    for at in _AT.finditer(text):
        rest = text[at.end() :]
        found = next((name for name in longest_first if _begins(rest, name)), None)
        if found is None:
            continue
        written = f"@{rest[: len(found)]}"
        if len(known[found]) > 1:
            raise Invalid(
                f"{written} could be {len(known[found])} colleagues. Write the whole name, or what their address begins"
                " with. Nothing was saved."
            )
        [named[written]] = known[found]
    return named


def _begins(rest: str, name: str) -> bool:
    return rest[: len(name)].lower() == name and not re.match(r"\w", rest[len(name) :])


def _told(mentions: dict[str, User], actor: User | None) -> set[User]:
    return {user for user in mentions.values() if actor is None or user.pk != actor.pk}


def _tell(conversation: Conversation, note: Note, told: Iterable[User]) -> None:
    """Of the words nothing is copied: the notification leads to them."""
    facts = {"conversation": str(conversation.pk), "note": str(note.pk), "number": conversation.number}
    Notification.objects.bulk_create(
        Notification(
            account_id=conversation.account_id,
            user=user,
            type=Notification.Type.MENTIONED,
            payload={**facts, "by": note.author_name},
        )
        for user in told
        if Notification.Type.MENTIONED not in user.choices.muted
    )
