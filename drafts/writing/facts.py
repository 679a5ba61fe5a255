"""What a message tells: order numbers, sizes, dates, amounts, measures. What is told needs no asking back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_FACTS = 20


class FactKind(StrEnum):
    ORDER = "order"
    SIZE = "size"
    DATE = "date"
    AMOUNT = "amount"
    MEASURE = "measure"
    ADDRESS = "address"


@dataclass(frozen=True)
class Fact:
    """A value as the customer wrote it."""

    kind: FactKind
    text: str


_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
    "|januar|februar|märz|mai|juni|juli|oktober|dezember|enero|febrero|marzo|abril|mayo|junio|julio|agosto|octubre|noviembre|diciembre"
    "|janvier|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre"
)
_RULES = {
    # A number with letters before it ("HRA-23350", "R-5518"), or after "order", "invoice", "#".
    FactKind.ORDER: re.compile(
        r"\b[A-Z]{1,5}-?\d{4,}\b|(?:(?i:order|invoice|return|ticket|case|bestellung|rechnung|pedido|factura|commande|facture)"
        r"(?: (?i:number|no\.?|nr\.?|id))?[ :#]*|#)\d{3,}\b"
    ),
    FactKind.AMOUNT: re.compile(r"[$€£]\s?\d[\d.,]*\d|[$€£]\s?\d|\b\d[\d.,]*\s?(?:USD|EUR|GBP|dollars?|euros?|€|£|bucks)", re.IGNORECASE),
    FactKind.SIZE: re.compile(r"(?<![\w.-])-\d{1,2}\b(?!\s?°)|\b(?:size|dash|AN|größe|talla|taille)[ -]?\d{1,2}\b", re.IGNORECASE),
    FactKind.DATE: re.compile(
        rf"\b(?:\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of )?(?:{_MONTHS})|(?:{_MONTHS}) \d{{1,2}}(?:st|nd|rd|th)?)\b(?:,? \d{{4}}\b)?"
        r"|\b\d{4}-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b",
        re.IGNORECASE,
    ),
    FactKind.MEASURE: re.compile(r"\b\d[\d.,/]*\s?(?:hp|psi|bar|ft|feet|in(?:ch(?:es)?)?|mm|cm|m|kg|lbs?|°[CF]|hours?|days?|weeks?|minutes?)\b", re.IGNORECASE),
    FactKind.ADDRESS: re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+\w"),
}  # fmt: skip


def facts_of(text: str) -> tuple[Fact, ...]:
    """Every value once, kind by kind."""
    found = {
        Fact(kind, " ".join(match[0].split())): None for kind, rule in _RULES.items() for match in rule.finditer(text)
    }
    return tuple(found)[:MAX_FACTS]
