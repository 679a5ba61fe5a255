"""Messages come in: stored once, matched to their conversation, and whoever must know is told, in one transaction."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from conversations import audit, hooks
from conversations.channels.base import Authentication, Inbound, Party
from conversations.customers import identity
from conversations.database import database_time
from conversations.database.compiled import Compiled
from conversations.errors import Conflict, Invalid
from conversations.messages import files, outcomes, owing, there, turns
from conversations.messages.joining import (
    Place,
    Reason,
    bounced_delivery,
    find_place,
    relate,
    same_mail_elsewhere,
    without_signs,
)
from conversations.messages.tombstones import tombstone
from conversations.metadata import AuthenticationShape, MessageMetadata, PartyShape
from conversations.models import Channel, Conversation, Message, User
from conversations.people.roles import Verb, check
from conversations.web.sanitise import sanitise_html
from conversations.webhooks.emit import News, emit

#: The raw mail is kept; these are the fields that people are shown or that decide something.
KEPT_HEADERS = (
    "message-id", "date", "from", "sender", "reply-to", "to", "cc", "subject", "in-reply-to", "references",
    "authentication-results", "auto-submitted", "x-auto-response-suppress", "precedence", "list-id", "return-path", "x-mailer", "user-agent",
)  # fmt: skip
_FIRST_MAIL = datetime(1971, 1, 1, tzinfo=UTC)
UNREADABLE = "(This message has no text.)"


def clean(text: str) -> str:
    """Text as PostgreSQL can keep it: no NUL, no lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def storable(inbound: Inbound) -> Inbound:
    """The same message with every text such that PostgreSQL can keep it; nothing behind this line cleans again."""

    def party(value: Party | None) -> Party | None:
        return value and Party(clean(value.address)[:320], clean(value.name)[:200])

    return replace(
        inbound,
        external_id=clean(inbound.external_id)[:960],
        thread_id=clean(inbound.thread_id)[:255],
        sender=party(inbound.sender) or Party(""),
        reply_to=party(inbound.reply_to),
        answer_to=tuple(party(one) or one for one in inbound.answer_to[:10]),
        forwarded=party(inbound.forwarded),
        customer=party(inbound.customer),
        recipient=clean(inbound.recipient)[:320],
        to=tuple(Party(clean(one.address)[:320]) for one in inbound.to[:100]),
        cc=tuple(Party(clean(one.address)[:320]) for one in inbound.cc[:100]),
        subject=clean(inbound.subject)[:998],
        body_text=clean(inbound.body_text),
        body_new=clean(inbound.body_new),
        body_html=clean(inbound.body_html),
        references=tuple(clean(reference)[:998] for reference in inbound.references[:50]),
        headers={name: clean(inbound.headers[name])[:2000] for name in KEPT_HEADERS if name in inbound.headers},
        problems=tuple(clean(problem)[:300] for problem in inbound.problems[:20]),
        automatic_reason=clean(inbound.automatic_reason)[:300],
    )


def record_inbound(*, channel: Channel, inbound: Inbound, into: uuid.UUID | None = None) -> tuple[Message, bool]:
    """Store one inbound message and retire what it makes stale; the second value says whether it is new.

    `into` is the conversation it belongs to, where the sender has said so.

    The same external id with the same content is the same message, however often it is delivered. The same id with
    other content is another message (some senders reuse ids) and is never dropped.
    """
    inbound = storable(inbound)
    digest = content_digest(inbound)
    with transaction.atomic():
        if not into and (known := _known(_named(channel, inbound, digest), digest)):
            return known, False
        place = Place(into) if into else find_place(channel, inbound)
        if place.conversation is None:
            _one_at_a_time(channel.account_id)
            place = find_place(channel, inbound)
        conversation = owing.living(locked(pk=place.conversation)[0]) if place.conversation else None
        # Under either lock the question has a lasting answer.
        named = _named(channel, inbound, digest)
        if known := _known(named, digest):
            return known, False
        inbound = without_signs(channel, inbound)
        writer = identity.heard(channel, identity.writer_of(channel, inbound))
        if conversation is None:
            conversation = open_conversation(
                channel=channel,
                external_id=inbound.thread_id or f"{inbound.external_id[:180]}:{digest[:32]}",
                subject=inbound.subject or first_line(inbound.body_new or inbound.body_text),
                customer=inbound.customer or inbound.sender,
                address=writer,
            )
        is_reused = any(other.external_id == inbound.external_id for other in named)
        message = _store(channel, conversation, inbound, digest, writer=writer, is_reused=is_reused)
        if delivery := bounced_delivery(channel, inbound):
            outcomes.record_bounce(delivery_id=delivery.pk, detail=first_line(message.body_text))
        if place.related:
            relate(conversation=conversation, other_id=place.related, reason=Reason.NOT_A_PARTICIPANT)
        for other_id in same_mail_elsewhere(channel, message):
            relate(conversation=conversation, other_id=other_id, reason=Reason.SAME_MAIL)
        for handler in hooks.on_inbound:
            handler(conversation, message)
    return message, True


