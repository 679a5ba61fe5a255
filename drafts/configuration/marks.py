"""A file line by line, with a mark where it and the desk differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drafts.configuration import editing, words
from drafts.configuration.differences import Comparison, Difference, Place, masked
from drafts.configuration.reading import File

#: A difference's kind -> the class of its line.
CLASSES = {"value_mismatch": "m", "missing_in_db": "p", "missing_in_yaml": "g"}


@dataclass(frozen=True, slots=True)
class Line:
    """`number` is None for one that the file does not have. `target` is the difference's own place on the page."""

    text: str
    number: int | None = None
    mark: str = ""
    word: str = ""
    target: str = ""
    is_comment: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    lines: Sequence[Line]
    placed: Sequence[tuple[Difference, Line | None]]


def marked(file: File, comparison: Comparison) -> Marked:
    """Every line, and below the end of a section what the desk has there and the file has not."""
    at = {one.path: editing.line_of(file, one) for one in comparison.differences}
    by_line: dict[int, tuple[int, Difference]] = {}
    after: dict[int, list[Line]] = {}
    for order, one in enumerate(comparison.differences, 1):
        mark, word, target = CLASSES[one.kind], words.KINDS[one.kind], f"d-{order}"
        if number := at[one.path]:
            by_line.setdefault(number, (order, one))
        else:
            text = (
                f"  {words.name_of(one)}: {words.desk_says(one)}"
                if one.place.section != "tags"
                else f"  - {words.desk_says(one)}"
            )
            after.setdefault(editing.last_line(file, one.place.section), []).append(
                Line(text, None, mark, word, target)
            )
    lines: list[Line] = []
    for number, raw in enumerate(file.text.splitlines(), 1):
        text = masked(Place("file"), raw)
        found = by_line.get(number)
        if found:
            order, one = found
            lines.append(Line(text, number, CLASSES[one.kind], words.KINDS[one.kind], f"d-{order}"))
        else:
            lines.append(Line(text, number, is_comment=raw.lstrip().startswith("#")))
        lines += after.get(number, [])
    numbered = {line.number: line for line in lines if line.number}
    return Marked(lines, [(one, numbered.get(at[one.path] or 0)) for one in comparison.differences])
