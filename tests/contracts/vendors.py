"""Stand-ins of Slack and Intercom over real sockets: they hold each request against the vendor's description, do what
it asks, answer with the description's examples, and fail on the way when they are told to."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.contracts.spec import OpenApi3, Request, Slack
from tests.servers.raw import reset

Answer = tuple[int, dict[str, Any], dict[str, str]]


class StandIn:
    """`requests` are all that came, `broken` what was wrong with them. `fault(request)` says what happens to one
    instead: "reset" before it is done, "drop" after it was done and before it is answered, or an answer; None: it is
    done.
    """

    def __init__(self, contract: Any) -> None:
        self.contract = contract
        self.requests: list[Request] = []
        self.broken: list[str] = []
        self.fault: Callable[[Request], str | Answer | None] = lambda request: None
        self.host = ""
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def done(self, request: Request) -> Answer:
        raise NotImplementedError

    def writes(self) -> list[Request]:
        return [one for one in self.requests if one.method != "GET"]

    def _take(self, request: Request) -> str | Answer:
        with self.lock:
            self.requests.append(request)
            self.broken += self.contract.problems(request)
            if request.headers.get("host") != self.host:
                self.broken.append(f"asked of {request.headers.get('host')}")
            fault = self.fault(request)
            if fault is not None and fault != "drop":
                return fault
            answer = self.done(request)
        return "drop" if fault == "drop" else answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Vendor(BaseHTTPRequestHandler):
            def answer(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
                said = server._take(Request(self.command, url.path, query, headers, body))
                if isinstance(said, str):
                    with contextlib.suppress(OSError):
                        self.connection.shutdown(socket.SHUT_RD)
                    reset(self.connection)
                    self.close_connection = True
                    return
                status, data, more = said
                content = json.dumps(data).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **more}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer

            def finish(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    super().finish()

            def log_message(self, *args: Any) -> None:
                pass

        return Vendor


class SlackWorkspace(StandIn):
    """`posted` are the messages that stand there, by room; `scopes` what the token may."""

    TOKEN = "xoxb-1-stand-in"

    def __init__(self, contract: Slack) -> None:
        super().__init__(contract)
        self.host = "slack.com"
        self.posted: list[dict[str, Any]] = []
        self.rooms = {"C0DEALERS"}
        self.scopes = "chat:write,channels:history"
        self._numbers = itertools.count(1)

    def marks(self) -> Counter[str]:
        return Counter(one["metadata"]["event_payload"]["delivery"] for one in self.posted if "metadata" in one)

    def done(self, request: Request) -> Answer:
        path = request.path.removeprefix("/api")
        headers = {"X-OAuth-Scopes": self.scopes}
        if request.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return 200, {"ok": False, "error": "invalid_auth"}, {}
        if path == "/auth.test":
            return 200, self.contract.example(path), headers
        given = {**request.query, **(request.data() if request.body else {})}
        if given.get("channel") not in self.rooms and not str(given.get("channel")).startswith("U"):
            return 200, {"ok": False, "error": "not_in_channel"}, headers
        if path == "/chat.postMessage":
            ts = f"1796000000.{next(self._numbers):06d}"
            message = {**given, "ts": ts, "user": "UBOT", "bot_id": "B1"}
            self.posted.append(message)
            return (
                200,
                {**self.contract.example(path), "channel": given["channel"], "ts": ts, "message": message},
                headers,
            )
        there = [one for one in self.posted if one["channel"] == given["channel"]]
        if path == "/conversations.replies":
            there = [one for one in there if one.get("thread_ts") == given["ts"]]
        if given.get("include_all_metadata") != "true":
            there = [{name: value for name, value in one.items() if name != "metadata"} for one in there]
        example = self.contract.example(path)
        return 200, {**example, "messages": there, "has_more": False, "response_metadata": {"next_cursor": ""}}, headers


@contextlib.contextmanager
def slack(contract: Slack) -> Iterator[SlackWorkspace]:
    workspace = SlackWorkspace(contract)
    try:
        yield workspace
    finally:
        workspace.close()


class IntercomInbox(StandIn):
    """`parts` are those of each conversation that there is."""

    TOKEN, ADMIN = "dG9r-stand-in", "4711"

    def __init__(self, contract: OpenApi3) -> None:
        super().__init__(contract)
        self.host = "api.intercom.io"
        self.parts: dict[str, list[dict[str, Any]]] = {"900": []}
        self.region = "US"
        self._numbers = itertools.count(5001)

    def said(self) -> Counter[str]:
        return Counter(part["body"] for parts in self.parts.values() for part in parts)

    def put(self, conversation: str, body: str, **changes: Any) -> dict[str, Any]:
        author = {"type": "admin", "id": self.ADMIN, "name": "Dana"}
        part = {
            "type": "conversation_part", "id": str(next(self._numbers)), "part_type": "comment", "body": body,
            "created_at": 1_796_000_000 + len(self.parts[conversation]), "author": author, "attachments": [], **changes,
        }  # fmt: skip
        self.parts[conversation].append(part)
        return part

    def done(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return 401, {"type": "error.list", "errors": [{"code": "unauthorized"}]}, {}
        if request.path == "/me":
            found = self.contract.example("get", "/me")
            return 200, {**found, "app": {**found["app"], "region": self.region}}, {}
        kind, number, *act = request.path.strip("/").split("/")
        if kind == "admins":
            known = number == self.ADMIN
            return (
                (200, self.contract.example("get", "/admins/{admin_id}"), {})
                if known
                else (404, {"type": "error.list"}, {})
            )
        if number not in self.parts:
            return 404, {"type": "error.list", "errors": [{"code": "not_found"}]}, {}
        if act:
            parts = [
                self.put(number, request.data()["body"], author={"type": "admin", "id": request.data()["admin_id"]})
            ]
            found = self.contract.example("post", "/conversations/{conversation_id}/reply")
        else:
            parts, found = self.parts[number], self.contract.example("get", "/conversations/{conversation_id}")
        listed = {"type": "conversation_part.list", "conversation_parts": parts, "total_count": len(parts)}
        return 200, {**found, "id": number, "conversation_parts": listed}, {}


@contextlib.contextmanager
def intercom(contract: OpenApi3) -> Iterator[IntercomInbox]:
    inbox = IntercomInbox(contract)
    try:
        yield inbox
    finally:
        inbox.close()
