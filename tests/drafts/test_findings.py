"""The lines under a draft say what was found in its text, and whether a source says it too; and what the mail asks is listed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils import timezone

from conversations.models import User
from drafts.desk import decisions, editing
from drafts.desk.decisions import Attention, NeedsSecondPress
from drafts.desk.findings import NOTHING, lines, said_in
from drafts.models import Draft
from drafts.writing.coverage import coverage
from drafts.writing.port import Source, Statement
from drafts.writing.relevance import asks_of, score_pieces
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It fits.", []),
        ("From $8.95, or 8.95 USD.", ["8.95 USD"]),
        ("It costs 8,95 € or € 1.299,00 in all.", ["8.95 EUR", "1299 EUR"]),
        ("£1,299.50 and 20 euros, then 7 pounds", ["1299.50 GBP", "20 EUR", "7 GBP"]),
        ("We refund it or give store credit; a 10 % discount.", ["a refund", "a discount"]),
        ("It is in stock and will arrive by Monday.", ["stock", "a delivery date"]),
        ("Order 12345 of 2026 has 3 parts", []),
    ],
)
def test_prices_and_promises_are_found_however_they_are_written(text: str, found: list[str]) -> None:
    assert said_in(text) == found


def test_each_is_compared_with_the_cited_sources_and_only_with_them() -> None:
    sources: list[dict[str, Any]] = [
        {"says": ["7 USD"], "cited": True},
        {"says": ["8.95 USD"], "cited": True},
        {"says": ["a refund"], "cited": False},
    ]
    found = lines("It costs 8.95 USD, not 9 USD. We refund it.", sources)
    assert [(one["kind"], one["text"]) for one in found] == [
        ("look", "Names a price: 8.95 USD, as in source 2"),
        ("warn", "Names a price: 9 USD, in no source"),
        ("warn", "Speaks of a refund, in no source"),
    ]
    assert [(one["kind"], one["text"]) for one in lines("It is 9 USD", None)] == [("look", "Names a price: 9 USD")]
    assert [(one["kind"], one["text"]) for one in lines("It fits.", sources)] == [("ok", NOTHING)]


def test_a_text_that_a_person_changed_is_looked_at_anew(world: World, acme: Any) -> None:
    draft = factories.draft(
        factories.message(world.mail),
        top_sources=[{"passage": "p", "title": "T", "says": ["8.95 USD"], "cited": True}],
        checks=[{"ok": True, "text": "Goes to the customer", "about": "recipients"}, {"ok": True, "text": NOTHING, "about": "text"}],
    )  # fmt: skip
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="It costs 8.95 USD, or 9 USD.")
    assert [one["text"] for one in Draft.objects.get(pk=draft.pk).checks][:3] == [
        "Goes to the customer",
        "Names a price: 8.95 USD, as in source 1",
        "Names a price: 9 USD, in no source",
    ]


def source(text: str) -> Source:
    return Source(uuid.uuid4(), uuid.uuid4(), "Hose", "https://a.test", text, 0.9, timezone.now())


def test_a_question_is_answered_by_the_statement_that_cites_what_answers_it() -> None:
    bend, fuel = source("The bend radius of the -8 hose is 4 inches."), source("PTFE hose is safe with E85 fuel.")
    asks = asks_of("Is PTFE hose safe with E85 fuel? What is the bend radius of the -8 hose? Do you ship to Norway?")
    text = "The bend radius of the -8 hose is 4 inches. PTFE hose is safe with E85 fuel."
    statements = [Statement(0, 43, (bend.passage_id,)), Statement(44, len(text), (fuel.passage_id,))]
    scored = score_pieces(asks=asks, sources=[bend, fuel], embedder=None)
    found = coverage(asks, scored, text, statements)
    assert [one.statement for one in found] == [1, 0, None]
    assert [one.text for one in found][2] == "Do you ship to Norway?"
    # What the drafter knows of its own text counts more than likeness.
    known = coverage(asks, scored, text, statements, left_open=asks[:1])
    assert [one.statement is None for one in known] == [True, False, False]


QUESTIONS = [{"text": "Does it fit?", "answer": ""}, {"text": "Is it safe?", "answer": factories.SENTENCE}]


@pytest.fixture
def draft(world: World, acme: Any) -> Draft:
    passage = "01890000-0000-7000-8000-000000000001"
    return factories.draft(
        factories.message(world.mail), questions=QUESTIONS, top_sources=[{"passage": passage, "title": "Hose"}]
    )


def test_an_open_question_is_no_praise_and_takes_a_second_press(
    world: World, draft: Draft, signed_in: Callable[[User], Client]
) -> None:
    page = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{draft.pk}/").content, "html.parser")
    tags = [tag.text.strip() for tag in page.select(".draft__head .tag")]
    assert tags == ["1 not answered"]
    assert [line.select_one("bdi").text for line in page.select(".asked li")] == ["Does it fit?", "Is it safe?"]
    assert factories.SENTENCE in page.select_one(".asked__answered q").text
    assert page.select_one("#decide")["data-second"] == "1 not answered"
    with assert_nothing_written(), pytest.raises(NeedsSecondPress, match="1 question is not answered"):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    twice = Attention(pressed_twice=True)
    assert decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attention=twice)


def test_a_person_who_writes_the_answer_is_asked_no_second_time(world: World, draft: Draft) -> None:
    text = f"{draft.suggested_text}\n\nAnd it fits."
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=text.replace("And it fits.", "Thanks!"))
    action = decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    assert action.type == "edit"
