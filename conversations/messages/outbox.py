"""Approved replies leave: held for the undo window, claimed, handed over once, recorded.

Three steps, because no channel offers an idempotent send: claim under a lease (commit), hand over outside any
transaction, record. A crash before the hand-over is safe to repeat; after it the delivery is `uncertain` and a person
decides. Nothing is ever sent a second time on a guess.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from conversations import audit, tracing
from conversations.channels.base import ChannelError, Failure, Receipt, SignInRefused
from conversations.database import database_time, once
from conversations.errors import Conflict, Invalid
from conversations.failpoints import failpoint
from conversations.jobs import wake
from conversations.messages import access, breaker, moves, outgoing, owing, sent_mail
from conversations.models import Channel, Conversation, Delivery, DeliveryAttempt, Message, Notification, User
from conversations.models.base import new_id
from conversations.people.roles import Verb, check
from conversations.storage import Away
from conversations.tenancy import tenant_context

Status = Delivery.Status
#: Waits between attempts, in seconds; the last repeats. Only for failures after which a repeat is provably safe.
BACKOFF = (5, 30, 120, 600, 1800)
LOOK_TASK = "conversations.look_for_sent"
#: When a reply of unknown fate is looked for among what was sent, in seconds after its fate was lost and after each look.
LOOKS = (5, 25, 90)
#: When a provider that has a reply and had not sent it is asked again, in seconds, and when that is long enough.
TAKEN_LOOKS = (10, 30, 120, 600, 1800)
TAKEN_FOR = timedelta(seconds=sum(TAKEN_LOOKS) + 600)
#: When to look again at a channel that is busy with others.
BUSY = timedelta(seconds=2)
#: Seconds; a hold of this many or more means "until I press Send" and is stored as a year.
UNTIL_RELEASED = 3600


def queue_outbound(
    *,
    conversation: Conversation,
    envelope: Mapping[str, Any],
    body_text: str,
    body_html: str = "",
    actor: User | audit.Actor,
    hold_seconds: int,
    draft_id: uuid.UUID | None = None,
    promise: owing.Promise | None = None,
) -> Delivery:
    """Put an approved reply into the outbox, in the caller's transaction, under the conversation's lock.

    The text, the recipients and the files are copied here and never read from anywhere else again. `promise` is what a
    holding reply leaves owed. Raises Invalid (422) with every reason for which it cannot be sent as it stands.
    """
    channel = channel_of(conversation)
    if found := outgoing.problems(channel, envelope, body_text=body_text, body_html=body_html):
        raise Invalid(f"{' '.join(found)} Nothing was sent.")
    provider = channel.provided_by
    now, delivery_id = database_time.now(), new_id()
    is_automatic = not isinstance(actor, User)
    message = Message.objects.create(
        account_id=conversation.account_id,
        conversation=conversation,
        direction=Message.Direction.OUTBOUND,
        role=Message.Role.OPERATOR,
        subject=str(envelope["subject"])[:998],
        body_text=body_text,
        body_html=body_html,
        sent_at=now,
    )
    before = owing.reply_approved(conversation, waits_for_send=hold_seconds >= UNTIL_RELEASED, promise=promise)
    conversation.save(update_fields=owing.FIELDS)
    hold_until = now + timedelta(seconds=hold_seconds if hold_seconds < UNTIL_RELEASED else 86_400 * 365)
    delivery = Delivery.objects.create(
        id=delivery_id,
        account_id=conversation.account_id,
        conversation=conversation,
        message=message,
        channel=channel,
        draft_id=draft_id,
        approved_by=actor if isinstance(actor, User) else None,
        approved_by_name=actor.name,
        idempotency_key=provider.ids.make(delivery_id),
        envelope=dict(envelope),
        body_text=body_text,
        body_html=body_html,
        content_sha256=hashlib.sha256(body_text.encode()).hexdigest(),
        return_path=provider.ids.return_path(
            delivery_id, sender=str(envelope["sender"]["address"]), settings=channel.options
        ),
        is_automatic=is_automatic,
        status=Status.HELD,
        hold_until=hold_until,
        next_attempt_at=hold_until,
        owed_before=before,
    )
    moves.wake_now(delivery)
    return delivery


def channel_of(conversation: Conversation) -> Channel:
    """A customer conversation's channel."""
    assert conversation.channel is not None, "only customer conversations are answered"
    found: Channel = conversation.channel
    return found


