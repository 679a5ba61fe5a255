"""Whether mail can be fetched: the server found, connected, encrypted, signed in, the folder opened. Nothing is changed."""

from __future__ import annotations

import contextlib
import dataclasses
import ssl as tls
import time
from collections.abc import Callable, Sequence

from imapclient import IMAPClient
from imapclient.exceptions import CapabilityError, IMAPClientError

from conversations.channels.base import ChannelError
from conversations.channels.email.checking import SECONDS, certificate_of, not_tried
from conversations.channels.email.imap import ImapSource, open_imap
from conversations.channels.email.settings import MailSettings
from conversations.channels.provider import Finding
from conversations.channels.reach import Unreachable, address_behind

STEPS = ("Mailbox: connected", "Mailbox: encrypted", "Mailbox: signed in", "Mailbox: folder opened")


def check_imap(settings: MailSettings, secret: str) -> Sequence[Finding]:
    """One line for each step, in order, all within SECONDS; none where no mail is fetched."""
    source = open_imap(settings, secret)
    if source is None:
        return []
    ends = time.monotonic() + SECONDS
    found: list[Finding] = []
    try:
        address = address_behind(source.host, source.port, seconds=SECONDS / 2)
        found.append(Finding("ok", "Mailbox: server found", f"{source.host}:{source.port}"))
    except Unreachable as error:
        return not_tried([Finding("bad", f"Mailbox: {error.title}", remedy=error.remedy)], STEPS)
    with contextlib.ExitStack() as stack:
        for at, (step, act) in enumerate(_acts(source, address, stack, ends)):
            try:
                found.append(act())
            except ChannelError as error:
                found.append(_failed(step, source, error))
                return not_tried(found, STEPS[at + 1 :])
    return found


def _acts(
    source: ImapSource, address: str, stack: contextlib.ExitStack, ends: float
) -> list[tuple[str, Callable[[], Finding]]]:
    clients: list[IMAPClient] = []

    def left() -> float:
        return max(1.0, min(source.timeout_seconds, ends - time.monotonic()))

    def connect() -> Finding:
        client = dataclasses.replace(source, address=address, timeout_seconds=left()).connect()
        clients.append(client)
        stack.callback(_goodbye, client)
        return Finding("ok", STEPS[0], "The server greets back.")

    def encrypt() -> Finding:
        source.encrypt(clients[0])
        if source.security == "none":
            return Finding("warn", "Mailbox: not encrypted", "Everything travels in the clear.", "Use TLS if you can.")
        return Finding("ok", STEPS[1], certificate_of(clients[0].socket()))

    def log_in() -> Finding:
        clients[0].socket().settimeout(left())
        source.log_in(clients[0])
        return Finding("ok", STEPS[2], f"As {source.user}")

    def look() -> Finding:
        clients[0].socket().settimeout(left())
        newest = source.examine(clients[0]).newest
        said = f"{source.folder}: {newest:,} mails came in so far." if newest else f"{source.folder}: no mail yet."
        return Finding("ok", STEPS[3], said)

    return list(zip(STEPS, (connect, encrypt, log_in, look), strict=True))


def _goodbye(client: IMAPClient) -> None:
    with contextlib.suppress(OSError, IMAPClientError):
        client.shutdown()


def _failed(step: str, source: ImapSource, error: ChannelError) -> Finding:
    """What went wrong in the server's own words, and what mostly helps."""
    cause, where = error.__cause__, f"{source.host}:{source.port}"
    if step == STEPS[2]:
        remedy = "Enter user and password again; many providers take an app password, not the one you sign in with."
        if source.sign_in != "password":
            remedy = "Fetch a new access token and enter it; mostly it has ended."
        return Finding("bad", "Mailbox: not signed in", error.response or str(error), remedy)
    if step == STEPS[3]:
        return Finding("bad", f"Mailbox: no folder {source.folder}", str(error), "Look at its name on the server.")
    if isinstance(cause, TimeoutError):
        title, remedy = f"nothing answered at {where}", "Look at the name and the port. Your entries are kept."
    elif isinstance(cause, ConnectionRefusedError):
        title, remedy = f"{where} refused the connection", "Mostly it is another port: 993 with TLS, 143 with STARTTLS."
    elif isinstance(cause, tls.SSLCertVerificationError):
        title, remedy = f"the certificate of {source.host} was not accepted", "Enter the name that it is for."
    elif isinstance(cause, tls.SSLError):
        title, remedy = "encryption did not begin", "Use TLS with port 993 and STARTTLS with port 143."
    elif isinstance(cause, CapabilityError):
        title, remedy = "the server offers no STARTTLS", "Use TLS with port 993."
    else:
        title, remedy = f"{where} did not answer as an IMAP server does", "Look at the name, port and encryption."
    return Finding("bad", f"Mailbox: {title}", str(error), remedy)
