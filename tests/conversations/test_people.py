"""Members: their role, their channels, who changes them, and what becomes of open invitations."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Now
from django.test import RequestFactory

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import Account, AuditEvent, Channel, Invitation, Membership, MembershipChannel, Role, User
from conversations.people import addresses, invitations, members
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World


def set_role(world: World, user: User, role: Role, **changes: Any) -> Membership:
    return members.set_role(**{"account_id": world.acme.pk, "user": user, "role": role, "actor": world.dan, **changes})


def invite(world: World, address: str, **changes: Any) -> Invitation:
    invitations.invite(
        **{"account_id": world.acme.pk, "address": address, "role": Role.AGENT, "actor": world.dan, **changes}
    )
    return Invitation.objects.get(address=address)


def is_open(invitation: Invitation) -> bool:
    return Invitation.objects.open().filter(pk=invitation.pk).exists()


@pytest.fixture
def second(world: World, acme: Account) -> Channel:
    return factories.channel(world.acme, external_id="second@acme.test", name="Second")


# --- the role --------------------------------------------------------------------------------------------------------
def test_an_admin_gives_a_member_another_role(world: World, acme: Account) -> None:
    membership = set_role(world, world.cy, Role.REVIEWER)
    stored = Membership.objects.get(user=world.cy)
    assert (stored.role, stored.is_active, stored.pk) == ("reviewer", True, membership.pk)
    event = AuditEvent.objects.get(kind="member.changed")
    assert (event.actor_name, event.object_id) == ("Dan", str(stored.pk))
    assert event.data == {"person": "Cy", "role": "reviewer"}
    assert Membership.objects.get(user=world.ada).role == "reviewer"


def test_who_is_switched_off_is_told_as_that_and_may_come_back(world: World, acme: Account) -> None:
    set_role(world, world.cy, Role.AGENT, is_active=False)
    assert Membership.objects.get(user=world.cy).is_active is False
    assert AuditEvent.objects.get(kind="member.changed").data["role"] == "switched off"
    set_role(world, world.cy, Role.AGENT)
    assert Membership.objects.get(user=world.cy).is_active is True


@pytest.mark.parametrize("name", ["ada", "bo", "cy", "eve"])
def test_only_an_admin_of_this_account_changes_its_people(world: World, acme: Account, name: str) -> None:
    actor = getattr(world, name)
    with assert_nothing_written():
        with pytest.raises(PermissionDenied, match="Only an admin"):
            set_role(world, world.cy, Role.ADMIN, actor=actor)
        with pytest.raises(PermissionDenied, match="Only an admin"):
            members.set_channels(account_id=acme.pk, user=world.cy, channels=[world.mail.pk], actor=actor)


def test_nobody_changes_their_own_role(world: World, acme: Account) -> None:
    set_role(world, world.ada, Role.ADMIN)
    with assert_nothing_written(), pytest.raises(Invalid, match="Your own role"):
        set_role(world, world.dan, Role.AGENT)


@pytest.mark.parametrize(("role", "is_active"), [(Role.REVIEWER, True), (Role.ADMIN, False)])
def test_somebody_stays_admin_whoever_asks(world: World, acme: Account, role: Role, is_active: bool) -> None:
    with assert_nothing_written(), pytest.raises(Invalid, match="Somebody must stay admin"):
        set_role(world, world.dan, role, actor=audit.SYSTEM, is_active=is_active)
    set_role(world, world.ada, Role.ADMIN, is_active=False)
    with assert_nothing_written(), pytest.raises(Invalid, match="Somebody must stay admin"):
        set_role(world, world.dan, role, actor=audit.SYSTEM, is_active=is_active)


def test_the_last_admin_may_be_confirmed_and_one_of_two_may_go(world: World, acme: Account) -> None:
    assert set_role(world, world.dan, Role.ADMIN, actor=audit.SYSTEM).role == Role.ADMIN
    set_role(world, world.ada, Role.ADMIN)
    assert set_role(world, world.dan, Role.AGENT, actor=world.ada).role == Role.AGENT


def test_who_is_no_member_is_not_made_one(world: World, acme: Account) -> None:
    with assert_nothing_written():
        with pytest.raises(Membership.DoesNotExist):
            set_role(world, world.eve, Role.AGENT)
        with pytest.raises(Membership.DoesNotExist):
            members.set_channels(account_id=acme.pk, user=world.eve, channels=[], actor=world.dan)


# --- what becomes of invitations -----------------------------------------------------------------------------------
def test_switching_off_closes_the_links_to_the_person_and_no_others(world: World, acme: Account) -> None:
    addresses.prove(world.cy, "cy@home.test")
    Membership.objects.filter(user=world.cy).update(is_active=False)
    own, other = invite(world, "cy@home.test"), invite(world, "new@person.test")
    set_role(world, world.cy, Role.AGENT)
    assert is_open(own), "a role alone closes nothing"
    set_role(world, world.cy, Role.AGENT, is_active=False)
    assert not is_open(own)
    assert is_open(other)
    own.refresh_from_db()
    assert (own.token_digest, own.revoked_at is not None) == ("", True)
    event = AuditEvent.objects.get(kind="invitation.revoked")
    assert (event.actor_name, event.object_id) == ("Dan", str(own.pk))
    assert event.data == {"address": "cy@home.test", "role": "agent"}


@pytest.mark.parametrize(("role", "is_active"), [(Role.REVIEWER, True), (Role.ADMIN, False)])
def test_who_is_admin_no_more_leaves_no_open_links(world: World, acme: Account, role: Role, is_active: bool) -> None:
    set_role(world, world.ada, Role.ADMIN)
    theirs, others = invite(world, "one@person.test", actor=world.ada), invite(world, "two@person.test")
    set_role(world, world.ada, Role.ADMIN)
    assert is_open(theirs)
    set_role(world, world.ada, role, is_active=is_active)
    assert not is_open(theirs)
    assert is_open(others)


def test_a_link_that_was_withdrawn_is_worth_nothing_and_one_that_was_over_is_left(world: World, acme: Account) -> None:
    set_role(world, world.ada, Role.ADMIN)
    invitation, over = (invite(world, f"{name}@person.test", actor=world.ada) for name in ("one", "two"))
    Invitation.objects.filter(pk=invitation.pk).update(token_digest="d" * 64)
    Invitation.objects.filter(pk=over.pk).update(declined_at=Now())
    set_role(world, world.ada, Role.REVIEWER)
    invitation.refresh_from_db()
    assert (invitation.token_digest, invitation.revoked_at is not None) == ("", True)
    over.refresh_from_db()
    assert over.revoked_at is None
    assert AuditEvent.objects.get(kind="invitation.revoked").object_id == str(invitation.pk)
    third = invite(world, "three@person.test")
    assert members.withdraw(third, actor=world.dan) == third


def test_members_and_their_links_are_locked_before_they_change(world: World, acme: Account) -> None:
    with counted() as queries:
        set_role(world, world.cy, Role.REVIEWER)
    told = [query["sql"] for query in queries]
    [members_locked] = [at for at, sql in enumerate(told) if 'FOR UPDATE OF "conversations_membership"' in sql]
    [links_locked] = [at for at, sql in enumerate(told) if 'FOR UPDATE OF "conversations_invitation"' in sql]
    [changed] = [at for at, sql in enumerate(told) if sql.startswith('UPDATE "conversations_membership"')]
    assert members_locked < changed < links_locked
    with counted() as queries:
        members.set_channels(account_id=acme.pk, user=world.cy, channels=[world.mail.pk], actor=world.dan)
    assert [q for q in queries if 'FOR UPDATE OF "conversations_membership"' in q["sql"]]


# --- joining -----------------------------------------------------------------------------------------------------------
def test_joining_makes_a_member_kept_to_the_offered_channels(world: World, acme: Account, second: Channel) -> None:
    person = User.objects.create_user("new@person.test", display_name="New")
    invitation = invite(world, "new@person.test", channels=[second.pk])
    membership = members.join(invitation=invitation, user=person)
    assert (membership.role, membership.is_active, membership.account_id) == ("agent", True, acme.pk)
    assert members.channels_of(acme.pk, person.pk) == (second.pk,)
    event = AuditEvent.objects.get(kind="member.changed")
    assert (event.actor_name, event.data) == ("New", {"person": "New", "role": "agent"})
    assert AuditEvent.objects.get(kind="member.channels_set").actor_name == "New"


def test_who_was_switched_off_joins_again_as_invited(world: World, acme: Account) -> None:
    set_role(world, world.ada, Role.REVIEWER, is_active=False)
    invitation = invite(world, "ada@acme.test")
    before = Membership.objects.get(user=world.ada).pk
    members.join(invitation=invitation, user=world.ada)
    stored = Membership.objects.get(user=world.ada)
    assert (stored.pk, stored.role, stored.is_active) == (before, "agent", True)


def test_a_member_does_not_join_again(world: World, acme: Account) -> None:
    invitation = invite(world, "new@person.test")
    with assert_nothing_written(), pytest.raises(Conflict, match="a member of this account already"):
        members.join(invitation=invitation, user=world.ada)


# --- channels ----------------------------------------------------------------------------------------------------------
def test_channels_are_set_exchanged_and_let_go(world: World, acme: Account, second: Channel) -> None:
    def keep(*channels: Channel) -> list[Channel]:
        return members.set_channels(
            account_id=acme.pk, user=world.cy, channels=[each.pk for each in channels], actor=world.dan
        )

    assert keep(world.mail, second) == [world.mail, second]
    assert set(members.channels_of(acme.pk, world.cy.pk)) == {world.mail.pk, second.pk}
    assert keep(second) == [second]
    assert members.channels_of(acme.pk, world.cy.pk) == (second.pk,)
    event = AuditEvent.objects.filter(kind="member.channels_set").order_by("id").last()
    assert event is not None
    assert (event.actor_name, event.object_id) == ("Dan", str(Membership.objects.get(user=world.cy).pk))
    assert event.data == {"person": "Cy", "channels": str(second), "ids": [str(second.pk)]}
    with assert_nothing_written():
        assert keep(second) == [second]
    assert keep() == []
    assert members.channels_of(acme.pk, world.cy.pk) == ()
    event = AuditEvent.objects.filter(kind="member.channels_set").order_by("id").last()
    assert event is not None
    assert event.data["channels"] == "all channels"


def test_one_persons_channels_are_not_anothers(world: World, acme: Account, second: Channel) -> None:
    for user, channel in ((world.cy, world.mail), (world.ada, second)):
        members.set_channels(account_id=acme.pk, user=user, channels=[channel.pk], actor=world.dan)
    assert members.channels_of(acme.pk, world.cy.pk) == (world.mail.pk,)
    assert members.channels_of(acme.pk, world.ada.pk) == (), "a reviewer sees every channel, whatever is set"
    assert MembershipChannel.objects.count() == 2
    set_role(world, world.ada, Role.AGENT)
    assert members.channels_of(acme.pk, world.ada.pk) == (second.pk,)


def test_a_channel_of_another_account_keeps_nobody(world: World, acme: Account) -> None:
    with assert_nothing_written(), pytest.raises(Invalid, match="not in this account"):
        members.set_channels(
            account_id=acme.pk, user=world.cy, channels=[world.mail.pk, world.other_mail.pk], actor=world.dan
        )


# --- where one lands -----------------------------------------------------------------------------------------------
def test_an_operator_without_an_account_lands_at_the_tenants_and_everybody_else_at_the_desk(world: World) -> None:
    adapter, request = members.InvitedOnlyAdapter(), RequestFactory().get("/")
    root = User.objects.create_superuser("root@desk.test", "correct horse")
    for user, path in ((root, "/admin/tenants/"), (world.ada, "/"), (User(is_superuser=False), "/")):
        request.user = user
        found = adapter.get_login_redirect_url(request)
        assert found.startswith(path), (user, found)
        assert ("admin" in found) is (user is root)
    User.objects.filter(pk=world.ada.pk).update(is_superuser=True)
    request.user = User.objects.get(pk=world.ada.pk)
    assert "admin" not in adapter.get_login_redirect_url(request)
    assert adapter.is_open_for_signup(request) is False
