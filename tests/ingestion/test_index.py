from __future__ import annotations

import logging
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import stamina
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import TestCase

from conversations.tenancy import tenant_context
from ingestion.knowledge.embed import MiniLmEmbedder
from ingestion.knowledge.index import (
    index_document,
    rebuild_vectors,
    remove_document,
    repair_vectors,
    vectors_missing,
    vectors_together,
)
from ingestion.knowledge.search import find_passages
from ingestion.knowledge.vectors import EmbedderMismatch, VectorStore, VectorStoreDown, get_vector_store
from ingestion.models import Passage, SourceDocument
from tests.conftest import World

URL = "https://docs.acme.test/hose"
ONE = "## One\n\n" + "Hose is sold in rolls of ten feet. " * 10
TWO = "## Two\n\n" + "Ends are sold in packs of four pieces. " * 10
THREE = "## Three\n\n" + "Filters are changed once every year. " * 10


@pytest.fixture
def store(chroma_url: str, settings: Any, world: World) -> Iterator[VectorStore]:
    settings.CHROMA_URL = chroma_url
    found = get_vector_store(MiniLmEmbedder.name)
    assert found is not None
    yield found
    found.drop(world.acme.pk)
    found.drop(world.globex.pk)


def put(world: World, *parts: str, **changes: Any) -> SourceDocument:
    values: dict[str, Any] = {"source_url": URL, "title": "Hose", "text": "\n\n".join(parts)}
    with TestCase.captureOnCommitCallbacks(execute=True):
        return index_document(account_id=world.acme.pk, **{**values, **changes})


def passages(world: World) -> list[Passage]:
    with tenant_context(world.acme.pk):
        return list(Passage.objects.order_by("document_id", "ordinal"))


def vector_ids(store: VectorStore, world: World) -> set[uuid.UUID]:
    return {key for key, _ in store.query(world.acme.pk, [1.0] + [0.0] * 383, limit=100)}


def test_it_stores_a_document_its_passages_and_their_vectors(world: World, store: VectorStore) -> None:
    document = put(world, ONE, TWO, metadata={"kind": "manual"})
    stored = passages(world)
    assert (document.source_url, document.title, document.status) == (URL, "Hose", "indexed")
    assert document.metadata == {"kind": "manual"}
    assert [(p.ordinal, p.heading, p.text[:6], p.document_id) for p in stored] == [
        (0, "Hose > One", "## One", document.pk),
        (1, "Hose > Two", "## Two", document.pk),
    ]
    assert vector_ids(store, world) == {p.pk for p in stored}


def test_the_same_document_again_changes_nothing_but_its_date(world: World, store: VectorStore) -> None:
    first = put(world, ONE, TWO, metadata={"kind": "manual"})
    before = [(p.pk, p.ordinal) for p in passages(world)]
    second = put(world, ONE, TWO)
    assert second.pk == first.pk
    assert second.indexed_at > first.indexed_at
    assert second.metadata == {"kind": "manual"}
    assert [(p.pk, p.ordinal) for p in passages(world)] == before


def test_unchanged_passages_keep_their_ids_and_changed_ones_lose_their_vectors(
    world: World, store: VectorStore
) -> None:
    put(world, ONE, TWO)
    one, two = (p.pk for p in passages(world))
    put(world, THREE, TWO)
    three, kept = passages(world)
    assert (kept.pk, kept.ordinal) == (two, 1)
    assert three.heading == "Hose > Three"
    assert vector_ids(store, world) == {three.pk, two}
    assert one not in vector_ids(store, world)


def test_passages_may_swap_places(world: World) -> None:
    put(world, ONE, TWO, THREE)
    one, two, three = (p.pk for p in passages(world))
    put(world, THREE, ONE, TWO)
    assert [p.pk for p in passages(world)] == [three, one, two]


def test_a_repeated_passage_is_stored_as_often_as_it_stands(world: World) -> None:
    put(world, ONE, ONE)
    assert len({p.pk for p in passages(world)}) == 2
    put(world, ONE)
    assert len(passages(world)) == 1


def test_another_title_is_another_heading_for_every_passage(world: World, store: VectorStore) -> None:
    put(world, ONE, TWO)
    put(world, ONE, TWO, title="Hoses and ends")
    stored = passages(world)
    assert [p.heading for p in stored] == ["Hoses and ends > One", "Hoses and ends > Two"]
    assert vector_ids(store, world) == {p.pk for p in stored}


