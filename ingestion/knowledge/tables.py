"""Tables of pages and documents as Markdown in which every value stands in its own row, under its own name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeVar

LONGEST = 500  # characters of a table; a longer one is written as several, each with the names of its columns
_WIDEST = 60
_PLACES = 300_000  # of a table; spans can claim any number of them
_T = TypeVar("_T")
_RULE = re.compile(r"(?=.*-)[\s|:+-]+")
_SECTION = 80  # a full row with more characters than this is a remark, not the name of what follows


class Contradictory(Exception):
    """Two cells claim one place, so no value can be told to be under its own name."""


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    is_name: bool  # a `th`
    whole_row: bool = False


def markdown_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows under their names; a long table as several, so that no passage has values without names."""
    head = f"{_line(names)}\n|{'---|' * len(names)}"
    parts: list[str] = []
    for row in rows:
        line = _line(row)
        if parts and len(parts[-1]) + len(line) < LONGEST:
            parts[-1] += f"\n{line}"
        else:
            parts.append(f"{head}\n{line}")
    return "\n\n".join(parts) or head


def repeat_names(markdown: str) -> str:
    """A text whose long tables were written by others, each cut into several that say their columns' names."""
    lines, found = markdown.split("\n"), list[str]()
    at, fenced = 0, False
    while at < len(lines):
        fenced ^= lines[at].lstrip().startswith(("```", "~~~"))
        is_head = lines[at].lstrip().startswith("|") and at + 1 < len(lines) and _RULE.fullmatch(lines[at + 1])
        if fenced or not is_head:
            found.append(lines[at])
            at += 1
            continue
        head = lines[at : at + 2]
        rows = list(takewhile(lambda line: line.lstrip().startswith("|"), lines[at + 2 :]))
        at += 2 + len(rows)
        found += head
        size = sum(map(len, head))
        for number, row in enumerate(rows):
            size += len(row) + 1
            if number and size > LONGEST:
                found += ["", *head]
                size = sum(map(len, head)) + len(row)
            found.append(row)
    return "\n".join(found)


def read_table(table: Any, text_of: Callable[[Any], str], *, level: int) -> Iterator[str]:
    """The blocks of an HTML table that holds data. ``level`` is that of the headings above it. Raises Contradictory."""
    grid, heads = _grid(table, text_of)
    yield from (row[0].text for row in grid[:heads] if row[0].whole_row and row[0].text)
    names = _names(grid, heads)
    body = grid[heads:]
    body_names = [at for at in range(len(names)) if body and all(row[at].is_name for row in body)]
    if (
        len(body_names) == 1 and body_names[0] > 0
    ):  # the column that names the rows goes first: it is read as their name
        first = body_names[0]
        names = _moved(names, first)
        body = [_moved(row, first) for row in body]
    rows: list[list[str]] = []
    for number, row in enumerate(body):
        if not row[0].whole_row or len(row) == 1:
            if any(cell.text for cell in row):
                rows.append([cell.text for cell in row])
            continue
        if rows:
            yield markdown_table(names, rows)
            rows = []
        is_section = len(row[0].text) <= _SECTION and any(not each[0].whole_row for each in body[number + 1 :])
        if row[0].text:
            yield f"{'#' * min(6, level + 1)} {row[0].text}" if is_section else row[0].text
    if rows:
        yield markdown_table(names, rows)
    elif not body and any(names):
        yield " ".join(dict.fromkeys(name for name in names if name))


def own_rows(table: Any) -> list[Any]:
    """The `tr` of a table, without those of tables inside of it, in the order of a browser: the head first, the foot last."""
    groups: dict[str, list[Any]] = {"thead": [], "tbody": [], "tfoot": []}
    for child in table:
        if child.tag == "tr":
            groups["tbody"].append(child)
        elif child.tag in groups:
            groups[child.tag] += [row for row in child if row.tag == "tr"]
    return [row for rows in groups.values() for row in rows]


def _grid(table: Any, text_of: Callable[[Any], str]) -> tuple[list[list[Cell]], int]:
    """Every place of the table with the cell that covers it, and how many rows at the top are names."""
    rows = own_rows(table)
    places: list[dict[int, Cell]] = [{} for _ in rows]
    ends = {row.getparent(): number + 1 for number, row in enumerate(rows)}  # no cell reaches out of its group of rows
    taken = 0
    for number, row in enumerate(rows):
        column = 0
        group = row.getparent()
        left = ends[group] - number
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        for cell in cells:
            while column in places[number]:
                column += 1
            across = min(max(1, _span(cell, "colspan")), _WIDEST)
            down = _span(cell, "rowspan")
            whole_row = len(cells) == 1 and across > 1 and not places[number]
            read = Cell(text_of(cell), cell.tag == "th", whole_row)
            height = min(left, down or left)
            taken += height * across
            if taken > _PLACES:
                raise Contradictory
            for below in range(number, number + height):
                for at in range(column, column + across):
                    if at in places[below]:
                        raise Contradictory
                    places[below][at] = read
            column += across
    width = max((max(row, default=-1) + 1 for row in places), default=0)
    grid = []
    for place in places:
        is_names = bool(place) and all(cell.is_name for cell in place.values())
        grid.append([place.get(at, Cell("", is_names)) for at in range(width)])
    heads = sum(1 for row in rows if row.getparent().tag == "thead")
    while heads < len(grid) and all(cell.is_name for cell in grid[heads]):
        if grid[heads][0].whole_row and any(not row[0].whole_row for row in grid[:heads]):
            break  # below the names: the name of what follows, not of the table
        heads += 1
    if not heads and len(grid) > 2 and _looks_like_names(rows[0], grid):
        heads = 1
    return grid, heads


def _looks_like_names(first: Any, grid: list[list[Cell]]) -> bool:
    """Of a table without `th` at its top: whether the first row is set in bold, or alone has no figures above figures."""
    cells = [cell for cell in first if cell.tag in ("td", "th")]
    if grid[0][0].whole_row:
        return False
    if all(cell.xpath("boolean(.//b|.//strong)") for cell in cells):
        return True
    if any(cell.is_name or not cell.text or _has_figure(cell) for cell in grid[0]):
        return False
    return any(all(_has_figure(row[at]) for row in grid[1:]) for at in range(len(grid[0])))


def _has_figure(cell: Cell) -> bool:
    return any(sign.isdigit() for sign in cell.text)


def _names(grid: list[list[Cell]], heads: int) -> list[str]:
    """One name a column: of rows above each other, each said once ("Price" over "USD" is "Price USD")."""
    rows = [row for row in grid[:heads] if not row[0].whole_row]
    width = len(grid[0]) if grid else 0
    return [" ".join(dict.fromkeys(row[at].text for row in rows if row[at].text)) for at in range(width)]


def _moved(row: Sequence[_T], first: int) -> list[_T]:
    return [row[first], *row[:first], *row[first + 1 :]]


def _span(cell: Any, name: str) -> int:
    digits = (cell.get(name) or "1").strip()
    return int(digits[:6]) if digits.isascii() and digits.isdigit() else 1


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
