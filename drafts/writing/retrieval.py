"""What a reply is written from: the passages that the search found, in the order of their use."""

from __future__ import annotations

import uuid

from drafts.llm.endpoint import Tokens
from drafts.writing.glossary import in_english
from drafts.writing.port import Source
from drafts.writing.rerank import LOOKED_AT, MAX_PASSAGES, get_reranker
from ingestion.knowledge.embed import get_embedder, knows_only_english
from ingestion.knowledge.search import Findings, find_passages


def find_sources(
    *, account_id: uuid.UUID, text: str, language: str = ""
) -> tuple[tuple[Source, ...], Findings, Tokens]:
    """What a draft that answers ``text`` is written from, best first, the search it came from, and what a model took to order it.
    Waits for the network.

    In another language than the embedder's, approved answers in that language come first, then what the text says in English.
    """
    reranker = get_reranker()
    limit = LOOKED_AT if reranker else MAX_PASSAGES
    findings = find_passages(account_id=account_id, text=text, limit=limit)
    found = sources_of(findings)
    english = in_english(text, language) if knows_only_english(get_embedder()) else text
    if english != text:
        approved = [source for source in found if source.url.startswith("golden:")]
        also = sources_of(find_passages(account_id=account_id, text=english, limit=limit))
        found = tuple({source.passage_id: source for source in (*approved, *also)}.values())
    found, spent = reranker.order(text, found) if reranker else (found, (0, 0))
    return found[:MAX_PASSAGES], findings, spent


def sources_of(findings: Findings) -> tuple[Source, ...]:
    return tuple(
        Source(
            passage_id=found.passage.pk,
            document_id=found.passage.document_id,
            title=found.passage.document.title,
            url=found.passage.document.source_url,
            text=found.passage.text,
            score=found.score,
            indexed_at=found.passage.document.indexed_at,
            dense_rank=found.dense_rank,
            text_rank=found.text_rank,
            section=found.passage.heading,
            topic=str(found.passage.document.metadata.get("intent", "")),
        )
        for found in findings
    )
