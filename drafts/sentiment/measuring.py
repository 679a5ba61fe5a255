"""A text's sentiment from -1 to 1, by the words in it. Of a language that it does not know it says nothing.

English is VADER's (`nltk-vader-sentiment`) with the desk's own words; German and Spanish have lexicons of their own with denial.
Read by workers: the first call of a process loads the lexicons and the model that tells languages.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from conversations.channels.email.reading.language import detect
from conversations.models import Message

LANGUAGES = {"en": "English", "de": "German", "es": "Spanish"}
BY = "desk-lexicon-v1"
MAX_CHARS = 4_000
ALPHA = 15  # VADER's: how soon many words make a text extreme
NEAR = 3  # words around a denied one
DENIED = -0.74  # what a denial makes of a weight that has none of its own; VADER's
STRONG = 1.3
QUESTION = 0.2  # "Is it good for E85?" wants to know; what is said in a question counts less

_HERE = Path(__file__).parent
_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[,;:()–]")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*|\n")
_ADJECTIVE = {"de": r"(?:e|en|er|es|em)?", "es": r"(?:o|a|os|as)"}
_NO = {
    "de": frozenset(
        ["nicht", "nichts", "nie", "niemals", "kein", "keine", "keinen", "keiner", "keinem", "keines", "ohne", "weder"]
    ),
    "es": frozenset(["no", "nunca", "ni", "sin", "jamás", "tampoco", "nada", "ningún", "ninguna", "ninguno"]),
}
#: Where a denial ends: "kein Problem, alles gut" denies the problem.
_ENDS = {
    "de": frozenset([*",;:()–", *["und", "aber", "oder", "sondern", "weil", "dass"]]),
    "es": frozenset([*",;:()–", *["y", "e", "pero", "o", "sino", "porque", "aunque"]]),
}
_MORE = {
    "de": frozenset(["sehr", "äußerst", "total", "extrem", "absolut", "völlig", "wirklich", "richtig", "mega"]),
    "es": frozenset(["muy", "súper", "totalmente", "realmente", "extremadamente", "tan", "bastante", "absolutamente"]),
}


@dataclass(frozen=True, slots=True)
class Measured:
    value: Decimal
    by: str
    language: str


def measure(text: str, language: str = "") -> Measured | None:
    """None for a text too short or too mixed to tell its language, or in one that has no lexicon here."""
    text = text[:MAX_CHARS]
    language = language or detect(text)
    if language not in LANGUAGES:
        return None
    total = sum(_weigh(sentence, language) for sentence in _SENTENCE.findall(text) if sentence.strip())
    value = total / math.sqrt(total * total + ALPHA)
    return Measured(Decimal(f"{max(-1.0, min(1.0, value)):.4f}"), BY, language)


def measure_message(message: Message, text: str) -> Decimal | None:
    """Store it on a message that has none; the conversation's average follows by its trigger. Returns what was stored."""
    if message.sentiment is not None or message.erased_at is not None:
        return None
    found = measure(text)
    if found is None:
        return None
    Message.objects.filter(pk=message.pk, sentiment=None, erased_at=None).update(
        sentiment=found.value, sentiment_by=f"{found.by} {found.language}"
    )
    return found.value


def _weigh(sentence: str, language: str) -> float:
    raw = _english(sentence) if language == "en" else _by_lexicon(sentence, language)
    return raw * QUESTION if sentence.rstrip().endswith("?") else raw


def _english(sentence: str) -> float:
    compound = float(_vader().polarity_scores(sentence)["compound"])
    # Back from VADER's squashed number to its sum, so that sentences add up before they are squashed once.
    return math.copysign(math.sqrt(ALPHA * compound * compound / max(1e-6, 1 - compound * compound)), compound)


def _by_lexicon(sentence: str, language: str) -> float:
    words = [word.casefold().replace("ß", "ss") for word in _TOKEN.findall(sentence)]
    lexicon, used, total = _lexicon(language), 0, 0.0
    for at in range(len(words)):
        if at < used:
            continue
        length, weight, denied = lexicon.at(words, at)
        if not length:
            continue
        used = at + length
        before = _clause(reversed(words[max(0, at - NEAR) : at]), language)
        after = _clause(words[used : used + NEAR], language)
        # German says "passt nicht": the denial follows its verb. Elsewhere it comes before.
        around = [*before, *(after if language == "de" and denied is not None else [])]
        if _NO[language].intersection(around) and (weight or denied):
            total += weight * DENIED if denied is None else denied
        else:
            total += weight * (STRONG if _MORE[language].intersection(before[:1]) else 1)
    return total


def _clause(words: Iterable[str], language: str) -> list[str]:
    """The words up to where a denial ends."""
    return list(itertools.takewhile(lambda word: word not in _ENDS[language], words))


class Lexicon:
    """Stems and phrases with their weights; the longest that stands at a place counts."""

    def __init__(self, lines: Mapping[str, tuple[float, float | None]], language: str) -> None:
        self._whole: dict[tuple[str, ...], tuple[float, float | None]] = {}
        stems = []
        for entry, weights in lines.items():
            folded = entry.casefold().replace("ß", "ss")
            if entry.endswith(("*", "+")) and "_" not in entry:
                ending = r"\w*" if entry.endswith("*") else _ADJECTIVE[language]
                stems.append((re.compile(re.escape(folded[:-1]) + ending), weights))
            else:
                self._whole[tuple(folded.rstrip("*").split("_"))] = weights
        self._stems = stems
        self._longest = max(map(len, self._whole))
        self._by_word = lru_cache(maxsize=20_000)(self._of_word)

    def at(self, words: list[str], place: int) -> tuple[int, float, float | None]:
        """(how many words, weight, weight when denied) of what stands there; (0, 0, None): nothing known."""
        for length in range(self._longest, 0, -1):
            if (found := self._whole.get(tuple(words[place : place + length]))) and place + length <= len(words):
                return length, *found
        found = self._by_word(words[place])
        return (1, *found) if found else (0, 0.0, None)

    def _of_word(self, word: str) -> tuple[float, float | None] | None:
        return next((weights for stem, weights in self._stems if stem.fullmatch(word)), None)


def _lines(language: str) -> dict[str, tuple[float, float | None]]:
    found: dict[str, tuple[float, float | None]] = {}
    for line in (_HERE / f"{language}.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        entry, *weights = re.split(r" (?=-?\d+(?:\.\d+)?(?: |$))", line)
        first, *denied = map(float, weights)
        found[entry] = (first, denied[0] if denied else None)
    return found


@lru_cache(maxsize=4)
def _lexicon(language: str) -> Lexicon:
    return Lexicon(_lines(language), language)


@lru_cache(maxsize=1)
def _vader() -> Any:
    from vader import SentimentIntensityAnalyzer
    from vader.data.lexicon import MULTIWORD

    ours = {entry: weights[0] for entry, weights in _lines("en").items()}
    return SentimentIntensityAnalyzer(
        extra_lexicon={entry: weight for entry, weight in ours.items() if " " not in entry},
        multiword={**MULTIWORD, **{entry: weight for entry, weight in ours.items() if " " in entry}},
    )
