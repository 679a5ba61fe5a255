"""An answer as events: cut anywhere and gone on with, in any tab, it is the same text with one end."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from conversations.chats import turns
from conversations.chats.turns import Answer, Status
from conversations.database import database_time
from conversations.models import AssistantTurn, User
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import World

Browser = Callable[[User], Client]
TEXT = "".join(f"Statement {number} of “é” and 🚗. " for number in range(60))


class Tab:
    """What one open page has: it may be cut off after any event, and goes on from the last one that it has."""

    def __init__(self, browser: Client, turn: AssistantTurn) -> None:
        self.browser, self.url = browser, reverse("conversations:turn-stream", args=[turn.pk])
        self.last, self.text, self.ends, self.steps = "", "", list[str](), list[str]()
        self.is_over = False

    def read(self, events: int | None = None) -> None:
        headers = {"Last-Event-ID": self.last} if self.last else {}
        answer = self.browser.get(self.url, headers=headers)
        if answer.status_code == 204:
            self.is_over = True
            return
        assert answer.status_code == 200 and answer["Content-Type"] == "text/event-stream"
        assert "no-store" in answer["Cache-Control"]
        for block in answer.content.decode().strip().split("\n\n")[1:][:events]:
            self.hear(dict(line.split(": ", 1) for line in block.split("\n")))

    def hear(self, event: dict[str, Any]) -> None:
        self.last, data = event["id"], json.loads(event["data"])
        if event["event"] == "delta":
            self.text = self.text[: data["from"]] + data["text"]
        elif event["event"] == "step":
            self.steps.append(data["text"])
        else:
            self.ends.append(event["event"])


@pytest.fixture
def turn(world: World) -> AssistantTurn:
    session = factories.chat(world.acme, world.ada)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        made, _ = turns.post(session_id=session.pk, actor=world.ada, text="Go", request_id="")
        turns.claim(turn_id=made.pk)
    return made


def write(world: World, turn: AssistantTurn, text: str, fence: int = 1) -> None:
    with tenant_context(world.acme.pk, person=world.ada.pk):
        turns.tell(turn_id=turn.pk, fence=fence, text=text, steps=[{"text": "Searched", "seconds": 0.1}])


def test_cut_at_twenty_offsets_in_five_tabs_it_is_the_same_text_with_one_end(
    world: World, turn: AssistantTurn, signed_in: Browser
) -> None:
    chance = random.Random(12)
    tabs = [Tab(signed_in(world.ada), turn) for _ in range(5)]
    for offset in sorted(chance.sample(range(1, len(TEXT)), 20)):
        write(world, turn, TEXT[:offset])
        for tab in chance.sample(tabs, 3):
            tab.read(events=chance.choice([1, None]))
            assert TEXT.startswith(tab.text)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer(TEXT))
    for tab in tabs:
        for _ in range(5):
            tab.read(events=1)
        assert (tab.text, tab.ends, tab.is_over) == (TEXT, ["done"], True)


def test_a_turn_that_begins_again_begins_at_nothing(world: World, turn: AssistantTurn, signed_in: Browser) -> None:
    tab = Tab(signed_in(world.ada), turn)
    write(world, turn, "The lost worker's words")
    tab.read()
    with tenant_context(world.acme.pk, person=world.ada.pk):
        AssistantTurn.objects.update(lease_until=database_time.now().replace(year=2020))
    turns.sweep(account_id=world.acme.pk)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        turns.claim(turn_id=turn.pk)
    write(world, turn, "Other words", fence=2)
    tab.read()
    assert tab.text == "Other words"


@pytest.mark.parametrize(("status", "text"), [(Status.STOPPED, "Half"), (Status.STOPPED, ""), (Status.FAILED, "")])
def test_how_it_ended_is_its_last_event(
    world: World, turn: AssistantTurn, signed_in: Browser, status: Status, text: str
) -> None:
    with tenant_context(world.acme.pk, person=world.ada.pk):
        turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer(text, status, error="No.", reason="time-out"))
    tab = Tab(signed_in(world.ada), turn)
    tab.read()
    tab.read()
    assert (tab.text, tab.ends, tab.is_over) == (text, [status], True)


def test_nobody_else_hears_it_and_nonsense_begins_at_the_beginning(
    world: World, turn: AssistantTurn, signed_in: Browser
) -> None:
    write(world, turn, "Mine")
    url = reverse("conversations:turn-stream", args=[turn.pk])
    for person, status in ((world.dan, 404), (world.eve, 404), (world.bo, 403)):
        assert signed_in(person).get(url).status_code == status
    browser = signed_in(world.ada)
    assert browser.post(url).status_code == 405
    for last in ("x", "1:99999", "-1:-1", "1:x", "9" * 500):
        assert '"text": "Mine"' in browser.get(url, headers={"Last-Event-ID": last}).content.decode()
