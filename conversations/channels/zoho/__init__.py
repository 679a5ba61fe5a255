"""Zoho Desk: threads of tickets come by webhook and are read by its API; replies leave as threads of the ticket."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from conversations.channels.base import Event
from conversations.channels.provider import ChannelType, Hooks, Incoming, Limits, Provider, Section
from conversations.channels.zoho.checking import check, missing
from conversations.channels.zoho.facts import MOST_CHARS
from conversations.channels.zoho.files import fetch_file
from conversations.channels.zoho.gaps import Source
from conversations.channels.zoho.sending import ZohoAdapter
from conversations.channels.zoho.settings import ZohoSettings
from conversations.channels.zoho.signature import signer, verify
from conversations.channels.zoho.threads import ask


def _unread(raw: bytes, settings: ZohoSettings) -> Sequence[Event]:
    raise LookupError("A post of Zoho Desk is read by asking it.")


ZOHO = Provider(
    key="zoho",
    type=ChannelType.ZOHO,
    label="Zoho Desk",
    icon="ticket",
    limits=Limits(text=MOST_CHARS),
    settings=ZohoSettings,
    fetch_file=fetch_file,
    open=ZohoAdapter,
    threads=True,
    about="Tickets of your Zoho Desk. Replies leave there, as mails of the ticket.",
    needs="the organisation's id, a self client with its secret, and a webhook",
    external=("Address replies come from", "One of the “from” addresses of your Zoho Desk."),
    sections=(
        Section(
            "desk",
            "Your Zoho Desk",
            "Zoho posts what happens to this channel's own address. What it says is asked for there, with a token.",
            ("region", "organisation", "webhook", "departments"),
        ),
        Section(
            "tokens",
            "Signing in",
            "A token is good for an hour and is renewed with these. They come from Zoho's API console.",
            ("client_id", "client_secret", "refresh_token"),
        ),
    ),
    connection=("region", "organisation"),
    missing=missing,
    check=check,
    grant=lambda settings: settings.grant,
    incoming=Incoming(
        asks_for="",
        open=lambda settings, secret: Source(settings, secret) if settings.organisation else None,
        missing=lambda settings, secret: [],
        check=lambda settings, secret: [],
        connection=("organisation",),
        as_sent=True,
        every=timedelta(minutes=5),
    ),
    hooks=Hooks(asks_for="", verify=verify, parse=_unread, signed_by=signer, ask=ask),
)
