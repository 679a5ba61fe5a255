"""Raw mail and posts arrive: the bytes are committed first, then read; what cannot be read waits, visible, for a person.

Three transactions of their own, none around the reading: store (then the sender's server may forget the mail), claim one
try under a lease, record. A reader that is killed leaves the event as `received` with its lease run out; a sweep has it
read again, `MAX_TRIES` times, and then it is `failed` and others go on.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import F, Q
from django.db.models.functions import Now

from conversations import audit
from conversations.channels.base import Automatic, ChannelError, Event, Inbound, SignInRefused
from conversations.channels.provider import Arrival, Hooks
from conversations.database import database_time
from conversations.errors import Invalid
from conversations.failpoints import failpoint
from conversations.jobs import wake
from conversations.messages import access, blocking, files
from conversations.messages.inbox import clean, record_inbound
from conversations.models import Channel, Message
from conversations.tenancy import tenant_context
from ingestion import happened, limits, payloads
from ingestion.models import InboundEvent

logger = logging.getLogger(__name__)

Status = InboundEvent.Status
TASK = "ingestion.read_event"
#: A reader gets this long; the slowest mail of 50 MB takes a tenth of it.
LEASE = timedelta(minutes=5)
MAX_TRIES = 3
KILLED = f"Reading it stopped the reader {MAX_TRIES} times."
#: When to look again at what belongs to something that is still on its way.
AGAIN = timedelta(seconds=10)
#: When a vendor is asked again that did not say what it posted about, and for how long.
ASKED_AGAIN, ASKED_FOR = timedelta(seconds=30), timedelta(hours=24)
UNREADABLE = "Messages of {} come by the internal API, not as bytes."
#: What says nothing about the mail: the database or the disk is away, and the mail is read again when it is back.
PASSING = (OperationalError, InterfaceError, OSError)


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a mail: its event, its message if it could be read, and whether that message is new."""

    event: InboundEvent
    message: Message | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Work:
    channel: Channel
    arrival: Arrival
    is_post: bool


def receive_mail(*, account_id: uuid.UUID, channel_id: uuid.UUID, raw: bytes, recipient: str = "") -> Received:
    """Store one mail (RFC 5322 bytes) and put it into its conversation. `recipient` is the address it was delivered to.

    The raw event is committed before anything is parsed, so a mail that breaks or kills the parser is kept and can be
    read again. The same bytes received again are the same event. To be called outside of any transaction (RuntimeError
    inside one). Raises Invalid for an empty or oversize mail, Channel.DoesNotExist for a channel that is off or gone.
    """
    event_id = store_mail(account_id=account_id, channel_id=channel_id, raw=raw, recipient=recipient)
    return read_event(account_id=account_id, event_id=event_id)


def store_mail(*, account_id: uuid.UUID, channel_id: uuid.UUID, raw: bytes, recipient: str = "") -> uuid.UUID:
    """Commit the bytes of one mail and return the id of its event; they are not read here. Raises as `receive_mail`."""
    if not raw.strip():
        raise Invalid("The mail is empty. Nothing was stored.")
    if len(raw) > settings.MAIL_MAX_BYTES:
        raise Invalid(
            f"The mail has {len(raw):,} bytes; {settings.MAIL_MAX_BYTES:,} are allowed (MAIL_MAX_BYTES). Nothing was stored."
        )
    with tenant_context(account_id, durable=True):
        channel = Channel.objects.get(pk=channel_id, is_active=True)
        if channel.provided_by.read is None:
            raise Invalid(f"{UNREADABLE.format(channel.name)} Nothing was stored.")
        event, _ = keep(channel=channel, raw=raw, recipient=clean(recipient)[:320])
    failpoint("mail.stored")
    return event.pk


