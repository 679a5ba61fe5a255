"""One thing that happened at a vendor becomes what it is here: a customer's message, a colleague's answer, or nothing new.

Everything in the caller's transaction and in one order: the message's key, then its conversation, then a delivery. Whatever
is known already is attached to what is known; what we sent ourselves never becomes a message (docs/decisions/0068).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from django.db.models import Q

from conversations import audit, hooks
from conversations.channels.base import Author, Event, EventKind, Inbound, Party
from conversations.database import database_time
from conversations.messages import blocking, elsewhere, outcomes, owing
from conversations.messages.inbox import (
    UNREADABLE,
    clean,
    find_or_open,
    record_inbound,
)
from conversations.messages.outgoing import text_as_sent
from conversations.models import Channel, Conversation, Delivery, Message
from ingestion import keys, limits
from ingestion.models import InboundEvent, InboundKey

#: How long an answer waits for the conversation that it answers; then it opens one.
PATIENCE = timedelta(seconds=60)
#: A reply of ours is known by its text alone so long after it left.
ECHOES_WITHIN = timedelta(hours=24)
#: Among so many threads an answer that names none is looked for.
MOST_THREADS = 50
CHANGED = "The customer changed an earlier message there; this is how it reads now."
DELETED = "The customer deleted this message there."
D = Delivery.Status


class LookAgain(Exception):
    """What it belongs to is still on its way: in some seconds it can be told."""


@dataclass(frozen=True, slots=True)
class Taken:
    """`hold`: why it waits for a person, who is told of each if it `tells`; `is_blocked`: nobody is asked about its sender."""

    message: Message | None = None
    is_new: bool = False
    detail: str = ""
    hold: str = ""
    is_blocked: bool = False
    tells: bool = False


def take(event: InboundEvent, channel: Channel, happened: Event) -> Taken:
    """Raises LookAgain, and then nothing of the transaction may stay."""
    if happened.kind == EventKind.OTHER or not happened.provider_id:
        return Taken(detail="nothing that is kept here")
    if happened.kind == EventKind.PRIVACY:
        return Taken(detail="a person saw to it") if event.is_released else Taken(hold=happened.detail, tells=True)
    if happened.kind == EventKind.FAILED:
        return _failed(channel, happened)
    if happened.kind in {EventKind.CLOSED, EventKind.OPENED}:
        return _status(channel, happened)
    key, is_first = keys.claim(channel, InboundKey.Kind.MESSAGE, happened.provider_id)
    if happened.kind == EventKind.DELETED:
        return _deleted(channel, key, is_first=is_first)
    if not is_first and key.message is None:
        return Taken(detail="deleted there before it came")
    if not is_first and happened.kind == EventKind.EDITED:
        return _edited(event, channel, happened, key)
    if not is_first:
        _seen_again(channel, happened)
        return Taken(key.message, detail="received before")
    # An edit that comes before its message is the message; that one brings nothing new any more.
    taken = _new(event, channel, happened)
    if taken.message is None:
        key.delete()  # it waits for a person, who may let it in
    else:
        InboundKey.objects.filter(pk=key.pk).update(message=taken.message)
    return taken


def _status(channel: Channel, happened: Event) -> Taken:
    """Somebody closed or opened the thread there. What the customer wrote since is newer than that."""
    rows = Conversation.objects.of_customers().filter(account_id=channel.account_id, channel=channel)
    found = rows.filter(external_id=clean(happened.provider_id)[:255]).first()
    if found is None:
        return Taken(detail="nothing that is kept here")
    conversation = _locked(found.pk)
    if conversation.pk != found.pk:  # one matter here, of which only a part was closed there
        return Taken(detail="it is merged with another here")
    newest = conversation.last_inbound_message
    if happened.at and newest and newest.sent_at > happened.at:
        return Taken(detail="the customer wrote since")
    return Taken(detail="; ".join(handler(conversation, happened) for handler in hooks.on_status_there))


def _new(event: InboundEvent, channel: Channel, happened: Event) -> Taken:
    if happened.inbound is None:
        raise ValueError("A message without a text, a sender or a thread.")
    try:
        if ours := _ours(channel, happened, happened.inbound):
            return Taken(ours.message, detail="sent from here")
    except outcomes.StillSending as error:
        raise LookAgain from error
    if happened.author != Author.CUSTOMER:
        return _elsewhere(event, channel, happened, happened.inbound)
    return _customers(event, channel, happened, happened.inbound)


def _customers(event: InboundEvent, channel: Channel, happened: Event, inbound: Inbound) -> Taken:
    event.sender, event.subject = limits.sender_key(inbound), clean(inbound.subject)[:200]
    if not event.is_released:
        if blocking.is_blocked([party.address for party in (inbound.sender, inbound.customer) if party]):
            return Taken(is_blocked=True)
        if reason := limits.exceeded(event, channel, inbound):
            return Taken(hold=reason)
    message, is_new = record_inbound(channel=channel, inbound=replace(inbound, sent_at=happened.at or inbound.sent_at))
    if is_new and happened.at and not message.is_automatic and _is_answered(message):
        elsewhere.settle(_locked(message.conversation_id))
    return Taken(message, is_new, "" if is_new else "received before")


def _is_answered(message: Message) -> bool:
    """A colleague's answer at the vendor came here before the message that it answers."""
    later = Message.objects.shown().filter(conversation_id=message.conversation_id, sent_at__gt=message.sent_at)
    return later.filter(direction=Message.Direction.OUTBOUND, deliveries=None, external_id__gt="").exists()


