"""Moved single keys in a real browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from conversations.tenancy import tenant_context
from drafts.models import DraftAction
from tests import factories
from tests.browser.conftest import Complaints, OpenPage, Queue, armed
from tests.conftest import World


def test_a_moved_key_decides_and_its_old_place_does_nothing(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("?")
    page.get_by_role("link", name="Move single keys").click()
    page.get_by_label("Approve and send").fill("p")
    page.get_by_label("Next in queue").fill("!")
    page.get_by_role("button", name="Save the keys").click()
    expect(page.locator(".notes")).to_contain_text("Your keys are saved")
    page.goto("/queue/")
    armed(page)
    expect(page.locator(".actions [data-act=approve] kbd")).to_have_text("P")
    page.keyboard.press("a")
    page.keyboard.press("Shift+P")
    page.keyboard.press("j")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer A")
    page.keyboard.press("!")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer B")
    armed(page)
    page.keyboard.press("p")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer C")
    expect(page.locator("#say")).to_contain_text("Z to undo")
    expect(page.locator("#count")).to_have_text("3")  # the answer to it is here
    with tenant_context(queue.world.acme.pk):
        assert DraftAction.objects.filter(type="approve").count() == 1
    page.keyboard.press("z")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer B")


def press(page: Page, key: str, code: str) -> None:
    """A key of a keyboard with another layout, as the browser's own protocol sends it."""
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "code": code, "text": key})
    session.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "code": code})


def test_a_key_of_another_script_is_the_latin_letter_of_its_place(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    press(page, "о", "KeyJ")  # Cyrillic
    expect(page.locator("#rv-title")).to_have_text("Question of Customer B")
    press(page, "η", "KeyJ")  # Greek
    expect(page.locator("#rv-title")).to_have_text("Question of Customer C")
    press(page, "k", "KeyV")  # Dvorak: what is printed on the key decides
    expect(page.locator("#rv-title")).to_have_text("Question of Customer B")
    armed(page)
    press(page, "ф", "KeyA")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer C")
    expect(page.locator("#count")).to_have_text("3")  # the answer to it is here
    with tenant_context(queue.world.acme.pk):
        assert DraftAction.objects.filter(type="approve").count() == 1


def test_no_key_is_an_error_on_any_page(committed_world: World, open_page: OpenPage, complaints: Complaints) -> None:
    """Complaints of the browser fail the test. Each key has a tab of its own: one that leads elsewhere is still under way."""
    talk = factories.message(committed_world.mail).conversation_id
    tabs = open_page(committed_world.ada).context
    for path in ("/queue/", f"/conversations/{talk}/", "/conversations/", "/chats/"):
        for key in (*"abcdefghijklmnopqrstuvwxyz019/?", "Escape", "Enter"):
            page = tabs.new_page()
            page.goto(path)
            page.keyboard.press(key)
            assert not complaints, (path, key, complaints)
            page.close()
