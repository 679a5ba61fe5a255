"""A real token address (RFC 6749): renews access tokens, rotates refresh tokens, counts, and takes back a whole sign-in when
an old refresh token comes twice, as the strictest vendors do."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers import in_background


class TokenServer:
    """`current` is the refresh token that is good now; `calls` are the forms that came; `says` answers instead, once each.

    `forgives` takes the refresh token before the current one as well. `waits` is how long each answer takes.
    """

    def __init__(self) -> None:
        self.current, self.before = "refresh-0", ""
        self.calls: list[dict[str, str]] = []
        self.issued: list[str] = []
        self.says: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        self.rotates, self.forgives, self.waits, self.seconds = True, False, 0.0, 3600
        self.secret = "app-secret"
        self._numbers, self._lock = itertools.count(1), threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        in_background(self._http)
        self.url = f"http://127.0.0.1:{self._http.server_port}/token"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, form: dict[str, str]) -> tuple[int, dict[str, Any], dict[str, str]]:
        with self._lock:
            self.calls.append(form)
            if self.says:
                return self.says.pop(0)
            if form.get("client_secret") != self.secret:
                return 401, {"error": "invalid_client"}, {}
            if form["grant_type"] == "refresh_token":
                given = form.get("refresh_token", "")
                if given != self.current and not (self.forgives and given == self.before):
                    self.current = ""  # an old one came twice: nothing of this sign-in is good any more
                    return 400, {"error": "invalid_grant", "error_description": "Token has been revoked."}, {}
            number = next(self._numbers)
            access = f"access-{number}"
            self.issued.append(access)
            said: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": self.seconds}
            if self.rotates and form["grant_type"] == "refresh_token":
                self.before, self.current = form["refresh_token"], f"refresh-{number}"
                said["refresh_token"] = self.current
        time.sleep(self.waits)
        return 200, said, {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Token(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, said, headers = server.answer(dict(urllib.parse.parse_qsl(text)))
                body = json.dumps(said).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        return Token


@contextlib.contextmanager
def running() -> Iterator[TokenServer]:
    server = TokenServer()
    try:
        yield server
    finally:
        server.close()
