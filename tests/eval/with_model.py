"""`python -m tests.eval.with_model`: what the drafter for models makes of real questions with a real, small model (`make local-model`).

The questions and the tenant are those of the grounding figures of `tests.eval`: a quarter of the topics has no answer. Half of
the sample asks for one of those. Some ten seconds a question on two cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections import defaultdict
from typing import Any

from tests.bench import world
from tests.eval import local_model
from tests.eval.__main__ import QUESTIONS, Asked, _account, answer
from tests.eval.asking import draft, set_up, share
from tests.eval.store import chroma


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.eval.with_model", description=__doc__)
    parser.add_argument("--sample", type=int, default=60, help="questions to draft for (default 60)")
    parser.add_argument("--show", type=int, default=0, help="print this many drafts")
    arguments = parser.parse_args()
    rows = [Asked(row["text"], row["category"]) for row in csv.DictReader(QUESTIONS.open())]
    known = [row for row in rows if share(row.text) >= 0.2]
    held = sorted((row for row in rows if share(row.text) < 0.2), key=lambda row: share("sample" + row.text))
    with world.throw_away_cluster(), chroma(), local_model.serving() as url:
        set_up()
        print(json.dumps(drafts(known, held, arguments.sample, url, arguments.show), indent=1))


def drafts(known: list[Asked], held: list[Asked], sample: int, url: str, show: int) -> dict[str, Any]:
    from drafts.writing.model import ModelDrafter
    from drafts.writing.port import DrafterUnavailable
    from ingestion.knowledge.embed import get_embedder

    removed = set(sorted({row.topic for row in known})[::4])
    account = _account("quarter", [row for row in known if row.topic not in removed])
    chosen = [row for row in held if row.topic in removed][: sample // 2]
    chosen += [row for row in held if row.topic not in removed][: sample - len(chosen)]
    drafter = ModelDrafter(
        provider="openai", model="local", url=url, timeout=300, temperature=0.0, embedder=get_embedder()
    )
    count: dict[str, int] = defaultdict(int)
    seconds, tokens = [], []
    for number, row in enumerate(chosen):
        side = "removed" if row.topic in removed else "kept"
        count[side] += 1
        try:
            result, _ = draft(account.pk, row.text, drafter)
        except DrafterUnavailable as error:
            count["no usable reply"] += 1
            print(error)
            continue
        if number < show or number >= len(chosen) - show:
            print(f"--- {side} [{row.topic}] {row.text}\n{result.text}\n{result.needs_human} {result.warnings}")
        seconds.append(result.latency_ms / 1000)
        tokens.append(result.tokens_used)
        borne = [claim for claim in result.claims if claim.source_ids]
        count["sentences that state something"] += len(result.claims)
        count["of them borne by a source"] += len(borne)
        count[f"{side}, no statement borne by a source"] += not borne
        count[f"{side}, a person is called"] += bool(result.needs_human)
        count[f"{side}, borne and no person called"] += bool(borne) and not result.needs_human
        count["kept, right topic's answer"] += side == "kept" and answer(row.topic) in result.text
    return {
        **count,
        "seconds, median and most": [round(statistics.median(seconds), 1), round(max(seconds), 1)],
        "tokens, median": statistics.median(tokens),
    }


if __name__ == "__main__":
    main()
