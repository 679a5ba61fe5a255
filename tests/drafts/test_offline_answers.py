"""Approved answers in the offline drafter's replies: whole, where their question is asked, and nowhere else."""

from __future__ import annotations

import uuid
from dataclasses import replace

from drafts.writing.port import Source
from drafts.writing.statements import NOT_FOUND
from ingestion.knowledge.recognise import Recogniser, learn
from tests.drafts.test_offline_drafter import EMBEDDER, source, write


def test_an_approved_answer_is_quoted_whole_where_its_question_is_asked_in_other_words() -> None:
    answer = "Yes.\n\nUse the black insert. It never slips. Do you have the bag with two?\nWe keep both."
    golden = source(answer, title="Can I use the pro cutter on braided hose?", url="golden:1")
    other = source(
        "The pro cutter cuts hose up to 20 mm. Clean it after use.", title="Pro cutter", url="https://a.test/c"
    )
    result = write("Can the pro cutter be used on a braided hose?", other, golden)
    assert f"\n\n{answer}\n\n" in result.text
    assert [result.text[statement.start : statement.end] for statement in result.statements] == [
        "Yes.",
        "Use the black insert.",
        "It never slips.",
        "We keep both.",
    ]
    assert {statement.source_ids for statement in result.statements} == {(golden.passage_id,)}


def test_two_questions_with_one_approved_answer_get_it_once() -> None:
    golden = source("Yes, with the black insert.", title="Can I use the pro cutter on braided hose?", url="golden:1")
    result = write("Can I use the pro cutter on braided hose? Does the pro cutter work on braided hose?", golden)
    assert result.text.count("black insert") == 1


def test_an_approved_answer_to_something_else_is_not_taken_for_it() -> None:
    golden = source(
        "Yes, with the black insert only.", title="Can I use the pro cutter on braided hose?", url="golden:1"
    )
    result = write("When does your shop in Bremen open?", golden)
    assert "black insert" not in result.text


def recogniser_of(*goldens: Source) -> Recogniser:
    """Learned from these approved questions and enough others."""
    topics = [
        "How do I reset my password?", "Where is my parcel now?", "Can I get a refund for the pump?",
        "Do you ship to Canada?", "Which hose fits E85 fuel?", "Do you sell gift cards?", "Is there a dealer price?",
        "How long is the warranty?",
    ]  # fmt: skip
    forms = ["{}", "Hi, {}", "{} Thanks", "Please tell me: {}", "Question: {}"]
    texts = [(form.format(topic), topic) for topic in topics for form in forms]
    learned = [(golden.document_id, golden.title, golden.text) for golden in goldens for _ in range(5)]
    learned += [(uuid.uuid4(), text, topic) for text, topic in texts]
    return learn(
        [each[0] for each in learned], [each[2] for each in learned], EMBEDDER.embed([t for _, t, _ in learned])
    )


def test_what_was_learned_turns_a_like_question_away_that_likeness_would_have_answered() -> None:
    question = "Is it fine to use your pro cutter on braided hose?"
    golden = source(
        "Yes, with the black insert only.", title="May I use the pro cutter on braided hoses?", url="golden:1"
    )
    assert golden.text in write(question, golden).text
    recogniser = recogniser_of(golden)
    assert golden.text in write(question, golden, recogniser=recogniser).text
    strict = replace(recogniser, threshold=2.0)
    assert NOT_FOUND in write(question, golden, recogniser=strict).text
    # Word for word the same question, and a golden that was not learned, are as they were.
    assert golden.text in write(golden.title, golden, recogniser=strict).text
    young = replace(golden, document_id=uuid.uuid4())
    assert young.text in write(question, young, recogniser=strict).text


def test_what_was_learned_finds_the_answer_where_the_words_are_others() -> None:
    golden = source("Our doors open at nine.", title="What are your opening hours?", url="golden:1")
    recogniser = recogniser_of(golden)
    question = "hello there, at what hour does your store open in the morning"
    assert NOT_FOUND in write(question, golden).text
    known = replace(recogniser, threshold=0.1)
    assert golden.text in write(question, golden, recogniser=known).text
