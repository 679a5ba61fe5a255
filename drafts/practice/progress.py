"""How somebody does: their own scores, by scenario and by kind of criterion; of the team the totals alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import connection

from conversations.models import User
from drafts.models import ScoreCard
from drafts.models.rubric import NAMES, Grades

LAST = 5  # practices that the progress by criterion shows
NEEDED = 3  # people under whom a team's total would be somebody's own (`practice_of_team`)


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of criterion: its share of points in each practice, oldest first, None where it did not count."""

    kind: str
    name: str
    shares: list[int | None]

    @property
    def now(self) -> int | None:
        return next((share for share in reversed(self.shares) if share is not None), None)


@dataclass(frozen=True, slots=True)
class TeamLine:
    name: str
    share: int
    people: int


def own_cards(actor: User, *, most: int = 20) -> list[ScoreCard]:
    """The newest scores, oldest first."""
    mine = ScoreCard.objects.filter(private_to=actor).select_related("scenario").order_by("-id")
    return list(reversed(mine[:most]))


def by_criterion(cards: Iterable[ScoreCard]) -> list[Line]:
    """Of the last practices."""
    last = list(cards)[-LAST:]
    shares = [_shares(card) for card in last]
    kinds = [kind for kind in NAMES if any(kind in each for each in shares)]
    return [Line(kind, NAMES[kind], [each.get(kind) for each in shares]) for kind in kinds]


def _shares(card: ScoreCard) -> Mapping[str, int]:
    met: dict[str, int] = {}
    decided: dict[str, int] = {}
    for one in Grades.model_validate(card.criteria).root:
        if one.outcome != "undecided":
            decided[one.kind] = decided.get(one.kind, 0) + one.weight
            met[one.kind] = met.get(one.kind, 0) + (one.weight if one.outcome == "met" else 0)
    return {kind: round(100 * met[kind] / points) for kind, points in decided.items()}


def of_team() -> list[TeamLine]:
    """By kind of criterion, where three people or more have practised it; nobody's own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, met, decided, people FROM practice_of_team()")
        found = {kind: (met or 0, decided, people) for kind, met, decided, people in cursor.fetchall()}
    rows = ((NAMES[kind], *found[kind]) for kind in NAMES if kind in found)
    return [TeamLine(name, round(100 * met / decided), people) for name, met, decided, people in rows]


def runs() -> dict[uuid.UUID, int]:
    """How often each scenario was played to its end, by whomever."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT scenario_id, runs FROM practice_runs()")
        return dict(cursor.fetchall())
