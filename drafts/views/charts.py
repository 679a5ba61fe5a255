"""The geometry of the charts: numbers in, coordinates for server-made SVG out. Each chart has its figures in words too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from conversations.views.words import MONTHS
from conversations.web.bidi import isolated
from drafts.evidence.quality import BINS, BUCKETS, Bin, Day

WIDTH, LEFT, TOP, BOTTOM = 820.0, 34.0, 14.0, 208.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, or (with height 0) a place. `kind` is its colour's class."""

    x: float
    y: float
    width: float = 0.0
    height: float = 0.0
    kind: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar chart: its rectangles, the lines across it, the words below it, and the whole in words."""

    boxes: list[Box]
    lines: list[Box]
    labels: list[Box]
    words: str
    notes: list[Box]


def step_for(most: int) -> int:
    """A round distance for at most five lines up to `most`."""
    for power in (1, 10, 100, 1000, 10_000, 100_000):
        for factor in (1, 2, 5):
            if factor * power * 4 >= most:
                return factor * power
    return max(1, most)


def short(day: Day) -> str:
    return _day(day.day)


def stacked(days: Sequence[Day]) -> Bars:
    """Decisions a day: sent unchanged at the bottom, then edited, then rejected."""
    most = max((day.unchanged + day.edited + day.rejected for day in days), default=0)
    step = step_for(most)
    top = step * max(1, -(-most // step))
    scale = (BOTTOM - TOP) / top
    pitch = min((WIDTH - LEFT) / max(len(days), 1), 64.0)
    boxes, labels = [], []
    for at, day in enumerate(days):
        x, y = LEFT + at * pitch + pitch * 0.1, BOTTOM
        for kind, count in (("c1", day.unchanged), ("c2", day.edited), ("c4", day.rejected)):
            if count:
                y -= count * scale
                boxes.append(Box(_r(x), _r(y), _r(pitch * 0.8), _r(max(count * scale - 0.7, 0.5)), kind))
        if day.day.weekday() == 0 if len(days) > 10 else True:
            labels.append(Box(_r(x + pitch * 0.4), 225.0, words=short(day)))
    lines = [Box(LEFT, _r(BOTTOM - at * scale), words=f"{at:,}") for at in range(0, top + 1, step)]
    if len(labels) > 9:
        labels = labels[:: -(-len(labels) // 9)]
    total = sum(day.unchanged + day.edited + day.rejected for day in days)
    words = f"Decisions per day from {short(days[0])} to {short(days[-1])}, {total:,} in all." if days else ""
    return Bars(boxes, lines, labels, words, [])


def columns(counts: Sequence[int], names: Sequence[str], what: str) -> Bars:
    """A column for each name, in a picture of 380 by 196; `what` begins its words."""
    most, pitch = max(counts, default=0) or 1, 380.0 / max(len(counts), 1)
    boxes, labels, notes = [], [], []
    for at, count in enumerate(counts):
        height = 152.0 * count / most
        middle = _r(pitch * (at + 0.5))
        boxes.append(Box(_r(pitch * at + 5), _r(174 - height), _r(pitch - 10), _r(max(height, 0.5)), "c1"))
        labels.append(Box(middle, 191.0, words=names[at]))
        notes.append(Box(middle, _r(168 - height), words=f"{count:,}"))
    words = ", ".join(f"{name} {count:,}" for name, count in zip(names, counts, strict=False))
    return Bars(boxes, [], labels, f"{what}: {words}.", notes)


def bucket_names() -> list[str]:
    lows = [1, *(most + 1 for most in BUCKETS)]
    return [f"{low}–{high}" for low, high in zip(lows, BUCKETS, strict=False)] + [f"{lows[-1]}+"]


@dataclass(frozen=True, slots=True)
class Lines:
    """Two lines over days, of 820 by 230: SVG points, the lines across, the days below, and the whole in words."""

    median: str
    p90: str
    lines: list[Box]
    labels: list[Box]
    words: str


def lines(days: Sequence[tuple[date, float | None, float | None]]) -> Lines | None:
    """Minutes a day, median and p90, at a step for each day of which anything is known; None for fewer than two."""
    known = [(day, median, p90) for day, median, p90 in days if median is not None and p90 is not None]
    if len(known) < 2:
        return None
    hours = step_for(max(1, round(max(p90 for *_, p90 in known) / 60)))
    top = hours * max(1, -(-round(max(p90 for *_, p90 in known)) // (60 * hours)))
    first, length = known[0][0], (known[-1][0] - known[0][0]).days
    across = [LEFT + 8 + (WIDTH - LEFT - 30) * (day - first).days / length for day, *_ in known]
    down = [[BOTTOM - (BOTTOM - TOP) * value / (60 * top) for value in pair] for _, *pair in known]
    every = -(-len(known) // 8)
    return Lines(
        median=" ".join(f"{_r(x)},{_r(y[0])}" for x, y in zip(across, down, strict=True)),
        p90=" ".join(f"{_r(x)},{_r(y[1])}" for x, y in zip(across, down, strict=True)),
        lines=[Box(LEFT, _r(BOTTOM - (BOTTOM - TOP) * at / top), words=f"{at} h") for at in range(0, top + 1, hours)],
        labels=[Box(_r(x), 225.0, words=_day(day)) for x, (day, *_) in zip(across, known, strict=True)][::every],
        words=f"First response a day in business hours, {_day(known[0][0])} to {_day(known[-1][0])}; the same as a table below.",
    )


@dataclass(frozen=True, slots=True)
class HeatRow:
    name: str
    y: float
    cells: list[tuple[float, float, str]]  # x, opacity, words
    total: str


def heat(rows: Sequence[tuple[str, Sequence[int]]]) -> dict[str, Any]:
    """Messages by channel and hour of the day, 820 wide: the darker the more. Drawn are the hours in which any came."""
    busy = [hour for hour in range(24) if any(counts[hour] for _, counts in rows)]
    if not busy:
        return {}
    shown = range(busy[0], busy[-1] + 1)
    most, pitch = max(max(counts) for _, counts in rows), 640.0 / len(shown)
    return {
        "height": 26 + 32 * len(rows),
        "width": _r(pitch - 3),
        "labels": [Box(_r(130 + pitch * (at + 0.5)), 12, words=str(hour)) for at, hour in enumerate(shown)],
        "rows": [
            HeatRow(
                isolated(name if len(name) <= 18 else f"{name[:17]}…"),
                22.0 + 32 * row,
                [
                    (
                        _r(130 + pitch * at),
                        round(0.06 + 0.94 * counts[hour] / most, 2),
                        f"{isolated(name)}, {hour}:00: {counts[hour]:,}",
                    )
                    for at, hour in enumerate(shown)
                ],
                f"{sum(counts):,}",
            )
            for row, (name, counts) in enumerate(rows)
        ],
    }


def _day(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]}"


def spark(values: Iterable[float | None]) -> str:
    """A line of 160 by 26 through what is known, as SVG points; "" for fewer than two."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    reach = (high - low) or 1.0
    width = 160 / (len(known) - 1)
    return " ".join(f"{_r(at * width)},{_r(23 - 20 * (value - low) / reach)}" for at, value in enumerate(known))


def reliability(bins: Sequence[Bin]) -> list[Box]:
    """Points of a 200 by 200 square: across how sure, upwards how often sent unchanged. `width` is the radius."""
    most = max((each.decided for each in bins), default=1)
    return [
        Box(
            _r(20 + 170 * each.confidence),
            _r(180 - 170 * each.unchanged),
            _r(3 + 5 * (each.decided / most) ** 0.5),
            words=f"{each.at * 100 // BINS} to {(each.at + 1) * 100 // BINS} %: {each.unchanged:.0%} of {each.decided:,}",
        )
        for each in bins
    ]


def _r(value: float) -> float:
    return round(value, 1)
