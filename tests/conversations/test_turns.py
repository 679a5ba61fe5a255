"""New conversations get their owners in turn, where a channel says so."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.channels.base import Party
from conversations.models import AuditEvent, Channel, Conversation, Membership, MembershipChannel, PolicyRule
from tests import factories
from tests.conftest import World


@pytest.fixture
def in_turn(world: World, acme: Any) -> None:
    channel = Channel.objects.get(pk=world.mail.pk)
    Channel.objects.filter(pk=channel.pk).update(metadata={**channel.metadata, "in_turn": True})


def owners(world: World, count: int) -> list[str]:
    channel = Channel.objects.get(pk=world.mail.pk)
    for number in range(count):
        factories.message(channel, sender=Party(f"p{number}-{count}@customer.test"))
    found = Conversation.objects.order_by("-number").select_related("owner")[:count]
    return [one.owner.name if one.owner else "" for one in reversed(found)]


def test_by_default_nobody_is_given_any(world: World, acme: Any) -> None:
    assert owners(world, 2) == ["", ""]


@pytest.mark.usefixtures("in_turn")
def test_everybody_who_may_decide_gets_one_before_anybody_gets_two(world: World) -> None:
    first = owners(world, 3)
    assert sorted(first) == ["Ada", "Cy", "Dan"]  # Bo is an auditor
    assert owners(world, 3) == first
    told = AuditEvent.objects.filter(kind="conversation.assigned").order_by("id")
    assert [(one.actor_name, one.data["to"]) for one in told[:3]] == [("Countersign", name) for name in first]


@pytest.mark.usefixtures("in_turn")
def test_who_left_who_is_kept_elsewhere_and_who_may_not_get_none(world: World) -> None:
    Membership.objects.filter(user=world.dan).update(is_active=False)
    chat = factories.channel(world.acme, type="chat", external_id="c1", name="Chat")
    cy = Membership.objects.get(user=world.cy)
    MembershipChannel.objects.create(account=world.acme, membership=cy, channel=chat)
    assert owners(world, 2) == ["Ada", "Ada"]
    PolicyRule.objects.create(account=world.acme, role="reviewer", verb="claim", kind="any", allowed=False)
    assert owners(world, 1) == [""]


@pytest.mark.usefixtures("in_turn")
def test_a_further_mail_changes_no_owner(world: World) -> None:
    message = factories.message(Channel.objects.get(pk=world.mail.pk))
    owner = Conversation.objects.get(pk=message.conversation_id).owner
    factories.reply_to(message)
    assert Conversation.objects.get(pk=message.conversation_id).owner == owner is not None
