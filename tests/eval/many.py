"""`python -m tests.eval.many`: retrieval among 1,000 to 50,000 approved answers, in the file's order and shuffled.

2,036 questions of banking77 are asked as in `python -m tests.eval`; the approved ones are those of `made`. The product's own learning and ranking,
with exact neighbours in the place of the vector store's and without PostgreSQL's list of words, so that every size takes minutes and no server is needed.
"Meaning alone" is the vote of the nearest 20. The first run embeds 51,000 questions, about five minutes, and keeps their vectors
in .local/many.npz. Prints a line for each size and order, and writes .local/many.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.eval.asking import answer, share
from tests.eval.made import Made, approved

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = ROOT.parent / "shared" / "data" / "banking77" / "train.csv"
KEPT = ROOT / ".local" / "many.npz"
SIZES = (1_000, 8_000, 12_000, 50_000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.eval.many", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--shuffled", type=int, default=3, help="orders by chance beside the file's (default 3)")
    parser.add_argument("--order", type=int, help="only this one, in this process: 0 is the file's")
    arguments = parser.parse_args()
    if not QUESTIONS.exists():
        raise SystemExit(f"{QUESTIONS} is not here: nothing was measured.")
    if arguments.order is not None:
        print(json.dumps(measured(arguments.sizes[0], arguments.order)))
        return
    found = []
    for size in arguments.sizes:
        for order in range(arguments.shuffled + 1):
            # A process for each: what one left in memory would be there for the next.
            command = [sys.executable, "-m", "tests.eval.many", "--sizes", str(size), "--order", str(order)]
            line = (
                subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode().splitlines()[-1]
            )
            found.append(json.loads(line))
            print(line, flush=True)
    (ROOT / ".local" / "many.json").write_text(json.dumps(found, indent=1))


def measured(size: int, order: int) -> dict[str, Any]:
    """Of one size in one order; 0 is the file's, the others are seeds."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from ingestion.knowledge import recognise

    rows = [(row["text"], row["category"]) for row in csv.DictReader(QUESTIONS.open())]
    goldens = approved([row for row in rows if share(row[0]) >= 0.2], size)
    held = [row for row in rows if share(row[0]) < 0.2]
    if order:
        random.Random(order).shuffle(goldens)
    goldens.reverse()  # the newest first
    vectors, asked = _vectors([text for text, _ in goldens]), _vectors([text for text, _ in held])
    _forget_the_most()
    before, began = _megabytes("VmRSS"), time.monotonic()
    ids = [uuid.UUID(int=n + 1) for n in range(len(goldens))]
    topics = [topic for _, topic in goldens]
    chosen = recognise.learnable(topics)
    learned = recognise.learn([ids[n] for n in chosen], [topics[n] for n in chosen], vectors[chosen])
    took, grew = time.monotonic() - began, _megabytes("VmHWM") - before
    recogniser = recognise.Recogniser.from_bytes(learned.to_bytes())
    assert recogniser is not None
    times = sorted(_recognising(recogniser, asked))
    return {
        "approved": size,
        "order": order or "the file's",
        **retrieval(recogniser, goldens, ids, vectors, held, asked),
        "answers": len(set(topics)),
        "learned": len(chosen),
        "by votes": recogniser.by_votes,
        "learning, seconds": round(took, 1),
        "learning, MB": round(grew),
        "a question, ms of the processor": round(times[len(times) // 2], 2),
        "slowest of 20": round(times[int(len(times) * 0.95)], 2),
    }


def retrieval(
    recogniser: Any, goldens: Sequence[Made], ids: Sequence[uuid.UUID], vectors: Any, held: Sequence[Made], asked: Any
) -> dict[str, float]:
    """Shares of the questions whose topic comes first, and among five: by meaning alone, and as the product ranks."""
    from conversations.database import database_time
    from ingestion.knowledge import search
    from ingestion.models import Passage, SourceDocument

    def passage(at: int) -> Passage:
        text, topic = goldens[at]
        document = SourceDocument(id=ids[at], kind=SourceDocument.Kind.GOLDEN, title=text)
        return Passage(id=ids[at], document=document, ordinal=0, heading=text, text=answer(topic))

    database_time.learn(datetime.now(UTC), asked=database_time.timer())  # or the first row would ask a server
    count: dict[str, int] = defaultdict(int)
    place = {key: at for at, key in enumerate(ids)}
    for (text, topic), vector, near in zip(held, asked, _nearest(vectors, asked, search.DEPTH), strict=True):
        votes: dict[str, float] = defaultdict(float)
        for at, cosine in near:
            votes[goldens[at][1]] += cosine**16
        meaning = sorted(votes, key=lambda each: (-votes[each], each))
        known = recogniser.recognise([vector])[0] if recogniser else None
        distances = {ids[at]: 1 - cosine for at, cosine in near}
        proposed = [key for key, _ in known.nearest()] if known else []
        passages = {key: passage(place[key]) for key in {*distances, *proposed}}
        ranked = [goldens[place[each.passage.pk]][1] for each in search._rank(text, distances, [], known, passages)]
        for name, order in (("meaning", meaning), ("fused", ranked)):
            count[f"{name}, first"] += order[0] == topic
            count[f"{name}, among five"] += topic in order[:5]
    return {name: round(times / len(held), 4) for name, times in count.items()}


def _nearest(vectors: Any, asked: Any, depth: int) -> Iterator[list[tuple[int, float]]]:
    import numpy

    for start in range(0, len(asked), 64):
        for cosines in asked[start : start + 64] @ vectors.T:
            found = numpy.argpartition(-cosines, depth)[:depth]
            found = found[numpy.argsort(-cosines[found], kind="stable")]
            yield [(int(at), float(cosines[at])) for at in found]


def _recognising(recogniser: Any, asked: Any) -> Iterator[float]:
    """Milliseconds of the processor, of a question each."""
    recogniser.recognise([asked[0]])
    for vector in asked[:300]:
        began = time.thread_time()
        recogniser.recognise([vector])
        yield (time.thread_time() - began) * 1000


def _vectors(texts: Sequence[str]) -> Any:
    """From the file where they are kept; what is missing there is embedded and joins them."""
    import numpy

    from ingestion.knowledge.embed import MiniLmEmbedder

    embedder = MiniLmEmbedder()
    names, vectors = [], numpy.empty((0, embedder.dimension), dtype=numpy.float32)
    if KEPT.exists():
        with numpy.load(KEPT) as found:
            names, vectors = found["texts"].tolist(), found["vectors"]
    if new := list(dict.fromkeys(texts).keys() - set(names)):
        blocks = [embedder.embed(new[start : start + 1_000]) for start in range(0, len(new), 1_000)]
        names, vectors = names + new, numpy.concatenate([vectors, *blocks]).astype(numpy.float32)
        KEPT.parent.mkdir(exist_ok=True)
        numpy.savez(KEPT, texts=numpy.array(names), vectors=vectors)
    rows = {text: row for row, text in enumerate(names)}
    return vectors[[rows[text] for text in texts]]


def _megabytes(line: str) -> float:
    """Of this process: VmRSS now, or VmHWM at most since the last `_forget_the_most` (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{line}:")[1].split()[0]) / 1024


def _forget_the_most() -> None:
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