def test_nothing_is_written_to_the_vector_store_by_a_transaction_that_fails(world: World, store: VectorStore) -> None:
    with pytest.raises(RuntimeError), TestCase.captureOnCommitCallbacks(execute=True), transaction.atomic():
        index_document(account_id=world.acme.pk, source_url=URL, title="Hose", text=ONE)
        raise RuntimeError
    assert passages(world) == []
    assert store.count(world.acme.pk) == 0


def test_vectors_wait_for_the_commit(world: World, store: VectorStore) -> None:
    with TestCase.captureOnCommitCallbacks(execute=True):
        index_document(account_id=world.acme.pk, source_url=URL, title="Hose", text=ONE)
        assert store.count(world.acme.pk) == 0
    assert store.count(world.acme.pk) == 1


def test_two_accounts_may_index_one_address(world: World, store: VectorStore) -> None:
    put(world, ONE)
    with TestCase.captureOnCommitCallbacks(execute=True):
        other = index_document(account_id=world.globex.pk, source_url=URL, title="Hose", text=TWO)
    assert other.account_id == world.globex.pk
    assert [p.heading for p in passages(world)] == ["Hose > One"]
    assert store.count(world.globex.pk) == 1


def test_a_removed_document_keeps_its_row_and_can_come_back(world: World, store: VectorStore) -> None:
    document = put(world, ONE, TWO)
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert remove_document(account_id=world.acme.pk, source_url=URL)
    assert passages(world) == []
    assert store.count(world.acme.pk) == 0
    with tenant_context(world.acme.pk):
        assert SourceDocument.objects.get(pk=document.pk).status == "gone"
    assert not remove_document(account_id=world.acme.pk, source_url="https://docs.acme.test/never")
    again = put(world, ONE, TWO)
    assert (again.pk, again.status, len(passages(world))) == (document.pk, "indexed", 2)


def test_another_account_cannot_remove_a_document(world: World) -> None:
    put(world, ONE)
    assert not remove_document(account_id=world.globex.pk, source_url=URL)
    assert len(passages(world)) == 1


@pytest.mark.parametrize("source_url", ["", "   ", "x" * 2001, "\0"])
def test_an_unusable_address_is_refused_and_nothing_written(world: World, source_url: str) -> None:
    with pytest.raises(ValueError, match="Nothing was stored"):
        put(world, ONE, source_url=source_url)
    with tenant_context(world.acme.pk):
        assert not SourceDocument.objects.exists()


def test_text_that_the_database_cannot_hold_is_mended(world: World) -> None:
    document = put(world, "A nul \0 and a lone \ud800 surrogate.", title="Bad \0 title \ud800 " + "x" * 900)
    assert len(document.title) == 500
    assert [p.text for p in passages(world)] == ["A nul  and a lone ? surrogate."]


def test_an_empty_document_has_no_passages(world: World, store: VectorStore) -> None:
    put(world, ONE)
    assert put(world, "").status == "indexed"
    assert passages(world) == []
    assert store.count(world.acme.pk) == 0


