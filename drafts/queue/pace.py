"""What one person decided today, for focus mode and the empty queue: one statement."""

from __future__ import annotations

import statistics
import uuid
from dataclasses import dataclass
from datetime import datetime

from conversations.models import User
from conversations.visible import Visible
from drafts.models import DraftAction

MAX_DECISIONS = 1000  # of one day; a person does not decide more
LAST_SHOWN = 10
Type = DraftAction.Type
DECISIONS = [Type.APPROVE, Type.EDIT, Type.REJECT, Type.ANSWER_ELSEWHERE]


@dataclass(frozen=True, slots=True)
class Step:
    draft_id: str
    type: str
    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pace:
    """`seconds` is the median time that a decided draft was on screen; None when nothing was measured."""

    decided: int
    edited: int
    rejected: int
    undone: int
    seconds: int | None
    last: tuple[Step, ...]

    def minutes_for(self, waiting: int) -> int | None:
        """How long so many drafts take at this pace; None before there is one."""
        return None if self.seconds is None else max(1, round(waiting * self.seconds / 60))


def pace_of(account_id: uuid.UUID, user: User, *, since: datetime, within: Visible) -> Pace:
    """This person's decisions since `since` (their midnight). What was undone counts as undone only."""
    found = (
        DraftAction.objects.filter(
            account_id=account_id,
            user=user,
            created_at__gte=since,
            type__in=[*DECISIONS, Type.UNDO],
            **within.where("conversation__channel_id"),
        )
        .order_by("-created_at")
        .values_list(
            "draft_id", "type", "viewed_ms", "created_at", "conversation__customer_name", "conversation__customer_email"
        )[:MAX_DECISIONS]
    )
    seen: set[uuid.UUID] = set()
    steps: list[Step] = []
    times: list[int] = []
    undone = 0
    for draft_id, kind, viewed, at, name, email in found:
        undone += kind == Type.UNDO
        if draft_id in seen:
            continue
        seen.add(draft_id)
        if kind == Type.UNDO:
            continue
        steps.append(Step(str(draft_id), kind, name or email or "Customer", at))
        if viewed is not None:
            times.append(viewed)
    return Pace(
        decided=len(steps),
        edited=sum(step.type == Type.EDIT for step in steps),
        rejected=sum(step.type == Type.REJECT for step in steps),
        undone=undone,
        seconds=max(1, round(statistics.median(times) / 1000)) if times else None,
        last=tuple(reversed(steps[:LAST_SHOWN])),
    )
