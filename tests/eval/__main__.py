"""`python -m tests.eval`: how good retrieval, drafting, lanes and learning are, on real questions, with the parts that ship.

Deterministic: the split is by hash, the embedder is the packaged one, no model is asked. Reads ../shared/data/banking77
(CC-BY-4.0) and abcd (MIT), prints one table and writes .local/eval.json. Needs the vector store's server (a demo or development install).
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.bench import world
from tests.eval import documents, mails
from tests.eval.asking import answer, declined, draft, set_up, share, sourced
from tests.eval.store import chroma

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = ROOT.parent / "shared" / "data" / "banking77" / "train.csv"


@dataclass(frozen=True, slots=True)
class Asked:
    text: str
    topic: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.eval", description=__doc__)
    parser.add_argument("--sample", type=int, default=600, help="held-back questions to draft for (default 600)")
    arguments = parser.parse_args()
    if not QUESTIONS.exists():
        raise SystemExit(f"{QUESTIONS} is not here: nothing was measured.")
    rows = [Asked(row["text"], row["category"]) for row in csv.DictReader(QUESTIONS.open())]
    known = [row for row in rows if share(row.text) >= 0.2]
    held = [row for row in rows if share(row.text) < 0.2]
    found: dict[str, Any] = {"goldens": len(known), "held back": len(held)}
    with world.throw_away_cluster(), chroma():
        set_up()
        found["retrieval"] = retrieval(known, held)
        sample = sorted(held, key=lambda row: share("sample" + row.text))[: arguments.sample]
        found["grounding"] = grounding(known, sample)
        found["learning"] = learning(held)
        found["documents"] = {name: documents.grounding(name) for name in documents.SETS}
        found["mails"] = mails.report()
    found["lanes"] = lane_simulation()
    print(json.dumps(found, indent=1))
    target = ROOT / ".local" / "eval.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=1))


def _account(slug: str, rows: Sequence[Asked]) -> Any:
    """A tenant whose approved answers are these questions, as `goldens` and `index_document` would store them."""
    from conversations.tenancy import tenant_context
    from ingestion.knowledge.answers import learn_answers
    from ingestion.knowledge.embed import get_embedder
    from ingestion.knowledge.vectors import get_vector_store
    from ingestion.models import Passage, SourceDocument
    from tests import factories

    account = factories.account(slug.capitalize(), slug)
    with tenant_context(account.pk):
        documents = SourceDocument.objects.bulk_create(
            [
                SourceDocument(account=account, source_url=f"golden:{n}", kind="golden", title=row.text[:500], hash="x")
                for n, row in enumerate(rows)
            ],
            batch_size=1000,
        )
        passages = Passage.objects.bulk_create(
            [
                Passage(
                    account=account,
                    document=document,
                    ordinal=0,
                    heading=row.text[:500],
                    text=answer(row.topic),
                    hash="x",
                )
                for document, row in zip(documents, rows, strict=True)
            ],
            batch_size=1000,
        )
    embedder = get_embedder()
    store = get_vector_store(embedder.name)
    assert store is not None
    store.upsert(account.pk, [each.pk for each in passages], _vectors([row.text for row in rows]))
    learn_answers(account_id=account.pk)
    return account


_VECTORS: dict[str, list[float]] = {}


def _vectors(texts: Sequence[str]) -> list[list[float]]:
    from ingestion.knowledge.embed import get_embedder

    new = [text for text in dict.fromkeys(texts) if text not in _VECTORS]
    _VECTORS.update(zip(new, get_embedder().embed(new), strict=True) if new else [])
    return [_VECTORS[text] for text in texts]


def retrieval(known: Sequence[Asked], held: Sequence[Asked]) -> dict[str, Any]:
    """Which topic the nearest approved questions have: plain voting of 5 by meaning (the floor), each search alone, fused."""
    from conversations.tenancy import tenant_context
    from ingestion.knowledge import search
    from ingestion.knowledge.answers import recogniser_of
    from ingestion.knowledge.embed import get_embedder
    from ingestion.knowledge.vectors import get_vector_store
    from ingestion.models import Passage

    account = _account("bank", known)
    store = get_vector_store(get_embedder().name)
    assert store is not None
    with tenant_context(account.pk):
        passages = {each.pk: each for each in Passage.objects.select_related("document")}
        recogniser = recogniser_of(account.pk, get_embedder())
    assert recogniser is not None
    by_text = {row.text[:500]: row.topic for row in known}
    by_document = {each.document_id: each for each in passages.values()}
    topics = {each.pk: by_text[each.heading] for each in passages.values()}
    scores: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    began = time.monotonic()
    for start in range(0, len(held), 64):
        batch = held[start : start + 64]
        near = store.query_many(account.pk, _vectors([row.text for row in batch]), search.DEPTH)
        with tenant_context(account.pk):
            known = recogniser.recognise(_vectors([row.text for row in batch]))
            for row, nearest, knows in zip(batch, near, known, strict=True):
                words = search._by_words(row.text)
                learned = {document for document, _ in knows.nearest()}
                mine = {k: passages[k] for k in {*dict(nearest), *words}}
                mine |= {by_document[document].pk: by_document[document] for document in learned}
                shared = search._shared(row.text, mine)
                words.sort(key=lambda key: -shared[key])
                fused = search._rank(row.text, dict(nearest), words, knows, mine)
                lists = {
                    "meaning, plain vote of 5": ([(topics[key], 1.0) for key, _ in nearest[:5]], topics[nearest[0][0]]),
                    "meaning": ([(topics[k], (1 - d) ** 16) for k, d in nearest], topics[nearest[0][0]]),
                    "words": ([(topics[k], 1 / n) for n, k in enumerate(words, 1)], topics[words[0]] if words else ""),
                    "fused": ([(topics[f.passage.pk], f.score) for f in fused], topics[fused[0].passage.pk]),
                }
                for name, (votes, first) in lists.items():
                    order = _vote(votes)
                    line = scores[name]
                    line[0] += order[:1] == [row.topic]
                    line[1] += row.topic in order[:5]
                    line[2] += first == row.topic
                    line[3] += 1
    took = time.monotonic() - began
    out: dict[str, Any] = {
        name: {"top-1": round(a / n, 4), "top-5": round(b / n, 4), "nearest is right": round(c / n, 4)}
        for name, (a, b, c, n) in scores.items()
    }
    return {**out, "seconds": round(took, 1)}


def _vote(votes: Sequence[tuple[str, float]]) -> list[str]:
    total: dict[str, float] = defaultdict(float)
    for topic, weight in votes:
        total[topic] += weight
    return sorted(total, key=lambda topic: (-total[topic], topic))


def grounding(known: Sequence[Asked], sample: Sequence[Asked]) -> dict[str, Any]:
    """A quarter of the topics has no answer: are those declined, are the others answered, and is every sentence sourced?"""
    removed = set(sorted({row.topic for row in known})[::4])
    account = _account("quarter", [row for row in known if row.topic not in removed])
    count: dict[str, int] = defaultdict(int)
    for row in sample:
        result, sources = draft(account.pk, row.text)
        stated, borne = sourced(result, sources)
        count["sentences"] += stated
        count["sentences with their source"] += borne
        side = "removed" if row.topic in removed else "kept"
        count[side] += 1
        count[f"{side}, declined"] += declined(result)
        if side == "kept" and not declined(result):
            count["answered"] += 1
            count["answered rightly"] += answer(row.topic) in result.text
    return {
        "declined where the answer was removed": round(count["removed, declined"] / count["removed"], 4),
        "declined although there was an answer": round(count["kept, declined"] / count["kept"], 4),
        "F1 of declining": round(
            2 * count["removed, declined"] / (count["removed"] + count["removed, declined"] + count["kept, declined"]),
            4,
        ),
        "right topic among the answered": round(count["answered rightly"] / max(1, count["answered"]), 4),
        "sentences quoted from the source they cite": round(
            count["sentences with their source"] / max(1, count["sentences"]), 4
        ),
        "questions": dict(count),
    }


def learning(held: Sequence[Asked], *, topics: int = 24, questions: int = 600) -> dict[str, Any]:
    """A stream of questions; each reply that is not the right answer is corrected. With learning the correction becomes an
    approved answer at once, and what can be learned from all of them is learned every hundred questions (the product does
    it every ten minutes); without it the same stream meets the same empty desk."""
    from conversations import audit
    from conversations.tenancy import tenant_context
    from drafts.answers import goldens
    from drafts.diffing import diff_ops, similarity
    from drafts.learning.prompts import BUILT_IN_LABEL, BUILT_IN_TEXT
    from drafts.writing.port import DraftRequest, Turn
    from drafts.writing.registry import get_drafter
    from drafts.writing.retrieval import sources_of
    from ingestion.knowledge.answers import learn_answers
    from ingestion.knowledge.search import find_passages
    from tests import factories

    chosen = sorted({row.topic for row in held}, key=share)[:topics]
    stream = sorted((row for row in held if row.topic in chosen), key=lambda row: share("stream" + row.text))[
        :questions
    ]
    drafter = get_drafter()
    curves: dict[str, list[dict[str, float]]] = {}
    for name in ("learning", "without"):
        account = factories.account(name, name)
        unchanged, changed = [], []
        for number, row in enumerate(stream, 1):
            if number % 100 == 0:
                learn_answers(account_id=account.pk)
            findings = find_passages(account_id=account.pk, text=row.text, limit=6)
            sources, thread = sources_of(findings), (Turn("customer", row.text),)
            asked = DraftRequest(thread, row.text, "", sources, BUILT_IN_TEXT, BUILT_IN_LABEL, "Bank")
            result = drafter.write(replace(asked, recogniser=findings.recogniser))
            said = " ".join(result.text[statement.start : statement.end] for statement in result.statements)
            right = answer(row.topic)
            unchanged.append(said == right)
            changed.append(1 - similarity(diff_ops(said or " ", right)))
            if said != right and name == "learning":
                with tenant_context(account.pk):
                    golden = goldens.propose(account_id=account.pk, actor=audit.SYSTEM, question=row.text, answer=right)
                    goldens.accept(golden_id=golden.pk, actor=audit.SYSTEM)
        step = max(1, len(stream) // 6)
        curves[name] = [
            {
                "questions": start + step,
                "sent unchanged": round(sum(unchanged[start : start + step]) / step, 3),
                "share of the text changed": round(sum(changed[start : start + step]) / step, 3),
            }
            for start in range(0, step * 6, step)
        ]
    return curves


def lane_simulation(*, runs: int = 4000) -> dict[str, Any]:
    """How often a lane opens whose true rate is only the bound; and how soon a planted regression shuts an open one."""
    from drafts.desk.lanes import judge

    chance = random.Random(20261122)
    out: dict[str, Any] = {}
    for needed, bound in ((50, 0.9), (100, 0.9), (200, 0.95)):
        opened = sum(
            judge([chance.random() < bound for _ in range(needed)], needed=needed, bound=bound).is_enough
            for _ in range(runs)
        )
        after: list[int] = []
        for _ in range(300):
            verdicts = [True] * needed
            for n in range(1, 500):
                verdicts.insert(0, chance.random() < 0.6)
                if not judge(verdicts, needed=needed, bound=bound).is_enough:
                    after.append(n)
                    break
        out[f"{needed} decisions, bound {bound}"] = {
            "opened at a true rate of the bound": round(opened / runs, 4),
            "reviewed drafts until a fall to 60 % shuts it, median": sorted(after)[len(after) // 2],
            "longest": max(after),
        }
    return out


if __name__ == "__main__":
    main()
