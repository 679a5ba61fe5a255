"""Finding the passages that may answer a message: by meaning (vectors) and by words (PostgreSQL), fused.

The vector store only proposes ids. Every passage is read through PostgreSQL under the account's row-level security, so
an id of another account, or of a passage that is gone, cannot surface. Without the vector store the words still find.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection
from django.db.models import Q

from conversations.tenancy import tenant_context
from ingestion.knowledge.answers import recogniser_of
from ingestion.knowledge.chunk import storable
from ingestion.knowledge.embed import Embedder, EmbedderDown, get_embedder
from ingestion.knowledge.vectors import VectorStore, VectorStoreDown, get_vector_store
from ingestion.knowledge.words import overlap, rarity, terms
from ingestion.models import Passage, SourceDocument, in_time

if TYPE_CHECKING:
    from ingestion.knowledge.recognise import Known, Recogniser

logger = logging.getLogger(__name__)

WORDS = 0.4
"""What having every word that was asked is worth, as cosine similarity. Chosen on questions that no report uses."""
RECOGNISED = 2 / 3  # of the score of an approved answer, where any were learned; the rest is its likeness
DEPTH = 20  # how far down each list is looked at
MAX_LEXEMES, MAX_QUESTIONS = 60, 4
_QUESTION = re.compile(r"[^.!?\n]{12,300}\?")


@dataclass(frozen=True)
class Found:
    """A passage, its document loaded. ``score`` is `fuse` of both searches, from 0 to 1; ranks count from 1, None where that
    search did not find it; ``similarity`` is the cosine, if there is one. All are those of the question, or the whole
    text, that brought the passage here."""

    passage: Passage
    score: float
    dense_rank: int | None
    text_rank: int | None
    similarity: float | None = None


class Findings(list[Found]):
    """Passages, best first. ``degraded`` says in words why meaning did not count; empty when it did. ``recogniser`` is
    what was learned from the account's approved answers, if anything was."""

    degraded: str = ""
    recogniser: Recogniser | None = None


def find_passages(
    *,
    account_id: UUID,
    text: str,
    limit: int = 5,
    embedder: Embedder | None = None,
    store: VectorStore | None = None,
) -> Findings:
    """The account's passages that fit ``text`` (a message, its subject first) and each of its questions, in turns.

    At most ``limit``, the best of each first.

    Never fails because a search engine is down: then ``degraded`` says so. Call it outside a transaction if you can: it
    may wait for the network before it opens its own.
    """
    found = Findings()
    queries = _queries(storable(text))
    if not queries:
        return found
    nearest: list[dict[UUID, float]] = [{} for _ in queries]
    vectors: list[list[float]] = []
    embedder = embedder or get_embedder()
    store = store or get_vector_store(embedder.name)
    try:
        if store is None:
            found.degraded = "No vector store is set (CHROMA_URL)."
        else:
            vectors = embedder.embed(queries)
            nearest = [dict(answer) for answer in store.query_many(account_id, vectors, DEPTH)]
    except (EmbedderDown, VectorStoreDown) as error:
        found.degraded = str(error)
        logger.warning("account %s: searching by words only: %s", account_id, error)
    with tenant_context(account_id):
        known: list[Known | None] = [None] * len(queries)
        if vectors and (recogniser := recogniser_of(account_id, embedder)):
            found.recogniser = recogniser
            known = list(recogniser.recognise(vectors))
        worded = [_by_words(query) for query in queries]
        learned = {document for each in known if each for document, _ in each.nearest()}
        passages = {
            passage.pk: passage
            for passage in Passage.objects.filter(
                Q(pk__in={*chain(*nearest, *worded)}) | Q(document_id__in=learned, ordinal=0),
                in_time("document__"),
                document__status=SourceDocument.Status.INDEXED,
            ).select_related("document")
        }
    lists = [_rank(*each, passages) for each in zip(queries, nearest, worded, known, strict=True)]
    # In turns, the best of each list first: a letter's one question counts as much as the story around it.
    for each in filter(None, chain.from_iterable(zip_longest(*lists))):
        if len(found) < limit and all(each.passage.pk != other.passage.pk for other in found):
            found.append(each)
    return found


def _queries(text: str) -> list[str]:
    """The whole text and, when it is more than one of them, its questions."""
    whole = text.strip()[:20_000]
    questions = [match[0].strip() for match in _QUESTION.finditer(whole)][:MAX_QUESTIONS]
    return list(dict.fromkeys([whole, *questions])) if whole else []


