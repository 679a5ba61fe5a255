"""Mail out: one approved reply becomes RFC 5322 bytes and is handed to an SMTP server (RFC 5321), once.

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
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, quote

from django.conf import settings as conf

from conversations import database_time
from conversations.channels.addresses import join_address, split_address
from conversations.channels.base import ChannelError, Failure, File, Outbound, Party, Receipt
from conversations.channels.email.ids import is_message_id
from conversations.channels.email.settings import MailSettings
from conversations.channels.lines import CONTROL
from conversations.failpoints import failpoint

# Seven bits: the mail passes every server unchanged, whether or not it offers 8BITMIME.
_POLICY = SMTP.clone(cte_type="7bit")
_MIME_TYPE = re.compile(r"[\w.+-]{1,80}/[\w.+-]{1,120}", re.ASCII)
_PLAIN = re.compile(r"[ -~]{0,300}")
# A dot-atom (RFC 5322 section 3.2.3) at a host name.
_PLAIN_ADDRESS = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII
)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_SURROGATE = re.compile("[\ud800-\udfff]")

#: RFC 3834 section 5, and what Exchange looks at: nobody's program answers what no person approved. Bounces still come.
_AUTOMATIC = [
    ("Auto-Submitted", "auto-generated"),
    ("X-Auto-Response-Suppress", "DR, OOF, AutoReply, RN, NRN"),
]


class CannotBeMail(ChannelError):
    """What was approved does not fit into a mail; `reason` says why without saying when."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(Failure.PERMANENT, detail)
        self.reason = reason


def build_mail(outbound: Outbound) -> bytes:
    """Return the mail as bytes with CRLF line ends: text, HTML as its alternative, files.

    Raises `ChannelError(PERMANENT)` when a value cannot stand in a header (a line break, a bad address or id): such a
    mail is never repaired silently, because what people approved is what is sent.
    """
    _check(outbound)
    message = EmailMessage(policy=_POLICY)
    try:
        message["Subject"] = outbound.subject
        message["Date"] = format_datetime(database_time.now())
        message.set_content(outbound.body_text, charset="utf-8")
        if outbound.body_html:
            message.add_alternative(outbound.body_html, subtype="html", charset="utf-8")
            html = message.get_payload()[-1]  # type: ignore[index]
            for file in outbound.files:
                if _is_inline(outbound, file):
                    _attach(html, file)  # type: ignore[arg-type]
        for file in outbound.files:
            if not _is_inline(outbound, file):
                _attach(message, file)
        content = message.as_bytes()
    except (ValueError, LookupError, TypeError, IndexError) as error:
        raise CannotBeMail(str(error), f"The mail could not be built and was not sent: {error}") from error
    # Written by hand: the standard library folds what is long into encoded words, also ids and the commas between two
    # addresses, which no mail client reads as such. UTF-8 stands only in an address that has no other form (RFC 6532);
    # the server must then offer SMTPUTF8.
    fields = [
        ("Message-ID", outbound.message_id),
        ("In-Reply-To", outbound.in_reply_to),
        ("References", "\r\n ".join(outbound.references)),
        ("From", _mailboxes(outbound.sender)),
        ("To", _mailboxes(*outbound.to)),
        ("Cc", _mailboxes(*outbound.cc)),
    ]
    if outbound.automatic:
        fields += _AUTOMATIC
    head = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
    return head.encode() + content


def _check(outbound: Outbound) -> None:
    parties = (outbound.sender, *outbound.to, *outbound.cc)
    lines = [outbound.subject, *(party.name for party in parties), *(party.address for party in parties)]
    lines += [text for file in outbound.files for text in (file.file_name, file.mime_type, file.content_id)]
    if any(CONTROL.search(line) for line in lines):
        raise _refused("a name, an address, the subject or a file name contains a line break or a control character")
    if any(_SURROGATE.search(line) for line in lines):
        raise _refused("a name, an address, the subject or a file name contains half of a character")
    ids = [outbound.message_id, *(id_ for id_ in (outbound.in_reply_to, *outbound.references) if id_)]
    if outbound.return_path and not split_address(outbound.return_path):
        raise _refused("its return path is not an address")
    if not all(is_message_id(id_) for id_ in ids):
        raise _refused("a message id is not of the form <left@right>")
    if not outbound.to and not outbound.cc:
        raise _refused("it has no recipient")
    for party in parties:
        _parts(party.address)


