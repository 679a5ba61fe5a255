"""The web server's threads (config/asgi.py): what one request leaves for the next, who waits, and who holds a thread."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from config import asgi

Messages = list[Mapping[str, Any]]
Answer = TypeVar("Answer")
SCOPE = {"type": "http", "method": "GET", "path": "/x/", "headers": [], "query_string": b"", "http_version": "1.1"}
seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")


@pytest.fixture
def app(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., asgi.KeptThreads]:
    settings.WEB_THREADS = 1

    def make(view: Callable[[HttpRequest], HttpResponseBase]) -> asgi.KeptThreads:
        handler = asgi.KeptThreads()
        monkeypatch.setattr(handler, "get_response", view)
        return handler

    return make


def run(asked: Coroutine[Any, Any, Answer]) -> Answer:
    """In a thread of its own: one that drives a browser has a running loop already."""
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, asked).result()


async def ask(app: asgi.KeptThreads, *, gone: asyncio.Event | None = None, body: bytes = b"", **scope: Any) -> Messages:
    sent: Messages = []
    said = iter([{"type": "http.request", "body": body}])

    async def receive() -> Mapping[str, Any]:
        if (message := next(said, None)) is None:
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}
        return message

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await app({**SCOPE, **scope}, receive, send)
    return sent


def body_of(sent: Messages) -> bytes:
    return b"".join(message.get("body", b"") for message in sent)


def test_what_a_request_activates_is_gone_with_it(app: Callable[..., asgi.KeptThreads]) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        before = seen.get()
        seen.set("the one before")
        return HttpResponse(before)

    async def twice() -> list[bytes]:
        one = app(view)
        return [body_of(await ask(one)), body_of(await ask(one))]

    assert run(twice()) == [b"nothing", b"nothing"]


def test_who_finds_no_thread_free_is_told_so_and_keeps_what_was_typed(
    app: Callable[..., asgi.KeptThreads], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "PATIENCE_SECONDS", 0.05)

    async def busy() -> tuple[Messages, Messages]:
        one = app(lambda request: HttpResponse("well"))
        await one._free.acquire()
        form: dict[str, Any] = {"method": "POST", "headers": [(b"content-type", b"application/x-www-form-urlencoded")]}
        refused = await ask(one, body=b"note=My+own+words+are+here+still", **form)
        one._free.release()
        return refused, await ask(one)

    refused, after = run(busy())
    assert refused[0]["status"] == 503
    assert (b"Retry-After", b"5") in refused[0]["headers"]
    assert b"My own words are here still" in body_of(refused)
    assert (after[0]["status"], body_of(after)) == (200, b"well")


FORM, PARTS = b"application/x-www-form-urlencoded", b"multipart/form-data"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"note=" + b"x" * 2_000_000),
        (FORM, b"&".join(b"a=1" for _ in range(3000))),
        (FORM + b"; charset=utf-7", b"a=1"),
        (PARTS, b"no boundary"),
        (PARTS + b"; boundary=\xff", b"no ASCII"),
    ],
    ids=["long", "many fields", "charset", "no boundary", "no ASCII"],
)
def test_who_finds_no_thread_free_is_told_so_whatever_the_form(
    app: Callable[..., asgi.KeptThreads], monkeypatch: pytest.MonkeyPatch, kind: bytes, body: bytes
) -> None:
    monkeypatch.setattr(asgi, "PATIENCE_SECONDS", 0.02)

    async def busy() -> Messages:
        one = app(lambda request: HttpResponse("well"))
        await one._free.acquire()
        return await ask(one, body=body, method="POST", headers=[(b"content-type", kind)])

    assert run(busy())[0]["status"] == 503


def test_the_event_loop_reads_no_long_body(
    app: Callable[..., asgi.KeptThreads], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "PATIENCE_SECONDS", 0.02)
    head = b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nmy own words are here\r\n--b\r\n'
    body = (
        head
        + b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + b"x" * 2_000_000
        + b"\r\n--b--\r\n"
    )
    read: list[bool] = []
    monkeypatch.setattr("django.http.request.HttpRequest.parse_file_upload", lambda *args: read.append(True))

    async def busy() -> Messages:
        one = app(lambda request: HttpResponse("well"))
        await one._free.acquire()
        headers = [(b"content-type", PARTS + b"; boundary=b"), (b"content-length", str(len(body)).encode())]
        return await ask(one, body=body, method="POST", headers=headers)

    assert run(busy())[0]["status"] == 503
    assert not read


def test_a_slow_reader_of_a_download_holds_no_thread(app: Callable[..., asgi.KeptThreads]) -> None:
    """Whatever its size: it is written before the first byte is sent, in the thread and transaction of its view."""
    piece, ended = b"x" * 100_000, []

    def pieces() -> Iterator[bytes]:
        for _ in range(30):
            yield piece
        ended.append(True)

    async def slowly() -> bytes:
        one, got, free = app(lambda request: StreamingHttpResponse(pieces())), [], []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request"}

        async def send(message: Mapping[str, Any]) -> None:
            free.append(not one._free.locked() and bool(ended))
            got.append(message.get("body", b""))

        await one(SCOPE, receive, send)
        assert all(free)
        return b"".join(got)

    assert run(slowly()) == piece * 30


def test_a_stream_holds_no_thread_and_ends_when_its_browser_goes(app: Callable[..., asgi.KeptThreads]) -> None:
    ended = []

    async def news() -> AsyncIterator[str]:
        try:
            yield "data: news\n\n"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def live() -> tuple[Messages, bool]:
        one, gone = app(lambda request: StreamingHttpResponse(news())), asyncio.Event()
        asked = asyncio.create_task(ask(one, gone=gone))
        await asyncio.sleep(0.2)
        free = not one._free.locked() and not ended
        gone.set()
        return await asked, free

    sent, free = run(live())
    assert free
    assert body_of(sent) == b"data: news\n\n"
    assert ended == [True]


def test_cookies_and_headers_are_sent_as_the_view_set_them(app: Callable[..., asgi.KeptThreads]) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        response = HttpResponse("ok", headers={"X-One": "1"}, status=418)
        response.set_cookie("a", "1", httponly=True)
        response.set_cookie("b", "2")
        return response

    start = run(ask(app(view)))[0]
    assert start["status"] == 418
    assert (b"X-One", b"1") in start["headers"]
    assert {value for name, value in start["headers"] if name == b"Set-Cookie"} == {
        b"a=1; HttpOnly; Path=/",
        b"b=2; Path=/",
    }


def test_no_request_fills_the_disk(app: Callable[..., asgi.KeptThreads], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "MAX_BODY_BYTES", 1000)
    one = app(lambda request: HttpResponse("well"))
    statuses = [run(ask(one, method="POST", body=b"x" * size))[0]["status"] for size in (1000, 1001)]
    assert statuses == [200, 413]
