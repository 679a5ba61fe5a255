"""Calls of vendors over real sockets: what is known of each that did not end as it should."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conversations.channels import http
from conversations.channels.base import ChannelError, Failure, SignInRefused
from conversations.database import database_time
from tests.servers import raw
from tests.servers.raw import answer, reset, serving

TOKEN = "xoxb-a-token-that-nobody-may-see"
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
Act = Callable[[socket.socket, bytes], None]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_time, "now", lambda: NOW)


def vendor(**changes: Any) -> http.Vendor:
    given = {"host": "api.vendor.test", "headers": {"Authorization": f"Bearer {TOKEN}"}, "seconds": 2.0, **changes}
    return http.Vendor("Vendor", **given)


class Written:
    """What became of one write to a server that does `act`."""

    def __init__(self, settings: Any, act: Act, **changes: Any) -> None:
        self.error: ChannelError | None = None
        self.answer: http.Answer | None = None
        self.before: list[int] = []
        with serving(act) as server:
            settings.VENDOR_OVERRIDE = server.address
            try:
                self.answer = vendor(**changes).write(
                    "POST",
                    "/api/say",
                    {"text": "Hej då"},
                    before_handover=lambda: self.before.append(len(server.requests)),
                )
            except ChannelError as error:
                self.error = error
            self.requests, self.connections = server.requests, server.connections


def says(*answers: bytes) -> Act:
    return lambda connection, request: connection.sendall(answers[0])


def test_a_write_is_one_request_with_its_body_and_the_vendors_name(settings: Any) -> None:
    done = Written(settings, says(answer("200 OK", b'{"ok": true}', X_Limit="9")))
    assert done.answer is not None
    assert (done.answer.status, done.answer.data(), done.answer.headers["x-limit"]) == (200, {"ok": True}, "9")
    head, _, body = done.requests[0].partition(b"\r\n\r\n")
    assert body.decode() == '{"text": "Hej då"}'
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /api/say HTTP/1.1"
    assert {"Host: api.vendor.test", f"Authorization: Bearer {TOKEN}", "Content-Length: 19"} <= set(lines)
    assert len(done.requests) == 1
    assert done.before == [0], "it is called once, before the vendor has a byte"


def test_when_the_fence_raises_no_byte_leaves(settings: Any) -> None:
    def lost() -> None:
        raise ChannelError(Failure.TRANSIENT, "the lease ran out")

    came = []

    def listen(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        came.append(connection.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, args=(listener,))
        thread.start()
        settings.VENDOR_OVERRIDE = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ChannelError, match="the lease ran out"):
            vendor().write("POST", "/api/say", {}, before_handover=lost)
        thread.join(5)
    assert came == [b""]


def hangs(connection: socket.socket, request: bytes) -> None:
    time.sleep(5)


def trickles(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{")
    for _ in range(60):
        time.sleep(0.1)
        connection.sendall(b" ")


@pytest.mark.parametrize(
    "act",
    [
        lambda connection, request: reset(connection),
        lambda connection, request: None,
        lambda connection, request: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
        lambda connection, request: connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"ok":'),
        lambda connection, request: connection.sendall(b"220 mail.test ESMTP\r\n"),
        says(answer("200 OK", b"x" * (http.MOST_BYTES + 1))),
        says(answer("500 Internal Server Error")),
        says(answer("502 Bad Gateway", b"<html>")),
        says(answer("503 Service Unavailable", Retry_After="5")),
        says(answer("302 Found", Location="https://elsewhere.test/")),
        says(answer("303 See Other", Location="https://elsewhere.test/")),
        hangs,
        trickles,
    ],
    ids=["reset", "closed", "cut head", "cut body", "no http", "too much", "500", "502", "503", "302", "303", "hangs",
    "trickles"],
)  # fmt: skip
def test_after_the_request_left_only_an_answer_tells(settings: Any, act: Act) -> None:
    began = time.monotonic()
    done = Written(settings, act, seconds=1.0)
    assert done.error is not None
    assert (done.error.failure, done.error.channel_fault) == (Failure.UNCERTAIN, False), done.error
    assert "may or may not have been done" in str(done.error)
    assert (len(done.requests), done.connections) == (1, 1), "nothing is tried a second time"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "status", ["301 Moved", "307 Temporary Redirect", "308 Permanent Redirect", "408 Request Timeout"]
)
def test_what_was_provably_not_done_may_be_sent_again(settings: Any, status: str) -> None:
    done = Written(settings, says(answer(status, Location="https://elsewhere.test/")))
    assert done.error is not None
    assert (done.error.failure, done.error.channel_fault) == (Failure.TRANSIENT, True)
    assert done.connections == 1, "a redirection is not followed"


def test_a_vendor_that_documents_it_is_believed_that_nothing_was_done(settings: Any) -> None:
    done = Written(settings, says(answer("503 Busy", Retry_After="5")), not_taken=frozenset({503}))
    assert done.error is not None
    assert (done.error.failure, done.error.channel_fault) == (Failure.TRANSIENT, True)
    assert done.error.retry_at == NOW + timedelta(seconds=5)


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "413 Too Large", "422 Unprocessable"])
def test_what_the_vendor_refuses_is_refused_for_good(settings: Any, status: str) -> None:
    done = Written(settings, says(answer(status, b'{"error": "no such room"}')))
    assert done.error is not None
    assert (done.error.failure, done.error.channel_fault) == (Failure.PERMANENT, False)
    assert done.error.response == f'{status[:3]} {{"error": "no such room"}}'


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_token_that_is_not_taken_stops_the_channel_and_is_shown_nowhere(
    settings: Any, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    done = Written(settings, says(answer(status, f'{{"given": "{TOKEN}"}}'.encode())))
    assert isinstance(done.error, SignInRefused)
    assert TOKEN not in f"{done.error!r} {done.error} {done.error.response} {vendor()!r} {caplog.text}"
    assert "given" in done.error.response


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "1.5"}, 1.5),
        ({"Retry_After": "0"}, 0),
        ({"Retry_After": "999999999"}, 86_400),
        ({"Retry_After": "Sun, 29 Nov 2026 12:01:00 GMT"}, 60),
        # The vendor's clock is an hour wrong: what counts is how long.
        ({"Retry_After": "Sun, 29 Nov 2026 13:01:00 GMT", "Date": "Sun, 29 Nov 2026 13:00:30 GMT"}, 30),
        ({"Retry_After": "Sun, 29 Nov 2026 11:00:00 GMT"}, 0),
        ({"X_Reset": str(int(NOW.timestamp()) + 9)}, 9),
        ({"X_Reset": str(int(NOW.timestamp()) + 9), "Retry_After": "3"}, 3),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
        ({"X_Reset": "soon"}, None),
        ({}, None),
    ],
)
def test_a_vendor_that_is_called_too_often_says_when_to_come_again(
    settings: Any, headers: dict[str, str], waits: float | None
) -> None:
    done = Written(settings, says(answer("429 Too Many Requests", **headers)), resets="X-Reset")
    assert done.error is not None
    assert (done.error.failure, done.error.channel_fault) == (Failure.TRANSIENT, True)
    assert done.error.retry_at == (None if waits is None else NOW + timedelta(seconds=waits))


def not_reached(settings: Any, **changes: Any) -> ChannelError:
    before: list[int] = []
    with pytest.raises(ChannelError) as found:
        vendor(**changes).write("POST", "/api/say", {}, before_handover=lambda: before.append(1))
    assert not before
    assert (found.value.failure, found.value.channel_fault) == (Failure.TRANSIENT, True)
    return found.value


def test_a_vendor_that_is_not_reached_was_sent_nothing(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.VENDOR_OVERRIDE = f"127.0.0.1:{free.getsockname()[1]}"
    assert "Connection refused" in str(not_reached(settings))
    settings.VENDOR_OVERRIDE = ""
    assert "was not found" in str(not_reached(settings, host="no-such-host.invalid"))


def test_a_vendor_inside_the_wall_or_without_a_certificate_is_sent_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(says(answer("200 OK"))) as server:
        assert "inside a private network" in str(not_reached(settings, host="127.0.0.1"))
        settings.CHANNEL_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
        port = int(server.address.rpartition(":")[2])
        connect = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", lambda to, *rest: connect((to[0], port), *rest))
        not_reached(settings, host="127.0.0.1")
        assert not any(b"HTTP/1.1" in one for one in server.requests), "only the beginning of TLS came"


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "/ä"])
def test_a_path_that_is_none_is_refused_before_anything_leaves(settings: Any, path: str) -> None:
    with serving(says(answer("200 OK"))) as server:
        settings.VENDOR_OVERRIDE = server.address
        with pytest.raises(ChannelError) as found:
            vendor().write("POST", path, {}, before_handover=lambda: pytest.fail("handed over"))
        assert found.value.failure == Failure.PERMANENT
        with pytest.raises(SignInRefused) as refused:
            http.Vendor("Vendor", "api.vendor.test", {"Authorization": f"{TOKEN}\nX: y"}).write(
                "POST", "/", {}, before_handover=lambda: pytest.fail("handed over")
            )
        assert TOKEN not in f"{refused.value!r}{refused.value.__cause__}"
        time.sleep(0.05)
        assert not server.requests


@pytest.mark.parametrize(
    "act", [lambda connection, request: reset(connection), says(answer("500 Oh")), says(answer("404 Not Found"))]
)
def test_a_question_that_is_not_answered_may_be_asked_again(settings: Any, act: Act) -> None:
    with serving(act) as server:
        settings.VENDOR_OVERRIDE = server.address
        for ask in (lambda: vendor().read("/thing", {"a": "b c"}), lambda: vendor().ask("/search", {"a": 1})):
            with pytest.raises(ChannelError) as found:
                ask()
            assert (found.value.failure, found.value.channel_fault) == (Failure.TRANSIENT, True)
    assert server.requests[0].startswith(b"GET /thing?a=b+c HTTP/1.1\r\n")
    assert b"Content-Length" not in server.requests[0]


def test_an_answer_that_the_caller_looks_at_itself_is_its_own(settings: Any) -> None:
    with serving(says(answer("404 Not Found", b'{"code": "gone"}'))) as server:
        settings.VENDOR_OVERRIDE = server.address
        assert vendor().read("/thing", takes=frozenset({404})).data() == {"code": "gone"}


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_object_is_read_as_nothing(body: bytes) -> None:
    assert http.Answer(200, {}, body).data() == {}


def test_the_servers_reset_is_one() -> None:
    with serving(lambda connection, request: reset(connection)) as server:
        host, _, port = server.address.partition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
    assert raw.whole_request
