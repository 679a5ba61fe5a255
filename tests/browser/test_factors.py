"""Second factors in a real browser: set up, used, lost and recovered; every page of them accessible, under our policy."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core import mail
from django.db.models import F
from playwright.sync_api import Page, expect

from conversations import factors
from conversations.models import AuditEvent, FactorReset, Notification, User
from conversations.tenancy import tenant_context
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.looks import SCREENS, violations, wrong_on
from tests.conftest import World

PASSWORD = "correct horse"


def key_holder(page: Page) -> Any:
    """A platform authenticator whose owner always agrees."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    found = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return devtools, found["authenticatorId"]


def digits(secret: str, ahead: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + ahead))


def sign_in(page: Page, user: User) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Work email").fill(user.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.locator("main form button").first.click()
    expect(page.get_by_label("Work email")).to_be_visible()


def confirm_it_is_me(page: Page) -> None:
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def set_up_app(page: Page) -> str:
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Set up an app").click()
    if page.get_by_label("Your password").count():
        confirm_it_is_me(page)
    secret = page.get_by_label("Or type this key").input_value()
    page.get_by_label("Then enter the 6 digits it shows").fill(digits(secret))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    return secret


def in_the_desk(page: Page) -> None:
    expect(page).to_have_url(re.compile("/queue/"))


def test_an_app_is_set_up_and_asked_for_and_its_code_is_good_once(
    committed_world: World, open_page: OpenPage, complaints: Complaints, settings: Any
) -> None:
    settings.MFA_TOTP_TOLERANCE = 1  # the code of the next half minute counts too: nobody waits for it here
    page = open_page(None, "/accounts/login/")
    sign_in(page, committed_world.ada)
    secret = set_up_app(page)
    stored = Authenticator.objects.get(user=committed_world.ada, type="totp").data["secret"]
    assert secret not in stored
    sign_out(page)
    sign_in(page, committed_world.ada)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.goto("/queue/")
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()  # half a log-in opens nothing
    page.get_by_label("Code of your app").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#code-error")).to_contain_text("Incorrect code")
    code = digits(secret, ahead=1)
    page.get_by_label("Code of your app").fill(code)
    page.get_by_role("button", name="Sign in").click()
    in_the_desk(page)
    sign_out(page)
    sign_in(page, committed_world.ada)
    page.get_by_label("Code of your app").fill(code)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#code-error")).to_be_visible()
    assert complaints == []


def test_a_passkey_is_added_signs_in_alone_and_is_a_second_step(
    committed_world: World, open_page: OpenPage, complaints: Complaints
) -> None:
    page = open_page(None, "/accounts/login/")
    key_holder(page)
    sign_in(page, committed_world.ada)
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Add a passkey").click()
    confirm_it_is_me(page)
    page.get_by_label("Name, so that you know it again").fill("Ada's laptop")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    in_the_desk(page)
    sign_out(page)
    sign_in(page, committed_world.ada)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    in_the_desk(page)
    page.goto("/accounts/2fa/")
    expect(page.locator(".factors")).to_contain_text("Ada's laptop")
    page.get_by_role("link", name="Remove").click()
    if page.get_by_label("Your password").count():
        confirm_it_is_me(page)
    page.get_by_role("button", name="Remove").click()
    assert not Authenticator.objects.filter(user=committed_world.ada).exists()  # and the recovery codes with the last
    assert complaints == []


def test_somebody_elses_passkey_says_so_and_opens_nothing(committed_world: World, open_page: OpenPage) -> None:
    page = open_page(None, "/accounts/login/")
    devtools, holder = key_holder(page)
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": holder, "isUserVerified": False})
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_timeout(500)
    page.goto("/queue/")
    expect(page.get_by_label("Work email")).to_be_visible()


def test_a_recovery_code_signs_in_once(committed_world: World, open_page: OpenPage) -> None:
    page = open_page(None, "/accounts/login/")
    sign_in(page, committed_world.ada)
    set_up_app(page)
    codes = page.locator(".codes li").all_inner_texts()
    assert len(codes) == 10
    for tried, outcome in ((codes[0], True), (codes[0], False), (codes[1], True)):
        if "/2fa/authenticate/" not in page.url:
            sign_out(page)
            sign_in(page, committed_world.ada)
        page.get_by_label("Code of your app").fill(tried)
        page.get_by_role("button", name="Sign in").click()
        if outcome:
            in_the_desk(page)
        else:
            expect(page.locator("#code-error")).to_be_visible()
    page.goto("/accounts/2fa/")
    expect(page.locator("main")).to_contain_text("8 left")


