"""The recogniser of an account's approved answers: learned by a worker, kept in PostgreSQL, loaded where it is needed.

It is a derivation like the vectors: it can be thrown away at any time, and is learned anew within minutes after approved
answers or the embedder changed. Until then the new ones are found and used as any approved answer was before.

`recognise` is imported where it is used: its numpy is for workers, not for a web process (decision 0037).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

from conversations.tenancy import tenant_context
from ingestion.knowledge.embed import Embedder, get_embedder
from ingestion.models import AnswerModel, Passage, SourceDocument

if TYPE_CHECKING:
    from ingestion.knowledge.recognise import Matrix, Recogniser

logger = logging.getLogger(__name__)

MAX_ACCOUNTS = 8  # accounts in the memory of a process, about 65 MB each where they have 50,000 approved questions
EMBEDDED = 500  # questions embedded at a time: a list of Python's numbers takes twelve times the room of their vectors
FORM = 2  # of what is stored


def learn_answers(*, account_id: UUID, embedder: Embedder | None = None) -> bool:
    """Learn the account's approved answers anew if they, or the embedder, changed. True if something was stored.

    Raises EmbedderDown. Too few approved answers are stored as "nothing learned".
    """
    from ingestion.knowledge import recognise

    embedder = embedder or get_embedder()
    how = f"{embedder.name} {FORM} {recognise.SHARPNESS} {recognise.RIDGE} {recognise.STRICT} {recognise.NEIGHBOURS}"
    with tenant_context(account_id):
        rows = list(
            SourceDocument.objects.filter(kind=SourceDocument.Kind.GOLDEN, status=SourceDocument.Status.INDEXED)
            .order_by("-pk")
            .values_list("pk", "hash", "title")
        )
        digest = _digest(how, rows)
        stored = AnswerModel.objects.filter(account_id=account_id).only("digest").first()
        if stored.digest == digest if stored else not rows:
            return False
        answers = _answers()
        before = recogniser_of(account_id, embedder, keep=False)
    rows = [row for row in rows if row[0] in answers]
    chosen = [rows[at] for at in recognise.learnable([answers[row[0]] for row in rows])]
    body = b""
    if chosen:
        # Outside of any transaction: an endpoint may be slow, and so is the arithmetic.
        marks = [_mark(title) for _, _, title in chosen]
        vectors = _vectors([title for _, _, title in chosen], marks, before, embedder)
        del before
        learned = recognise.learn([row[0] for row in chosen], [answers[row[0]] for row in chosen], vectors, marks)
        body = learned.to_bytes()
    with tenant_context(account_id):
        AnswerModel.objects.update_or_create(
            account_id=account_id, defaults={"digest": digest, "embedder": embedder.name[:200], "body": body}
        )
    logger.info("account %s: learned from %s approved questions", account_id, len(chosen))
    return True


def _answers() -> dict[UUID, str]:
    """For each golden of the tenant the digest of its whole answer: of 50,000 the words themselves would be much to hold."""
    digests: dict[UUID, hashlib._Hash] = {}
    passages = Passage.objects.filter(document__kind=SourceDocument.Kind.GOLDEN).order_by("document", "ordinal")
    for document, text in passages.values_list("document_id", "text").iterator(chunk_size=2_000):
        digests.setdefault(document, hashlib.sha256()).update(f"{text}\n".encode())
    return {document: digest.hexdigest() for document, digest in digests.items()}


def _vectors(titles: Sequence[str], marks: Sequence[int], before: Recogniser | None, embedder: Embedder) -> Matrix:
    """Of each question; only those are embedded that were not learned before."""
    import numpy

    if before and before.dimension != embedder.dimension:
        before = None
    rows = {int(mark): row for row, mark in enumerate(before.marks)} if before else {}
    new = [at for at, mark in enumerate(marks) if mark not in rows]
    vectors = numpy.empty((len(titles), embedder.dimension), dtype=numpy.float16)
    for start in range(0, len(new), EMBEDDED):
        batch = new[start : start + EMBEDDED]
        vectors[batch] = embedder.embed([titles[at] for at in batch])
    if before:
        kept = [at for at, mark in enumerate(marks) if mark in rows]
        vectors[kept] = before.vectors[[rows[marks[at]] for at in kept]]
    return vectors


def _mark(title: str) -> int:
    return int.from_bytes(hashlib.sha256(title.encode()).digest()[:8])


def recogniser_of(account_id: UUID, embedder: Embedder, *, keep: bool = True) -> Recogniser | None:
    """What was learned last, with this embedder; None where nothing was. The caller is in the tenant."""
    found = AnswerModel.objects.filter(account_id=account_id).values_list("digest", "embedder").first()
    if found is None or found[1] != embedder.name[:200]:
        return None
    return (_recogniser if keep else _recogniser.__wrapped__)(account_id, found[0])


@lru_cache(maxsize=MAX_ACCOUNTS)
def _recogniser(account_id: UUID, digest: str) -> Recogniser | None:
    """Read once in a process for as long as it stays the account's newest; the digest is of all that it was learned from."""
    stored = AnswerModel.objects.filter(account_id=account_id, digest=digest).values_list("body", flat=True).first()
    if not stored:
        return None
    from ingestion.knowledge.recognise import Recogniser

    return Recogniser.from_bytes(bytes(stored))


def _digest(how: str, rows: list[tuple[UUID, str, str]]) -> str:
    """Of all that is learned from, and of how."""
    return hashlib.sha256("\n".join([how, *(f"{key} {digest}" for key, digest, _ in rows)]).encode()).hexdigest()
