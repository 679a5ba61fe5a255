"""Mail in: a folder of an IMAP server (RFC 9051, and RFC 3501 for most of them), read and not changed.

It is opened by EXAMINE and its mails are fetched by BODY.PEEK[], so that what is read, answered and deleted stays the owner's
(where a channel wants it, what was kept is marked as read).
"""

from __future__ import annotations

import contextlib
import dataclasses
import ssl as tls
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from django.conf import settings as conf
from imapclient import IMAPClient, SocketTimeout
from imapclient import imap4 as plain
from imapclient import tls as encrypted
from imapclient.exceptions import IMAPClientError, LoginError
from imapclient.imapclient import SEEN, SENT

from conversations.channels.base import ChannelError, Failure, Raw, SignInRefused
from conversations.channels.email.settings import MailSettings, SignIn

#: Seconds between two looks at a server that does not ring by itself.
ASKED_EVERY = 15.0


@dataclass(frozen=True, slots=True)
class ImapSource:
    """One folder of one server. `sent` is the folder of sent mail, "" for the one that the server marks. `address` is where to connect,
    if the name was looked up before."""

    host: str
    port: int
    user: str
    secret: str = field(repr=False)
    folder: str = "INBOX"
    sent: str = ""
    reads_sent: bool = False
    marks_read: bool = False
    security: Literal["tls", "starttls", "none"] = "tls"
    sign_in: SignIn = "password"
    timeout_seconds: float = 20.0
    address: str = ""
    tls_context: tls.SSLContext | None = field(default=None, repr=False)

    @contextlib.contextmanager
    def open(self) -> Iterator[ImapFolder]:
        """The folder, signed in, for reading. Whatever fails inside that is the server's is a `ChannelError`."""
        with self._signed_in() as client:
            yield self.examine(client, marks=self.marks_read)

    def find(self, message_id: str) -> str:
        """Where a mail of that id stands in the folder of sent mail; "" if it does not, or there is no such folder."""
        with self._signed_in() as client:
            name = self.sent_folder(client)
            if not name:
                return ""
            folder = dataclasses.replace(self, folder=name).examine(client)
            with _faults(f"Searching in {name}"):
                found = client.search(["HEADER", "Message-ID", message_id])
                found = found or client.search(["HEADER", "X-Countersign-Delivery", message_id])
            return f"Found in the folder {name} (number {max(found)} of {folder.generation})." if found else ""

    def sent_mail(self) -> SentMail | None:
        """The folder of sent mail, if it is to be read."""
        return SentMail(self) if self.reads_sent else None

    def sent_folder(self, client: IMAPClient) -> str:
        """The one that is set, else the one that the server marks with \\Sent (RFC 6154), or that is mostly called so."""
        with _faults("Looking for the folder of sent mail"):
            return self.sent or str(client.find_special_folder(SENT) or "")

    @contextlib.contextmanager
    def _signed_in(self) -> Iterator[IMAPClient]:
        client = self.connect()
        try:
            self.encrypt(client)
            self.log_in(client)
            yield client
        except BaseException:
            # Who does not answer would not answer to a goodbye either.
            _hang_up(client)
            raise
        with contextlib.suppress(OSError, IMAPClientError):
            client.logout()

    def connect(self) -> IMAPClient:
        with _faults(f"Connecting to {self.host}:{self.port}"):
            return _Client(
                self.host,
                self.port,
                ssl=self.security == "tls",
                ssl_context=self.tls_context,
                timeout=SocketTimeout(self.timeout_seconds, self.timeout_seconds),
                address=self.address,
            )

    def encrypt(self, client: IMAPClient) -> None:
        """Never in the clear where encryption is asked for."""
        if self.security == "starttls":
            with _faults("Switching to encryption"):
                client.starttls(self.tls_context or tls.create_default_context())

    def log_in(self, client: IMAPClient) -> None:
        with _faults("Signing in"):
            if self.sign_in == "xoauth2":
                client.oauth2_login(self.user, self.secret)
            elif self.sign_in == "oauthbearer":
                client.oauthbearer_login(self.user, self.secret)
            else:
                client.login(self.user, self.secret)

    def examine(self, client: IMAPClient, *, marks: bool = False) -> ImapFolder:
        """Open it for reading, and only where mails are to be marked as read for that too."""
        with _faults(f"Opening the folder {self.folder}"):
            said = client.select_folder(self.folder, readonly=not marks)
            folder = ImapFolder(client, generation=int(said[b"UIDVALIDITY"]), newest=0, marks=marks)
            if b"UIDNEXT" in said:
                folder.newest = int(said[b"UIDNEXT"]) - 1
            else:  # RFC 3501 does not promise it
                folder.newest = max(client.search(["ALL"]), default=0)
            return folder


