"""One's own chats in a browser: in four looks, without a script, by keyboard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from conversations.chats import sessions
from conversations.tenancy import tenant_context
from tests import factories
from tests.browser.conftest import OpenPage
from tests.browser.looks import SCREENS, wrong_on
from tests.conftest import World

PICTURES = os.environ.get("COUNTERSIGN_CHAT_PICTURES", "")


@pytest.fixture
def chat(committed_world: World) -> str:
    """Some chats of Ada's; the address of one that is pinned, a favourite, tagged and long."""
    world = committed_world
    for text in (
        "What do people ask about E85?",
        "Hold times and the lane for fittings",
        "Wrong size in order HRA-21877",
    ):
        session = factories.chat(world.acme, world.ada, text, "And what did we say the last time?")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.set_flag(session_id=session.pk, actor=world.ada, flag="pinned", on=True)
        sessions.set_flag(session_id=session.pk, actor=world.ada, flag="favourite", on=True)
        sessions.set_tags(session_id=session.pk, actor=world.ada, tags=["order", "fuel"])
        for number in range(12):
            sessions.post(session_id=session.pk, actor=world.ada, text=f"Line {number} " + "of it " * 30, request_id="")
    return f"/assistant/{session.pk}/"


@pytest.mark.parametrize("screen", SCREENS)
def test_chats_have_nothing_wrong_in_any_look(
    committed_world: World, chat: str, open_page: OpenPage, screen: tuple[int, int]
) -> None:
    for name, path in (
        ("list", "/assistant/"),
        ("search", "/assistant/?q=fittings"),
        ("nothing found", "/assistant/?q=zeppelin"),
        ("chat", chat),
    ):
        page = open_page(committed_world.ada, path, width=screen[0])
        assert wrong_on(page, screen) == [], name
        if PICTURES:
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.screenshot(path=str(Path(PICTURES) / f"{name}-{screen[0]}-{scheme}.png"))
        page.close()


def test_a_long_chat_begins_at_its_end_without_a_script(committed_world: World, chat: str, open_page: OpenPage) -> None:
    page = open_page(committed_world.ada, chat, script=False)
    expect(page.locator(".bub__t").last).to_be_in_viewport()
    expect(page.locator(".bub__t").first).not_to_be_in_viewport()


def test_a_chat_is_kept_by_keyboard(committed_world: World, chat: str, open_page: OpenPage) -> None:
    page = open_page(committed_world.ada, "/assistant/", width=1440)
    page.locator("#chat-text").focus()
    page.keyboard.type("Which hose for E85?")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".asst__t h1")).to_have_text("Which hose for E85?")
    expect(page.locator(".bub__t")).to_have_text("Which hose for E85?")