def release(*, delivery_id: uuid.UUID, actor: User) -> Delivery:
    """End the hold now ("Send").

    Raises Delivery.DoesNotExist (404), PermissionDenied (403), Conflict (409).
    """
    with transaction.atomic():
        delivery = moves.lock_delivery(delivery_id)
        check(actor, Verb.UNDO, account_id=delivery.account_id)
        if delivery.status != Status.HELD:
            raise Conflict(f"This reply is no longer held: it is {delivery.get_status_display().lower()}.")
        moves.move(delivery, Status.HELD, hold_until=database_time.now(), next_attempt_at=database_time.now())
        if delivery.conversation.owed == owing.Owed.UNSENT:
            moves.owe(delivery, owing.Owed.LEAVING)
        moves.record(audit.Kind.DELIVERY_RELEASED, delivery, actor)
        moves.wake_now(delivery)
    return delivery


def cancel(*, delivery: Delivery, actor: Any, reason: str, or_unknown: bool = False) -> Delivery:
    """Take back a reply that has not left; the caller holds the lock (`lock_delivery`) and says why.

    The message leaves the thread with it. Conflict once sending began: then it may be gone. `or_unknown`: one whose fate is
    uncertain is given up as well.

    Raises Conflict (409).
    """
    if delivery.status not in {Status.HELD, Status.QUEUED, Status.FAILED, *([Status.UNCERTAIN] if or_unknown else [])}:
        moment = f" at {delivery.sent_at:%H:%M:%S}" if delivery.sent_at else ""
        raise Conflict(f"Too late to stop: this reply is {delivery.get_status_display().lower()}{moment}.")
    moves.move(delivery, Status.CANCELLED)
    moves.taken_back(delivery)
    moves.tell(delivery)
    moves.record(audit.Kind.DELIVERY_CANCELLED, delivery, actor, reason=reason)
    return delivery


def deliver(*, account_id: uuid.UUID, delivery_id: uuid.UUID) -> str:
    """Send one delivery if it is due; returns its status afterwards. Harmless when it runs twice, early or late."""
    with tenant_context(account_id, durable=True):
        claimed = _claim(delivery_id)
        if claimed is None:
            found = Delivery.objects.filter(pk=delivery_id).values_list("status", flat=True).first()
            return found or "gone"
        delivery, channel = claimed
    failpoint("deliver.leased")
    attempt = delivery.attempt_count

    def handing_over(*, begun: str = "") -> None:
        with tenant_context(account_id, durable=True):
            row, known = Delivery.objects.filter(pk=delivery_id), {"provider_id": begun[:255]} if begun else {}
            try:
                once.hand_over(row, working=Status.SENDING, attempt=attempt, **known)
            except once.LeaseLost as error:
                detail = "the lease ran out before the message was handed over"
                raise ChannelError(Failure.TRANSIENT, detail) from error

    try:
        adapter, outbound = outgoing.adapter_of(channel), outgoing.outbound_of(delivery)
    except Away as error:  # it is not sent without its files, and goes when their store is back
        with tenant_context(account_id, durable=True):
            return _record_failure(delivery_id, attempt, ChannelError(Failure.TRANSIENT, str(error)))
    except (LookupError, OSError, ValueError) as error:
        # No adapter, settings that are not valid, or a file that cannot be read: nothing was handed over.
        with tenant_context(account_id, durable=True):
            return _record_failure(delivery_id, attempt, ChannelError(Failure.PERMANENT, str(error)))
    except ChannelError as error:  # its token was not renewed
        with tenant_context(account_id, durable=True):
            return _record_failure(delivery_id, attempt, error)
    try:
        with tracing.span("hand over", channel_id=channel.pk):
            receipt = sent_mail.sent_before(delivery, channel) or adapter.send(outbound, before_handover=handing_over)
    except ChannelError as error:
        with tenant_context(account_id, durable=True):
            return _record_failure(delivery_id, attempt, error)
    failpoint("deliver.answered")
    with tenant_context(account_id, durable=True):
        status = (_record_taken if receipt.is_pending else _record_sent)(delivery_id, attempt, receipt)
    failpoint("deliver.recorded")
    return status


def _claim(delivery_id: uuid.UUID) -> tuple[Delivery, Channel] | None:
    """Take the delivery for one attempt if it is due and its channel takes one: one worker gets the row."""
    waits = Q(status=Status.QUEUED) | Q(status=Status.HELD, hold_until__lte=database_time.now())
    waiting = Delivery.objects.filter(waits, pk=delivery_id)
    due = waiting.filter(next_attempt_at__lte=database_time.now()).values_list("channel_id", flat=True).first()
    if due is None:
        return None
    channel = Channel.objects.get(pk=due)
    gate = breaker.gate(channel)
    if gate == "busy":
        wait = max(BUSY, breaker.turn(channel, delivery_id))
        moves.wake_once(channel.account_id, delivery_id, at=database_time.now() + wait)
    if gate != "open":
        return None  # a channel that is back has all that wait for it woken
    delivery = once.due(waiting)
    if delivery is None:
        return None
    delivery.channel = channel  # what is sent is made outside of this tenant's transaction
    if delivery.status == Status.HELD or delivery.taken_at is not None:
        moves.move(delivery, Status.QUEUED, taken_at=None)
    attempt = once.lease(delivery, working=Status.SENDING, seconds=settings.DELIVERY_LEASE_SECONDS)
    DeliveryAttempt.objects.create(
        account_id=delivery.account_id, delivery=delivery, number=attempt, started_at=database_time.now()
    )
    return delivery, channel


