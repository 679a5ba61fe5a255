"""When a reply says something else than the approved answer: which statement of it is asked, and what counts as another."""

from __future__ import annotations

import uuid

import pytest

from drafts.learning.compare import differences
from drafts.writing.port import Statement

SOURCE = uuid.UUID(int=1)


def is_other(answer: str, reply: str, question: str = "?") -> bool:
    found = differences(question, answer, reply, (Statement(0, len(reply)),))
    assert found in ([], [reply])
    return bool(found)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("Hoses stretch.", "Hoses never stretch."),  # two meaningful words are a matter
        ("Alpha bravo charlie delta echo.", "Alpha bravo charlie never golf hotel."),  # three of five
        ("Alpha bravo charlie delta echo foxtrot golf hotel.", "Alpha bravo never."),  # of the shorter of the two
    ],
)
def test_a_not_more_on_the_same_matter_is_another_statement(answer: str, reply: str) -> None:
    assert is_other(answer, reply)
    assert is_other(reply, answer)
    assert not is_other(answer, answer)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("Hoses.", "Never hoses."),  # one meaningful word is on no particular matter
        ("Alpha bravo charlie delta.", "Alpha bravo never golf hotel."),  # half
        ("Alpha 12 13 14.", "Charlie never 12 13 14."),  # a figure is no matter
        ("Alpha 1.2 1.3 1.4.", "Charlie never 1.2 1.3 1.4."),
    ],
)
def test_a_statement_on_another_matter_contradicts_nothing(answer: str, reply: str) -> None:
    assert not is_other(answer, reply)


def test_the_nearest_statement_of_the_answer_is_the_one_that_is_asked() -> None:
    answer = "Alpha bravo charlie delta is safe. Alpha bravo charlie echo is not safe."
    assert is_other(answer, "Alpha bravo charlie delta is not safe.")
    assert not is_other(answer, "Alpha bravo charlie echo is not safe.")
    turned = "Alpha bravo charlie echo is not safe. Alpha bravo charlie delta is safe."
    assert is_other(turned, "Alpha bravo charlie delta is not safe.")
    assert not is_other(turned, "Alpha bravo charlie echo is not safe.")


def test_two_denials_say_what_none_does() -> None:
    plain, sure = "Alpha bravo charlie lasts.", "Alpha bravo charlie lasts, no doubt, without question."
    assert not is_other(plain, sure)
    assert not is_other(sure, plain)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("Hoses cannot ever be returned.", "Hoses can be returned, no doubt."),
        ("Hoses can be returned, no doubt.", "Hoses cannot ever be returned."),
    ],
)
def test_what_can_be_done_is_not_what_cannot_though_both_deny_something(answer: str, reply: str) -> None:
    assert is_other(answer, reply)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("Hoses can be returned.", "Hoses are returned."),
        ("Hoses are returned.", "Hoses can be returned."),
        ("Hoses cannot ever be returned.", "Hoses are returned, no doubt."),
        ("Hoses can be returned.", "Hoses can be returned and can be changed."),
        ("Hoses cannot ever be returned.", "Hoses cannot ever be returned."),
        ("Hoses can be cut and cannot ever be returned.", "Hoses can be cut, and returned, no doubt."),  # says both
    ],
)
def test_what_allows_the_same_or_says_neither_contradicts_nothing(answer: str, reply: str) -> None:
    assert not is_other(answer, reply)


@pytest.mark.parametrize("turned", [False, True])
def test_a_not_of_another_word_is_another_statement(turned: bool) -> None:
    safe, unsafe = "Alpha bravo charlie is safe, not heavy.", "Alpha bravo charlie is not safe."
    assert is_other(*((unsafe, safe) if turned else (safe, unsafe)))
    assert not is_other(safe, "Alpha bravo charlie is safe, not light.")


def test_each_denied_word_is_looked_at() -> None:
    answer = "Alpha bravo is not heavy, not dear, and is safe, no doubt."
    assert is_other(answer, "Alpha bravo is not heavy, not dear, not safe.")
    assert is_other(answer, "Alpha bravo is not safe, not dear, not large.")
    assert is_other(answer, "Alpha bravo is not large, not dear, not safe.")


def test_a_number_that_neither_question_nor_answer_has_is_another_statement() -> None:
    answer = "Alpha bravo ships in 5 days."
    assert is_other(answer, "Alpha bravo ships in 7 days.")
    assert not is_other(answer, "Alpha bravo ships in 5 days.")
    assert not is_other("Alpha bravo ships soon.", "Alpha bravo ships all 7 soon.", "Will my 7 hoses ship?")
    assert is_other("Alpha bravo ships soon.", "Alpha bravo ships all 7 soon.")


def test_the_questions_number_in_the_place_of_the_answers_is_another_statement() -> None:
    answer, question = "Alpha bravo ships in 5 days.", "Will my 7 hoses ship?"
    assert is_other(answer, "Alpha bravo ships in 7 days.", question)
    assert not is_other(answer, "Alpha bravo ships all 7 in 5 days.", question)
    assert not is_other("Alpha bravo ships in 5 of 6 days.", "Alpha bravo ships in 5 days.")


def test_a_promise_needs_a_source_or_the_answer() -> None:
    reply = "We guarantee that zulu arrives."
    whole = (0, len(reply))
    assert differences("?", "Alpha bravo.", reply, (Statement(*whole),)) == [reply]
    assert differences("?", "Alpha bravo.", reply, (Statement(*whole, (SOURCE,)),)) == []
    assert differences("?", f"Alpha bravo. {reply}", reply, (Statement(*whole),)) == []
    assert differences("?", "Alpha bravo.", "Zulu arrives.", (Statement(0, 13),)) == []


def test_a_sourced_promise_that_contradicts_the_answer_is_found_all_the_same() -> None:
    reply = "We guarantee that alpha bravo never arrives."
    answer = "We guarantee that alpha bravo arrives."
    assert differences("?", answer, reply, (Statement(0, len(reply), (SOURCE,)),)) == [reply]


def test_the_sentences_that_differ_are_named_in_their_order() -> None:
    first, second, third = "Alpha bravo never ships.", "Charlie delta ships.", "Echo foxtrot never ships."
    reply = f"{first} {second} {third}"
    spans = [(reply.index(each), reply.index(each) + len(each)) for each in (first, second, third)]
    answer = "Alpha bravo ships. Charlie delta ships. Echo foxtrot ships."
    assert differences("?", answer, reply, [Statement(*span) for span in spans]) == [first, third]
