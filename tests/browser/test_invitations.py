"""Being invited, in a real browser without scripts where a form must do: the admin asks, the mail comes, the person is in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from playwright.sync_api import Page, expect

from conversations.models import Membership, Role, User
from conversations.people import addresses, invitations
from conversations.tenancy import tenant_context
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.looks import SCREENS, wrong_on
from tests.conftest import World
from tests.letters import path_in, unproven

PASSWORD = "a long new password"


@pytest.fixture
def world(committed_world: World, settings: Any, live_server: Any) -> World:
    settings.SITE_URL = live_server.url
    cache.clear()
    mail.outbox.clear()
    return committed_world


def invite(page: Page, address: str, role: str) -> None:
    page.get_by_label("Work email").fill(address)
    page.get_by_label("Role").first.select_option(role)
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_text(f"The invitation to {address} is on its way.")).to_be_visible()


def test_a_new_person_is_invited_and_is_in_the_account(
    world: World, open_page: OpenPage, worker_turn: Callable[[], None], complaints: Complaints
) -> None:
    admin = open_page(world.dan, "/admin/people/", script=False)
    invite(admin, "nora@person.test", "agent")
    worker_turn()
    new = open_page(None, path_in(mail.outbox[-1]), script=False)
    expect(new.get_by_role("heading", name="Join Acme")).to_be_visible()
    new.get_by_label("Your name").fill("Nora New")
    new.get_by_label("Choose a password").fill(PASSWORD)
    new.get_by_role("button", name="Join and sign in").click()
    expect(new.get_by_text("You are in Acme now, as agent.")).to_be_visible()
    admin.goto("/admin/people/")
    expect(admin.get_by_role("cell", name="Nora New").first).to_be_visible()
    expect(admin.get_by_role("heading", name="Invited")).to_have_count(0)
    again = open_page(None, path_in(mail.outbox[-1]), script=False)
    expect(again.get_by_role("heading", name="This link opens nothing any more")).to_be_visible()
    assert complaints == []


def test_an_existing_person_signs_in_as_themselves_and_accepts(
    world: World, open_page: OpenPage, worker_turn: Callable[[], None], complaints: Complaints
) -> None:
    invite(open_page(world.dan, "/admin/people/"), "eve@globex.test", "reviewer")
    worker_turn()
    link = path_in(mail.outbox[-1])
    wrong = open_page(world.ada, link)
    expect(wrong.get_by_role("heading", name="This invitation is for another address")).to_be_visible()
    wrong.get_by_role("button", name="Sign out and come back as yourself").click()
    wrong.get_by_label("Password").fill("correct horse")
    wrong.get_by_role("button", name="Sign in to accept").click()
    wrong.get_by_role("button", name="Accept").click()
    expect(wrong.get_by_text("You are in Acme now, as reviewer.")).to_be_visible()
    with tenant_context(world.acme.pk):
        assert Membership.objects.get(user=world.eve).role == "reviewer"
    assert complaints == []


def test_the_platform_makes_a_tenant_and_its_first_admin_comes_in(
    world: World, open_page: OpenPage, worker_turn: Callable[[], None]
) -> None:
    page = open_page(operator(), "/admin/tenants/", script=False)
    page.get_by_label("Name", exact=True).fill("Initech")
    page.get_by_label("Short name").fill("initech")
    page.get_by_label("First admin", exact=True).fill("pete@initech.test")
    page.get_by_role("button", name="Create and invite").click()
    expect(page.get_by_text("The account Initech was created.")).to_be_visible()
    worker_turn()
    new = open_page(None, path_in(mail.outbox[-1]), script=False)
    new.get_by_label("Your name").fill("Pete")
    new.get_by_label("Choose a password").fill(PASSWORD)
    new.get_by_role("button", name="Join and sign in").click()
    expect(new.get_by_text("You are in Initech now, as admin.")).to_be_visible()


def operator() -> User:
    """With a membership of Globex's, for a signed-in browser of these tests needs one."""
    from conversations.models import Account
    from conversations.tenancy import account_directory

    user = User.objects.create_superuser("root@platform.test", "x", display_name="Root")
    addresses.prove(user, user.email)
    entry = next(entry for entry in account_directory() if entry["slug"] == "globex")
    with tenant_context(entry["id"]):
        Membership.objects.create(account=Account.objects.get(), user=user, role="reviewer")
    return user


def test_an_address_is_proven_by_the_code_from_the_mail(world: World, open_page: OpenPage) -> None:
    unproven("late@person.test")
    page = open_page(None, "/accounts/login/", script=False)
    page.get_by_label("Work email").fill("late@person.test")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
    page.get_by_label("Code from the mail").fill("AAAA-AAAA")
    page.get_by_role("button", name="Confirm the address").click()
    expect(page.get_by_text("4 tries are left")).to_be_visible()
    # The link in the mail opens the same page with the code in its box.
    page.goto(path_in(mail.outbox[-1]))
    page.get_by_role("button", name="Confirm the address").click()
    expect(page).not_to_have_url("**/confirm-email/**")
    assert addresses.person_with("late@person.test") is not None


@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_are_accessible_and_fit(
    world: World, open_page: OpenPage, complaints: Complaints, settings: Any, screen: tuple[int, int]
) -> None:
    own = {"account_id": world.acme.pk, "actor": world.dan}
    settings.EMAIL_HOST = ""
    shown = invitations.invite(address="shown@person.test", role=Role.AGENT, **own)
    known = invitations.invite(address="eve@globex.test", role=Role.REVIEWER, **own)
    settings.EMAIL_HOST = "mail.desk.test"
    with tenant_context(world.acme.pk):
        known.invitation.is_shown = False
        known.invitation.save(update_fields=["is_shown"])
    invitations.invite(
        address="an.unusually.long.address.of.somebody@department.corporation.test", role=Role.ADMIN, **own
    )
    new, existing = (f"/invitations/{sent.token}/" for sent in (shown, known))
    places = [
        (world.dan, "/admin/people/"),
        (operator(), "/admin/tenants/"),
        (None, new),
        (None, existing),
        (world.eve, existing),
        (world.ada, existing),
        (None, "/invitations/wrong/"),
        (world.ada, "/accounts/email/"),
        (None, "/accounts/password/reset/"),
        (None, "/accounts/password/reset/done/"),
    ]
    wrong = []
    pages: dict[Any, Page] = {}
    for user, path in places:
        key = user and user.pk
        if key in pages:
            pages[key].goto(path)
        else:
            pages[key] = open_page(user, path, width=screen[0])
        wrong += [f"{path}, {words}" for words in wrong_on(pages[key], screen)]
    assert wrong == []
    assert complaints == []