def _finish(delivery_id: uuid.UUID, attempt: int, outcome: str, response: str) -> Delivery | None:
    """Lock the delivery, complete this attempt's row, and say whether the attempt still owns the delivery."""
    delivery = moves.lock_delivery(delivery_id)
    DeliveryAttempt.objects.filter(delivery_id=delivery_id, number=attempt, outcome="").update(
        outcome=outcome, finished_at=database_time.now(), response=response[:500]
    )
    mine = once.owns(delivery, working=Status.SENDING, attempt=attempt)
    # The sweep may have given up on us meanwhile; a definite answer still settles what it left open.
    late = delivery.status == Status.UNCERTAIN and delivery.attempt_count == attempt and outcome == "sent"
    return delivery if mine or late else None


def _record_sent(delivery_id: uuid.UUID, attempt: int, receipt: Receipt) -> str:
    delivery = _finish(delivery_id, attempt, DeliveryAttempt.Outcome.SENT, receipt.response)
    if delivery is None:
        return Delivery.objects.values_list("status", flat=True).get(pk=delivery_id)
    now = database_time.now()
    receipt_fields = {"receipt": receipt.response[:500], "provider_id": receipt.provider_id[:255]}
    moves.move(delivery, Status.SENT, sent_at=now, error="", lease_until=None, **receipt_fields)
    Message.objects.filter(pk=delivery.message_id).update(sent_at=now)
    moves.settle(delivery)
    _channel_worked(delivery)
    moves.record(audit.Kind.DELIVERY_SENT, delivery, audit.SYSTEM, attempt=attempt, response=receipt.response[:200])
    return Status.SENT


def _record_taken(delivery_id: uuid.UUID, attempt: int, receipt: Receipt) -> str:
    """The provider has it and will say later whether it went out. Nobody is busy with it meanwhile."""
    delivery = _finish(delivery_id, attempt, DeliveryAttempt.Outcome.SENT, receipt.response)
    if delivery is None or delivery.status != Status.SENDING:
        return Delivery.objects.values_list("status", flat=True).get(pk=delivery_id)
    now = database_time.now()
    fields = {"receipt": receipt.response[:500], "provider_id": receipt.provider_id[:255]}
    moves.move(delivery, Status.SENDING, taken_at=now, lease_until=now + TAKEN_FOR, error="", **fields)
    _channel_worked(delivery)
    wake(
        LOOK_TASK,
        at=now + timedelta(seconds=TAKEN_LOOKS[0]),
        queue="outbox",
        account_id=delivery.account_id,
        delivery_id=delivery.pk,
        number=1,
    )
    return delivery.status


def _record_failure(delivery_id: uuid.UUID, attempt: int, error: ChannelError) -> str:
    detail = f"{error} {error.response}".strip()[:500]
    outcome = DeliveryAttempt.Outcome.CHANNEL if error.channel_fault else error.failure.value
    delivery = _finish(delivery_id, attempt, outcome, detail)
    if delivery is None:
        return Delivery.objects.values_list("status", flat=True).get(pk=delivery_id)
    if error.channel_fault:
        _channel_stopped(delivery, attempt, error, detail)
        return delivery.status
    if error.response:
        _channel_worked(delivery, sent=False)
    tries = _tries(delivery)
    if error.failure == Failure.TRANSIENT and tries < settings.DELIVERY_MAX_ATTEMPTS:
        again = once.next_try(tries, waits=BACKOFF)
        moves.move(delivery, Status.QUEUED, next_attempt_at=again, error=detail, lease_until=None)
        moves.record(audit.Kind.DELIVERY_RETRIED, delivery, audit.SYSTEM, attempt=attempt, error=detail[:200])
        moves.wake_now(delivery)
    elif error.failure == Failure.UNCERTAIN:
        _uncertain(delivery, detail)
    else:
        moves.failed(delivery, detail)
    return delivery.status


def _tries(delivery: Delivery) -> int:
    """How often it was tried, but for what was the channel's own fault."""
    spared = DeliveryAttempt.objects.filter(delivery=delivery, outcome=DeliveryAttempt.Outcome.CHANNEL).count()
    return delivery.attempt_count - spared


