"""A conversation's life in a browser: in four looks, with and without a script, from a rejection to the customer's next mail."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from conversations.channels.base import Party
from conversations.database import database_time
from conversations.models import Conversation
from conversations.tenancy import tenant_context
from drafts.desk import life
from drafts.models import Draft
from tests import factories
from tests.browser.conftest import Complaints, OpenPage, armed, until
from tests.browser.looks import SCREENS, wrong_on
from tests.conftest import World

HOLDING = "Hi Marcus,\n\nA colleague will look into it and get back to you.\n\nBest regards"


@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_are_accessible_and_fit(
    committed_world: World, open_page: OpenPage, complaints: Complaints, screen: tuple[int, int]
) -> None:
    world = committed_world
    talk = factories.message(world.mail, subject="A very long subject of a mail, as customers write it " * 2)
    held = factories.draft(factories.message(world.mail, sender=Party("ann@customer.test", "Ann")), HOLDING)
    with tenant_context(world.acme.pk):
        late = database_time.now() + timedelta(hours=1)
        life.owe(
            conversation_id=talk.conversation_id, actor=world.ada, due_at=late, note="Call her back", to=world.dan.pk
        )
    places = [
        "/conversations/?list=owed",
        f"/conversations/{talk.conversation_id}/",
        f"/drafts/{held.pk}/",
        f"/drafts/{held.pk}/?do=reject",
    ]
    wrong = []
    for place in places:
        page = open_page(world.ada, place, width=screen[0])
        for summary in page.locator(".menu:has(.menu__form) > summary").all():
            summary.click()
        wrong += [f"{place} {words}" for words in wrong_on(page, screen)]
    assert (wrong, complaints) == ([], [])


def test_rejected_written_by_hand_sent_closed_and_opened_by_the_customers_next_mail(
    committed_world: World, open_page: OpenPage
) -> None:
    world = committed_world
    message = factories.message(world.mail)
    draft = factories.draft(message)
    page = open_page(world.ada, f"/drafts/{draft.pk}/")
    armed(page)
    page.keyboard.press("r")
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?do=edit")
    page.locator("#final").fill("Hello Marcus,\n\nIt fits.")
    armed(page)
    page.get_by_role("button", name="Approve the edit").click()
    with tenant_context(world.acme.pk):
        until(page, lambda: Draft.objects.filter(status="approved").exists(), "the reply is approved")
    page.goto(f"/conversations/{message.conversation_id}/")
    expect(page.locator(".rv-meta .state")).to_have_text("Waiting")
    page.locator("summary", has_text="Close").click()
    page.locator(".menu__form").get_by_role("button", name="Close").click()
    expect(page.locator(".rv-meta .state")).to_have_text("Closed")
    factories.reply_to(message)
    page.reload()
    expect(page.locator(".rv-meta .state")).to_have_text("Owed")
    with tenant_context(world.acme.pk):
        assert Conversation.objects.get().owed == "message"
        assert list(Draft.objects.order_by("id").values_list("status", flat=True)) == ["rejected", "stale"]


def test_without_a_script_every_act_is_a_form(committed_world: World, open_page: OpenPage) -> None:
    world = committed_world
    message = factories.message(world.mail)
    page = open_page(world.cy, f"/conversations/{message.conversation_id}/", script=False)
    page.locator("summary", has_text="No owner").click()
    page.get_by_label("Cy (me)").check()
    page.get_by_role("button", name="Set the owner").click()
    expect(page.locator(".banner--warn")).to_contain_text("Owner: Cy")
    page.locator("summary", has_text="Note what is owed").click()
    page.get_by_label("What is to be done?").fill("Call her back")
    page.get_by_role("button", name="Note it").click()
    expect(page.locator(".banner--warn")).to_contain_text("Call her back")
    page.locator("summary", has_text="Close").click()
    page.get_by_label("The customer no longer needs it").check()
    page.locator(".menu__form").get_by_role("button", name="Close").click()
    expect(page.locator(".rv-meta")).to_contain_text("The customer no longer needs it")
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".rv-meta .state")).to_have_text("Owed")
    page.get_by_role("button", name="Write a reply").click()
    expect(page.locator("#final")).to_have_value("")


def test_the_frame_of_the_desk_stands_still_while_its_columns_scroll(
    committed_world: World, open_page: OpenPage
) -> None:
    world = committed_world
    sources = [
        {
            "passage": str(n),
            "document": str(n),
            "url": "https://shop.test/",
            "indexed_at": "2026-11-01T00:00:00+00:00",
            "score": 0.5,
            "title": "Hose",
            "quote": "PTFE is safe. " * 20,
            "cited": True,
        }
        for n in range(6)
    ]
    draft = factories.draft(factories.message(world.mail, "Hello. " * 400), top_sources=sources)
    page = open_page(world.ada, f"/drafts/{draft.pk}/")
    armed(page)
    page.keyboard.press("r")
    expect(page.locator("[data-ask] [name=then]")).to_have_count(5)
    assert page.evaluate("[scrollY, document.scrollingElement.scrollHeight - innerHeight]") == [0, 0]
