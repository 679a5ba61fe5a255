"""Documents to passages: pieces small enough to cite and to embed, cut where the text itself has a joint."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter

SMALLEST, LARGEST = 200, 700
"""A passage is filled until it has this many characters, and never grows past the second number: about 40-150 words,
which the embedder reads whole (256 tokens) and a person reads at a glance."""
SCRAP = 60  # a shorter piece joins its neighbour

_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")


@dataclass(frozen=True)
class Chunk:
    """A passage to be. ``text`` is a verbatim piece of the document; ``heading`` says where in it, title first."""

    ordinal: int
    text: str
    heading: str


def split_passages(text: str, *, title: str) -> list[Chunk]:
    """Cut a Markdown or plain text into passages, in order, ordinals from 0. Nothing but blanks and headings is lost.

    A heading stays with what follows it. An empty document has no passages.
    """
    text = storable(text).replace("\r\n", "\n").replace("\r", "\n")
    pieces: list[tuple[int, str]] = []
    for start, piece in _splitter().chunk_indices(text):
        if _is_only_headings(piece):
            continue  # they come back as `heading` of the pieces below them
        small = pieces and min(len(piece), len(pieces[-1][1])) < SCRAP
        if small and start + len(piece) - pieces[-1][0] <= LARGEST + SCRAP:
            before = pieces.pop()[0]
            start, piece = before, text[before : start + len(piece)]
        pieces.append((start, piece))
    headings = _headings(text)
    return [Chunk(n, piece, _path(headings, start + _body(piece), title)) for n, (start, piece) in enumerate(pieces)]


def storable(text: str) -> str:
    """The text as PostgreSQL and UTF-8 can hold it: no NUL, and a mark for each lone surrogate."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=1)
def _splitter() -> MarkdownSplitter:
    from semantic_text_splitter import MarkdownSplitter

    return MarkdownSplitter((SMALLEST, LARGEST))


def _headings(text: str) -> list[tuple[int, int, str]]:
    """(position, level, words) of each heading outside code blocks."""
    found: list[tuple[int, int, str]] = []
    position, fenced = 0, False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (match := _HEADING.match(line)):
            found.append((position, len(match[1]), match[2]))
        position += len(line) + 1
    return found


def _path(headings: list[tuple[int, int, str]], start: int, title: str) -> str:
    """The headings above ``start``, outermost first, under the title of the document."""
    open_headings: list[tuple[int, str]] = []
    for position, level, words in headings:
        if position > start:
            break
        open_headings = [(above, name) for above, name in open_headings if above < level]
        open_headings.append((level, words))
    names = [name for _, name in open_headings]
    if title and names[:1] != [title]:
        names.insert(0, title)
    return " > ".join(names)


def _body(piece: str) -> int:
    """Where the piece begins to say something, below the headings it begins with."""
    position = 0
    for line in piece.split("\n"):
        if line.strip() and not _HEADING.match(line):
            break
        position += len(line) + 1
    return position


def _is_only_headings(piece: str) -> bool:
    return all(not line.strip() or _HEADING.match(line) for line in piece.split("\n"))
