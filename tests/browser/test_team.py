"""A conversation's page as a team uses it: notes, tags, merging, spam and watching, by keys and without a script."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from conversations.channels.base import Party
from conversations.models import Conversation, Note, Tag, Watcher
from conversations.tenancy import tenant_context
from drafts.desk import merging, notes, spam, watching
from tests import factories
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.looks import SCREENS, wrong_on
from tests.conftest import World

OPEN = """(key) => {
  for (const one of document.querySelectorAll('main details')) one.open = false;
  for (let at = document.querySelector(`[data-key=${key}]`); at; at = at.parentElement.closest('details')) at.open = true;
}"""


def team(world: World) -> tuple[Any, Any]:
    """A conversation with everything on its page, and the one that is merged into it."""
    talk = factories.message(world.mail, subject="E85 return line: PTFE or rubber?")
    part = factories.message(
        world.mail, "And the ends?", subject="A very long subject of a mail, as customers write " * 2
    )
    factories.message(world.mail, "More", subject="Another of the same customer")
    for name, colour in (("Fuel hose", "blue"), ("E85", "amber"), ("Warranty", "red"), ("Wholesale", "green")):
        factories.tagged(talk, name, colour=colour)
    with tenant_context(world.acme.pk):
        text = "@Dan the bench sheet says 18 ft-lb dry for steel, but his ends are aluminum.\n\nCan you look it up?"
        notes.write(conversation_id=talk.conversation_id, actor=world.ada, text=text)
        merging.merge(conversation_id=part.conversation_id, into=talk.conversation_id, actor=world.dan)
        watching.watch(conversation_id=talk.conversation_id, actor=world.ada, on=True)
    return talk, part


@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_are_accessible_and_fit(
    committed_world: World, open_page: OpenPage, complaints: Complaints, screen: tuple[int, int]
) -> None:
    world = committed_world
    talk, part = team(world)
    junk = factories.message(world.mail, "You won", sender=Party("win@spam.test", "Win"))
    with tenant_context(world.acme.pk):
        spam.mark(conversation_id=junk.conversation_id, actor=world.ada, block=True)
    draft = factories.draft(talk)
    places = [
        *(f"/conversations/{one.conversation_id}/" for one in (talk, part, junk)), f"/drafts/{draft.pk}/", "/conversations/", "/views/",
    ]  # fmt: skip
    wrong = []
    for place in places:
        page = open_page(world.ada, place, width=screen[0])
        wrong += [f"{place} {words}" for words in wrong_on(page, screen)]
        # Menus lie over one another: one is looked at at a time, with those that stand in it.
        for key in ("note", "tags", "owner", "merge") if place == places[0] else ():
            page.evaluate(OPEN, key)
            found = wrong_on(page, screen)
            wrong += [f"{place} {key} {words}" for words in found if "partially obscured" not in words]
    assert (wrong, complaints) == ([], [])


def test_each_key_opens_its_menu_and_the_queue_knows_none_of_them(
    committed_world: World, open_page: OpenPage, complaints: Complaints
) -> None:
    world = committed_world
    talk, _ = team(world)
    page = open_page(world.cy, f"/conversations/{talk.conversation_id}/")
    for key, inside in (("l", "[name=tag]"), ("o", "[name=to]"), ("c", "[name=reason]"), ("s", "[name=until]")):
        page.keyboard.press(key)
        expect(page.locator(f"details[open] {inside}").first).to_be_focused()
        page.reload()
    page.keyboard.press("v")
    expect(page.locator(".notes")).to_contain_text("You are told of mail")
    page.wait_for_load_state()  # no key is heard before the page's acts are there
    page.keyboard.press("m")
    page.keyboard.type("@Dan look here")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".notes")).to_contain_text("Note saved. Dan is told.")
    with tenant_context(world.acme.pk):
        assert Watcher.objects.filter(user=world.cy).exists()
        assert Note.objects.filter(author=world.cy).get().text == "@Dan look here"
    page.goto("/queue/")
    for key in "lmouv!":
        page.keyboard.press(key)
    assert complaints == []


def test_merging_and_spam_are_two_menus_deep_by_their_keys(committed_world: World, open_page: OpenPage) -> None:
    world = committed_world
    talk, part = team(world)
    other = factories.message(world.mail, "One more", subject="One more")
    page = open_page(world.cy, f"/conversations/{other.conversation_id}/")
    page.keyboard.press("u")
    expect(page.locator("[name=into]").first).to_be_focused()
    page.get_by_label("Or into number").fill("#1")
    page.get_by_role("button", name="Merge", exact=True).click()
    page.wait_for_url(f"**/conversations/{talk.conversation_id}/")
    expect(page.locator(".notes")).to_contain_text("Merged into #1.")
    page.keyboard.press("!")
    expect(page.locator("[name=block]")).to_be_focused()
    page.get_by_role("button", name="Close as spam").click()
    expect(page.locator(".rv-meta .state")).to_have_text("Closed")
    expect(page.locator("main .banner", has_text="The sender is blocked")).to_be_visible()
    assert part.conversation_id != talk.conversation_id


def test_without_a_script_every_act_is_a_form(committed_world: World, open_page: OpenPage) -> None:
    world = committed_world
    talk, part = team(world)
    page = open_page(world.cy, f"/conversations/{talk.conversation_id}/", script=False)
    page.locator("summary", has_text="Internal note").click()
    page.get_by_label("Internal note", exact=True).fill("Look it up")
    page.get_by_text("Somebody must act on it").click()
    page.get_by_label("Owed until").select_option(index=1)
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".banner--warn")).to_contain_text("Look it up")
    page.locator("summary", has_text="Tag").click()
    page.get_by_label("Warranty").uncheck()
    page.get_by_role("button", name="Save tags").click()
    expect(page.locator(".labels").first).not_to_contain_text("Warranty")
    page.goto(f"/conversations/{part.conversation_id}/")
    page.get_by_role("button", name="Take them apart").click()
    expect(page.locator(".rv-meta .state")).to_have_text("Owed")
    with tenant_context(world.acme.pk):
        assert Tag.objects.filter(links__conversation=talk.conversation_id).count() == 3
        assert Conversation.objects.filter(merged_into__isnull=False).count() == 0
