"""Kills a web or a worker every few seconds, and once the primary with its whole server."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter

from tests.scale.load import Load
from tests.scale.stage import Stage
from tests.scale.team import Web, children_of

PAUSE_SECONDS = (2.0, 5.0)


class Chaos(threading.Thread):
    """`after`: the number of accepted messages at which the primary dies."""

    def __init__(self, stage: Stage, load: Load, *, after: int) -> None:
        super().__init__(daemon=True)
        self.killed: Counter[str] = Counter()
        self.promoted = self.back = 0.0
        self._stage, self._load, self._after = stage, load, after
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._stage.chance.uniform(*PAUSE_SECONDS)):
            self._kill_one()
            if not self.promoted and len(self._load.messages) >= self._after:
                self._fail_over()

    def _kill_one(self) -> None:
        victim = self._stage.chance.choice(self._stage.members)
        if not isinstance(victim, Web):
            self.killed["worker"] += 1
            victim.kill()
            return
        self.killed["web"] += 1
        # The whole server without a word to its children, or the child that answers.
        children: list[int] = []
        with contextlib.suppress(OSError):
            children = children_of(victim.process.pid)
        if children and self._stage.chance.random() < 0.5:
            with contextlib.suppress(ProcessLookupError):
                os.kill(children[-1], signal.SIGKILL)
        else:
            victim.kill()

    def _fail_over(self) -> None:
        self.promoted = self._stage.pair.fail_over()
        self._stage.bouncer.point_at(self._stage.pair.primary)
        began, before = time.monotonic(), len(self._load.written_at)
        while len(self._load.written_at) == before and time.monotonic() < began + 120:
            time.sleep(0.05)
        self.back = time.monotonic() - began

    def stop(self) -> None:
        self._over.set()
        self.join()
