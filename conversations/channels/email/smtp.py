"""Mail out: one approved reply, built as a mail (`building`), is handed to an SMTP server (RFC 5321), once.

SMTP has no idempotency key, so what matters is to know for every failure whether the server may have taken the mail.
It can only have once the dot that ends DATA was written: before it every failure is provably harmless.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl as tls
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from django.conf import settings as conf

from conversations.channels.base import ChannelError, Failure, Outbound, Receipt, SignInRefused
from conversations.channels.email.building import CannotBeMail, build_mail, cannot, check, is_plain, wire_address
from conversations.channels.email.settings import MailSettings, SignIn
from conversations.failpoints import failpoint

#: "Service not available, closing transmission channel" (RFC 5321 section 3.8), at whatever moment.
_CLOSING = 421


@dataclass(frozen=True, slots=True)
class SmtpAdapter:
    """Hands mails to one SMTP server.

    `ssl` speaks TLS from the first byte (port 465), `starttls` upgrades and refuses to go on in the clear.
    `timeout_seconds` bounds the whole call after the connection stands, so that it ends before the sender's lease.
    `tls_context` replaces the system's trust store. `address` is where to connect, if the name was looked up before.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    sign_in: SignIn = "password"
    starttls: bool = False
    ssl: bool = False
    timeout_seconds: float = 30.0
    tls_context: tls.SSLContext | None = field(default=None, repr=False)
    address: str = ""

    def problems(self, outbound: Outbound) -> Sequence[str]:
        """Why it cannot become a mail: it is built, and nobody is called."""
        try:
            check(outbound)
            if not is_plain(outbound):
                build_mail(outbound)
        except CannotBeMail as error:
            return [f"It cannot be sent as a mail: {error.reason}."]
        return []

    def send(self, outbound: Outbound, *, before_handover: Callable[[], None]) -> Receipt:
        """Hand `outbound` over once; all recipients are accepted or nothing is sent.

        `before_handover` is called when the text is written and only the final dot is missing, the byte with which the
        server may take the mail; when it raises, the connection is dropped and nothing was sent. Raises `ChannelError`:

        - PERMANENT: the mail cannot be built, or the server answered 5xx to the envelope or the mail.
        - TRANSIENT: everything else before the final dot, and an explicit 4xx after it. Until the envelope is named it is
          the channel's fault, also a 5xx: no mail was looked at yet, so the server is away or the password is wrong, and
          once that is put right every waiting reply must go out by itself. So is 421 ("closing") at any time.
        - UNCERTAIN: the final dot was written and no valid answer came back (RFC 5321 section 4.5.3.2.6).
        """
        failpoint("smtp.before_connect")
        content = build_mail(outbound)
        everybody = (*outbound.to, *outbound.cc, *outbound.bcc)
        recipients = list(dict.fromkeys(wire_address(party.address) for party in everybody))
        with self.session() as smtp:
            failpoint("smtp.connected")
            self._open(smtp)
            sender = wire_address(outbound.return_path or outbound.sender.address)
            self._envelope(smtp, sender, recipients, size=len(content))
            with _before_the_dot("asking to send"):
                _expect(smtp.docmd("DATA"), {354}, "asking to send")
            with _before_the_dot("sending the text"):
                smtp.send(_dot_stuffed(content))
            before_handover()
            failpoint("smtp.handing_over")
            return self._finish(smtp, outbound)

    @contextlib.contextmanager
    def session(self) -> Iterator[smtplib.SMTP]:
        with _before_the_dot("connecting", channel_fault=True):
            # Its own name for EHLO: the default asks the DNS for it, which can hang.
            hello = socket.gethostname() or "localhost"
            smtp: smtplib.SMTP
            if self.ssl:
                context = self.tls_context or tls.create_default_context()
                smtp = smtplib.SMTP_SSL(local_hostname=hello, timeout=self.timeout_seconds, context=context)
            else:
                smtp = smtplib.SMTP(local_hostname=hello, timeout=self.timeout_seconds)
            # smtplib needs the name for the certificate when it is not given to the constructor.
            smtp._host = self.host  # type: ignore[attr-defined]
            answer = smtp.connect(self.address or self.host, self.port)
        # A server that answers a byte now and then would stretch the socket's own timeout without end.
        deadline = threading.Timer(self.timeout_seconds, _hang_up, args=(smtp,))
        deadline.daemon = True
        deadline.start()
        try:
            _expect(answer, {220}, "connecting", channel_fault=True)
            yield smtp
        finally:
            deadline.cancel()
            smtp.close()

    def _open(self, smtp: smtplib.SMTP) -> None:
        self.greet(smtp)
        if self.starttls:
            self.encrypt(smtp)
        if self.user:
            self.log_in(smtp)

    def greet(self, smtp: smtplib.SMTP) -> None:
        with _before_the_dot("greeting the server", channel_fault=True):
            smtp.ehlo_or_helo_if_needed()

    def encrypt(self, smtp: smtplib.SMTP) -> None:
        with _before_the_dot("switching to encryption", channel_fault=True):
            context = self.tls_context or tls.create_default_context()
            smtp.starttls(context=context)
            smtp.ehlo_or_helo_if_needed()

    def log_in(self, smtp: smtplib.SMTP) -> None:
        try:
            with _before_the_dot("logging in", channel_fault=True):
                if self.sign_in == "password":
                    smtp.login(self.user, self.password)
                else:
                    smtp.ehlo_or_helo_if_needed()
                    smtp.auth(self.sign_in.upper(), self._token)
        except (smtplib.SMTPAuthenticationError, UnicodeError) as error:
            _quit(smtp)
            response = (
                _response(error.smtp_code, error.smtp_error) if isinstance(error, smtplib.SMTPResponseException) else ""
            )
            detail = "The mail server refused the login. Nothing was sent; correct the channel's user and password."
            raise SignInRefused(detail, response=response) from error

    def _token(self, challenge: bytes | None = None) -> str:
        """An access token as the two mechanisms write it. To a challenge, which says what is wrong, the answer is empty."""
        if self.sign_in == "xoauth2":
            return "" if challenge is not None else f"user={self.user}\x01auth=Bearer {self.password}\x01\x01"
        user = self.user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
        where = f"host={self.host}\x01port={self.port}"
        return "\x01" if challenge is not None else f"n,a={user},\x01{where}\x01auth=Bearer {self.password}\x01\x01"

    def _envelope(self, smtp: smtplib.SMTP, sender: str, recipients: list[str], *, size: int) -> None:
        options = [f"SIZE={size}"] if smtp.has_extn("size") else []
        if not all(address.isascii() for address in (sender, *recipients)):
            if not smtp.has_extn("smtputf8"):
                _quit(smtp)
                raise cannot("the mail server cannot send to addresses with such letters")
            options.append("SMTPUTF8")
        with _before_the_dot("naming the sender"):
            _expect(smtp.mail(sender, options), {250}, "naming the sender", smtp)
        refused: list[tuple[int, str]] = []
        for recipient in recipients:
            with _before_the_dot("naming the recipients"):
                code, answer = smtp.rcpt(recipient)
            if code not in {250, 251}:
                refused.append((code, f"{recipient}: {_response(code, answer)}"))
            if code == 421:
                break
        if refused:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp.rset()
            _quit(smtp)
            permanent = any(500 <= code < 600 for code, _ in refused)
            listed = "; ".join(text for _, text in refused)
            detail = f"The mail server refused {len(refused)} of {len(recipients)} recipients; nobody got the mail."
            failure = Failure.PERMANENT if permanent else Failure.TRANSIENT
            closing = any(code == _CLOSING for code, _ in refused)
            raise ChannelError(failure, detail, response=listed, channel_fault=closing)

    def _finish(self, smtp: smtplib.SMTP, outbound: Outbound) -> Receipt:
        try:
            smtp.send(b".\r\n")
            failpoint("smtp.written")
            code, answer = smtp.getreply()
            failpoint("smtp.answered")
        except (OSError, smtplib.SMTPException) as error:
            raise _uncertain(f"the connection ended before the answer ({_reason(error)})") from error
        response = _response(code, answer)
        if 200 <= code < 300:
            _quit(smtp)
            return Receipt(provider_id=outbound.message_id, response=response[:500])
        if 400 <= code < 600:
            _quit(smtp)
            failure = Failure.TRANSIENT if code < 500 else Failure.PERMANENT
            detail = "The mail server refused the mail after reading it. Nobody got it."
            raise ChannelError(failure, detail, response=response, channel_fault=code == _CLOSING)
        raise _uncertain("the answer makes no sense", response=response)


