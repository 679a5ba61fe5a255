"""A person's token with `practice:read` reads what there is to practise and their own scores; of others', nothing."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.tenancy import tenant_context
from drafts.models import Scenario
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World
from tests.drafts.personal import Script


@pytest.fixture
def practice(world: World) -> factories.Practice:
    """Cy's, ended with a score."""
    done = factories.Practice(factories.scenario(world.acme, world.dan), world.cy)
    done.answer("Hello Rosa,\n\nWhat is your order number? Unused fittings can be returned within 30 days.\n\nCy")
    done.end()
    return done


@pytest.fixture
def script(world: World) -> Script:
    return Script(world.acme, world.cy, "practice:read")


def test_the_scenarios_that_are_ready_are_told_without_their_answers(world: World, script: Script) -> None:
    ready = factories.scenario(world.acme, world.dan)
    factories.scenario(world.acme, world.dan, ready=False, title="Not yet")
    [found] = script.get("assistant/scenarios")
    assert (found["id"], found["title"], found["persona_name"]) == (str(ready.pk), ready.title, "Rosa Delmonte")
    assert not {"facts", "goal", "rubric", "patience"} & set(found)
    assert Script(world.globex, world.eve).get("assistant/scenarios") == []


def test_ones_own_practices_and_their_scores_are_told(
    world: World, script: Script, practice: factories.Practice
) -> None:
    with assert_nothing_written_in(world.acme):
        [row] = script.get("assistant/practices")["practices"]
        score = script.get(f"assistant/sessions/{practice.session.pk}/score")
        lines = script.get("assistant/practices/progress")
    card = practice.card()
    assert (row["id"], row["answers"], row["total"]) == (str(practice.session.pk), 1, card.total)
    assert (score["total"], score["points_met"], score["scenario"]) == (
        card.total,
        card.points_met,
        practice.scenario.title,
    )
    met = {one["kind"]: one for one in score["criteria"]}
    assert (met["says"]["outcome"], met["says"]["name"] != "") == ("met", True)
    [span] = met["says"]["evidence"]
    with practice.as_person():
        text = practice.turn.final_text
    assert "30 days" in text[span["start"] : span["end"]]
    assert {line["kind"]: line["shares"] for line in lines}["says"] == [100]


def test_practices_come_in_pages(world: World, script: Script, practice: factories.Practice) -> None:
    again = factories.Practice(practice.scenario, world.cy)
    page = script.get("assistant/practices?limit=1")
    assert ([one["id"] for one in page["practices"]], page["next"]) == ([str(again.session.pk)], str(again.session.pk))
    page = script.get(f"assistant/practices?limit=1&before={page['next']}")
    assert ([one["id"] for one in page["practices"]], page["next"]) == ([str(practice.session.pk)], None)
    assert script("get", f"assistant/sessions/{again.session.pk}/score")[0] == 404  # it goes on


def test_others_and_lesser_tokens_read_nothing(world: World, practice: factories.Practice) -> None:
    place = f"assistant/sessions/{practice.session.pk}/score"
    for other in (Script(world.acme, world.dan), Script(world.globex, world.eve)):
        with assert_nothing_written_in(world.acme):
            assert other("get", place)[0] == 404
            assert other.get("assistant/practices")["practices"] == other.get("assistant/practices/progress") == []
    lesser = Script(world.acme, world.cy, "assistant:read", "assistant:write", "assistant:confirm")
    with assert_nothing_written_in(world.acme):
        for path in (place, "assistant/practices", "assistant/practices/progress", "assistant/scenarios"):
            assert lesser("get", path)[0] == 403, path


def test_a_scenario_that_is_retired_is_in_no_list(world: World, script: Script) -> None:
    made = factories.scenario(world.acme, world.dan)
    with tenant_context(world.acme.pk):
        Scenario.objects.filter(pk=made.pk).update(status="retired")
    found: Any = script.get("assistant/scenarios")
    assert found == []
