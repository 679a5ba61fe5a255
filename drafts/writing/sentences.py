"""Sentences of a text, with their places. English first, and harmless for any other language."""

from __future__ import annotations

import re
from dataclasses import dataclass


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
