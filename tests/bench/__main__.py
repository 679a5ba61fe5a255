"""`python -m tests.bench`: CPU per request against the goals of docs/performance.md, on a throw-away database.

Prints one table and writes .local/bench.json. The exit code is 1 if a goal is missed, so that it can gate a release;
statements and buffers are gated by tests/test_performance.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from config.postgres import Cluster
from tests.bench import pages, peer, sustained, volume, world
from tests.bench.goals import Found, Line, judged
from tests.bench.measure import Cost, Request, Server, in_process, interleaved, load

SLICE = 8
MOST_LOAD = 3.0  # above it nothing is judged


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--size", type=int, default=10_000, help="conversations of the big tenant (default 10000)")
    parser.add_argument("--large", type=int, default=50_000, help="conversations more in the large copy (default 50000; 0: none)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=6, help=f"slices of {SLICE} requests each (default 6)")
    parser.add_argument("--no-peer", action="store_true", help="leave out django-helpdesk")
    parser.add_argument("--no-browser", action="store_true", help="leave out what needs Chromium, and memory")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and cluster are stopped
    started, before = time.monotonic(), load()
    print(f"Load before: {before}. {arguments.size:,} conversations, {arguments.rounds} rounds of {SLICE} requests.")
    with world.throw_away_cluster() as cluster:
        found = run(cluster, arguments, started)
    after = load()
    lines = judged(found)
    if busy := [each for each in (before, after) if float(each.split()[0]) > MOST_LOAD]:
        print(f"Not judged: the machine was busy (load {busy[-1]}); ratios of small floors move with it.")
        lines = [replace(line, met=None) for line in lines]
    show(lines, found.costs | found.inside)
    print(f"Load after: {after}. Took {time.monotonic() - started:.0f} s.")
    write(arguments, before, after, lines, found)
    sys.exit(any(line.met is False for line in lines))


def run(cluster: Cluster, arguments: argparse.Namespace, started: float) -> Found:
    local = Path(os.environ["COUNTERSIGN_LOCAL_DIR"])
    product = world.seed(cluster, arguments.size)
    say(started, "the product is seeded")
    floor = world.prepare_floor(cluster, local)
    ready = "the floor is ready"
    say(started, ready if floor else "no ../shared/bench here: ratios to the floor are told but not judged")
    found = Found({}, {}, {}, {})
    if arguments.large:
        found.seeded = volume.grow(cluster, product, arguments.large)
        say(started, f"a copy has {arguments.large:,} conversations more")
    else:
        found.skipped.append("P6, P12, P13, P15: no large copy (--large 0)")
    helpdesk = None if arguments.no_peer else peer.prepare(cluster, local)
    say(started, "helpdesk is filled" if helpdesk else "no helpdesk beside us")
    with contextlib.ExitStack() as servers:
        ours, requests = servers.enter_context(served(cluster, product, floor, large=bool(arguments.large)))
        if helpdesk:
            requests += servers.enter_context(peer.serving(cluster, helpdesk))
        first = next(request for request in requests if request.name == "ingest, repeated")
        interleaved([replace(first, expects=201)], rounds=0, slice_of=0, warm=1)
        found.costs = interleaved(requests, rounds=arguments.rounds, slice_of=SLICE)
        say(started, "measured over HTTP")
        found.sustained = sustained.rates(ours, product)
        say(started, "measured with eight clients")
        if arguments.no_browser:
            found.skipped.append("P17, painting, P19: --no-browser")
        else:
            found.memory = pages.memory(ours, product)
            say(started, "measured memory")
            in_browser(cluster, ours, product, found)
            say(started, "measured in a browser")
    if arguments.large:
        found.scrubbed = volume.scrub(cluster, product)
    found.inside = {"approve()": approve_in_process(product), "raw fetch": raw_fetch(product)}
    found.counts = statements(product)
    found.transactions = {
        name: world.pgbench(cluster, f"{name}.sql", local) if floor else None for name in ("approve", "ingest")
    }
    say(started, "measured in process and with pgbench")
    return found


def in_browser(cluster: Cluster, ours: Server, product: world.Product, found: Found) -> None:
    if not pages.chromium():
        found.skipped.append("P17 and painting: no Chromium on this machine")
        return
    found.painted = pages.until_painted(ours, product)
    found.visible = pages.until_visible(cluster, ours, product)


def say(started: float, words: str) -> None:
    print(f"  {time.monotonic() - started:4.0f} s  {words}", flush=True)


@contextlib.contextmanager
def served(
    cluster: Cluster, product: world.Product, floor: world.Floor | None, *, large: bool
) -> Iterator[tuple[Server, list[Request]]]:
    """Our server, and all that is asked of it and of those beside it."""
    with contextlib.ExitStack() as servers:
        ours = servers.enter_context(
            world.serving(
                cluster, world.PRODUCT, "asginl", "config.asgi:application", "/readyz", MALLOC_ARENA_MAX="2"
            )
        )  # fmt: skip
        requests = [
            Request("queue page", ours, product.queue),
            Request("conversation", ours, product.conversation),
            Request("timeline of 200", ours, product.timeline),
            Request("approve", ours, product.approve),
            Request("approve with an edit", ours, product.edit),
            Request("ingest, new", ours, product.ingest, expects=201),
            Request("ingest, repeated", ours, product.ingest_again),
            Request("idle pulse", ours, product.pulse, expects=204),
            Request("bell", ours, product.bell),
        ]
        if large:
            requests += volume.requests(product, servers.enter_context(volume.serving_large(cluster)))
        if floor:
            for kind, interface, pool in (("WSGI", "wsgi", {}), ("ASGI", "asginl", {"POOL": "1"})):
                app = f"floor_{kind.lower()}_here:application"
                server = servers.enter_context(
                    world.serving(cluster, world.FLOOR_DATABASE, interface, app, "/empty/", **floor.env, **pool)
                )
                requests += floor_requests(kind, server, floor)
        yield ours, requests


def floor_requests(kind: str, server: Server, floor: world.Floor) -> list[Request]:
    token = "c" * 32
    posting = {"Cookie": f"{floor.headers['Cookie']}; csrftoken={token}", "X-CSRFToken": token}
    return [
        Request(f"floor {kind}, queue page", server, lambda: ("GET", "/queue/fstring/", floor.headers, None)),
        Request(f"floor {kind}, empty POST", server, lambda: ("POST", "/ap/noop/", posting, "")),
    ]


def approve_in_process(product: world.Product) -> Cost:
    """The verb with its commit, each time on a draft of its own; what the person saw is read outside of the figure."""
    from django.db import connection

    from conversations.tenancy import tenant_context
    from drafts.desk import decisions

    ready = [product.next_draft() for _ in range(65)]

    def approve() -> None:
        draft, seen = ready.pop()
        with tenant_context(draft.account_id):
            decisions.approve(draft_id=draft.pk, actor=product.reviewer, seen=seen)

    connection.ensure_connection()
    return in_process(approve, backend=connection.connection.info.backend_pid, rounds=6, slice_of=10)


def raw_fetch(product: world.Product) -> Cost:
    """Every row of the long thread, by the driver alone: the floor of its timeline."""
    from django.db import connection

    from conversations.tenancy import tenant_context

    def fetch() -> None:
        with tenant_context(product.account.pk), connection.cursor() as cursor:
            for table in ("conversations_message", "drafts_draft", "drafts_draftaction"):
                cursor.execute(f"SELECT * FROM {table} WHERE conversation_id = %s", [product.thread])
                cursor.fetchall()

    connection.ensure_connection()
    return in_process(fetch, backend=connection.connection.info.backend_pid, rounds=6, slice_of=10)


def statements(product: world.Product) -> dict[str, int]:
    """SQL statements of each request, without the transaction's own words."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    def count(made: tuple[str, str, Mapping[str, str], str | None]) -> int:
        method, path, headers, body = made
        kind = headers.get("Content-Type", "text/plain")
        client = Client(headers={"host": "127.0.0.1", **{k: v for k, v in headers.items() if k != "Content-Type"}})
        with CaptureQueriesContext(connection) as queries:
            response = client.generic(method, path, body or "", content_type=kind)
        assert response.status_code < 300, (path, response.status_code, response.content[:300])
        own = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
        return sum(not query["sql"].startswith(own) for query in queries)

    makers: dict[str, Callable[[], Any]] = {
        "queue page": product.queue,
        "timeline of 200": product.timeline,
        "approve": product.approve,
        "approve with an edit": product.edit,
        "ingest, new": product.ingest,
        "ingest, repeated": product.ingest_again,
    }
    return {name: count(make()) for name, make in makers.items()}


