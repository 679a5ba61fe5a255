"""What vendors post to a channel's own address: proved to be the vendor's, stored, and read by a worker.

Until it is stored nothing is answered with 200, and once it is nothing else is: vendors bring again what got no answer.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from conversations.channels.base import ChannelError, HookRequest, Refused, Verified
from conversations.channels.provider import Hooks
from conversations.database import database_time
from conversations.database.encryption import ring
from conversations.errors import Refusal
from conversations.failpoints import failpoint
from conversations.models import Channel, ChannelHealth
from conversations.setup.hooks import digest_of
from conversations.tenancy import channel_by_hook, tenant_context
from ingestion import keys, payloads, receive
from ingestion.models import InboundEvent, InboundKey

logger = logging.getLogger(__name__)

Status = InboundEvent.Status
#: Whose address nobody knows has this account and this channel: asked for like any other, and not there.
NOBODY = uuid.UUID(int=0)
#: A stream of posts with a wrong secret writes no more than this.
NOTED_EVERY = timedelta(seconds=10)
_KEY = secrets.token_bytes(32)


class TooLarge(Refusal):
    """More than the provider's posts have."""

    status = 413


class NotYet(Refusal):
    """Whose post it is cannot be told at the moment."""

    status = 503


def _nobodys(request: HookRequest, given: Sequence[str]) -> Verified:
    """As much work as a signature is, and never right."""
    hmac.new(_KEY, request.body, hashlib.sha256).hexdigest()
    raise Refused


NOBODYS = Hooks(asks_for="", verify=_nobodys, parse=lambda raw, settings: ())


def take_post(*, token: str, headers: Mapping[str, str], read: Callable[[int], bytes]) -> str:
    """Store what was posted to the address of `token`, once, and return what its vendor wants to be answered.

    `read` gives the body, up to so many bytes. Raises base.Refused (401) for an address that nobody has and for what is not
    signed with a secret that stands, after the same work; TooLarge (413); NotYet (503) while the vendor's own keys cannot be had.
    """
    found = channel_by_hook(digest_of(token))
    account_id, channel_id = (found["account_id"], found["channel_id"]) if found else (NOBODY, NOBODY)
    with tenant_context(account_id):
        channel = Channel.objects.defer("credentials").filter(pk=channel_id).first()
        hooks = channel.provided_by.hooks if channel else None
        given = channel.hook_secrets(database_time.now()) if channel and hooks else _unreadable()
    hooks = hooks or NOBODYS
    body = read(hooks.max_bytes + 1)
    if len(body) > hooks.max_bytes:
        raise TooLarge(f"A post has at most {hooks.max_bytes:,} bytes. Nothing was stored.")
    try:
        verified = hooks.verify(HookRequest(headers, body, database_time.now()), given)
    except ChannelError as error:
        raise NotYet("Come again: the keys that this may be signed with cannot be had. Nothing was stored.") from error
    except Exception as error:  # whatever a garbled header does to an adapter, it is not the vendor's
        if not isinstance(error, Refused):
            logger.exception("a post to channel %s could not be verified", channel_id)
        _note_refusal(account_id, channel_id)
        raise Refused from error
    if verified.key:
        _store(account_id, channel_id, verified.key, body)
        failpoint("hook.stored")
    return verified.answer


def _unreadable() -> Sequence[str]:
    """What it takes to open a channel's secret, where there is none."""
    ring().decrypt(_SEALED)
    return ()


_SEALED = ring().encrypt(_KEY)


def _note_refusal(account_id: uuid.UUID, channel_id: uuid.UUID) -> None:
    """No body, only that there was one: a wrong secret is the commonest fault of a set-up."""
    with tenant_context(account_id):
        long_ago = Q(hook_refused_at__isnull=True) | Q(hook_refused_at__lt=Now() - NOTED_EVERY)
        ChannelHealth.objects.filter(long_ago, channel_id=channel_id).update(hook_refused_at=Now())


def _store(account_id: uuid.UUID, channel_id: uuid.UUID, name: str, body: bytes) -> None:
    """The event, its key and the job that reads it, in one transaction; nothing for a key that is known."""
    with tenant_context(account_id):
        channel = Channel.objects.defer("credentials", "incoming_credentials").get(pk=channel_id)
        key, is_new = keys.claim(channel, InboundKey.Kind.EVENT, name)
        if not is_new:
            return
        event = InboundEvent.objects.create(
            account_id=account_id,
            channel=channel,
            external_id=f"hook:{key.digest}",
            signature="valid",
            payload_sha256=hashlib.sha256(body).hexdigest(),
            size_bytes=len(body),
            expires_at=database_time.now() + timedelta(days=settings.INBOUND_RAW_DAYS),
            status=Status.RECEIVED if channel.is_active else Status.IGNORED,
            detail="" if channel.is_active else "The channel is switched off.",
        )
        if channel.is_active:  # what comes while it is off is not kept
            payloads.put(event.pk, body)
            receive.ask_to_read(event)
        ChannelHealth.objects.filter(channel=channel, hook_refused_at__isnull=False).update(hook_refused_at=None)
