"""Service tokens: who may issue one, what is stored of it, and what opens nothing."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from conversations import audit
from conversations.errors import Invalid
from conversations.models import Account, AuditEvent, ServiceToken
from conversations.people import tokens
from conversations.people.tokens import Scope
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World


def issue(world: World, **changes: Any) -> tuple[ServiceToken, str]:
    return tokens.issue(
        **{"account": world.acme, "name": "Sync", "scopes": ["messages:write"], "actor": world.dan, **changes}
    )


def read(plain: str) -> tokens.Caller | None:
    return tokens.read(f"Bearer {plain}")


def test_it_is_shown_once_and_stored_as_a_digest(world: World, acme: Account) -> None:
    until = timezone.now() + timedelta(days=1)
    token, plain = issue(world, scopes=["messages:write", "conversations:read", "messages:write"], expires_at=until)
    found = re.fullmatch(r"cs_([a-z0-9]{12})_([A-Za-z0-9_-]{43})", plain)
    assert found is not None
    token.refresh_from_db()
    assert (token.key, token.secret_hash) == (found[1], hashlib.sha256(found[2].encode()).hexdigest())
    assert (token.account_id, token.name, token.expires_at) == (acme.pk, "Sync", until)
    assert token.scopes == ["conversations:read", "messages:write"]
    assert token.last_used_at is None
    event = AuditEvent.objects.get(kind="token.issued")
    assert (event.actor_name, event.object_id, event.account_id) == ("Dan", str(token.pk), acme.pk)
    assert event.data["name"] == "Sync"
    assert set(event.data["scopes"]) == {Scope.READ_CONVERSATIONS, Scope.WRITE_MESSAGES}
    assert found[2] not in str(event.data)


def test_it_proves_its_account_its_name_and_its_scopes(world: World, acme: Account) -> None:
    token, plain = issue(world)
    caller = read(plain)
    assert caller == tokens.Caller(token.pk, acme.pk, "Sync", frozenset({"messages:write"}))
    assert caller.actor == audit.Actor(AuditEvent.ActorType.SERVICE, "Sync", str(token.pk))
    assert tokens.read(f"bearer   {plain} ") == caller, "blanks around it and the scheme's case do not matter"


def test_two_tokens_share_neither_key_nor_secret(world: World, acme: Account) -> None:
    first, second = issue(world)[1].split("_", 2), issue(world)[1].split("_", 2)
    assert first[1] != second[1]
    assert first[2] != second[2]


@pytest.mark.parametrize("scopes", [[], ["messages:write", "everything"]])
def test_scopes_that_do_not_exist_are_refused(world: World, acme: Account, scopes: list[str]) -> None:
    with assert_nothing_written(), pytest.raises(Invalid, match=r"conversations:read, messages:write"):
        issue(world, scopes=scopes)


@pytest.mark.parametrize("name", ["ada", "bo", "cy", "eve"])
def test_only_an_admin_issues_and_revokes(world: World, acme: Account, name: str) -> None:
    token, plain = issue(world)
    with assert_nothing_written():
        with pytest.raises(PermissionDenied):
            issue(world, actor=getattr(world, name))
        with pytest.raises(PermissionDenied):
            tokens.revoke(token=token, actor=getattr(world, name))
    assert read(plain) is not None


def test_the_system_may_issue_without_a_person(world: World, acme: Account) -> None:
    assert read(issue(world, actor=audit.SYSTEM)[1]) is not None


def test_a_revoked_one_opens_nothing_and_is_in_the_trail_once(world: World, acme: Account) -> None:
    token, plain = issue(world)
    other = issue(world)[1]
    tokens.revoke(token=token, actor=world.dan)
    token.refresh_from_db()
    first = token.revoked_at
    assert first is not None
    tokens.revoke(token=token, actor=world.dan)
    token.refresh_from_db()
    assert token.revoked_at == first
    event = AuditEvent.objects.get(kind="token.revoked")
    assert (event.actor_name, event.object_id, event.data) == ("Dan", str(token.pk), {"name": "Sync"})
    assert read(plain) is None
    assert read(other) is not None


def test_an_expired_one_opens_nothing(world: World, acme: Account) -> None:
    assert read(issue(world, expires_at=timezone.now() + timedelta(minutes=1))[1]) is not None
    assert read(issue(world, expires_at=timezone.now() - timedelta(minutes=1))[1]) is None


def test_what_is_no_token_of_ours_opens_nothing(world: World, acme: Account) -> None:
    plain, other = issue(world)[1], issue(world)[1]
    _, key, secret = plain.split("_", 2)
    for header in (
        "",
        "Bearer",
        plain,
        f"Basic {plain}",
        f"Bearer x{plain}",
        f"Bearer {plain}x",
        f"Bearer cs_{key}_{'a' * 43}",
        f"Bearer cs_{'a' * 12}_{secret}",
        f"Bearer cs_{other.split('_', 2)[1]}_{secret}",
    ):
        assert tokens.read(header) is None, header


def test_a_use_is_remembered_at_most_once_a_minute(world: World, acme: Account) -> None:
    token, plain = issue(world)
    other = issue(world)[0]
    caller = read(plain)
    assert caller is not None

    def used(at: Any) -> Any:
        ServiceToken.objects.filter(pk=token.pk).update(last_used_at=at)
        caches["process"].clear()
        tokens.touch(caller)
        token.refresh_from_db()
        return token.last_used_at

    assert used(None) is not None
    half_a_minute, longer = timezone.now() - timedelta(seconds=30), timezone.now() - timedelta(seconds=90)
    assert used(half_a_minute) == half_a_minute
    assert used(longer) > half_a_minute
    ServiceToken.objects.filter(pk=token.pk).update(last_used_at=longer)
    with counted() as queries:
        tokens.touch(caller)
    assert not queries  # this process has just written it
    other.refresh_from_db()
    assert other.last_used_at is None
