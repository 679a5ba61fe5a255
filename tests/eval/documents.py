"""Documents as the sources, read by the product's own file job, and questions that were written for this.

- `manual`: the agents' manual of a clothes shop (ABCD, MIT, read from ../shared/data): 55 sections, many nearly alike, written
  to agents and not to customers.
- `help`: the 16 pages that the demo's shop has for its customers. `help-mail` asks of the same pages.
- `booking-mail`: the 18 pages of a booking service, with tables, steps and lists, written for this by somebody else.

The questions (`questions/*.csv`) were written by somebody who saw the documents and no search engine, with the section that
answers, or "none" where no page does. Those of `manual` and `help` avoid the pages' words on purpose; those of the two `-mail`
sets are ordinary mails, and say which words of the page are the answer. Half of them, by hash, are for choosing (`chosen=True`);
the report is of the other half.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.eval.asking import declined, draft, set_up, share, sourced

if TYPE_CHECKING:
    from drafts.writing.port import DraftResult, Source

ROOT = Path(__file__).resolve().parents[2]
GUIDELINES = ROOT.parent / "shared" / "data" / "abcd" / "guidelines.json"
FOLDERS = {"help": ROOT / "drafts" / "demo" / "knowledge", "booking": Path(__file__).with_name("pages") / "booking"}
SETS = ("help", "manual", "help-mail", "booking-mail")
QUESTIONS = Path(__file__).with_name("questions")
NONE = "none"
LISTS = "FAQ"  # sections of the manual that list questions and not one answer


@dataclass(frozen=True, slots=True)
class Asked:
    """``sections`` are those that answer, any of them; ``answer`` is the part of the page that does, where that is known."""

    page: str
    sections: frozenset[str]
    text: str
    answer: tuple[str, ...] = ()


def questions(name: str, *, chosen: bool) -> list[Asked]:
    with (QUESTIONS / f"{name}.csv").open(encoding="utf-8") as file:
        rows = [
            Asked(row["page"], frozenset(_parts(row["section"])), row["question"], _parts(row.get("answer")))
            for row in csv.DictReader(file)
        ]
    return [row for row in rows if not _lists(row) and (share(name + row.text) < 0.5) is chosen]


def _parts(cell: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (cell or "").split("||") if part.strip())


def _lists(row: Asked) -> bool:
    return any(LISTS in section for section in row.sections)


def pages(name: str) -> dict[str, str]:
    """The Markdown of each page by its name."""
    if name == "manual":
        return {flow: _markdown(flow, guide) for flow, guide in json.loads(GUIDELINES.read_text()).items()}
    folder = FOLDERS[name.removesuffix("-mail")]
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}


def _markdown(flow: str, guide: dict[str, Any]) -> str:
    """One flow as one page of a manual, as the guide's own application shows it."""
    lines = [f"# {flow}", guide["description"].capitalize() + "."]
    for section, steps in guide["subflows"].items():
        first, *rest = steps["instructions"] or [""]
        lines += [f"## {section}", first]
        for number, step in enumerate(steps["actions"], 1):
            lines.append(f"{number}. {step['text']}\n" + "\n".join(f"   - {each}" for each in step["subtext"]))
        lines += rest
    return "\n\n".join(lines)


def account(name: str, *, without: str = "") -> Any:
    """A tenant that uploaded the pages, but for one."""
    from ingestion.knowledge.files import Counts, ingest_file
    from tests import factories

    slug = "-".join(["eval", name, *without.lower().replace("/", " ").split()])[:50]
    made, counts = factories.account(slug.capitalize(), slug), Counts()
    for page, text in pages(name).items():
        if page != without:
            ingest_file(account_id=made.pk, name=f"{page}.md", read=partial(bytes, text.encode()), counts=counts)
    assert not counts.refused, counts.problems
    return made


def retrieval(asked: Iterable[Asked], account_id: Any) -> dict[str, Any]:
    """On which place the section is that the question is about, by meaning, by words, and fused."""
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
    sections = {key: _sections(each.heading, each.text) for key, each in passages.items()}
    places: dict[str, list[int]] = defaultdict(list)
    for row in asked:
        near = dict(store.query_many(account_id, embedder.embed([row.text]), search.DEPTH)[0])
        with tenant_context(account_id):
            words = search._by_words(row.text)
        mine = {key: passages[key] for key in {*near, *words}}
        shared = search._shared(row.text, mine)
        fused = search._rank(row.text, near, words, None, mine)
        for name, order in (
            ("meaning", sorted(near, key=lambda key: near[key])),
            ("words", sorted(words, key=lambda key: -shared[key])),
            ("fused", [each.passage.pk for each in fused]),
        ):
            places[name].append(next((n for n, key in enumerate(order, 1) if row.sections & sections[key]), 99))
    return {
        name: {
            "top-1": round(sum(place == 1 for place in each) / len(each), 4),
            "top-5": round(sum(place <= 5 for place in each) / len(each), 4),
            "mean reciprocal rank": round(sum(1 / place for place in each if place < 99) / len(each), 4),
        }
        for name, each in places.items()
    }