def _one_at_a_time(account_id: uuid.UUID) -> None:
    """New conversations of one account queue here: numbers have no gaps, two first messages of a thread meet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [str(account_id)])


def content_digest(inbound: Inbound) -> str:
    """What makes two deliveries the same message: who, what, where the answer goes, and the files; not the route it took.
    A copy that wants the answer elsewhere would stand for the customer's own mail."""
    parts: list[Any] = [inbound.sender.address.lower(), inbound.subject, inbound.body_text, inbound.body_html]
    parts += [hashlib.sha256(file.content).hexdigest() for file in inbound.files]
    asked = sorted(party.address.lower() for party in inbound.answer_to or filter(None, [inbound.reply_to]))
    if asked not in ([], [inbound.sender.address.lower()]):
        parts.append({"reply_to": asked})
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@Compiled
def locked(given: Any) -> QuerySet[Conversation]:
    rows = Conversation.objects.select_for_update(of=("self",)).select_related("account", "channel")
    return rows.filter(pk=given.pk)


def _named(channel: Channel, inbound: Inbound, digest: str) -> list[Message]:
    """The messages that bear this one's external id, or the name it would get if the id is taken."""
    names = [inbound.external_id, _other_name(inbound, digest)]
    names += [tombstone(name) for name in names]
    return _messages(account=channel.account_id, channel=channel.pk, names=names)


@Compiled
def _messages(given: Any) -> QuerySet[Message]:
    return Message.objects.filter(account_id=given.account, channel_id=given.channel, external_id__in=given.names)


def _known(named: list[Message], digest: str) -> Message | None:
    return next((message for message in named if message.content_sha256 == digest), None)


def _other_name(inbound: Inbound, digest: str) -> str:
    return f"{inbound.external_id}#{digest[:32]}"


def open_conversation(
    *,
    channel: Channel,
    external_id: str,
    subject: str = "",
    customer: Party | None = None,
    address: uuid.UUID | None = None,
    actor: Any = None,
) -> Conversation:
    """A new customer conversation with the account's next number. The caller holds a transaction.

    `address` is the customer's, where the caller has heard of it already (`identity.heard`).
    """
    _one_at_a_time(channel.account_id)
    address = address or identity.heard(channel, customer)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(number), 0) + 1 FROM conversations_conversation WHERE account_id = %s",
            [channel.account_id],
        )
        number = cursor.fetchone()[0]
    customer = customer or Party("")
    conversation = Conversation.objects.create(
        account_id=channel.account_id,
        number=number,
        channel=channel,
        external_id=clean(external_id)[:255],
        subject=clean(subject)[:200],
        title=clean(subject)[:200],
        customer_email=clean(customer.address)[:320],
        customer_name=clean(customer.name)[:200],
        customer_address_id=address,
        owner=None if isinstance(actor, User) else turns.next_owner(channel),
    )
    audit.record(
        audit.Kind.CONVERSATION_OPENED,
        actor=actor or audit.customer_actor(conversation.customer),
        about=conversation,
        conversation_id=conversation.pk,
        data={"channel": channel.name, "number": number},
    )
    turns.record(conversation)
    return conversation


def find_or_open(
    *, channel: Channel, external_id: str, subject: str, customer: Party, actor: Any
) -> tuple[Conversation, bool]:
    """The conversation that the provider knows as `external_id`; the second value says whether it is new."""
    rows = Conversation.objects.filter(account_id=channel.account_id, channel=channel, external_id=external_id)
    with transaction.atomic():
        if found := rows.first():
            return found, False
        _one_at_a_time(channel.account_id)
        if found := rows.first():
            return found, False
        opened = open_conversation(
            channel=channel, external_id=external_id, subject=subject, customer=customer, actor=actor
        )
    return opened, True


def first_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip())[:80]


def details_of(inbound: Inbound) -> dict[str, Any]:
    """What is kept of a message beside its texts (`MessageMetadata`), from its storable form."""
    answer_to = inbound.answer_to or ((inbound.reply_to,) if inbound.reply_to else ())
    return MessageMetadata(
        sender=inbound.sender.address,
        sender_name=inbound.sender.name,
        reply_to=inbound.reply_to.address if inbound.reply_to else "",
        answer_to=[PartyShape(address=party.address, name=party.name) for party in answer_to],
        forwarded=PartyShape(address=inbound.forwarded.address, name=inbound.forwarded.name)
        if inbound.forwarded
        else None,
        recipient=inbound.recipient,
        authentication=AuthenticationShape(**asdict(inbound.authentication or Authentication("none"))),
        to=[party.address for party in inbound.to],
        cc=[party.address for party in inbound.cc],
        headers=inbound.headers,
        problems=list(inbound.problems),
        there=there.noted(inbound.there),
        automatic=inbound.automatic or "",
        automatic_reason=inbound.automatic_reason,
        source={"references": list(inbound.references[:20])},
    ).model_dump(exclude_defaults=True)


