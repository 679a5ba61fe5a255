"""What a channel signs in with. Where its tokens are renewed, one asks the vendor at a time, and what came is stored before
anybody uses it: a vendor that rotates refresh tokens takes back the whole sign-in when an old one comes twice.

No transaction is open while the vendor is asked. A caller's own must not decide whether a token is kept, so inside of one
all this is done on another connection (docs/decisions/0072).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection
from django.db.models import Q
from django.utils.crypto import salted_hmac

from conversations import audit
from conversations.channels import oauth
from conversations.channels.base import ChannelError, Failure, Polls, ReadsSent
from conversations.channels.provider import Grant
from conversations.database import database_time
from conversations.failpoints import failpoint
from conversations.messages import breaker
from conversations.models import Channel, ChannelToken
from conversations.tenancy import tenant_context

#: Longer than a call of the vendor may take (`oauth.SECONDS`).
LEASE = timedelta(seconds=20)
#: How long somebody waits for another's call.
PATIENCE = 10.0
#: A token is renewed so long before its end, or after half of its life; in its last moments it is not used any more.
EARLY, LAST = timedelta(minutes=5), timedelta(seconds=30)
FIRST_PAUSE, LONGEST_PAUSE = 30, 900
TOLD_AS = "signing in"


@dataclass(frozen=True, slots=True)
class _Work:
    """A lease: what the vendor is asked with, and of which generation it is."""

    pk: uuid.UUID
    generation: int
    grant: Grant
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


def sending_secret(channel: Channel) -> str:
    """What it sends with: its password, or a token that is good. Raises ChannelError."""
    grant = channel.grant
    return token_of(channel) if grant and grant.sends else channel.credentials


def source_of(channel: Channel, folder: str = "") -> Polls | None:
    """The folder that its messages are fetched from, or another of its folders, ready to be opened. Raises ChannelError."""
    incoming, grant = channel.provided_by.incoming, channel.grant
    if incoming is None:
        return None
    secret = token_of(channel) if grant and grant.fetches else channel.incoming_secret
    source = incoming.open(channel.options, secret)
    return next((one for one in with_sent(source) if not folder or one.folder == folder), None)


def with_sent(source: Polls | None) -> list[Polls]:
    """A channel's folder, and that of its sent mail if it is to be read."""
    sent = source.sent_mail() if isinstance(source, ReadsSent) else None
    return [one for one in (source, sent) if one is not None]


def token_of(channel: Channel) -> str:
    """An access token that is good for a while, renewed if need be. Raises ChannelError, SignedOut."""
    return _outside(lambda: _token(channel.account_id, channel.pk))


def token_to_try(channel: Channel) -> str:
    """A new token for entries that are checked, saved or not. Raises ChannelError, SignedOut.

    A refresh token that came with it stands in `channel.refresh_token` instead of the one that was entered.
    """
    grant = channel.grant
    assert grant is not None
    stored = Channel.objects.filter(account_id=channel.account_id, pk=channel.pk).first()
    if stored is not None and stored.grant is not None and _entered(stored) == _entered(channel):
        return _outside(lambda: _token(channel.account_id, channel.pk, trying=channel))
    tokens = oauth.ask(grant, client_secret=channel.client_secret, refresh_token=channel.refresh_token)
    channel.refresh_token = tokens.refresh or channel.refresh_token
    return tokens.access


def refused(channel: Channel) -> None:
    """The server took the token no more before its end: the next one who needs it asks for another. In a transaction."""
    now = database_time.now()
    rows = ChannelToken.objects.filter(channel=channel, renewed_at__lt=now - EARLY)  # a newer one is not the reason
    rows.update(renew_at=now, expires_at=now)


def try_again(channel: Channel) -> bool:
    """A person wants the vendor asked once more, whatever it said. Whether nobody would have asked by itself."""
    waits = Q(is_broken=True) | Q(retry_at__gt=database_time.now())
    found = ChannelToken.objects.filter(waits, channel=channel).update(is_broken=False, retry_at=None)
    if found:
        breaker.untell_admins(channel, what=TOLD_AS)
    return bool(found)


def is_signed_out(row: ChannelToken | None, channel: Channel) -> bool:
    """Whether the vendor ended the sign-in that is entered now."""
    return row is not None and row.is_broken and channel.grant is not None and row.entered == _entered(channel)


def _outside(call: Callable[[], str]) -> str:
    if not connection.in_atomic_block:
        return call()
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(_alone, call).result()


def _alone(call: Callable[[], str]) -> str:
    try:
        return call()
    finally:
        connection.close()


def _token(account_id: uuid.UUID, channel_id: uuid.UUID, *, trying: Channel | None = None) -> str:
    ends, above = time.monotonic() + PATIENCE, None
    while True:
        with tenant_context(account_id, durable=True):
            row = _locked(channel_id)
            if above is None:
                above = row.generation if trying else -1
            found = _look(row, trying, is_new=row.generation > above)
        if isinstance(found, str):
            return found
        if found is not None:
            return _renew(account_id, channel_id, found)
        if time.monotonic() > ends:
            detail = "Another worker renews the access token, and that takes too long."
            raise ChannelError(Failure.TRANSIENT, detail, channel_fault=True)
        time.sleep(0.1)


