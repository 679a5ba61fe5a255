"""Raw mail arrives: the bytes are stored first, then read; what cannot be read waits, visible, for a person."""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from conversations import database_time
from conversations.errors import Invalid
from conversations.inbox import clean, record_inbound
from conversations.models import Channel, Message
from ingestion.mail.parse import parse_mail
from ingestion.models import InboundEvent

logger = logging.getLogger(__name__)


def receive_mail(*, channel: Channel, raw: bytes) -> tuple[InboundEvent, Message | None, bool]:
    """Store one mail (RFC 5322 bytes) and put it into its conversation; the last value says whether it is new.

    The raw event is committed before anything is parsed, so a mail that breaks the parser is kept as `failed` and can
    be read again. The same bytes received again are the same event. The caller is in the channel's tenant, in no
    transaction but its own. Raises Invalid for an empty or oversize mail.
    """
    if not raw.strip():
        raise Invalid("The mail is empty. Nothing was stored.")
    if len(raw) > settings.MAIL_MAX_BYTES:
        raise Invalid(
            f"The mail has {len(raw):,} bytes; {settings.MAIL_MAX_BYTES:,} are allowed (MAIL_MAX_BYTES). Nothing was stored."
        )
    digest = hashlib.sha256(raw).hexdigest()
    event, _ = InboundEvent.objects.get_or_create(
        account_id=channel.account_id,
        channel=channel,
        external_id=f"sha256:{digest}",
        payload_sha256=digest,
        defaults={
            "payload": raw,
            "size_bytes": len(raw),
            "expires_at": database_time.now() + timedelta(days=settings.INBOUND_RAW_DAYS),
        },
    )
    if event.status in {InboundEvent.Status.PROCESSED, InboundEvent.Status.IGNORED}:
        return event, event.message, False
    return process(event=event, channel=channel, raw=raw)


def process(*, event: InboundEvent, channel: Channel, raw: bytes) -> tuple[InboundEvent, Message | None, bool]:
    """Read a stored event into its conversation; a failure is kept on the event and stops nobody else's mail."""
    own = frozenset(
        address.lower()
        for address in (channel.options.address, channel.external_id, channel.options.smtp_user)
        if "@" in address
    )
    try:
        with transaction.atomic():
            message, created = record_inbound(channel=channel, inbound=parse_mail(raw, own_addresses=own))
            event.status, event.message = InboundEvent.Status.PROCESSED, message
            event.detail = "" if created else "received before"
            event.save(update_fields=["status", "message", "detail"])
    except Exception as error:
        logger.exception("mail %s of channel %s was kept unread", event.pk, channel.pk)
        event.status, event.message = InboundEvent.Status.FAILED, None
        event.detail = clean(f"{type(error).__name__}: {error}")[:500]
        event.save(update_fields=["status", "message", "detail"])
        return event, None, False
    return event, message, created