@dataclass(frozen=True, slots=True)
class SentMail:
    """The folder of sent mail of a server, which is looked for when it is opened; until then it is called by its mark."""

    source: ImapSource
    folder: str = r"\Sent"

    @contextlib.contextmanager
    def open(self) -> Iterator[ImapFolder]:
        with self.source._signed_in() as client:
            name = self.source.sent_folder(client)
            if not name:
                detail = "The server marks no folder of sent mail. Name it in the channel's settings."
                raise ChannelError(Failure.TRANSIENT, detail, channel_fault=True)
            yield dataclasses.replace(self.source, folder=name).examine(client)


@dataclass(slots=True)
class ImapFolder:
    """An open folder. `generation` is its UIDVALIDITY: with another one, numbers mean other mails. `newest` was there."""

    client: IMAPClient
    generation: int
    newest: int
    marks: bool = False

    def mark(self, numbers: Sequence[int]) -> None:
        """Mark them as read (\\Seen), and nothing else of them."""
        with _faults("Marking mail as read"):
            if numbers:
                self.client.add_flags(numbers, [SEEN], silent=True)

    def after(self, number: int) -> list[int]:
        """The numbers of the mails that came after `number`, in order."""
        with _faults("Listing new mail"):
            # An empty result of `n:*` comes back as the newest old mail (RFC 3501 section 6.4.8): it is not after `number`.
            return sorted(uid for uid in self.client.search(["UID", f"{number + 1}:*"]) if uid > number)

    def since(self, day: date) -> list[int]:
        """The numbers of the mails that the server received on that day or later."""
        with _faults("Searching by date"):
            return sorted(self.client.search(["SINCE", day]))

    def sizes(self, numbers: Sequence[int]) -> dict[int, int]:
        """In bytes; a mail that is gone meanwhile is left out."""
        with _faults("Asking for sizes"):
            found = self.client.fetch(numbers, ["RFC822.SIZE"]) if numbers else {}
            return {uid: int(said[b"RFC822.SIZE"]) for uid, said in found.items() if b"RFC822.SIZE" in said}

    def read(self, numbers: Sequence[int]) -> list[Raw]:
        """The mails, byte for byte, in order, and none is marked as read."""
        return self._read(numbers, "BODY.PEEK[]", b"BODY[]")

    def heads(self, numbers: Sequence[int]) -> list[Raw]:
        """The same with their headers alone."""
        return self._read(numbers, "BODY.PEEK[HEADER]", b"BODY[HEADER]")

    def wait(self, seconds: float, *, should_stop: Callable[[], bool] = lambda: False) -> bool:
        """By IDLE (RFC 2177), or by asking now and then where the server has none. Silence proves nothing: that the server
        is still there is seen at the end, when it has to answer within the timeout of the connection."""
        ends, rang = time.monotonic() + seconds, False
        with _faults("Waiting for mail"):
            if not self.client.has_capability("IDLE"):
                return self._ask_until(ends, should_stop)
            self.client.idle()
            while not rang and not should_stop() and (left := ends - time.monotonic()) > 0:
                rang = _came(self.client.idle_check(min(1.0, left)))
            self.client.idle_done()
        return rang

    def _ask_until(self, ends: float, should_stop: Callable[[], bool]) -> bool:
        asked = time.monotonic()
        while not should_stop() and time.monotonic() < ends:
            if time.monotonic() - asked >= ASKED_EVERY:
                if _came(self.client.noop()[1]):
                    return True
                asked = time.monotonic()
            time.sleep(min(0.5, ASKED_EVERY))
        return False

    def _read(self, numbers: Sequence[int], asked: str, named: bytes) -> list[Raw]:
        with _faults("Fetching mail"):
            found = self.client.fetch(numbers, [asked, "INTERNALDATE"]) if numbers else {}
        return [
            Raw(uid, said[named] or b"", _aware(said.get(b"INTERNALDATE")))
            for uid, said in sorted(found.items())
            if named in said
        ]


