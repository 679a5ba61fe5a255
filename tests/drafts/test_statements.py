from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drafts.diffing import ReplayError, diff_ops
from drafts.writing.port import Source, Statement
from drafts.writing.sentences import split_sentences
from drafts.writing.statements import (
    HOLDING_SENTENCES,
    check_statements,
    factual_sentences,
    is_courtesy,
    rebase_statements,
    supports,
    unsourced,
)
from ingestion.knowledge.words import terms

PASSAGE = (
    "## Hose\n\nUse **conductive** PTFE for [E85](https://x.test). Ethanol permeates and hardens rubber hose, so do not use\n"
    "it at any pressure. Unused, uncut hose may be returned within 30 days. It costs 8.95 USD.\n\n"
    "- Seat the olive dry.\n- Tighten the nut by one flat of the hex.\n\n| size | psi |\n| --- | --- |\n| -6 | 2500 |"
)


def source(text: str = PASSAGE) -> Source:
    return Source(uuid.uuid4(), uuid.uuid4(), "Hose", "", text, 0.9, datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It takes approx. 3 days, e.g. by air. Fine.", ["It takes approx. 3 days, e.g. by air.", "Fine."]),
        ("It is 3.5 mm thick. J. Smith said so.", ["It is 3.5 mm thick.", "J. Smith said so."]),
        ("Cut 3 ft. of hose. Done.", ["Cut 3 ft. of hose.", "Done."]),
        ("- one item\n- two items\n1. three", ["one item", "two items", "three"]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("Really?! Yes... maybe.", ["Really?!", "Yes... maybe."]),
        ("好的。没问题！行", ["好的。", "没问题！", "行"]),
        ("See docs.example.com for v1.2 now.", ["See docs.example.com for v1.2 now."]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_it_splits_sentences_as_people_do(text: str, expected: list[str]) -> None:
    assert [sentence.text for sentence in split_sentences(text)] == expected


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_sentences_are_pieces_of_the_text_in_order(text: str) -> None:
    position = 0
    for sentence in split_sentences(text):
        assert position <= sentence.start < sentence.end <= len(text)
        assert text[sentence.start : sentence.end] == sentence.text == sentence.text.strip()
        position = sentence.end


def test_words_are_compared_by_their_stem() -> None:
    assert terms("Hoses") == terms("hose") == ("hos",)
    assert terms("shipping ships shipped") == ("ship", "ship", "ship")
    assert terms("Is it the one?") == ("one",)
    assert terms("18 ft-lb, 3.5 mm and ½ in") == ("18", "ft", "lb", "3.5", "mm", "1/2")


@pytest.mark.parametrize(
    "sentence",
    [
        "Hi Marcus,",
        "Hello",
        "hi.",
        "Dear Dana Kowalski,",
        "Hi J. Whitfield,",
        "Thanks for getting in touch.",
        "Thank you for your patience!",
        "I’m sorry about the trouble.",
        "Please let us know if you have any questions.",
        "Could you send us a photo?",
        "Best regards,",
        "Mit freundlichen Grüßen",
        "---",
        *sorted(HOLDING_SENTENCES),
        "If you have any further questions, please do not hesitate to ask.",
        "If you need further assistance or clarification, please let me know.",
        "If you have any questions or concerns, don't hesitate to contact us anytime.",
        "Please feel free to reach out.",
        "I'll be happy to help you with any other questions you may have.",
        "We would be glad to assist you further.",
        "Have a great day! 🎉",
    ],
)
def test_a_courtesy_claims_nothing(sentence: str) -> None:
    assert is_courtesy(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Happy to help, your refund is on its way.",
        "If you have any questions, please do not hesitate to statement the full price.",
        "If you need help, please let us know and we pay you double.",
        "Have a great day with your free hose!",
        "Thanks for your message, we refund you today.",
        "Hi Dana your refund was granted today",
        "Did you know that we refund everything?",
        "Would you like the $500 back?",
        "Please let us know if you want your money back, we always pay it.",
        "We are sorry that the hose burst because of our mistake.",
        "Refund granted",
    ],
)
def test_a_claim_in_polite_clothes_is_a_claim(sentence: str) -> None:
    assert not is_courtesy(sentence)


def test_the_sign_off_is_no_claim_and_a_promise_in_its_place_is_one() -> None:
    def claimed(text: str) -> list[str]:
        return [sentence.text for sentence in factual_sentences(text)]

    assert claimed("Hi,\n\nSeat it dry.\n\nBest regards,\nTess at Hot Rod AN") == ["Seat it dry."]
    assert claimed("Hi,\n\nSeat it dry.\n\nTess at Hot Rod AN") == ["Seat it dry."]
    assert claimed("Seat it dry.\n\nBest regards,\nStudio 54") == ["Seat it dry."]
    assert claimed("Seat it dry.\n\nRefund granted in full") == ["Seat it dry.", "Refund granted in full"]
    assert claimed("Seat it dry.\n\nRefund Of 500 USD") == ["Seat it dry.", "Refund Of 500 USD"]
    assert claimed("Hot Rod AN") == ["Hot Rod AN"]


@pytest.mark.parametrize(
    "sentence",
    [
        "Seat the olive dry.",
        "seat the olive dry",
        "Use conductive PTFE for E85.",
        "Ethanol permeates and hardens rubber hose, so do not use it at any pressure.",
        "Unused uncut hose may be returned within 30 days.",
        "Unused and uncut hose can be returned within 30 days.",
        "Tighten the nut one flat of the hex.",
    ],
)
def test_a_passage_bears_its_own_words_and_near_ones(sentence: str) -> None:
    assert supports(sentence, PASSAGE)


@pytest.mark.parametrize(
    "sentence",
    [
        "Unused, uncut hose may be returned within 60 days.",
        "Unused, uncut hose may not be returned within 30 days.",
        "Ethanol permeates and hardens rubber hose, so do use it at any pressure.",
        "Use non-conductive PTFE for E85.",
        "The olive is guaranteed for life.",
        "Seat the olive dry with assembly grease.",
        "Seat the olive",  # too few words to be said "nearly", and not a sentence of the passage: see below
        "",
        "…",
    ],
)
def test_a_passage_does_not_bear_other_numbers_or_the_opposite(sentence: str) -> None:
    assert supports(sentence, PASSAGE) is (sentence == "Seat the olive")  # its words stand there as they are


@pytest.mark.parametrize("passage", ["Never assume that it is safe for E85.", "It is not safe for E85."])
def test_words_cut_out_of_a_warning_are_not_borne(passage: str) -> None:
    assert not supports("It is safe for E85.", passage)


def test_check_keeps_only_sources_that_say_so_and_finds_the_one_that_does() -> None:
    good, other = source(), source("Ground shipping takes 2 to 5 business days.")
    first, second, third = "Seat the olive dry.", "Shipping is free.", "Ground shipping takes 2 to 5 business days."
    fourth, fifth = "Tighten the nut by one flat of the hex.", "We pay for everything."
    text = f"Hi Luis,\n\n{first} {second} {third} {fourth} {fifth}\n\nBest regards,\nAnn"
    span = {
        words: (text.index(words), text.index(words) + len(words)) for words in (first, second, third, fourth, fifth)
    }
    named = [
        Statement(*span[first], (good.passage_id, other.passage_id)),
        Statement(*span[second], (other.passage_id,)),
        Statement(0, 8, (good.passage_id,)),
        Statement(*span[first], (uuid.uuid4(),)),
        Statement(*span[fourth], (other.passage_id,)),
    ]
    checked = check_statements(text, named, [other, good])
    assert checked == (
        Statement(*span[first], (good.passage_id,)),
        Statement(*span[second], ()),
        Statement(*span[third], (other.passage_id,)),  # nobody named it, and it is so
        Statement(*span[fourth], (good.passage_id,)),  # the wrong one was named
        Statement(*span[fifth], ()),
    )
    assert unsourced(checked) == 2


def test_a_claim_over_two_sentences_is_checked_sentence_by_sentence() -> None:
    good = source()
    text = "Seat the olive dry. We pay for everything."
    assert check_statements(text, [Statement(0, len(text), (good.passage_id,))], [good]) == (
        Statement(0, 19, (good.passage_id,)),
        Statement(20, 42, ()),
    )


@pytest.mark.parametrize("statement", [Statement(-5, 900), Statement(50, 10), Statement(10_000, 20_000)])
def test_spans_out_of_the_text_do_no_harm(statement: Statement) -> None:
    good = source()
    broken = Statement(statement.start, statement.end, (good.passage_id,))
    checked = check_statements("Seat the olive dry.", [broken], [good])
    assert [(statement.start, statement.end) for statement in checked] == [(0, 19)]


ONE, TWO, THREE = (uuid.uuid4() for _ in range(3))
DRAFT = "Hi Luis,\n\nUse PTFE hose. Seat the olive dry. Hose lasts ten years.\n\nBest regards,\nHot Rod AN"
STATEMENTS = (Statement(10, 24, (ONE,)), Statement(25, 44, (TWO,)), Statement(45, 66, (THREE, ONE)))


def rebased(edited: str) -> list[tuple[str, tuple[uuid.UUID, ...]]]:
    found = rebase_statements(STATEMENTS, diff_ops(DRAFT, edited), source=DRAFT)
    return [(edited[statement.start : statement.end], statement.source_ids) for statement in found]


def test_an_untouched_text_keeps_its_statements() -> None:
    assert rebase_statements(STATEMENTS, diff_ops(DRAFT, DRAFT), source=DRAFT) == STATEMENTS


def test_a_changed_sentence_loses_its_sources_and_its_neighbours_keep_theirs() -> None:
    assert rebased(DRAFT.replace("dry", "wet")) == [
        ("Use PTFE hose.", (ONE,)),
        ("Seat the olive wet.", ()),
        ("Hose lasts ten years.", (THREE, ONE)),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "Use PTFE",
            "Do not use PTFE",
            [("Do not use PTFE hose.", ()), "Seat the olive dry.", "Hose lasts ten years."],
        ),
        ("Seat", "Never! Seat", ["Use PTFE hose.", ("Never!", ()), "Seat the olive dry.", "Hose lasts ten years."]),
        ("Seat the", "Never seat the", ["Use PTFE hose.", ("Never seat the olive dry.", ()), "Hose lasts ten years."]),
        (" Seat the olive dry.", "", ["Use PTFE hose.", "Hose lasts ten years."]),
        ("dry. Hose", "dry, hose", ["Use PTFE hose.", ("Seat the olive dry, hose lasts ten years.", ())]),
        (
            "years.",
            "years. We pay.",
            ["Use PTFE hose.", "Seat the olive dry.", "Hose lasts ten years.", ("We pay.", ())],
        ),
        ("Hi Luis,", "Hello Luis and Ann,", ["Use PTFE hose.", "Seat the olive dry.", "Hose lasts ten years."]),
        ("dry. ", "dry.\n\n", ["Use PTFE hose.", "Seat the olive dry.", "Hose lasts ten years."]),
    ],
)
def test_only_sentences_left_exactly_as_they_were_keep_sources(
    old: str, new: str, expected: list[str | tuple[str, tuple[uuid.UUID, ...]]]
) -> None:
    before = {"Use PTFE hose.": (ONE,), "Seat the olive dry.": (TWO,), "Hose lasts ten years.": (THREE, ONE)}
    wanted = [item if isinstance(item, tuple) else (item, before[item]) for item in expected]
    assert rebased(DRAFT.replace(old, new)) == wanted


