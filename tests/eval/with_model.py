"""`python -m tests.eval.with_model`: what the drafter for models makes of real questions with a real, small model (`make local-model`).

The questions and the tenant are those of the grounding figures of `tests.eval`: a quarter of the topics has no answer. Half of
the sample asks for one of those. With `--documents booking-mail` they are that set's of `documents.py`: a quarter of the sample no page
answers; and the model puts the passages in order too (`RERANKER=model`). Some 25 seconds a reply on two cores, with six long passages
a minute; Ctrl-C reports what was asked until then.
"""

from __future__ import annotations

import argparse
import csv
import json
import signal
import statistics
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from tests.bench import world
from tests.eval import documents, local_model
from tests.eval.__main__ import QUESTIONS, Asked, _account, answer
from tests.eval.asking import draft, set_up, share
from tests.eval.store import chroma

if TYPE_CHECKING:
    from drafts.llm.endpoint import Endpoint
    from drafts.writing.model import ModelDrafter
    from drafts.writing.port import DraftResult

Row = TypeVar("Row")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.eval.with_model", description=__doc__)
    parser.add_argument("--sample", type=int, default=60, help="questions to draft for (default 60)")
    parser.add_argument("--show", type=int, default=0, help="print this many drafts")
    parser.add_argument("--documents", choices=documents.SETS, help="ask about these documents instead")
    arguments = parser.parse_args()
    rows = [Asked(row["text"], row["category"]) for row in csv.DictReader(QUESTIONS.open())]
    known = [row for row in rows if share(row.text) >= 0.2]
    held = sorted((row for row in rows if share(row.text) < 0.2), key=lambda row: share("sample" + row.text))
    with world.throw_away_cluster(), chroma(), local_model.serving() as url:
        set_up()
        if arguments.documents:
            found = about_documents(arguments.documents, arguments.sample, url, arguments.show)
        else:
            found = drafts(known, held, arguments.sample, url, arguments.show)
        print(json.dumps(found, indent=1))


def about_documents(name: str, sample: int, url: str, show: int) -> dict[str, Any]:
    from drafts.writing.rerank import LOOKED_AT, ModelReranker
    from drafts.writing.retrieval import sources_of
    from ingestion.knowledge.search import find_passages

    account = documents.account(name)
    asked = sorted(documents.questions(name, chosen=False), key=lambda row: share("sample" + row.text))
    without = [row for row in asked if row.page == documents.NONE][: sample // 4]
    rows = [row for row in asked if row.page != documents.NONE][: sample - len(without)] + without
    count = Count()
    places: dict[str, list[int]] = defaultdict(list)
    reranker = ModelReranker(Endpoint(provider="openai", model="local", url=url, timeout=300))
    for number, row in enumerate(until_interrupted(rows)):
        side = "of no page" if row.page == documents.NONE else "kept"
        count.add(side, row.text, account.pk, drafter_at(url), show=number < show or number >= len(rows) - show)
        if side == "kept":
            sources = sources_of(find_passages(account_id=account.pk, text=row.text, limit=LOOKED_AT))
            places["search"].append(documents.place_of(row, sources))
            places["model"].append(documents.place_of(row, reranker.order(row.text, sources)[0]))
    ranks = {
        name: {"first": sum(place == 1 for place in each), "among six": sum(place <= 6 for place in each)}
        for name, each in places.items()
    }
    return count.report() | {"the right section, in the order of": ranks}


def until_interrupted(rows: list[Row]) -> Iterator[Row]:
    """The rows; none after Ctrl-C, which the question that is being asked is let end."""
    stop: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: stop.append(number))
    try:
        for row in rows:
            if stop:
                print("Interrupted; this is what was asked until then.")
                return
            yield row
    finally:
        signal.signal(signal.SIGINT, before)


def drafter_at(url: str) -> ModelDrafter:
    from drafts.writing.model import ModelDrafter
    from ingestion.knowledge.embed import get_embedder

    return ModelDrafter(
        Endpoint(provider="openai", model="local", url=url, timeout=300), temperature=0.0, embedder=get_embedder()
    )


class Count:
    """What came of the questions, each asked of the model once."""

    def __init__(self) -> None:
        self.of: dict[str, int] = defaultdict(int)
        self.seconds: list[float] = []
        self.tokens: list[int] = []

    def add(self, side: str, text: str, account_id: Any, drafter: ModelDrafter, *, show: bool) -> DraftResult | None:
        from drafts.writing.port import DrafterUnavailable

        self.of[side] += 1
        try:
            result, _ = draft(account_id, text, drafter)
        except DrafterUnavailable as error:
            self.of["no usable reply"] += 1
            print(error)
            return None
        if show:
            print(f"--- {side}: {text}\n{result.text}\n{result.needs_human} {result.warnings}")
        self.seconds.append(result.latency_ms / 1000)
        self.tokens.append(result.tokens_used)
        borne = [statement for statement in result.statements if statement.source_ids]
        self.of["sentences that state something"] += len(result.statements)
        self.of["of them borne by a source"] += len(borne)
        self.of[f"{side}, no statement borne by a source"] += not borne
        self.of[f"{side}, a person is called"] += bool(result.needs_human)
        self.of[f"{side}, borne and no person called"] += bool(borne) and not result.needs_human
        return result

    def report(self) -> dict[str, Any]:
        return {
            **self.of,
            "seconds, median and most": [round(statistics.median(self.seconds), 1), round(max(self.seconds), 1)],
            "tokens, median": statistics.median(self.tokens),
        }


def drafts(known: list[Asked], held: list[Asked], sample: int, url: str, show: int) -> dict[str, Any]:
    removed = set(sorted({row.topic for row in known})[::4])
    account = _account("quarter", [row for row in known if row.topic not in removed])
    chosen = [row for row in held if row.topic in removed][: sample // 2]
    chosen += [row for row in held if row.topic not in removed][: sample - len(chosen)]
    count = Count()
    for number, row in enumerate(until_interrupted(chosen)):
        side = "removed" if row.topic in removed else "kept"
        show_it = number < show or number >= len(chosen) - show
        result = count.add(side, row.text, account.pk, drafter_at(url), show=show_it)
        if result and side == "kept":
            count.of["kept, right topic's answer"] += answer(row.topic) in result.text
    return count.report()


if __name__ == "__main__":
    main()
