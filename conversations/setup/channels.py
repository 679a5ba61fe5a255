"""Saving a channel, trying its connection and sending a test through it (docs/decisions/0049)."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from conversations import audit
from conversations.channels.base import ChannelError, Outbound, Party
from conversations.channels.oauth import SignedOut
from conversations.channels.provider import Finding
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.messages import access, breaker, outbox, routing
from conversations.messages.outgoing import adapter_of
from conversations.models import Channel, Membership, User
from conversations.models.base import new_id
from conversations.people import addresses, limits, roles
from conversations.people.letters import address_of
from conversations.setup.hooks import keep_secret_before
from conversations.tenancy import tenant_context

SALT = "countersign.channel-test"
#: A link that confirms a test is of no use to anybody after that.
LINK_SECONDS = 7 * 86_400


class CannotWork(Invalid):
    """It cannot be switched on as it stands."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a try of the connection found, for exactly these entries."""

    findings: tuple[Finding, ...]
    mark: str
    at: datetime

    @property
    def has_passed(self) -> bool:
        return all(finding.state in {"ok", "warn"} for finding in self.findings)


def check(channel: Channel) -> Check | None:
    """Try the connection that this channel's entries describe; None where its provider has nothing to try.

    The channel need not be saved. No row is locked meanwhile: it takes as long as the provider takes. Raises TooMany (429).
    """
    provider, options = channel.provided_by, channel.options
    if provider.check is None and provider.incoming is None:
        return None
    account, grant = str(channel.account_id), channel.grant
    limits.look(limits.CHANNEL_CHECK, account)
    secret, incoming_secret, renewed = channel.credentials, channel.incoming_secret, []
    if grant:
        try:
            token = access.token_to_try(channel)
        except ChannelError as error:
            limits.take(limits.CHANNEL_CHECK, account)
            return Check((_not_renewed(error),), channel.connection_mark, database_time.now())
        secret, incoming_secret = token if grant.sends else secret, token if grant.fetches else incoming_secret
        renewed = [Finding("ok", "Access token renewed")]
    tries = [partial(provider.check, options, secret)] if provider.check else []
    if provider.incoming:
        tries.append(partial(provider.incoming.check, options, incoming_secret))
    # Side by side: each may take its twenty seconds. They ask the network alone, not the database.
    with ThreadPoolExecutor(max_workers=len(tries)) as pool:
        findings = tuple(renewed) + tuple(
            finding for found in [pool.submit(one) for one in tries] for finding in found.result()
        )
    limits.take(limits.CHANNEL_CHECK, account)
    return Check(findings, channel.connection_mark, database_time.now())


def _not_renewed(error: ChannelError) -> Finding:
    remedy = "Look at the token address, the application's id and its secret."
    if isinstance(error, SignedOut):
        remedy = "Sign in at your mail provider again and enter the new refresh token."
    return Finding("bad", "Access token not renewed", error.response or str(error), remedy)


def save_channel(*, channel: Channel, actor: User, changed: Sequence[str], found: Check | None = None) -> Channel:
    """Save it, with what a check of the same entries found. Raises CannotWork (422) if it is to be on and cannot work,
    Invalid (422) for a setting that is none, Conflict (409) for an address that another channel or account has."""
    with transaction.atomic():
        stored = Channel.objects.select_for_update(of=("self",)).filter(account_id=channel.account_id, pk=channel.pk)
        keep_secret_before(channel, stored.first())
        if found is not None and found.mark == channel.connection_mark:
            channel.checked = [dataclasses.asdict(finding) for finding in found.findings]
            channel.checked_at = found.at
            channel.checked_as = found.mark if found.has_passed else ""
            if found.has_passed and channel.pk:
                breaker.try_now(channel)
        elif not channel.is_proved:
            channel.checked_as = ""  # it was another connection that passed
        same = Channel.objects.filter(account_id=channel.account_id, type=channel.type, external_id=channel.external_id)
        if same.exclude(pk=channel.pk).exists():
            raise Conflict("Another channel of this account has this address or id already. Nothing was saved.")
        try:
            channel.full_clean(
                exclude=["account", "credentials", "incoming_credentials", "client_secret", "refresh_token"]
            )
        except ValidationError as error:
            kind = CannotWork if "is_active" in error.message_dict else Invalid
            raise kind(f"{' '.join(error.messages)} Nothing was saved.") from error
        try:
            with transaction.atomic():
                channel.save()
        except IntegrityError as error:
            # Somebody was first between the form's look and the database's.
            if "channel_claims" not in str(error) and "cannot be used" not in str(error):
                raise
            raise Conflict(routing.UNUSABLE) from error
        data = {"what": f"channel {channel}"[:120], "name": str(channel)[:120], "fields": ", ".join(changed)}
        audit.record(audit.Kind.CHANNEL_CHANGED, actor=actor, about=channel, data=data)
    return channel


def keep_check(*, channel: Channel, found: Check) -> None:
    """What a check of unsaved entries found is kept with its time; only that of the saved entries counts for them."""
    stored = Channel.objects.get(account_id=channel.account_id, pk=channel.pk)
    stored.checked = [dataclasses.asdict(finding) for finding in found.findings]
    stored.checked_at = found.at
    if found.mark == stored.connection_mark:
        stored.checked_as = found.mark if found.has_passed else ""
        if found.has_passed:
            breaker.try_now(stored)
    stored.save(update_fields=["checked", "checked_at", "checked_as"])


