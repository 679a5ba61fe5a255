"""How much of a passage the offline drafter quotes: lists whole, rows of tables read out, and nothing where documents only come near."""

from __future__ import annotations

import pytest

from drafts.writing.choice import choose
from drafts.writing.markdown import Piece
from drafts.writing.relevance import Ask, Candidate, asks_of
from drafts.writing.statements import factual_sentences
from tests.drafts.test_offline_drafter import source, write

COLOURS = ("red", "blue", "grey", "pink", "gold", "lime", "teal", "navy", "plum", "mint")
RATES = source(
    "## United States\n\n| service | lower 48 states | price |\n| --- | --- | --- |\n"
    "| Ground | 2 to 5 business days | 9.95 USD |\n| Overnight | 1 business day | 44.95 USD |\n\n"
    "We ship to post-office boxes by ground only."
)
STEPS = source(
    "## Cutting hose\n\nCut PTFE hose like this:\n1. Wrap the hose tightly with tape.\n2. Cut through the tape.\n"
    "3. Pull the tape off.\n\nOur blades are sold in packs of ten.",
    "Assembling",
)


def body(text: str) -> str:
    return text.split("Thanks for getting in touch.\n\n")[1].split("\n\nPlease let us know")[0]


def test_a_price_in_a_table_is_read_out_with_its_column() -> None:
    result = write("What does overnight shipping cost?", RATES)
    assert body(result.text).split("\n\n")[0] == "Overnight – lower 48 states: 1 business day; price: 44.95 USD."
    assert {statement.source_ids for statement in result.statements} == {(RATES.passage_id,)}


def test_rows_about_something_else_stay_away() -> None:
    sizes = source(
        "| size | inside | smallest bend radius |\n| --- | --- | --- |\n| -6 | 5/16 in | 3 in |\n| -8 | 13/32 in | 4 in |\n"
        "| -10 | 1/2 in | 5 in |",
        "Sizes and bends",
    )
    assert (
        body(write("What is the bend radius of -8 hose?", sizes).text)
        == "-8 – inside: 13/32 in; smallest bend radius: 4 in."
    )


def test_steps_are_quoted_all_in_order_and_numbered_each_with_its_source() -> None:
    result = write("How do I cut PTFE hose?", STEPS)
    assert body(result.text) == (
        "Cut PTFE hose like this:\n1. Wrap the hose tightly with tape.\n2. Cut through the tape.\n3. Pull the tape off."
    )
    said = [result.text[statement.start : statement.end] for statement in result.statements]
    assert said == [
        "Cut PTFE hose like this:",
        "Wrap the hose tightly with tape.",
        "Cut through the tape.",
        "Pull the tape off.",
    ]
    assert said == [each.text for each in factual_sentences(result.text)]
    assert {statement.source_ids for statement in result.statements} == {(STEPS.passage_id,)}


def test_of_a_very_long_list_only_what_answers_is_quoted_after_its_introduction() -> None:
    colours = "\n".join(f"- {colour} ends are made of steel" for colour in COLOURS)
    long = source(f"These ends come in other metals:\n\n{colours}\n- black ends are made of aluminum", "Materials")
    assert body(write("Are the black ends made of aluminum?", long).text) == (
        "These ends come in other metals:\n- black ends are made of aluminum"
    )


@pytest.mark.parametrize(
    ("rivals", "answered"),
    [
        ([], True),
        ([("Tyres take longer.", 0.30)], True),  # far behind
        (
            [("Tyres take longer.", 0.30), ("Rims take longer.", 0.44)],
            False,
        ),  # a question that several documents nearly answer
        ([("Wheels take longer.", 0.44)], True),  # another document that says the very same is no rival
        ([("Tyres take longer.", 0.46)], False),
    ],
)
def test_a_document_answers_when_it_is_ahead_of_the_others(rivals: list[tuple[str, float]], answered: bool) -> None:
    scored = [
        Candidate(source(text, text), 0, Piece(text, "", text), (score,))
        for text, score in [("Wheels take longer.", 0.45), *rivals]
    ]
    ask = Ask("Do wheels take longer?")
    quotes, open_asks = choose([ask], scored, most=5)
    assert ([quote.text for quote in quotes], open_asks) == ((["Wheels take longer."], []) if answered else ([], [ask]))


@pytest.mark.parametrize(
    ("message", "whole"),
    [
        (
            "I bought a hose last month. Can I still send it back?",
            "I bought a hose last month. Can I still send it back?",
        ),
        (
            "Where is my order? Tracking has not moved for a week.",
            "Tracking has not moved for a week. Where is my order?",
        ),
        ("Where is my order? Thanks!", "Where is my order?"),
        ("Do you ship engines to Norway? I am in Oslo.", "Do you ship engines to Norway?"),
    ],
)
def test_a_question_that_says_little_is_read_with_the_story_beside_it(message: str, whole: str) -> None:
    assert [ask.whole for ask in asks_of(message)] == [whole]
