"""`python -m tests.eval.latency`: from the commit of an inbound message to the commit of its draft, offline, on an idle desk.

The demo's sources, a real worker in a process of its own, the real vector store and PostgreSQL. Prints the figures and
writes .local/latency.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from tests.bench import world
from tests.eval.__main__ import QUESTIONS, ROOT
from tests.eval.asking import set_up
from tests.eval.store import chroma


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.eval.latency", description=__doc__)
    parser.add_argument("--messages", type=int, default=60)
    count = parser.parse_args().messages
    with world.throw_away_cluster() as cluster, cluster.in_use(), chroma():
        set_up()
        found = _measure(count)
    print(json.dumps(found, indent=1))
    target = ROOT / ".local" / "latency.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=1))


def _measure(count: int) -> dict[str, Any]:
    from conversations.models import Channel
    from conversations.tenancy import tenant_context
    from drafts.demo import seeding
    from drafts.models import Draft
    from tests import factories

    account = seeding.seed(password="correct horse battery", say=lambda line: None)
    with tenant_context(account.pk):
        channel = Channel.objects.filter(type="email").first()
    texts = [row["text"] for row in csv.DictReader(QUESTIONS.open())]
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "procrastinate", "worker", "--concurrency", "2"],
        cwd=ROOT, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    times = []
    try:
        for text in texts[:: len(texts) // count][: count + 1]:
            message = factories.message(channel, text)  # committed when it returns
            began = time.monotonic()
            while True:
                with tenant_context(account.pk):
                    if Draft.objects.filter(base_message=message).exists():
                        break
                assert time.monotonic() - began < 120, "no draft came"
                time.sleep(0.01)
            times.append((time.monotonic() - began) * 1000)
    finally:
        worker.terminate()
        worker.wait(timeout=60)
    first, ordered = times[0], sorted(times[1:])  # the first waits for the worker to start and load its model
    return {
        "messages": len(ordered),
        "p50, ms": round(statistics.median(ordered)),
        "p95, ms": round(ordered[int(0.95 * len(ordered))]),
        "slowest, ms": round(ordered[-1]),
        "the first, with the worker's start, ms": round(first),
    }


if __name__ == "__main__":
    main()
