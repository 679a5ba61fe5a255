"""What a provider remembers of what was sent by it, where it can be asked (docs/decisions/0073, 0075)."""

from __future__ import annotations

import logging

from conversations.channels.base import ChannelError, Failure, FindsSent, Receipt, Remembers
from conversations.messages import access, outgoing
from conversations.models import Channel, Delivery, DeliveryAttempt
from conversations.tenancy import tenant_context

logger = logging.getLogger(__name__)


def can_be_asked(channel: Channel) -> bool:
    """Whether its provider can say what was sent. Calls nobody."""
    try:
        return _shows_what_it_sent(channel) or isinstance(channel.fetched_from, Remembers)
    except ValueError:  # settings that are none
        return False


def find(delivery: Delivery) -> Receipt | None:
    """What its provider shows of a reply among what was sent, with where it stands in words; None if it does not, or
    nobody can be asked. Raises ChannelError: PERMANENT where the provider says that it could not send it."""
    channel = delivery.channel
    if not can_be_asked(channel):
        return None
    if _shows_what_it_sent(channel):
        adapter = outgoing.adapter_of(channel)
        shown = adapter.find(outgoing.outbound_of(delivery)) if isinstance(adapter, FindsSent) else None
        return None if shown and _is_anothers(delivery, shown) else shown
    source = access.source_of(channel)
    evidence = source.find(delivery.idempotency_key) if isinstance(source, Remembers) else ""
    return Receipt(delivery.idempotency_key, evidence) if evidence else None


def sent_before(delivery: Delivery, channel: Channel) -> Receipt | None:
    """What is shown of a reply that is sent again after an attempt of unknown fate; None where nobody knows. Outside of
    any transaction."""
    if delivery.attempt_count < 2:
        return None
    with tenant_context(delivery.account_id, durable=True):
        unknown = [DeliveryAttempt.Outcome.UNCERTAIN, DeliveryAttempt.Outcome.CRASHED]
        is_doubtful = DeliveryAttempt.objects.filter(delivery=delivery, outcome__in=unknown).exists()
    try:
        return find(delivery) if is_doubtful else None
    except (ChannelError, OSError) as error:  # whoever sends it again knew that nobody knows
        if not (isinstance(error, ChannelError) and error.failure == Failure.PERMANENT):
            logger.warning("delivery %s: not looked for before it is sent again: %s", delivery.pk, error)
        return None


def _is_anothers(delivery: Delivery, shown: Receipt) -> bool:
    """Whether it is the message of another reply with the same words."""
    with tenant_context(delivery.account_id, durable=True):
        others = Delivery.objects.filter(channel_id=delivery.channel_id, provider_id=shown.provider_id)
        return others.exclude(pk=delivery.pk).exists()


def _shows_what_it_sent(channel: Channel) -> bool:
    opens = channel.provided_by.open
    return opens is not None and isinstance(opens(channel.options, ""), FindsSent)