def _sections(path: str, text: str) -> set[str]:
    """Those that a passage is of: the last heading above it, and those in it."""
    return {path.rsplit(" > ", 1)[-1], *(line.lstrip("# ").strip() for line in text.splitlines() if line[:1] == "#")}


def grounding(name: str, *, chosen: bool = False) -> dict[str, Any]:
    """Each page taken away once: what it said is declined, what the others say is answered; what no page says is declined."""
    asked = questions(name, chosen=chosen)
    whole = account(name)
    found: dict[str, Any] = {"retrieval": retrieval([row for row in asked if row.page != NONE], whole.pk)}
    count: dict[str, int] = defaultdict(int)
    for row in asked:
        result, sources = draft(whole.pk, row.text)
        side = "of no page" if row.page == NONE else "kept"
        count[side] += 1
        count[f"{side}, declined"] += declined(result)
        stated, borne = sourced(result, sources)
        count["sentences"] += stated
        count["sentences with their source"] += borne
        if side == "kept" and not declined(result):
            count["answered"] += 1
            count["answered from its section"] += _from_its_section(row, result, sources)
            count["answered with the answer"] += bool(row.answer) and all(
                _says(result.text, each) for each in row.answer
            )
            count["sentences of the answered"] += stated
    for page in sorted({row.page for row in asked} - {NONE}):
        less = account(name, without=page)
        for row in asked:
            if row.page == page:
                count["removed"] += 1
                count["removed, declined"] += declined(draft(less.pk, row.text)[0])
    found |= {
        "declined where the page was removed": _of(count, "removed, declined", "removed"),
        "declined where no page says anything": _of(count, "of no page, declined", "of no page"),
        "declined although there was a page": _of(count, "kept, declined", "kept"),
        "answered from its section": _of(count, "answered from its section", "answered"),
        "sentences quoted from the source they cite": _of(count, "sentences with their source", "sentences"),
        "questions": dict(count),
    }
    if any(row.answer for row in asked):
        found["of all questions with a page, the answer is in the reply"] = _of(
            count, "answered with the answer", "kept"
        )
    return found


def _from_its_section(row: Asked, result: DraftResult, sources: Sequence[Source]) -> bool:
    cited = {key for statement in result.statements for key in statement.source_ids}
    return any(
        source.passage_id in cited and row.sections & _sections(source.section, source.text) for source in sources
    )


def place_of(row: Asked, sources: Sequence[Source]) -> int:
    """On which place the first passage of the section is that answers; 99 where it is not among them."""
    ranked = (n for n, each in enumerate(sources, 1) if row.sections & _sections(each.section, each.text))
    return next(ranked, 99)


def _says(text: str, part: str) -> bool:
    """Whether a reply says this part of a page: its words, or all the cells of a table's row on one line."""
    from drafts.writing.statements import normalised

    if not part.startswith("|"):
        return normalised(part) in normalised(text)
    cells = [normalised(cell) for cell in part.strip("|").split("|") if cell.strip()]
    return any(all(cell in normalised(line) for cell in cells) for line in text.splitlines())


def _of(count: dict[str, int], part: str, whole: str) -> float:
    return round(count[part] / max(1, count[whole]), 4)


def main() -> None:
    from tests.bench import world
    from tests.eval.store import chroma

    parser = argparse.ArgumentParser(
        prog="python -m tests.eval.documents", description="Only this part of `make eval`."
    )
    parser.add_argument("--chosen", action="store_true", help="the half that is for choosing, not for reporting")
    parser.add_argument("names", nargs="*", default=SETS, help=f"any of {', '.join(SETS)}; all without")
    given = parser.parse_args()
    with world.throw_away_cluster(), chroma():
        set_up()
        print(json.dumps({name: grounding(name, chosen=given.chosen) for name in given.names}, indent=1))


if __name__ == "__main__":
    main()
