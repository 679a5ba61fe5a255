"""The strip over focus mode and the words of an empty queue: how far, how fast, what was just decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from conversations.views.words import plural, span
from drafts.queue import COUNT_CAP
from drafts.queue.pace import Pace, pace_of
from drafts.views.pane import Desk

LOOKS = {
    "approve": ("ok", "check", "Approved"),
    "edit": ("accent", "edit", "Edited and approved"),
    "reject": ("bad", "x", "Rejected"),
    "answer_elsewhere": ("", "out", "Answered elsewhere"),
}


def pace_today(desk: Desk) -> Pace:
    """What this person decided since their own midnight."""
    midnight = desk.clock.local(desk.clock.now).replace(hour=0, minute=0, second=0, microsecond=0)
    return pace_of(desk.tenant.account_id, desk.user, since=midnight, within=desk.within)


def strip(desk: Desk, waiting: int) -> dict[str, Any]:
    """Progress, time left at one's own pace, and the last ten decisions as links to them."""
    pace = pace_today(desk)
    left = pace.minutes_for(min(waiting, COUNT_CAP))
    total = f"{pace.decided} of {pace.decided + waiting}" if waiting <= COUNT_CAP else str(pace.decided)
    ahead = f", about {left} min left at your pace" if left is not None and 0 < waiting <= COUNT_CAP else ""
    return {
        "done": pace.decided,
        "total": max(1, pace.decided + waiting),
        "words": f"{total} decided today{ahead}",
        "last": [
            {
                "colour": LOOKS[step.type][0],
                "icon": LOOKS[step.type][1],
                "label": f"{LOOKS[step.type][2]}: {step.who}, {desk.clock.time(step.at)}",
                "url": f"{desk.drafts_url}{step.draft_id}/",
            }
            for step in pace.last
        ],
    }


def today(desk: Desk) -> str:
    """One line on the day; "" before the first decision."""
    pace = pace_today(desk)
    if not pace.decided:
        return ""
    each = f", {span(timedelta(seconds=pace.seconds))} each" if pace.seconds is not None else ""
    parts = [(pace.edited, "edited"), (pace.rejected, "rejected"), (pace.undone, "undone")]
    some = ", ".join(f"{count} {word}" for count, word in parts if count)
    return f"{plural(pace.decided, 'decision')} today{each}{f' ({some})' if some else ''}."
