"""What a reader sees of a source and drafts cannot quote: counted for a job, kept with the document, too much of it fails the job."""

from __future__ import annotations

from typing import Any, Protocol

from conversations.errors import Refusal
from ingestion.knowledge.extract import Extracted

MOST_LOST = 0.03
"""The share of all words of a job's pages. Above it the reading as such is at fault, and somebody has to look."""


class Incomplete(Refusal):
    """More was lost than a job may lose. What was read is stored and says what is missing."""


class Counting(Protocol):
    words: int
    lost: int

    def problem(self, name: str, what: str) -> None: ...


def count(counts: Counting, name: str, found: Extracted) -> None:
    """Add a source's words to the job's, and name the source if any of them are missing."""
    counts.words += found.shown
    counts.lost += found.lost
    if found.lost:
        counts.problem(name, f"{found.lost} of {found.shown} words are not in its text; its page lists them")
    elif found.missing:
        counts.problem(name, f"not all of it was read: {found.missing[0]}")


def check(counts: Counting) -> None:
    """Raises Incomplete."""
    if counts.lost > MOST_LOST * counts.words:
        raise Incomplete(
            f"{counts.lost:,} of {counts.words:,} words that readers see were not read, more than {MOST_LOST:.0%}. "
            "What was read can be quoted; each document's page lists what is missing."
        )


def kept(found: Extracted) -> dict[str, Any]:
    """For the document's metadata."""
    return {"missing": list(found.missing), "lost": found.lost, "shown": found.shown} if found.missing else {}
