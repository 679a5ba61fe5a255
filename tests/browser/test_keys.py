"""Moved single keys in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from conversations.tenancy import tenant_context
from drafts.models import DraftAction
from tests.browser.conftest import OpenPage, Queue, armed


def test_a_moved_key_decides_and_its_old_place_does_nothing(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("?")
    page.get_by_role("link", name="Move single keys").click()
    page.get_by_label("Approve and send").fill("q")
    page.get_by_label("Next in queue").fill("!")
    page.get_by_role("button", name="Save the keys").click()
    expect(page.locator(".notes")).to_contain_text("Your keys are saved")
    page.goto("/queue/")
    armed(page)
    expect(page.locator(".actions [data-act=approve] kbd")).to_have_text("Q")
    page.keyboard.press("a")
    page.keyboard.press("Shift+Q")
    page.keyboard.press("j")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer A")
    page.keyboard.press("!")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer B")
    armed(page)
    page.keyboard.press("q")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer C")
    expect(page.locator("#say")).to_contain_text("Z to undo")
    expect(page.locator("#count")).to_have_text("3")  # the answer to it is here
    with tenant_context(queue.world.acme.pk):
        assert DraftAction.objects.filter(type="approve").count() == 1
    page.keyboard.press("z")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer B")
