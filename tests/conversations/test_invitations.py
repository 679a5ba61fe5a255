"""Inviting, and what the invited makes of it: exactly these rows, and nothing of anybody's that they did not do themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from conversations.errors import Conflict, Invalid
from conversations.models import AuditEvent, Invitation, Membership, MembershipChannel, Role, User
from conversations.people import addresses, invitations, members
from conversations.people.invitations import Gone, SomebodyElse
from conversations.tenancy import tenant_context
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.letters import run_letters, token_in, unproven

PASSWORD = "a long new password"


def invite(world: World, address: str = "new@person.test", role: Role = Role.REVIEWER, **changes: Any) -> Any:
    values = {"account_id": world.acme.pk, "address": address, "role": role, "actor": world.dan, **changes}
    return invitations.invite(**values)


def mailed(world: World, address: str = "new@person.test", role: Role = Role.REVIEWER, **changes: Any) -> str:
    """The token of an invitation as its mail has it."""
    invite(world, address, role, **changes)
    return token_in(run_letters()[-1])


def kinds(world: World) -> list[str]:
    with tenant_context(world.acme.pk):
        return list(AuditEvent.objects.filter(object_type="invitation").order_by("id").values_list("kind", flat=True))


@pytest.fixture
def no_mail(settings: Any) -> None:
    settings.EMAIL_HOST = ""


def test_inviting_leaves_one_row_one_event_and_one_mail(world: World) -> None:
    sent = invite(world, " New@Person.test ")
    assert sent.token == ""
    with tenant_context(world.acme.pk):
        row = Invitation.objects.get()
        assert (row.address, row.role, row.invited_by_id, row.round) == ("new@person.test", "reviewer", world.dan.pk, 1)
        assert (row.token_digest, row.accepted_at, row.mailed_at, row.is_shown) == ("", None, None, False)
        assert row.expires_at - row.sent_at == timedelta(days=7)
        assert not Membership.objects.exclude(user__in=world.people()).exists()
    assert not User.objects.exclude(pk__in=[p.pk for p in world.people()]).exists()
    (message,) = run_letters()
    assert (message.to, message.subject) == (["new@person.test"], "Join Acme on Countersign")
    assert "Dan (dan@acme.test) invites you to Acme as a reviewer: you read drafts" in message.body
    token = token_in(message)
    with tenant_context(world.acme.pk):
        row.refresh_from_db()
        assert row.token_digest == hashlib.sha256(token.encode()).hexdigest()
        assert token not in str(row.__dict__)
        assert row.mailed_at is not None
    assert kinds(world) == ["invitation.sent"]


def test_a_letter_that_is_sent_twice_is_harmless(world: World) -> None:
    row = invite(world).invitation
    arguments = {"account_id": world.acme.pk, "invitation_id": row.pk}
    assert [invitations.mail(**arguments, round=1) for _ in range(2)] == ["sent", "nothing to do"]
    assert invitations.mail(**arguments, round=7) == "nothing to do"
    assert len(mail.outbox) == 1


def test_a_mail_server_that_fails_leaves_the_letter_to_the_next_try(world: World, monkeypatch: Any) -> None:
    row = invite(world).invitation
    arguments = {"account_id": world.acme.pk, "invitation_id": row.pk, "round": 1}
    with monkeypatch.context() as broken, pytest.raises(OSError):
        broken.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", _refuse)
        invitations.mail(**arguments)
    assert invitations.mail(**arguments) == "sent"
    assert invitations.offer_of(token_in(mail.outbox[-1])).address == "new@person.test"


def _refuse(*args: Any) -> None:
    raise ConnectionRefusedError("no server")


@pytest.mark.parametrize("name", ["ada", "bo", "cy", "eve"])
def test_only_an_admin_of_the_account_invites_sends_again_and_withdraws(world: World, name: str) -> None:
    row = invite(world).invitation
    own = {"account_id": world.acme.pk, "actor": getattr(world, name)}
    with tenant_context(world.acme.pk), assert_nothing_written():
        for act in (
            lambda: invitations.invite(address="x@y.test", role=Role.AGENT, **own),
            lambda: invitations.resend(invitation_id=row.pk, **own),
            lambda: invitations.revoke(invitation_id=row.pk, **own),
        ):
            with pytest.raises(PermissionDenied):
                act()


def test_the_platform_invites_only_the_first_admin(world: World) -> None:
    root = User.objects.create_superuser("root@platform.test", "x")
    for account, role in ((world.acme, Role.ADMIN), (world.globex, Role.AGENT)):
        with pytest.raises(PermissionDenied):
            invitations.invite(account_id=account.pk, address="x@y.test", role=role, actor=root)
    assert invitations.invite(account_id=world.globex.pk, address="x@y.test", role=Role.ADMIN, actor=root)


def test_another_accounts_invitation_is_not_there(world: World) -> None:
    row = invite(world).invitation
    with tenant_context(world.globex.pk):
        Membership.objects.filter(user=world.eve).update(role="admin")
    for act in (invitations.resend, invitations.revoke):
        with pytest.raises(Invitation.DoesNotExist):
            act(account_id=world.globex.pk, invitation_id=row.pk, actor=world.eve)


@pytest.mark.parametrize(("address", "error"), [("nonsense", Invalid), ("ada@ACME.test", Conflict)])
def test_what_cannot_be_invited_is_refused_and_nothing_is_written(world: World, address: str, error: type) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(error):
        invite(world, address)


def test_an_address_is_invited_once_at_a_time(world: World) -> None:
    invite(world)
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Conflict):
        invite(world, "NEW@person.test")
    with tenant_context(world.acme.pk), pytest.raises(IntegrityError), transaction.atomic():
        Invitation.objects.create(
            account=world.acme, address="New@Person.test", role="agent", invited_by=world.dan, sent_at=Now(),
            expires_at=Now(),
        )  # fmt: skip


def test_one_that_ended_makes_room_for_the_next(world: World) -> None:
    token = mailed(world)
    with tenant_context(world.acme.pk):
        Invitation.objects.update(expires_at=Now() - timedelta(seconds=1))
    with pytest.raises(Gone):
        invitations.accept_as_new(token=token, name="N", password=PASSWORD)
    invite(world)
    assert kinds(world) == ["invitation.sent", "invitation.revoked", "invitation.sent"]


def test_the_number_of_open_invitations_has_an_end(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(invitations, "MAX_OPEN", 1)
    invite(world)
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid):
        invite(world, "second@person.test")


def test_nobodys_mailbox_is_filled_by_inviting_and_withdrawing(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(invitations, "MAX_AN_HOUR", invitations.MAX_A_DAY + 1)
    own = {"account_id": world.acme.pk, "actor": world.dan}
    for _ in range(invitations.MAX_A_DAY):
        invitations.revoke(invitation_id=invite(world).invitation.pk, **own)
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid, match="since yesterday"):
        invite(world)
    other = invite(world, "other@person.test").invitation
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid, match="within the hour"):
        invite(world, "third@person.test")
    with tenant_context(world.acme.pk):
        Invitation.objects.filter(pk=other.pk).update(sent_at=Now() - timedelta(minutes=2))
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid, match="within the hour"):
        invitations.resend(invitation_id=other.pk, **own)


def test_a_new_person_chooses_a_password_and_their_address_is_proven(world: World) -> None:
    token = mailed(world, role=Role.AGENT, channels=[world.mail.pk])
    user = invitations.accept_as_new(token=token, name=" Nora  New ", password=PASSWORD)
    assert (user.email, user.display_name, user.check_password(PASSWORD)) == ("new@person.test", "Nora New", True)
    assert (user.is_staff, user.is_superuser) == (False, False)
    row = EmailAddress.objects.get(user=user)
    assert (row.email, row.verified, row.primary) == ("new@person.test", True, True)
    with tenant_context(world.acme.pk):
        membership = Membership.objects.get(user=user)
        assert (membership.role, membership.is_active) == ("agent", True)
        assert MembershipChannel.objects.get(membership=membership).channel_id == world.mail.pk
        invitation = Invitation.objects.get()
        assert (invitation.accepted_by_id, invitation.token_digest) == (user.pk, "")
    assert kinds(world) == ["invitation.sent", "invitation.accepted"]


@pytest.mark.parametrize("password", ["short", "new@person.test", "123456789012345"])
def test_a_weak_password_is_refused_and_nothing_is_written(world: World, password: str) -> None:
    token = mailed(world)
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(ValidationError):
        invitations.accept_as_new(token=token, name="N", password=password)


def test_an_existing_person_accepts_as_themselves_and_nothing_of_theirs_changes(world: World) -> None:
    token = mailed(world, "eve@globex.test")
    before = User.objects.filter(pk=world.eve.pk).values().get()
    invitations.accept(token=token, actor=world.eve)
    assert User.objects.filter(pk=world.eve.pk).values().get() == before
    with tenant_context(world.acme.pk):
        assert Membership.objects.get(user=world.eve).role == "reviewer"
    assert kinds(world) == ["invitation.sent", "invitation.accepted"]


@pytest.mark.parametrize(
    "facts", [{}, {"password": None}, {"is_superuser": True}, {"auth_provider": "company", "auth_subject": "7"}]
)
def test_no_link_sets_an_existing_persons_password(world: World, facts: dict[str, Any]) -> None:
    """Whoever they are: one without a password (invited before, OIDC-only) was taken over by this, and a superuser too."""
    victim = User.objects.create_user("victim@corp.test", facts.pop("password", "their own password"), **facts)
    addresses.prove(victim, victim.email)
    token = mailed(world, "victim@corp.test")
    before = User.objects.filter(pk=victim.pk).values().get()
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(SomebodyElse):
        invitations.accept_as_new(token=token, name="Thief", password=PASSWORD)
    assert User.objects.filter(pk=victim.pk).values().get() == before
    assert User.objects.filter(email="victim@corp.test").count() == 1


def test_somebody_who_only_says_that_the_address_is_theirs_gets_nothing(world: World) -> None:
    squatter = unproven("victim@corp.test")
    token = mailed(world, "victim@corp.test")
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(SomebodyElse):
        invitations.accept(token=token, actor=squatter)
    owner = invitations.accept_as_new(token=token, name="Victim", password=PASSWORD)  # nor do they stand in the way
    assert addresses.person_with("victim@corp.test") == owner
    with pytest.raises(Conflict):
        addresses.prove(squatter, "victim@corp.test")


def test_a_wrong_person_is_refused(world: World) -> None:
    token = mailed(world, "eve@globex.test")
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(SomebodyElse):
        invitations.accept(token=token, actor=world.ada)


def test_a_member_keeps_their_role_whatever_they_are_invited_as(world: World) -> None:
    addresses.prove(world.ada, "ada@home.test")
    token = mailed(world, "ada@home.test", Role.AUDITOR)
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Conflict):
        invitations.accept(token=token, actor=world.ada)


@pytest.mark.parametrize("end", ["used", "declined", "withdrawn", "sent again", "ended", "account off"])
def test_a_link_that_is_over_opens_nothing(world: World, end: str) -> None:
    token = mailed(world)
    with tenant_context(world.acme.pk):
        row = Invitation.objects.get()
        Invitation.objects.update(sent_at=Now() - timedelta(hours=1))
    own = {"account_id": world.acme.pk, "invitation_id": row.pk, "actor": world.dan}
    if end == "used":
        invitations.accept_as_new(token=token, name="N", password=PASSWORD)
    elif end == "declined":
        invitations.decline(token=token)
    elif end == "withdrawn":
        invitations.revoke(**own)
    elif end == "sent again":
        invitations.resend(**own)
    else:
        with tenant_context(world.acme.pk):
            Invitation.objects.update(expires_at=Now()) if end == "ended" else world.acme.__class__.objects.update(is_active=False)  # fmt: skip
    with tenant_context(world.acme.pk), assert_nothing_written():
        for act in (
            lambda: invitations.offer_of(token),
            lambda: invitations.accept_as_new(token=token, name="N", password=PASSWORD),
            lambda: invitations.accept(token=token, actor=world.eve),
            lambda: invitations.decline(token=token),
        ):
            with pytest.raises(Gone):
                act()


@pytest.mark.parametrize("token", ["", "x", "../..", "\x00", "é" * 50])
def test_what_is_no_link_opens_nothing(world: World, token: str) -> None:
    with pytest.raises(Gone):
        invitations.offer_of(token)


def test_sending_again_makes_a_new_link_but_not_at_once(world: World) -> None:
    first = mailed(world)
    with tenant_context(world.acme.pk):
        row = Invitation.objects.get()
    own = {"account_id": world.acme.pk, "invitation_id": row.pk, "actor": world.dan}
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Conflict):
        invitations.resend(**own)
    with tenant_context(world.acme.pk):
        Invitation.objects.update(sent_at=Now() - timedelta(minutes=2))
    invitations.resend(**own)
    second = token_in(run_letters()[-1])
    assert second != first
    assert invitations.offer_of(second).address == "new@person.test"
    assert kinds(world) == ["invitation.sent", "invitation.resent"]


def test_declining_closes_it_and_tells_nothing_but_that(world: World) -> None:
    invitations.decline(token=mailed(world))
    with tenant_context(world.acme.pk):
        assert Invitation.objects.get().declined_at is not None
        event = AuditEvent.objects.filter(kind="invitation.declined").get()
    assert (event.actor_name, event.data["role"]) == ("new@person.test", "reviewer")


def test_who_is_switched_off_comes_back_by_no_old_link_and_neither_do_their_guests(world: World) -> None:
    token = mailed(world, "guest@person.test")
    boss = unproven("boss@acme.test")
    addresses.prove(boss, boss.email)
    with tenant_context(world.acme.pk):
        Membership.objects.create(account=world.acme, user=boss, role="admin")
        own = mailed(world, "boss@home.test", Role.ADMIN)
        addresses.prove(world.dan, "boss@home.test")
        members.set_role(account_id=world.acme.pk, user=world.dan, role=Role.ADMIN, actor=boss, is_active=False)
    for link in (token, own):
        with pytest.raises(Gone):
            invitations.offer_of(link)


def test_own_role_and_the_last_admin_stay(world: World) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written():
        for actor in (world.dan, world.ada):
            with pytest.raises((Invalid, PermissionDenied)):
                members.set_role(account_id=world.acme.pk, user=world.dan, role=Role.AGENT, actor=actor)
        with pytest.raises(Membership.DoesNotExist):
            members.set_role(account_id=world.acme.pk, user=world.eve, role=Role.ADMIN, actor=world.dan)


# --- where no mail can be sent -------------------------------------------------------------------------------------
def test_a_shown_link_proves_no_address(world: World, no_mail: None) -> None:
    token = invite(world, "victim@corp.test").token
    user = invitations.accept_as_new(token=token, name="Somebody", password=PASSWORD)
    row = EmailAddress.objects.get(user=user)
    assert (row.verified, row.primary) == (False, False)
    assert addresses.person_with("victim@corp.test") is None
    assert run_letters() == []
    # Their own later proof is not hindered by it.
    owner = unproven("victim@corp.test")
    addresses.prove(owner, "victim@corp.test")
    assert addresses.person_with("victim@corp.test") == owner


def test_a_shown_link_makes_somebody_new_even_if_the_address_is_somebodys(world: World, no_mail: None) -> None:
    """Else the one who shows the link could see from its page whether the address is known."""
    token = invite(world, "eve@globex.test").token
    before = User.objects.filter(pk=world.eve.pk).values().get()
    user = invitations.accept_as_new(token=token, name="Not Eve", password=PASSWORD)
    assert user.pk != world.eve.pk
    assert User.objects.filter(pk=world.eve.pk).values().get() == before
    assert addresses.person_with("eve@globex.test") == world.eve
    assert addresses.who_may_sign_in("eve@globex.test") == [world.eve, user]


def test_a_shown_link_is_accepted_by_who_names_the_address_but_by_no_other(world: World, no_mail: None) -> None:
    known = unproven("known@person.test")
    token = invite(world, "known@person.test").token
    with pytest.raises(SomebodyElse):
        invitations.accept(token=token, actor=world.eve)
    assert invitations.accept(token=token, actor=known).role == "reviewer"
    stolen = invite(world, "eve@globex.test").token
    with pytest.raises(SomebodyElse):
        invitations.accept(token=stolen, actor=unproven("eve@globex.test"))


# --- two at once ---------------------------------------------------------------------------------------------------
def test_two_who_accept_at_once_make_one_member(committed_world: World, in_threads: Callable[..., list[Any]]) -> None:
    token = mailed(committed_world)

    def join() -> User:
        return invitations.accept_as_new(token=token, name="N", password=PASSWORD)

    answers = in_threads([join, join, join])
    assert sorted(type(answer).__name__ for answer in answers) == ["Gone", "Gone", "User"]
    assert User.objects.filter(email="new@person.test").count() == 1
    with tenant_context(committed_world.acme.pk):
        assert Membership.objects.filter(user__email="new@person.test").count() == 1


def test_an_existing_person_who_presses_twice_is_one_member(
    committed_world: World, in_threads: Callable[..., list[Any]]
) -> None:
    token = mailed(committed_world, "eve@globex.test")
    answers = in_threads([lambda: invitations.accept(token=token, actor=committed_world.eve)] * 2)
    assert sorted(type(answer).__name__ for answer in answers) == ["Gone", "Membership"]


def test_naming_another_first_admin_closes_the_link_to_the_wrong_one(world: World) -> None:
    root = User.objects.create_superuser("root@platform.test", "correct horse")
    account, _ = invitations.found_account(
        name="Initech", slug="initech", timezone="UTC", admin_address="typo@evil.test", actor=root
    )
    wrong = token_in(run_letters()[-1])
    invitations.invite(account_id=account.pk, address="peter@initech.test", role=Role.ADMIN, actor=root)
    right = token_in(run_letters()[-1])
    with pytest.raises(Gone):
        invitations.accept_as_new(token=wrong, name="Thief", password="a long new password")
    invitations.accept_as_new(token=right, name="Peter", password="a long new password")


def test_an_address_longer_than_addresses_are_is_refused(world: World) -> None:
    long = "a@" + ".".join(["b" * 60] * 4) + "." + "c" * 20 + ".test"
    assert 254 < len(long) <= 320
    with pytest.raises(Invalid):
        invitations.invite(account_id=world.acme.pk, address=long, role=Role.AGENT, actor=world.dan)
