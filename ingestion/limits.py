"""How much mail one sender, and one channel, may bring in an hour: what is over waits for a person instead of opening
conversations. Counted in the database, by its clock, one reader of a channel at a time."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now

from conversations.channels.addresses import normal_address
from conversations.channels.base import Inbound
from conversations.messages.inbox import clean
from conversations.messages.joining import bounced_delivery
from conversations.messages.outcomes import BOUNCEABLE
from conversations.models import Channel, Notification
from ingestion.models import InboundEvent


def sender_key(inbound: Inbound) -> str:
    """One sender, however the address is written; "?" for a mail that names none (they share one limit)."""
    return (normal_address(inbound.sender.address) or clean(inbound.sender.address).lower() or "?")[:320]


def exceeded(event: InboundEvent, channel: Channel, inbound: Inbound) -> str:
    """Why this mail has to wait, in words; "" when it may come in. The caller's transaction keeps the count true."""
    if event.is_released:
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 3))", [str(channel.pk)])
    # The bounce that says that a reply did not arrive always comes in; who repeats it is counted like everybody.
    delivery = bounced_delivery(channel, inbound)
    if delivery and delivery.status in BOUNCEABLE:
        return ""
    options = channel.options
    # What a person let in by hand counts as well: it came in.
    came_in = InboundEvent.objects.filter(channel=channel, status=InboundEvent.Status.PROCESSED).of_last_hour()
    came_in = came_in.exclude(sender="")  # of colleagues
    if came_in.filter(sender=event.sender).count() >= options.sender_per_hour:
        return f"More than {options.sender_per_hour} mails of this sender within an hour."
    if came_in.count() >= options.mails_per_hour:
        return f"More than {options.mails_per_hour} mails on this channel within an hour."
    return ""


def notify_once(event: InboundEvent, channel: Channel, reason: str) -> None:
    """One notice an hour: a flood must not become a flood of notices."""
    notified = Notification.objects.filter(
        type=Notification.Type.INBOUND_HELD, created_at__gt=Now() - timedelta(hours=1)
    ).exists()
    if not notified:
        notify(event, channel, reason)


def notify(event: InboundEvent, channel: Channel, reason: str) -> None:
    Notification.objects.create(
        account_id=event.account_id,
        type=Notification.Type.INBOUND_HELD,
        payload={"channel": channel.name, "reason": reason},
    )
