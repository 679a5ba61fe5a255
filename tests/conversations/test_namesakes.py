"""Ways in between the parts of signing in that were each closed by themselves: each was open once."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.test import Client

from conversations.models import FactorReset, Membership, Role, User
from conversations.people import addresses, invitations, lost_factor_mail
from conversations.tenancy import tenant_context
from tests.conftest import World
from tests.conversations.test_limits import THERE, attack, log_in
from tests.letters import unproven


@pytest.fixture
def no_mail(settings: Any) -> None:
    settings.EMAIL_HOST = ""


# --- where no mail can be sent ------------------------------------------------------------------------------------------
def test_where_no_mail_can_be_sent_the_owner_gets_in_during_an_attack_too(world: World, no_mail: None) -> None:
    unproven("late@corp.test")
    own = Client()
    assert log_in("late@corp.test", "correct horse", browser=own).status_code == 302
    own.post("/accounts/logout/")
    attack("late@corp.test")
    assert log_in("late@corp.test", "correct horse", REMOTE_ADDR=THERE).status_code == 429
    assert log_in("late@corp.test", "correct horse", browser=own, REMOTE_ADDR=THERE).status_code == 302


def test_a_device_of_a_namesake_guesses_no_more_than_a_stranger(world: World, no_mail: None) -> None:
    unproven("ada@acme.test", "the thief's own")
    thief = Client()
    assert log_in("ada@acme.test", "the thief's own", browser=thief).status_code == 302
    thief.post("/accounts/logout/")
    attack("ada@acme.test")
    assert log_in("ada@acme.test", "the thief's own", browser=thief, REMOTE_ADDR=THERE).status_code == 302
    thief.post("/accounts/logout/")
    answer = log_in("ada@acme.test", "correct horse", browser=thief, REMOTE_ADDR=THERE)
    assert "_auth_user_id" not in thief.session
    assert answer.status_code in {200, 429}


def test_two_namesakes_both_sign_in_on_one_device(world: World, no_mail: None) -> None:
    unproven("late@corp.test", "the first one's")
    unproven("late@corp.test", "the second one's")
    browser = Client()
    for password in ("the first one's", "the second one's", "the first one's"):
        assert log_in("late@corp.test", password, browser=browser).status_code == 302
        browser.post("/accounts/logout/")


def test_made_up_namesakes_lock_nobody_out(world: World, no_mail: None) -> None:
    for at in range(5):
        sent = invitations.invite(account_id=world.acme.pk, address="new@corp.test", role=Role.AGENT, actor=world.dan)
        invitations.accept_as_new(token=sent.token, name="Thief", password=f"a thief's password {at}")
        with tenant_context(world.acme.pk):
            Membership.objects.filter(user__email="new@corp.test").update(is_active=False)
    for at in range(addresses.MAX_TRIED):
        unproven("new@corp.test", f"another thief's {at}")
    with tenant_context(world.globex.pk):
        Membership.objects.update(role=Role.ADMIN)
    sent = invitations.invite(account_id=world.globex.pk, address="new@corp.test", role=Role.AGENT, actor=world.eve)
    owner = invitations.accept_as_new(token=sent.token, name="Nora", password="the owner's own words")
    browser = Client()
    assert log_in("new@corp.test", "the owner's own words", browser=browser).status_code == 302
    assert browser.session["_auth_user_id"] == str(owner.pk)


def test_the_one_who_has_proven_the_address_is_tried_however_many_say_it_is_theirs(world: World, no_mail: None) -> None:
    for at in range(addresses.MAX_TRIED + 1):
        unproven("late@corp.test", f"somebody's {at}")
    owner = User.objects.create_user("late@corp.test", "the owner's own")
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    assert log_in("late@corp.test", "the owner's own").status_code == 302


# --- second factor ------------------------------------------------------------------------------------------------------
def test_who_says_an_address_that_is_anothers_can_still_give_their_own_password_again(
    world: World, signed_in: Any
) -> None:
    person = unproven("ada@acme.test", "my own password")
    browser = signed_in(person)
    assert browser.post("/accounts/reauthenticate/", {"password": "correct horse"}).status_code == 200
    assert browser.post("/accounts/reauthenticate/", {"password": "my own password"}).status_code == 302


def test_the_mail_that_proves_a_lost_factor_goes_to_a_proven_address_alone(world: World) -> None:
    EmailAddress.objects.filter(user=world.ada).update(verified=False, primary=False)
    EmailAddress.objects.create(user=world.ada, email="ada@home.test", verified=True)
    TOTP.activate(world.ada, generate_totp_secret())
    browser = Client()
    assert log_in("ada@home.test", "correct horse", browser=browser)["Location"] == "/accounts/2fa/authenticate/"
    page = browser.post("/accounts/lost-factor/", {"act": "ask"}).content.decode()
    lost_factor_mail.send(reset_id=FactorReset.objects.get().pk, what="prove")
    assert mail.outbox[-1].to == ["ada@home.test"]
    assert "ada@home.test" in page
    assert "ada@acme.test" not in page


# --- sessions -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "act", [{"action_add": "", "email": "thief@evil.test"}, {"action_primary": "", "email": "ada@home.test"}]
)
def test_a_session_alone_changes_no_address(world: World, signed_in: Any, act: dict[str, str]) -> None:
    EmailAddress.objects.create(user=world.ada, email="ada@home.test", verified=True)
    browser = signed_in(world.ada)
    answer = browser.post("/accounts/email/", act)
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    world.ada.refresh_from_db()
    assert world.ada.email == "ada@acme.test"
    assert not mail.outbox