def open_smtp(settings: MailSettings, secret: str) -> SmtpAdapter:
    """The adapter of a channel's own server; SMTP_OVERRIDE sends everything to another one, without its user."""
    host, port, security = settings.smtp_host, settings.smtp_port, settings.smtp_security
    if conf.SMTP_OVERRIDE:
        host, _, override_port = conf.SMTP_OVERRIDE.partition(":")
        port, security = int(override_port or 25), "none"
    return SmtpAdapter(
        host=host,
        port=port,
        user="" if conf.SMTP_OVERRIDE else settings.smtp_user,
        password=secret,
        sign_in=settings.smtp_sign_in,
        starttls=security == "starttls",
        ssl=security == "tls",
        timeout_seconds=conf.SMTP_TIMEOUT_SECONDS,
    )


@contextlib.contextmanager
def _before_the_dot(stage: str, *, channel_fault: bool = False) -> Iterator[None]:
    """Turn every failure of the connection into TRANSIENT: the server cannot have taken the mail yet."""
    try:
        yield
    except smtplib.SMTPAuthenticationError:
        raise
    except smtplib.SMTPResponseException as error:  # an answer to EHLO or STARTTLS
        response = _response(error.smtp_code, error.smtp_error)
        detail = f"The mail server refused while {stage}. Nothing was sent."
        raise ChannelError(Failure.TRANSIENT, detail, response=response, channel_fault=channel_fault) from error
    except (OSError, smtplib.SMTPException) as error:
        detail = f"The mail server could not be used while {stage} ({_reason(error)}). Nothing was sent."
        raise ChannelError(Failure.TRANSIENT, detail, channel_fault=channel_fault) from error