def plausible(sent_at: datetime | None) -> datetime | None:
    """A date that a message can bear: after mail was invented, and not in the future (clocks may be a day wrong). Others
    would put it out of its place in the thread, and the first and last days of the calendar exist in no other zone."""
    return sent_at if sent_at and _FIRST_MAIL <= sent_at <= database_time.now() + timedelta(days=1) else None


def _store(
    channel: Channel,
    conversation: Conversation,
    inbound: Inbound,
    digest: str,
    *,
    writer: uuid.UUID | None,
    is_reused: bool,
) -> Message:
    name = _other_name(inbound, digest) if is_reused else inbound.external_id
    body_text = inbound.body_text if inbound.body_text.strip() else inbound.body_new or UNREADABLE
    sent_at = plausible(inbound.sent_at)
    if inbound.sent_at and not sent_at:
        problem = f"The date that it bears, {inbound.sent_at:%d %b %Y}, cannot be right; it stands where it arrived."
        inbound = replace(inbound, problems=(*inbound.problems[:19], problem))
    details = details_of(inbound)
    message = Message.objects.create(
        account_id=channel.account_id,
        conversation=conversation,
        channel=channel,
        external_id=name,
        direction=Message.Direction.INBOUND,
        role=Message.Role.USER,
        writer_id=writer,
        subject=inbound.subject,
        body_text=body_text,
        body_new=inbound.body_new or body_text,
        body_html=sanitise_html(inbound.body_html) if inbound.body_html else "",
        content_sha256=digest,
        sent_at=sent_at or database_time.now(),
        metadata=details,
        is_automatic=inbound.automatic is not None,
    )
    files.attach(message, inbound.files)
    if inbound.there:
        there.ask(message)
    _count(conversation, message)
    _reopen(conversation, message)
    audit.record(
        audit.Kind.MESSAGE_RECEIVED,
        actor=audit.customer_actor(inbound.sender.name or inbound.sender.address),
        about=message,
        conversation_id=conversation.pk,
        data={
            "seq": message.seq,
            "channel": channel.name,
            "files": len(inbound.files),
            "automatic": details.get("automatic", ""),
        },
        commit={"body": message.body_text},
    )
    emit(News.MESSAGE_RECEIVED, message, conversation_id=conversation.pk)
    return message


def _count(conversation: Conversation, message: Message) -> None:
    """What the trigger `message_arrives` did to the locked row, done to what we hold of it: reading it again costs more."""
    conversation.last_seq = message.seq
    conversation.message_count += 1
    conversation.user_message_count += 1
    conversation.last_message_at = max(filter(None, [conversation.last_message_at, message.received_at]))
    if not message.is_automatic:
        conversation.last_inbound_message_id = message.pk


def _reopen(conversation: Conversation, message: Message) -> None:
    if message.is_automatic:
        return
    owing.customer_wrote(conversation, message)
    conversation.save(update_fields=owing.FIELDS)


def by_a_person(*, message_id: uuid.UUID, actor: User) -> Message:
    """A message that passed for automatic was written by a person: it is owed an answer like any other, and gets a draft.

    Saying it twice is saying it once. Raises Message.DoesNotExist (404), PermissionDenied (403), Conflict (409: its
    conversation is merged), Invalid (422: it did not come in, or its text is gone).
    """
    with transaction.atomic():
        conversation = locked(pk=Message.objects.values_list("conversation_id", flat=True).get(pk=message_id))[0]
        message = Message.objects.select_related("channel").get(pk=message_id)
        check(actor, Verb.REGENERATE, account_id=message.account_id)
        if message.direction != Message.Direction.INBOUND or message.channel is None:
            raise Invalid("Only what came in can be answered. Nothing was changed.")
        if message.erased_at:
            raise Invalid("Its text was removed under the retention rules. Nothing was changed.")
        if not message.is_automatic:
            return message
        if conversation.merged_into_id:
            raise Conflict("It stands in a conversation that is merged. Nothing was changed; take them apart first.")
        message.is_automatic = False
        message.save(update_fields=["is_automatic"])
        audit.record(
            audit.Kind.MESSAGE_BY_A_PERSON,
            actor=actor,
            about=message,
            conversation_id=conversation.pk,
            data={"seq": message.seq, "reason": audit.masked(message.details.automatic_reason)},
        )
        later = Message.objects.filter(conversation=conversation, direction=message.direction, seq__gt=message.seq)
        if not later.filter(is_automatic=False).exists():
            conversation.last_inbound_message = message
            conversation.save(update_fields=["last_inbound_message", "updated_at"])
            _reopen(conversation, message)
            for handler in hooks.on_inbound:
                handler(conversation, message)
    return message