def _elsewhere(event: InboundEvent, channel: Channel, happened: Event, inbound: Inbound) -> Taken:
    """Somebody of ours answered at the vendor's own page."""
    if not (inbound.thread_id or happened.among):
        raise ValueError("An answer that names no thread.")
    conversation = next(iter(_threads(channel, happened, inbound)), None)
    if conversation is None and happened.among:
        return Taken(detail="an answer to nobody here")
    if conversation is None:
        if event.received_at > database_time.now() - PATIENCE:
            raise LookAgain
        conversation, _ = find_or_open(
            channel=channel,
            external_id=clean(inbound.thread_id)[:255],
            subject=inbound.subject,
            customer=inbound.customer or Party(""),
            actor=audit.SYSTEM,
        )
    message, is_new = elsewhere.record_answer(
        conversation=conversation,
        external_id=clean(inbound.external_id)[:960],
        body_text=inbound.body_text if inbound.body_text.strip() else UNREADABLE,
        actor=audit.SYSTEM,
        sent_at=happened.at,
        sender=inbound.sender,
    )
    return Taken(message, is_new, "" if is_new else "received before")


def _edited(event: InboundEvent, channel: Channel, happened: Event, key: InboundKey) -> Taken:
    """What a customer changed comes in as a message of its own: an answer may have been approved on the old words."""
    before, inbound = key.message, happened.inbound
    assert before is not None
    is_inbound = before.direction == Message.Direction.INBOUND
    if (
        inbound is None
        or not is_inbound
        or before.erased_at
        or before.body_text.strip() == clean(inbound.body_text).strip()
    ):
        return Taken(before, detail="nothing of its words changed")
    inbound = replace(
        inbound, thread_id=inbound.thread_id or before.conversation.external_id, problems=(CHANGED, *inbound.problems)
    )
    return _customers(event, channel, replace(happened, at=None), inbound)


def _deleted(channel: Channel, key: InboundKey, *, is_first: bool) -> Taken:
    """What was here stays, and says so: somebody may have answered it. What was not here yet never comes."""
    if is_first or key.message is None:
        return Taken(detail="deleted there before it came")
    conversation = _locked(key.message.conversation_id)
    message = Message.objects.select_for_update(of=("self",)).get(pk=key.message.pk)
    problems = message.metadata.get("problems", [])
    if message.direction != Message.Direction.INBOUND or message.erased_at or DELETED in problems:
        return Taken(message, detail="deleted there")
    message.metadata = {**message.metadata, "problems": [*problems, DELETED]}
    message.save(update_fields=["metadata"])
    audit.record(
        audit.Kind.MESSAGE_DELETED_THERE,
        actor=audit.customer_actor(conversation.customer),
        about=message,
        conversation_id=conversation.pk,
        data={"seq": message.seq},
    )
    return Taken(message, detail="deleted there")


