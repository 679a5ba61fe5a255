"""A channel that is away is left alone for a while: its replies wait, whole, and all go when it is back.

In PostgreSQL, because a process knows nothing of the others: one row for each channel, which whoever claims a delivery locks
first. The first fault of the channel itself pauses it, each that follows for twice as long; after a pause one reply tries it
alone. Nothing here counts against a reply (docs/decisions/0063).
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings
from django.db.models import Q, Subquery

from conversations import audit
from conversations.channels.base import ChannelError
from conversations.channels.provider import Limits
from conversations.database import database_time
from conversations.models import Channel, ChannelHealth, Delivery, Membership, Notification, Role

#: Seconds of the first pause; each that follows is twice as long, up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 30, 900
#: What the provider asks for is kept to, within reason.
LONGEST_ASKED = timedelta(days=1)
#: Admins are told of what lasts; a fault that the next try heals is nobody's business.
TOLD_AFTER = timedelta(seconds=25)


def health_of(channel_id: uuid.UUID) -> ChannelHealth | None:
    return ChannelHealth.objects.filter(channel_id=channel_id).first()


def locked(channel: Channel) -> ChannelHealth:
    """The channel's row, made if it has none yet. After a conversation's and a delivery's lock, never before one is waited for."""
    rows = ChannelHealth.objects.select_for_update(of=("self",)).filter(channel=channel)
    found = rows.first()
    if found is None:
        new = ChannelHealth(account_id=channel.account_id, channel=channel)
        ChannelHealth.objects.bulk_create([new], ignore_conflicts=True)
        found = rows.get()
    return found


def gate(channel: Channel) -> Literal["open", "busy", "shut"]:
    """Whether a reply may be handed to the channel now. Whoever asks holds its row until the end of the transaction, so
    that all who ask count each other."""
    health, now = locked(channel), database_time.now()
    if health.paused_until is not None and health.paused_until > now:
        return "shut"
    sending = Delivery.objects.filter(channel=channel, status=Delivery.Status.SENDING, lease_until__gt=now)
    under_way = sending.filter(taken_at=None).count()  # nobody is busy with what the provider has
    if health.faults and under_way:
        return "shut"  # one tries it, for all
    if not health.faults and under_way >= settings.CHANNEL_PARALLEL:
        return "busy"
    return "open" if _takes_one_more(health, channel.provided_by.limits, now) else "busy"


def _takes_one_more(health: ChannelHealth, limits: Limits, now: datetime) -> bool:
    """Whether its provider takes another one now, by the replies a second that it takes; then it is counted."""
    if not limits.per_second:
        return True
    left = float(limits.burst)
    if health.pace_left is not None and health.pace_at is not None:
        left = min(left, health.pace_left + max(0.0, (now - health.pace_at).total_seconds()) * limits.per_second)
    if left < 1:
        return False
    health.pace_left, health.pace_at = left - 1, now
    health.save(update_fields=["pace_left", "pace_at"])
    return True


def turn(channel: Channel, delivery_id: uuid.UUID) -> timedelta:
    """How long a reply waits, at the pace of its provider, for those of its channel that were due before it."""
    rate = channel.provided_by.limits.per_second
    if not rate:
        return timedelta(0)
    waiting = Delivery.objects.filter(channel=channel, status__in=[Delivery.Status.HELD, Delivery.Status.QUEUED])
    mine = waiting.filter(pk=delivery_id).values("next_attempt_at")[:1]
    return timedelta(seconds=waiting.filter(next_attempt_at__lt=Subquery(mine)).count() / rate)


def fault(channel: Channel, error: ChannelError) -> datetime:
    """The channel itself did not work: nobody asks it before the time that is returned. Admins are told of what lasts."""
    health, now = locked(channel), database_time.now()
    problem = audit.masked(f"{error} {error.response}".strip())[:500]
    if health.paused_until is not None and health.paused_until > now:
        return health.paused_until  # told by another that was under way
    pause = timedelta(seconds=min(FIRST_PAUSE * 2 ** min(health.faults, 10), LONGEST_PAUSE))
    health.paused_until = min(max(error.retry_at, now), now + LONGEST_ASKED) if error.retry_at else now + pause
    health.failing_since, health.problem = health.failing_since or now, problem
    health.faults += 1
    if health.told_at is None and now - health.failing_since >= TOLD_AFTER:
        health.told_at = now
        tell_admins(channel, f"It does not send since {health.failing_since:%H:%M} UTC: {problem}", what="sending")
    health.save(update_fields=["paused_until", "failing_since", "problem", "faults", "told_at"])
    return health.paused_until


def worked(channel: Channel, *, sent: bool = True) -> bool:
    """The channel answered; whether that is news, after faults."""
    health, now = health_of(channel.pk), database_time.now()
    if health is not None and not health.faults and not _is_old(health, now, sent=sent):
        return False
    health = locked(channel)
    was_failing = health.faults > 0
    if was_failing:
        health.faults, health.failing_since, health.paused_until, health.problem = 0, None, None, ""
        if health.told_at is not None:
            untell_admins(channel, what="sending")
        health.told_at = None
    if sent:
        health.sent_at = now
    health.save(update_fields=["faults", "failing_since", "paused_until", "problem", "told_at", "sent_at"])
    return was_failing


def _is_old(health: ChannelHealth, now: datetime, *, sent: bool) -> bool:
    """To the minute is enough: not every reply writes the row that all replies of the channel share."""
    return sent and (health.sent_at is None or now - health.sent_at > timedelta(minutes=1))


def paused() -> tuple[set[uuid.UUID], set[uuid.UUID]]:
    """Of this tenant: the channels that are left alone, and those whose pause is over and that one reply may try."""
    now = database_time.now()
    rows = list(ChannelHealth.objects.filter(faults__gt=0).values_list("channel_id", "paused_until"))
    shut = {pk for pk, until in rows if until is not None and until > now}
    return shut, {pk for pk, _ in rows} - shut


def try_now(channel: Channel) -> bool:
    """Its connection was proved a moment ago, or a person wants it: the pause is over, and the next reply tries it. Whether
    there was one."""
    waiting = ChannelHealth.objects.filter(Q(paused_until__gt=database_time.now()), channel=channel)
    return bool(waiting.update(paused_until=database_time.now()))


def signed_out(channel: Channel, problem: str, *, what: str) -> None:
    """Nobody is asked any more before a person connects it again: told at once, and no second and third time below it."""
    health, now = locked(channel), database_time.now()
    health.told_at, health.fetch_told_at = health.told_at or now, health.fetch_told_at or now
    health.save(update_fields=["told_at", "fetch_told_at"])
    tell_admins(channel, problem, what=what)


def tell_admins(channel: Channel, problem: str, *, what: str) -> None:
    """One notice for each admin."""
    admins = Membership.objects.filter(role=Role.ADMIN, is_active=True).values_list("user_id", flat=True)
    payload = {"channel": channel.name, "channel_id": str(channel.pk), "what": what, "problem": problem[:400]}
    Notification.objects.bulk_create(
        Notification(
            account_id=channel.account_id, user_id=pk, type=Notification.Type.CHANNEL_AWAY, payload=dict(payload)
        )
        for pk in admins
    )


def untell_admins(channel: Channel, *, what: str) -> None:
    """It is over: what nobody read yet need not be read."""
    told = Notification.objects.filter(type=Notification.Type.CHANNEL_AWAY, read_at__isnull=True)
    told.filter(payload__channel_id=str(channel.pk), payload__what=what).update(read_at=database_time.now())
