"""Cards of proposed actions in a browser: in four looks, by keyboard, armed when they were seen, two people for four eyes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from conversations.models import Conversation, PolicyRule, ProposedAction, Tag
from conversations.tenancy import tenant_context
from drafts.assistant.deciding import confirm
from tests import factories
from tests.browser.conftest import OpenPage
from tests.browser.looks import SCREENS, wrong_on
from tests.conftest import World

PICTURES = os.environ.get("COUNTERSIGN_CARD_PICTURES", "")


@pytest.fixture
def case(committed_world: World) -> Conversation:
    world = committed_world
    message = factories.message(world.mail)
    with tenant_context(world.acme.pk):
        for name in ("Refund", "Urgent", "Dealer"):
            Tag.objects.create(account=world.acme, name=name)
        for role in ("agent", "reviewer", "admin"):
            PolicyRule.objects.create(
                account=world.acme, role=role, verb="close", kind="proposed", allowed=True, four_eyes=True
            )
    factories.draft(message)
    return message.conversation


def signed(world: World, action: ProposedAction) -> ProposedAction:
    person = world.cy if action.owner_id == world.cy.pk else world.ada
    with tenant_context(world.acme.pk, person=person.pk):
        return confirm(action_id=action.pk, actor=person, pressed=factories.pressed(action))


@pytest.mark.parametrize("screen", SCREENS)
def test_cards_have_nothing_wrong_in_any_look(
    committed_world: World, case: Conversation, open_page: OpenPage, screen: tuple[int, int]
) -> None:
    world = committed_world
    tags = factories.proposed(case, world.ada, "set_tags", {"add": ["Refund", "Urgent"]})
    tainted = factories.proposed(case, world.ada, "rename_customer", {"name": "Vic Hale, VIP"}, tainted=True)
    stale = factories.proposed(case, world.ada, "set_tags", {"add": ["Dealer"]})
    waits = factories.proposed(case, world.ada, "close", {"reason": "not_needed"})
    theirs = factories.proposed(case, world.cy, "close", {"reason": "other"})
    done = factories.proposed(case, world.ada, "escalate", {"to": "Dan", "note": "Please look at the refund."})
    for action in (done, theirs, waits):
        signed(world, action)
    changed = factories.proposed(case, world.ada, "set_tags", {"add": ["Urgent"]})
    signed(world, changed)
    signed(world, stale)
    urls = {
        "tags": tags, "tainted": tainted, "stale": stale, "waits": waits, "done": done, "done set": changed,
    }  # fmt: skip
    paths = {name: f"/assistant/actions/{action.pk}/" for name, action in urls.items()}
    paths |= {"change": paths["tags"] + "?change=1", "waiting": "/assistant/waiting/"}
    for name, path in paths.items():
        page = open_page(world.ada, path, width=screen[0])
        assert wrong_on(page, screen) == [], name
        if PICTURES:
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.screenshot(path=str(Path(PICTURES) / f"{name}-{screen[0]}-{scheme}.png"))
        page.close()


def test_a_card_is_confirmed_by_keyboard_when_it_was_seen(
    committed_world: World, case: Conversation, open_page: OpenPage
) -> None:
    action = factories.proposed(case, committed_world.ada, "set_tags", {"add": ["Refund"]})
    page = open_page(committed_world.ada, f"/assistant/actions/{action.pk}/", width=1440)
    button = page.get_by_role("button", name="Confirm")
    expect(page.locator("[data-armed='1']")).to_be_visible()
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".act .tag--ok")).to_contain_text("Done")
    expect(page.locator(".act h2")).to_be_focused()
    with tenant_context(committed_world.acme.pk):
        action.refresh_from_db()
    assert action.status == "executed" and action.seen_ms is not None and action.seen_ms >= 350


def test_two_presses_are_two(committed_world: World, case: Conversation, open_page: OpenPage) -> None:
    action = factories.proposed(case, committed_world.ada, "set_tags", {"add": ["Refund"]}, tainted=True)
    page = open_page(committed_world.ada, f"/assistant/actions/{action.pk}/", width=1440)
    expect(page.locator("[data-armed='1']")).to_be_visible()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Nothing has happened yet.", exact=True)).to_be_visible()
    expect(page.locator("[data-armed='1']")).to_be_visible()
    page.get_by_role("button", name="Press again").click()
    expect(page.locator(".act .tag--ok")).to_contain_text("Done")


def test_without_a_script_a_second_person_signs(
    committed_world: World, case: Conversation, open_page: OpenPage
) -> None:
    action = factories.proposed(case, committed_world.cy, "close", {"reason": "other"})
    signed(committed_world, action)
    page = open_page(committed_world.ada, "/assistant/waiting/", script=False)
    page.get_by_role("button", name="Countersign").click()
    page.get_by_role("button", name="Countersign").click()  # the card alone
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    with tenant_context(committed_world.acme.pk):
        assert ProposedAction.objects.get().status == "executed"
