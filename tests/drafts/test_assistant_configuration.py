"""What the built-in assistant says and proposes about the configuration, with its typed metadata (seed 001)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.test import Client
from pydantic import TypeAdapter, ValidationError

from conversations import answer_shapes
from conversations.answer_shapes import Suggestion
from conversations.people import account_settings
from drafts.assistant.tools import TOOLS
from drafts.assistant.tools.configuration import kind_of
from drafts.configuration import documentation, documents
from drafts.configuration.differences import Place
from drafts.configuration.shapes import SECTIONS, SETTINGS, setting_path
from drafts.models import Lane
from tests.conftest import World
from tests.drafts.test_assistant_engine import Talk, as_

FILE = """version: 1
account: {slug: acme}
settings: {hold_seconds: 20, assistant: {tokens_a_day: 5}}
channels: []
tags: [vip]
"""


@pytest.fixture
def world(committed_world: World) -> World:
    return committed_world


def store(world: World, text: str = FILE) -> None:
    with as_(world.dan, world):
        documents.add_document(account_id=world.acme.pk, actor=world.dan, text=text, origin=documents.Origin.UPLOADED)


def test_comparing_writes_the_differences_with_what_they_suggest(world: World) -> None:
    store(world)
    answer = Talk(world, world.dan).ask("Compare the configuration with the file")
    told = answer.details
    assert answer.body_text.splitlines()[0] == (
        "4 differences between the desk and document 1: 2 other value, 1 missing in the desk, 1 missing in the file."
    )
    assert told.comparisonResults is not None
    assert [(one.path, one.yamlValue, one.dbValue, one.type) for one in told.comparisonResults.differences[:2]] == [
        ("settings.hold_seconds", 20, 10, "value_mismatch"),
        ("settings.assistant.tokens_a_day", 5, 200_000, "value_mismatch"),
    ]
    assert [(one.path, one.type) for one in told.configReferences or ()] == [
        ("settings.hold_seconds", "both"), ("settings.assistant.tokens_a_day", "both"),
        ("channels[email/support@acme.test]", "database"), ("tags[vip]", "yaml"),
    ]  # fmt: skip
    assert [(one.type, one.config.tool) for one in told.suggestions or ()] == [
        ("workflow", "apply_difference"), ("workflow", "apply_difference"),
        ("infrastructure", "adopt_difference"), ("custom_field", "apply_difference"),
    ]  # fmt: skip
    assert documentation.FILE in (told.documentationLinks or ())
    assert told.choices[0] == "Apply the difference settings.hold_seconds"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("Apply the difference settings.hold_seconds", [("apply_difference", "settings.hold_seconds")]),
        ("Apply the difference about hold seconds", [("apply_difference", "settings.hold_seconds")]),
        ("Take the difference tags[vip] into the file", [("adopt_difference", "tags[vip]")]),
        ("Adopt the difference channels[email/support@acme.test]", [("adopt_difference", "channels[email/support@acme.test]")]),
        ("Apply all differences", [("apply_difference", "settings.hold_seconds"), ("apply_difference", "settings.assistant.tokens_a_day"), ("apply_difference", "tags[vip]")]),
        ("Apply the difference", []),
    ],
)  # fmt: skip
def test_an_order_proposes_the_differences_it_names(world: World, words: str, wanted: list[tuple[str, str]]) -> None:
    store(world)
    talk = Talk(world, world.dan)
    answer = talk.ask(words)
    assert [(tool, arguments["path"]) for tool, arguments in talk.actions()] == wanted
    if not wanted:
        assert answer.body_text == "Which difference?"
        assert answer.details.choices[0] == "Apply the difference settings.hold_seconds"
        talk.ask(answer.details.choices[0])
        assert [one for one, _ in talk.actions()] == ["apply_difference"]
    if "all" in words:
        assert "A channel is never removed by a file" in answer.body_text


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("Set hold approved replies to 20 seconds", "hold_seconds", 20),
        ("Raise hold seconds to 1", "hold_seconds", 1),
        ("Set check drafts to 0.02", "canary_share", 0.02),
        ("Turn lanes on", "lanes", True),
        ("Set agent approval to all", "agent_approval", "all"),
        ("Set close by itself to after 14 quiet days", "close_after_days", 14),
        ('Set sender name to "Acme, the shop"', "reply_name", "Acme, the shop"),
        ("Set each person at most to 5,000", "assistant_tokens_a_day", 5000),
    ],
)
def test_a_setting_is_changed_by_its_name(world: World, words: str, name: str, value: Any) -> None:
    for person in (world.dan, world.ada):  # who may propose it, too: an admin signs
        talk = Talk(world, person)
        answer = talk.ask(words)
        assert talk.actions() == [("set_setting", {"name": name, "value": value})], answer.body_text


def test_a_missing_value_is_asked_for_and_kept(world: World) -> None:
    talk = Talk(world, world.dan)
    assert talk.ask("Change the hold seconds").body_text == "To what?"
    talk.ask("30")
    assert talk.actions() == [("set_setting", {"name": "hold_seconds", "value": 30})]
    answer = talk.ask("Set hold seconds to 90")
    assert "less than or equal to 60" in answer.body_text
    assert len(talk.actions()) == 1


def test_who_may_not_propose_a_setting_is_proposed_none(world: World) -> None:
    talk = Talk(world, world.cy)
    talk.ask("Set hold seconds to 20")
    talk.ask("Shut the shipping lane")
    assert talk.actions() == []


def test_a_setting_is_told_with_who_changed_it_what_the_file_says_and_where_it_is_explained(world: World) -> None:
    store(world)
    with as_(world.dan, world):
        account_settings.set_setting(account_id=world.acme.pk, actor=world.dan, name="hold_seconds", value=30)
    told = Talk(world, world.dan).ask("What is the hold seconds setting?")
    assert told.body_text.startswith("Hold approved replies: 30 seconds (the default is 10 seconds).")
    assert "Last changed by Dan, " in told.body_text
    assert "Document 1 says: 20." in told.body_text
    assert [(one.path, one.type) for one in told.details.configReferences or ()] == [("settings.hold_seconds", "both")]
    assert [(one.file, one.section) for one in told.details.documentationLinks or ()] == [("docs/architecture.md", "The life of a message")]  # fmt: skip
    assert [one.type for one in told.details.suggestions or ()] == ["workflow"]
    untouched = Talk(world, world.dan).ask("What is the reply name?")
    assert "Last changed" not in untouched.body_text


def test_a_lane_is_shut_and_a_prompt_written_by_order(world: World) -> None:
    with as_(world.dan, world):
        lane = Lane.objects.create(account=world.acme, intent="shipping", channel=world.mail, prompt_label="p", model_key="m", evidence={"n": 1})  # fmt: skip
        Lane.objects.filter(pk=lane.pk).update(state="open")
    talk = Talk(world, world.dan)
    talk.ask("Shut the shipping lane")
    assert (
        talk.ask("Write a new prompt for replies").body_text
        == "What are drafters told? Put the whole prompt in quotes."
    )
    talk.ask('Write a new prompt: "Answer from the sources, and be kind."')
    assert talk.actions() == [
        ("shut_lane", {"topic": "shipping", "channel": ""}),
        ("add_prompt_version", {"text": "Answer from the sources, and be kind.", "note": ""}),
    ]


def test_without_a_file_and_in_step_it_says_so(world: World) -> None:
    assert "There is no configuration file yet" in Talk(world, world.ada).ask("Is there any drift?").body_text
    with as_(world.dan, world):
        documents.keep_desk(account_id=world.acme.pk, actor=world.dan)
    answer = Talk(world, world.ada).ask("Is there any drift?")
    assert answer.body_text == "The desk and document 1 say the same."
    assert Talk(world, world.ada).ask("Apply all differences").body_text == "The desk and document 1 say the same."


def test_it_is_shown_below_the_answer(world: World, signed_in: Any) -> None:
    store(world)
    talk = Talk(world, world.dan)
    talk.ask("Compare the configuration with the file")
    shown = chat(signed_in(world.dan), talk)
    rows = [" ".join(one.get_text(" ").split()) for one in shown.select(".drifts > div")]
    assert rows[0] == "settings.hold_seconds Other value The desk: 10 the file: 20"
    assert "tags[vip] Missing in the desk The desk: not there the file: vip" in rows
    assert shown.select_one('a[href="/settings/configuration/"]')
    assert "docs/deployment.md, The configuration as a file" in shown.get_text()
    assert "How people work" in shown.get_text()


def chat(client: Client, talk: Talk) -> BeautifulSoup:
    return BeautifulSoup(client.get(f"/assistant/{talk.session.pk}/").content, "html.parser")


# --- the shapes ------------------------------------------------------------------------------------------------------
def test_a_suggestion_names_a_tool_of_its_kind_or_cannot_be_stored() -> None:
    changes = (
        answer_shapes.WorkflowChange,
        answer_shapes.FieldChange,
        answer_shapes.RuleChange,
        answer_shapes.InfrastructureChange,
    )
    for change in changes:
        assert set(get_args(change.model_fields["tool"].annotation)) <= TOOLS.keys()
    adapter: TypeAdapter[Any] = TypeAdapter(Suggestion)
    adapter.validate_python({"type": "workflow", "config": {"tool": "set_policy"}, "explanation": "x"})
    for wrong in (
        {"type": "workflow", "config": {"tool": "shut_lane"}, "explanation": "x"},
        {"type": "workflow", "config": {"tool": "close"}, "explanation": "x"},
        {"type": "advice", "config": {"tool": "set_setting"}, "explanation": "x"},
        {"type": "infrastructure", "config": {}, "explanation": "x"},
    ):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_every_place_has_one_of_the_four_kinds_and_its_section_of_the_handbook_is_there() -> None:
    kinds = {kind_of(Place(section, "x")) for section in SECTIONS}
    assert kinds == {"workflow", "custom_field", "automation_rule", "infrastructure"}
    assert kind_of(Place("settings", field="lane_bound")) == "automation_rule"
    places = [Place(section) for section in SECTIONS] + [Place.of(".".join(setting_path(name))) for name in SETTINGS]
    found = [documentation.link_of(place) for place in places]
    named = {documentation._SECTIONS[one] for one in documentation._SECTIONS} | set(documentation._SETTINGS.values())
    assert {(one.file, one.section) for one in found if one} == named  # what is named is there
    assert documentation.link(documentation.FILE) == documentation.FILE
    assert documentation.link(documentation.FILE.model_copy(update={"section": "Not there"})) is None
    assert documentation.link(documentation.FILE.model_copy(update={"file": "docs/nowhere.md"})) is None
    assert Path(settings.BASE_DIR, "docs").is_dir()
