"""What customers asked and no source answered, by the words that they share: which page to write next."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.channels.base import Party
from conversations.database import database_time
from conversations.models import User
from conversations.tenancy import tenant_context
from drafts.evidence.unanswered import LINES, Gap, Question, gaps, gaps_of
from drafts.models import Draft
from tests import factories
from tests.asserts import counted
from tests.conftest import World


def asked(text: str, *, answered: bool = False, by: uuid.UUID | None = None) -> Question:
    return Question(by or uuid.uuid4(), text, not answered)


def test_what_several_asked_is_a_gap_named_by_the_word_that_they_share() -> None:
    found = gaps(
        [
            asked("Do you sell gift cards?"),
            asked("Can I pay with a gift card?"),
            asked("Is a gift card possible?"),
            asked("When do you open on Sunday?"),
            asked("Do you open on Sundays?"),
            asked("Who is the owner?"),
        ]
    )
    assert [(gap.words, gap.conversations) for gap in found] == [("gift card", 3), ("open sunday", 2)]
    assert found[0].examples == ("Do you sell gift cards?", "Can I pay with a gift card?", "Is a gift card possible?")


def test_a_word_of_what_is_answered_too_names_no_gap() -> None:
    open_ones = [asked("Which hose do you paint?"), asked("Do you paint any hose?")]
    answered = [asked("Which hose is safe with E85?", answered=True) for _ in range(4)]
    assert [gap.words for gap in gaps([*open_ones, *answered])] == ["paint"]


def test_one_customer_who_asks_five_times_is_no_gap() -> None:
    same = uuid.uuid4()
    assert gaps(asked("Where is my invoice?", by=same) for _ in range(5)) == []


def test_nothing_asked_is_no_gap_and_there_are_few_lines() -> None:
    assert gaps([]) == []
    many = [asked(f"What about w{chr(97 + n)}rble?") for n in range(20) for _ in range(2)]
    assert len(gaps(many)) == LINES


@pytest.fixture
def three(world: World, acme: Any) -> list[Draft]:
    """Two customers whose question about gift cards is open, and one whose is answered."""
    left = [{"text": "Do you sell gift cards?", "answer": None}]
    met = [{"text": "Is it safe with E85?", "answer": 0}]
    return [
        factories.draft(factories.message(world.mail, sender=Party(f"c{n}@customer.test", "C")), questions=questions)
        for n, questions in enumerate((left, left, met))
    ]


def period() -> dict[str, Any]:
    now = database_time.now()
    return {"since": now - timedelta(days=7), "until": now + timedelta(days=1)}


def test_they_are_read_from_the_drafts_of_the_period_and_channel(world: World, three: list[Draft]) -> None:
    gap = Gap("sell gift cards", 2, ("Do you sell gift cards?",))
    assert gaps_of(world.acme.pk, **period()) == [gap]
    assert gaps_of(world.acme.pk, **period(), channel="email") == [gap]
    assert gaps_of(world.acme.pk, **period(), channel="slack") == []
    before = period()["since"]
    assert gaps_of(world.acme.pk, since=before - timedelta(days=7), until=before) == []
    with tenant_context(world.globex.pk):
        assert gaps_of(world.globex.pk, **period()) == []


def test_a_newer_draft_that_answers_it_closes_the_gap(world: World, three: list[Draft]) -> None:
    Draft.objects.filter(pk=three[0].pk).update(status="superseded")
    factories.draft(three[0].base_message, questions=[{"text": "Do you sell gift cards?", "answer": 0}])
    assert gaps_of(world.acme.pk, **period()) == []


def test_check_drafts_are_not_counted(world: World, three: list[Draft]) -> None:
    Draft.objects.filter(pk=three[0].pk).update(is_canary=True)
    assert gaps_of(world.acme.pk, **period()) == []


def test_the_page_says_it_and_leads_to_the_conversations(
    world: World, three: list[Draft], signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(world.ada)
    with counted() as queries:
        page = BeautifulSoup(client.get("/quality/").content, "lxml")
    link = page.select_one("[aria-labelledby=q-gaps] a")
    assert link and link.get_text() == "2 conversations asked about “sell gift cards”"
    assert link["href"] == "/conversations/?q=sell+gift+cards"
    assert sum("jsonb_array_elements(questions)" in query["sql"] for query in queries) == 1
