"""A real Chromium in front of the live server, signed in as one of the world's people, with everything it complains of."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, Request, Route, expect, sync_playwright

from config.static import whole_sheet
from conversations.channels.base import Party
from conversations.models import Message, User
from conversations.tenancy import SESSION_KEY, memberships_of, tenant_context
from drafts.models import Draft
from tests import factories
from tests.conftest import World

#: The shell is the same engine without a browser's own windows, whose pages cost a second of CPU each time one is opened.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30  # seconds; two workers and their browsers share a small machine with whatever else runs on it
expect.set_options(timeout=PATIENCE * 1000)
SOURCE = "01890000-0000-7000-8000-000000000001"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker("browser")
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Playwright's loop runs in this thread; Django would take that for an async view.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=90_000)
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session", autouse=True)
def whole_sheets() -> Iterator[None]:
    """Styles as they are served, in one sheet: a browser that fetches each part waits for them one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        found = StaticFilesHandler.get_response

        def serve(self: StaticFilesHandler, request: Any) -> Any:
            if not request.path.endswith(".css"):
                return found(self, request)
            path = finders.find(self.file_path(request.path).lstrip("/"))
            return HttpResponse(whole_sheet(Path(str(path))), content_type="text/css")

        patch.setattr(StaticFilesHandler, "get_response", serve)
        yield


class Complaints(list[str]):
    """What a page complained of: errors, refused by the policy, fetched from elsewhere."""


OpenPage = Callable[..., Page]


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def open_page(browser: Browser, live_server: Any, complaints: Complaints) -> Iterator[OpenPage]:
    """`open_page(user, "/queue/", width=390, scheme="dark", script=False)`: a signed-in page, already there."""
    contexts = []

    def open_(
        user: User | None, path: str = "/queue/", *, width: int = 1440, scheme: Any = "light", script: bool = True
    ) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        contexts.append(context)
        if user is not None:
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": _session(user), "url": live_server.url}]
            )
        context.set_default_timeout(PATIENCE * 1000)
        context.on("weberror", lambda found: complaints.append(f"script: {found.error}"))
        context.on("console", lambda m: complaints.append(m.text) if "Content Security Policy" in m.text else None)
        context.on("requestfinished", lambda request: _elsewhere(request, live_server.url, complaints))
        context.on("requestfailed", lambda request: _elsewhere(request, live_server.url, complaints))
        page = context.new_page()
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()


def _elsewhere(request: Request, home: str, complaints: Complaints) -> None:
    """A request that left this machine's server, unless the browser refused it under the policy before it left."""
    if not request.url.startswith((home, "data:", "blob:", "about:")) and request.failure != "csp":
        complaints.append(f"elsewhere: {request.url}")


def _session(user: User) -> str:
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    session = client.session
    session[SESSION_KEY] = str(memberships_of(user)[0]["account_id"])
    session.save()
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def armed(page: Page) -> None:
    """Wait until the draft on screen may be decided: a moment after it was painted."""
    page.locator("#decide[data-armed]").wait_for(state="attached")


def until(page: Page, holds: Callable[[], object], what: str) -> None:
    """Wait for something that no page shows: a request caught by a route, a row in the database."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, f"not within {PATIENCE} s: {what}"
        page.wait_for_timeout(25)  # a route's handler runs only inside of a call of Playwright's


def catch(page: Page, url: str, handler: Callable[[Route], object]) -> None:
    """`page.route`, in force when this returns: the browser says so before the page's own loader knows of it, and a request
    that was sent at once passed by unseen."""
    page.route(url, handler)
    page.route("**/caught/", lambda route: route.fulfill(body="yes"))
    page.evaluate("async () => { while (await (await fetch('/caught/')).text() !== 'yes'); }")
    page.unroute("**/caught/")


class Queue:
    """Acme's queue for these tests: three sourced drafts and one with an unsourced statement, in this order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.first, self.second, self.third = (self.sourced(f"Customer {name}", at) for at, name in enumerate("ABC", 1))
        self.risky = self.unsourced("Customer D", 4)

    def message(self, name: str) -> Message:
        sender = Party(f"{name.replace(' ', '.').lower()}@customer.test", name)
        return factories.message(
            self.world.mail, f"Is PTFE right for E85, asks {name}?", sender=sender, subject=f"Question of {name}"
        )

    def writes_again(self, draft: Draft, text: str) -> Message:
        """The customer of this draft sends another message in the same thread."""
        with tenant_context(draft.account_id):
            base = Message.objects.select_related("conversation").get(pk=draft.base_message_id)
        customer = base.conversation
        sender = Party(customer.customer_email, customer.customer_name)
        return factories.reply_to(base, text, sender=sender)

    def sourced(self, name: str, place: int, **changes: Any) -> Draft:
        source = {
            "passage": SOURCE,
            "title": "PTFE and E85",
            "url": "https://docs.acme.test/ptfe",
            "quote": factories.SENTENCE,
            "indexed_at": (timezone.now() - timedelta(days=40)).isoformat(),
        }
        due = timezone.now() + timedelta(hours=place)
        return factories.draft(self.message(name), top_sources=[source], due_at=due, checks=[{"ok": True, "text": "Every statement sourced"}], **changes)  # fmt: skip

    def unsourced(self, name: str, place: int) -> Draft:
        text = "Hi,\n\nTighten the ends to 18 ft-lb.\n\nBest regards"
        statements = [{"start": 5, "end": 34, "sources": []}]
        due = timezone.now() + timedelta(hours=place)
        return factories.draft(self.message(name), text, statements=statements, due_at=due)


def statuses(queue: Queue) -> dict[str, str]:
    with tenant_context(queue.world.acme.pk):
        return {d.conversation.customer_name[-1]: d.status for d in Draft.objects.select_related("conversation")}


def wait_for_status(page: Page, draft: Draft, status: str) -> None:
    def is_so() -> bool:
        with tenant_context(draft.account_id):
            return Draft.objects.values_list("status", flat=True).get(pk=draft.pk) == status

    until(page, is_so, f"the draft is {status}")


def title(page: Page) -> Any:
    return page.locator("#rv-title")


@pytest.fixture
def queue(committed_world: World) -> Queue:
    return Queue(committed_world)