def keep(*, channel: Channel, raw: bytes, **facts: Any) -> tuple[InboundEvent, bool]:
    """The event of these bytes, in the caller's transaction and without its payload, and whether it is new."""
    digest = hashlib.sha256(raw).hexdigest()
    event, is_new = InboundEvent.objects.defer("payload").get_or_create(
        account_id=channel.account_id,
        channel=channel,
        external_id=f"sha256:{digest}",
        payload_sha256=digest,
        defaults={
            "size_bytes": len(raw),
            "expires_at": database_time.now() + timedelta(days=settings.INBOUND_RAW_DAYS),
            **facts,
        },
    )
    if is_new:
        payloads.put(event.pk, raw)
    return event, is_new


def ask_to_read(event: InboundEvent) -> None:
    """A job of its own for a worker, once the caller's transaction is committed."""
    wake(TASK, queue="inbound", once=f"read:{event.pk}", account_id=event.account_id, event_id=event.pk)


def read_event(*, account_id: uuid.UUID, event_id: uuid.UUID) -> Received:
    """Read a stored mail into its conversation; harmless when it runs twice or late.

    What is wrong with the mail is kept on its event and raises nothing. Raises what says nothing about the mail (the
    database or the disk is away): then it stays `received` and the sweep comes back to it. Outside of any transaction.
    """
    with tenant_context(account_id, durable=True):
        work = _claim(event_id)
    if work is None:
        return _as_it_is(account_id, event_id)
    failpoint("mail.reading")
    try:
        if work.is_post:
            return _take_post(account_id, event_id, work)
        inbound = _read(work)
        files.put_all(account_id, inbound.files)  # before the transaction: their store may be another machine
        with tenant_context(account_id, durable=True):
            event = InboundEvent.objects.defer("payload").select_for_update(of=("self",)).get(pk=event_id)
            if event.status not in {Status.RECEIVED, Status.FAILED}:
                return Received(event, event.message, False)
            event.sender, event.subject = limits.sender_key(inbound), clean(inbound.subject)[:200]
            if not event.is_released and blocking.is_blocked(_writers(inbound)):
                return _set_aside(event, work.channel)
            if event.is_history:
                inbound = _of_the_past(inbound)
            elif reason := limits.exceeded(event, work.channel, inbound):
                return hold(event, work.channel, reason)
            message, is_new = record_inbound(channel=work.channel, inbound=inbound)
            event.status, event.message, event.lease_until = Status.PROCESSED, message, None
            event.detail = "" if is_new else "received before"
            event.save(update_fields=["status", "message", "detail", "lease_until", "sender", "subject"])
            return Received(event, message, is_new)
    except happened.LookAgain:
        with tenant_context(account_id, durable=True):
            InboundEvent.objects.filter(pk=event_id, tries__gt=0).update(tries=F("tries") - 1, lease_until=None)
            again = database_time.now() + AGAIN
            wake(TASK, at=again, queue="inbound", once=f"read:{event_id}", account_id=account_id, event_id=event_id)
        return _as_it_is(account_id, event_id)
    except ChannelError as error:
        return _ask_later(account_id, event_id, work, error)
    except PASSING:
        # No fault of the mail: this try does not count.
        with contextlib.suppress(Exception), tenant_context(account_id, durable=True):
            InboundEvent.objects.filter(pk=event_id, tries__gt=0).update(tries=F("tries") - 1, lease_until=Now())
        raise
    except Exception as error:
        logger.exception("mail %s of channel %s was kept unread", event_id, work.channel.pk)
        return _fail(account_id, event_id, f"{type(error).__name__}: {error}")


