"""What a customer's message is about, and why a person should look twice: plain rules, the same for every drafter.

English key words. A rule that fires too often costs a reviewer a second look; one that stays silent costs more, so the
rules lean towards firing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from drafts.writing.topics import NEUTRAL, Topics


class Need(StrEnum):
    """Why a person should look twice. The values are stored with drafts and shown as tags."""

    REFUND = "refund"
    UPSET = "upset"
    LEGAL = "legal"
    SAFETY = "safety"
    ORDER = "order"
    PERSON = "person"
    NO_SOURCE = "no_source"
    INJECTION = "injection"
    LANGUAGE = "language"


@dataclass(frozen=True)
class Reading:
    """The topic (one word, stored as the draft's intent) and the needs, strongest first."""

    intent: str
    needs: tuple[Need, ...]


_NEEDS: dict[Need, str] = {
    Need.LEGAL: r"lawyer|attorney|legal action|sue|lawsuit|small claims|court|bbb|better business|trading standards"
    r"|gdpr|data protection|consumer protection",
    Need.SAFETY: r"caught fire|on fire|fire\b|burn(?:t|ed|s)\b|injur(?:y|ed|ies)|hospital|explo(?:de|ded|sion)|recall"
    r"|unsafe|dangerous",
    Need.REFUND: r"refund|money back|charge ?back|charged (?:twice|double)|reimburse|compensat\w*|store credit"
    r"|cancel (?:my|the|this) order",
    Need.UPSET: r"not happy|unhappy|angry|furious|ridiculous|unacceptable|terrible|awful|worst|disappoint\w*|fed up|rip ?-?off"
    r"|scam|joke|never (?:again|buy|order)|third time|second (?:one|time)|still (?:no|not|waiting)|disgust\w*|frustrat\w*"
    r"|pissed|wtf|useless|waste of",
    Need.PERSON: r"(?:speak|talk|chat) (?:to|with) (?:a |an |some)?(?:human|person|real|someone|somebody|manager|supervisor)"
    r"|real person|call me|phone me|your (?:manager|supervisor)",
    Need.ORDER: r"\b[A-Z]{2,5}-?\d{4,}\b|[Oo]rder (?:#|no\.?|number) ?\w*\d|#\d{4,}|(?i:where(?:'s| is) my (?:order|package|parcel)"
    r"|my tracking|tracking (?:number|has|says|shows))",
}
_INJECTION = re.compile(
    r"(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|prompt|everything (?:above|before|you))"
    r"|(?:^|[.!?:;\n]\s*)(?:please |now )?(?:ignore|disregard|forget|override) (?:the|our|company) (?:\w+ )?(?:rule|guideline|polic)"
    # Rules of a business are everywhere in its pages ("staff can ignore all four rules"); those of the model are these.
    r"|(?:ignore|disregard|forget|override)\b.{0,40}\b(?:your|previous|prior|earlier|these|those|system|all|any)"
    r"(?: (?:of|the|your|previous|prior|above|earlier|system|safety|other))* (?:rule|guideline|polic)"
    r"|(?:ignore|disregard|forget|override)\b.{0,40}\b(?:rules?|guidelines?|polic(?:y|ies)) (?:above|before|you (?:have|were))"
    r"|(?:system|developer) (?:prompt|message|note|override)|you are now\b|act as (?:an? |the )?(?:admin|system|developer|dan\b)"
    r"|(?:reveal|print|repeat|show|tell)(?: me| us)? your (?:\w+ )?(?:prompt|instructions?|rules)|jailbreak"
    r"|</?(?:system|assistant|instructions?|source|customer|thread)\b|\[/?INST\]|<\|\w+\|>"
    r"|(?:note|message|instruction)s? (?:to|for) (?:the )?(?:ai|assistant|bot|model|llm)\b"
    r"|(?:reply|respond|answer) (?:only )?with (?:the (?:word|text|phrase)|exactly)\b|as an ai\b.{0,40}\bmust\b",
    re.IGNORECASE | re.DOTALL,
)
_NEED_RULES = {
    need: re.compile(words if need is Need.ORDER else rf"\b(?:{words})\b", 0 if need is Need.ORDER else re.IGNORECASE)
    for need, words in _NEEDS.items()
}
_SHOUTING = re.compile(r"(?=[A-Z\W]{14})(?:\b[A-Z]{2,}\b[^A-Za-z0-9]{1,3}){3,}[A-Z]{2,}|!{3,}")


def read_question(text: str, topics: Topics = NEUTRAL) -> Reading:
    """The topic of a customer's message and why a person should look twice. Never fails; "other" when nothing fits."""
    text = text[:20_000].replace("’", "'")
    intent = topics.of(text)
    needs = [need for need, rule in _NEED_RULES.items() if rule.search(text)]
    if intent in ("order_problem", "order_status") and Need.ORDER not in needs:
        needs.append(Need.ORDER)  # whatever a policy says, somebody has to look at this order
    if _SHOUTING.search(text) and Need.UPSET not in needs:
        needs.append(Need.UPSET)
    if plants_instruction(text):
        needs.append(Need.INJECTION)
    return Reading(intent, tuple(needs))


def plants_instruction(text: str) -> bool:
    """Whether a text that should be data speaks to the model ("ignore previous instructions"). A hint, not a wall."""
    return _INJECTION.search(text) is not None
