"""What a reply is written from: the passages that the search found, in the order of their use."""

from __future__ import annotations

import uuid

from drafts.llm.endpoint import Tokens
from drafts.writing.port import Source
from drafts.writing.rerank import LOOKED_AT, MAX_PASSAGES, get_reranker
from ingestion.knowledge.search import Findings, find_passages


def find_sources(*, account_id: uuid.UUID, text: str) -> tuple[tuple[Source, ...], Findings, Tokens]:
    """What a draft that answers ``text`` is written from, best first, the search it came from, and what a model took to order it.
    Waits for the network."""
    reranker = get_reranker()
    findings = find_passages(account_id=account_id, text=text, limit=LOOKED_AT if reranker else MAX_PASSAGES)
    found = sources_of(findings)
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
