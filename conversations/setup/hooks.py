"""The address that a vendor posts a channel's events to: made, replaced, and its predecessor ended (docs/decisions/0068)."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.messages import breaker
from conversations.models import Channel, ChannelHook, User
from conversations.people.roles import Verb, check

#: So long the address or the secret before the current one is still good: nobody changes both sides at once.
STANDS = timedelta(days=2)


def digest_of(token: str) -> str:
    """What is kept of a token. It has 256 random bits, so nothing needs to be slow here."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def make_hook(*, channel_id: uuid.UUID, actor: User) -> str:
    """A new address: its token, which is nowhere to be read afterwards. The one before it stands for two days more, the one
    before that ends.

    Raises Channel.DoesNotExist (404), PermissionDenied (403), Conflict (409: nobody posts to such a channel).
    """
    with transaction.atomic():
        channel = _locked(channel_id, actor)
        if channel.provided_by.hooks is None:
            raise Conflict(f"Nothing is posted to {channel.name}. Nothing was changed.")
        ChannelHook.objects.filter(channel=channel, expires_at__isnull=False).delete()
        current = ChannelHook.objects.filter(channel=channel)
        current.update(expires_at=database_time.now() + STANDS)
        token = secrets.token_urlsafe(32)
        ChannelHook.objects.create(account_id=channel.account_id, channel=channel, digest=digest_of(token))
        breaker.locked(channel)  # where refused posts are noted
        audit.record(audit.Kind.CHANNEL_HOOK_MADE, actor=actor, about=channel, data={"name": channel.name[:120]})
    return token


def end_old(*, channel_id: uuid.UUID, actor: User) -> Channel:
    """The old address and the old secret are refused from now on. Raises as `make_hook`; Conflict (409) if there is none."""
    with transaction.atomic():
        channel = _locked(channel_id, actor)
        old = ChannelHook.objects.filter(channel=channel, expires_at__gt=database_time.now())
        if not old.exists() and not channel.incoming_credentials_before:
            raise Conflict("There is no old address and no old secret. Nothing was changed.")
        old.delete()
        channel.incoming_credentials_before, channel.incoming_before_until = "", None
        channel.save(update_fields=["incoming_credentials_before", "incoming_before_until", "updated_at"])
        audit.record(audit.Kind.CHANNEL_HOOK_REFUSED, actor=actor, about=channel, data={"name": channel.name[:120]})
    return channel


@dataclass(frozen=True, slots=True)
class Posts:
    """What an admin sees of a channel's address: since when it is there, until when an old one or an old secret stands, and
    when a post was refused and none was right since."""

    made_at: datetime | None
    old_until: datetime | None
    refused_at: datetime | None


def state_of(channel: Channel) -> Posts:
    now, rows = database_time.now(), list(ChannelHook.objects.filter(channel=channel))
    olds = [row.expires_at for row in rows if row.expires_at] + [channel.incoming_before_until]
    health = breaker.health_of(channel.pk)
    return Posts(
        made_at=next((row.created_at for row in rows if row.expires_at is None), None),
        old_until=max((at for at in olds if at and at > now), default=None),
        refused_at=health.hook_refused_at if health else None,
    )


def keep_secret_before(channel: Channel, before: Channel | None) -> None:
    """Another secret for posts is about to be saved: the stored one stands for two days more."""
    if channel.provided_by.hooks is None or before is None or not before.incoming_credentials:
        return
    if channel.incoming_credentials != before.incoming_credentials:
        channel.incoming_credentials_before = before.incoming_credentials
        channel.incoming_before_until = database_time.now() + STANDS


def _locked(channel_id: uuid.UUID, actor: User) -> Channel:
    channel = Channel.objects.select_for_update(of=("self",)).get(pk=channel_id)
    check(actor, Verb.MANAGE, account_id=channel.account_id)
    return channel
