"""Finding the passages that may answer a message: by meaning (vectors) and by words (PostgreSQL), fused by rank.

The vector store only proposes ids. Every passage is read through PostgreSQL under the account's row-level security, so
an id of another account, or of a passage that is gone, cannot surface. Without the vector store the words still find.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from conversations.tenancy import tenant_context
from ingestion.knowledge.chunk import storable
from ingestion.knowledge.embed import Embedder, EmbedderDown, get_embedder
from ingestion.knowledge.vectors import VectorStore, VectorStoreDown, get_vector_store
from ingestion.models import Passage, SourceDocument

logger = logging.getLogger(__name__)

RRF_K = 60
"""Reciprocal rank fusion, 1 / (k + rank) summed: Cormack, Clarke and Buettcher, SIGIR 2009, which proposes 60."""
DEPTH = 20  # how far down each list is looked at
MOST_LEXEMES, MOST_QUESTIONS = 60, 4
_QUESTION = re.compile(r"[^.!?\n]{12,300}\?")


@dataclass(frozen=True)
class Found:
    """A passage, its document loaded. ``score`` is the fused rank from 0 to 1 (1: first in both lists); ranks count
    from 1, None where that search did not find it; ``similarity`` is the cosine, if there is one."""

    passage: Passage
    score: float
    dense_rank: int | None
    text_rank: int | None
    similarity: float | None = None


class Findings(list[Found]):
    """Passages, best first. ``degraded`` says in words why meaning did not count; empty when it did."""

    degraded: str = ""


def find_passages(
    *,
    account_id: UUID,
    text: str,
    limit: int = 5,
    embedder: Embedder | None = None,
    store: VectorStore | None = None,
) -> Findings:
    """The account's passages that fit ``text`` (a message, its subject first), at most ``limit``, best first.

    Never fails because a search engine is down: then ``degraded`` says so. Call it outside a transaction if you can: it
    may wait for the network before it opens its own.
    """
    found = Findings()
    text = storable(text)
    if not text.strip():
        return found
    nearest: dict[UUID, float] = {}
    embedder = embedder or get_embedder()
    store = store or get_vector_store(embedder.name)
    try:
        if store is None:
            found.degraded = "No vector store is set (CHROMA_URL)."
        else:
            nearest = _nearest(account_id, text, embedder, store)
    except (EmbedderDown, VectorStoreDown) as error:
        found.degraded = str(error)
        logger.warning("account %s: searching by words only: %s", account_id, error)
    with tenant_context(account_id):
        worded = _by_words(text)
        passages = {
            passage.pk: passage
            for passage in Passage.objects.filter(
                pk__in={*nearest, *worded}, account_id=account_id, document__status=SourceDocument.Status.INDEXED
            ).select_related("document")
        }
    # Ranks count only what this account really has, so a stale vector costs its neighbours nothing.
    dense = {key: rank for rank, key in enumerate(_known(sorted(nearest, key=lambda k: (nearest[k], k)), passages), 1)}
    words = {key: rank for rank, key in enumerate(_known(worded, passages), 1)}
    scores = {key: fuse(dense.get(key), words.get(key)) for key in {*dense, *words}}
    for key in sorted(scores, key=lambda k: (-scores[k], k))[:limit]:
        similarity = 1 - nearest[key] if key in nearest else None
        found.append(Found(passages[key], scores[key], dense.get(key), words.get(key), similarity))
    return found


def fuse(dense_rank: int | None, text_rank: int | None) -> float:
    """Reciprocal rank fusion of two ranks, scaled so that first in both lists is 1."""
    total = sum(1 / (RRF_K + rank) for rank in (dense_rank, text_rank) if rank is not None)
    return round(total * (RRF_K + 1) / 2, 6)


def _nearest(account_id: UUID, text: str, embedder: Embedder, store: VectorStore) -> dict[UUID, float]:
    """The cosine distance of the nearest passages to the text or to one of its questions, whichever is nearer.

    A long letter with a question at its end lies far from the answer as a whole; the question alone lies near.
    """
    questions = [match[0].strip() for match in _QUESTION.finditer(text)][:MOST_QUESTIONS]
    vectors = embedder.embed(list(dict.fromkeys([text[:4000], *questions])))
    nearest: dict[UUID, float] = {}
    for row in store.query_many(account_id, vectors, DEPTH):
        for key, distance in row:
            nearest[key] = min(distance, nearest.get(key, distance))
    return nearest


def _by_words(text: str) -> list[UUID]:
    """The passages of the current tenant that share most words with the text, best first.

    Any shared word counts: a whole question joined by AND matches nothing. Lexemes are quoted as tsquery wants it, so
    no text of a customer can be a query operator.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            r"""
            SELECT id FROM search_passages(
                (
                    SELECT string_agg(
                        '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
                    FROM (
                        SELECT lexeme FROM unnest(to_tsvector('english', %s)) ORDER BY positions[1] LIMIT %s
                    ) AS words
                ),
                %s
            ) ORDER BY rank DESC, id
            """,
            [text[:20_000], MOST_LEXEMES, DEPTH],
        )
        return [row[0] for row in cursor.fetchall()]


def _known(keys: Iterable[UUID], passages: dict[UUID, Passage]) -> list[UUID]:
    return [key for key in keys if key in passages]
