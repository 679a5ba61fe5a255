"""The README's pictures, taken from the demo tenant: COUNTERSIGN_SCREENSHOTS=docs/screenshots pytest <this file>."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from conversations.models import Conversation, Delivery, ProposedAction, User
from conversations.tenancy import account_directory, tenant_context
from drafts.demo import seeding
from drafts.models import Scenario
from tests.browser.conftest import OpenPage
from tests.factories import Practice
from tests.ingestion.conftest import chroma_url  # noqa: F401 - a fixture

FOLDER = os.environ.get("COUNTERSIGN_SCREENSHOTS", "")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="pictures are taken only when COUNTERSIGN_SCREENSHOTS names a folder"
)


def _edit(page: Page) -> None:
    page.keyboard.press("e")
    box = page.locator("#final")
    text = box.input_value()
    box.fill(text.replace("Thanks for getting in touch.", "Good question, and better asked before the first tank."))
    expect(page.locator("#saved")).to_contain_text("Saved")


def _ask_why(page: Page) -> None:
    page.keyboard.press("j")
    page.keyboard.press("r")
    expect(page.locator("[data-form=reject]")).to_be_visible()


def _nothing(page: Page) -> None:
    expect(page.locator("#main")).to_be_visible()


def _ask(page: Page) -> None:
    page.locator("[data-act=assist]").click()
    expect(page.locator(".asst .act")).to_be_visible()
    page.locator("#as-t").focus()


def _card(page: Page) -> None:
    expect(page.locator(".act[data-armed='1']")).to_be_visible()


def test_the_pictures_of_the_readme(
    committed: None,
    open_page: OpenPage,
    settings: Any,
    chroma_url: str,  # noqa: F811
) -> None:
    settings.CHROMA_URL = chroma_url
    folder = Path(settings.BASE_DIR) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    seeding.seed(password="for pictures only", say=lambda words: None)
    tess = User.objects.with_address("tess@hotrodan.example").get()
    account = next(entry for entry in account_directory() if entry["slug"] == seeding.SLUG)
    with tenant_context(account["id"]):
        answered = Delivery.objects.filter(approved_by=tess).values_list("conversation_id", flat=True)
        told = Conversation.objects.filter(pk__in=answered).order_by("number").values_list("pk", flat=True)[0]
    with tenant_context(account["id"], person=tess.pk):
        chat = f"/assistant/{ProposedAction.objects.get(owner=tess).session_id}/"
    with tenant_context(account["id"]):
        scenario = Scenario.objects.get(title__startswith="Rosa")
    talk = Practice(scenario, tess)
    talk.draft()
    timeline = f"/conversations/{told}/timeline/"

    def choose(page: Page) -> None:
        page.locator(".tl__e--p .tl__at").last.click()
        expect(page.locator("#detail")).to_contain_text("This hash")

    shots: list[tuple[str, str, Callable[[Page], Any], dict[str, Any]]] = [
        ("queue-light", "/queue/", _nothing, {}),
        ("queue-dark", "/queue/", _nothing, {"scheme": "dark"}),
        ("reject-dark", "/queue/", _ask_why, {"scheme": "dark"}),
        ("timeline-light", timeline, choose, {}),
        ("history-light", "/conversations/", _nothing, {}),
        ("phone-queue", "/queue/", _nothing, {"width": 390}),
        ("phone-review", "/queue/", lambda page: page.locator(".row").first.click(), {"width": 390}),
        ("phone-timeline-dark", timeline, _nothing, {"width": 390, "scheme": "dark"}),
        ("assistant-light", "/queue/", _ask, {}),
        ("assistant-dark", "/queue/", _ask, {"scheme": "dark"}),
        ("chat-light", chat, _card, {}),
        ("phone-chat-dark", chat, _card, {"width": 390, "scheme": "dark"}),
        ("practice-light", f"/practice/{talk.session.pk}/", _nothing, {}),
        ("configuration-dark", "/settings/configuration/", _nothing, {"scheme": "dark"}),
        ("waiting-light", "/assistant/waiting/", _card, {}),
        ("edit-light", "/queue/", _edit, {}),  # last: it saves a version
    ]
    for name, path, act, how in shots:
        page = open_page(tess, path, **how)
        act(page)
        page.wait_for_timeout(300)
        page.screenshot(path=folder / f"{name}.png")
    page = open_page(None, "/accounts/login/")
    page.screenshot(path=folder / "sign-in-light.png")
    assert len(list(folder.glob("*.png"))) >= len(shots) + 1
