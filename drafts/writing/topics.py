"""What mails are about: a neutral start that fits any business, and the topics that an account's own people named.

An approved answer says best what a question is about (`DraftRequest.approved_topic`): people named its topic. Then come the words of the account's own
topics, then those that every business has. Quality, lanes and confidence count by these names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OTHER = "other"
Rules = Mapping[str, re.Pattern[str]]

#: English key words. The first topic with the most hits wins, so the order is from the particular to the general.
_NEUTRAL = {
    "refund": r"refund|money back|charge ?back|charged (?:twice|double)|cancel(?:led|l?ing|lation)?|reimburse",
    "returns": r"return(?:s|ed|ing)?|send .{1,40} back|exchange|restock(?:ing)? fee|rma",
    "order_status": r"where(?:'s| is) my (?:order|package|parcel)|tracking|(?:order|package|parcel) (?:status|number)"
    r"|not (?:yet )?(?:arrived|received|shipped)|has(?:n't| not) (?:arrived|shipped|moved)|lost in (?:the )?(?:mail|post)",
    "order_problem": r"wrong (?:part|size|item|order|colou?r|one)|missing (?:part|item|from)|damaged|broken"
    r"|ordered .{1,40} (?:and|but) (?:got|received)|short[- ]shipped",
    "warranty": r"warrant(?:y|ies)|guarantee|defect(?:ive)?|replac(?:e|ement) (?:it|one|under)",
    "shipping": r"ship(?:s|ping|ped|ment)?|deliver(?:y|ed|s)?|courier|customs|vat|dut(?:y|ies)|express|overnight|post(?:age)?",
    "wholesale": r"dealer|wholesale|net[- ]?30|bulk|resale|trade (?:account|pric)|purchase order",
    "complaint": r"not happy|unhappy|unacceptable|ridiculous|terrible|awful|worst|complain\w*|disappoint\w*|lawyer|injured"
    r"|scam|rip ?-?off",
    "payment": r"pay(?:ment|ing|pal)?|invoice|card|discount|coupon|price|quote|cost",
    "account": r"password|log ?in|account|unsubscribe|e-?mail address",
}


def in_words(topic: str) -> str:
    """A topic as people read it: "order_status" is "Order status"."""
    return topic.replace("_", " ")[:1].upper() + topic.replace("_", " ")[1:]


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one account, its own before the neutral ones."""

    rules: Rules

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.rules, OTHER)

    def of(self, text: str) -> str:
        """The topic whose words occur most often, the account's own first where two are alike; "other" when none occurs."""
        hits = {name: len(rule.findall(text)) for name, rule in self.rules.items()}
        best = max(hits.values())
        return next((name for name, count in hits.items() if count and count == best), OTHER)


NEUTRAL = Topics({name: re.compile(rf"\b(?:{words})", re.IGNORECASE) for name, words in _NEUTRAL.items()})


def own_topics(words: Mapping[str, Sequence[str]]) -> Topics:
    """Topics that people named, each with the words and phrases that tell it; a `*` at the end of a word is any ending.

    One with the name of a neutral topic replaces it. One without words is known only from approved answers."""
    own = {name: _rule(phrases) for name, phrases in sorted(words.items())}
    return Topics({**own, **{name: rule for name, rule in NEUTRAL.rules.items() if name not in own}})


def _rule(phrases: Sequence[str]) -> re.Pattern[str]:
    forms = [r"\s+".join(map(_word, phrase.split())) for phrase in phrases if re.search(r"\w", phrase)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)" if forms else r"(?!)", re.IGNORECASE)


def _word(word: str) -> str:
    return re.escape(word.removesuffix("*")) + (r"\w*" if word.endswith("*") else "")