def _take_post(account_id: uuid.UUID, event_id: uuid.UUID, work: _Work) -> Received:
    """All that happened in one post, each thing in a transaction of its own: what was taken in is known when it is read again."""
    hooks = work.channel.provided_by.hooks
    if hooks is None:
        raise LookupError(UNREADABLE.format(work.channel.name))
    taken = happened.Taken()
    for one in _events(hooks, work):
        with tenant_context(account_id, durable=True):
            event = InboundEvent.objects.defer("payload").select_for_update(of=("self",)).get(pk=event_id)
            if event.status not in {Status.RECEIVED, Status.FAILED}:
                return Received(event, event.message, False)
            found = happened.take(event, work.channel, one)
            if found.is_blocked:
                return _set_aside(event, work.channel)
            if found.hold:
                return hold(event, work.channel, found.hold, tells=found.tells)
            taken = found if found.is_new or not taken.is_new else taken
            # Linked at once: an erasure of the message takes the bytes with it.
            InboundEvent.objects.filter(pk=event_id).update(
                message=taken.message, sender=event.sender, subject=event.subject
            )
        failpoint("hook.taken")
    with tenant_context(account_id, durable=True):
        event = InboundEvent.objects.defer("payload").select_for_update(of=("self",)).get(pk=event_id)
        if event.status not in {Status.RECEIVED, Status.FAILED}:
            return Received(event, event.message, False)
        event.status = Status.PROCESSED if taken.is_new else Status.IGNORED
        event.detail, event.lease_until = taken.detail, None
        event.save(update_fields=["status", "detail", "lease_until"])
    return Received(event, taken.message, taken.is_new)


def _events(hooks: Hooks, work: _Work) -> Sequence[Event]:
    if hooks.ask is None:
        return hooks.parse(work.arrival.raw, work.channel.options)
    return hooks.ask(work.arrival.raw, work.channel.options, access.sending_secret(work.channel))


def _ask_later(account_id: uuid.UUID, event_id: uuid.UUID, work: _Work, error: ChannelError) -> Received:
    """The vendor does not say what its post was about: no fault of the post, which is read again later and loses no try."""
    words = f"{error} {error.response}".strip()
    with tenant_context(account_id, durable=True):
        if isinstance(error, SignInRefused):
            access.refused(work.channel)
        now = database_time.now()
        at = max(error.retry_at or now, now + ASKED_AGAIN)
        waiting = InboundEvent.objects.filter(pk=event_id, tries__gt=0, received_at__gt=now - ASKED_FOR)
        is_early = waiting.update(tries=F("tries") - 1, lease_until=at, detail=audit.masked(clean(words))[:500])
        if is_early:
            wake(TASK, at=at, queue="inbound", account_id=account_id, event_id=event_id)
    return _as_it_is(account_id, event_id) if is_early else _fail(account_id, event_id, audit.masked(words))


def _claim(event_id: uuid.UUID) -> _Work | None:
    """Count a try and take the lease; None if there is nothing to read, somebody reads, or it was tried too often."""
    event = (
        InboundEvent.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("channel")
        .defer("payload")
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=Now()), pk=event_id)
        .filter(status__in=[Status.RECEIVED, Status.FAILED], payload__isnull=False, tries__lt=MAX_TRIES)
        .first()
    )
    if event is None:
        return None
    InboundEvent.objects.filter(pk=event_id).update(tries=F("tries") + 1, lease_until=Now() + LEASE)
    own = own_addresses(event.channel.type)
    arrival = Arrival(payloads.get(event_id), event.recipient, own)
    provider = event.channel.provided_by
    # What was asked for is told from its own bytes as well as what was posted, where nothing else reads it.
    is_asked_for = provider.read is None and provider.hooks is not None
    return _Work(event.channel, arrival, event.signature == "valid" or is_asked_for)


def _read(work: _Work) -> Inbound:
    """What the channel's own provider makes of the bytes."""
    read = work.channel.provided_by.read
    if read is None:
        raise LookupError(UNREADABLE.format(work.channel.name))
    return read(work.arrival, work.channel.options)


def own_addresses(type_: str) -> frozenset[str]:
    """Every address that the tenant's channels of a type listen on or send as: a message from one of them is our own."""
    channels = Channel.objects.filter(type=type_)
    return frozenset().union(*(channel.options.own_addresses(channel.external_id) for channel in channels))


