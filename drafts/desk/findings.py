"""What a reply says of money, stock and dates, compared with what its sources say: the lines under a draft.

A line says what was found, not what should not be there. `kind`: "ok" was compared with a fact, "look" was found and is to be
looked at, "warn" must be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_NAMES = {"usd": "USD", "dollar": "USD", "eur": "EUR", "euro": "EUR", "gbp": "GBP", "pound": "GBP"}
_NUMBER = r"\d+(?:[.,\u202f\u00a0 ]\d{3})*(?:[.,]\d{1,2})?"
_PRICE = re.compile(
    rf"(?P<sign>[$€£¥])\s?(?P<after>{_NUMBER})|(?P<before>{_NUMBER})\s?(?P<name>[$€£¥]|(?:USD|EUR|GBP|dollars?|euros?|pounds?)\b)",
    re.IGNORECASE,
)
#: What a reply can promise beside prices, and how it is called in a line.
_PROMISES = {
    "a refund": re.compile(r"\brefund(?:ed|ing|s)?\b|\bstore credit\b", re.IGNORECASE),
    "a discount": re.compile(r"\bdiscounts?\b", re.IGNORECASE),
    "stock": re.compile(r"\bin stock\b", re.IGNORECASE),
    "a guarantee": re.compile(r"\bwe guarantee\b", re.IGNORECASE),
    "a delivery date": re.compile(r"\bwill (?:arrive|be delivered) (?:by|on)\b", re.IGNORECASE),
}
#: The names under which findings are kept with a source (`Draft.top_sources`, "says").
NOTHING = "Says nothing of prices, refunds, stock or delivery dates"


def said_in(text: str) -> list[str]:
    """What a text says of such things: prices as "8.95 USD", everything else by its name; each once, in its order."""
    found = [(match.start(), _price(match)) for match in _PRICE.finditer(text)]
    found += [(match.start(), name) for name, rule in _PROMISES.items() if (match := rule.search(text))]
    return list(dict.fromkeys(name for _, name in sorted(found)))[:20]


def _price(match: re.Match[str]) -> str:
    amount = re.sub(r"[\s\u202f\u00a0]", "", match["after"] or match["before"])
    # The last mark with one or two digits behind it is the decimal one, in either way of writing.
    parts = re.fullmatch(r"(.*?)(?:[.,](\d{1,2}))?", amount)
    whole, cents = parts.groups() if parts else (amount, None)
    value = f"{int(re.sub(r'[.,]', '', whole or '0'))}" + (f".{cents:0<2}" if cents and int(cents) else "")
    unit = match["sign"] or match["name"]
    return f"{value} {_SIGNS.get(unit) or _NAMES.get(unit.lower().rstrip('s'), unit.upper())}"


def lines(text: str, sources: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """One line for each such thing that `text` says. `sources` are a draft's, with what each says (`says`); None: nobody
    looked at any, because a person wrote it."""
    found = said_in(text)
    if not found:
        return [_line("ok", NOTHING)]
    return [_compared(name, sources) for name in found[:6]]


def _compared(name: str, sources: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    words = f"Names a price: {name}" if name[0].isdigit() else f"Speaks of {name}"
    if sources is None:
        return _line("look", words)
    place = next((n for n, one in enumerate(sources, 1) if name in one.get("says", ()) and one.get("cited", True)), 0)
    return _line("look", f"{words}, as in source {place}") if place else _line("warn", f"{words}, in no source")


def _line(kind: str, text: str) -> dict[str, Any]:
    return {"ok": kind == "ok", "kind": kind, "text": text, "about": "text"}
