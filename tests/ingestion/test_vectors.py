from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator

import pytest
import stamina

from ingestion.knowledge.vectors import EmbedderMismatch, VectorStore, VectorStoreDown

ADA, EVE = uuid.uuid4(), uuid.uuid4()


@pytest.fixture
def store(chroma_url: str) -> Iterator[VectorStore]:
    store = VectorStore(url=chroma_url, embedder_name="test-embedder")
    yield store
    store.drop(ADA)
    store.drop(EVE)


def test_it_finds_the_nearest_first_with_cosine_distances(store: VectorStore) -> None:
    same, near, opposite = (uuid.uuid4() for _ in range(3))
    store.upsert(ADA, [opposite, near, same], [[-1.0, 0.0], [0.6, 0.8], [5.0, 0.0]])
    found = store.query(ADA, [1.0, 0.0], limit=3)
    assert [key for key, _ in found] == [same, near, opposite]
    assert [distance for _, distance in found] == pytest.approx([0.0, 0.4, 2.0], abs=1e-5)
    assert [key for key, _ in store.query(ADA, [1.0, 0.0], limit=1)] == [same]


def test_it_answers_several_queries_at_once(store: VectorStore) -> None:
    right, up = uuid.uuid4(), uuid.uuid4()
    store.upsert(ADA, [right, up], [[1.0, 0.0], [0.0, 1.0]])
    found = store.query_many(ADA, [[1.0, 0.1], [0.1, 1.0]], limit=1)
    assert [[key for key, _ in row] for row in found] == [[right], [up]]


def test_it_replaces_a_vector_stored_again(store: VectorStore) -> None:
    key = uuid.uuid4()
    store.upsert(ADA, [key], [[1.0, 0.0]])
    store.upsert(ADA, [key], [[0.0, 1.0]])
    assert store.count(ADA) == 1
    assert store.query(ADA, [0.0, 1.0], limit=5) == [(key, pytest.approx(0.0, abs=1e-6))]


def test_it_keeps_accounts_apart(store: VectorStore) -> None:
    hers, others = uuid.uuid4(), uuid.uuid4()
    store.upsert(ADA, [hers], [[1.0, 0.0]])
    store.upsert(EVE, [others], [[1.0, 0.0]])
    assert [key for key, _ in store.query(ADA, [1.0, 0.0], limit=10)] == [hers]
    store.delete(EVE, [hers])
    assert store.count(ADA) == 1
    store.drop(EVE)
    assert (store.count(ADA), store.count(EVE)) == (1, 0)


def test_it_removes_vectors_and_forgives_unknown_ids(store: VectorStore) -> None:
    gone, kept = uuid.uuid4(), uuid.uuid4()
    store.upsert(ADA, [gone, kept], [[1.0, 0.0], [0.9, 0.1]])
    store.delete(ADA, [gone, uuid.uuid4()])
    assert [key for key, _ in store.query(ADA, [1.0, 0.0], limit=5)] == [kept]


def test_an_account_without_vectors_has_no_neighbours(store: VectorStore) -> None:
    nobody = uuid.uuid4()
    assert store.query(nobody, [1.0, 0.0], limit=5) == []
    assert store.count(nobody) == 0
    store.delete(nobody, [uuid.uuid4()])
    store.drop(nobody)


def test_it_stores_and_removes_thousands(store: VectorStore) -> None:
    ids = [uuid.uuid4() for _ in range(6_000)]
    store.upsert(ADA, ids, [[1.0, number / 6_000] for number in range(6_000)])
    assert store.count(ADA) == 6_000
    store.delete(ADA, ids[:5_999])
    assert store.query(ADA, [1.0, 1.0], limit=3) == [(ids[-1], pytest.approx(0.0, abs=1e-5))]


@pytest.mark.parametrize(("name", "vector"), [("another-embedder", [1.0, 0.0]), ("test-embedder", [1.0, 0.0, 0.0])])
def test_it_refuses_vectors_of_another_embedder(
    store: VectorStore, chroma_url: str, name: str, vector: list[float]
) -> None:
    key = uuid.uuid4()
    store.upsert(ADA, [key], [[1.0, 0.0]])
    other = VectorStore(url=chroma_url, embedder_name=name)
    with pytest.raises(EmbedderMismatch, match=r"test-embedder \(2 dimensions\).*Run the command rebuild_vectors"):
        other.upsert(ADA, [uuid.uuid4()], [vector])
    with pytest.raises(EmbedderMismatch):
        other.query(ADA, vector, limit=1)
    assert store.count(ADA) == 1
    other.drop(ADA)
    other.upsert(ADA, [key], [vector])
    assert other.query(ADA, vector, limit=1)[0][0] == key


def test_it_finds_its_way_after_another_process_rebuilt_the_collection(store: VectorStore, chroma_url: str) -> None:
    key = uuid.uuid4()
    store.upsert(ADA, [key], [[1.0, 0.0]])
    other = VectorStore(url=chroma_url, embedder_name="test-embedder")
    other.drop(ADA)
    assert store.query(ADA, [1.0, 0.0], limit=1) == []
    other.upsert(ADA, [key], [[0.0, 1.0]])
    assert store.query(ADA, [0.0, 1.0], limit=1)[0][0] == key
    other.drop(ADA)
    store.upsert(ADA, [key], [[1.0, 0.0]])
    assert store.count(ADA) == 1


def test_a_server_that_is_not_there_is_said_plainly() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        store = VectorStore(url=f"http://127.0.0.1:{free.getsockname()[1]}", embedder_name="test-embedder", timeout=0.5)
    assert not store.is_up()
    with stamina.set_testing(True), pytest.raises(VectorStoreDown, match="did not answer"):
        store.query(ADA, [1.0, 0.0], limit=1)


def test_a_server_that_hangs_does_not_hang_us() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = VectorStore(url=f"http://127.0.0.1:{silent.getsockname()[1]}", embedder_name="x", timeout=0.2)
        with stamina.set_testing(True), pytest.raises(VectorStoreDown, match="Timeout"):
            store.query(ADA, [1.0, 0.0], limit=1)


def test_the_name_of_a_collection_cannot_be_anything_but_an_account() -> None:
    store = VectorStore(url="http://127.0.0.1:1", embedder_name="x")
    with pytest.raises(ValueError, match="badly formed"):
        store.drop("../../default_database")  # type: ignore[arg-type]


def test_a_running_server_is_up(store: VectorStore) -> None:
    assert store.is_up()
