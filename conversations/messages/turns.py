"""Round robin: new conversations of a channel get an owner in turn, where its settings say so."""

from __future__ import annotations

from django.db.models import F, OuterRef, Subquery

from conversations import audit
from conversations.models import Channel, Conversation, Membership, Role, User
from conversations.people.roles import Policy, Verb


def next_owner(channel: Channel) -> User | None:
    """Whose turn it is: of those who see the channel and may decide in it, who was given none of its conversations yet, or whose
    last one is the longest ago. None where it gives nobody a turn. Two statements, under the account's lock on new
    conversations, so that two at once are two people's."""
    if not channel.options.in_turn:
        return None
    last = Conversation.objects.filter(channel=channel, owner=OuterRef("user")).order_by("-created_at", "-id")
    members = Membership.objects.seeing(channel.pk).filter(
        account_id=channel.account_id, is_active=True, user__is_active=True
    )
    turns = members.annotate(last=Subquery(last.values("created_at")[:1])).select_related("user")
    policy = Policy.of(channel.account)
    for member in turns.order_by(F("last").asc(nulls_first=True), "pk"):
        if policy.answer(Role(member.role), Verb.CLAIM).allowed:
            return member.user
    return None


def record(conversation: Conversation) -> None:
    """That it was given in turn, in the caller's transaction."""
    if conversation.owner:
        audit.record(
            audit.Kind.CONVERSATION_ASSIGNED,
            actor=audit.SYSTEM,
            about=conversation,
            conversation_id=conversation.pk,
            data={"to": conversation.owner.name},
        )
