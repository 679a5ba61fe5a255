"""Idempotency-Keys of the internal API: a request that is sent again is answered again and done once.

draft-ietf-httpapi-idempotency-key-header-07. A key belongs to the token that sent it and to one request: its method, its path
(which names the conversation) and its body. It is no external id of a message and cannot meet one.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection

from conversations.database import database_time
from conversations.errors import Invalid
from conversations.models import Conversation, Message
from conversations.people.tokens import Caller
from conversations.tenancy import tenant_context
from ingestion.models import RequestKey


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its key stands for it; without a key nothing is remembered."""

    caller: Caller
    key: str
    route: str
    body: bytes

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(b"\n".join([self.route.encode(), self.body])).hexdigest()


def known(asked: Asked) -> RequestKey | None:
    """What this request stood for when it came before. The second of two that come at once waits for the first.

    Raises Invalid (422) if the key was used for another request.
    """
    if not asked.key:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", [f"{asked.caller.token_id}:{asked.key}"]
        )
    found = RequestKey.objects.filter(token_id=asked.caller.token_id, key=asked.key)
    row = found.select_related("conversation", "message").first()
    if row is None:
        return None
    if row.expires_at <= database_time.now():
        row.delete()
        return None
    if row.fingerprint != asked.fingerprint:
        raise Invalid("This Idempotency-Key was used with another request. Use a new key; nothing was stored.")
    return row


def remember(asked: Asked, *, conversation: Conversation, message: Message | None = None) -> None:
    """Keep what the request made, in the transaction that made it."""
    if asked.key:
        RequestKey.objects.create(
            account_id=asked.caller.account_id,
            token_id=asked.caller.token_id,
            key=asked.key,
            fingerprint=asked.fingerprint,
            conversation=conversation,
            message=message,
            expires_at=database_time.now() + timedelta(days=settings.INBOUND_RAW_DAYS),
        )


def forget(account_id: uuid.UUID) -> int:
    """Remove the keys that stand for nothing any more; how many."""
    with tenant_context(account_id):
        return RequestKey.objects.filter(expires_at__lte=database_time.now()).delete()[0]
