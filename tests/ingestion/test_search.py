from __future__ import annotations

import json
import logging
import re
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina
from django.conf import settings as django_settings
from django.test import TestCase

from conversations.tenancy import tenant_context
from ingestion.knowledge.embed import MiniLmEmbedder, get_embedder
from ingestion.knowledge.index import index_document, remove_document
from ingestion.knowledge.search import Findings, find_passages, fuse
from ingestion.knowledge.vectors import VectorStore, get_vector_store
from ingestion.models import Passage
from tests.conftest import World

DEMO = Path(django_settings.BASE_DIR) / "drafts" / "demo"
RETURNS = "Uncut hose may be returned within 30 days. Hose that was cut cannot be returned."
TORQUE = "We do not publish one torque figure for aluminum fittings. Turn the nut one more flat of the hex."


@pytest.fixture
def with_vectors(chroma_url: str, settings: Any, world: World) -> Iterator[VectorStore]:
    settings.CHROMA_URL = chroma_url
    store = get_vector_store(MiniLmEmbedder.name)
    assert store is not None
    yield store
    store.drop(world.acme.pk)
    store.drop(world.globex.pk)


def put(account: Any, name: str, text: str) -> None:
    with TestCase.captureOnCommitCallbacks(execute=True):
        index_document(account_id=account.pk, source_url=f"https://{account.slug}.test/{name}", title=name, text=text)


def titles(found: Findings) -> list[str]:
    return [each.passage.document.title for each in found]


def test_it_finds_by_meaning_what_shares_no_word(world: World, with_vectors: VectorStore) -> None:
    put(world.acme, "Returns", RETURNS)
    put(world.acme, "Torque", TORQUE)
    found = find_passages(account_id=world.acme.pk, text="How tight should I make them?")
    assert titles(found)[0] == "Torque"
    assert (found[0].dense_rank, found[0].text_rank) == (1, None)
    assert found[0].similarity is not None and 0 < found[0].similarity < 1
    assert found.degraded == ""


def test_first_in_both_lists_is_first(world: World, with_vectors: VectorStore) -> None:
    put(world.acme, "Returns", RETURNS)
    put(world.acme, "Torque", TORQUE)
    found = find_passages(account_id=world.acme.pk, text="Can cut hose be returned?")
    assert titles(found) == ["Returns", "Torque"]
    assert (found[0].dense_rank, found[0].text_rank) == (1, 1)
    assert found[1].score < found[0].score < 1
    assert titles(find_passages(account_id=world.acme.pk, text="Can cut hose be returned?", limit=1)) == ["Returns"]


def test_a_question_at_the_end_of_a_long_letter_is_found(world: World, with_vectors: VectorStore) -> None:
    put(world.acme, "Torque", TORQUE)
    for number, topic in enumerate(["My grandfather", "The barn", "Our holiday", "The old Ford"] * 6):
        put(
            world.acme,
            f"Story {number}",
            f"{topic} was painted green in the summer when we visited the lake with friends.",
        )
    letter = (
        "My grandfather kept the old Ford in a green barn by the lake, and every summer we painted it with friends. "
        * 8
    )
    found = find_passages(account_id=world.acme.pk, text=f"{letter}\nHow tight should I make them?", limit=3)
    assert titles(found)[1] == "Torque"
    assert titles(found)[0].startswith("Story")


