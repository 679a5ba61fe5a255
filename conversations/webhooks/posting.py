"""One request to one endpoint: resolved once, connected to that address, no redirects, over in fifteen seconds."""

from __future__ import annotations

import contextlib
import functools
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from conversations.channels import reach
from conversations.database import database_time

SECONDS = 15.0
#: Of the answer so much is read; of that, what `WebhookAttempt.answer` has room for is kept.
_READ = 2_000
_NETWORKS = "WEBHOOK_NETWORKS"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: the status, None where there was none, and the words of the server, or ours."""

    status: int | None
    words: str
    milliseconds: int
    retry_after: float = 0.0

    @property
    def is_good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def address_of(parts: SplitResult) -> str:
    """The address to connect to. Raises reach.Unreachable."""
    host, port = parts.hostname or "", _port(parts)
    address = reach.address_behind(host, port, seconds=5.0, setting=_NETWORKS)
    if parts.scheme != "https" and not reach.may_be_unencrypted(address, setting=_NETWORKS):
        raise reach.Unreachable("Only https is sent to the internet", "Use an address that begins with https://.")
    return address


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, before: Callable[[], None], seconds: float = SECONDS
) -> Answer:
    """Send it. `before` is called when the connection stands and nothing was sent yet; what it raises goes through."""
    began, parts = time.monotonic(), urlsplit(url)

    def answer(status: int | None, words: str, retry_after: float = 0.0) -> Answer:
        return Answer(status, words.replace("\x00", ""), round((time.monotonic() - began) * 1000), retry_after)

    try:
        connection = _Pinned(parts, address_of(parts), seconds)
    except reach.Unreachable as error:
        return answer(None, f"{error.title}. {error.remedy}")
    late = threading.Timer(seconds, connection.cut)  # a server that sends a byte now and then is not waited for either
    late.daemon = True
    late.start()
    try:
        connection.connect()
        before()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, dict(headers))
        found = connection.getresponse()
        words = found.read(_READ).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        if connection.is_cut or isinstance(error, TimeoutError):
            return answer(None, f"No answer in {seconds:g} s")
        return answer(None, _why(error))
    finally:
        late.cancel()
        connection.close()
    if 300 <= found.status < 400:
        words = "A redirect, which is not followed. Enter the address that it leads to."
    return answer(found.status, words, _seconds(found.headers.get("retry-after", "")))


class _Pinned(http.client.HTTPConnection):
    """Connects to the address that was looked at; the name is for the certificate and the Host header alone."""

    def __init__(self, parts: SplitResult, address: str, seconds: float) -> None:
        super().__init__(parts.hostname or "", _port(parts), timeout=seconds)
        self._address, self._is_encrypted = address, parts.scheme == "https"
        self.default_port = 443 if self._is_encrypted else 80
        self.is_cut = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._is_encrypted:
            self.sock = _context().wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        self.is_cut = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


@functools.cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Its certificate is not valid: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError):
        return "The connection was refused"
    if isinstance(error, ConnectionError | http.client.RemoteDisconnected):
        return "The connection was closed before an answer came"
    return f"It could not be reached ({type(error).__name__})"


def _seconds(written: str) -> float:
    """Of a Retry-After header: a number, or a date. 0 for one that says nothing."""
    if written.strip().isdigit():
        return float(written.strip()[:9])
    try:
        at = parsedate_to_datetime(written)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - database_time.now()).total_seconds())
