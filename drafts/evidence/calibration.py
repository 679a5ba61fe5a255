"""A draft's confidence, brought in line with what people did with drafts that were as sure: the account's own decisions.

Isotonic regression by pooling adjacent violators: surer drafts never get a lower figure, and no other shape is assumed.
Neighbours are taken together first, so that one decision moves nothing. A topic with enough decisions has its own curve.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from conversations.database import database_time
from drafts.evidence import verdicts

MIN_DECISIONS = 100  # decisions; a curve from fewer would be chance
STEP_SIZE = 20  # decisions to a step at least
WINDOW = timedelta(days=180)
MAX_DECISIONS = 2000  # the newest

_SQL = """
SELECT d.intent, coalesce(d.raw_confidence, d.confidence), v.type = 'approve'
  FROM verdicts v JOIN drafts_draft d ON d.account_id = %(account)s AND d.id = v.draft_id
 WHERE d.confidence IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Curve:
    """How often drafts of a confidence were sent unchanged, as points from left to right; none: not yet known."""

    decided: int = 0
    points: tuple[tuple[float, float], ...] = ()
    topic: str = ""  # whose drafts it is of; "": of all

    def of(self, confidence: float) -> float | None:
        """The share sent unchanged of drafts that were as sure, straight between the points; None: not yet known."""
        if not self.points:
            return None
        for (left, low), (right, high) in pairwise(self.points):
            if left <= confidence <= right:
                return low + (high - low) * (confidence - left) / (right - left) if right > left else high
        return self.points[0][1] if confidence < self.points[0][0] else self.points[-1][1]

    def apply(self, confidence: float) -> tuple[float, str]:
        """(the figure to show, why in words)."""
        known = self.of(confidence)
        if known is None:
            return confidence, f"Confidence is not yet known: {self.decided} of {MIN_DECISIONS} decisions so far."
        topic = f" on {self.topic.replace('_', ' ')}" if self.topic else ""
        return round(known, 3), f"Calibrated on {self.decided} decisions{topic}; {confidence:.0%} before that."


def fit(decided: Sequence[tuple[float, bool]], topic: str = "") -> Curve:
    """The curve of these (confidence, sent unchanged); empty under `MIN_DECISIONS` of them."""
    if len(decided) < MIN_DECISIONS:
        return Curve(len(decided), topic=topic)
    steps: list[tuple[float, float, int]] = []  # (sum of confidence, sent unchanged, how many)
    ordered = sorted(decided)
    at = 0
    while at < len(ordered):
        end = at + STEP_SIZE if len(ordered) - at >= 2 * STEP_SIZE else len(ordered)
        while end < len(ordered) and ordered[end][0] == ordered[end - 1][0]:
            end += 1  # the same confidence is never told apart
        part = ordered[at:end]
        steps.append((sum(sure for sure, _ in part), sum(unchanged for _, unchanged in part), len(part)))
        at = end
        while len(steps) > 1 and steps[-2][1] * steps[-1][2] >= steps[-1][1] * steps[-2][2]:
            last, before = steps.pop(), steps.pop()
            steps.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    return Curve(len(decided), tuple((sure / count, unchanged / count) for sure, unchanged, count in steps), topic)


def curve_of(account_id: uuid.UUID, intent: str = "", *, fresh: bool = False) -> Curve:
    """The curve of the account's drafts on this topic, or of all of its drafts where the topic has too few decisions; as of
    at most five minutes ago. The caller is in the tenant. `fresh` asks the database."""

    def find() -> dict[str, Curve]:
        since = database_time.now() - WINDOW
        found = verdicts.ask(_SQL, account_id=account_id, since=since, most=MAX_DECISIONS)
        topics: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        for topic, sure, unchanged in found:
            topics[topic].append((float(sure), unchanged))
        curves = {topic: fit(decided, topic) for topic, decided in topics.items() if topic}
        return {**curves, "": fit([each for decided in topics.values() for each in decided])}

    curves = verdicts.remembered("calibration", account_id, find, fresh=fresh)
    own = curves.get(intent)
    return own if own and own.points else curves[""]
