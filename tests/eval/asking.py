"""What all measurements share: a database to ask in, one question to the drafter that ships, and what is asked of its reply."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from drafts.writing.port import Drafter, DraftResult, Source


def set_up() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", database="owner", verbosity=0, interactive=False)


def share(text: str) -> float:
    """From 0 to 1, by hash: what splits are made with."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def answer(topic: str) -> str:
    """What a person would answer, one fixed text a topic; it shares no word with the question but the topic's own."""
    return f"About {topic.replace('_', ' ').lower().rstrip('?')}: our team has looked it up and wrote it down for you."


def draft(account_id: UUID, text: str, drafter: Drafter | None = None) -> tuple[DraftResult, Sequence[Source]]:
    """What the drafter (the one of the settings, if none is given) writes to this message, and the sources it had."""
    from drafts.learning.prompts import BUILT_IN_LABEL, BUILT_IN_TEXT
    from drafts.writing.port import DraftRequest, Turn
    from drafts.writing.registry import get_drafter
    from drafts.writing.retrieval import sources_of
    from ingestion.knowledge.search import find_passages

    findings = find_passages(account_id=account_id, text=text, limit=6)
    sources = sources_of(findings)
    asked = DraftRequest(
        (Turn("customer", text),), text, "", sources, BUILT_IN_TEXT, BUILT_IN_LABEL, "The shop",
        recogniser=findings.recogniser,
    )  # fmt: skip
    return (drafter or get_drafter()).write(asked), sources


def declined(result: DraftResult) -> bool:
    """Whether it states nothing: it holds, hands over, or asks back."""
    return not result.statements


def sourced(result: DraftResult, sources: Sequence[Source]) -> tuple[int, int]:
    """(sentences that state something, those that a source they cite has word for word)."""
    from drafts.writing.markdown import read_out
    from drafts.writing.statements import normalised

    by_id = {source.passage_id: normalised(read_out(source.text)) for source in sources}
    said = [
        (normalised(result.text[statement.start : statement.end]), statement.source_ids)
        for statement in result.statements
    ]
    return len(said), sum(any(text in by_id[key] for key in ids) for text, ids in said)
