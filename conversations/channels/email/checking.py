"""Whether a mail server takes us: found, connected, encrypted, signed in. Nothing is sent."""

from __future__ import annotations

import contextlib
import dataclasses
import smtplib
import ssl as tls
import time
from collections.abc import Callable, Sequence

from django.conf import settings as conf

from conversations.channels.base import ChannelError
from conversations.channels.email.settings import MailSettings
from conversations.channels.email.smtp import SmtpAdapter, open_smtp
from conversations.channels.provider import Finding
from conversations.channels.reach import Unreachable, address_behind

SECONDS = 20.0


def missing(settings: MailSettings, secret: str) -> Sequence[str]:
    """The fields without which no reply leaves. Where all mail goes to the installation's own server, none is needed."""
    if conf.SMTP_OVERRIDE:
        return []
    found = [] if settings.smtp_host else ["smtp_host"]
    if settings.grant and not settings.oauth_token_url:
        found.append("oauth_token_url")
    return [*found, "credentials"] if settings.smtp_user and not secret else found


def missing_imap(settings: MailSettings, secret: str) -> Sequence[str]:
    """The fields without which no mail is fetched, where it is to be."""
    if not settings.imap_host:
        return []
    found = [] if settings.imap_user or settings.smtp_user else ["imap_user"]
    return found if secret else [*found, "incoming_credentials"]


def check_smtp(settings: MailSettings, secret: str) -> Sequence[Finding]:
    """One line for each step, in order, all within SECONDS; what comes after a failure was not tried."""
    ends = time.monotonic() + SECONDS
    adapter = open_smtp(settings, secret)
    where = f"{adapter.host}:{adapter.port}"
    steps = ["Found", "Connected", "Encrypted", "Signed in"]
    found: list[Finding] = []
    try:
        if not conf.SMTP_OVERRIDE:  # the installation's own server may stand anywhere
            address = address_behind(adapter.host, adapter.port, seconds=SECONDS / 2)
            adapter = dataclasses.replace(adapter, address=address)
        found.append(Finding("ok", "Server found", where))
    except Unreachable as error:
        found.append(Finding("bad", error.title, remedy=error.remedy))
        return not_tried(found, steps[1:])
    adapter = dataclasses.replace(
        adapter, timeout_seconds=max(1.0, min(adapter.timeout_seconds, ends - time.monotonic()))
    )
    with contextlib.ExitStack() as stack:
        for step, act in _acts(adapter, stack):
            try:
                found.append(act())
            except ChannelError as error:
                found.append(_failed(step, adapter, error))
                return not_tried(found, steps[steps.index(step) + 1 :])
    return found


def _acts(adapter: SmtpAdapter, stack: contextlib.ExitStack) -> list[tuple[str, Callable[[], Finding]]]:
    sessions: list[smtplib.SMTP] = []

    def connect() -> Finding:
        sessions.append(stack.enter_context(adapter.session()))
        adapter.greet(sessions[0])
        return Finding("ok", "Connected", "The server greets back.")

    def encrypt() -> Finding:
        if adapter.starttls:
            adapter.encrypt(sessions[0])
        elif not adapter.ssl:
            return Finding(
                "warn", "Not encrypted", "Everything travels in the clear.", "Use STARTTLS or TLS if you can."
            )
        return Finding("ok", "Encrypted", certificate_of(sessions[0].sock))

    def log_in() -> Finding:
        if not adapter.user:
            return Finding("ok", "No sign-in", "No user is set, so the server is not asked for a sign-in.")
        adapter.log_in(sessions[0])
        return Finding("ok", "Signed in", f"As {adapter.user}")

    return [("Connected", connect), ("Encrypted", encrypt), ("Signed in", log_in)]


def certificate_of(sock: object) -> str:
    """Until when the certificate of an encrypted connection is good, in words."""
    until = (sock.getpeercert() or {}).get("notAfter", "") if isinstance(sock, tls.SSLSocket) else ""
    return f"Certificate until {until}" if until else ""


def not_tried(found: list[Finding], steps: Sequence[str]) -> list[Finding]:
    """What was found, and what was not tried because of it."""
    return [*found, *(Finding("no", step, "Not tried.") for step in steps)]


def _failed(step: str, adapter: SmtpAdapter, error: ChannelError) -> Finding:
    """What went wrong in the server's own words, and what mostly helps."""
    cause = error.__cause__
    where = f"{adapter.host}:{adapter.port}"
    if step == "Signed in":
        return Finding(
            "bad",
            "Not signed in",
            f"{where} answered {error.response}" if error.response else _words(cause),
            "Enter user and password again. Many providers take an app password, not the one you sign in with.",
        )
    if isinstance(cause, TimeoutError):
        title, remedy = f"Nothing answered at {where}", "Look at the name and the port. Your entries are kept."
    elif isinstance(cause, ConnectionRefusedError):
        title, remedy = f"{where} refused the connection", "Mostly it is another port: 587 with STARTTLS, 465 with TLS."
    elif isinstance(cause, tls.SSLCertVerificationError):
        title, remedy = (
            f"The certificate of {adapter.host} was not accepted",
            "Enter the name that its certificate is for.",
        )
    elif isinstance(cause, tls.SSLError):
        title, remedy = "Encryption did not begin", "Use TLS with port 465 and STARTTLS with port 587."
    elif isinstance(cause, smtplib.SMTPNotSupportedError):
        title, remedy = "The server offers no STARTTLS", "Use TLS with port 465."
    else:
        title, remedy = (
            f"{where} did not answer as a mail server does",
            "Look at the name, the port and the encryption.",
        )
    return Finding("bad", title, error.response or _words(cause), remedy)


def _words(cause: BaseException | None) -> str:
    if isinstance(cause, tls.SSLCertVerificationError):
        return str(cause.verify_message)[:200]
    if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, tls.SSLError):
        return cause.strerror[:200]
    return " ".join(str(cause or "").split())[:200]