def test_a_claim_over_several_sentences_lends_its_sources_to_whole_sentences_only() -> None:
    text = "Never use it. Seat it dry."
    statements = (Statement(0, len(text), (ONE,)),)
    for edited, kept in (("use it. Seat it dry.", [(), (ONE,)]), (text, [(ONE,), (ONE,)])):
        found = rebase_statements(statements, diff_ops(text, edited), source=text)
        assert [statement.source_ids for statement in found] == kept


def test_moving_a_sentence_to_another_place_is_a_change() -> None:
    moved = "Hi Luis,\n\nHose lasts ten years. Use PTFE hose. Seat the olive dry.\n\nBest regards,\nHot Rod AN"
    assert ("Hose lasts ten years.", ()) in rebased(moved) or ("Use PTFE hose.", ()) in rebased(moved)


def test_an_edit_of_another_text_is_refused() -> None:
    with pytest.raises(ReplayError):
        rebase_statements(STATEMENTS, diff_ops("other", "text"), source=DRAFT)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["Use PTFE hose.", " ", "Not", "Seat it dry.", "\n", "We pay", "."]), max_size=12).map(
        "".join
    )
)
def test_no_edit_gives_a_sentence_a_source_that_its_words_did_not_have(edited: str) -> None:
    text = "Use PTFE hose. Seat it dry."
    statements = (Statement(0, 14, (ONE,)), Statement(15, 27, (TWO,)))
    for statement in rebase_statements(statements, diff_ops(text, edited), source=text):
        words = edited[statement.start : statement.end]
        assert statement.source_ids in {(): [()], "Use PTFE hose.": [(), (ONE,)], "Seat it dry.": [(), (TWO,)]}.get(
            words, [()]
        )