def who_may_be_tested(account_id: uuid.UUID) -> list[str]:
    """The proven addresses of members: a test goes to nobody else."""
    rows = Membership.objects.filter(account_id=account_id, is_active=True, user__is_active=True)
    return addresses.proven_of(list(rows.values_list("user_id", flat=True)))


def test_places(channel: Channel) -> list[str]:
    """Where a test of this channel may go: proven addresses of members, or the places that its settings name."""
    trial = channel.provided_by.trial
    if trial is not None:
        return list(trial.places(channel.options))
    return who_may_be_tested(channel.account_id) if channel.provided_by.by_address else []


def send_test(*, channel: Channel, to: str, actor: User) -> None:
    """One message through this channel, marked as a test, to a member's proven address, or to a place that its settings
    name. Kept in the trail however it ends.

    Raises Invalid (422) for an address that is none of these, or a channel that cannot send; TooMany (429); Conflict (409)
    if the server did not take it, in the server's own words.
    """
    trial = channel.provided_by.trial
    address = to.strip() if trial else to.strip().lower()
    if address not in test_places(channel):
        where = "to what the saved settings name" if trial else "to a proven address of a person of this account"
        raise Invalid(f"A test goes only {where}. Nothing was sent.")
    if channel.missing:
        raise Invalid("This channel cannot send a test as it stands. Nothing was sent.")
    if not channel.is_proved:
        # Else a test would show what stands behind the installation's wall, which a check may not look at.
        raise Invalid("Its connection has to pass a check first. Nothing was sent.")
    limits.look(limits.CHANNEL_TEST, str(channel.account_id))
    at = database_time.now()
    try:
        mail = _test_mail(channel, address, at)
        if trial:
            trial.send(channel.options, access.sending_secret(channel), address, mail.body_text)
        else:
            adapter_of(channel).send(mail, before_handover=lambda: None)
    except ChannelError as error:
        _record_test(channel, actor, "it was not taken")
        said = f" The server said: {error.response}" if error.response else ""
        raise Conflict(f"{error}{said}") from error
    finally:
        limits.take(limits.CHANNEL_TEST, str(channel.account_id))
    channel.tested_at, channel.tested_to, channel.test_arrived_at = at, address, None
    channel.save(update_fields=["tested_at", "tested_to", "test_arrived_at"])
    _record_test(channel, actor, "the server took it")


def _test_mail(channel: Channel, to: str, at: datetime) -> Outbound:
    token = signing.dumps([str(channel.account_id), str(channel.pk), at.isoformat()], salt=SALT)
    link = address_of(f"/channel-tests/{token}/")
    name = channel.options.sender_name or channel.account.options.reply_name or channel.account.name
    return Outbound(
        message_id=channel.provided_by.ids.make(new_id()),
        sender=Party(channel.sends_as, name),
        to=(Party(to),),
        subject=f"Test of the channel {channel.name}",
        body_text=(
            f"This is a test. It left through the channel {channel.name}, as replies to customers do.\n\n"
            f"Say that it arrived: {link}\n\nNobody else was sent anything."
        ),
        automatic=True,
    )


def try_now(*, channel_id: uuid.UUID, actor: User) -> Channel:
    """End a channel's pause: the reply that waits longest tries it, and all others go when it answers.

    Raises Channel.DoesNotExist (404), PermissionDenied (403), Conflict (409) if it is not paused.
    """
    with transaction.atomic():
        channel: Channel = Channel.objects.get(pk=channel_id)
        roles.check(actor, roles.Verb.MANAGE, account_id=channel.account_id)
        was_paused, was_signed_out = breaker.try_now(channel), access.try_again(channel)
        if not (was_paused or was_signed_out):
            raise Conflict(f"{channel.name} is not paused: it is tried, or works already. Nothing was changed.")
        outbox.wake_first(channel)
        audit.record(audit.Kind.CHANNEL_TRIED, actor=actor, about=channel, data={"name": channel.name[:120]})
    return channel


def _record_test(channel: Channel, actor: User, outcome: str) -> None:
    data: dict[str, Any] = {"name": channel.name[:120], "outcome": outcome}
    audit.record(audit.Kind.CHANNEL_TESTED, actor=actor, about=channel, data=data)


def test_of(token: str) -> Channel | None:
    """The channel whose newest test this link came with, None for every other link."""
    try:
        account_id, channel_id, at = signing.loads(token, salt=SALT, max_age=LINK_SECONDS)
    except (signing.BadSignature, ValueError):
        return None
    with tenant_context(account_id):
        found = Channel.objects.filter(pk=channel_id, tested_at=datetime.fromisoformat(at))
        return found.select_related("account").first()


def note_arrival(channel: Channel) -> None:
    """Somebody holds the test in their hands."""
    with tenant_context(channel.account_id):
        rows = Channel.objects.filter(pk=channel.pk, tested_at=channel.tested_at, test_arrived_at=None)
        rows.update(test_arrived_at=database_time.now())
