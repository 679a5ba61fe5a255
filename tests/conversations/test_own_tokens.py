"""A person's own tokens: what they can be good for, who makes and ends them, and what ends them by itself, for good."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import Account, AuditEvent, Membership, PolicyRule, Role, ServiceToken, User
from conversations.models.tenants import OWN_SCOPES
from conversations.people import members, own_tokens, passwords, tokens
from conversations.people.own_tokens import OwnScope
from conversations.tenancy import tenant_context
from drafts import retention
from tests.asserts import assert_nothing_written, assert_nothing_written_in
from tests.conftest import World


def make(world: World, person: User | None = None, **changes: Any) -> tuple[ServiceToken, str]:
    wanted = {"name": "My script", "scopes": ["assistant:read"], "days": 30, **changes}
    with tenant_context(world.acme.pk):
        return own_tokens.make(account_id=world.acme.pk, actor=person or world.cy, **wanted)


def caller(plain: str) -> tokens.Caller | None:
    return tokens.read(f"Bearer {plain}")


def test_the_database_and_the_verb_know_the_same_scopes() -> None:
    assert set(OWN_SCOPES) == set(OwnScope.values)
    assert not set(OWN_SCOPES) & set(tokens.Scope.values)


def test_it_proves_the_person_and_their_role_until_its_end(world: World) -> None:
    token, plain = make(world, scopes=["practice:read", "assistant:read", "assistant:read"])
    found = caller(plain)
    assert found is not None
    assert (found.person, found.role, found.account_id) == (world.cy.pk, "agent", world.acme.pk)
    assert found.scopes == {"assistant:read", "practice:read"}
    assert token.expires_at is not None and token.expires_at - token.created_at == timedelta(days=30)
    with tenant_context(world.acme.pk):
        event = AuditEvent.objects.get(kind="token.own_made")
        assert (event.actor_name, event.object_id) == ("Cy", str(token.pk))
        assert "My script" not in str(event.data) and plain.split("_")[2] not in str(event.data)
        ServiceToken.objects.update(expires_at=database_time.now() - timedelta(seconds=1))
    assert caller(plain) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name": "x" * 61},
        {"scopes": []},
        {"scopes": ["messages:write"]},
        {"days": 2},
        {"days": 7, "scopes": ["assistant:confirm"]},
    ],
)
def test_what_is_not_offered_is_refused(world: World, wrong: dict[str, Any]) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid, match="No token was made"):
        make(world, **wrong)


def test_who_has_no_assistant_here_makes_none(world: World) -> None:
    with tenant_context(world.acme.pk):
        PolicyRule.objects.create(account=world.acme, role="reviewer", verb="assist", kind="any", allowed=False)
        with assert_nothing_written():
            for person in (world.bo, world.eve, world.ada):
                with pytest.raises(PermissionDenied):
                    make(world, person)


def test_more_than_twenty_are_refused_until_one_is_ended(world: World) -> None:
    first, _ = make(world)
    for _ in range(own_tokens.MOST - 1):
        make(world)
    with tenant_context(world.acme.pk):
        with assert_nothing_written(), pytest.raises(Conflict, match="You have 20 tokens"):
            make(world)
        own_tokens.end(token_id=first.pk, actor=world.cy, account_id=world.acme.pk)
    assert make(world)
    assert make(world, world.ada)


def test_only_its_person_ends_it_and_twice_is_once(world: World) -> None:
    token, plain = make(world)
    with tenant_context(world.acme.pk):
        with assert_nothing_written():
            for other, pk in ((world.ada, token.pk), (world.dan, token.pk), (world.cy, uuid.uuid4())):
                with pytest.raises(ServiceToken.DoesNotExist):
                    own_tokens.end(token_id=pk, actor=other, account_id=world.acme.pk)
        own_tokens.end(token_id=token.pk, actor=world.cy, account_id=world.acme.pk)
        with assert_nothing_written():
            own_tokens.end(token_id=token.pk, actor=world.cy, account_id=world.acme.pk)
        assert AuditEvent.objects.get(kind="token.own_ended").actor_name == "Cy"
        assert not own_tokens.live(world.cy, world.acme.pk).exists()
    assert caller(plain) is None


def test_an_admin_ends_a_persons_and_its_name_stays_theirs(world: World) -> None:
    token, plain = make(world)
    with tenant_context(world.acme.pk):
        tokens.revoke(token=token, actor=world.dan)
        assert AuditEvent.objects.get(kind="token.revoked").data == {"name": "of Cy"}
    assert caller(plain) is None


# --- what ends it -----------------------------------------------------------------------------------------------------
def _password(world: World) -> None:
    world.cy.set_password("battery staple")
    world.cy.save(update_fields=["password"])


def _role(world: World) -> None:
    with tenant_context(world.acme.pk):
        members.set_role(account_id=world.acme.pk, user=world.cy, role=Role.REVIEWER, actor=world.dan)
        members.set_role(account_id=world.acme.pk, user=world.cy, role=Role.AGENT, actor=world.dan)


def _off_and_on(world: World) -> None:
    with tenant_context(world.acme.pk):
        for on in (False, True):
            members.set_role(account_id=world.acme.pk, user=world.cy, role=Role.AGENT, actor=world.dan, is_active=on)


def _gone(world: World) -> None:
    with tenant_context(world.acme.pk):
        Membership.objects.filter(user=world.cy).delete()


def _inactive(world: World) -> None:
    for on in (False, True):
        User.objects.filter(pk=world.cy.pk).update(is_active=on)


def _not_me(world: World) -> None:
    passwords.end_everything(world.cy)


@pytest.mark.parametrize("happens", [_password, _role, _off_and_on, _gone, _inactive, _not_me])
def test_it_ends_for_good_with_what_it_rests_on(world: World, happens: Callable[[World], None]) -> None:
    """Nothing of it comes back when the role, the membership or the person does."""
    plain, others, services = make(world)[1], make(world, world.ada)[1], None
    with tenant_context(world.acme.pk):
        services = tokens.issue(account=world.acme, name="Sync", scopes=["messages:write"], actor=world.dan)[1]
    happens(world)
    assert caller(plain) is None
    assert caller(others) is not None and caller(services) is not None


def test_other_changes_of_a_person_end_nothing(world: World) -> None:
    plain = make(world)[1]
    world.cy.display_name = "Cyril"
    world.cy.save()
    with tenant_context(world.acme.pk):
        Membership.objects.get(user=world.cy).save()
    assert caller(plain) is not None


def test_one_of_somebody_who_is_no_member_opens_nothing(world: World) -> None:
    """However the row came there."""
    until = database_time.now() + timedelta(hours=1)
    with tenant_context(world.acme.pk):
        stray = tokens.store(account=world.acme, user=world.eve, name="x", scopes=["assistant:read"], expires_at=until)
    assert caller(stray[1]) is None


def test_an_account_that_is_off_opens_to_nobody(world: World) -> None:
    plain = make(world)[1]
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(is_active=False)
    assert caller(plain) is None


# --- what the database refuses ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("whose", "scopes", "hours"),
    [
        ("nobody", ["assistant:read"], 1),
        ("cy", ["messages:write"], 1),
        ("cy", ["assistant:read", "messages:write"], 1),
        ("cy", ["assistant:read"], None),
        ("cy", ["assistant:confirm"], 25),
    ],
)
def test_no_row_mixes_persons_and_services_or_has_no_end(
    world: World, whose: str, scopes: list[str], hours: int | None
) -> None:
    until = database_time.now() + timedelta(hours=hours) if hours else None
    with tenant_context(world.acme.pk), pytest.raises(IntegrityError, match="servicetoken_"), transaction.atomic():
        tokens.store(
            account=world.acme, user=getattr(world, whose, None), name="x", scopes=scopes, expires_at=until
        )  # fmt: skip


def test_a_person_who_is_removed_takes_their_tokens_along(world: World) -> None:
    plain = make(world, world.ada)[1]
    with tenant_context(world.acme.pk):
        world.ada.delete()
        assert not ServiceToken.objects.exists()
    assert caller(plain) is None


def test_a_colleague_who_is_forgotten_has_no_token_left_and_nobody_else_loses_one(world: World) -> None:
    mine, others = make(world, name="Zebra")[1], make(world, world.ada)[1]
    asked = {"account_id": world.acme.pk, "email": world.cy.email}
    with assert_nothing_written_in(world.acme):
        dry = retention.erase_person(**asked, dry_run=True)
    assert retention.erase_person(**asked, dry_run=False) == dry == {"tokens": 1}
    assert caller(mine) is None and caller(others) is not None
    with tenant_context(world.acme.pk):
        assert not ServiceToken.objects.filter(name="Zebra").exists()
    assert retention.erase_person(**asked, dry_run=False) == {}


def test_a_legal_hold_keeps_them(world: World) -> None:
    plain = make(world)[1]
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(legal_hold=True)
    with assert_nothing_written_in(world.acme):
        retention.erase_person(account_id=world.acme.pk, email=world.cy.email, dry_run=False)
    assert caller(plain) is not None
