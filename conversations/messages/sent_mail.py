"""What a provider remembers of what was sent by it, where it can be asked (docs/decisions/0073)."""

from __future__ import annotations

import logging

from conversations.channels.base import ChannelError, Failure, FindsSent, Receipt, Remembers
from conversations.messages import access, outgoing
from conversations.models import Channel, Delivery, DeliveryAttempt
from conversations.tenancy import tenant_context

logger = logging.getLogger(__name__)


def can_be_asked(channel: Channel) -> bool:
    """Whether its provider can say what was sent. Calls nobody."""
    provider = channel.provided_by
    try:
        is_asked = provider.open is not None and isinstance(provider.open(channel.options, ""), FindsSent)
        return is_asked or isinstance(channel.fetched_from, Remembers)
    except ValueError:  # settings that are none
        return False


def find(delivery: Delivery) -> Receipt | None:
    """What its provider has of a reply; None if it has nothing, or nobody can be asked. Outside of any transaction.

    Raises ChannelError: PERMANENT where the provider says that it could not send it.
    """
    channel = delivery.channel
    if not can_be_asked(channel):
        return None
    provider = channel.provided_by
    if provider.open is not None and isinstance(provider.open(channel.options, ""), FindsSent):
        adapter = outgoing.adapter_of(channel)
        assert isinstance(adapter, FindsSent)
        return adapter.find(outgoing.outbound_of(delivery))
    source = access.source_of(channel)
    evidence = source.find(delivery.idempotency_key) if isinstance(source, Remembers) else ""
    return Receipt(delivery.idempotency_key, evidence) if evidence else None


def sent_before(delivery: Delivery, channel: Channel) -> Receipt | None:
    """Where a reply stands that is sent again after an attempt of unknown fate; None where nobody knows. Outside of any
    transaction."""
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
