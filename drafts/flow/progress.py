"""What a drafter has written so far, shown to whoever asked for another draft. It is nobody's draft until it is stored."""

from __future__ import annotations

import uuid

from conversations.database import database_time
from conversations.tenancy import tenant_context
from drafts.models import Writing
from drafts.writing.port import OnText

MAX_TEXT = 20_000  # characters; the column's length


def publisher(*, account_id: uuid.UUID, conversation_id: uuid.UUID) -> OnText:
    """Keeps the text so far, each time in a transaction of its own: the page that asks must see it now."""

    def publish(text: str) -> None:
        with tenant_context(account_id, durable=True):
            Writing.objects.update_or_create(
                account_id=account_id,
                conversation_id=conversation_id,
                defaults={"text": text.replace("\x00", "")[:MAX_TEXT], "updated_at": database_time.now()},
            )

    return publish


def so_far(conversation_id: uuid.UUID) -> str:
    """The caller is in the tenant."""
    return Writing.objects.filter(conversation_id=conversation_id).values_list("text", flat=True).first() or ""


def ended(*, account_id: uuid.UUID, conversation_id: uuid.UUID) -> None:
    """The draft is stored, or none came out."""
    with tenant_context(account_id):
        Writing.objects.filter(conversation_id=conversation_id).delete()
