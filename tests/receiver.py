"""A system that is told of events: a real HTTP server that verifies signatures from the specification alone, and takes each
id once. Nothing of it is the product's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def verified(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """As https://www.standardwebhooks.com says: one of the v1 signatures is the HMAC-SHA256 of id.timestamp.body."""
    assert secret.startswith("whsec_")
    key = base64.b64decode(secret[len("whsec_") :])
    content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    wanted = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    given = [part.split(",", 1) for part in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(value, wanted) for version, value in given)


@dataclass
class Receiver:
    """`plan` says of the n-th request what happens: a status, "reset", or a status and headers."""

    secrets: list[str] = field(default_factory=list)
    plan: Callable[[int], Any] = lambda number: 200
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    processed: Counter[str] = field(default_factory=Counter)
    forged: int = 0
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]

    def take(self, headers: dict[str, str], body: bytes) -> Any:
        with self.lock:
            self.requests.append((headers, body))
            answer = self.plan(len(self.requests))
            if self.secrets and not any(verified(secret, headers, body) for secret in self.secrets):
                self.forged += 1
            elif answer in (200, "reset") and headers["webhook-id"] not in self.processed:
                self.processed[headers["webhook-id"]] += 1  # also where the answer is lost: it was processed
            return answer


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            if answer == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            status, headers, words = (
                (*answer, b"said so")[:3] if isinstance(answer, tuple) else (answer, {}, b"said so")
            )
            self.send_response(status)
            for name, value in {"content-length": str(len(words)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, *args: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: Any) -> None:
            return

    server = Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
