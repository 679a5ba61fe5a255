"""What was said in chats, as small vectors: one person's are read at once, and ranked in memory.

Whole numbers of one byte: of ten thousand messages they are 4 MB, and find what the exact ones find. numpy is for workers,
not for a web process (docs/decisions/0037).
"""

from __future__ import annotations

import uuid

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from conversations.models import Message, MessageVector
from conversations.tenancy import tenant_context
from ingestion.knowledge.embed import Embedder, get_embedder

BATCH = 64


def remember(*, account_id: uuid.UUID, person_id: uuid.UUID, embedder: Embedder | None = None) -> int:
    """Make the vectors that the person's messages lack; returns how many. Raises EmbedderDown; what is made stays.

    The embedder is asked outside of any transaction: it may wait for the network.
    """
    embedder = embedder or get_embedder()
    made = 0
    while True:
        with tenant_context(account_id, person=person_id):
            texts = dict(_without(account_id, person_id, embedder.name)[:BATCH])
        if not texts:
            return made
        found = dict(zip(texts, embedder.embed(list(texts.values())), strict=True))
        with tenant_context(account_id, person=person_id):
            locked = Message.objects.select_for_update(of=("self",)).filter(pk__in=texts, erased_at__isnull=True)
            rows = [
                MessageVector(
                    account_id=account_id, message_id=message.pk, conversation_id=message.conversation_id,
                    private_to_id=person_id, embedder=embedder.name, values=small(found[message.pk]),
                )
                for message in locked.order_by("pk").only("conversation_id")
            ]  # fmt: skip
            MessageVector.objects.bulk_create(rows, ignore_conflicts=True)
        made += len(rows)


def _without(account_id: uuid.UUID, person_id: uuid.UUID, embedder: str) -> QuerySet[Message, tuple[uuid.UUID, str]]:
    """(id, text) of the person's messages that have no vector of this embedder, in a chat that is not deleted."""
    has = MessageVector.objects.filter(account_id=account_id, message=OuterRef("pk"), embedder=embedder)
    mine = Message.objects.filter(
        account_id=account_id,
        conversation__account_id=account_id,
        conversation__private_to_id=person_id,
        conversation__kind="assistant",
        conversation__deleted_at__isnull=True,
        erased_at__isnull=True,
    )
    return mine.filter(~Exists(has)).order_by("pk").values_list("pk", "body_text")


def small(vector: list[float]) -> bytes:
    """Its direction in whole numbers from -127 to 127. The length is lost, which a cosine does not ask for."""
    largest = max(map(abs, vector))
    return bytes(round(number / largest * 127) & 0xFF for number in vector)


def nearest(
    *, account_id: uuid.UUID, person_id: uuid.UUID, embedder: str, asked: list[float], most: int
) -> list[tuple[uuid.UUID, float]]:
    """The person's messages nearest in meaning, best first, with their cosine. Inside of the person's transaction."""
    import numpy

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(uuid_send(message_id), ''::bytea ORDER BY id), string_agg(values, ''::bytea ORDER BY id)"
            " FROM conversations_messagevector WHERE account_id = %s AND private_to_id = %s AND embedder = %s",
            [account_id, person_id, embedder],
        )
        ids, values = cursor.fetchone()
    if not ids:
        return []
    rows = numpy.frombuffer(values, dtype=numpy.int8).reshape(len(ids) // 16, -1).astype(numpy.float32)
    cosines = rows @ numpy.asarray(asked, dtype=numpy.float32) / numpy.linalg.norm(rows, axis=1)
    best = numpy.argsort(-cosines, kind="stable")[:most]
    return [(uuid.UUID(bytes=bytes(ids[at * 16 : at * 16 + 16])), float(cosines[at])) for at in best.tolist()]
