"""E-mail: read from raw RFC 5322 bytes (`reading/`), sent by SMTP (`smtp.py`), joined by ids that we sign (`ids.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from conversations.channels.base import Inbound, Polls
from conversations.channels.email.checking import check_smtp, missing, missing_imap
from conversations.channels.email.ids import MailIds
from conversations.channels.email.presets import PRESETS
from conversations.channels.email.settings import MailSettings
from conversations.channels.email.smtp import open_smtp
from conversations.channels.provider import Arrival, ChannelType, Finding, Incoming, Limits, Provider, Section


def _read(arrival: Arrival, settings: MailSettings) -> Inbound:
    # Imported when the first mail is read: pages need none of the parser.
    from conversations.channels.email.reading.parse import parse_mail

    return parse_mail(
        arrival.raw,
        own_addresses=arrival.own_addresses,
        authserv_id=settings.authserv_id,
        recipient=arrival.recipient,
    )


def _open_imap(settings: MailSettings, secret: str) -> Polls | None:
    # Imported by whoever fetches: pages need none of it.
    from conversations.channels.email.imap import open_imap

    return open_imap(settings, secret)


def _check_imap(settings: MailSettings, secret: str) -> Sequence[Finding]:
    from conversations.channels.email.imap_checking import check_imap

    return check_imap(settings, secret)


SMTP = Provider(
    key="smtp",
    type=ChannelType.EMAIL,
    label="Email",
    icon="mail",
    # Servers announce a size of 25 MB or so, in base64; no reply of a person is longer than a million characters.
    limits=Limits(text=1_000_000, files=100, file_bytes=18_000_000),
    settings=MailSettings,
    secrets=("the SMTP password or token",),
    open=open_smtp,
    read=_read,
    ids=MailIds(),
    by_address=True,
    about="One mailbox that customers write to: fetched by IMAP or handed over; replies leave by SMTP.",
    needs="server name, user, password",
    external=("Address customers write to", "Mail is filed here by this address, so no other account can have it."),
    sections=(
        Section(
            "sending",
            "Sending",
            "Approved replies leave through this server.",
            ("smtp_host", "smtp_port", "smtp_security", "smtp_user", "smtp_sign_in", "credentials"),
        ),
        Section(
            "receiving",
            "Receiving",
            "Mail is fetched by IMAP, or your mail server hands it over on this installation. A folder is only read: what is "
            "marked, answered or deleted there stays yours, unless you want it marked as read.",
            (
                "imap_host",
                "imap_port",
                "imap_security",
                "imap_user",
                "imap_sign_in",
                "incoming_credentials",
                "imap_folder",
                "imap_since",
                "imap_marks_read",
                "imap_sent_folder",
                "imap_reads_sent",
            ),
        ),
        Section(
            "tokens",
            "Renewing tokens",
            "Only where the sign-in is an access token. With a refresh token tokens are renewed for the person who gave it, "
            "without one for the application itself.",
            ("oauth_token_url", "oauth_client_id", "client_secret", "oauth_scope", "refresh_token"),
        ),
        Section(
            "senders",
            "Senders",
            "What your mail server says of senders is believed as set here.",
            ("authserv_id", "server_checks", "signed_return_path", "signed_reply_to"),
        ),
    ),
    presets=PRESETS,
    connection=("smtp_host", "smtp_port", "smtp_security", "smtp_user"),
    grant=lambda settings: settings.grant,
    missing=missing,
    check=check_smtp,
    incoming=Incoming(
        asks_for="the IMAP password or token",
        open=_open_imap,
        missing=missing_imap,
        check=_check_imap,
        connection=("imap_host", "imap_port", "imap_security", "imap_user", "imap_sign_in", "imap_folder"),
        since=lambda settings: settings.history_since,
    ),
)
