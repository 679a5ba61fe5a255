"""Documents into passages and vectors. The passages in PostgreSQL are the truth; vectors follow after the commit."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from conversations.database import database_time
from conversations.tenancy import tenant_context
from ingestion import hooks
from ingestion.knowledge.chunk import Chunk, split_passages, storable
from ingestion.knowledge.embed import EmbedderDown, HttpEmbedder, MiniLmEmbedder, get_embedder
from ingestion.knowledge.vectors import VectorStore, VectorStoreDown, get_vector_store
from ingestion.models import Passage, SourceDocument

logger = logging.getLogger(__name__)

PAGE = 500
FOLLOW = 256  # passages embedded at a time after a commit
Said = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document came from: what the crawler needs to ask for it again."""

    kind: SourceDocument.Kind
    site_id: UUID | None = None
    etag: str = ""
    last_modified: str = ""
    next_refresh_at: datetime | None = None


def index_document(
    *,
    account_id: UUID,
    source_url: str,
    title: str,
    text: str,
    metadata: dict[str, Any] | None = None,
    origin: Origin | None = None,
) -> SourceDocument:
    """Store a document (Markdown or plain text) under its address, or renew it; unchanged ones only get a new date.

    Passages that did not change keep their ids, so what drafts cited stays resolvable; whoever listens to
    `hooks.on_passages_gone` is told of the others in the same transaction. Vectors are written after the commit of the
    outermost transaction; if that fails, full text still finds the passages, the log says so, and `repair_vectors`
    mends it. `metadata` and `origin` None keep what is stored. Raises ValueError for an unusable address.
    """
    source_url, title, text = storable(source_url).strip(), " ".join(storable(title).split()), storable(text)
    if not source_url or len(source_url) > 2000:
        raise ValueError("A document needs an address of 1 to 2000 characters. Nothing was stored.")
    digest = _digest(title, text)
    chunks = split_passages(text, title=title)
    with tenant_context(account_id):
        SourceDocument.objects.bulk_create(
            [SourceDocument(account_id=account_id, source_url=source_url)], ignore_conflicts=True
        )
        document = SourceDocument.objects.select_for_update().get(account_id=account_id, source_url=source_url)
        unchanged = document.hash == digest and document.status == SourceDocument.Status.INDEXED
        document.title, document.hash, document.indexed_at = title[:500], digest, database_time.now()
        document.status, document.error = SourceDocument.Status.INDEXED, ""
        document.metadata = document.metadata if metadata is None else metadata
        if origin:
            document.kind, document.site_id, document.etag = origin.kind, origin.site_id, origin.etag[:300]
            document.last_modified, document.next_refresh_at = origin.last_modified[:100], origin.next_refresh_at
            document.fetched_at = document.indexed_at
        document.save()
        if not unchanged:
            new, gone = _replace_passages(document, chunks)
            _tell(document, gone)
            _later(account_id, new, gone)
    return document


def remove_document(*, account_id: UUID, source_url: str) -> bool:
    """Take a document out of use: its passages go, its row stays as "gone" for the history. False if there is none."""
    with tenant_context(account_id):
        document = SourceDocument.objects.select_for_update().filter(source_url=source_url).first()
        if document is None:
            return False
        gone = list(Passage.objects.filter(document=document).values_list("pk", flat=True))
        Passage.objects.filter(document=document).delete()
        document.status, document.hash, document.etag, document.last_modified = SourceDocument.Status.GONE, "", "", ""
        document.save(update_fields=["status", "hash", "etag", "last_modified", "updated_at"])
        _tell(document, gone)
        _later(account_id, [], gone)
    return True


def remove_documents_of(*, account_id: UUID, site_id: UUID) -> int:
    """Take all documents of a site out of use; returns how many. Who cites them is told once, of all passages."""
    with tenant_context(account_id):
        found = SourceDocument.objects.select_for_update().filter(site_id=site_id)
        documents = list(found.exclude(status=SourceDocument.Status.GONE).order_by("pk"))
        passages = Passage.objects.filter(document__in=documents)
        gone = list(passages.values_list("pk", flat=True))
        passages.delete()
        SourceDocument.objects.filter(pk__in=[document.pk for document in documents]).update(
            status=SourceDocument.Status.GONE, hash="", etag="", last_modified="", updated_at=database_time.now()
        )
        if documents:
            _tell(documents[0], gone)
            _later(account_id, [], gone)
    return len(documents)


@contextmanager
def vectors_together() -> Iterator[None]:
    """Many documents of one account in one transaction: their vectors are made in one go after its commit."""
    if _together.get() is not None:
        yield
        return
    gathered: list[tuple[UUID, list[Passage], list[UUID]]] = []
    token = _together.set(gathered)
    try:
        yield
    finally:
        _together.reset(token)
    for account_id in {entry[0] for entry in gathered}:
        mine = [entry for entry in gathered if entry[0] == account_id]
        new = [passage for _, added, _ in mine for passage in added]
        gone = [key for _, _, removed in mine for key in removed]
        transaction.on_commit(partial(_follow, account_id, new, gone))


def rebuild_vectors(account_id: UUID, *, say: Said | None = None) -> int:
    """Make the account's vectors anew from its passages, with the embedder in use now; returns how many.

    Replaces what another embedder made. `say(done, total)` is told after every page of 500. If it is cut off,
    `repair_vectors` makes the rest. Safe beside running indexing; until it ends, search by meaning knows only a part.
    Raises VectorStoreDown or EmbedderDown; repeat it then.
    """
    embedder, store = _engines()
    # Before the collection goes, not after: an endpoint that is down should not cost the vectors that are there.
    embedder.embed(["ready"])
    store.drop(account_id)
    return _fill(account_id, embedder, store, say)


