"""The goals P1 to P20 (docs/performance.md) against what was measured: one line each, with its floor or peer."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from tests.bench import world
from tests.bench.measure import Cost
from tests.bench.pages import percentile
from tests.bench.paint import Paint
from tests.bench.volume import WORDS, Rate

SCRUB_FLOOR = (
    22_000  # rows a second of the database's CPU, in batches of 5,000, without word index and audit (recorded)
)
FLAT = ("queue page", "conversation", "timeline of 200", "approve", "ingest, new")


@dataclass
class Found:
    """What a run measured. A part that was skipped is empty, and `skipped` says why."""

    costs: dict[str, Cost]
    inside: dict[str, Cost]
    counts: dict[str, int]
    transactions: dict[str, world.Transactions | None]
    seeded: Rate | None = None
    scrubbed: Rate | None = None
    visible: list[float] = field(default_factory=list)
    painted: Paint | None = None
    memory: list[float] = field(default_factory=list)
    sustained: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """One goal. `met` None: told, not judged."""

    goal: str
    measured: str
    anchor: str
    met: bool | None


def judged(found: Found) -> list[Line]:
    parts = [_requests, _verbs, _peers, _flat, _bulk, _pages, _sustained]
    skipped = [Line(f"   {words}", "skipped", "", None) for words in found.skipped]
    return [line for part in parts for line in part(found)] + skipped


def _at_most(goal: str, measured: float, anchor: float, ratio: float) -> Line:
    return Line(f"{goal} <= {ratio:g}x", times(measured, anchor), f"{anchor:.2f} ms", measured <= ratio * anchor)


def _within(goal: str, measured: float, most: float) -> Line:
    return Line(f"{goal} <= {most:g} ms", f"{measured:.1f} ms", f"{most:g} ms", measured <= most)


def _requests(found: Found) -> list[Line]:
    costs, counts = found.costs, found.counts
    queue, timeline, approve = (costs[name].cpu for name in ("queue page", "timeline of 200", "approve"))
    edit, new, repeated = (costs[name].cpu for name in ("approve with an edit", "ingest, new", "ingest, repeated"))
    lines = [_within("P3 queue page, CPU", queue, 9.5)]
    if floor := costs.get("floor WSGI, queue page"):
        lines.append(_at_most("P3 queue page, of the f-string floor with log-in", queue, floor.cpu, 3))
    if floor := costs.get("floor WSGI, empty POST"):
        lines.append(_at_most("P8 approve with the next pane, of an empty POST", approve, floor.cpu, 8))
        lines.append(_at_most("P8 approve with an edit, of an empty POST", edit, floor.cpu, 8))
    most, told = (
        counts["approve with an edit"],
        f"approve {counts['approve']}, with an edit {counts['approve with an edit']}",
    )
    return [
        *lines,
        _within("P8 approve with the next pane, CPU", approve, 13),
        Line("P8 decision <= 15 statements", told, "15", most <= 15),
        Line("P11 ingest <= 8 statements", f"{counts['ingest, new']}, repeated {counts['ingest, repeated']}", "8", counts["ingest, new"] <= 8),
        _at_most("P11 a repeated message, of a new one", repeated, new, 0.8),
        Line("P14 timeline <= 8 statements", str(counts["timeline of 200"]), "8", counts["timeline of 200"] <= 8),
        _within("P14 timeline of 200 messages, CPU", timeline, 30),
        _at_most("P14 timeline, of the raw rows", timeline, found.inside["raw fetch"].cpu, 6),
        _within("P16 the bell of an idle page", costs["bell"].cpu, 3),
        _within("   the pulse of an idle page", costs["idle pulse"].cpu, 5),
    ]  # fmt: skip


def _verbs(found: Found) -> list[Line]:
    """Beside pgbench, in the same run."""
    verb, lines = found.inside["approve()"], []
    if signed := found.transactions["approve"]:
        both = signed.server + signed.client
        lines.append(_at_most("P9 approve(), database, of pgbench's 8 statements", _database(verb), signed.server, 5))
        lines.append(_at_most("P9 approve(), all, of pgbench's", verb.cpu, both, 10))
    if taken := found.transactions["ingest"]:
        lines.append(
            _at_most("P11 ingest, of pgbench's", found.costs["ingest, new"].cpu, taken.server + taken.client, 14)
        )
    return lines


def _peers(found: Found) -> list[Line]:
    wanted = (
        ("P4 queue page, of helpdesk's list of 10,000", "queue page", "helpdesk, list, 10k", 12),
        ("P4 queue page, of helpdesk's list of 100,000", "queue page", "helpdesk, list, 100k", 40),
        ("P8 approve, of helpdesk's follow-up", "approve", "helpdesk, follow-up", 2),
        ("P14 timeline, of helpdesk's ticket of 200", "timeline of 200", "helpdesk, long ticket", 25),
    )
    lines = []
    for goal, ours, theirs, least in wanted:
        if peer := found.costs.get(theirs):
            cost = found.costs[ours].cpu
            told = f"{peer.cpu / cost:.1f}x less ({cost:.1f} ms)"
            lines.append(Line(f"{goal}, >= {least}x less", told, f"{peer.cpu:.1f} ms", peer.cpu >= least * cost))
    return lines


def _sustained(found: Found) -> list[Line]:
    wanted = {"queue page": 100, "approve": 100, "ingest": 200}
    return [
        Line(f"P20 {name}, 8 clients >= {wanted[name]} a second", f"{rate:.0f}", str(wanted[name]), None)
        for name, rate in found.sustained.items()
    ]


def _flat(found: Found) -> list[Line]:
    """The same pages on a database many times as large."""
    lines = []
    for name in FLAT:
        small, large = found.costs[name], found.costs.get(f"large, {name}")
        if large is None:
            continue
        for part, of in (("CPU", _cpu), ("database", _database)):
            lines.append(_at_most(f"P6 {name}, {part}, of the small one", of(large), of(small), 1.3))
    for rank, word in WORDS.items():
        if cost := found.costs.get(f"large, search {word}"):
            spent, page = _database(cost), cost.cpu
            words = f"{spent:.1f} and {page:.1f} ms"
            met = spent <= 10 and page <= 25
            lines.append(Line(f"P15 search for {rank}, database <= 10 ms, page <= 25 ms", words, "10 and 25 ms", met))
    return lines


def _cpu(cost: Cost) -> float:
    return cost.cpu


def _database(cost: Cost) -> float:
    return statistics.median(cost.database)


def _bulk(found: Found) -> list[Line]:
    lines = []
    if seeded := found.seeded:
        lines.append(Line("P12 bulk seed >= 1,500 conversations with message and draft a CPU second", f"{seeded.by_all:,.0f}", "1,500", seeded.by_all >= 1500))  # fmt: skip
    if scrubbed := found.scrubbed:
        rate = scrubbed.by_database
        lines += [
            Line("P13 retention >= 0.7x the floor's rows a database CPU second", f"{rate / SCRUB_FLOOR:.2f}x ({rate:,.0f} rows)", f"{SCRUB_FLOOR:,} (recorded)", rate >= 0.7 * SCRUB_FLOOR),
            Line("P13 retention's longest transaction <= 500 ms", f"{scrubbed.longest:.0f} ms (wall)", "500 ms", scrubbed.longest <= 500),
        ]  # fmt: skip
    return lines


def _pages(found: Found) -> list[Line]:
    """Wall time in a browser: told, and judged by hand on a quiet machine. Only memory is judged here."""
    lines = []
    if found.visible:
        middle, late = percentile(found.visible, 0.5), percentile(found.visible, 0.95)
        words = f"p50 {middle:.0f} ms, p95 {late:.0f} ms, {len(found.visible)} samples"
        lines.append(Line("P17 message in to draft on an open page: p50 <= 150 ms, p95 <= 300 ms", words, "wall", None))
    if paint := found.painted:
        words = f"p50 {paint.p50:.0f}, p75 {paint.p75:.0f}, p99 {paint.p99:.0f} ms, {paint.presses} presses"
        lines.append(Line("   key to next draft painted, server 200 ms late", words, "wall", None))
    if found.memory:
        half, full = found.memory
        words = f"{full:.0f} MiB, {full / half - 1:+.1%} in the second half"
        met = full <= 120 and full <= 1.05 * half
        lines.append(Line("P19 a web process <= 120 MiB after 2,000 pages, <= 5 % growth", words, "120 MiB", met))
    return lines


def times(measured: float, anchor: float) -> str:
    return f"{measured / anchor:.2f}x ({measured:.1f} ms)"
