"""Tells open pages that something changed: one LISTEN connection a web process, shared by all of its pages.

PostgreSQL says on `CHANNEL`, at commit, whose account something happened in and who did it; no text, no ids of rows. A
page is told only "news" (or "own", if its own person did it) and asks for what it may see by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.conf import settings
from django.db import connections

logger = logging.getLogger(__name__)
chance = random.SystemRandom()

CHANNEL = "countersign"
HEARTBEAT_SECONDS = 20.0  # a comment, so that proxies keep the stream and a browser notices that it broke
LIFE_SECONDS = (240.0, 300.0)  # then the browser comes back and is asked again who it is
LOOK_SECONDS = 5.0  # how often the sessions and memberships behind all open streams are looked at
RETRY_MS = (800, 2500)  # spread, so that a restarted server is not met by everybody at once
PAUSE_SECONDS = (0.5, 4.0)  # between tries to listen again

#: Which of these streams still have a session and a membership. A stream without `account` is a platform operator's.
STILL_SQL = """
SELECT p.n - 1 FROM unnest(%s::text[], %s::uuid[], %s::uuid[]) WITH ORDINALITY AS p (key, person, account, n)
 WHERE EXISTS (SELECT FROM django_session s WHERE s.session_key = p.key AND s.expire_date > now())
   AND (p.account IS NULL OR EXISTS (SELECT FROM membership_in(p.person, p.account) WHERE NOT second_factor_missing(p.person, p.account)))
"""


@dataclass(eq=False)
class Stream:
    """One open page: whose it is, and what it has not been told yet."""

    account_id: uuid.UUID
    user_id: uuid.UUID
    session_key: str
    is_member: bool = True
    closed: bool = False
    said: str = ""
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, word: str) -> None:
        self.said = "own" if word == "own" and self.said != "news" else "news"
        self.woken.set()

    def end(self) -> None:
        self.closed = True
        self.woken.set()

    def take(self) -> str:
        """The event to send: several tellings are one, none is a heartbeat."""
        word, self.said = self.said, ""
        self.woken.clear()
        return f"data: {word}\n\n" if word else ": \n\n"


class Hub:
    """The streams of one event loop and the connection that listens for them while there are any."""

    def __init__(self) -> None:
        self._streams: dict[uuid.UUID, set[Stream]] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @contextlib.contextmanager
    def open(self, stream: Stream) -> Iterator[None]:
        self._streams.setdefault(stream.account_id, set()).add(stream)
        stream.closed = self._stopping
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._listen())
        try:
            yield
        finally:
            mates = self._streams[stream.account_id]
            mates.discard(stream)
            if not mates:
                del self._streams[stream.account_id]
            if not self._streams and self._task is not None:
                self._task.cancel()
                self._task = None

    def hear(self, payload: str) -> None:
        """`account actor`, as the database says it. What does not read like that is nobody's news."""
        account, _, actor = payload.partition(" ")
        try:
            mates = self._streams.get(uuid.UUID(account), set())
        except ValueError:
            return
        for stream in mates:
            stream.send("own" if actor == str(stream.user_id) else "news")

    def notice_the_end(self) -> None:
        """A server that is asked to stop waits for open answers: ours must end then, not minutes later."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()

        def end() -> None:
            self._stopping = True
            for stream in self._all():
                stream.end()

        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            if not callable(before):
                continue  # nobody's handler: the process just ends

            def stop(number: int, frame: FrameType | None, before: Callable[..., Any] = before) -> None:
                loop.call_soon_threadsafe(end)
                before(number, frame)

            # The loop's own handlers hear of the signal through its wake-up descriptor, which stays as it is.
            signal.signal(number, stop)
            signal.siginterrupt(number, False)

    def _all(self) -> list[Stream]:
        return [stream for mates in self._streams.values() for stream in mates]

    async def _listen(self) -> None:
        pause = PAUSE_SECONDS[0]
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**_address(), autocommit=True) as server:
                    await server.execute(f'LISTEN "{CHANNEL}"')
                    pause = PAUSE_SECONDS[0]
                    for stream in self._all():
                        stream.send("news")  # whatever was said before we listened
                    while True:
                        async for notice in server.notifies(timeout=LOOK_SECONDS):
                            self.hear(notice.payload)
                        await self._look(server)
            except psycopg.Error as error:
                logger.warning("live updates wait %.1f s for the database: %s", pause, error)
            await asyncio.sleep(pause * chance.uniform(0.8, 1.2))
            pause = min(pause * 2, PAUSE_SECONDS[1])

    async def _look(self, server: psycopg.AsyncConnection[Any]) -> None:
        """End the streams of people who signed out or may not be here any more."""
        streams = self._all()
        keys = [stream.session_key for stream in streams]
        accounts = [stream.account_id if stream.is_member else None for stream in streams]
        found = await server.execute(STILL_SQL, [keys, [stream.user_id for stream in streams], accounts])
        still = {at for (at,) in await found.fetchall()}
        for at, stream in enumerate(streams):
            if at not in still:
                stream.end()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of this event loop: one a web process."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
        _hubs[loop].notice_the_end()
    return _hubs[loop]


def _address() -> dict[str, Any]:
    """Where to listen: the database itself, not a transaction-mode PgBouncer in front of it."""
    there = settings.LISTEN_DATABASE or connections["default"].settings_dict
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    address = {name: str(there[key]) for name, key in named.items() if there.get(key)}
    options = there.get("OPTIONS", {}).items()
    address |= {name: value for name, value in options if name.startswith("ssl") or name == "target_session_attrs"}
    return {**address, "application_name": "countersign-live", "connect_timeout": 2, "keepalives_idle": 30}


async def events(stream: Stream) -> AsyncIterator[str]:
    """A server-sent event for each news, a comment when there is none; ends after `LIFE_SECONDS` or with the session."""
    here = hub()
    loop = asyncio.get_running_loop()
    until = loop.time() + chance.uniform(*LIFE_SECONDS)
    with here.open(stream):
        yield f"retry: {chance.randint(*RETRY_MS)}\n\n"
        while not stream.closed and (left := until - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(HEARTBEAT_SECONDS, left)):
                    await stream.woken.wait()
            if not stream.closed:
                yield stream.take()
