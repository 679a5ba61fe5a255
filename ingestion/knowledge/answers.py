"""The recogniser of an account's approved answers: learned by a worker, kept in PostgreSQL, loaded where it is needed.

It is a derivation like the vectors: it can be thrown away at any time, and is learned anew within minutes after approved
answers or the embedder changed. Until then the new ones are found and used as any approved answer was before.

`recognise` is imported where it is used: its numpy is for workers, not for a web process (decision 0037).
"""

from __future__ import annotations

import hashlib
import logging
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

from conversations.tenancy import tenant_context
from ingestion.knowledge.embed import Embedder, get_embedder
from ingestion.models import AnswerModel, Passage, SourceDocument

if TYPE_CHECKING:
    from ingestion.knowledge.recognise import Recogniser

logger = logging.getLogger(__name__)

MAX_ACCOUNTS = 8  # accounts in the memory of a process, at most about 20 MB each


def learn_answers(*, account_id: UUID, embedder: Embedder | None = None) -> bool:
    """Learn the account's approved answers anew if they, or the embedder, changed. True if something was stored.

    Raises EmbedderDown. Too few approved answers are stored as "nothing learned".
    """
    from ingestion.knowledge import recognise

    embedder = embedder or get_embedder()
    how = f"{embedder.name} {recognise.SHARPNESS} {recognise.RIDGE} {recognise.STRICT}"
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
        texts: dict[UUID, str] = {}
        passages = Passage.objects.filter(document__kind=SourceDocument.Kind.GOLDEN).order_by("document", "ordinal")
        for document, text in passages.values_list("document_id", "text").iterator(chunk_size=2_000):
            texts[document] = f"{texts[document]}\n{text}" if document in texts else text
    rows = [row for row in rows if row[0] in texts]
    answers = [texts[row[0]] for row in rows]
    chosen = recognise.learnable(answers)
    body = b""
    if chosen:
        # Outside of any transaction: an endpoint may be slow, and so is the arithmetic.
        vectors = embedder.embed([rows[at][2] for at in chosen])
        body = recognise.learn([rows[at][0] for at in chosen], [answers[at] for at in chosen], vectors).to_bytes()
    with tenant_context(account_id):
        AnswerModel.objects.update_or_create(
            account_id=account_id, defaults={"digest": digest, "embedder": embedder.name[:200], "body": body}
        )
    logger.info("account %s: learned from %s approved questions", account_id, len(chosen))
    return True


def recogniser_of(account_id: UUID, embedder: Embedder) -> Recogniser | None:
    """What was learned last, with this embedder; None where nothing was. The caller is in the tenant."""
    found = AnswerModel.objects.filter(account_id=account_id).values_list("digest", "embedder").first()
    if found is None or found[1] != embedder.name[:200]:
        return None
    return _recogniser(account_id, found[0])


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
