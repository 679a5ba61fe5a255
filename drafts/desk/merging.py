"""Two conversations that are one matter: the source closes into the target, and can be taken out again.

Messages never move. Both pages show both threads as one; new mail of either, a bounce too, is the target's; who watched it watches that one; what the source
owed is owed there, as something to do that only a later reply or a closing ends.
"""

from __future__ import annotations

import uuid

from django.db import connection, transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.messages import owing
from conversations.models import Conversation, Delivery, User, Watcher
from conversations.models.base import new_id
from conversations.people.roles import Verb
from drafts.desk import life
from drafts.desk.editing import retire
from drafts.models import Draft, Hold

Owed, Status, Outcome = Conversation.Owed, Conversation.Status, Conversation.Outcome
#: A reply in one of these states may still make its own conversation owed, in its own words.
UNSETTLED = (*owing.UNDER_WAY, Delivery.Status.FAILED, Delivery.Status.UNCERTAIN)


def merge(*, conversation_id: uuid.UUID, into: uuid.UUID, actor: User) -> Conversation:
    """The one is part of the other from now on. Returns the target.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Locked (423: somebody is at the source), Conflict (409:
    one of them is merged already, or a reply of the source is not settled), Invalid (422: with itself, with one of another
    channel, or its texts are gone).
    """
    if conversation_id == into:
        raise Invalid("This is the same conversation. Nothing was merged.")
    with transaction.atomic():
        places = {pk: life.look(pk, actor=actor) for pk in to_lock(conversation_id, into)}
        if len(places) < 2:  # taken apart between the question and its lock
            raise Conflict("One of the two was taken apart just now. Nothing was changed; look again.")
        place, target = places[conversation_id], places[into].conversation
        place.permit(Verb.MERGE)
        place.nobody_else()
        source = place.conversation
        if source.channel_id != target.channel_id:
            raise Invalid("They came by different channels, and an answer goes by one. Nothing was merged.")
        for one in (source, target):
            life.not_gone(one)
        if Delivery.objects.filter(conversation=source, status__in=UNSETTLED).exists():
            raise Conflict("A reply there is on its way, or nobody knows whether it arrived. Settle it first.")
        if place.draft is not None:
            retire(place.draft, Draft.Status.EXPIRED, reason=f"merged into #{target.number}", actor=actor)
        owed = source.owed
        if owed:
            _owe_there(source, target, places[into].draft)
        owing.settle(source, Status.CLOSED, outcome=Outcome.MERGED)
        source.merged_into = target
        source.save(update_fields=[*owing.FIELDS, "merged_into"])
        Hold.objects.filter(conversation=source).delete()
        Watcher.objects.bulk_create(
            (
                Watcher(account_id=target.account_id, conversation=target, user_id=user)
                for user in Watcher.objects.filter(conversation=source).values_list("user_id", flat=True)
            ),
            ignore_conflicts=True,
        )
        act = new_id()
        _record(audit.Kind.CONVERSATION_MERGED, source, actor, act, what=f"this into #{target.number}")
        _record(audit.Kind.CONVERSATION_MERGED, target, actor, act, what=f"#{source.number} into this", owed=owed)
    return target


def unmerge(*, conversation_id: uuid.UUID, actor: User) -> Conversation:
    """Two matters after all: it stands for itself again, and is owed a look. What came since stays where it came.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Conflict (409: it is not merged), Invalid (422: its texts
    are gone).
    """
    with transaction.atomic():
        place = life.look(conversation_id, actor=actor, merged_too=True)
        place.permit(Verb.MERGE)
        source = place.conversation
        target = source.merged_into
        if target is None:
            raise Conflict("This conversation is not merged with another. Nothing was changed.")
        life.not_gone(source)
        source.merged_into = None
        owing.owe(source, Owed.REOPENED)
        source.save(update_fields=[*owing.FIELDS, "merged_into"])
        act = new_id()
        _record(audit.Kind.CONVERSATION_UNMERGED, source, actor, act, what=f"this out of #{target.number}")
        _record(audit.Kind.CONVERSATION_UNMERGED, target, actor, act, what=f"#{source.number} out of this")
    return source


def to_lock(source: uuid.UUID, target: uuid.UUID) -> list[uuid.UUID]:
    """What a merge locks, in this order: the source first, as mail for it does, which goes on to the target (`owing.living`).

    Merges of an account queue here, so none comes between. One that is merged already is locked alone: the merge is refused
    then, and would else hold the target of a mail that holds its source.
    """
    rows = Conversation.objects.filter(pk__in=[source, target])
    with connection.cursor() as cursor:
        for account in rows.values_list("account_id", flat=True)[:1]:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 5))", [str(account)])
    merged = rows.filter(merged_into__isnull=False).values_list("pk", flat=True).first()
    return [merged] if merged else [source, target]


def _owe_there(source: Conversation, target: Conversation, draft: Draft | None) -> None:
    """What the source owed is something to do in the target: no reply that is on its way there already answers it."""
    words = [source.owed_note or Owed(source.owed).label]
    if target.owed in {Owed.PROMISED, Owed.NOTE}:
        words.insert(0, target.owed_note or Owed(target.owed).label)
    dues = [due for due in (source.due_at, target.due_at) if due]
    target.snoozed_until = None
    owing.owe(target, Owed.NOTE, due_at=min(dues), note="; ".join(dict.fromkeys(words)))
    target.owner_id = target.owner_id or source.owner_id
    target.save(update_fields=owing.FIELDS)
    if draft is not None:
        Draft.objects.filter(pk=draft.pk).update(snoozed_until=None)


def _record(kind: audit.Kind, about: Conversation, actor: User, act: uuid.UUID, **data: str) -> None:
    audit.record(kind, actor=actor, about=about, conversation_id=about.pk, data=data, act_id=act)
