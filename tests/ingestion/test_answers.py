"""What is learned from approved answers: which is asked for, when it is none, and when it is learned again."""

from __future__ import annotations

import io
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
from tests.eval.many import retrieval

WIDTH = 24


def vector(topic: int, chance: random.Random) -> list[float]:
    """A question about a topic: its direction and some noise, of length 1."""
    made = [chance.gauss(0, 0.12) for _ in range(WIDTH)]
    made[topic] += 1
    length = math.sqrt(sum(number * number for number in made))
    return [number / length for number in made]


def unit(topic: int, length: float) -> list[float]:
    return [length * (place == topic) for place in range(WIDTH)]


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
    assert again is not None
    assert again.documents == recogniser.documents
    assert again.threshold == recogniser.threshold
    assert again.recognise(asked)[0].scores == recogniser.recognise(asked)[0].scores


def test_what_an_earlier_version_stored_counts_as_nothing() -> None:
    file = io.BytesIO()
    numpy.savez_compressed(file, documents=numpy.zeros(16, dtype=numpy.uint8), weights=numpy.zeros((1, 1)))
    assert recognise.Recogniser.from_bytes(file.getvalue()) is None


def test_a_vector_of_another_embedder_is_refused() -> None:
    with pytest.raises(ValueError, match="24 numbers"):
        learned().recognise([[1.0, 0.0]])


def test_the_threshold_is_what_leaving_an_answer_out_says() -> None:
    """Against really learning without the answer."""
    chance = random.Random(1)
    questions = [topic for topic in range(10) for _ in range(12)]
    vectors = [vector(topic, chance) for topic in questions]
    said = []
    for out in range(10):
        kept = [n for n, topic in enumerate(questions) if topic != out]
        without = recognise.learn(
            [uuid.UUID(int=n + 1) for n in kept], [str(questions[n]) for n in kept], [vectors[n] for n in kept]
        )
        said += [
            max(k.scores.values()) for k in without.recognise([vectors[n] for n in range(out * 12, out * 12 + 12)])
        ]
    assert learned().threshold == pytest.approx(float(numpy.quantile(said, recognise.STRICT)), abs=0.005)


def test_few_answers_or_few_questions_each_teach_nothing() -> None:
    assert recognise.learnable([f"answer {n % 7}" for n in range(700)]) == []
    assert recognise.learnable([f"answer {n}" for n in range(700)]) == []
    assert len(recognise.learnable(["once", *(f"answer {n % 8}" for n in range(40))])) == 41


def test_of_too_many_each_answer_keeps_its_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognise, "MAX_QUESTIONS", 12)
    answers = [f"answer {n // 6}" for n in range(48)] + ["once"]
    assert recognise.learnable(answers) == [0, 1, 6, 7, 12, 13, 18, 24, 30, 36, 42, 48]


def test_a_rare_answer_is_ranked_and_not_judged() -> None:
    chance = random.Random(1)
    topics = [topic for topic in range(10) for _ in range(12)] + [10]
    ids = [uuid.UUID(int=n + 1) for n in range(len(topics))]
    recogniser = recognise.learn(ids, [str(topic) for topic in topics], [vector(topic, chance) for topic in topics])
    known = recogniser.recognise([vector(10, chance)])[0]
    assert known.nearest()[0][0] == ids[-1]
    assert known.is_asked(ids[-1]) is None
    assert known.is_asked(ids[0]) is False


