"""Signing in by a provider: it joins who has proven the address that it vouches for, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.core.cache import cache

from conversations.models import User
from conversations.people import addresses
from tests.conftest import World
from tests.letters import unproven

LOGIN, EMAIL, CODE, RESET = (
    "/accounts/login/",
    "/accounts/email/",
    "/accounts/confirm-email/",
    "/accounts/password/reset/",
)


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """allauth's limits on codes and log-ins are counted in the cache, which tests share."""
    cache.clear()


@pytest.fixture
def by_provider(rf: Any, settings: Any) -> Callable[..., tuple[SocialLogin, bool]]:
    """What happens when the company's provider vouches for addresses: the log-in, and whether it is somebody's now."""
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.sessions.backends.db import SessionStore

    from conversations.people.members import InvitedOnlySocialAdapter

    app = {
        "provider_id": "company",
        "name": "Company",
        "client_id": "x",
        "secret": "y",
        "settings": {"server_url": "https://id.test"},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}

    def come(*vouched: str, verified: bool = True, uid: str = "subject-1") -> tuple[SocialLogin, bool]:
        request = rf.get("/")
        request.session, request.user = SessionStore(), AnonymousUser()
        rows = [EmailAddress(email=address, verified=verified) for address in vouched]
        login = SocialLogin(
            user=User(email=vouched[0]), account=SocialAccount(provider="company", uid=uid), email_addresses=rows
        )
        login.lookup()
        InvitedOnlySocialAdapter().pre_social_login(request, login)
        return login, login.is_existing

    return come


def test_a_provider_joins_who_has_proven_the_address(world: World, by_provider: Any) -> None:
    login, joined = by_provider("Ada@Acme.test")
    assert joined and login.user == world.ada
    assert SocialAccount.objects.get(uid="subject-1").user_id == world.ada.pk
    assert by_provider("ada@acme.test")[0].user == world.ada  # the next time by its subject


def test_a_provider_joins_nobody_who_only_names_the_address(world: World, by_provider: Any) -> None:
    unproven("victim@corp.test")
    addresses.claim(world.ada, "victim@corp.test")
    assert by_provider("victim@corp.test")[1] is False
    assert not SocialAccount.objects.exists()


def test_a_provider_that_does_not_vouch_joins_nobody(world: World, by_provider: Any) -> None:
    assert by_provider("ada@acme.test", verified=False)[1] is False
    world.ada.is_active = False
    world.ada.save()
    assert by_provider("ada@acme.test")[1] is False


def test_a_provider_cannot_say_which_of_two_people_it_is(world: World, by_provider: Any) -> None:
    assert by_provider("ada@acme.test", "eve@globex.test")[1] is False


def test_a_provider_that_knows_the_person_proves_what_they_name(world: World, by_provider: Any) -> None:
    person = unproven("late@corp.test")
    SocialAccount.objects.create(user=person, provider="company", uid="subject-9")
    by_provider("late@corp.test", "eve@globex.test", "other@corp.test", uid="subject-9")
    proven = EmailAddress.objects.filter(user=person, verified=True).values_list("email", flat=True)
    assert list(proven) == ["late@corp.test"]


def test_who_a_provider_joined_is_kept_with_the_person(world: World, by_provider: Any) -> None:
    by_provider("ada@acme.test")
    kept = User.objects.get(pk=world.ada.pk)
    assert (kept.auth_provider, kept.auth_subject) == ("company", "subject-1")


def test_a_provider_is_not_asked_who_somebody_is_who_is_signed_in(world: World, by_provider: Any, rf: Any) -> None:
    """They add it to their own account, and allauth asks them for that."""
    from conversations.people.members import InvitedOnlySocialAdapter

    request = rf.get("/")
    request.user = world.eve
    row = EmailAddress(email="ada@acme.test", verified=True)
    login = SocialLogin(user=User(), account=SocialAccount(provider="company", uid="s"), email_addresses=[row])
    adapter = InvitedOnlySocialAdapter()
    adapter.pre_social_login(request, login)
    assert not SocialAccount.objects.exists()
    assert adapter.is_open_for_signup(request, login) is False
    adapter.authenticate_by_email(login)
    assert not login.is_existing
