"""Finding again what a person said with the assistant: by its words and by its meaning, fused. Only their own chats."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass

from conversations.chats.finding import by_words
from conversations.models import Message
from conversations.tenancy import tenant_context
from drafts.assistant import vectors
from ingestion.knowledge.embed import Embedder, EmbedderDown, get_embedder
from ingestion.knowledge.search import fuse

logger = logging.getLogger(__name__)

DEPTH = 40  # how far down the list of meanings is looked
#: Below it, nothing is meant alike: unrelated sentences of this model stay under 0.2 (measured on the demo's questions).
ALIKE = 0.3


@dataclass(frozen=True, slots=True)
class Hit:
    """`message` None: the title holds the words. `similarity` None: no vector of it was near."""

    conversation: uuid.UUID
    message: uuid.UUID | None
    by_words: bool
    similarity: float | None
    score: float


@dataclass(frozen=True, slots=True)
class Hits:
    """Best first. `degraded` says in words why meaning did not count; empty when it did."""

    found: list[Hit]
    degraded: str = ""


def search_own(
    *, account_id: uuid.UUID, person_id: uuid.UUID, text: str, limit: int = 20, embedder: Embedder | None = None
) -> Hits:
    """What this person's chats hold on `text`. Call it outside of a transaction, and in a worker: it loads the model."""
    text = text.replace("\x00", "").strip()
    if not text:
        return Hits([])
    degraded, asked = "", None
    embedder = embedder or get_embedder()
    try:
        asked = embedder.embed([text])[0]
    except EmbedderDown as error:
        degraded = str(error)
        logger.warning("account %s: chats are searched by words only: %s", account_id, error)
    with tenant_context(account_id, person=person_id):
        worded = by_words(text)
        near = {}
        if asked is not None:
            ranked = vectors.nearest(
                account_id=account_id, person_id=person_id, embedder=embedder.name, asked=asked, most=DEPTH
            )
            near = {pk: cosine for pk, cosine in ranked if cosine >= ALIKE}
        meant = near.keys() - {said.message for said in worded}
        places = Message.objects.filter(account_id=account_id, pk__in=meant, conversation__deleted_at__isnull=True)
        where = dict(places.values_list("pk", "conversation_id"))
    hits = [_hit(said.conversation, said.message, True, near) for said in worded]
    hits += [_hit(chat, pk, False, near) for pk, chat in where.items()]
    return Hits(sorted(hits, key=lambda hit: -hit.score)[:limit], degraded)


def _hit(chat: uuid.UUID, message: uuid.UUID | None, worded: bool, near: dict[uuid.UUID, float]) -> Hit:
    similarity = near.get(message) if message else None
    distance = None if similarity is None else 1 - similarity
    return Hit(chat, message, worded, similarity, fuse(distance, float(worded)))