def repair_vectors(account_id: UUID, *, say: Said | None = None) -> int:
    """Make only the vectors that are missing and remove those of passages that are gone; returns how many were made.

    What goes on after a rebuild that was cut off, and what mends the vectors after the store was down. Raises
    VectorStoreDown (EmbedderMismatch: another embedder made them, `rebuild_vectors` is due) or EmbedderDown.
    """
    embedder, store = _engines()
    strangers = store.ids(account_id)
    with tenant_context(account_id):
        strangers.difference_update(Passage.objects.values_list("pk", flat=True).iterator(chunk_size=10_000))
    # Read before the passages: a vector younger than that reading is no stranger.
    store.delete(account_id, sorted(strangers))
    return _fill(account_id, embedder, store, say, only_missing=True)


def _engines() -> tuple[HttpEmbedder | MiniLmEmbedder, VectorStore]:
    embedder = get_embedder()
    store = get_vector_store(embedder.name)
    if store is None:
        raise VectorStoreDown("No vector store is set (CHROMA_URL). Nothing was changed.")
    return embedder, store


def _fill(
    account_id: UUID,
    embedder: HttpEmbedder | MiniLmEmbedder,
    store: VectorStore,
    say: Said | None,
    *,
    only_missing: bool = False,
) -> int:
    """Page by page in the order of the ids; each page is stored before the next is read, so nothing is done twice."""
    made, seen, last = 0, 0, None
    with tenant_context(account_id):
        total = Passage.objects.count()
    while True:
        with tenant_context(account_id):
            rows = Passage.objects.order_by("pk").only("pk", "heading", "text")
            passages = list((rows if last is None else rows.filter(pk__gt=last))[:PAGE])
        if not passages:
            return made
        seen, last = seen + len(passages), passages[-1].pk
        if only_missing:
            there = store.existing(account_id, [passage.pk for passage in passages])
            passages = [passage for passage in passages if passage.pk not in there]
        if passages:
            vectors = embedder.embed([_to_embed(passage) for passage in passages])
            store.upsert(account_id, [passage.pk for passage in passages], vectors)
        made += len(passages)
        if say:
            say(seen, max(total, seen))


def vectors_missing(account_id: UUID) -> int:
    """By how many the account's vectors differ in number from its passages: above 0, `repair_vectors` is due.

    Raises VectorStoreDown.
    """
    store = get_vector_store(get_embedder().name)
    if store is None:
        return 0
    with tenant_context(account_id):
        passages = Passage.objects.count()
    return abs(passages - store.count(account_id))


_together: ContextVar[list[tuple[UUID, list[Passage], list[UUID]]] | None] = ContextVar("_together", default=None)


def _later(account_id: UUID, new: list[Passage], gone: list[UUID]) -> None:
    gathered = _together.get()
    if gathered is None:
        transaction.on_commit(partial(_follow, account_id, new, gone))
    else:
        gathered.append((account_id, new, gone))


def _tell(document: SourceDocument, gone: Sequence[UUID]) -> None:
    if gone:
        for handler in hooks.on_passages_gone:
            handler(document, gone)


def _replace_passages(document: SourceDocument, chunks: Sequence[Chunk]) -> tuple[list[Passage], list[UUID]]:
    """(passages that need a vector, ids whose vector has to go). Unchanged passages stay and only move."""
    kept: dict[str, list[Passage]] = defaultdict(list)
    for passage in Passage.objects.filter(document=document).order_by("ordinal"):
        kept[passage.hash].append(passage)
    new: list[Passage] = []
    moved: list[tuple[Passage, int]] = []
    for chunk in chunks:
        digest = _digest(chunk.heading, chunk.text)
        if kept[digest]:
            moved.append((kept[digest].pop(0), chunk.ordinal))
            continue
        new.append(
            Passage(
                account_id=document.account_id,
                document=document,
                ordinal=chunk.ordinal,
                heading=chunk.heading[:500],
                text=chunk.text,
                hash=digest,
            )
        )
    gone = [passage.pk for left in kept.values() for passage in left]
    Passage.objects.filter(pk__in=gone).delete()
    if any(passage.ordinal != ordinal for passage, ordinal in moved):
        # Out of the way first: (document, ordinal) is unique at every moment.
        Passage.objects.filter(document=document).update(ordinal=F("ordinal") + 1_000_000)
        for passage, ordinal in moved:
            Passage.objects.filter(pk=passage.pk).update(ordinal=ordinal)
    Passage.objects.bulk_create(new)
    return new, gone


def _follow(account_id: UUID, new: Sequence[Passage], gone: Sequence[UUID]) -> None:
    """After the commit: the vectors of what is new, and none of what is gone. Never fails the caller."""
    try:
        embedder = get_embedder()
        store = get_vector_store(embedder.name)
        if store is None:
            return
        if gone:  # first: an embedder that is down should not keep what nobody may cite any more
            store.delete(account_id, gone)
        for start in range(0, len(new), FOLLOW):
            page = new[start : start + FOLLOW]
            store.upsert(account_id, [p.pk for p in page], embedder.embed([_to_embed(p) for p in page]))
    except (EmbedderDown, VectorStoreDown) as error:
        logger.warning("account %s: vectors are behind until repair_vectors runs: %s", account_id, error)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _to_embed(passage: Passage) -> str:
    """The passage under its headings: "Loosen it by a quarter turn" is only found if its subject stands with it."""
    return f"{passage.heading}\n{passage.text}" if passage.heading else passage.text
