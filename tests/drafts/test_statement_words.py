"""Where the check of statements is strict and where it is not, sign by sign: names under a text, questions, what two
sentences say together, and what a source bears."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from drafts.diffing import diff_ops
from drafts.writing.port import Source, Statement
from drafts.writing.statements import (
    check_statements,
    factual_sentences,
    is_courtesy,
    normalised,
    rebase_statements,
    supports,
)

PTFE, DRY = "Use PTFE hose with E85.", "Seat the olive dry."


def source(text: str) -> Source:
    return Source(uuid.uuid4(), uuid.uuid4(), "Hose", "", text, 0.9, datetime(2026, 11, 1, tzinfo=UTC))


# --- names under a text ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("word", ["at", "from", "the", "and", "of", "team", "de", "van", "von", "der", "da"])
def test_a_small_word_may_stand_in_a_name(word: str) -> None:
    assert factual_sentences(f"{PTFE}\n\nTess {word} Berg")[-1].text == PTFE
    assert len(factual_sentences(f"{PTFE}\n\nTess goes {word} Berg")) == 2


def test_blanks_below_the_names_are_no_paragraph_of_their_own() -> None:
    assert [one.text for one in factual_sentences(f"{PTFE}\n\nTess Berg\n\n \n")] == [PTFE]


def test_names_alone_are_no_sign_off_of_anything() -> None:
    assert [one.text for one in factual_sentences("Tess Berg")] == ["Tess Berg"]


@pytest.mark.parametrize(
    ("below", "is_sign_off"),
    [
        ("Tess Berg\nHot Rod AN\nNew York", True),
        ("Tess Berg\nHot Rod AN\nNew York\nUSA", False),
        ("Best regards,\nTess Berg\nHot Rod AN\nNew York", True),
        ("Best regards,\nRefund granted", False),
        ("Best regards,\nTess 555\n3M Team", True),
        ("Tess 555", False),
        ("Tess Berg\nit is free", False),
        ("it is free\nTess Berg", False),
        ("Tess & Ann | Rod,", True),
        ("Aa Bb Cc Dd Ee Ff", True),
        ("Aa Bb Cc Dd Ee Ff Gg", False),
        ("Refund Granted.", False),
        ("Refund Granted!", False),
        ("Refund Granted:", False),
        ("  Tess Berg  \n  Hot Rod  ", True),
        ("\n Tess Berg", True),
    ],
)
def test_a_paragraph_of_few_names_at_the_end_states_nothing(below: str, is_sign_off: bool) -> None:
    found = [one.text for one in factual_sentences(f"{PTFE}\n\n{below}")]
    assert (found == [PTFE]) is is_sign_off


def test_an_empty_line_on_top_is_a_paragraph_too() -> None:
    assert factual_sentences("\n\nTess Berg") == []


# --- courtesies and questions ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sentence", "says_nothing"),
    [
        ("We hope this helps!", True),
        ("**Thanks!**", True),
        ("_ Thank you _", True),
        ("入っていますか？", True),
        ("Did you know that it is free?", False),
        ("Do you know that it is free?", False),
        ("DO YOU KNOW THAT it is free?", False),
    ],
)
def test_a_courtesy_says_nothing_and_a_statement_in_disguise_does(sentence: str, says_nothing: bool) -> None:
    assert is_courtesy(sentence) is says_nothing


# --- which source a sentence keeps --------------------------------------------------------------------------------------
def test_a_sentence_keeps_the_named_sources_that_bear_it_and_takes_no_other() -> None:
    one, two, false = source(PTFE), source(f"{DRY} {PTFE}"), source("Rubber is cheap.")
    text = f"{PTFE} {DRY}"
    named = Statement(0, len(PTFE), (one.passage_id, false.passage_id, uuid.uuid4()))
    first, second = check_statements(text, [named], [false, two, one])
    assert (first.start, first.end, first.source_ids) == (0, len(PTFE), (one.passage_id,))
    assert second.source_ids == (two.passage_id,), "nobody named one: the first that bears it"


def test_of_those_that_nobody_named_one_is_enough() -> None:
    one, two = source(PTFE), source(PTFE)
    (found,) = check_statements(PTFE, [], [one, two])
    assert found.source_ids == (one.passage_id,)


def test_a_statement_is_about_the_sentences_that_it_touches() -> None:
    text = f"{PTFE} {DRY}"
    both, first = source(f"{PTFE} {DRY}"), source(f"{PTFE} {DRY}")
    middle = len(PTFE) + 1
    spans = {
        (0, len(text)): [True, True],
        (0, middle): [True, False],
        (middle, len(text)): [False, True],
        (0, middle + 1): [True, True],
        (len(PTFE) - 1, len(text)): [True, True],
        (len(PTFE), len(text)): [False, True],
    }
    for (start, end), named in spans.items():
        found = check_statements(text, [Statement(start, end, (first.passage_id,))], [both, first])
        assert [one.source_ids == (first.passage_id,) for one in found] == named, (start, end)


# --- what a passage bears ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sentence", "passage", "borne"),
    [
        ("Seat the olive dry!", "Seat the olive dry and straight.", True),
        ("Olive dry.", "The olive is dry.", False),  # of two words both are too little
        ("Brass olive dry.", "The dry olive of brass.", True),  # of three they are enough
        ("Seat brass olive dry nut.", "The dry olive of brass in its seat.", True),  # four of five
        ("Seat brass olive dry nut gently.", "The dry olive of brass in its seat.", False),  # four of six
        ("Brass olive nut torque wrench.", "Take a brass olive. The nut has a torque for the wrench.", True),
        ("Brass olive costs 5 USD today.", "| Brass olive today |\n| --- |\n| costs 5 USD |", False),
        ("The olive is not dry inside.", "The olive is dry inside. It is not wet.", False),
        ("The hose holds 5 bar pressure.", "The hose holds 5 bar pressure never. The hose holds 5 bar pressure.", True),
        ("Seat the olive.", "", False),
        ("No, nothing, never.", "Nobody knows. No, not, never.", False),
    ],
)
def test_a_passage_bears_what_one_or_two_neighbouring_sentences_say(sentence: str, passage: str, borne: bool) -> None:
    assert supports(sentence, passage) is borne


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("It’s ‘so’", "it's 'so'"),
        ("“So”", '"so"'),
        ("a–b—c‑d‐e-f", "a-b-c-d-e-f"),
        ("ＰＴＦＥ  Hose\n½", "ptfe hose 1⁄2"),
    ],
)
def test_signs_that_look_alike_are_one(written: str, plain: str) -> None:
    assert normalised(written) == plain


# --- after an edit -------------------------------------------------------------------------------------------------------
def test_a_sentence_keeps_the_sources_of_the_statements_that_hold_it_whole() -> None:
    keys = [uuid.uuid4() for _ in range(3)]
    text, edited = f"{PTFE} {DRY}", f"Well. {PTFE} {DRY}"
    middle = len(PTFE) + 1
    statements = [
        Statement(0, len(text), (keys[0],)),
        Statement(0, len(PTFE), (keys[1],)),
        Statement(middle, len(text), (keys[2],)),
        Statement(2, len(PTFE), (uuid.uuid4(),)),
        Statement(0, len(PTFE) - 1, (uuid.uuid4(),)),
    ]
    found = rebase_statements(statements, diff_ops(text, edited), source=text)
    by_text = {edited[one.start : one.end]: one.source_ids for one in found}
    assert by_text == {"Well.": (), PTFE: (keys[0], keys[1]), DRY: (keys[0], keys[2])}


def test_a_sentence_that_was_typed_anew_keeps_nothing() -> None:
    text = f"{PTFE} {DRY}"
    statements = [Statement(0, len(PTFE), (uuid.uuid4(),))]
    found = rebase_statements(statements, diff_ops(text, f"{DRY} {PTFE}"), source=text)
    assert sum(bool(one.source_ids) for one in found) <= 1
    swapped = rebase_statements(statements, diff_ops(PTFE, "Another thing."), source=PTFE)
    assert [one.source_ids for one in swapped] == [()]


HOSES = "| Hose | Size | Price |\n|---|---|---|\n| PTFE | -6 | 9 per foot |\n| PTFE | -8 | 12 per foot |\n| Rubber | -6 | 4 per foot |"


@pytest.mark.parametrize(
    "sentence",
    [
        "PTFE – Size: -8; Price: 12 per foot.",
        "PTFE in size -8 has a price of 12 per foot.",
        "Rubber – Size: -6; Price: 4 per foot.",
    ],
)
def test_a_row_bears_what_it_says(sentence: str) -> None:
    assert supports(sentence, HOSES)


@pytest.mark.parametrize(
    "sentence",
    [
        "Rubber – Size: -8; Price: 12 per foot.",  # another row's value
        "Nylon – Size: -8; Price: 12 per foot.",  # a name that is in no row: its row may be in another passage
        "Size: -8; Price: 12 per foot.",  # no name
        "PTFE – Size: 12; Price: 8 per foot.",  # another column's value
        "-8 – Size: PTFE; Price: 12 per foot, rubber.",
    ],
)
def test_a_row_bears_no_value_under_another_name(sentence: str) -> None:
    assert not supports(sentence, HOSES)


def test_every_sentence_of_a_row_that_has_several_is_borne() -> None:
    table = "| Kind | Rule |\n|---|---|\n| Hose | Cut it square. Deburr the end with a file. |\n| Nut | Tighten it. |"
    assert supports("Deburr the end with a file.", table)