def test_a_lost_factor_is_taken_away_after_proof_and_a_day(
    committed_world: World,
    open_page: OpenPage,
    worker_turn: Any,
    complaints: Complaints,
    settings: Any,
    live_server: Any,
) -> None:
    settings.SITE_URL = live_server.url
    world, ada = committed_world, committed_world.ada
    page = open_page(None, "/accounts/login/")
    sign_in(page, ada)
    set_up_app(page)
    sign_out(page)
    sign_in(page, ada)
    page.get_by_role("link", name="I lost it").click()
    page.get_by_role("button", name="Mail me the link").click()
    expect(page.locator("main")).to_contain_text("We mailed a link")
    worker_turn()
    link = re.search(r"http\S+/prove/\S+/", mail.outbox[-1].body)
    assert link is not None
    assert mail.outbox[-1].to == [ada.email]
    other = open_page(None, link[0])  # on the phone, signed in nowhere
    assert violations(other) == []
    other.get_by_role("button", name="Yes, it is lost").click()
    expect(other.get_by_role("heading", name="Your address is proved")).to_be_visible()
    worker_turn()
    assert {tuple(letter.to) for letter in mail.outbox[-2:]} == {(ada.email,), (world.dan.email,)}
    page.goto("/accounts/lost-factor/")
    expect(page.locator("main")).to_contain_text("Come back after")
    assert page.get_by_role("button", name="Take it away").count() == 0
    day = timedelta(days=1)
    FactorReset.objects.update(proved_at=F("proved_at") - day, ready_at=F("ready_at") - day)
    page.goto("/accounts/lost-factor/")
    page.get_by_role("button", name="Take it away and sign in").click()
    in_the_desk(page)
    assert not Authenticator.objects.filter(user=ada).exists()
    with tenant_context(world.acme.pk):
        assert AuditEvent.objects.filter(kind="factor.lost").count() == 3
        assert set(Notification.objects.values_list("user_id", "type")) == {(world.dan.pk, "factor_lost")}
    assert complaints == []


def test_whoever_must_have_one_is_led_there_and_then_to_the_desk(committed_world: World, open_page: OpenPage) -> None:
    with tenant_context(committed_world.acme.pk):
        factors.require_second_factor(account_id=committed_world.acme.pk, required=True, actor=committed_world.dan)
    page = open_page(None, "/accounts/login/")
    sign_in(page, committed_world.ada)
    expect(page.get_by_role("heading", name="Second factor", exact=True)).to_be_visible()
    expect(page.locator("main")).to_contain_text("Acme needs a second factor of everybody")
    set_up_app(page)
    page.get_by_role("link", name="to the queue").click()
    in_the_desk(page)


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_of_it_is_accessible_and_fits(
    committed_world: World, open_page: OpenPage, complaints: Complaints, screen: tuple[int, int]
) -> None:
    page = open_page(None, "/accounts/login/", width=screen[0])
    wrong: list[str] = []

    def look(name: str) -> None:
        wrong.extend(f"{name}, {words}" for words in wrong_on(page, screen))

    sign_in(page, committed_world.ada)
    page.goto("/accounts/2fa/")
    look("nothing set up")
    page.goto("/accounts/2fa/totp/activate/")
    look("again")
    confirm_it_is_me(page)
    look("app")
    page.get_by_label("Then enter the 6 digits it shows").fill("000000")
    page.get_by_role("button", name="Confirm").click()
    look("app, wrong code")
    set_up_app(page)
    look("codes")
    for path in ("", "totp/deactivate/", "recovery-codes/generate/", "webauthn/", "webauthn/add/", "reauthenticate/"):
        page.goto(f"/accounts/2fa/{path}")
        look(path or "set up")
    sign_out(page)
    sign_in(page, committed_world.ada)
    look("second step")
    page.get_by_role("link", name="I lost it").click()
    look("lost")
    page.get_by_role("button", name="Mail me the link").click()
    look("lost, mailed")
    page.get_by_role("link", name="Back to the second step").click()
    page.get_by_role("button", name="Cancel").click()
    for _ in range(11):
        page.get_by_label("Work email").fill("nobody@acme.test")
        page.get_by_label("Password", exact=True).fill("x")
        page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#login-error")).to_contain_text("Too many tries")
    look("too many tries")
    assert wrong == []
    assert complaints == []
