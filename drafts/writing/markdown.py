"""What a passage says, read out of its Markdown: its lines, and the pieces that can stand in a reply."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto

from drafts.writing.sentences import split_sentences

_MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")
_HEADING = re.compile(r"#{1,6}\s+(.+?)\s*#*$")
_ITEM = re.compile(r"([-*•+]|\d{1,2}[.)])\s+(?=\S)")
_TABLE_RULE = re.compile(r"(?=.*-)[\s|:+-]+")
_CELL_EDGE = re.compile(r"(?<!\\)\|")
ENDS = ('.', '!', ')', '”', '"', '。')  # fmt: skip

NAME_ENDS = " – "  # between a row's first cell, which says what it is about, and the others


class Kind(Enum):
    HEADING, TEXT, ITEM, ROW, QUOTED = auto(), auto(), auto(), auto(), auto()


@dataclass(frozen=True)
class Line:
    """A paragraph, heading, item or row without markup. ``mark`` is what stands in front of an item ("-", "2.")."""

    kind: Kind
    text: str
    mark: str = ""


@dataclass(frozen=True)
class Piece:
    """A sentence, an item of a list or a row of a table, as a reply says it.

    ``heading`` and ``block`` are the heading above it and all that stands under that, as far as the passage goes.
    ``group`` numbers the lists and tables of a passage from 1, and is 0 for sentences; the sentence that introduces a list
    ("You need:") is of its group and has no mark.
    """

    text: str
    heading: str
    block: str
    kind: Kind = Kind.TEXT
    mark: str = ""
    group: int = 0


def plain_text(markdown: str) -> str:
    """A line of Markdown without its emphasis, code marks and link targets; the words stay as they are."""
    return _MARKUP.sub(lambda match: match[1] or "", markdown)


def lines_of(markdown: str) -> list[Line]:
    """Hard-wrapped paragraphs joined; each row of a table read out with the names of its columns."""
    found: list[Line] = []
    names: list[str] = []
    is_open = False  # whether the next line may go on with the last one
    rows = [row.strip() for row in markdown.split("\n")]
    for row, below in zip(rows, [*rows[1:], ""], strict=True):
        if row.startswith("|"):
            if _TABLE_RULE.fullmatch(below):
                names = _cells(row)
            elif not _TABLE_RULE.fullmatch(row):
                found.append(Line(Kind.ROW, _read_row(names, _cells(row))))
            is_open = False
            continue
        names = []
        if heading := _HEADING.match(row):
            found.append(Line(Kind.HEADING, _words(heading[1])))
        elif item := _ITEM.match(row):
            found.append(Line(Kind.ITEM, _words(row[item.end() :]), item[1]))
        elif row.startswith(">"):
            found.append(Line(Kind.QUOTED, _words(row.lstrip("> "))))
        elif row and is_open:
            found[-1] = replace(found[-1], text=f"{found[-1].text} {_words(row)}")
        elif row:
            found.append(Line(Kind.TEXT, _words(row)))
        is_open = bool(row) and heading is None
    return found


def read_out(markdown: str) -> str:
    """All that it says, on one line: what a quote of it stands in."""
    return " ".join(line.text for line in lines_of(markdown))


def pieces_of(passage: str, *, heading: str = "") -> list[Piece]:
    """All that a reply could say, in reading order: whole sentences, items, rows. No questions, quotations or fragments.

    ``heading`` is the one above the passage's first line.
    """
    found: list[Piece] = []
    under: list[Line] = []
    group = 0
    for line in [*lines_of(passage), Line(Kind.HEADING, "")]:
        if line.kind is not Kind.HEADING:
            under.append(line)
            continue
        block = "\n".join(each.text for each in under)
        last = Kind.HEADING
        for each in under:
            if each.kind in (Kind.ITEM, Kind.ROW):
                if each.kind is not last:
                    group += 1
                    if last is Kind.TEXT and found and found[-1].text.endswith(":"):
                        found[-1] = replace(found[-1], group=group)
                found.append(Piece(each.text, heading, block, each.kind, each.mark, group))
            elif each.kind is Kind.TEXT:
                texts = [sentence.text for sentence in split_sentences(each.text)]
                found += [Piece(text, heading, block) for text in texts if _is_whole(text)]
            last = each.kind
        heading, under = line.text, []
    return [piece for piece in found if piece.group or not piece.text.endswith(":")]


def _is_whole(sentence: str) -> bool:
    return sentence.endswith(":") or (len(sentence.split()) >= 4 and sentence.endswith(ENDS))


def _words(markdown: str) -> str:
    return " ".join(plain_text(markdown).split())


def _cells(row: str) -> list[str]:
    return [_words(cell.replace("\\|", "|")) for cell in _CELL_EDGE.split(row.strip().strip("|"))]


def _read_row(names: list[str], cells: list[str]) -> str:
    """A row under "service, time, price" as "Ground – time: 2 days; price: 9.95 USD."."""
    first, *rest = cells
    named = zip([*names[1:], *[""] * len(rest)], rest, strict=False)
    said = "; ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)
    text = f"{first}{NAME_ENDS}{said}" if first and said else first or said
    return text if text.endswith(ENDS) else f"{text}."
