"""What is learned from approved answers: which is asked for, when it is none, and when it is learned again."""

from __future__ import annotations

import math
import random
import uuid

import numpy
import pytest

from conversations.models import Account
from conversations.tenancy import tenant_context
from ingestion.knowledge import answers, recognise
from ingestion.knowledge.index import Origin, index_document, remove_document
from ingestion.knowledge.search import _rank, fuse
from ingestion.models import AnswerModel, Passage, SourceDocument
from tests import factories

WIDTH = 24


def vector(topic: int, chance: random.Random) -> list[float]:
    """A question about a topic: its direction and some noise, of length 1."""
    made = [chance.gauss(0, 0.12) for _ in range(WIDTH)]
    made[topic] += 1
    length = math.sqrt(sum(number * number for number in made))
    return [number / length for number in made]


def learned(topics: int = 10, each: int = 12) -> recognise.Recogniser:
    chance = random.Random(1)
    questions = [topic for topic in range(topics) for _ in range(each)]
    ids = [uuid.UUID(int=n + 1) for n in range(len(questions))]
    return recognise.learn(ids, [f"answer {topic}" for topic in questions], [vector(t, chance) for t in questions])


class TopicEmbedder:
    """Questions read "topic 3, question 5"; the vector is that topic's."""

    name, dimension = "topics", WIDTH

    def __init__(self) -> None:
        self.asked = 0

    def embed(self, texts: list[str]) -> list[list[float]]:
        self.asked += len(texts)
        return [vector(int(text.split()[1].strip(",")), random.Random(text)) for text in texts]


def test_it_names_the_answer_of_a_new_question_and_turns_away_what_no_answer_is_about() -> None:
    recogniser = learned()
    chance = random.Random(2)
    for topic in range(10):
        known = recogniser.recognise([vector(topic, chance)])[0]
        assert known.is_asked(uuid.UUID(int=topic * 12 + 3)) is True
        assert known.is_asked(uuid.UUID(int=(topic * 12 + 15) % 120 + 1)) is False
        assert recogniser.rows[known.nearest()[0][0]] // 12 == topic
    strangers = [recogniser.recognise([vector(topic, chance)])[0] for topic in range(10, 20)]
    assert sum(known.is_asked(uuid.UUID(int=n * 12 + 1)) or False for known in strangers for n in range(10)) <= 1
    assert strangers[0].is_asked(uuid.UUID(int=999)) is None


def test_what_was_learned_survives_being_stored() -> None:
    recogniser = learned()
    again = recognise.Recogniser.from_bytes(recogniser.to_bytes())
    asked = [vector(4, random.Random(3))]
    assert again.documents == recogniser.documents
    assert again.threshold == recogniser.threshold
    assert numpy.allclose(again.recognise(asked)[0].scores, recogniser.recognise(asked)[0].scores, atol=0.01)


def test_a_vector_of_another_embedder_is_refused() -> None:
    with pytest.raises(ValueError, match="24 numbers"):
        learned().recognise([[1.0, 0.0]])


def test_the_threshold_is_what_leaving_an_answer_out_says() -> None:
    """The closed form, against really learning without the answer."""
    chance = random.Random(1)
    questions = [topic for topic in range(10) for _ in range(12)]
    vectors = [vector(topic, chance) for topic in questions]
    said = []
    for out in range(10):
        kept = [n for n, topic in enumerate(questions) if topic != out]
        without = recognise.learn(
            [uuid.UUID(int=n + 1) for n in kept], [str(questions[n]) for n in kept], [vectors[n] for n in kept]
        )
        said += [float(k.scores.max()) for k in without.recognise([vectors[n] for n in range(out * 12, out * 12 + 12)])]
    assert learned().threshold == pytest.approx(float(numpy.quantile(said, recognise.STRICT)), abs=0.005)


def test_few_answers_or_few_questions_each_teach_nothing() -> None:
    assert recognise.learnable([f"answer {n % 7}" for n in range(700)]) == []
    assert recognise.learnable([f"answer {n}" for n in range(700)]) == []
    assert len(recognise.learnable(["once", *(f"answer {n % 8}" for n in range(40))])) == 40


