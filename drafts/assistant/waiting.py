"""What waits for a second person: confirmed by a colleague, done when another one signs."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Q

from conversations.models import Account, Conversation, ProposedAction, User
from conversations.models.actions import ProposedActionQuerySet
from conversations.people.members import channels_of
from conversations.people.roles import Policy, role_of
from conversations.tenancy import seen_by
from drafts.assistant.actions import PROPOSED
from drafts.assistant.deciding import is_over
from drafts.assistant.tools import TOOLS

MOST = 100


def for_signature(actor: User, account_id: uuid.UUID) -> list[ProposedAction]:
    """What this person may sign, the one that expires first on top."""
    return list(_signable(actor, account_id).order_by("expires_at", "pk")[:MOST])


def to_sign(actor: User, account_id: uuid.UUID) -> int:
    """How many they are. What nobody can sign needs no look at who may: mostly nothing waits."""
    if not ProposedAction.objects.to_countersign(actor.pk).filter(account_id=account_id).exists():
        return 0
    return _signable(actor, account_id)[:MOST].count()


def _signable(actor: User, account_id: uuid.UUID) -> ProposedActionQuerySet:
    role, policy = role_of(actor, account_id), Policy.of(Account.objects.get(pk=account_id))
    signable = [name for name, tool in TOOLS.items() if policy.answer(role, tool.verb, PROPOSED).allowed]
    found = ProposedAction.objects.to_countersign(actor.pk).filter(account_id=account_id, tool__in=signable)
    return found.filter(_in_sight(actor, account_id))


def for_others(actor: User, account_id: uuid.UUID) -> list[ProposedAction]:
    """What this person confirmed and somebody else has to sign."""
    mine = ProposedAction.objects.undecided().filter(account_id=account_id, owner=actor, status="confirmed")
    return list(mine.order_by("expires_at", "pk")[:MOST])


def signed_since(actor: User, account_id: uuid.UUID, since: datetime) -> list[ProposedAction]:
    """What came to its end with this person's hand and another one's, newest first: their own, and of others' what they see."""
    hand = Q(second_by=actor) | Q(owner=actor, second_by__isnull=False) | Q(rejected_by=actor, reason="refused")
    ended = ProposedAction.objects.filter(hand, account_id=account_id, ended_at__gte=since)
    return list(ended.filter(Q(owner=actor) | _in_sight(actor, account_id)).order_by("-ended_at", "-pk")[:20])


def _in_sight(actor: User, account_id: uuid.UUID) -> Q:
    """About no conversation, or about one of the person's channels as they are now."""
    seen = Conversation.objects.of_customers().within(seen_by(channels_of(account_id, actor.pk)))
    return Q(case=None) | Q(case__in=seen)


def on_the_file(person: User, account_id: uuid.UUID, document: int) -> dict[str, list[ProposedAction]]:
    """By place, what the person proposed about this document, and what others did and they may sign."""
    tools = ("apply_difference", "adopt_difference")
    found: dict[str, list[ProposedAction]] = {}
    waiting = ProposedAction.objects.undecided().filter(
        account_id=account_id, tool__in=tools, arguments__document=document
    )
    signs = {action.pk for action in for_signature(person, account_id)}
    for action in waiting.order_by("pk"):
        if (action.owner_id == person.pk or action.pk in signs) and not is_over(action):
            found.setdefault(str(action.arguments["path"]), []).append(action)
    return found