def _is_plain(outbound: Outbound) -> bool:
    """Whether a checked reply is such that a mail can always be built of it: pages ask often, building takes 0.7 ms."""
    parties = (outbound.sender, *outbound.to, *outbound.cc)
    lines = (outbound.subject, *(party.name for party in parties))
    return (
        not (outbound.body_html or outbound.files)
        and all(_PLAIN.fullmatch(line) for line in lines)
        and all(_PLAIN_ADDRESS.fullmatch(party.address) for party in parties)
        and not _SURROGATE.search(outbound.body_text)
    )


def _refused(reason: str) -> CannotBeMail:
    return CannotBeMail(reason, f"The mail was not sent: {reason}. Correct it and approve again.")


def _mailboxes(*parties: Party) -> str:
    return ",\r\n ".join(_mailbox(party) for party in parties)


def _mailbox(party: Party) -> str:
    """`Name <address>` (RFC 5322 section 3.4), the name as atoms, in quotes, or in encoded words (RFC 2047 section 5)."""
    address = _wire_address(party.address)
    if not party.name:
        return address
    if not party.name.isascii() or "=?" in party.name:
        name = Header(party.name, "utf-8").encode(linesep="\r\n")
    elif _ATOMS.fullmatch(party.name):
        name = party.name
    else:
        name = f'"{quote(party.name)}"'
    return f"{name} <{address}>"


def _wire_address(address: str) -> str:
    """Return the address as it travels: a domain of other letters in its ASCII form (RFC 5891), so any server takes it.

    By IDNA 2008: the codec of the standard library knows IDNA 2003, in which straße.example is strasse.example, which may
    be somebody else's.
    """
    return join_address(*_parts(address))


def _parts(address: str) -> tuple[str, str]:
    parts = split_address(address)
    if parts is None:
        local, _, domain = address.rpartition("@")
        if " " not in domain and split_address(f"{local}@example.com"):
            raise _refused(f"“{domain[:80]}” is not a domain")
        raise _refused(f"“{address[:80]}” is not an address that mail can be sent to")
    return parts


def _is_inline(outbound: Outbound, file: File) -> bool:
    return bool(outbound.body_html and file.inline and file.content_id)


def _attach(message: EmailMessage, file: File) -> None:
    kind = file.mime_type if _MIME_TYPE.fullmatch(file.mime_type) else "application/octet-stream"
    main, _, sub = kind.partition("/")
    if main in {"message", "multipart"}:  # these may not be base64, and their content is not ours to vouch for
        main, sub = "application", "octet-stream"
    if file.inline and file.content_id:
        content_id = f"<{file.content_id.strip('<>')}>"
        message.add_related(
            file.content, maintype=main, subtype=sub, cid=content_id, filename=file.file_name, disposition="inline"
        )
    else:
        message.add_attachment(file.content, maintype=main, subtype=sub, filename=file.file_name)


