"""A reply that a person wrote in another tool and a service brings: it waits here in that person's name.

The service does not send it. Whose words leave is decided by a person at the desk (promise 1): the writer is told, and they or
a colleague press as for any other reply, with the same checks, the same four eyes and the same time to take it back.
"""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import Conversation, Membership, Notification, Role, User
from conversations.people.roles import Policy, Verb
from conversations.webhooks.emit import News, emit
from drafts.desk import life
from drafts.desk.decisions import add_revision, tidy
from drafts.desk.editing import MAX_TEXT
from drafts.desk.notify import notify
from drafts.desk.signing import REVISED
from drafts.desk.text import current_text, edited_text
from drafts.models import Draft


def bring(*, conversation_id: uuid.UUID, actor: audit.Actor, writer: str, text: str) -> Draft:
    """Put down what `writer`, a member's address, wrote: over the draft that waits, or as a reply of their own.

    Raises Conversation.DoesNotExist (404), Locked (423), Conflict (409: somebody's own words wait there already),
    Invalid (422: nobody who may write here, no text or too much of it, nobody to answer, the texts are gone).
    """
    typed = tidy(text)
    if not typed.strip() or len(typed) > MAX_TEXT:
        raise Invalid(
            f"A reply has 1 to {MAX_TEXT:,} characters; this one has {len(typed.strip()):,}. Nothing was kept."
        )
    with transaction.atomic():
        place = life.look(conversation_id, actor=actor)
        author = _who_may_write(place.conversation, place.policy, writer)
        place.nobody_else()
        if place.draft is not None and current_text(place.draft).text == typed:
            return place.draft  # the same request again
        if place.draft is not None and place.draft.version:
            raise Conflict(
                "Somebody's own words wait there already. Nothing was changed; go on with theirs at the desk."
            )
        draft = place.draft or life.write_here(place.conversation, actor=actor, author=author)
        revision = add_revision(draft, edited_text(draft, typed), author)
        draft.save(update_fields=[*REVISED, "updated_at"])
        audit.record(
            audit.Kind.DRAFT_BROUGHT,
            actor=actor,
            about=draft,
            conversation_id=conversation_id,
            data={"version": revision.number, "writer": author.name},
            commit={"text": typed},
        )
        emit(News.DRAFT_READY, draft, conversation_id=conversation_id)
        notify(author, Notification.Type.DRAFT_READY, draft, customer=place.conversation.customer_name)
    return draft


def _who_may_write(conversation: Conversation, policy: Policy, address: str) -> User:
    """One answer for a stranger, a colleague who may not, and one who does not see the channel."""
    found = User.objects.with_address(address).filter(is_active=True).first()
    members = Membership.objects.seeing(conversation.channel_id).filter(
        account_id=conversation.account_id, is_active=True
    )
    member = members.filter(user=found).first() if found else None
    if found is None or member is None or not policy.answer(Role(member.role), Verb.EDIT).allowed:
        raise Invalid("Nobody with this address may write replies here. Nothing was kept.")
    return found