def _channel_stopped(delivery: Delivery, attempt: int, error: ChannelError, detail: str) -> None:
    """It stays due, and goes when its channel takes something again; it is the first to try."""
    if isinstance(error, SignInRefused):
        access.refused(delivery.channel)
    until = breaker.fault(delivery.channel, error)
    moves.move(delivery, Status.QUEUED, next_attempt_at=database_time.now(), error=detail, lease_until=None)
    moves.record(audit.Kind.DELIVERY_RETRIED, delivery, audit.SYSTEM, attempt=attempt, error=detail[:200])
    wake(moves.TASK, at=until, queue="outbox", account_id=delivery.account_id, delivery_id=delivery.pk)


def _channel_worked(delivery: Delivery, *, sent: bool = True) -> None:
    """After a pause, all that waited for the channel go at once."""
    if not breaker.worked(delivery.channel, sent=sent):
        return
    waits = Q(status=Status.QUEUED) | Q(status=Status.HELD, hold_until__lte=database_time.now())
    due = Delivery.objects.filter(waits, channel=delivery.channel, next_attempt_at__lte=database_time.now())
    for pk in due.exclude(pk=delivery.pk).order_by("next_attempt_at").values_list("pk", flat=True)[:500]:
        moves.wake_once(delivery.account_id, pk)


def wake_first(channel: Channel) -> None:
    """The reply that waits longest is tried now."""
    waits = Q(status=Status.QUEUED) | Q(status=Status.HELD, hold_until__lte=database_time.now())
    due = Delivery.objects.filter(waits, channel=channel, next_attempt_at__lte=database_time.now())
    for pk in due.order_by("next_attempt_at").values_list("pk", flat=True)[:1]:
        moves.wake_once(channel.account_id, pk)


def _uncertain(delivery: Delivery, detail: str) -> None:
    moves.move(delivery, Status.UNCERTAIN, error=detail, lease_until=None)
    moves.owe(delivery, owing.Owed.UNCERTAIN)
    if sent_mail.can_be_asked(delivery.channel):  # else, or when that finds nothing, a person is told
        at = database_time.now() + timedelta(seconds=LOOKS[0])
        wake(LOOK_TASK, at=at, queue="outbox", account_id=delivery.account_id, delivery_id=delivery.pk, number=1)
    else:
        moves.notify(delivery, Notification.Type.SEND_UNCERTAIN)
    moves.tell(delivery)
    moves.record(
        audit.Kind.DELIVERY_UNCERTAIN, delivery, audit.SYSTEM, attempt=delivery.attempt_count, error=detail[:200]
    )


def sweep(*, account_id: uuid.UUID, now: datetime | None = None) -> dict[str, int]:
    """Find what lost its worker or its job: one row, one transaction. Returns how many of each were found."""
    now = now or database_time.now()
    found = {"recovered": 0, "uncertain": 0, "failed": 0, "woken": 0}
    with tenant_context(account_id):
        crashed = once.crashed(Delivery.objects.all(), working=Status.SENDING, now=now)
        due = Q(status=Status.QUEUED) | Q(status=Status.HELD, hold_until__lt=now)
        late = Delivery.objects.filter(due, next_attempt_at__lt=now - timedelta(seconds=5)).order_by("next_attempt_at")
        shut, half_open = breaker.paused()
        waiting = list(late.exclude(channel_id__in=shut | half_open)[:500])
        waiting += [one for channel_id in half_open for one in late.filter(channel_id=channel_id)[:1]]
    for delivery_id, attempt in crashed:
        with tenant_context(account_id):
            found[_recover(delivery_id, attempt, now)] += 1
    for delivery in waiting:
        with tenant_context(account_id):
            moves.wake_once(account_id, delivery.pk)
            found["woken"] += 1
    return found


def _recover(delivery_id: uuid.UUID, attempt: int, now: datetime) -> str:
    delivery = moves.lock_delivery(delivery_id)
    if not once.is_lost(delivery, working=Status.SENDING, attempt=attempt, now=now):
        return "woken"
    DeliveryAttempt.objects.filter(delivery=delivery, number=attempt, outcome="").update(
        outcome=DeliveryAttempt.Outcome.CRASHED, finished_at=now
    )
    if not once.may_repeat(delivery):
        stopped = "The worker stopped after it began to hand the message over."
        _uncertain(delivery, moves.unsaid(delivery) if delivery.taken_at else stopped)
        return "uncertain"
    detail = "The worker stopped before it handed the message over."
    if _tries(delivery) >= settings.DELIVERY_MAX_ATTEMPTS:  # what stops every worker would stop the next one too
        moves.failed(delivery, detail)
        return "failed"
    moves.move(delivery, Status.QUEUED, next_attempt_at=now, lease_until=None)
    moves.record(
        audit.Kind.DELIVERY_RETRIED, delivery, audit.SYSTEM, attempt=attempt, error="the worker stopped before it"
    )
    moves.wake_now(delivery)
    return "recovered"
