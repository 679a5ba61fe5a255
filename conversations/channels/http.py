"""One call of a vendor's API, and what is known of it when it does not end as it should (docs/decisions/0074).

An answer that did not come says nothing about whether the vendor did what it was asked. So what matters is to know for
every failure whether the request may have left: until `before_handover` it cannot have, from then on only an answer
tells.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl as tls
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from django.conf import settings as conf

from conversations.channels.base import ChannelError, Failure, SignInRefused
from conversations.channels.reach import Unreachable, address_behind
from conversations.database import database_time

#: Of a whole call, shorter than a delivery's lease; and of looking up, connecting and encrypting alone.
SECONDS, CONNECT_SECONDS = 20.0, 10.0
MOST_BYTES = 1 << 20
#: A vendor that asks for more is not believed.
LONGEST_ASKED = timedelta(days=1)
#: Answers to a write by which a vendor says that it did nothing: moved for good or "ask there again" (RFC 9110 sections
#: 15.4.2, 15.4.8 and 15.4.9), and "I did not get all of it".
_NOT_DONE = frozenset({301, 307, 308, 408, 425})


class TooLong(ValueError):
    """An answer has more bytes than are taken."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor answered; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def data(self) -> dict[str, Any]:
        """The JSON object that it is; empty where it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):  # no JSON, no text, or nested without end
            return {}
        return found if isinstance(found, dict) else {}

    def words(self) -> str:
        """For a person, bounded."""
        return f"{self.status} {' '.join(self.body.decode('utf-8', 'replace').split())[:300]}".strip()


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's API at `host`, which never comes from a text that somebody outside wrote.

    `headers` are sent with each call and hold the secret; nothing that is raised, logged or kept shows one of their
    values. `resets` is the header in which it says when it is to be asked again after a 429, in seconds since 1970,
    where it does not say `Retry-After`. `not_taken` are statuses by which it says, in its documentation, that a write
    was not done.
    """

    name: str
    host: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    resets: str = ""
    not_taken: frozenset[int] = frozenset()
    seconds: float = SECONDS
    most_bytes: int = MOST_BYTES

    def read(self, path: str, query: Mapping[str, str] | None = None, *, takes: frozenset[int] = frozenset()) -> Answer:
        """Ask for something. Nothing is done by it, so whatever goes wrong may be asked again.

        `takes` are statuses that the caller looks at itself; else everything but 2xx raises ChannelError.
        """
        return self._call("GET", path, query, None, takes=takes, before_handover=None)

    def ask(self, path: str, body: Any, *, takes: frozenset[int] = frozenset()) -> Answer:
        """As `read`, for what is asked with a body (a search)."""
        return self._call("POST", path, None, body, takes=takes, before_handover=None)

    def write(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        before_handover: Callable[[], None],
        query: Mapping[str, str] | None = None,
        takes: frozenset[int] = frozenset(),
    ) -> Answer:
        """Have something done, once. `body` is sent as JSON.

        `before_handover` is called when the connection stands and the next byte is the request's first; when it raises,
        nothing has been sent. Raises `ChannelError`:

        - TRANSIENT and the channel's fault: not found, not connected, not encrypted; 429, with the time that the vendor
          named; 401 and 403, as SignInRefused; a redirection that nobody did anything for.
        - PERMANENT: any other 4xx.
        - UNCERTAIN: the request may have left and no whole answer came, or it was 5xx.
        """
        return self._call(method, path, query, body, takes=takes, before_handover=before_handover)

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        *,
        takes: frozenset[int],
        before_handover: Callable[[], None] | None,
    ) -> Answer:
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Accept": "application/json", "User-Agent": "Countersign", **self.headers}
        if content is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        ends = time.monotonic() + self.seconds
        connection = self._connected(ends)
        # One that answers a byte now and then never times out by itself.
        hang_up = threading.Timer(max(0.0, ends - time.monotonic()), connection.hang_up)
        hang_up.daemon = True
        hang_up.start()
        try:
            self._prepare(connection, method, target, content, headers)
            if before_handover is not None:
                before_handover()
            try:
                answer = _exchange(connection, content, self.most_bytes)
            except (OSError, http.client.HTTPException, ValueError) as error:
                late = time.monotonic() >= ends
                raise self._no_answer(error, late=late, is_write=before_handover is not None) from error
        finally:
            hang_up.cancel()
            connection.close()
        if 200 <= answer.status < 300 or answer.status in takes:
            return answer
        raise self.refusal(answer, is_write=before_handover is not None)

    def _connected(self, ends: float) -> _Pinned:
        """To the address that was looked at, as the vendor's name; or to the installation's own stand-in of all
        vendors."""
        stand_in, _, port = conf.VENDOR_OVERRIDE.rpartition(":")
        left = min(CONNECT_SECONDS, max(0.1, ends - time.monotonic()))
        try:
            address = stand_in or address_behind(self.host, 443, seconds=left / 2)
            connection = _Pinned(self.host, address, int(port) if stand_in else 443, is_tls=not stand_in, timeout=left)
            try:
                connection.connect()
            except BaseException:
                connection.close()
                raise
            connection.sock.settimeout(self.seconds)
            return connection
        except Unreachable as error:
            reason: Exception = error
        except (OSError, ValueError) as error:  # ValueError: a name that is none
            reason = error
        detail = f"{self.name} could not be reached ({_reason(reason)}). Nothing was sent."
        raise ChannelError(Failure.TRANSIENT, detail, channel_fault=True) from reason

    def _prepare(
        self, connection: _Pinned, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
    ) -> None:
        """All of the request but its body, and not a byte of it sent."""
        try:
            connection.putrequest(method, target)
        except (http.client.HTTPException, ValueError) as error:
            detail = (
                f"That cannot be asked of {self.name}: an id in it has signs that no address has. Nothing was sent."
            )
            raise ChannelError(Failure.PERMANENT, detail) from error
        try:
            for name, value in headers.items():
                connection.putheader(name, value)
            if content is not None:
                connection.putheader("Content-Length", str(len(content)))
        except ValueError:
            detail = f"The token for {self.name} has signs that no token has: enter it again. Nothing was sent."
            raise SignInRefused(detail) from None  # the error repeats the token

    def _no_answer(self, error: Exception, *, late: bool, is_write: bool) -> ChannelError:
        reason = "it took too long" if late or isinstance(error, TimeoutError) else _reason(error)
        if not is_write:
            detail = f"{self.name} did not answer ({self._unsaid(reason)})."
            return ChannelError(Failure.TRANSIENT, detail, channel_fault=True)
        detail = (
            f"The request was handed over to {self.name}, but no answer came ({self._unsaid(reason)}). It may or may "
            "not have been done; look before sending it again."
        )
        return ChannelError(Failure.UNCERTAIN, detail)

    def refusal(self, answer: Answer, *, is_write: bool = True) -> ChannelError:
        """What an answer that is no success means, to be raised."""
        status, response = answer.status, self._unsaid(answer.words())
        if status == 429:
            detail = f"{self.name} was called too often. Nothing was sent."
            at = retry_at(answer, resets=self.resets)
            return ChannelError(Failure.TRANSIENT, detail, response=response, channel_fault=True, retry_at=at)
        if status in {401, 403}:
            return SignInRefused(f"{self.name} does not take the token, or not for this.", response=response)
        if not is_write or status in _NOT_DONE or status in self.not_taken:
            detail = f"{self.name} did not do it."
            at = retry_at(answer, resets=self.resets)
            return ChannelError(Failure.TRANSIENT, detail, response=response, channel_fault=True, retry_at=at)
        if 400 <= status < 500:
            return ChannelError(Failure.PERMANENT, f"{self.name} refused it. Nothing was sent.", response=response)
        detail = f"{self.name} answered with a fault of its own. It may or may not have been done."
        return ChannelError(Failure.UNCERTAIN, detail, response=response)

    def _unsaid(self, words: str) -> str:
        """Without a secret that was sent along, should the vendor repeat it."""
        for value in self.headers.values():
            for part in {value, *value.split()}:
                if len(part) >= 8:
                    words = words.replace(part, "…")
        return words


