"""A customer's mail server that counts what it takes, and can refuse, stall, hang up after the last byte, or be away."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from config.demo.__main__ import free_port

_ID = re.compile(rb"(?mi)^Message-ID:\s*(\S+)")


class Postbox:
    """`mode`: "take", "hang up" (after taking), "busy" (450 at RCPT), "refuse" (554 after the text), "silent" (never
    answers the text), or a number: seconds to wait before taking. `every`: only each n-th mail meets the mode."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: Counter[str] = Counter()
        self.tried: list[tuple[float, str]] = []
        self.hung_up: set[str] = set()
        self._lock = threading.Lock()
        self._controller: Controller | None = None
        self.reset()
        self.start()

    def reset(self) -> None:
        with self._lock:
            self.mode: str | float = "take"
            self.every, self.seen = 1, 0
            self.taken.clear()
            self.tried.clear()
            self.hung_up.clear()
        if self._controller is None and hasattr(self, "_started"):
            self.start()

    def start(self) -> None:
        self._started = True
        self._controller = _Quiet(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Nobody listens on the port any more."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def _meets(self) -> bool:
        self.seen += 1
        return self.seen % self.every == 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.mode == "busy":
            self.tried.append((time.time(), address))
            return "450 4.2.1 Too many mails, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        found = _ID.search(envelope.content)
        name = found[1].decode() if found else "(no id)"
        mode = self.mode if self._meets() else "take"
        if isinstance(mode, float):
            await asyncio.sleep(mode)
        if mode == "refuse":
            self.tried.append((time.time(), name))
            return "554 5.7.1 Not wanted here"
        with self._lock:
            self.taken[name] += 1
        if mode in {"hang up", "silent"}:
            self.hung_up.add(name)
            if mode == "silent":
                await asyncio.sleep(4)
            server.transport.abort()
        return "250 2.0.0 Taken"


class _Quiet(Controller):
    def factory(self) -> SMTP:
        return SMTP(self.handler, enable_SMTPUTF8=True, hostname="postbox", loop=self.loop)
