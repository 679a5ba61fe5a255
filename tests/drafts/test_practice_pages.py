"""The pages of practice, as a browser without a script asks for them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from conversations.models import AssistantSession
from conversations.tenancy import tenant_context
from drafts.models import PracticeTurn, Scenario
from tests import factories
from tests.conftest import World
from tests.factories import ROSA, Practice

ASKS, HELPS = "Hi Rosa, which order number is it?", "Hi Rosa, they can come back within 30 days."


@pytest.fixture
def world(committed_world: World) -> World:
    return committed_world


def browser(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def page(client: Client, address: str, status: int = 200) -> BeautifulSoup:
    response = client.get(address)
    assert response.status_code == status
    return BeautifulSoup(response.content, "html.parser")


def words(soup: Any) -> str:
    return " ".join(soup.get_text(" ").split())


def test_a_practice_is_begun_answered_edited_and_scored_in_the_browser(world: World) -> None:
    scenario = factories.scenario(world.acme, world.dan)
    client = browser(world.cy)
    listed = page(client, reverse("drafts:practice"))
    assert ROSA["title"] in words(listed.main)
    begun = client.post(reverse("drafts:start-practice", args=[scenario.pk]))
    assert begun.status_code == 303
    with tenant_context(world.acme.pk, person=world.cy.pk):
        session = AssistantSession.objects.get(context_type="practice")
    address = reverse("drafts:practise", args=[session.pk])
    assert begun["Location"] == address
    assert "The drafter is writing" in words(page(client, address).main)
    talk = Practice(scenario, world.cy)
    talk.draft()
    shown = page(client, address)
    assert "Practice: nothing is sent" in words(shown.select_one(".pbar"))
    assert shown.select_one(".draft [data-draft]") is not None, "the draft stands in the review page's partial"
    assert shown.select_one("#final") is None
    edit = page(client, f"{address}?do=edit")
    box = edit.select_one("#final")
    assert box is not None
    assert box.text.strip() == talk.turn.suggested_text.strip()
    form = {"turn": str(talk.turn.pk), "request_id": "a"}
    assert (
        client.post(reverse("drafts:answer-practice", args=[session.pk]), {**form, "final_text": ASKS}).status_code
        == 303
    )
    assert "It is HRA-21950." in words(page(client, address).main)
    turn = talk.draft()
    client.post(reverse("drafts:answer-practice", args=[session.pk]), {"turn": str(turn.pk), "final_text": HELPS})
    ended = client.get(address)
    assert ended["Location"] == reverse("drafts:practice-score", args=[session.pk])
    score = page(client, ended["Location"])
    assert "Rosa got what they came for." in words(score.main)
    assert "100 of 100 decided points make 100" in words(score.main)
    marked = {mark.text for mark in score.select("mark.met")}
    assert {"30 days"} <= {text.strip() for text in marked} or any("30 days" in text for text in marked)
    for link in score.select("a.ev-n"):
        assert score.select_one(link["href"]) is not None, link["href"]
    assert words(page(client, reverse("drafts:practice")).main).count("your last score 100") == 1


def test_the_draft_as_it_is_goes_to_the_persona_with_one_press(world: World) -> None:
    talk = Practice(factories.scenario(world.acme, world.dan), world.cy)
    turn, client = talk.draft(), browser(world.cy)
    client.post(reverse("drafts:answer-practice", args=[talk.session.pk]), {"turn": str(turn.pk)})
    with talk.as_person():
        turn.refresh_from_db()
    assert (turn.decision, turn.final_text) == ("approved", turn.suggested_text.strip())


def test_what_is_refused_keeps_what_was_typed(world: World) -> None:
    talk = Practice(factories.scenario(world.acme, world.dan), world.cy)
    client, address = browser(world.cy), reverse("drafts:answer-practice", args=[talk.session.pk])
    turn = talk.draft()
    response = client.post(address, {"turn": str(turn.pk), "final_text": "   "})
    assert response.status_code == 422
    assert BeautifulSoup(response.content, "html.parser").select_one("[role=alert]") is not None
    talk.answer(ASKS)
    response = client.post(address, {"turn": str(turn.pk), "final_text": "Too late, sorry"})
    assert response.status_code == 409
    talk.draft()
    assert "You have answered this message" in response.content.decode()
    for wrong in ("", "x", str(uuid.uuid4())):
        assert client.post(address, {"turn": wrong, "final_text": "Hello"}).status_code == 404


def test_a_practice_that_is_ended_without_an_answer_has_no_score(world: World) -> None:
    talk = Practice(factories.scenario(world.acme, world.dan), world.cy)
    client = browser(world.cy)
    assert client.post(reverse("drafts:end-practice", args=[talk.session.pk]))["Location"] == reverse("drafts:practice")
    assert "Nothing was answered" in words(page(client, reverse("drafts:practice-score", args=[talk.session.pk])).main)


def test_nobody_elses_practice_has_an_address(world: World) -> None:
    talk = Practice(factories.scenario(world.acme, world.dan), world.cy)
    turn = talk.draft()
    for person, status in ((world.ada, 404), (world.dan, 404), (world.eve, 404), (world.bo, 403)):
        client = browser(person)
        for name in ("practise", "practice-score"):
            assert client.get(reverse(f"drafts:{name}", args=[talk.session.pk])).status_code == status
        for name in ("answer-practice", "end-practice"):
            form = {"turn": str(turn.pk), "final_text": "Mine"}
            assert client.post(reverse(f"drafts:{name}", args=[talk.session.pk]), form).status_code == status
    with talk.as_person():
        assert PracticeTurn.objects.get().status == "waiting"


def test_a_scenario_is_written_set_ready_changed_and_retired_in_a_form(world: World) -> None:
    client, new = browser(world.dan), reverse("drafts:new-scenario")
    assert len(page(client, new).select("[name=kind]")) == 7
    form = {
        **{name: ROSA[name] for name in ("title", "persona_name", "persona", "subject", "opening", "goal")},
        "language": "en", "patience": "3",
        "fact_key": ["order number", "", "hose"], "fact_sentence": ["It is 7.", " ", "PTFE."],
        "kind": ["says", "", "greets"], "text": ["30 days", "", ""], "weight": ["60", "", "40"],
    }  # fmt: skip
    refused = client.post(new, {**form, "weight": ["many", "", "40"]})
    assert refused.status_code == 422
    assert ROSA["opening"] in refused.content.decode(), "what was typed stays"
    kept = client.post(new, form)
    with tenant_context(world.acme.pk):
        scenario = Scenario.objects.get()
    assert kept["Location"] == reverse("drafts:scenario", args=[scenario.pk])
    assert (scenario.status, len(scenario.facts), len(scenario.rubric)) == ("draft", 2, 2)
    client.post(kept["Location"], {**form, "title": "Another title", "then": "ready"})
    with tenant_context(world.acme.pk):
        scenario.refresh_from_db()
    assert (scenario.status, scenario.title) == ("ready", "Another title")
    assert "What you write here is version 2" in words(page(client, kept["Location"]).main)
    client.post(kept["Location"], {**form, "then": "ready"})
    with tenant_context(world.acme.pk):
        versions = list(Scenario.objects.order_by("version").values_list("version", "status"))
        newest = Scenario.objects.get(version=2)
    assert versions == [(1, "retired"), (2, "ready")]
    retire = reverse("drafts:change-scenario", args=[newest.pk, "retire"])
    assert client.post(retire).status_code == 303
    assert client.post(retire).status_code == 409
    assert client.post(reverse("drafts:change-scenario", args=[newest.pk, "burn"])).status_code == 404
    assert ROSA["title"] not in words(page(browser(world.cy), reverse("drafts:practice")).main)
    assert "Retired 2" in words(page(client, reverse("drafts:practice")).main)


def test_scenarios_are_for_who_manages_the_account(world: World) -> None:
    scenario = factories.scenario(world.acme, world.dan)
    for person in (world.cy, world.ada, world.bo):
        client = browser(person)
        assert client.get(reverse("drafts:new-scenario")).status_code == 403
        assert client.get(reverse("drafts:scenario", args=[scenario.pk])).status_code == 403
        assert client.post(reverse("drafts:change-scenario", args=[scenario.pk, "retire"])).status_code == 403
    eve = factories.person("max", world.globex, "admin")
    assert browser(eve).get(reverse("drafts:scenario", args=[scenario.pk])).status_code == 404


def test_admins_read_of_the_team_nothing_but_totals(world: World) -> None:
    scenario = factories.scenario(world.acme, world.dan)
    for person in (world.cy, world.ada, world.dan):
        shown = words(page(browser(world.dan), reverse("drafts:practice")).main)
        assert "Shown where 3 people or more" in shown
        talk = Practice(scenario, person)
        talk.answer(ASKS)
        talk.end()
    shown = words(page(browser(world.dan), reverse("drafts:practice")).main)
    assert "of 100, 3 people" in shown
    assert "The team, by criterion" not in words(page(browser(world.cy), reverse("drafts:practice")).main)


def test_a_practice_in_the_list_of_chats_leads_to_its_page(world: World) -> None:
    talk = Practice(factories.scenario(world.acme, world.dan), world.cy)
    client = browser(world.cy)
    chat = client.get(reverse("conversations:chat", args=[talk.session.pk]))
    assert chat.status_code == 302
    assert chat["Location"] == reverse("drafts:practise", args=[talk.session.pk])
