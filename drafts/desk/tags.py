"""Giving a conversation tags of the account's list, and taking them off."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db import transaction

from conversations import audit
from conversations.errors import Invalid
from conversations.models import ConversationTag, Tag, User
from conversations.people.roles import Verb
from drafts.desk import life


def retag(
    *, conversation_id: uuid.UUID, actor: User | audit.Actor, add: Collection[uuid.UUID], remove: Collection[uuid.UUID]
) -> list[Tag]:
    """Add these tags and take those off; what a colleague did meanwhile to others stays. Returns what it has now.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Invalid (422: no tag of the account, or one to add that
    was retired).
    """
    with transaction.atomic():
        place = life.look(conversation_id, actor=actor)
        place.permit(Verb.TAG)
        life.not_gone(place.conversation)
        named = {tag.pk: tag for tag in Tag.objects.filter(pk__in={*add, *remove})}
        has = set(ConversationTag.objects.filter(conversation=place.conversation).values_list("tag_id", flat=True))
        if len(named) < len({*add, *remove}) or any(named[pk].is_retired for pk in add if pk not in has):
            raise Invalid("One of these tags is not in use any more. Nothing was changed; choose again.")
        added, removed = [pk for pk in named if pk in add and pk not in has], [pk for pk in remove if pk in has]
        ConversationTag.objects.bulk_create(
            ConversationTag(account_id=place.conversation.account_id, conversation=place.conversation, tag_id=pk)
            for pk in added
        )
        ConversationTag.objects.filter(conversation=place.conversation, tag_id__in=removed).delete()
        if added or removed:
            audit.record(
                audit.Kind.CONVERSATION_TAGGED,
                actor=actor,
                about=place.conversation,
                conversation_id=conversation_id,
                data={
                    "added": sorted(named[pk].name for pk in added),
                    "removed": sorted(named[pk].name for pk in removed),
                    "what": "; ".join(_words("added", named, added) + _words("removed", named, removed)),
                },
            )
        return list(Tag.objects.filter(links__conversation=place.conversation).order_by("name"))


def _words(done: str, named: dict[uuid.UUID, Tag], pks: Collection[uuid.UUID]) -> list[str]:
    return [f"{done} {', '.join(sorted(named[pk].name for pk in pks))}"] if pks else []
