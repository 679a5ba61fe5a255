"""How often drafts like this one were sent unchanged: one statement for an account, remembered for five minutes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from drafts.evidence.quality import KNOWN_FROM

DAYS, MOST = 90, 5000
REMEMBERED = 300.0  # seconds; a figure this old misleads nobody
ACCOUNTS = 1000
PRIOR = 20  # decisions at the account's own share that every topic begins with: a few of its own move little
LEAST = 0.5  # a topic's history takes no more than half of a confidence
TOLD_FROM = 0.95

#: People's newest decision of each draft; check drafts, automatic approvals and what was taken back do not count.
_SQL = """
SELECT d.intent, d.prompt_label, count(*), count(*) FILTER (WHERE newest.type = 'approve')
  FROM (SELECT DISTINCT ON (recent.draft_id) recent.draft_id, recent.type
          FROM (SELECT draft_id, type, created_at FROM drafts_draftaction
                 WHERE account_id = %(account)s AND created_at > now() - make_interval(days => %(days)s)
                   AND type IN ('approve', 'edit', 'reject') AND lane_id IS NULL
                 ORDER BY created_at DESC LIMIT %(most)s) recent
         ORDER BY recent.draft_id, recent.created_at DESC) newest
  JOIN drafts_draft d ON d.account_id = %(account)s AND d.id = newest.draft_id
 WHERE d.status IN ('approved', 'sent', 'rejected', 'archived') AND NOT d.is_canary
 GROUP BY d.intent, d.prompt_label
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """Of `base` decided drafts of one topic and prompt, `unchanged` were sent as suggested."""

    unchanged: int
    base: int

    @property
    def words(self) -> str:
        if self.base < KNOWN_FROM:
            return f"Sent unchanged: not yet known, {self.base} of {KNOWN_FROM} decisions so far"
        return f"Sent unchanged: {self.unchanged} of {self.base} drafts like it, last {DAYS} days"


NOTHING = Figure(0, 0)
Figures = dict[tuple[str, str], Figure]
_remembered: dict[uuid.UUID, tuple[float, Figures]] = {}


def history(figures: Figures, intent: str) -> tuple[float, str]:
    """(what to multiply a confidence with, 0.5 to 1; why in words, or "").

    A topic whose drafts people send unchanged less often than the account's others deserves less. One that fares better gets no
    more: its drafts must not rise over what their sources allow (`writing.confidence`).
    """
    mine = _sum(figure for (topic, _), figure in figures.items() if topic == intent)
    everything = _sum(figures.values())
    if not mine.base or not everything.unchanged:
        return 1.0, ""
    share = everything.unchanged / everything.base
    factor = max(LEAST, min(1.0, (mine.unchanged + PRIOR * share) / (mine.base + PRIOR) / share))
    if factor >= TOLD_FROM:
        return factor, ""
    topic = "other topics" if intent in ("", "other") else intent.replace("_", " ")
    return factor, f"Drafts on {topic} are sent unchanged less often than others: {mine.unchanged} of {mine.base}."


def _sum(figures: Iterable[Figure]) -> Figure:
    found = list(figures)
    return Figure(sum(figure.unchanged for figure in found), sum(figure.base for figure in found))


def figures_of(account_id: uuid.UUID, *, fresh: bool = False) -> Figures:
    """By (intent, prompt label), for the account of the current tenant. `fresh` asks the database again."""
    now = time.monotonic()
    at, found = _remembered.get(account_id, (0.0, {}))
    if at and now - at < REMEMBERED and not fresh:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_SQL, {"account": account_id, "days": DAYS, "most": MOST})
        found = {(intent, label): Figure(unchanged, base) for intent, label, base, unchanged in cursor.fetchall()}
    if len(_remembered) >= ACCOUNTS:
        _remembered.clear()
    _remembered[account_id] = (now, found)
    return found