def open_imap(settings: MailSettings, secret: str) -> ImapSource | None:
    """The folder that a channel's settings name, None if they name none."""
    if not settings.imap_host:
        return None
    return ImapSource(
        host=settings.imap_host,
        port=settings.imap_port,
        user=settings.imap_user or settings.smtp_user,
        secret=secret,
        folder=settings.imap_folder,
        sent=settings.imap_sent_folder,
        reads_sent=settings.imap_reads_sent,
        marks_read=settings.imap_marks_read,
        security=settings.imap_security,
        sign_in=settings.imap_sign_in,
        timeout_seconds=conf.IMAP_TIMEOUT_SECONDS,
    )


class _Client(IMAPClient):
    """Connects to an address that was looked up, while the certificate has to be that of the name."""

    def __init__(self, host: str, port: int, *, address: str, **options: Any) -> None:
        self._address = address
        super().__init__(host, port, **options)
        self.normalise_times = False  # with their zone, not in this machine's

    def _create_IMAP4(self) -> Any:  # noqa: N802 - the library's name
        where = self._address or self.host
        if not self.ssl:
            return plain.IMAP4WithTimeout(where, self.port, self._timeout.connect)
        context = _For(self.ssl_context or tls.create_default_context(), self.host)
        return encrypted.IMAP4_TLS(where, self.port, context, self._timeout.connect)

    def starttls(self, ssl_context: Any = None) -> Any:
        return super().starttls(_For(ssl_context, self.host))


class _For:
    """A context that asks for the certificate of one name, whatever address was connected to."""

    def __init__(self, context: tls.SSLContext, host: str) -> None:
        self.context, self.host = context, host

    def wrap_socket(self, sock: Any, server_hostname: str | None = None) -> tls.SSLSocket:
        return self.context.wrap_socket(sock, server_hostname=self.host)


def _came(said: Sequence[Any]) -> bool:
    """Whether a server told that a folder grew."""
    return any(len(line) > 1 and line[1] == b"EXISTS" for line in said)


def _hang_up(client: IMAPClient) -> None:
    with contextlib.suppress(OSError, IMAPClientError):
        client.shutdown()


def _aware(at: Any) -> datetime | None:
    return at if isinstance(at, datetime) and at.tzinfo is not None else None


@contextlib.contextmanager
def _faults(what: str) -> Iterator[None]:
    """Nothing that a server does while it is asked for mail says anything about a mail: it is the channel's fault."""
    try:
        yield
    except LoginError as error:
        detail = "The mail server refused the sign-in. Correct the channel's user and password, or connect it again."
        raise SignInRefused(detail, response=_words(error)) from error
    except (OSError, IMAPClientError, ValueError, KeyError, UnicodeError) as error:
        reason = "it took too long" if isinstance(error, TimeoutError) else _words(error)
        raise ChannelError(Failure.TRANSIENT, f"{what} failed ({reason}).", channel_fault=True) from error


def _words(error: Exception) -> str:
    if isinstance(error, tls.SSLCertVerificationError):
        return str(error.verify_message)[:300]
    if isinstance(error, OSError) and error.strerror and not isinstance(error, tls.SSLError):
        return error.strerror[:300]
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