def _as_it_is(account_id: uuid.UUID, event_id: uuid.UUID) -> Received:
    with tenant_context(account_id, durable=True):
        event = InboundEvent.objects.select_related("message__conversation").defer("payload").get(pk=event_id)
    return Received(event, event.message, False)


def _of_the_past(inbound: Inbound) -> Inbound:
    """It was there before us: kept and found, and nobody is to answer it."""
    if inbound.automatic is not None:
        return inbound
    why = "it lay in the mailbox before that was connected"
    return replace(inbound, automatic=Automatic.HISTORY, automatic_reason=why)


def hold(event: InboundEvent, channel: Channel, reason: str, *, tells: bool = False) -> Received:
    """Kept back, in the caller's transaction, for a person to let in or set aside: over a limit, or (`tells`) what is a
    person's to do, of which each is told."""
    event.status, event.detail, event.lease_until = Status.QUARANTINED, reason, None
    event.save(update_fields=["status", "detail", "lease_until", "sender", "subject"])
    audit.record(
        audit.Kind.INBOUND_HELD, actor=audit.SYSTEM, about=event, data={"channel": channel.name, "reason": reason}
    )
    (limits.notify if tells else limits.notify_once)(event, channel, reason)
    return Received(event, None, False)


def _writers(inbound: Inbound) -> list[str]:
    """Who sent it, and who wrote it, where that is somebody else (a form of a website)."""
    return [party.address for party in (inbound.sender, inbound.customer) if party]


def _set_aside(event: InboundEvent, channel: Channel) -> Received:
    """Its sender is blocked: kept without asking anybody, in the caller's transaction, until a person lets it in."""
    for status in (Status.QUARANTINED, Status.SET_ASIDE):
        event.status, event.detail, event.lease_until = status, "Its sender is blocked.", None
        event.save(update_fields=["status", "detail", "lease_until", "sender", "subject"])
    audit.record(audit.Kind.INBOUND_SET_ASIDE, actor=audit.SYSTEM, about=event, data={"channel": channel.name})
    return Received(event, None, False)


def _fail(account_id: uuid.UUID, event_id: uuid.UUID, detail: str, *, least_tries: int = 0) -> Received:
    """Keep it unread, unless another reader ended it, or a person had it tried anew, before we got its lock."""
    with tenant_context(account_id, durable=True):
        events = InboundEvent.objects.defer("payload").select_for_update(of=("self",)).select_related("channel")
        event = events.get(pk=event_id)
        if event.status not in {Status.RECEIVED, Status.FAILED} or event.tries < least_tries:
            return Received(event, event.message, False)
        event.status, event.message, event.lease_until = Status.FAILED, None, None
        event.detail = clean(detail)[:500]
        event.save(update_fields=["status", "message", "detail", "lease_until"])
        audit.record(
            audit.Kind.INBOUND_HELD,
            actor=audit.SYSTEM,
            about=event,
            data={"channel": event.channel.name, "reason": "it could not be read"},
        )
        limits.notify_once(event, event.channel, "It could not be read.")
    return Received(event, None, False)


def sweep(*, account_id: uuid.UUID) -> dict[str, int]:
    """Find mails that lost their reader: each is asked for anew in a job of its own, or given up. By database time."""
    with tenant_context(account_id, durable=True):
        unread = InboundEvent.objects.filter(
            Q(lease_until__lt=Now()) | Q(lease_until__isnull=True, received_at__lt=Now() - timedelta(seconds=60)),
            status=Status.RECEIVED,
        ).order_by("received_at")
        lost = list(unread.values_list("pk", "tries")[:500])
    found = {"woken": 0, "given_up": 0}
    for event_id, tries in lost:
        if tries >= MAX_TRIES:
            given_up = _fail(account_id, event_id, KILLED, least_tries=MAX_TRIES)
            found["given_up"] += given_up.event.status == Status.FAILED
            continue
        with tenant_context(account_id, durable=True):
            wake(TASK, queue="inbound", once=f"read:{event_id}", account_id=account_id, event_id=event_id)
        found["woken"] += 1
    return found
