"""What a person does with mail that waits: let it in, or set it aside with a reason. Nothing is thrown away."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.messages.inbox import clean
from conversations.models import User
from conversations.people.roles import Verb, check
from ingestion.models import InboundEvent
from ingestion.receive import ask_to_read

Status = InboundEvent.Status


def retry(*, event_id: uuid.UUID, actor: User) -> InboundEvent:
    """Have the mail read now; no limit holds it again. A worker reads it after the commit.

    Raises PermissionDenied (403), InboundEvent.DoesNotExist (404), Conflict (409) when it does not wait any more or its
    bytes have expired.
    """
    with transaction.atomic():
        event = _locked(event_id, actor)
        if event.status not in {Status.FAILED, Status.QUARANTINED, Status.SET_ASIDE}:
            raise Conflict(f"This mail does not wait any more: it is {words(event)}. Nothing was changed.")
        if not InboundEvent.objects.filter(pk=event.pk, payload__isnull=False).exists():
            raise Conflict("The bytes of this mail were removed under the retention rules. It cannot be read again.")
        event.status, event.tries, event.is_released, event.lease_until = Status.RECEIVED, 0, True, None
        event.save(update_fields=["status", "tries", "is_released", "lease_until"])
        audit.record(audit.Kind.INBOUND_RETRIED, actor=actor, about=event, data={"channel": event.channel.name})
        ask_to_read(event)
    return event


def set_aside(*, event_id: uuid.UUID, actor: User, reason: str) -> InboundEvent:
    """Answer nobody; the bytes stay until they expire and it can be brought back. Raises as `retry`, and Invalid (422)
    without a reason."""
    with transaction.atomic():
        event = _locked(event_id, actor)
        if event.status not in {Status.FAILED, Status.QUARANTINED}:
            raise Conflict(f"This mail does not wait any more: it is {words(event)}. Nothing was changed.")
        said = clean(reason).strip()
        if not said:
            raise Invalid("Say why it is set aside. Nothing was changed.")
        event.status, event.detail, event.lease_until = Status.SET_ASIDE, said[:500], None
        event.save(update_fields=["status", "detail", "lease_until"])
        audit.record(
            audit.Kind.INBOUND_SET_ASIDE,
            actor=actor,
            about=event,
            data={"channel": event.channel.name},
            commit={"reason": said},
        )
    return event


def words(event: InboundEvent) -> str:
    return Status(event.status).label.lower()


def _locked(event_id: uuid.UUID, actor: User) -> InboundEvent:
    events = InboundEvent.objects.defer("payload").select_for_update(of=("self",)).select_related("channel")
    event = events.get(pk=event_id)
    check(actor, Verb.HANDLE_INBOUND, account_id=event.account_id)
    return event