def _ours(channel: Channel, happened: Event, inbound: Inbound) -> Delivery | None:
    """The reply of ours that this is: by the id that the vendor gave it, by our mark, or by who says what. Raises
    outcomes.StillSending."""
    sent = Delivery.objects.filter(channel=channel).select_related("message")
    found = sent.filter(provider_id=happened.provider_id).first()
    if found is None and happened.mark:
        found = sent.filter(idempotency_key=happened.mark).first()
    if found is None and happened.author == Author.US:
        found = _by_its_words(channel, happened, inbound)
    if found is not None and happened.is_pending:
        return found  # it is ours, and says nothing yet of what becomes of it
    if found is None or not outcomes.record_seen(delivery_id=found.pk, provider_id=happened.provider_id):
        return None
    return found


def _seen_again(channel: Channel, happened: Event) -> None:
    """A reply that was taken and not sent when it was first shown to us is shown again."""
    if happened.is_pending or happened.author == Author.CUSTOMER:
        return
    found = Delivery.objects.filter(channel=channel, provider_id=happened.provider_id, status=D.SENDING).first()
    if found is not None:
        with _or_later():
            outcomes.record_seen(delivery_id=found.pk, provider_id=happened.provider_id)


def _failed(channel: Channel, happened: Event) -> Taken:
    """What the vendor had taken did not go out. Of a colleague's own reply there the vendor tells them."""
    found = Delivery.objects.filter(channel=channel, provider_id=happened.provider_id).select_related("message").first()
    if found is None:
        return Taken(detail="nothing that is kept here")
    with _or_later():
        outcomes.record_not_sent(delivery_id=found.pk, detail=happened.detail)
    return Taken(found.message, detail="it was not sent there")


@contextlib.contextmanager
def _or_later() -> Iterator[None]:
    try:
        yield
    except outcomes.StillSending as error:
        raise LookAgain from error


def _by_its_words(channel: Channel, happened: Event, inbound: Inbound) -> Delivery | None:
    """Under the conversation's lock, so that no receipt is stored between the look and the verdict."""
    threads = sorted(_threads(channel, happened, inbound), key=lambda one: one.pk)
    found = (_in_thread(channel, happened, inbound, _locked(one.pk)) for one in threads)
    return next((one for one in found if one is not None), None)


def _in_thread(channel: Channel, happened: Event, inbound: Inbound, conversation: Conversation) -> Delivery | None:
    lately = Q(status__in=[D.SENT, D.DELIVERED], sent_at__gt=database_time.now() - ECHOES_WITHIN)
    tried = Q(status__in=[D.QUEUED, D.FAILED], attempt_count__gt=0)
    under_way = Q(status__in=[D.SENDING, D.UNCERTAIN])
    recent = Delivery.objects.filter(lately | tried | under_way, channel=channel, conversation=conversation)
    found = list(recent.select_related("message").order_by("created_at"))
    for delivery in found:
        if delivery.provider_id == happened.provider_id:
            return delivery
    if any(delivery.status == D.SENDING for delivery in found):
        raise outcomes.StillSending  # its receipt names it
    said = _words(inbound.body_text)
    # One that has another id is another message, whatever it says.
    unnamed = [delivery for delivery in found if not delivery.provider_id]
    return next((one for one in unnamed if said in {_words(text) for text in _texts(one)}), None)


def _texts(delivery: Delivery) -> tuple[str, str]:
    return delivery.body_text, text_as_sent(delivery.body_text, delivery.envelope.get("signature", ""))


def _words(text: str) -> str:
    return " ".join(clean(text).split())


def _thread(channel: Channel, inbound: Inbound) -> Conversation | None:
    rows = Conversation.objects.filter(account_id=channel.account_id, channel=channel)
    return rows.filter(external_id=clean(inbound.thread_id)[:255]).first() if inbound.thread_id else None


def _threads(channel: Channel, happened: Event, inbound: Inbound) -> list[Conversation]:
    """The thread that it names, or those that it may belong to, the one that was written in last before it first."""
    if not happened.among:
        found = _thread(channel, inbound)
        return [found] if found is not None else []
    rows = Conversation.objects.filter(
        account_id=channel.account_id, channel=channel, last_inbound_message__isnull=False
    )
    rows = rows.filter(external_id__startswith=happened.among)
    if happened.at is not None:
        rows = rows.filter(last_inbound_message__sent_at__lte=happened.at)
    return list(rows.order_by("-last_inbound_message__sent_at")[:MOST_THREADS])


def _locked(conversation_id: UUID) -> Conversation:
    """The conversation, or the one that it is merged into."""
    locked = Conversation.objects.select_for_update(of=("self",)).select_related("account", "channel")
    return owing.living(locked.get(pk=conversation_id))
