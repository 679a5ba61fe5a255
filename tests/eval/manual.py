"""An agents' manual as the sources: a clothes shop's (ABCD, MIT, read from ../shared/data), read by the product's own file job.

The questions (`manual_questions.csv`) were written for this by somebody who saw the manual and no search engine: four for
each of its 55 pages, and 60 that it says nothing about. Half of them, by hash, are for choosing (`chosen=True`); the report is of
the other half.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.eval.asking import declined, share, sourced

ROOT = Path(__file__).resolve().parents[2]
GUIDELINES = ROOT.parent / "shared" / "data" / "abcd" / "guidelines.json"
QUESTIONS = Path(__file__).with_name("manual_questions.csv")
LISTS = "FAQ"  # pages with a list of questions and not one answer: found, but nothing to answer from


@dataclass(frozen=True, slots=True)
class Asked:
    flow: str
    page: str
    text: str


def questions(*, chosen: bool) -> list[Asked]:
    with QUESTIONS.open(encoding="utf-8") as file:
        rows = [Asked(row["flow"], row["subflow"], row["question"]) for row in csv.DictReader(file)]
    return [row for row in rows if (share("manual" + row.text) < 0.5) is chosen]


def markdown(flow: str, guide: dict[str, Any]) -> str:
    """One flow as one page of a manual, as the guide's own application shows it."""
    lines = [f"# {flow}", guide["description"].capitalize() + "."]
    for page, steps in guide["subflows"].items():
        first, *rest = steps["instructions"] or [""]
        lines += [f"## {page}", first]
        for number, step in enumerate(steps["actions"], 1):
            lines.append(f"{number}. {step['text']}\n" + "\n".join(f"   - {each}" for each in step["subtext"]))
        lines += rest
    return "\n\n".join(lines)


def account(slug: str, *, without: str = "") -> Any:
    """A tenant that uploaded the manual, but for one flow."""
    from ingestion.knowledge.files import Counts, ingest_file
    from tests import factories

    made, counts = factories.account(slug.capitalize(), slug), Counts()
    for flow, guide in json.loads(GUIDELINES.read_text()).items():
        if flow != without:
            text = markdown(flow, guide).encode()
            ingest_file(account_id=made.pk, name=f"{flow}.md", read=partial(bytes, text), counts=counts)
    assert not counts.refused, counts.problems
    return made


def retrieval(asked: Iterable[Asked], account_id: Any) -> dict[str, Any]:
    """On which place the page is that the question is about, by meaning, by words, and fused."""
    from conversations.tenancy import tenant_context
    from ingestion.knowledge import search
    from ingestion.knowledge.embed import get_embedder
    from ingestion.knowledge.vectors import get_vector_store
    from ingestion.models import Passage

    embedder = get_embedder()
    store = get_vector_store(embedder.name)
    assert store is not None
    with tenant_context(account_id):
        passages = {each.pk: each for each in Passage.objects.select_related("document")}
    pages = {key: each.heading.rsplit(" > ", 1)[-1] for key, each in passages.items()}
    places: dict[str, list[int]] = defaultdict(list)
    for row in asked:
        near = dict(store.query_many(account_id, embedder.embed([row.text]), search.DEPTH)[0])
        with tenant_context(account_id):
            words = search._by_words(row.text)
        fused = search._rank(near, words, None, {key: passages[key] for key in {*near, *words}})
        for name, order in (
            ("meaning", sorted(near, key=lambda key: near[key])),
            ("words", words),
            ("fused", [each.passage.pk for each in fused]),
        ):
            found = list(dict.fromkeys(pages[key] for key in order))
            places[name].append(found.index(row.page) + 1 if row.page in found else 99)
    return {
        name: {
            "top-1": round(sum(place == 1 for place in each) / len(each), 4),
            "top-5": round(sum(place <= 5 for place in each) / len(each), 4),
            "mean reciprocal rank": round(sum(1 / place for place in each if place < 99) / len(each), 4),
        }
        for name, each in places.items()
    }


def grounding(*, chosen: bool = False) -> dict[str, Any]:
    """Each flow taken away once: what it said is declined, what the others say is answered; what no page says is declined."""
    asked = [row for row in questions(chosen=chosen) if LISTS not in row.page]
    whole = account("manual")
    found: dict[str, Any] = {"retrieval": retrieval([row for row in asked if row.flow != "none"], whole.pk)}
    count: dict[str, int] = defaultdict(int)
    for row in asked:
        result, sources = _draft(whole, row)
        side = "of no page" if row.flow == "none" else "kept"
        count[side] += 1
        count[f"{side}, declined"] += declined(result)
        stated, borne = sourced(result, sources)
        count["sentences"] += stated
        count["sentences with their source"] += borne
        if side == "kept" and not declined(result):
            cited = {key for claim in result.claims for key in claim.source_ids}
            titles = {source.title for source in sources if source.passage_id in cited}
            count["answered"] += 1
            count["answered from its page"] += any(row.page in title for title in titles)
    for flow in sorted({row.flow for row in asked} - {"none"}):
        less = account(f"without-{flow.lower().replace(' ', '-')}", without=flow)
        for row in asked:
            if row.flow == flow:
                count["removed"] += 1
                count["removed, declined"] += declined(_draft(less, row)[0])
    found |= {
        "declined where the page was removed": round(count["removed, declined"] / count["removed"], 4),
        "declined where no page says anything": round(count["of no page, declined"] / count["of no page"], 4),
        "declined although there was a page": round(count["kept, declined"] / count["kept"], 4),
        "answered from its page": round(count["answered from its page"] / max(1, count["answered"]), 4),
        "sentences quoted from the source they cite": round(
            count["sentences with their source"] / max(1, count["sentences"]), 4
        ),
        "questions": dict(count),
    }
    return found


def _draft(account: Any, row: Asked) -> tuple[Any, Any]:
    from tests.eval.asking import draft

    return draft(account.pk, row.text)


def main() -> None:
    from tests.bench import world
    from tests.eval.__main__ import _set_up
    from tests.eval.store import chroma

    parser = argparse.ArgumentParser(prog="python -m tests.eval.manual", description="Only this part of `make eval`.")
    parser.add_argument("--chosen", action="store_true", help="the half that is for choosing, not for reporting")
    chosen = parser.parse_args().chosen
    with world.throw_away_cluster(), chroma():
        _set_up()
        print(json.dumps(grounding(chosen=chosen), indent=1))


if __name__ == "__main__":
    main()
