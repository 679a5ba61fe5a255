"""A vendor's API as a small HTTP server, with whatever may happen to an answer on its way back.

A subclass answers; what it did and what it was asked is kept, so that a test can count both.
"""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def data(self) -> Any:
        return json.loads(self.body)


Said = tuple[int, Any] | tuple[int, Any, dict[str, str]]
When = Callable[[Asked], bool]


@dataclass(slots=True)
class Fault:
    """What happens to requests for which `when` says so: `drops` lets the vendor act and loses its answer, `says`
    answers in its stead. `times` of them; then all is well."""

    when: When
    drops: bool = False
    says: Said | None = None
    times: int = 1_000_000


class VendorServer:
    """`asked` is everything that came; `fault` happens to it. `wrong` is what `check` had to say of it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.wrong: list[str] = []
        self.fault: Fault | None = None
        self.lock = threading.RLock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def check(self, asked: Asked) -> list[str]:
        return []

    def answer(self, asked: Asked) -> Said:
        raise NotImplementedError

    def count(self, method: str, ending: str) -> int:
        return sum(one.method == method and one.path.endswith(ending) for one in self.asked)

    def _take(self, asked: Asked) -> Said | None:
        """None: the answer is lost on its way."""
        with self.lock:
            self.asked.append(asked)
            self.wrong += [f"{asked.method} {asked.path}: {one}" for one in self.check(asked)]
            fault = self.fault
            if fault is None or fault.times < 1 or not fault.when(asked):
                return self.answer(asked)
            fault.times -= 1
            if fault.says is not None:
                return fault.says
            said = self.answer(asked)
            return None if fault.drops else said

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                parts = urllib.parse.urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
                said = server._take(Asked(self.command, parts.path, query, headers, self.rfile.read(length)))
                if said is None:
                    self.close_connection = True
                    return
                status, data, *more = said
                body = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(more[0] if more else {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do

            def log_message(self, *args: Any) -> None:
                pass

        return Handler
