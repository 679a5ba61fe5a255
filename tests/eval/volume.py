"""`python -m tests.eval.volume`: an account of many passages indexed with the real embedder, cut off by SIGKILL, resumed, searched.

Prints one table and writes .local/volume.json. Needs the vector store's server (a demo or development install).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from itertools import islice, product
from typing import Any

from tests.bench import world
from tests.eval.__main__ import QUESTIONS, ROOT
from tests.eval.asking import set_up
from tests.eval.store import chroma

BATCH = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.eval.volume", description=__doc__)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=100)
    arguments = parser.parse_args()
    # A user of the cluster as well: without one, a command that ends would take the server with it.
    with world.throw_away_cluster() as cluster, cluster.in_use(), chroma():
        set_up()
        questions = [row["text"] for row in csv.DictReader(QUESTIONS.open())]
        account, stored = _store(questions, arguments.passages)
        found: dict[str, Any] = {"passages": arguments.passages, "stored in PostgreSQL, seconds": round(stored)}
        found |= _index(account, arguments.passages)
        found |= _search(account, questions[:: len(questions) // arguments.searches][: arguments.searches])
    print(json.dumps(found, indent=1))
    target = ROOT / ".local" / "volume.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=1))


def _store(questions: list[str], count: int) -> tuple[Any, float]:
    """Short passages, no two alike: real sentences in pairs."""
    from conversations.tenancy import tenant_context
    from ingestion.models import Passage, SourceDocument
    from tests import factories

    account = factories.account("Volume", "volume")
    half = questions[: 1 + int(count**0.5)]
    texts = (f"{one} {other}" for one, other in islice(product(half, reversed(half)), count))
    began = time.monotonic()
    for start in range(0, count, BATCH):
        with tenant_context(account.pk):
            document = SourceDocument.objects.create(account=account, source_url=f"file:{start}", title="Volume")
            Passage.objects.bulk_create(
                Passage(account=account, document=document, ordinal=n, heading="Volume", text=text, hash=f"{start + n}")
                for n, text in enumerate(islice(texts, BATCH))
            )
    return account, time.monotonic() - began


def _index(account: Any, count: int) -> dict[str, Any]:
    """The product's own command; killed when half the vectors are there, then run again with --resume."""
    from ingestion.knowledge.embed import get_embedder
    from ingestion.knowledge.vectors import get_vector_store

    store = get_vector_store(get_embedder().name)
    assert store is not None
    command = [sys.executable, "manage.py", "rebuild_vectors", "--account", "volume"]
    began = time.monotonic()
    first = subprocess.Popen(command, cwd=ROOT, env={**os.environ})
    while store.count(account.pk) < count // 2:
        time.sleep(1)
        assert first.poll() is None, "it ended before it was cut off"
    first.send_signal(signal.SIGKILL)
    first.wait()
    half, there = time.monotonic() - began, store.count(account.pk)
    began = time.monotonic()
    again = subprocess.run([*command, "--resume"], cwd=ROOT, env={**os.environ}, check=True, stdout=subprocess.PIPE)
    return {
        "until it was killed, seconds": round(half),
        "vectors there then": there,
        "resumed, seconds": round(time.monotonic() - began),
        "it said": again.stdout.decode().strip(),
        "vectors in the end": store.count(account.pk),
        "passages a second": round(count / (half + time.monotonic() - began)),
    }


def _search(account: Any, questions: list[str]) -> dict[str, Any]:
    from ingestion.knowledge.search import find_passages

    times = []
    for question in [questions[0], *questions]:
        began = time.monotonic()
        found = find_passages(account_id=account.pk, text=question, limit=6)
        times.append((time.monotonic() - began) * 1000)
        assert found and not found.degraded
    ordered = sorted(times[1:])
    return {
        "searches": len(ordered),
        "search p50, ms": round(statistics.median(ordered)),
        "search p95, ms": round(ordered[int(0.95 * len(ordered))]),
    }


if __name__ == "__main__":
    main()
