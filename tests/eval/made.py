"""Up to 50,000 approved questions out of banking77's few: what is made is made by rules, the same in every run.

Half of what a size lacks are variations of known questions (a greeting, a typing error, other words for the same; never of
a question that will be asked), a quarter are questions about 200 other products of the bank with an answer for each
product, and a quarter are questions of which every one has an answer of its own.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from itertools import product

Made = tuple[str, str]  # question, topic

_BEFORE = ["Hi, ", "Hello, ", "Good morning. ", "Hey there, ", "Quick question: ", "Sorry to bother you. "]
_AFTER = [" Thanks.", " Please help.", " Can you help me?", " Thank you!", " I am in a hurry.", " Cheers"]
_OTHERWISE = [
    ("I'm", "I am"), ("I am", "I'm"), ("can't", "cannot"), ("didn't", "did not"), ("hasn't", "has not"),
    ("want to", "would like to"), ("need to", "have to"), ("Why", "How come"), ("tell me", "explain"),
    ("How do I", "What is the way to"), ("How can I", "What must I do to"), ("Can I", "Is it possible to"),
    ("please", "kindly"), ("help", "assist"), ("think", "believe"), ("get", "receive"), ("still", "even now"),
]  # fmt: skip
_SMALL = re.compile(r"\b(the|a|an|my|is|to|of|it|on)\s", re.IGNORECASE)
_KINDS = ["home", "student", "business", "joint", "green", "senior", "family", "travel", "online", "premium"]
_PRODUCTS = [
    "mortgage", "insurance", "pension plan", "savings account", "car loan", "share portfolio", "overdraft",
    "tax report", "rent deposit", "safe deposit box", "bonus programme", "fixed deposit", "gold account",
    "credit line", "building loan", "custody account", "statement by post", "advisory meeting", "legal cover",
    "gift voucher",
]  # fmt: skip
_ABOUT = [
    "How do I apply for the {}?", "What does the {} cost a year?", "Can I cancel my {}?", "Who is the {} meant for?",
    "I have a question about my {}", "Where do I find the terms of the {}?", "Is the {} still offered?",
    "My {} does not show up in the app", "I would like to change my {}", "Do I have to renew the {}?",
]  # fmt: skip
_RARE = [
    "What does code {} on my statement mean?", "Is branch {} open on Saturdays?", "Who signed letter {}?",
    "The form {} cannot be opened", "Where do I send form {}?", "Machine {} kept my card",
]  # fmt: skip


def approved(known: Sequence[Made], size: int) -> list[Made]:
    """``size`` approved questions, those with one topic together as in the file; of fewer than are known, every so many."""
    if size <= len(known):
        return [known[at * len(known) // size] for at in range(size)]
    lacking = size - len(known)
    rare = products = lacking // 4
    times, more = divmod(lacking - rare - products, len(known))
    rows: list[Made] = []
    for at, (text, topic) in enumerate(known):
        # The remainder is spread over the whole file.
        extra = (at + 1) * more // len(known) - at * more // len(known)
        rows += [(text, topic), *((varied(text, number), topic) for number in range(times + extra))]
    names = [f"{kind} {what}" for kind, what in product(_KINDS, _PRODUCTS)]
    about = [(name, number) for name in names for number in range(-(-products // len(names)))]
    rows += [(varied(_ABOUT[number % len(_ABOUT)].format(name), number), name) for name, number in about[:products]]
    return rows + [(_RARE[number % len(_RARE)].format(1000 + number), f"rare {number}") for number in range(rare)]


def varied(text: str, number: int) -> str:
    """The same question once more, as somebody else might have typed it."""
    chance = random.Random(f"{number} {text}")
    for change in chance.sample(_CHANGES, 2):
        text = change(text, chance)
    return text


def _greeted(text: str, chance: random.Random) -> str:
    return chance.choice(_BEFORE) + text


def _closed(text: str, chance: random.Random) -> str:
    return text + chance.choice(_AFTER)


def _mistyped(text: str, chance: random.Random) -> str:
    """Two neighbouring letters change places."""
    at = chance.randrange(max(1, len(text) - 1))
    return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]


def _shortened(text: str, chance: random.Random) -> str:
    return _SMALL.sub("", text, count=1)


def _otherwise(text: str, chance: random.Random) -> str:
    for word, other in chance.sample(_OTHERWISE, len(_OTHERWISE)):
        if word in text:
            return text.replace(word, other, 1)
    return text


def _plain(text: str, chance: random.Random) -> str:
    return text.lower().rstrip("?.! ")


_CHANGES: list[Callable[[str, random.Random], str]] = [_greeted, _closed, _mistyped, _shortened, _otherwise, _plain]
