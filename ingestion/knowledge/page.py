"""What a browser shows of a page, as Markdown, and a count of what of it is missing there.

A page is walked from top to bottom (walk.py) after its furniture went (furniture.py). The words are then counted again by a
second way: what a reader sees and drafts cannot quote is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ingestion.knowledge.furniture import drop_furniture
from ingestion.knowledge.walk import INLINE, Walk, footnotes, mark_of

MISSING = 20  # stretches of a page that are listed as missing
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Page:
    """The Markdown, how many words a browser shows, how many of them are not in the Markdown, and where those stand."""

    text: str
    shown: int
    lost: int
    missing: tuple[str, ...]


def read_page(tree: Any) -> Page:
    """Reads the document and takes out of it what is not content."""
    drop_furniture(tree)
    walk = Walk(footnotes(tree))
    walk.into(tree)
    walk.close()
    text = "\n\n".join(walk.blocks)
    lost, missing = _what_is_missing(tree, text)
    shown = len(_WORD.findall(" ".join(tree.itertext())))
    return Page(text, shown, lost, (*walk.left_out, *missing)[:MISSING])


def _what_is_missing(tree: Any, text: str) -> tuple[int, list[str]]:
    """How many words the page shows more often than the text has them, and the stretches of text that hold them."""
    have = Counter(_WORD.findall(text))
    lost, missing = 0, []
    for stretch in _stretches(tree):
        words = Counter(_WORD.findall(stretch))
        gone = (words - have).total()
        have -= words
        if gone:
            lost += gone
            missing.append(" ".join(stretch.split())[:200])
    return lost, missing


def _stretches(tree: Any) -> Iterator[str]:
    """The words of each block of the page, by a second way than the walk's; marks of footnotes are no words."""
    from lxml import etree

    words: list[str] = []
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        if element.tag not in INLINE or element.tag == "sup":
            yield "".join(words)
            words = []
        is_mark = element.tag == "sup" and mark_of(element)
        added = element.text if event == "start" else element.tail
        if added and not (event == "start" and (is_mark or any(up.tag == "sup" for up in element.iterancestors()))):
            words.append(added)
    yield "".join(words)
