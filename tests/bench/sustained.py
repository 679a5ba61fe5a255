"""Eight clients at once for a few seconds each: how many pages, approvals and messages in a second two cores do."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from tests.bench import world
from tests.bench.measure import Server

CLIENTS, SECONDS = 8, 4.0
#: Approvals need drafts that nobody has decided; made before the clock runs.
DRAFTS = 400


def rates(server: Server, product: world.Product) -> dict[str, float]:
    """Requests a second, by what was asked. The clients share the cores with the server, as in life nobody does."""
    ready = [product.approve() for _ in range(DRAFTS)]
    makers: dict[str, Callable[[], Any]] = {"queue page": product.queue, "approve": ready.pop, "ingest": product.ingest}
    return {name: _rate(server, make) for name, make in makers.items()}


def _rate(server: Server, make: Callable[[], Any]) -> float:
    until = time.perf_counter() + SECONDS

    def client(_: int) -> int:
        link = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        done = 0
        while time.perf_counter() < until:
            try:
                method, path, headers, body = make()
            except (IndexError, StopIteration):
                break
            link.request(method, path, body=body, headers=dict(headers))
            answer = link.getresponse()
            answer.read()
            assert answer.status in {200, 201}, (path, answer.status)
            done += 1
        link.close()
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as crowd:
        done = sum(crowd.map(client, range(CLIENTS)))
    return done / (time.perf_counter() - began)
