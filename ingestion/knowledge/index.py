"""Documents into passages and vectors. The passages in PostgreSQL are the truth; vectors follow after the commit."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from conversations.tenancy import tenant_context
from ingestion.knowledge.chunk import Chunk, split_passages, storable
from ingestion.knowledge.embed import EmbedderDown, get_embedder
from ingestion.knowledge.vectors import VectorStoreDown, get_vector_store
from ingestion.models import Passage, SourceDocument

logger = logging.getLogger(__name__)

PAGE = 500


def index_document(
    *, account_id: UUID, source_url: str, title: str, text: str, metadata: dict[str, Any] | None = None
) -> SourceDocument:
    """Store a document (Markdown or plain text) under its address, or renew it; unchanged ones only get a new date.

    Passages that did not change keep their ids, so what drafts cited stays resolvable. Vectors are written after the
    commit of the outermost transaction; if that fails, full text still finds the passages, the log says so, and
    `rebuild_vectors` repairs it. `metadata` None keeps what is stored. Raises ValueError for an unusable address.
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
        document.title, document.hash, document.indexed_at = title[:500], digest, timezone.now()
        document.status = SourceDocument.Status.INDEXED
        document.metadata = document.metadata if metadata is None else metadata
        document.save(update_fields=["title", "hash", "indexed_at", "status", "metadata", "updated_at"])
        if not unchanged:
            new, gone = _replace_passages(document, chunks)
            transaction.on_commit(partial(_follow, account_id, new, gone))
    return document


def remove_document(*, account_id: UUID, source_url: str) -> bool:
    """Take a document out of use: its passages go, its row stays as "gone" for the history. False if there is none."""
    with tenant_context(account_id):
        document = SourceDocument.objects.select_for_update().filter(source_url=source_url).first()
        if document is None:
            return False
        gone = list(Passage.objects.filter(document=document).values_list("pk", flat=True))
        Passage.objects.filter(document=document).delete()
        document.status, document.hash = SourceDocument.Status.GONE, ""
        document.save(update_fields=["status", "hash", "updated_at"])
        transaction.on_commit(partial(_follow, account_id, [], gone))
    return True


def rebuild_vectors(account_id: UUID) -> int:
    """Make the account's vectors anew from its passages, with the embedder in use now; returns how many.

    Repairs lost vectors and changes the embedder. Safe beside running indexing; until it ends, search by meaning knows
    only a part. Raises VectorStoreDown or EmbedderDown; repeat it then.
    """
    embedder = get_embedder()
    store = get_vector_store(embedder.name)
    if store is None:
        raise VectorStoreDown("No vector store is set (CHROMA_URL). Nothing was changed.")
    # Before the collection goes, not after: an endpoint that is down should not cost the vectors that are there.
    embedder.embed(["ready"])
    store.drop(account_id)
    done, last = 0, None
    while True:
        with tenant_context(account_id):
            page = Passage.objects.order_by("pk").only("pk", "heading", "text")
            passages = list((page if last is None else page.filter(pk__gt=last))[:PAGE])
        if not passages:
            return done
        vectors = embedder.embed([_to_embed(passage) for passage in passages])
        store.upsert(account_id, [passage.pk for passage in passages], vectors)
        done, last = done + len(passages), passages[-1].pk


def vectors_missing(account_id: UUID) -> int:
    """How many of the account's passages lack a vector, by count: above 0, `rebuild_vectors` is due.

    Raises VectorStoreDown.
    """
    store = get_vector_store(get_embedder().name)
    if store is None:
        return 0
    with tenant_context(account_id):
        passages = Passage.objects.count()
    return max(0, passages - store.count(account_id))


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
        if new:
            store.upsert(account_id, [p.pk for p in new], embedder.embed([_to_embed(p) for p in new]))
        if gone:
            store.delete(account_id, gone)
    except (EmbedderDown, VectorStoreDown) as error:
        logger.warning("account %s: vectors are behind until rebuild_vectors runs: %s", account_id, error)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _to_embed(passage: Passage) -> str:
    """The passage under its headings: "Loosen it by a quarter turn" is only found if its subject stands with it."""
    return f"{passage.heading}\n{passage.text}" if passage.heading else passage.text
