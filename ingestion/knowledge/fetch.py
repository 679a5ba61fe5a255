"""One GET of somebody else's web site, bounded in every direction, that cannot be turned against our own network.

The name is resolved here, every address it has is checked, and the connection goes to the address that was checked: no
second look-up, so no rebinding between check and use. Proxies of the environment are not used, for they would look up
again. Redirects are not followed here; whoever follows comes back through the same door.
"""

from __future__ import annotations

import ipaddress
import socket
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import httpcore2

from ingestion.knowledge.internet import is_public

AGENT = "CountersignBot"
USER_AGENT = f"Mozilla/5.0 (compatible; {AGENT}/1.0)"
CONNECT_SECONDS, READ_SECONDS, WHOLE_SECONDS = 10.0, 15.0, 45.0
"""To connect, between two pieces, and for everything from the first byte sent to the last one read."""
MAX_BYTES = 8_000_000  # of a page, after decompression
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class FetchError(Exception):
    """Nothing usable came back; the message says why, for people. `host_is_down`: other pages will not do better."""

    def __init__(self, message: str, *, host_is_down: bool = False) -> None:
        super().__init__(message)
        self.host_is_down = host_is_down


class AddressRefused(FetchError):
    """The host is inside of a network that this must not reach."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. Header names are lower case; `body` is decompressed."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        _, found, value = self.headers.get("content-type", "").lower().partition("charset=")
        return value.partition(";")[0].strip("\"' ") if found else ""


def check_address(url: str) -> str:
    """The address as it is asked for: http or https, a host, no name and password, no fragment. Raises FetchError."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise FetchError(f"{url[:200]!r} is no web address.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise FetchError(f"{url[:200]!r} is no web address: it has to begin with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise FetchError("A web address with a name and password in it is not used.")
    try:
        name = host if ":" in host else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise FetchError(f"{host[:200]!r} is no host name.") from None
    netloc = f"[{name}]" if ":" in name else name.lower()
    if port and port != {"http": 80, "https": 443}[parts.scheme]:
        netloc += f":{port}"
    return urlunsplit((parts.scheme, netloc, _quoted(parts.path) or "/", _quoted(parts.query), ""))


class Fetcher:
    """Asks one site after another with connections kept open. Use it as a context; one thread at a time.

    `networks` are those of one's own that may be reached besides the open internet.
    """

    def __init__(self, *, networks: Sequence[Network] = ()) -> None:
        self._network = _CheckedNetwork(networks)
        self._pool = httpcore2.ConnectionPool(
            network_backend=self._network, max_connections=2, keepalive_expiry=30, http1=True, http2=False
        )

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *about: object) -> None:
        self._pool.close()

    def get(self, url: str, *, headers: Mapping[str, str] | None = None, most: int = MAX_BYTES) -> Answer:
        """One GET, redirects not followed, at most `most` bytes of body. Raises FetchError; AddressRefused."""
        url = check_address(url)
        host = urlsplit(url).netloc
        wanted = {"Host": host, "User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})}
        timeout = {"connect": CONNECT_SECONDS, "read": READ_SECONDS, "write": READ_SECONDS, "pool": CONNECT_SECONDS}
        self._network.deadline = time.monotonic() + WHOLE_SECONDS
        try:
            with self._pool.stream(
                "GET", url, headers=list(wanted.items()), extensions={"timeout": timeout}
            ) as response:
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                if found.get("content-length", "").isdigit() and int(found["content-length"]) > most:
                    raise FetchError(f"The answer is larger than {most / 1e6:.0f} MB; it was not read.")
                encoding = found.get("content-encoding", "").strip().lower()
                if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
                    raise FetchError(f"The answer is compressed in an unknown way ({encoding[:40]}).")
                pieces = response.iter_stream()
                body = unpack(pieces, most=most) if encoding not in ("", "identity") else _joined(pieces, most=most)
                return Answer(url, response.status, found, body)
        except FetchError:
            raise
        except httpcore2.TimeoutException:
            raise FetchError("The server took too long to answer.", host_is_down=True) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError, UnicodeError) as error:
            raise FetchError(
                f"The server did not answer properly: {error or error.__class__.__name__}"[:300],
                host_is_down=isinstance(error, (httpcore2.ConnectError, OSError)),
            ) from error


def unpack(pieces: Iterable[bytes], *, most: int) -> bytes:
    """Inflate gzip or zlib, never past `most` bytes: a small file can unfold to gigabytes. Raises FetchError."""
    inflate, body = zlib.decompressobj(wbits=47), bytearray()
    try:
        for piece in pieces:
            while piece and not inflate.eof:
                body += inflate.decompress(piece, most + 1 - len(body))
                if len(body) > most:
                    raise FetchError(f"The answer is larger than {most / 1e6:.0f} MB; it was not read.")
                piece = inflate.unconsumed_tail
        body += inflate.flush()
    except zlib.error as error:
        raise FetchError("The compressed answer is damaged.") from error
    if body and not inflate.eof:
        raise FetchError("The compressed answer is cut off.")
    return bytes(body)


def _joined(pieces: Iterable[bytes], *, most: int) -> bytes:
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > most:
            raise FetchError(f"The answer is larger than {most / 1e6:.0f} MB; it was not read.")
    return bytes(body)


def _quoted(part: str) -> str:
    """As it stands, with what may not stand in a request line percent-encoded."""
    return "".join(
        char if "!" <= char <= "~" and char not in '"<>\\^`{|}' else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in part.encode("utf-8", "replace").decode()
    )


class _CheckedNetwork(httpcore2.NetworkBackend):
    """Resolves, checks and connects. One deadline for everything read or written after it was set."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._sockets = httpcore2.SyncBackend()
        self.deadline = 0.0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        last: Exception | None = None
        for address in self._addresses(host, port):
            try:
                stream = self._sockets.connect_tcp(address, port, self.left(timeout), local_address, socket_options)
                return _TimedStream(stream, self)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
        raise last or httpcore2.ConnectError(f"{host} has no address.")

    def left(self, timeout: float | None) -> float:
        left = min(self.deadline - time.monotonic(), timeout or READ_SECONDS)
        if left <= 0:
            raise httpcore2.ReadTimeout("The whole answer took too long.")
        return left

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise FetchError(f"There is no host {host[:200]}.", host_is_down=True) from None
        names = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for name in names:
            # All of them, not only the first: which one is taken would be the attacker's choice.
            address = ipaddress.ip_address(name.partition("%")[0])
            if not is_public(address) and not any(address in network for network in self._networks):
                raise AddressRefused(
                    f"{host} is an address inside of a private network ({name}). It is read only if the site allows it and CRAWL_NETWORKS names that network.",
                    host_is_down=True,
                )
        return names[:4]


class _TimedStream(httpcore2.NetworkStream):
    """A stream that keeps the deadline, however slowly a server drips."""

    def __init__(self, stream: httpcore2.NetworkStream, network: _CheckedNetwork) -> None:
        self._stream = stream
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._network.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._network.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: object, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._network.left(timeout))  # type: ignore[arg-type]
        return _TimedStream(stream, self._network)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
