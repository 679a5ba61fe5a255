"""The web server's way in: event loop for open streams, a few kept threads for everything else (docs/decisions/0011)."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple

import django
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted, RequestDataTooBig
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import set_script_prefix

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

logger = logging.getLogger(__name__)
PATIENCE_SECONDS = 10.0  # that a request waits for a thread; then it is told that we are busy
IN_MEMORY_BYTES = 1 << 20
MAX_BODY_BYTES = 64 << 20  # of a request; uploads (25 MB each) and mails by the API are smaller
PIECE_BYTES = 1 << 16


class Answer(NamedTuple):
    """What a thread hands back: all that is left to do is to send it. `stream` goes on in the event loop."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: IO[bytes] | bytes = b""
    stream: StreamingHttpResponse | None = None


class KeptThreads(ASGIHandler):
    """Django's handler, with a request in one thread from its first signal to its last, and threads that stay.

    Each thread keeps its database connection, so there is no pool: as many requests run at once as there are threads,
    others wait their turn. Only what a view streams asynchronously (`/live/`) is iterated in the loop, for minutes, by
    the thousand, without a thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="request")
        self._free = asyncio.Semaphore(settings.WEB_THREADS)

    def load_middleware(self, is_async: bool = False) -> None:
        """All of ours is synchronous: Django would cross between loop and thread four times a request."""
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"This is a web application; it has no answer to {scope['type']}.")
        if scope["method"] in {"GET", "HEAD"}:
            body: IO[bytes] = BytesIO()  # what they carry means nothing (RFC 9110 9.3.1)
        else:
            try:
                body = await self.read_body(receive)
            except RequestAborted:
                return
            except RequestDataTooBig as error:
                await _send(Answer(413, [(b"Content-Type", b"text/plain; charset=utf-8")], str(error).encode()), send)
                return
        with body:
            answer = await self._answer(scope, body)
        if answer.stream is not None:
            await self._stream(answer.stream, receive, send)
        else:
            await _send(answer, send)

    async def read_body(self, receive: Receive) -> IO[bytes]:
        """To a file, as Django does it; but not more than any form of ours can have, whoever sends it."""
        left = MAX_BODY_BYTES

        async def counted() -> Mapping[str, Any]:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise RequestDataTooBig(f"A request has at most {MAX_BODY_BYTES >> 20} MiB. Nothing was stored.")
            return message

        body: IO[bytes] = await super().read_body(counted)
        return body

    async def _answer(self, scope: Scope, body: IO[bytes]) -> Answer:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            return self._respond(scope, body, outage.unavailable)  # it asks nobody for anything, so the loop may do it
        try:
            answer: Answer = await self._in_thread(self._respond, scope, body, self.get_response)
            return answer
        finally:
            self._free.release()

    async def _in_thread(self, work: Callable[..., Any], *values: Any) -> Any:
        # In a context of its own: what a request activates is gone with it.
        return await asyncio.get_running_loop().run_in_executor(self._threads, contextvars.Context().run, work, *values)

    def _respond(self, scope: Scope, body: IO[bytes], view: Callable[[HttpRequest], HttpResponseBase]) -> Answer:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response: HttpResponseBase = refusal if request is None else view(request)  # type: ignore[assignment]
        response._handler_class = self.__class__  # type: ignore[attr-defined]  # who says that the request is finished
        if isinstance(response, StreamingHttpResponse) and response.is_async:
            return Answer(response.status_code, [], stream=response)
        with contextlib.closing(response):
            return Answer(response.status_code, _headers(response), _written(response))

    async def _stream(self, response: StreamingHttpResponse, receive: Receive, send: Send) -> None:
        """Until it ends or the browser goes away, whichever is first."""

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        tasks = [asyncio.ensure_future(work) for work in (gone(), self.send_response(response, send))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for error in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(error, Exception):
                    logger.error("A stream broke off.", exc_info=error)
            await self._in_thread(response.close)


def _headers(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    plain = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    return plain + [(b"Set-Cookie", cookie.OutputString().encode("ascii")) for cookie in response.cookies.values()]


def _written(response: HttpResponseBase) -> IO[bytes] | bytes:
    """The whole body. A download is written to a file first: a slow reader must hold neither thread nor transaction."""
    if not isinstance(response, StreamingHttpResponse):
        return response.content  # type: ignore[attr-defined,no-any-return]
    body = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - who sends it closes it
    for piece in response:
        body.write(piece)
    body.seek(0)
    return body


async def _send(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    if isinstance(answer.body, bytes):
        await send({"type": "http.response.body", "body": answer.body})
        return
    with answer.body as body:
        while piece := body.read(PIECE_BYTES):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


django.setup(set_prefix=False)

from config import orphans  # noqa: E402
from conversations.web import outage  # noqa: E402  # its pages need the apps

orphans.end_with_parent()

application = KeptThreads()
