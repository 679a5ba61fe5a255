"""What else a press does: an act by Y and its number, a redraft of the draft that is open, words said, words saved later."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from playwright.sync_api import Page, Request, expect

from conversations.tenancy import tenant_context
from drafts.models import Draft, DraftRevision
from tests.browser.conftest import OpenPage, Queue, armed, title, until


def at_the_second(queue: Queue, open_page: OpenPage) -> Page:
    """The queue's second draft, walked to: its forms are the page's, made for the first."""
    page = open_page(queue.world.ada)
    page.keyboard.press("j")
    expect(title(page)).to_have_text("Question of Customer B")
    return page


def fields(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.post_data or "")


def test_an_instruction_and_enter_redraft_the_draft_that_is_open(queue: Queue, open_page: OpenPage) -> None:
    page = at_the_second(queue, open_page)
    page.keyboard.press("g")
    page.keyboard.insert_text("Make it shorter.")
    with page.expect_request(re.compile("/regenerate/")) as asked:
        page.keyboard.press("Enter")
    assert f"/drafts/{queue.second.pk}/" in asked.value.url
    assert fields(asked.value)["instruction"] == ["Make it shorter."]
    assert "act" not in fields(asked.value)


def test_y_and_a_number_ask_for_another_act_of_the_draft_that_is_open(queue: Queue, open_page: OpenPage) -> None:
    page = at_the_second(queue, open_page)
    page.keyboard.press("y")
    expect(page.locator("[name=act]").first).to_be_focused()
    with page.expect_request(re.compile("/regenerate/")) as asked:
        page.keyboard.press("3")
    assert f"/drafts/{queue.second.pk}/" in asked.value.url
    assert fields(asked.value)["act"] == ["ask"]
    with tenant_context(queue.world.acme.pk):
        assert Draft.objects.get(pk=queue.first.pk).status == "pending"


def test_an_undo_is_said(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    page.keyboard.press("a")
    expect(page.locator("#outbox [data-undo]")).to_be_visible()
    page.keyboard.press("z")
    expect(page.locator("#say")).to_contain_text("Undone. Nothing was sent. Question of Customer A.")
    expect(title(page)).to_have_text("Question of Customer A")


def test_words_that_could_not_be_saved_are_saved_without_another_key(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.route(re.compile("/edit/"), lambda route: route.abort())
    page.keyboard.press("e")
    page.locator("#final").press("Control+End")
    page.keyboard.insert_text(" typed on a train")
    expect(page.locator("#saved")).to_have_text("Not saved, kept here")
    page.unroute(re.compile("/edit/"))
    expect(page.locator("#saved")).to_contain_text("Saved", timeout=15_000)

    def kept() -> bool:
        with tenant_context(queue.world.acme.pk):
            return DraftRevision.objects.filter(draft=queue.first, text__endswith="typed on a train").count() == 1

    until(page, kept, "the words are on the server, once")
