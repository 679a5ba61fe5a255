"""What a provider remembers of what was sent by it, where it can be asked (docs/decisions/0073)."""

from __future__ import annotations

import logging

from conversations.channels.base import ChannelError, Remembers
from conversations.messages import access
from conversations.models import Channel, Delivery, DeliveryAttempt
from conversations.tenancy import tenant_context

logger = logging.getLogger(__name__)


def can_be_asked(channel: Channel) -> bool:
    """Whether its provider can say what was sent. Calls nobody."""
    try:
        return isinstance(channel.fetched_from, Remembers)
    except ValueError:  # settings that are none
        return False


def find(channel: Channel, message_id: str) -> str:
    """Where it stands among what was sent, in words; "" if it does not, or nobody can be asked. Raises ChannelError."""
    source = access.source_of(channel) if can_be_asked(channel) else None
    return source.find(message_id) if isinstance(source, Remembers) else ""


def sent_before(delivery: Delivery, channel: Channel) -> str:
    """Where a reply stands that is sent again after an attempt of unknown fate; "" where nobody knows. Outside of any
    transaction."""
    if delivery.attempt_count < 2:
        return ""
    with tenant_context(delivery.account_id, durable=True):
        unknown = [DeliveryAttempt.Outcome.UNCERTAIN, DeliveryAttempt.Outcome.CRASHED]
        is_doubtful = DeliveryAttempt.objects.filter(delivery=delivery, outcome__in=unknown).exists()
    try:
        return find(channel, delivery.idempotency_key) if is_doubtful else ""
    except ChannelError as error:  # whoever sends it again knew that nobody knows
        logger.warning("delivery %s: not looked for before it is sent again: %s", delivery.pk, error)
        return ""