def retry_at(answer: Answer, *, resets: str = "") -> datetime | None:
    """When a vendor wants to be asked again: seconds, also broken ones, or a date (RFC 9110 section 10.2.3), else the
    header that `resets` names. What it says by its own clock is taken as a span from the `Date` beside it. None where
    it says nothing."""
    said, now = answer.headers.get("retry-after", "").strip(), database_time.now()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?", said, re.ASCII):
        waits = timedelta(seconds=float(said))
    elif (at := _date(said)) is not None:
        waits = at - (_date(answer.headers.get("date", "")) or now)
    elif resets and re.fullmatch(r"[0-9]{1,11}", reset := answer.headers.get(resets.lower(), "").strip(), re.ASCII):
        waits = datetime.fromtimestamp(int(reset), UTC) - (_date(answer.headers.get("date", "")) or now)
    else:
        return None
    return now + min(max(waits, timedelta(0)), LONGEST_ASKED)


def _date(written: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(written)
    except (TypeError, ValueError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _exchange(connection: _Pinned, content: bytes | None, most: int) -> Answer:
    """The prepared request and its whole answer. A redirection is an answer like any other: nobody follows it."""
    connection.endheaders(content)
    found = connection.getresponse()
    body = found.read(most + 1)
    if len(body) > most:
        raise TooLong(f"it answered with more than {most:,} bytes")
    if connection.is_over:  # a body without a length ends where it is cut
        raise TimeoutError
    # It closed before the end that it announced, or in the middle of its headers, which the library takes for their
    # end.
    if found.length or (found.length is None and not found.chunked and not body and found.status != 204):
        raise http.client.IncompleteRead(b"", found.length or None)
    return Answer(found.status, {name.lower(): value for name, value in found.headers.items()}, body)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, tls.SSLCertVerificationError):
        return f"its certificate was not accepted: {error.verify_message}"[:200]
    if isinstance(error, Unreachable):
        return f"{error}. {error.remedy}"
    return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())[:200]


class _Pinned(http.client.HTTPConnection):
    """Connects to one address, while the certificate and the request name the vendor."""

    auto_open = 0  # a connection that is gone is gone: opened again, a request could leave twice

    def __init__(self, host: str, address: str, port: int, *, is_tls: bool, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self.port = 443 if is_tls else 80  # for the Host header
        self.default_port = self.port
        self._to, self._is_tls = (address, port), is_tls
        self._kept: socket.socket | None = None
        self.is_over = False

    def connect(self) -> None:
        sock = socket.create_connection(self._to, self.timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._is_tls:
                sock = tls.create_default_context().wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
        self.sock = self._kept = sock

    def hang_up(self) -> None:
        self.is_over = True
        sock = self._kept  # `self.sock` is given up as soon as an answer says that it is the last one
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return