def _look(row: ChannelToken, trying: Channel | None, *, is_new: bool) -> str | _Work | None:
    """The token, a lease to renew it, or None while somebody else does. Whoever tries (`trying`) wants a new one."""
    now, must = database_time.now(), trying is not None and not is_new
    if row.is_broken and not must:
        raise oauth.SignedOut(row.problem)
    is_good = bool(row.access_token) and row.expires_at is not None and row.expires_at - LAST > now
    if is_good and not must and row.renew_at is not None and row.renew_at > now:
        return row.access_token
    if row.lease_until is not None and row.lease_until > now:
        return row.access_token if is_good and not must else None
    if row.retry_at is not None and row.retry_at > now and not must:
        if is_good:
            return row.access_token
        raise ChannelError(Failure.TRANSIENT, row.problem, channel_fault=True, retry_at=row.retry_at)
    row.lease_until = now + LEASE
    row.save(update_fields=["lease_until"])
    with_ = trying or row.channel
    grant = with_.grant
    if grant is None:
        raise ChannelError(Failure.TRANSIENT, "The channel does not sign in by tokens any more.", channel_fault=True)
    return _Work(row.pk, row.generation, grant, with_.client_secret, row.refresh_token)


def _renew(account_id: uuid.UUID, channel_id: uuid.UUID, work: _Work) -> str:
    failpoint("token.leased")
    try:
        tokens = oauth.ask(work.grant, client_secret=work.client_secret, refresh_token=work.refresh_token)
    except ChannelError as error:
        with tenant_context(account_id, durable=True):
            overtaken = _not_renewed(channel_id, work, error)
        if overtaken is not None:
            return overtaken
        raise
    failpoint("token.answered")
    with tenant_context(account_id, durable=True):
        token = _store(channel_id, work, tokens)
    failpoint("token.stored")
    return token


def _store(channel_id: uuid.UUID, work: _Work, tokens: oauth.Tokens) -> str:
    """Both tokens, unless another was quicker: then its own. Also after the lease: a token that came is never thrown away."""
    row, now = _locked(channel_id), database_time.now()
    if row.generation != work.generation:
        return row.access_token or tokens.access
    life = timedelta(seconds=tokens.seconds)
    was_broken = row.is_broken
    row.access_token, row.refresh_token = tokens.access, tokens.refresh or row.refresh_token
    row.renewed_at, row.renew_at, row.expires_at = now, now + max(life - EARLY, life / 2), now + life
    row.generation += 1
    row.lease_until, row.retry_at, row.is_broken, row.faults, row.problem = None, None, False, 0, ""
    row.save()
    if was_broken:
        breaker.untell_admins(row.channel, what=TOLD_AS)
    return tokens.access


def _not_renewed(channel_id: uuid.UUID, work: _Work, error: ChannelError) -> str | None:
    """Kept with its reason, and told once if it is over. The token of another that was quicker, if one was."""
    row, now = _locked(channel_id), database_time.now()
    if row.generation != work.generation:
        return row.access_token or None
    row.lease_until, row.problem = None, audit.masked(f"{error} {error.response}".strip())[:500]
    if isinstance(error, oauth.SignedOut):
        if not row.is_broken:
            breaker.signed_out(row.channel, row.problem, what=TOLD_AS)
        row.is_broken = True
    else:
        pause = timedelta(seconds=min(FIRST_PAUSE * 2 ** min(row.faults, 10), LONGEST_PAUSE))
        row.retry_at = max(now + pause, error.retry_at or now)
        row.faults += 1
    row.save()
    return None


def _locked(channel_id: uuid.UUID) -> ChannelToken:
    """The channel's row, of the sign-in that is entered and saved now: another one begins anew."""
    rows = ChannelToken.objects.select_for_update(of=("self",)).filter(channel_id=channel_id)
    row = rows.first()
    if row is None:
        channel = Channel.objects.get(pk=channel_id)
        new = ChannelToken(account_id=channel.account_id, channel=channel, entered="")
        ChannelToken.objects.bulk_create([new], ignore_conflicts=True)
        row = rows.get()
    # Read behind the lock, so that nobody who read it long ago takes an older sign-in back.
    row.channel = Channel.objects.get(pk=channel_id)
    entered = _entered(row.channel)
    if row.entered != entered:
        if row.is_broken:
            breaker.untell_admins(row.channel, what=TOLD_AS)
        row.entered, row.refresh_token, row.access_token = entered, row.channel.refresh_token, ""
        row.renewed_at = row.renew_at = row.expires_at = row.lease_until = row.retry_at = None
        row.is_broken, row.faults, row.problem = False, 0, ""
        row.generation += 1
        row.save()
    return row


def _entered(channel: Channel) -> str:
    """Another one for every other sign-in. The application's own secret may change without ending it."""
    grant = channel.grant
    parts = [grant.token_url, grant.client_id, channel.refresh_token] if grant else []
    return salted_hmac("countersign.channel-token", json.dumps(parts), algorithm="sha256").hexdigest()
