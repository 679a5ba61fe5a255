"""Sentences and words of a text, with their places. English first, and harmless for any other language."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# After these a full stop does not end a sentence; after units it does not when the next word is small.
_ABBREVIATIONS = _words("""
    e.g i.e eg ie etc vs approx max min dia dept est ext fig incl mr mrs ms dr st jr sr inc ltd co corp cf al
    u.s a.m p.m qty pcs mon tue wed thu fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec
""")
_UNITS = _words("ft in lb lbs no nr oz sq hp qt gal yd mm cm pc hr hrs sec")
_LINE = re.compile(r"[^\n]+")
_STOP = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]+[」』”）]*")
_BULLET = re.compile(r"\s*(?:[-*•–]|\d{1,2}[.)])\s+")
_BEFORE_STOP = re.compile(r"([^\s(\"'“‘]+)$")
_WORD = re.compile(r"\d+(?:[.,/]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*")
_STOP_WORDS = _words("""
    a an and any are as at be been but by can could do does did for from had has have how i if in into is it its
    just may me might must my of on or our shall should so some that the their them then there these they this those
    to us was we were what when where which while who why will with would you your am im ive id please also too
    about get got want need know tell let hi hello hey thanks thank
""")
_SUFFIXES = ("ingly", "edly", "ings", "ing", "ies", "ied", "es", "ed", "ly", "s")


@dataclass(frozen=True)
class Sentence:
    """``text[start:end]`` without the blanks and bullet around it; offsets are code points."""

    start: int
    end: int
    text: str


def split_sentences(text: str) -> list[Sentence]:
    """The sentences in order. A line break ends one; so does a stop, unless it belongs to an abbreviation or number."""
    found: list[Sentence] = []
    for line in _LINE.finditer(text):
        bullet = _BULLET.match(line[0])
        start = line.start() + (bullet.end() if bullet else 0)
        for stop in _STOP.finditer(text, start, line.end()):
            if stop[0].startswith(("..", "…")) and text[stop.end() : line.end()].lstrip()[:1].islower():
                continue
            if stop[0][0] == "." and _is_abbreviated(text[start : stop.start()], text[stop.end() : line.end()]):
                continue
            _keep(found, text, start, stop.end())
            start = stop.end()
        _keep(found, text, start, line.end())
    return found


def _keep(found: list[Sentence], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        found.append(Sentence(start, end, text[start:end]))


def _is_abbreviated(before: str, after: str) -> bool:
    word = _BEFORE_STOP.search(before)
    if word is None:
        return False
    name = word[1].rstrip(".").lower()
    if after.lstrip()[:1].islower() and name in _UNITS:
        return True  # "3 ft. of hose"
    return name in _ABBREVIATIONS or (len(name) == 1 and name.isalpha() and name != "i")


@lru_cache(maxsize=4096)
def terms(text: str) -> tuple[str, ...]:
    """The words that carry meaning, folded and cut to a rough stem, in order: for comparing, never for showing.

    Numbers stay whole ("1/2", "3.5", the 8 of "-8").
    """
    folded = unicodedata.normalize("NFKC", text.replace("½", " 1/2").replace("¼", " 1/4")).casefold()
    return tuple(stem(word) for word in _WORD.findall(folded) if word.replace("’", "'") not in _STOP_WORDS)


def stem(word: str) -> str:
    """A rough stem that is the same for "hose" and "hoses", "ship" and "shipping"."""
    word = word.replace("’", "'").removesuffix("'s")
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            word = word[: -len(suffix)] + ("y" if suffix in ("ies", "ied") else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]  # shipp -> ship
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