def test_it_does_not_matter_in_which_order_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognise, "SAMPLE", 40)
    chance = random.Random(1)
    rows = [(uuid.UUID(int=n + 1), str(n // 12), vector(n // 12, chance)) for n in range(120)]
    monotone = recognise.learn(*zip(*rows, strict=True))
    random.Random(5).shuffle(rows)
    shuffled = recognise.learn(*zip(*rows, strict=True))
    assert shuffled.threshold == pytest.approx(monotone.threshold, abs=1e-4)
    asked = [vector(topic, chance) for topic in range(10)]
    for one, other in zip(monotone.recognise(asked), shuffled.recognise(asked), strict=True):
        assert one.nearest()[0] == pytest.approx(other.nearest()[0])
        assert sorted(one.scores.values()) == pytest.approx(sorted(other.scores.values()), abs=1e-4)


def test_looking_through_shadows_finds_what_looking_at_all_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognise, "NEIGHBOURS", 40)
    monkeypatch.setattr(recognise, "WIDTH", 12)
    recogniser, asked = learned(topics=20, each=30), [vector(topic, random.Random(topic)) for topic in range(20)]
    whole = recogniser.recognise(asked)
    monkeypatch.setattr(recognise, "SHORTLIST", 200)
    for one, other in zip(whole, recogniser.recognise(asked), strict=True):
        assert one.nearest(1) == other.nearest(1)
        assert max(one.scores.values()) == pytest.approx(max(other.scores.values()), abs=0.05)
    monkeypatch.setattr(
        recognise, "_highest", lambda values, count: numpy.arange(count)
    )  # the first, whatever they are
    assert recogniser.recognise(asked)[19].nearest(1) != whole[19].nearest(1)  # so the shadows were looked at


def test_where_meaning_alone_is_better_it_is_what_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    solve = recognise._solve
    monkeypatch.setattr(recognise, "_solve", lambda vectors, cosines: -solve(vectors, cosines))
    recogniser = learned()
    assert recogniser.by_votes
    known = recogniser.recognise([vector(3, random.Random(2))])[0]
    assert recogniser.rows[known.nearest()[0][0]] // 12 == 3
    assert sum(known.scores.values()) == pytest.approx(1)
    assert known.is_asked(known.nearest()[0][0]) is None  # a share of votes says nothing of strangers


@pytest.mark.parametrize("order", ["the file's", "shuffled"])
@pytest.mark.parametrize("most", [300, 600, 1200])
def test_it_is_never_below_meaning_alone_however_few_were_learned(
    order: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,200 questions of 40 topics that overlap. What `tests.eval.many` measures on real ones, up to 50,000."""
    monkeypatch.setattr(recognise, "MAX_QUESTIONS", most)
    chance = numpy.random.default_rng(7)
    topics = chance.normal(size=(40, WIDTH))

    def drawn(each: int) -> tuple[list[tuple[str, str]], numpy.ndarray]:
        made = numpy.repeat(topics, each, axis=0) + chance.normal(scale=1.1, size=(40 * each, WIDTH))
        made /= numpy.linalg.norm(made, axis=1, keepdims=True)
        return [(f"{n}", f"t{n // each}") for n in range(40 * each)], made.astype(numpy.float32)

    goldens, vectors = drawn(30)
    held, asked = drawn(10)
    if order == "shuffled":
        mixed = chance.permutation(len(goldens))
        goldens, vectors = [goldens[n] for n in mixed], vectors[mixed]
    ids = [uuid.UUID(int=n + 1) for n in range(len(goldens))]
    chosen = recognise.learnable([topic for _, topic in goldens])
    assert len(chosen) == most
    recogniser = recognise.learn([ids[n] for n in chosen], [goldens[n][1] for n in chosen], vectors[chosen])
    found = retrieval(recogniser, goldens, ids, vectors, held, asked)
    assert found["fused, first"] >= found["meaning, first"] > 0.5


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
    golden(account, 0, 5)
    assert answers.learn_answers(account_id=account.pk, embedder=embedder)
    assert embedder.asked == 41  # the vectors of the others were kept
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
def test_an_answer_accepted_a_minute_ago_is_first_where_it_is_far_nearer_and_only_there() -> None:
    account = factories.account("Acme", "acme")
    for topic in range(8):
        for number in range(5):
            golden(account, topic, number)
    embedder = TopicEmbedder()
    answers.learn_answers(account_id=account.pk, embedder=embedder)
    young = golden(account, 9, 1)
    with tenant_context(account.pk):
        recogniser = answers.recogniser_of(account.pk, embedder)
        assert recogniser is not None
        passages = {each.pk: each for each in Passage.objects.select_related("document")}
        known = recogniser.recognise([[a + b for a, b in zip(unit(5, 0.8), unit(9, 0.6), strict=True)]])[0]
    learned = {key: 0.25 for key, each in passages.items() if "topic 5," in each.heading}
    (new,) = (key for key, each in passages.items() if each.document_id == young.pk)
    for distance, first in ((0.2, "topic 5"), (0.02, "topic 9")):
        ranked = _rank("asked", learned | {new: distance}, [], known, passages)
        assert ranked[0].passage.text == f"This is the answer about {first}."
    assert all(0 <= each.score <= 1 for each in ranked)


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
