"""A reply's plain text as paragraphs and lists, its statements marked with the numbers of their sources."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_BULLET = re.compile(r"^\s*[-*•] +")
_PLAIN = re.compile(r"\s*\n\s*\n\s*")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one line: plain text, a statement with its sources (`cites`), or one without (`none`)."""

    text: str
    kind: Literal["plain", "statement", "none"] = "plain"
    cites: tuple[int, ...] = ()
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph (`segments`) or a list (`items`)."""

    segments: tuple[Segment, ...] = ()
    items: tuple[tuple[Segment, ...], ...] = field(default=())


def paragraphs(text: str) -> list[str]:
    """Plain text cut at blank lines; empty for blank text."""
    return [part for part in _PLAIN.split(text.strip()) if part]


def blocks(
    text: str, statements: Sequence[Mapping[str, Any]] = (), numbers: Mapping[str, int] | None = None
) -> list[Block]:
    """`statements` are `{start, end, sources}` in code points of `text`; `numbers` gives each source id its number.

    A statement that crosses a paragraph is shown in each. A statement all of whose sources are unknown counts as unsourced: a
    number that leads nowhere would be worse than none.
    """
    numbers = numbers or {}
    spans = sorted((c["start"], c["end"], _cites(c, numbers)) for c in statements if c["end"] > c["start"])
    out: list[Block] = []
    for start, end in _pieces(text):
        lines = _lines(text, start, end)
        if lines and all(_BULLET.match(text[a:b]) for a, b in lines):
            starts = [(a + len((_BULLET.match(text[a:b]) or [""])[0]), b) for a, b in lines]
            out.append(Block(items=tuple(_segments(text, a, b, spans) for a, b in starts)))
            continue
        head = [line for line in lines if not _BULLET.match(text[line[0] : line[1]])]
        if len(head) < len(lines) and lines[: len(head)] == head:
            # "You need:" followed by its list, without a blank line between
            out.append(Block(segments=_segments(text, head[0][0], head[-1][1], spans)))
            starts = [(a + len((_BULLET.match(text[a:b]) or [""])[0]), b) for a, b in lines[len(head) :]]
            out.append(Block(items=tuple(_segments(text, a, b, spans) for a, b in starts)))
            continue
        out.append(Block(segments=_segments(text, start, end, spans)))
    return out


def _cites(statement: Mapping[str, Any], numbers: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sorted({numbers[str(source)] for source in statement.get("sources", ()) if str(source) in numbers}))


def _pieces(text: str) -> list[tuple[int, int]]:
    pieces, start = [], 0
    for gap in _PARAGRAPH.finditer(text):
        pieces.append((start, gap.start()))
        start = gap.end()
    pieces.append((start, len(text.rstrip())))
    return [(a, b) for a, b in pieces if text[a:b].strip()]


def _lines(text: str, start: int, end: int) -> list[tuple[int, int]]:
    lines, at = [], start
    for line in text[start:end].split("\n"):
        if line.strip():
            lines.append((at, at + len(line)))
        at += len(line) + 1
    return lines


def _segments(
    text: str, start: int, end: int, spans: Sequence[tuple[int, int, tuple[int, ...]]]
) -> tuple[Segment, ...]:
    found: list[Segment] = []
    at = start
    for a, b, cites in spans:
        a, b = max(a, at), min(b, end)
        if b <= a:
            continue
        if a > at:
            found.append(Segment(text[at:a]))
        if cites:
            found.append(Segment(text[a:b], "statement", cites))
        else:
            found.append(Segment(text[a:b], "none"))
        at = b
    if at < end:
        found.append(Segment(text[at:end]))
    return tuple(found)