def test_it_indexes_while_the_vector_store_is_down_and_a_rebuild_repairs_it(
    world: World, settings: Any, chroma_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.CHROMA_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    with stamina.set_testing(True), caplog.at_level(logging.WARNING):
        put(world, ONE, TWO)
        with pytest.raises(VectorStoreDown):
            rebuild_vectors(world.acme.pk)
    assert "vectors are behind until repair_vectors runs" in caplog.text
    assert len(passages(world)) == 2
    settings.CHROMA_URL = chroma_url
    assert vectors_missing(world.acme.pk) == 2
    assert rebuild_vectors(world.acme.pk) == 2
    assert vectors_missing(world.acme.pk) == 0
    store = get_vector_store(MiniLmEmbedder.name)
    assert store is not None
    assert vector_ids(store, world) == {p.pk for p in passages(world)}
    store.drop(world.acme.pk)


def test_a_rebuild_moves_to_another_embedder(world: World, store: VectorStore, chroma_url: str) -> None:
    put(world, ONE)
    old = VectorStore(url=chroma_url, embedder_name="retired-embedder")
    store.drop(world.acme.pk)
    old.upsert(world.acme.pk, [uuid.uuid4()], [[1.0, 0.0]])
    with pytest.raises(EmbedderMismatch):
        store.query(world.acme.pk, [1.0] + [0.0] * 383, limit=1)
    assert "retired-embedder" in find_passages(account_id=world.acme.pk, text="rolls of hose").degraded
    assert rebuild_vectors(world.acme.pk) == 1
    assert vector_ids(store, world) == {p.pk for p in passages(world)}


def test_a_rebuild_without_a_vector_store_says_so(world: World) -> None:
    with pytest.raises(VectorStoreDown, match="CHROMA_URL"):
        rebuild_vectors(world.acme.pk)
    assert vectors_missing(world.acme.pk) == 0


def test_the_command_rebuilds_one_account_or_all(
    world: World, store: VectorStore, capsys: pytest.CaptureFixture[str]
) -> None:
    put(world, ONE, TWO)
    store.drop(world.acme.pk)
    call_command("rebuild_vectors", "--account", "acme")
    assert capsys.readouterr().out == "acme: 2 vectors\n"
    assert store.count(world.acme.pk) == 2
    call_command("rebuild_vectors")
    assert sorted(capsys.readouterr().out.splitlines()) == ["acme: 2 vectors", "globex: 0 vectors"]
    with pytest.raises(CommandError, match="no account 'nowhere'"):
        call_command("rebuild_vectors", "--account", "nowhere")


def test_the_command_says_what_went_wrong(world: World) -> None:
    with pytest.raises(CommandError, match="CHROMA_URL"):
        call_command("rebuild_vectors", "--account", "acme")


def test_a_rebuild_that_was_cut_off_goes_on_with_what_is_missing(
    world: World, store: VectorStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world, ONE, TWO)
    made: list[int] = []
    real = MiniLmEmbedder.embed

    def embed(self: MiniLmEmbedder, texts: Any) -> Any:
        made.append(len(texts))
        return real(self, texts)

    monkeypatch.setattr(MiniLmEmbedder, "embed", embed)
    keys = sorted(p.pk for p in passages(world))
    stranger = uuid.uuid4()
    store.delete(world.acme.pk, keys[1:])
    store.upsert(world.acme.pk, [stranger], [[1.0] + [0.0] * 383])
    # As many vectors as passages, and yet one is missing and one is nobody's.
    assert vectors_missing(world.acme.pk) == 0
    call_command("rebuild_vectors", "--account", "acme", "--resume")
    assert capsys.readouterr().out == "acme: 1 vectors\n"
    assert (vector_ids(store, world), made) == (set(keys), [1])


def test_filling_says_how_far_it_is(world: World, store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.knowledge.index.PAGE", 1)
    put(world, ONE, TWO)
    said: list[tuple[int, int]] = []
    rebuild_vectors(world.acme.pk, say=lambda done, total: said.append((done, total)))
    assert said == [(1, 2), (2, 2)]

    # Cut off after the first page, what is there stays, and the rest is made.
    def cut(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild_vectors(world.acme.pk, say=cut)
    assert store.count(world.acme.pk) == 1
    assert repair_vectors(world.acme.pk) == 1
    assert store.count(world.acme.pk) == 2


def test_documents_of_one_transaction_get_their_vectors_in_one_go(
    world: World, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = MiniLmEmbedder.embed
    monkeypatch.setattr(MiniLmEmbedder, "embed", lambda self, texts: (asked.append(len(texts)), real(self, texts))[1])
    with TestCase.captureOnCommitCallbacks(execute=True), tenant_context(world.acme.pk), vectors_together():
        for number in range(5):
            index_document(
                account_id=world.acme.pk,
                source_url=f"https://a.test/{number}",
                title="T",
                text=f"Text number {number}.",
            )
    assert (asked, store.count(world.acme.pk)) == ([5], 5)


def test_what_was_gathered_is_dropped_with_its_transaction(world: World, store: VectorStore) -> None:
    with pytest.raises(RuntimeError), tenant_context(world.acme.pk), vectors_together():
        index_document(account_id=world.acme.pk, source_url="https://a.test/", title="T", text="Text.")
        raise RuntimeError
    with TestCase.captureOnCommitCallbacks(execute=True) as callbacks, tenant_context(world.acme.pk):
        index_document(account_id=world.acme.pk, source_url="https://b.test/", title="T", text="Text.")
    assert (len(callbacks), store.count(world.acme.pk)) == (1, 1)


def test_the_store_lists_its_ids_page_by_page(
    world: World, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.knowledge.vectors.PAGE", 3)
    keys = [uuid.uuid4() for _ in range(8)]
    assert store.ids(world.acme.pk) == set()
    store.upsert(world.acme.pk, keys, [[1.0] + [0.0] * 383 for _ in keys])
    assert store.ids(world.acme.pk) == set(keys)
    assert store.existing(world.acme.pk, [keys[0], uuid.uuid4()]) == {keys[0]}
