"""The geometry of the charts: numbers in, coordinates for server-made SVG out. Each chart has its figures in words too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conversations.views.words import MONTHS
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
    return f"{day.day.day} {MONTHS[day.day.month - 1]}"


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


def columns(counts: Sequence[int]) -> Bars:
    """How many edits changed how many words."""
    most, pitch = max(counts, default=0) or 1, 380.0 / max(len(counts), 1)
    boxes, labels, notes = [], [], []
    names = bucket_names()
    for at, count in enumerate(counts):
        height = 152.0 * count / most
        middle = _r(pitch * (at + 0.5))
        boxes.append(Box(_r(pitch * at + 5), _r(174 - height), _r(pitch - 10), _r(max(height, 0.5)), "c1"))
        labels.append(Box(middle, 191.0, words=names[at]))
        notes.append(Box(middle, _r(168 - height), words=f"{count:,}"))
    words = ", ".join(f"{name} words {count:,} edits" for name, count in zip(names, counts, strict=False))
    return Bars(boxes, [], labels, f"Words changed per edit: {words}.", notes)


def bucket_names() -> list[str]:
    lows = [1, *(most + 1 for most in BUCKETS)]
    return [f"{low}–{high}" for low, high in zip(lows, BUCKETS, strict=False)] + [f"{lows[-1]}+"]


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
