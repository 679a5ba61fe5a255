"""A new account is set up in a browser: the pages in four looks, and the whole way without a script."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from playwright.sync_api import Page, expect

from conversations.models import Account, Channel, User
from conversations.people import passwords
from conversations.tenancy import account_directory, tenant_context
from tests import factories
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.looks import SCREENS, wrong_on
from tests.browser.test_invitations import operator
from tests.conftest import World
from tests.conversations.conftest import serve as serve
from tests.letters import path_in

ADD = "/admin/conversations/channel/add/"
PASSWORD = "four plain words here"


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.CHANNEL_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


def worst(world: World) -> Channel:
    """A channel with everything on its page: a failed check with its remedy, and a test that nobody confirmed."""
    lines = [
        {"state": "ok", "title": "Server found", "said": "a-very-long-name-of-a-mail-server.hosting.example:587"},
        {"state": "warn", "title": "Not encrypted", "said": "In the clear.", "remedy": "Use STARTTLS."},
        {"state": "bad", "title": "Not signed in", "said": "535 5.7.8 Error: failed", "remedy": "Enter it again."},
        {"state": "no", "title": "Test", "said": "Not tried."},
    ]
    with tenant_context(world.acme.pk):
        Account.objects.update(set_up_at=None)
        message = factories.message(world.mail)
        world.mail.checked, world.mail.checked_at = lines, message.created_at
        world.mail.tested_at, world.mail.tested_to = message.created_at, "dan@acme.test"
        world.mail.save()
    factories.channel(world.acme, type="slack", external_id="T0123456789", name="Dealers")
    factories.channel(world.acme, external_id="off@acme.test", name="Returns", is_active=False, metadata={})
    return world.mail


@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_are_accessible_and_fit(
    committed_world: World, open_page: OpenPage, complaints: Complaints, screen: tuple[int, int]
) -> None:
    world = committed_world
    channel = worst(world)
    passwords_link = _not_me(world.ada)
    places: list[tuple[User | None, str]] = [
        (world.dan, "/admin/setup/"),
        (world.dan, "/admin/channels/"),
        (world.dan, ADD),
        (world.dan, f"{ADD}?provider=smtp&preset=google"),
        (world.dan, f"{ADD}?provider=slack"),
        (world.dan, f"/admin/conversations/channel/{channel.pk}/change/"),
        (world.dan, f"/admin/conversations/account/{world.acme.pk}/change/"),
        (world.dan, "/accounts/second-factor/"),
        (operator(), "/admin/tenants/"),
        (None, passwords_link),
        (None, "/channel-tests/nothing/"),
        (None, "/accounts/password/reset/key/nothing-here/"),
    ]
    wrong: list[str] = []
    pages: dict[Any, Page] = {}
    for user, path in places:
        key = user and user.pk
        if key in pages:
            pages[key].goto(path)
        else:
            pages[key] = open_page(user, path, width=screen[0])
        wrong += [f"{path}, {words}" for words in wrong_on(pages[key], screen)]
    page = pages[world.dan.pk]
    page.goto(f"{ADD}?provider=smtp")
    page.get_by_role("button", name="Save and switch on").click()
    expect(page.get_by_text("Your other entries are kept.")).to_be_visible()
    wrong += [f"refused, {words}" for words in wrong_on(page, screen)]
    assert wrong == []
    assert complaints == []


def _not_me(user: User) -> str:
    passwords.tell_changed(user)
    return path_in(mail.outbox[-1])


def test_from_a_new_tenant_to_a_proved_channel_without_a_script(
    committed_world: World,
    open_page: OpenPage,
    worker_turn: Callable[[], None],
    serve: Any,
    complaints: Complaints,
) -> None:
    page = set_up(open_page, worker_turn, *serve())
    page.goto("/admin/setup/")
    done = page.locator(".step--done")
    expect(done).to_have_count(1)
    expect(done.get_by_role("heading")).to_have_text("A channel that can reply")
    entry = next(one for one in account_directory() if one["slug"] == "initech")
    with tenant_context(entry["id"]):
        assert Channel.objects.get().is_active
    assert complaints == []


def set_up(open_page: OpenPage, worker_turn: Callable[[], None], port: int, keeper: Any) -> Page:
    """Initech, its admin Pete, and a channel on that SMTP server, as Pete's browser has it."""
    root = open_page(operator(), "/admin/tenants/", script=False)
    root.get_by_label("Name", exact=True).fill("Initech")
    root.get_by_label("Short name").fill("initech")
    root.get_by_label("First admin", exact=True).fill("pete@initech.test")
    root.get_by_role("button", name="Create and invite").click()
    expect(root.get_by_text("The account Initech was created.")).to_be_visible()
    worker_turn()

    page = open_page(None, path_in(mail.outbox[-1]), script=False)
    page.get_by_label("Your name").fill("Pete")
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.get_by_role("button", name="Join and sign in").click()
    expect(page.get_by_role("heading", name="One more thing keeps others out")).to_be_visible()
    page.get_by_role("link", name="Not now, go on with the set-up").click()
    expect(page.get_by_role("heading", name="Set up Initech")).to_be_visible()
    page.get_by_role("link", name="Add a channel").click()
    page.get_by_role("link", name="Another mail server").click()
    page.get_by_label("Name", exact=True).fill("Support")
    page.get_by_label("Address customers write to").fill("help@initech.test")
    page.get_by_label("SMTP server", exact=True).fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill("1")
    page.get_by_label("Encryption", exact=True).select_option("none")
    page.get_by_role("button", name="Check connection").click()
    expect(page.get_by_text("127.0.0.1:1 refused the connection")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Support")  # nothing is typed twice
    page.get_by_label("Port", exact=True).fill(str(port))
    page.get_by_role("button", name="Save and switch on").click()
    expect(page.get_by_text("Support is switched on.")).to_be_visible()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("not confirmed yet")).to_be_visible()

    text = re.sub(r"=\r?\n", "", keeper.envelopes[-1].content.decode()).replace("=3D", "=")
    other = open_page(None, re.search(r"/channel-tests/\S+/", text)[0], script=False)  # type: ignore[index]
    other.get_by_role("button", name="It arrived").click()
    expect(other.get_by_role("heading", name="Thank you")).to_be_visible()
    return page
