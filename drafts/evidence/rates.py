"""How often drafts like this one were sent unchanged: one statement for an account, remembered for five minutes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from conversations.database import database_time
from drafts.evidence import verdicts
from drafts.evidence.quality import KNOWN_FROM

DAYS = 90
MAX_DECISIONS = 5000  # the newest
PRIOR = 20  # decisions at the account's own share that every topic begins with: a few of its own move little
MIN_FACTOR = 0.5  # a topic's history takes no more than half of a confidence
UNSAID_FROM = 0.95  # a factor so near to 1 is not worth a sentence

_SQL = """
SELECT d.intent, d.prompt_label, count(*), count(*) FILTER (WHERE v.type = 'approve')
  FROM verdicts v JOIN drafts_draft d ON d.account_id = %(account)s AND d.id = v.draft_id
 GROUP BY d.intent, d.prompt_label
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """Of `base` decided drafts of one topic and prompt, `unchanged` were sent as suggested."""

    unchanged: int
    base: int

    @property
    def words(self) -> str:
        if self.base < KNOWN_FROM:
            return f"Sent unchanged: not yet known, {self.base} of {KNOWN_FROM} decisions so far"
        return f"Sent unchanged: {self.unchanged} of {self.base} drafts like it, last {DAYS} days"


NOTHING = Rate(0, 0)
TopicRates = dict[tuple[str, str], Rate]


def history(rates: TopicRates, intent: str) -> tuple[float, str]:
    """(what to multiply a confidence with, 0.5 to 1; why in words, or "").

    A topic whose drafts people send unchanged less often than the account's others deserves less. One that fares better gets no
    more: its drafts must not rise over what their sources allow (`writing.confidence`).
    """
    mine = _sum(rate for (topic, _), rate in rates.items() if topic == intent)
    everything = _sum(rates.values())
    if not mine.base or not everything.unchanged:
        return 1.0, ""
    share = everything.unchanged / everything.base
    factor = max(MIN_FACTOR, min(1.0, (mine.unchanged + PRIOR * share) / (mine.base + PRIOR) / share))
    if factor >= UNSAID_FROM:
        return factor, ""
    topic = "other topics" if intent in ("", "other") else intent.replace("_", " ")
    return factor, f"Drafts on {topic} are sent unchanged less often than others: {mine.unchanged} of {mine.base}."


def _sum(rates: Iterable[Rate]) -> Rate:
    found = list(rates)
    return Rate(sum(rate.unchanged for rate in found), sum(rate.base for rate in found))


def topic_rates(account_id: uuid.UUID, *, fresh: bool = False) -> TopicRates:
    """By (intent, prompt label), for the account of the current tenant. `fresh` asks the database again."""

    def find() -> TopicRates:
        since = database_time.now() - timedelta(days=DAYS)
        found = verdicts.ask(_SQL, account_id=account_id, since=since, most=MAX_DECISIONS)
        return {(intent, label): Rate(unchanged, base) for intent, label, base, unchanged in found}

    return verdicts.remembered("rates", account_id, find, fresh=fresh)
