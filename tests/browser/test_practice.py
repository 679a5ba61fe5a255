"""Practice in a browser: in every look nothing is wrong, and a talk is had by keyboard and without a script."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from drafts.models import PracticeTurn, Scenario
from ingestion.knowledge.index import index_document
from tests import factories
from tests.browser.conftest import OpenPage
from tests.browser.looks import SCREENS, wrong_on
from tests.conftest import World
from tests.factories import Practice

PICTURES = os.environ.get("COUNTERSIGN_PRACTICE_PICTURES", "")
RETURNS = "Unused fittings in their bag can be returned within 30 days. Cut hose cannot be returned."


@pytest.fixture
def scenario(committed_world: World) -> Scenario:
    world = committed_world
    index_document(account_id=world.acme.pk, source_url="https://acme.test/returns", title="Returns", text=RETURNS)
    rubric = [*factories.ROSA["rubric"], {"kind": "sourced", "weight": 10}]
    return factories.scenario(world.acme, world.dan, rubric=rubric)


@pytest.mark.parametrize("screen", SCREENS)
def test_practice_has_nothing_wrong_in_any_look(
    committed_world: World, scenario: Scenario, open_page: OpenPage, screen: tuple[int, int]
) -> None:
    world = committed_world
    for _ in range(2):
        done = Practice(scenario, world.dan)
        done.answer("Rosa, which order number is it?")
        done.answer("Hi Rosa,\n\nThey come back within 30 days. We have refunded your order today.\n\nBest regards")
    factories.scenario(world.acme, world.dan, title="Kurt’s couplings weep", ready=False)
    writing, open_ = Practice(scenario, world.ada), Practice(scenario, world.dan)
    open_.answer("Hi Rosa, which order number is it?")
    open_.draft()
    for name, person, path in (
        ("list", world.dan, "/practice/"),
        ("list of an agent", world.cy, "/practice/"),
        ("talk", world.dan, f"/practice/{open_.session.pk}/"),
        ("edit", world.dan, f"/practice/{open_.session.pk}/?do=edit"),
        ("writing", world.ada, f"/practice/{writing.session.pk}/"),
        ("score", world.dan, f"/practice/{done.session.pk}/score/"),
        ("scenario", world.dan, f"/practice/scenarios/{scenario.pk}/"),
        ("new scenario", world.dan, "/practice/scenarios/new/"),
    ):
        page = open_page(person, path, width=screen[0])
        assert wrong_on(page, screen) == [], name
        if PICTURES:
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.screenshot(path=str(Path(PICTURES) / f"{name}-{screen[0]}-{scheme}.png"))
        page.close()


def test_a_talk_is_had_without_a_script(committed_world: World, scenario: Scenario, open_page: OpenPage) -> None:
    page = open_page(committed_world.cy, "/practice/", script=False)
    page.get_by_role("button", name="Practise").click()
    talk = Practice(scenario, committed_world.cy)
    expect(page.get_by_role("status").filter(has_text="The drafter is writing")).to_be_visible()
    talk.draft()
    page.get_by_role("link", name="Look again").click()
    page.get_by_role("link", name="Edit").click()
    page.locator("#final").fill("Hi Rosa, they can be returned within 30 days.")
    page.get_by_role("button", name="Answer Rosa").click()
    expect(page.get_by_role("heading", name="Your score")).to_be_visible()


def test_the_draft_comes_by_itself(committed_world: World, scenario: Scenario, open_page: OpenPage) -> None:
    talk = Practice(scenario, committed_world.cy)
    page = open_page(committed_world.cy, f"/practice/{talk.session.pk}/")
    expect(page.get_by_text("The drafter is writing")).to_be_visible()
    talk.draft()
    expect(page.get_by_role("button", name="Answer Rosa")).to_be_visible()


def test_a_talk_is_had_with_the_queues_keys(committed_world: World, scenario: Scenario, open_page: OpenPage) -> None:
    talk = Practice(scenario, committed_world.cy)
    page = open_page(committed_world.cy, f"/practice/{talk.session.pk}/")
    expect(page.get_by_text("The drafter is writing")).to_be_visible()
    talk.draft()
    expect(page.get_by_role("button", name="Answer Rosa")).to_be_visible()
    page.keyboard.press("e")
    expect(page.locator("#final")).to_be_visible()
    page.locator("#final").fill("Hello Rosa, what is your order number?")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Answer 2 of at most")).to_be_visible()
    talk.draft()
    expect(page.get_by_role("button", name="Answer Rosa")).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_text("Answer 2 of at most")).not_to_be_visible()
    with talk.as_person():
        answered = PracticeTurn.objects.answered().of(talk.session.pk)
        assert list(answered.values_list("decision", flat=True)) == ["replaced", "approved"]
