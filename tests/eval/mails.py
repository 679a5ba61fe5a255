"""Ordinary mails to both businesses, and whether somebody would sign the replies: `python -m tests.eval.mails`.

The mails, their checklists and the judge of replies are ../shared/data/mails (its README says how a reply is judged); half of
the mails are kept back by who wrote them. Half of the others, by hash, are for choosing (`--chosen`); the figures in
docs/quality.md are of both halves, side by side. Each mail goes the product's own way: the search, the language, the drafter.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from functools import lru_cache
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

from tests.eval import documents
from tests.eval.asking import set_up, share

MAILS = Path(__file__).resolve().parents[3] / "shared" / "data" / "mails"
SETS = {"shop": "help", "booking": "booking"}  # whose pages are those of `documents`
NAMES = {"shop": "Hot Rod AN", "booking": "Tidewater"}
ACTS = {
    "answer": "answer",
    "partly": "answer_partly",
    "ask": "ask",
    "hold": "hold",
    "none": "no_reply",
    "person": "human",
}
KINDS = ("answerable", "multi", "partial", "unanswerable", "courtesy", "all")


def absent() -> str:
    """Why nothing can be measured here; "" when it can."""
    return "" if (MAILS / "score.py").exists() else f"{MAILS} is not here: the mails were not measured."


def mails(name: str) -> list[dict[str, Any]]:
    lines = (MAILS / f"mails-{name}.dev.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def is_for_choosing(mail: dict[str, Any]) -> bool:
    return share(str(mail["id"])) < 0.5


@lru_cache(maxsize=1)
def judge() -> ModuleType:
    spec = util.spec_from_file_location("mails_score", MAILS / "score.py")
    assert spec is not None and spec.loader is not None
    made = util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def reply(account_id: UUID, mail: dict[str, Any], *, account_name: str) -> dict[str, Any]:
    """What the desk drafts for a mail, as the judge wants it, and how long that took."""
    from conversations.channels.email.reading.language import detect
    from drafts.learning.prompts import BUILT_IN_LABEL, BUILT_IN_TEXT
    from drafts.writing.port import DraftRequest, Turn
    from drafts.writing.registry import get_drafter
    from drafts.writing.retrieval import find_sources

    began = time.monotonic()
    language = detect(mail["body"])
    sources, findings, _ = find_sources(
        account_id=account_id, text=f"{mail['subject']}\n{mail['body']}", language=language
    )
    asked = DraftRequest(
        (Turn("customer", mail["body"]),), mail["body"], mail["from_name"], sources, BUILT_IN_TEXT, BUILT_IN_LABEL,
        account_name, language_hint=language, subject=mail["subject"], recogniser=findings.recogniser,
    )  # fmt: skip
    result = get_drafter().write(asked)
    return {
        "id": mail["id"],
        "reply": result.text,
        "act": ACTS[result.act],
        "unanswered": [one.text for one in result.asked if one.statement is None],
        "seconds": time.monotonic() - began,
    }


def measure(accounts: dict[str, Any], *, halves: Iterable[bool] = (True, False)) -> dict[str, Any]:
    """The judge's table for each half, and what a draft took."""
    found: dict[str, Any] = {}
    took: list[float] = []
    for half in halves:
        judged = []
        for name, account in accounts.items():
            for mail in mails(name):
                if is_for_choosing(mail) is half:
                    given = reply(account.pk, mail, account_name=NAMES[name])
                    took.append(given["seconds"])
                    judged.append(judge().judge(mail, given))
        rows = judge().table(judged)
        found["for choosing" if half else "the other half"] = {kind: rows[kind] for kind in KINDS if kind in rows}
    took.sort()
    found["seconds"] = {"p50": round(took[len(took) // 2], 3), "p95": round(took[int(len(took) * 0.95)], 3)}
    return found


def accounts() -> dict[str, Any]:
    return {name: documents.account(pages) for name, pages in SETS.items()}


def removed(*, halves: Iterable[bool] = (True, False)) -> dict[str, Any]:
    """Each page that answers a question taken away: the mails that ask nothing else are declined, in part or whole, and not answered."""
    count = {"mails": 0, "declined": 0}
    wanted = set(halves)
    for name, kept in SETS.items():
        by_page: dict[str, list[dict[str, Any]]] = {}
        for mail in mails(name):
            pages = {question["page"] for question in mail["questions"]}
            if len(pages) == 1 and None not in pages and is_for_choosing(mail) in wanted:
                by_page.setdefault(pages.pop().removesuffix(".md"), []).append(mail)
        for page, asking in sorted(by_page.items()):
            account = documents.account(kept, without=page)
            for mail in asking:
                open_ = [{**each, "answerable": False} for each in mail["questions"]]
                given = reply(account.pk, mail, account_name=NAMES[name])
                act = judge().judge({**mail, "questions": open_}, given)["act"]
                count["mails"] += 1
                count["declined"] += act not in ("answer", "answer_partly")
    return {**count, "share": round(count["declined"] / max(1, count["mails"]), 3)}


def report() -> dict[str, Any]:
    """All of it, where the mails are here; else why not."""
    return {"not measured": why} if (why := absent()) else {**measure(accounts()), "page removed": removed()}


def main() -> None:
    from tests.bench import world
    from tests.eval.store import chroma

    parser = argparse.ArgumentParser(prog="python -m tests.eval.mails", description="Only this part of `make eval`.")
    parser.add_argument("--chosen", action="store_true", help="the half that is for choosing, and no other")
    given = parser.parse_args()
    if why := absent():
        raise SystemExit(why)
    with world.throw_away_cluster(), chroma():
        set_up()
        found = measure(accounts(), halves=(True,)) if given.chosen else report()
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
