"""The words that two texts share. English first, and harmless for any other language."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

_WORD = re.compile(r"\d+(?:[.,/]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*")
_STOPS = """
    a an and any are as at be been but by can could do does did for from had has have how i if in into is it its
    just may me might must my of on or our shall should so some that the their them then there these they this those
    to us was we were what when where which while who why will with would you your am im ive id please also too
    about get got want need know tell let hi hello hey thanks thank
"""
_STOP_WORDS = frozenset(_STOPS.split())
_SUFFIXES = ("ingly", "edly", "ings", "ing", "ies", "ied", "es", "ed", "ly", "s")


@lru_cache(maxsize=1024)  # whole passages too: a few megabytes
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


def rarity(documents: Sequence[tuple[str, ...]]) -> Mapping[str, float]:
    """How much each word says: the more, the fewer of these documents have it (inverse document frequency, smoothed)."""
    count = Counter(word for words in documents for word in set(words))
    return {word: math.log(1 + len(documents) / times) for word, times in count.items()}


def overlap(words: Sequence[str], asked: set[str], rarity: Mapping[str, float]) -> float:
    """The share of what is asked that a text has, 0 to 1, rare words counting more. Words in no document count as rare."""
    rarest = max(rarity.values(), default=1.0)
    total = sum(rarity.get(word, rarest) for word in asked)
    return sum(rarity.get(word, 0.0) for word in asked & set(words)) / total if total else 0.0
