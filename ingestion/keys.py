"""What a vendor brought once, by the vendor's own id of it, is not taken in again (docs/decisions/0068)."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.utils.crypto import salted_hmac

from conversations.database import database_time
from conversations.models import Channel
from conversations.tenancy import tenant_context
from ingestion.models import InboundKey

Kind = InboundKey.Kind
#: No vendor brings an event again after that. What is known of messages is kept for good.
EVENTS_STAND = timedelta(days=400)


def digest_of(kind: Kind, name: str) -> str:
    """Stands for a vendor's id of an event or a message. Without SECRET_KEY nobody can try ids against it."""
    return salted_hmac("countersign.inbound", f"{kind}:{name}", algorithm="sha256").hexdigest()


def claim(channel: Channel, kind: Kind, name: str) -> tuple[InboundKey, bool]:
    """The key of this id, and whether it is the caller's own: the first to ask has it, and whoever asks meanwhile waits for
    the end of that one's transaction."""
    own = InboundKey(account_id=channel.account_id, channel=channel, kind=kind, digest=digest_of(kind, name))
    InboundKey.objects.bulk_create([own], ignore_conflicts=True)
    found = InboundKey.objects.select_related("message").get(channel=channel, kind=kind, digest=own.digest)
    return found, found.pk == own.pk


def forget(account_id: uuid.UUID) -> int:
    """Remove the keys of events that no vendor brings again; how many."""
    with tenant_context(account_id):
        old = InboundKey.objects.filter(kind=Kind.EVENT, created_at__lt=database_time.now() - EVENTS_STAND)
        return old.delete()[0]
