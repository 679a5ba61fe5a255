"""A server of bare sockets that does to a connection whatever a test wants: answers, hangs, cuts it in the middle."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator


class RawServer:
    """`act(connection, request)` gets each connection and the whole request that came on it. `requests` are those,
    `connections` counts what was accepted."""

    def __init__(self, act: Callable[[socket.socket, bytes], None]) -> None:
        self.requests: list[bytes] = []
        self.connections, self.act = 0, act
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = whole_request(connection)
            if request:
                self.requests.append(request)
                self.act(connection, request)


def whole_request(connection: socket.socket) -> bytes:
    """Head and body, as long as it says; what came of it when the other side stops."""
    found = b""
    while True:
        head, end, body = found.partition(b"\r\n\r\n")
        if end:
            said = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            if len(body) >= int(said[0] if said else 0):
                return found
        piece = connection.recv(65_536)
        if not piece:
            return found
        found += piece


def reset(connection: socket.socket) -> None:
    """End it as a server does that fell over: RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answer(status: str, body: bytes = b"{}", **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.contextmanager
def serving(act: Callable[[socket.socket, bytes], None]) -> Iterator[RawServer]:
    server = RawServer(act)
    try:
        yield server
    finally:
        server.close()
