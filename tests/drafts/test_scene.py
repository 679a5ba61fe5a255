"""What a decision looks at under the locks: who acts and by which rules, whose hands it is in, and what was done before."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conversations.models import Account, Channel, Membership, MembershipChannel, PolicyRule, User
from drafts.desk import decisions, editing
from drafts.desk.scene import Scene, lock
from drafts.models import Draft, DraftAction, Hold
from tests import factories
from tests.asserts import counted
from tests.conftest import World


@pytest.fixture
def draft(world: World, acme: Account) -> Draft:
    return factories.draft(factories.message(world.mail))


def keep_to(user: User, *channels: Channel) -> None:
    member = Membership.objects.get(user=user)
    MembershipChannel.objects.filter(membership=member).delete()
    for channel in channels:
        MembershipChannel.objects.create(account_id=member.account_id, membership=member, channel=channel)


def test_what_was_seen_is_kept_as_json() -> None:
    inbound = uuid.uuid4()
    assert decisions.Seen(3, inbound, "e").as_json() == {"version": 3, "last_inbound": str(inbound), "envelope": "e"}


def test_the_conversation_is_locked_before_the_draft_and_nothing_is_asked_later(world: World, draft: Draft) -> None:
    with counted() as queries:
        scene = lock(draft.pk, actor=world.ada)
        scene.conversation.account.options  # noqa: B018 - read along
        scene.conversation.channel.options  # type: ignore[union-attr]  # noqa: B018
        assert scene.draft.base_message.pk == draft.base_message_id
    assert ["FOR UPDATE" in query["sql"] for query in queries] == [True, True]
    first, second = (query["sql"] for query in queries)
    assert 'FOR UPDATE OF "conversations_conversation"' in first
    assert 'FOR UPDATE OF "drafts_draft"' in second
    assert (scene.conversation.pk, scene.draft.pk) == (draft.conversation_id, draft.pk)


def test_a_draft_that_is_not_there_does_not_exist(world: World, acme: Account) -> None:
    with pytest.raises(Draft.DoesNotExist):
        lock(uuid.uuid4(), actor=world.ada)


def test_the_role_is_the_actors_own_while_they_are_a_member(world: World, draft: Draft) -> None:
    assert [lock(draft.pk, actor=user).role for user in (world.ada, world.bo, world.dan)] == ["reviewer", "auditor", "admin"]  # fmt: skip
    assert lock(draft.pk, actor=world.eve).role is None
    Membership.objects.filter(user=world.ada).update(is_active=False)
    assert lock(draft.pk, actor=world.ada).role is None
    assert lock(draft.pk, actor=None).role is None


def test_the_rules_are_the_accounts(world: World, draft: Draft) -> None:
    rule = PolicyRule.objects.create(account=world.acme, role="reviewer", verb="approve", allowed=False)
    found = lock(draft.pk, actor=world.ada).policy
    assert found == decisions.lock(draft.pk, actor=world.cy).policy
    rule.delete()
    assert lock(draft.pk, actor=world.ada).policy != found


def test_who_is_kept_to_other_channels_does_not_see_it(world: World, draft: Draft) -> None:
    other = factories.channel(world.acme, external_id="b@acme.test", name="B")
    keep_to(world.cy, other)
    with pytest.raises(Draft.DoesNotExist):
        lock(draft.pk, actor=world.cy)
    keep_to(world.cy, world.mail)
    assert lock(draft.pk, actor=world.cy).role == "agent"


def holder(draft: Draft, actor: User | None) -> tuple[str, bool]:
    scene: Scene = lock(draft.pk, actor=actor)
    return scene.holder.strip("\u2068\u2069"), scene.is_held


def test_the_holder_is_somebody_else_whose_lease_runs_here(world: World, draft: Draft) -> None:
    other = factories.draft(factories.message(world.mail))
    editing.claim(draft_id=other.pk, actor=world.cy)
    assert holder(draft, world.ada) == ("", False)
    editing.claim(draft_id=draft.pk, actor=world.cy)
    assert holder(draft, world.ada) == ("Cy", True)
    assert holder(draft, None) == ("Cy", True)
    assert holder(draft, world.cy) == ("", True)
    User.objects.filter(pk=world.cy.pk).update(display_name="")
    assert holder(draft, world.ada) == ("cy", True)
    Hold.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert holder(draft, world.ada) == ("", True)


def test_an_earlier_act_is_found_by_its_person_and_its_request(world: World, draft: Draft) -> None:
    act = decisions.reject(
        draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), reasons=["tone"], request_id="r"
    )
    assert lock(draft.pk, actor=world.ada, request_id="r").repeated == act.pk
    assert lock(draft.pk, actor=world.ada, request_id="other").repeated is None
    assert lock(draft.pk, actor=world.cy, request_id="r").repeated is None
    assert lock(draft.pk, actor=world.ada).repeated is None
    assert DraftAction.objects.count() == 1


def test_an_act_without_a_request_id_repeats_nothing(world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    found: Any = lock(draft.pk, actor=world.ada).repeated
    assert found is None