def golden(account: Account, topic: int, number: int) -> SourceDocument:
    return index_document(
        account_id=account.pk,
        source_url=f"golden:{topic}-{number}",
        title=f"topic {topic}, question {number}",
        text=f"This is the answer about topic {topic}.",
        origin=Origin(SourceDocument.Kind.GOLDEN),
    )


@pytest.mark.django_db
def test_it_is_learned_once_and_again_when_answers_change() -> None:
    account, other = factories.account("Acme", "acme"), factories.account("Globex", "globex")
    embedder = TopicEmbedder()
    assert not answers.learn_answers(account_id=account.pk, embedder=embedder)  # nothing approved
    documents = [golden(account, topic, number) for topic in range(8) for number in range(5)]
    assert answers.learn_answers(account_id=account.pk, embedder=embedder)
    asked = embedder.asked
    assert not answers.learn_answers(account_id=account.pk, embedder=embedder)
    assert embedder.asked == asked == 40
    with tenant_context(account.pk):
        recogniser = answers.recogniser_of(account.pk, embedder)
        assert recogniser is not None
        assert set(recogniser.documents) == {document.pk for document in documents}
    with tenant_context(other.pk):
        assert answers.recogniser_of(account.pk, embedder) is None  # row-level security
        assert not AnswerModel.objects.exists()
    for number in range(5):
        remove_document(account_id=account.pk, source_url=f"golden:3-{number}")
    assert answers.learn_answers(account_id=account.pk, embedder=embedder)
    with tenant_context(account.pk):
        assert answers.recogniser_of(account.pk, embedder) is None  # seven answers are too few


@pytest.mark.django_db
def test_what_another_embedder_learned_is_not_used() -> None:
    account = factories.account("Acme", "acme")
    for topic in range(8):
        for number in range(5):
            golden(account, topic, number)
    embedder = TopicEmbedder()
    answers.learn_answers(account_id=account.pk, embedder=embedder)
    embedder.name = "another"
    with tenant_context(account.pk):
        assert answers.recogniser_of(account.pk, embedder) is None


@pytest.mark.django_db
def test_one_answer_takes_one_place_and_what_was_learned_says_which_comes_first() -> None:
    account = factories.account("Acme", "acme")
    for topic in range(8):
        for number in range(5):
            golden(account, topic, number)
    embedder = TopicEmbedder()
    answers.learn_answers(account_id=account.pk, embedder=embedder)
    with tenant_context(account.pk):
        recogniser = answers.recogniser_of(account.pk, embedder)
        assert recogniser is not None
        passages = {each.pk: each for each in Passage.objects.select_related("document")}
        known = recogniser.recognise(embedder.embed(["topic 5, asked"]))[0]
        # The vector store says topic 2, all five of it, and nothing else.
        near = {key: 0.3 for key, each in passages.items() if "topic 2," in each.heading}
        ranked = _rank("topic 5, asked", near, [], known, passages)
    texts = [each.passage.text for each in ranked]
    assert len(texts) == len(set(texts)) == 8
    assert texts[0] == "This is the answer about topic 5."
    assert [each.passage.text for each in _rank("topic 5, asked", near, [], None, passages)] == [
        "This is the answer about topic 2."
    ]


@pytest.mark.django_db
def test_the_nearest_question_stands_for_an_answer_where_another_shares_more_words() -> None:
    account = factories.account("Acme", "acme")
    for number in range(2):
        golden(account, 1, number)
    with tenant_context(account.pk):
        passages = {each.pk: each for each in Passage.objects.select_related("document")}
    nearest, wordy = sorted(passages, key=lambda key: passages[key].heading, reverse=True)
    (found,) = _rank("topic 1, question 0", {nearest: 0.15, wordy: 0.16}, [wordy], None, passages)
    assert (found.passage.pk, found.similarity) == (nearest, 0.85)
    assert found.score == fuse(0.16, 1.0)  # at the place of the best