def _rank(
    asked: str, near: dict[UUID, float], words: list[UUID], known: Known | None, passages: dict[UUID, Passage]
) -> list[Found]:
    """One query's passages, best first. Ranks count only what this account has: a stale vector costs nobody a place.

    Of several approved questions with one answer the nearest stands for all, at the place of the best: the others would say
    nothing new.
    """
    dense = {key: rank for rank, key in enumerate(sorted(near.keys() & passages, key=lambda k: (near[k], k)), 1)}
    # What the words alone found is at most as near as the farthest that meaning found.
    farthest = max((near[key] for key in dense), default=None)
    learned = dict(known.nearest()) if known else {}
    proposed = {
        p.pk: 1 - learned[p.document_id] for p in passages.values() if p.ordinal == 0 and p.document_id in learned
    }
    distances = proposed | near
    shared = _shared(asked, {key: passages[key] for key in {*dense, *words, *proposed} & passages.keys()})
    by_words = sorted((key for key in words if key in passages), key=lambda key: -shared[key])
    texts = {key: rank for rank, key in enumerate(by_words, 1)}
    likely = _likely(near, known, passages) if known else {}
    found = []
    for key in shared:
        score = fuse(distances.get(key, farthest), shared[key])
        if known and _is_golden(passages[key]):
            score = round(RECOGNISED * likely.get(passages[key].text, 0.0) + (1 - RECOGNISED) * score, 6)
        found.append(
            Found(
                passage=passages[key],
                score=score,
                dense_rank=dense.get(key),
                text_rank=texts.get(key),
                similarity=1 - distances[key] if key in distances else None,
            )
        )
    found.sort(key=lambda each: (-each.score, each.passage.pk))
    best: dict[object, Found] = {}
    for each in found:
        says: object = each.passage.text if _is_golden(each.passage) else each.passage.pk
        first = best.setdefault(says, each)
        if (each.similarity or 0.0) > (first.similarity or 0.0):
            best[says] = replace(each, score=first.score)
    return list(best.values())


def _likely(near: dict[UUID, float], known: Known, passages: dict[UUID, Passage]) -> dict[str, float]:
    """How likely each approved answer is the one that is asked for, from 0 to 1: on one scale, whatever was learned of it.

    The more of what is near was not learned (accepted a minute ago, or beyond the most that are), the less what was
    learned counts, and the more the vote of those that are near.
    """
    said: dict[str, float] = {}
    votes: dict[str, float] = {}
    everything = goldens = unlearned = 0.0
    for key, passage in passages.items():
        vote = known.vote(1 - near[key]) if key in near else 0.0
        everything += vote
        if not _is_golden(passage):
            continue
        goldens += vote
        votes[passage.text] = votes.get(passage.text, 0.0) + vote
        score = known.score(passage.document_id)
        if score is None:
            unlearned += vote
        else:
            said[passage.text] = max(said.get(passage.text, 0.0), min(1.0, score))
    doubt = unlearned / goldens if goldens else 0.0
    return {
        text: (1 - doubt) * said.get(text, 0.0) + doubt * vote / (everything or 1.0) for text, vote in votes.items()
    }


def _is_golden(passage: Passage) -> bool:
    return passage.document.kind == SourceDocument.Kind.GOLDEN


def _shared(asked: str, passages: dict[UUID, Passage]) -> dict[UUID, float]:
    """Which share of the words asked each has, under its headings. PostgreSQL's rank does not know which words are rare; what
    few of these passages have is."""
    words = {key: terms(f"{passage.heading} {passage.text}") for key, passage in passages.items()}
    rare, wanted = rarity(list(words.values())), set(terms(asked))
    # Rounded, because a sum over a set has no fixed order, and a tie must not depend on chance.
    return {key: round(overlap(each, wanted, rare), 6) for key, each in words.items()}


def fuse(distance: float | None, shared: float) -> float:
    """How well a passage fits: its cosine similarity and the share of the asked words that it has; 1 is the same text.

    Reciprocal rank fusion weighs both lists alike, and the words' list is the worse one: with it the fused search found
    less than meaning alone (docs/quality.md). Without distances only the words count.
    """
    similarity = 0.0 if distance is None else max(0.0, 1 - distance)
    return round((similarity + WORDS * shared) / (1 + WORDS), 6)


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
            [text, MAX_LEXEMES, DEPTH],
        )
        return [row[0] for row in cursor.fetchall()]