def test_it_finds_by_words_while_the_vector_store_is_down(
    world: World, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    put(world.acme, "Returns", RETURNS)
    put(world.acme, "Torque", TORQUE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.CHROMA_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    with stamina.set_testing(True), caplog.at_level(logging.WARNING):
        found = find_passages(account_id=world.acme.pk, text="Is there a torque figure for the fittings?")
    assert titles(found) == ["Torque"]
    assert (found[0].dense_rank, found[0].text_rank, found[0].similarity) == (None, 1, None)
    assert "did not answer" in found.degraded
    assert "searching by words only" in caplog.text


def test_it_says_so_when_no_vector_store_is_set(world: World) -> None:
    put(world.acme, "Torque", TORQUE)
    found = find_passages(account_id=world.acme.pk, text="torque")
    assert titles(found) == ["Torque"]
    assert found.degraded == "No vector store is set (CHROMA_URL)."


def test_another_accounts_passages_never_surface(world: World, with_vectors: VectorStore) -> None:
    put(world.globex, "Secret", RETURNS)
    put(world.acme, "Torque", TORQUE)
    assert titles(find_passages(account_id=world.acme.pk, text=RETURNS)) == ["Torque"]


def test_a_foreign_id_in_the_own_collection_does_not_surface(world: World, with_vectors: VectorStore) -> None:
    """Whatever the vector store answers, the database decides."""
    put(world.globex, "Secret", RETURNS)
    put(world.acme, "Torque", TORQUE)
    with tenant_context(world.globex.pk):
        foreign = Passage.objects.get().pk
    with_vectors.upsert(world.acme.pk, [foreign, uuid.uuid4()], get_embedder().embed([RETURNS, RETURNS]))
    found = find_passages(account_id=world.acme.pk, text=RETURNS)
    assert titles(found) == ["Torque"]
    assert found[0].dense_rank == 1


def test_a_removed_document_is_not_found(world: World, with_vectors: VectorStore) -> None:
    put(world.acme, "Torque", TORQUE)
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert remove_document(account_id=world.acme.pk, source_url="https://acme.test/Torque")
    assert find_passages(account_id=world.acme.pk, text=TORQUE) == []
    assert with_vectors.count(world.acme.pk) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\0",
        "the of and",
        "?!",
        "'",
        "\\",
        "a & | ! ( ) : * <-> '' \\' quick-connect's",
        "x" * 100_000,
        "\ud800",
    ],
)
def test_no_text_of_a_customer_breaks_the_search(world: World, text: str) -> None:
    put(world.acme, "Torque", TORQUE)
    assert find_passages(account_id=world.acme.pk, text=text) == []


def test_operators_in_the_text_are_words(world: World) -> None:
    put(world.acme, "Torque", TORQUE)
    assert titles(find_passages(account_id=world.acme.pk, text="!torque & nothing <-> 'else'")) == ["Torque"]


def test_one_rare_word_says_more_than_many_common_ones(world: World) -> None:
    for number in range(6):
        put(world.acme, f"Hose {number}", f"The hose number {number} fits each fuel system with a pump.")
    put(world.acme, "Liner", "We have a liner for methanol.")
    found = find_passages(account_id=world.acme.pk, text="Is there a hose for a pump with methanol?")
    assert titles(found)[0] == "Liner"
    assert found[0].text_rank == 1


@pytest.mark.parametrize(
    ("distance", "shared", "score"),
    [(0.0, 1.0, 1.0), (0.4, 0.0, 0.428571), (0.4, 0.5, 0.571429), (None, 1.0, 0.285714), (1.7, 0.0, 0), (None, 0.0, 0)],
)
def test_shared_words_are_a_bonus_on_the_likeness(distance: float | None, shared: float, score: float) -> None:
    assert fuse(distance, shared) == pytest.approx(score, abs=1e-6)


@pytest.fixture
def demo_knowledge(world: World, with_vectors: VectorStore) -> Callable[[str], Findings]:
    for file in sorted((DEMO / "knowledge").glob("*.md")):
        text = file.read_text()
        with TestCase.captureOnCommitCallbacks(execute=True):
            index_document(
                account_id=world.acme.pk,
                source_url=file.stem,
                title=re.sub(r"^# ", "", text.split("\n")[0]),
                text=text,
            )
    return lambda text: find_passages(account_id=world.acme.pk, text=text, limit=6)


def test_it_finds_the_documents_that_answer_the_demo_conversations(demo_knowledge: Callable[[str], Findings]) -> None:
    missed = []
    for thread in json.loads((DEMO / "conversations.json").read_text()):
        found = demo_knowledge(f"{thread['subject']}\n{thread['messages'][-1]['text']}")
        if thread["answered_by"] and not {each.passage.document.source_url for each in found} & set(
            thread["answered_by"]
        ):
            missed.append(thread["subject"])
    assert missed == []
