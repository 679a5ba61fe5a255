"""What a person does with what waits: let it in, make a message of it by hand, or set it aside with a reason. Nothing is
thrown away."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.db import transaction

from conversations import audit
from conversations.channels.base import Inbound, Party
from conversations.errors import Conflict, Invalid
from conversations.messages.inbox import clean, record_inbound
from conversations.models import Conversation, Message, User
from conversations.people.roles import Verb, check
from ingestion import limits
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


@dataclass(frozen=True, slots=True)
class Written:
    """What a person read in the bytes: who wrote, what about, and what."""

    sender: str
    name: str
    subject: str
    text: str


def make_message(
    *, event_id: uuid.UUID, actor: User, written: Written, into: uuid.UUID | None = None
) -> tuple[InboundEvent, Message]:
    """A customer's message of what no reader could read, in the conversation `into` or a new one; it gets a draft like any.

    Raises PermissionDenied (403), InboundEvent.DoesNotExist (404), Conflict (409) when it does not wait any more, Invalid (422)
    without a sender, a text, or the conversation that a reply on its channel has to name.
    """
    with transaction.atomic():
        event = _locked(event_id, actor)
        if event.status not in {Status.FAILED, Status.QUARANTINED}:
            raise Conflict(f"This mail does not wait any more: it is {words(event)}. Nothing was changed.")
        sender, text = clean(written.sender).strip(), clean(written.text).strip()
        if not sender or not text:
            raise Invalid(f"Say {'what it says' if sender else 'who wrote it'}. Nothing was stored.")
        known = Conversation.objects.of_customers().filter(channel=event.channel)
        if into and not known.filter(pk=into).exists():
            raise Invalid("There is no such conversation on this channel. Nothing was stored.")
        if not into and event.channel.provided_by.threads:
            raise Invalid(
                "Say to which conversation it belongs: a reply on this channel has to name it. Nothing was stored."
            )
        inbound = Inbound(
            external_id=f"made:{event.pk}",
            sender=Party(sender, clean(written.name).strip()),
            subject=clean(written.subject).strip(),
            body_text=text,
            body_new=text,
            problems=("A colleague made this message of what could not be read.",),
        )
        message, _ = record_inbound(channel=event.channel, inbound=inbound, into=into)
        event.status, event.message, event.lease_until = Status.PROCESSED, message, None
        event.sender, event.subject, event.detail = limits.sender_key(inbound), inbound.subject[:200], "made by hand"
        event.save(update_fields=["status", "message", "lease_until", "sender", "subject", "detail"])
        audit.record(audit.Kind.INBOUND_MADE, actor=actor, about=event, data={"channel": event.channel.name})
    return event, message


def retry_all(*, event_ids: Collection[uuid.UUID], actor: User) -> int:
    """`retry` for each that still waits and has its bytes; how many. Raises PermissionDenied (403)."""
    return _each(event_ids, lambda pk: retry(event_id=pk, actor=actor))


def set_aside_all(*, event_ids: Collection[uuid.UUID], actor: User, reason: str) -> int:
    """`set_aside` for each that still waits, for one reason; how many. Raises PermissionDenied (403), Invalid (422)."""
    return _each(event_ids, lambda pk: set_aside(event_id=pk, actor=actor, reason=reason))


def _each(event_ids: Collection[uuid.UUID], act: Callable[[uuid.UUID], InboundEvent]) -> int:
    done = 0
    with transaction.atomic():
        for pk in sorted(event_ids):  # in one order, so that two people do not wait for each other
            try:
                act(pk)
            except (Conflict, InboundEvent.DoesNotExist):
                continue  # a colleague was first
            done += 1
    return done


def words(event: InboundEvent) -> str:
    return Status(event.status).label.lower()


def _locked(event_id: uuid.UUID, actor: User) -> InboundEvent:
    events = InboundEvent.objects.defer("payload").select_for_update(of=("self",)).select_related("channel")
    event = events.get(pk=event_id)
    check(actor, Verb.HANDLE_INBOUND, account_id=event.account_id)
    return event