def show(lines: list[Line], costs: dict[str, Cost]) -> None:
    words = {True: "met", False: "MISSED", None: "told"}
    rows = [("goal", "measured", "floor or anchor", "verdict")]
    rows += [(line.goal, line.measured, line.anchor, words[line.met]) for line in lines]
    table(rows)
    figures: list[tuple[str, ...]] = [("CPU, ms a request", "median", "least", "web", "database", "wall", "bytes")]
    for name, cost in costs.items():
        found = cost.as_json()
        keys = ("cpu_ms", "cpu_min_ms", "web_ms", "database_ms", "wall_ms", "bytes")
        figures.append((name, *(str(found[key]) for key in keys)))
    table(figures)


def table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


def write(arguments: argparse.Namespace, before: str, after: str, lines: list[Line], found: Found) -> None:
    path = world.ROOT / ".local" / "bench.json"
    path.parent.mkdir(exist_ok=True)
    told = {
        "size": arguments.size,
        "large": arguments.large,
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "load_before": before,
        "load_after": after,
        "goals": [asdict(line) for line in lines],
        "costs": {name: cost.as_json() for name, cost in (found.costs | found.inside).items()},
        "statements": found.counts,
        "pgbench": {name: asdict(each) if each else None for name, each in found.transactions.items()},
        "visible_ms": found.visible,
        "sustained_per_second": found.sustained,
    }
    path.write_text(json.dumps(told, indent=1) + "\n")
    print(f"Written to {path.relative_to(world.ROOT)}.")


if __name__ == "__main__":
    main()