def _expect(
    answer: tuple[int, bytes],
    wanted: set[int],
    stage: str,
    smtp: smtplib.SMTP | None = None,
    *,
    channel_fault: bool = False,
) -> None:
    code, text = answer
    if code in wanted:
        return
    if smtp is not None:
        _quit(smtp)
    is_channels = channel_fault or code == _CLOSING
    failure = Failure.PERMANENT if 500 <= code < 600 and not is_channels else Failure.TRANSIENT
    detail = f"The mail server refused while {stage}. Nothing was sent."
    raise ChannelError(failure, detail, response=_response(code, text), channel_fault=is_channels)


def _uncertain(reason: str, *, response: str = "") -> ChannelError:
    detail = f"The mail was handed over, but {reason}. It may or may not have been sent; look before sending it again."
    return ChannelError(Failure.UNCERTAIN, detail, response=response)


def _dot_stuffed(content: bytes) -> bytes:
    """Double every leading dot and end with a line break (RFC 5321 section 4.5.2), without the final dot."""
    content = re.sub(rb"\r?\n", b"\r\n", content)
    content = re.sub(rb"(?m)^\.", b"..", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _quit(smtp: smtplib.SMTP) -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException):
        smtp.quit()


def _hang_up(smtp: smtplib.SMTP) -> None:
    sock = smtp.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _response(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}".strip()


def _reason(error: Exception) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__)[:200]
