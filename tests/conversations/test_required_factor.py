"""An account or the platform needs a second factor: who has none is led to set one up, and can do nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from conversations import factors
from conversations.models import Account, AuditEvent, Membership, User
from conversations.people import tokens
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import _counts as rows_now
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World
from tests.test_isolation_walk import ALL, CANARY, METHODS, filled

SET_UP = "/accounts/2fa/"


@pytest.fixture
def strict(world: World) -> World:
    with tenant_context(world.acme.pk):
        factors.require_second_factor(account_id=world.acme.pk, required=True, actor=world.dan)
    return world


def give_factor(user: User) -> None:
    TOTP.activate(user, generate_totp_secret())


def test_it_is_set_once_and_recorded_once(world: World) -> None:
    with tenant_context(world.acme.pk):
        for _ in range(2):
            account = factors.require_second_factor(account_id=world.acme.pk, required=True, actor=world.dan)
        assert account.options.second_factor
        event = AuditEvent.objects.get(kind="factor.required")
        assert (event.actor_name, event.data) == ("Dan", {"rule": "needs a second factor of everybody"})
        factors.require_second_factor(account_id=world.acme.pk, required=False, actor=world.dan)
        assert AuditEvent.objects.filter(kind="factor.required").count() == 2


def test_another_accounts_rule_cannot_be_set(world: World) -> None:
    with tenant_context(world.globex.pk), assert_nothing_written(), pytest.raises(Account.DoesNotExist):
        factors.require_second_factor(account_id=world.acme.pk, required=True, actor=world.eve)


def test_an_admin_sets_it_in_the_settings_through_the_verb(world: World, signed_in: Any) -> None:
    url = f"/admin/conversations/account/{world.acme.pk}/change/"
    form = {"name": "Acme", "timezone": "UTC", "archive_bodies_after_days": "0", "purge_after_days": "0", "expire_sessions_after_days": "30", "agent_approval": "all", "close_after_days": "0", "hold_seconds": "20", "due_minutes": "60", "draft_burst_seconds": "0", "reply_name": "", "second_factor": "on"}  # fmt: skip
    for name in ("cy", "ada", "bo"):
        assert signed_in(getattr(world, name)).post(url, form).status_code in {302, 403}
    with tenant_context(world.acme.pk):
        assert not Account.objects.get().options.second_factor
    assert signed_in(world.dan).post(url, form).status_code == 302
    with tenant_context(world.acme.pk):
        account = Account.objects.get()
        assert (account.options.second_factor, account.options.hold_seconds) == (True, 20)
        assert AuditEvent.objects.filter(kind="factor.required").count() == 1


@pytest.mark.parametrize("name", ["cy", "ada", "bo", "dan"])
def test_every_address_leads_to_setting_one_up_and_does_nothing(strict: World, signed_in: Any, name: str) -> None:
    message = factories.message(strict.mail, CANARY)
    draft = factories.draft(message)
    browser = signed_in(getattr(strict, name), raise_request_exception=False)
    walked = 0
    with tenant_context(strict.acme.pk):
        before = rows_now()
    for path, converters in ALL:
        url = filled(path, converters, draft.pk)
        if url is None or url.startswith("/switch/"):
            continue
        # Nobody is led away by what they may do, so one of them tries the rarer methods for all.
        for method in METHODS if name == "dan" else METHODS[:2]:
            answer = getattr(browser, method)(url)
            walked += 1
            assert answer.status_code == (302 if method == "get" else 403), (method, url, answer.status_code)
            assert (answer["Location"] if method == "get" else answer["HX-Redirect"]) == SET_UP, url
            assert CANARY.encode() not in answer.content
    assert walked > 300
    with tenant_context(strict.acme.pk):
        assert rows_now() == before
    page = browser.get(SET_UP)
    assert page.status_code == 200
    assert "Acme</bdi> needs a second factor" in page.content.decode()
    assert browser.get("/queue/", headers={"HX-Request": "true"})["HX-Redirect"] == SET_UP


def test_the_account_pages_see_nothing_of_the_account(strict: World, signed_in: Any) -> None:
    answer = signed_in(strict.cy).get(SET_UP)
    assert answer.context["tenant"] is None


def test_with_a_factor_everything_opens_at_once_and_without_it_shuts_at_once(strict: World, signed_in: Any) -> None:
    browser = signed_in(strict.ada)
    assert browser.get("/queue/")["Location"] == SET_UP
    give_factor(strict.ada)
    assert browser.get("/queue/").status_code == 200
    Authenticator.objects.filter(user=strict.ada).update(type="recovery_codes")  # codes alone are no factor
    assert browser.get("/queue/")["Location"] == SET_UP


def test_another_account_of_the_same_person_is_not_shut(strict: World, signed_in: Any) -> None:
    with tenant_context(strict.globex.pk):
        Membership.objects.create(account=strict.globex, user=strict.ada, role="agent")
    browser = signed_in(strict.ada)
    assert browser.get("/queue/")["Location"] == SET_UP
    browser.post("/switch/", {"account": str(strict.globex.pk)})
    assert browser.get("/queue/").status_code == 200


def test_service_tokens_go_on(strict: World, signed_in: Any) -> None:
    url = f"/internal/conversations/{factories.message(strict.mail).conversation_id}"
    with tenant_context(strict.acme.pk):
        _, secret = tokens.issue(account=strict.acme, name="shop", scopes=["conversations:read"], actor=strict.dan)
    for browser in (Client(), signed_in(strict.cy)):
        assert browser.get(url, headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert signed_in(strict.cy).get(url).status_code == 302
    junk = {"Authorization": "Bearer cs_aaaaaaaaaaaa_wrong"}  # a header is no token
    assert signed_in(strict.cy).get("/internal/openapi.json", headers=junk).status_code == 401
    assert signed_in(strict.cy).get(url, headers=junk).status_code == 401


def test_platform_operators_need_one_where_the_installation_says_so(
    world: World, signed_in: Any, settings: Any
) -> None:
    root = User.objects.create_superuser("root@platform.test", "correct horse")
    browser = signed_in(root)
    assert browser.get("/admin/tenants/").status_code == 200
    settings.OPERATORS_NEED_FACTOR = True
    assert browser.get("/admin/tenants/")["Location"] == SET_UP
    assert browser.post("/admin/tenants/", {"account": str(world.acme.pk), "reason": "a look", "minutes": 5}).status_code == 403  # fmt: skip
    give_factor(root)
    assert browser.get("/admin/tenants/").status_code == 200
    assert signed_in(world.ada).get("/queue/").status_code == 200  # other people are not operators


def test_the_rule_costs_no_statement(world: World, signed_in: Any) -> None:
    browser = signed_in(world.ada)
    browser.get("/profile/")
    with counted() as before:
        browser.get("/profile/")
    with tenant_context(world.acme.pk):
        factors.require_second_factor(account_id=world.acme.pk, required=True, actor=world.dan)
    give_factor(world.ada)
    with counted() as after:
        browser.get("/profile/")
    assert len(after) == len(before)


def test_an_operator_without_a_factor_does_not_look_into_an_account_that_needs_one(
    world: World, signed_in: Any
) -> None:
    root = User.objects.create_superuser("root@platform.test", "correct horse")
    with tenant_context(world.acme.pk):
        factors.require_second_factor(account_id=world.acme.pk, required=True, actor=world.dan)
    browser = signed_in(root)
    browser.post("/admin/tenants/", {"account": str(world.acme.pk), "reason": "a look inside", "minutes": "5"})
    answer = browser.get("/conversations/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/2fa/")
