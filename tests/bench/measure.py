"""CPU of a request: nanoseconds that the server's processes and its database's backends ran, in interleaved slices.

The scheduler counts them, so what else the machine does moves them little; wall time is kept only for reading beside
them. The process's CPU clock is read and not its threads' schedstat: the same counter, but under ASGI every request has
a thread of its own, which takes its schedstat with it when it ends. Needs Linux.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROC = Path("/proc")


def load() -> str:
    return " ".join((PROC / "loadavg").read_text().split()[:3])


def cpu_of(pids: Iterable[int]) -> float:
    """Milliseconds that the processes have run so far, their ended threads included (clock_getcpuclockid(3))."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += time.clock_gettime_ns((~pid << 3) | 2)
    return total / 1e6


def _parents() -> dict[int, int]:
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError):
                found[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    return found


def tree_of(pid: int) -> list[int]:
    """The process and all that descend from it."""
    parents = _parents()
    out = [pid]
    for known in out:
        out += [child for child, parent in parents.items() if parent == known]
    return out


def children_cpu(pid: int) -> float:
    """Milliseconds of a process, its living children, and those that it has waited for (a postmaster's backends)."""
    ticks = (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[11:15]
    return sum(map(int, ticks)) * 1e3 / os.sysconf("SC_CLK_TCK") + cpu_of(
        child for child, parent in _parents().items() if parent == pid
    )


@dataclass(frozen=True)
class Server:
    """Who works for a request: the web processes, and the backends of one database (asked anew for every slice)."""

    url: str
    pid: int
    backends: Callable[[], list[int]]


@dataclass(frozen=True)
class Request:
    """`make` gives the next request: method, path, headers, body. `expects`: the only status that counts. `each`: how many
    make a slice, where it is not as many as of the others (a dear one)."""

    name: str
    server: Server
    make: Callable[[], tuple[str, str, Mapping[str, str], str | None]]
    expects: int = 200
    each: int = 0


@dataclass
class Cost:
    """Milliseconds per request; the lists hold one figure a slice (CPU) or a request (wall)."""

    web: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    size: int = 0

    @property
    def cpu(self) -> float:
        return statistics.median(w + d for w, d in zip(self.web, self.database, strict=True))

    @property
    def least(self) -> float:
        return min(w + d for w, d in zip(self.web, self.database, strict=True))

    def as_json(self) -> dict[str, Any]:
        return {
            "cpu_ms": round(self.cpu, 2),
            "cpu_min_ms": round(self.least, 2),
            "web_ms": round(statistics.median(self.web), 2),
            "database_ms": round(statistics.median(self.database), 2),
            "wall_ms": round(statistics.median(self.wall), 2),
            "requests": len(self.wall),
            "bytes": self.size,
        }


class Wrong(Exception):
    """The server answered with another status than the one that is measured."""


@contextlib.contextmanager
def _kept_alive(server: Server) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    try:
        yield connection
    finally:
        connection.close()


def _send(connection: http.client.HTTPConnection, request: Request, cost: Cost) -> None:
    method, path, headers, body = request.make()
    started = time.perf_counter()
    connection.request(method, path, body=body, headers=dict(headers))
    answer = connection.getresponse()
    content = answer.read()
    cost.wall.append((time.perf_counter() - started) * 1e3)
    cost.size = len(content)
    if answer.status != request.expects:
        raise Wrong(f"{request.name}: {method} {path} was answered {answer.status}: {content[:300]!r}")


def interleaved(requests: list[Request], *, rounds: int, slice_of: int, warm: int = 5) -> dict[str, Cost]:
    """Every request `rounds` times `slice_of` times, one at a time, in another order each round."""
    costs = {request.name: Cost() for request in requests}
    for request in requests:
        with _kept_alive(request.server) as connection:
            for _ in range(min(warm, request.each or warm)):
                _send(connection, request, Cost())
    for _ in range(rounds):
        for request in random.sample(requests, len(requests)):
            web, backends = tree_of(request.server.pid), request.server.backends()
            cost, count = costs[request.name], request.each or slice_of
            with _kept_alive(request.server) as connection:
                before = cpu_of(web), cpu_of(backends)
                for _ in range(count):
                    _send(connection, request, cost)
                after = cpu_of(web), cpu_of(backends)
            cost.web.append((after[0] - before[0]) / count)
            cost.database.append((after[1] - before[1]) / count)
    return costs


def in_process(call: Callable[[], Any], *, backend: int, rounds: int, slice_of: int, warm: int = 5) -> Cost:
    """The same for a call in this process, whose database backend is `backend`."""
    cost = Cost()
    for _ in range(warm):
        call()
    for _ in range(rounds):
        own, theirs, started = time.process_time(), cpu_of([backend]), time.perf_counter()
        for _ in range(slice_of):
            call()
        cost.wall.append((time.perf_counter() - started) * 1e3 / slice_of)
        cost.web.append((time.process_time() - own) * 1e3 / slice_of)
        cost.database.append((cpu_of([backend]) - theirs) / slice_of)
    return cost
