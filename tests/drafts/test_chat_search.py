"""A person finds again what they said with the assistant: by words, by meaning, never anybody else's."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Sequence

import pytest

from conversations.chats import sessions
from conversations.chats.finding import by_words
from conversations.models import AssistantSession, Conversation, Message, MessageVector
from conversations.tenancy import tenant_context
from drafts import retention
from drafts.assistant import vectors
from drafts.assistant.search import search_own
from ingestion.knowledge.embed import EmbedderDown, MiniLmEmbedder, get_embedder
from tests import factories
from tests.conftest import World

SAID = (
    "Which hose survives E85 fuel?",
    "How do I word a refund for a late parcel?",
    "Draft a polite reminder about an unpaid invoice",
)


class Down:
    name, dimension = "down", 3

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        raise EmbedderDown("The embedder is away.")


@pytest.fixture
def said(world: World) -> dict[str, AssistantSession]:
    found = {text: factories.chat(world.acme, world.ada, text) for text in SAID}
    factories.chat(world.acme, world.dan, "My own thought about a refund and an invoice")
    for person in (world.ada, world.dan):
        vectors.remember(account_id=world.acme.pk, person_id=person.pk)
    return found


def texts(world: World, question: str, person: uuid.UUID | None = None) -> list[str]:
    hits = search_own(account_id=world.acme.pk, person_id=person or world.ada.pk, text=question).found
    with tenant_context(world.acme.pk, person=person or world.ada.pk):
        known = dict(Message.objects.values_list("pk", "body_text"))
    return list(dict.fromkeys(known[hit.message] for hit in hits if hit.message))


def test_words_and_meaning_find_what_one_said(world: World, said: dict[str, AssistantSession]) -> None:
    assert texts(world, "invoice")[0] == SAID[2]
    assert texts(world, "give the money back because the delivery took too long")[0] == SAID[1]
    assert texts(world, "zeppelin") == []
    assert "My own thought about a refund and an invoice" not in texts(world, "refund invoice")
    assert texts(world, "refund invoice", world.dan.pk) == ["My own thought about a refund and an invoice"]
    assert texts(world, "refund", uuid.uuid4()) == []


def test_words_are_wanted_together_in_quotes_or_not_at_all(world: World, said: dict[str, AssistantSession]) -> None:
    with tenant_context(world.acme.pk, person=world.ada.pk):
        chats = {session.conversation_id: text for text, session in said.items()}
        found = {
            question: sorted({chats[one.conversation] for one in by_words(question)})
            for question in ("a -refund", '"late parcel"', '"parcel late"', "hoses", "-refund", "")
        }
    assert found == {
        "a -refund": [SAID[2]], '"late parcel"': [SAID[1]], '"parcel late"': [], "hoses": [SAID[0]], "-refund": [], "": [],
    }  # fmt: skip


def test_a_title_that_was_given_is_found_too(world: World, said: dict[str, AssistantSession]) -> None:
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.rename(session_id=said[SAID[0]].pk, actor=world.ada, title="Ethanol")
        (one,) = by_words("ethanol")
    assert (one.conversation, one.message) == (said[SAID[0]].conversation_id, None)


def test_without_the_embedder_words_still_find(world: World, said: dict[str, AssistantSession]) -> None:
    hits = search_own(account_id=world.acme.pk, person_id=world.ada.pk, text="invoice", embedder=Down())
    assert (hits.degraded, {hit.conversation for hit in hits.found}) == (
        "The embedder is away.", {said[SAID[2]].conversation_id},
    )  # fmt: skip


def test_what_is_deleted_or_erased_is_found_by_neither_way(world: World, said: dict[str, AssistantSession]) -> None:
    """Acceptance 28, the second half."""
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.delete_session(session_id=said[SAID[1]].pk, actor=world.ada)
    assert SAID[1] not in texts(world, "refund for a late parcel")
    retention.erase_person(account_id=world.acme.pk, email=world.ada.email, dry_run=False)
    for question in ("hose E85", "refund for a late parcel", "unpaid invoice"):
        assert search_own(account_id=world.acme.pk, person_id=world.ada.pk, text=question).found == []
    with tenant_context(world.acme.pk, person=world.ada.pk):
        assert not MessageVector.objects.exists()


def test_vectors_are_made_once_for_each_message(world: World, said: dict[str, AssistantSession]) -> None:
    asked: list[str] = []

    class Counting(MiniLmEmbedder):
        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            asked.extend(texts)
            return super().embed(texts)

    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.post(session_id=said[SAID[0]].pk, actor=world.ada, text="And on the return side?", request_id="")
    counted = [
        vectors.remember(account_id=world.acme.pk, person_id=world.ada.pk, embedder=Counting()) for _ in range(2)
    ]
    assert (counted, asked) == ([1, 0], ["And on the return side?"])


def test_small_vectors_rank_as_the_exact_ones_do() -> None:
    """Recall of the ten nearest of 2,000, over 50 questions."""
    import numpy

    draw = numpy.random.default_rng(28)
    rows = draw.normal(size=(2000, 384)).astype(numpy.float32)
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    little = numpy.stack([numpy.frombuffer(vectors.small(row.tolist()), dtype=numpy.int8) for row in rows])
    little = little.astype(numpy.float32)
    little /= numpy.linalg.norm(little, axis=1, keepdims=True)
    asked = draw.normal(size=(50, 384)).astype(numpy.float32)
    exact, near = (numpy.argsort(-(each @ asked.T), axis=0)[:10].T for each in (rows, little))
    shared = sum(len(set(one) & set(other)) for one, other in zip(exact.tolist(), near.tolist(), strict=True))
    assert shared / 500 > 0.95


def test_ten_thousand_messages_are_searched_in_a_moment(committed_world: World) -> None:
    """Acceptance 28, the first half: p95 of 150 ms on an idle machine. Three times that is an error on any."""
    world = committed_world
    plant(world, 10_000)
    get_embedder().embed(["once, for the model"])
    taken = []
    for number in range(40):
        started = time.perf_counter()
        hits = search_own(account_id=world.acme.pk, person_id=world.ada.pk, text=f"which hose for question {number}")
        taken.append(time.perf_counter() - started)
        assert hits.found
    p95 = sorted(taken)[int(len(taken) * 0.95) - 1]
    print(f"p50 {sorted(taken)[20] * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms")
    assert p95 < 0.45


def plant(world: World, number: int) -> None:
    """A hundred messages a chat, each with a vector of its own."""
    draw = random.Random(28)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        mine = {"account": world.acme, "private_to": world.ada}
        chats = Conversation.objects.bulk_create(
            [Conversation(**mine, kind="assistant", number=None, title=f"Chat {n}") for n in range(number // 100)]
        )
        AssistantSession.objects.bulk_create([AssistantSession(**mine, conversation=chat) for chat in chats])
        messages = Message.objects.bulk_create(
            [
                Message(
                    **mine, conversation=chats[n // 100], direction="inbound", role="user",
                    body_text=f"Which hose do I take for question {n}, and why does it leak?",
                )
                for n in range(number)
            ],
            batch_size=1000,
        )  # fmt: skip
        name = get_embedder().name
        MessageVector.objects.bulk_create(
            [
                MessageVector(
                    **mine, message=message, conversation_id=message.conversation_id, embedder=name,
                    values=draw.randbytes(384).replace(b"\x80", b"\x81"),
                )
                for message in messages
            ],
            batch_size=1000,
        )  # fmt: skip