@dataclass(frozen=True, slots=True)
class SmtpAdapter:
    """Hands mails to one SMTP server.

    `ssl` speaks TLS from the first byte (port 465), `starttls` upgrades and refuses to go on in the clear.
    `timeout_seconds` bounds the whole call after the connection stands, so that it ends before the sender's lease.
    `tls_context` replaces the system's trust store.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = False
    ssl: bool = False
    timeout_seconds: float = 30.0
    tls_context: tls.SSLContext | None = field(default=None, repr=False)

    def problems(self, outbound: Outbound) -> Sequence[str]:
        """Why it cannot become a mail: it is built, and nobody is called."""
        try:
            _check(outbound)
            if not _is_plain(outbound):
                build_mail(outbound)
        except CannotBeMail as error:
            return [f"It cannot be sent as a mail: {error.reason}."]
        return []

    def send(self, outbound: Outbound, *, before_handover: Callable[[], None]) -> Receipt:
        """Hand `outbound` over once; all recipients are accepted or nothing is sent.

        `before_handover` is called when the text is written and only the final dot is missing, the byte with which the
        server may take the mail; when it raises, the connection is dropped and nothing was sent. Raises `ChannelError`:

        - PERMANENT: the mail cannot be built, or the server answered 5xx to the session, the envelope or the mail.
        - TRANSIENT: everything else before the final dot, and an explicit 4xx after it. A refused login counts as
          transient although it is 5xx: the fault is the channel's password, not the mail, and once an administrator
          has corrected it every waiting reply must go out by itself.
        - UNCERTAIN: the final dot was written and no valid answer came back (RFC 5321 section 4.5.3.2.6).
        """
        failpoint("smtp.before_connect")
        content = build_mail(outbound)
        recipients = list(dict.fromkeys(_wire_address(party.address) for party in (*outbound.to, *outbound.cc)))
        with self._session() as smtp:
            failpoint("smtp.connected")
            self._open(smtp)
            sender = _wire_address(outbound.return_path or outbound.sender.address)
            self._envelope(smtp, sender, recipients, size=len(content))
            with _before_the_dot("asking to send"):
                _expect(smtp.docmd("DATA"), {354}, "asking to send")
            with _before_the_dot("sending the text"):
                smtp.send(_dot_stuffed(content))
            before_handover()
            failpoint("smtp.handing_over")
            return self._finish(smtp, outbound)

    @contextlib.contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        with _before_the_dot("connecting"):
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
            answer = smtp.connect(self.host, self.port)
        # A server that answers a byte now and then would stretch the socket's own timeout without end.
        deadline = threading.Timer(self.timeout_seconds, _hang_up, args=(smtp,))
        deadline.daemon = True
        deadline.start()
        try:
            _expect(answer, {220}, "connecting")
            yield smtp
        finally:
            deadline.cancel()
            smtp.close()

    def _open(self, smtp: smtplib.SMTP) -> None:
        with _before_the_dot("greeting the server"):
            smtp.ehlo_or_helo_if_needed()
        if self.starttls:
            with _before_the_dot("switching to encryption"):
                context = self.tls_context or tls.create_default_context()
                smtp.starttls(context=context)
                smtp.ehlo_or_helo_if_needed()
        if self.user:
            try:
                with _before_the_dot("logging in"):
                    smtp.login(self.user, self.password)
            except (smtplib.SMTPAuthenticationError, UnicodeError) as error:
                _quit(smtp)
                response = (
                    _response(error.smtp_code, error.smtp_error)
                    if isinstance(error, smtplib.SMTPResponseException)
                    else ""
                )
                detail = "The mail server refused the login. Nothing was sent; correct the channel's user and password."
                raise ChannelError(Failure.TRANSIENT, detail, response=response) from error

    def _envelope(self, smtp: smtplib.SMTP, sender: str, recipients: list[str], *, size: int) -> None:
        options = [f"SIZE={size}"] if smtp.has_extn("size") else []
        if not all(address.isascii() for address in (sender, *recipients)):
            if not smtp.has_extn("smtputf8"):
                _quit(smtp)
                raise _refused("the mail server cannot send to addresses with such letters")
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
            raise ChannelError(Failure.PERMANENT if permanent else Failure.TRANSIENT, detail, response=listed)

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
            raise ChannelError(failure, detail, response=response)
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
        starttls=security == "starttls",
        ssl=security == "tls",
        timeout_seconds=conf.SMTP_TIMEOUT_SECONDS,
    )


@contextlib.contextmanager
def _before_the_dot(stage: str) -> Iterator[None]:
    """Turn every failure of the connection into TRANSIENT: the server cannot have taken the mail yet."""
    try:
        yield
    except smtplib.SMTPAuthenticationError:
        raise
    except smtplib.SMTPResponseException as error:  # an answer to EHLO or STARTTLS
        response = _response(error.smtp_code, error.smtp_error)
        permanent = isinstance(error, smtplib.SMTPHeloError) and 500 <= error.smtp_code < 600
        detail = f"The mail server refused while {stage}. Nothing was sent."
        raise ChannelError(Failure.PERMANENT if permanent else Failure.TRANSIENT, detail, response=response) from error
    except (OSError, smtplib.SMTPException) as error:
        detail = f"The mail server could not be used while {stage} ({_reason(error)}). Nothing was sent."
        raise ChannelError(Failure.TRANSIENT, detail) from error


def _expect(answer: tuple[int, bytes], wanted: set[int], stage: str, smtp: smtplib.SMTP | None = None) -> None:
    code, text = answer
    if code in wanted:
        return
    if smtp is not None:
        _quit(smtp)
    failure = Failure.PERMANENT if 500 <= code < 600 else Failure.TRANSIENT
    detail = f"The mail server refused while {stage}. Nothing was sent."
    raise ChannelError(failure, detail, response=_response(code, text))


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
