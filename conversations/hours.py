"""Business hours: when an account is open, in its own time zone, and how much of a span of time that is. No models.

Hours are written as people write them, a rule a line: "Mon to Fri 8:00 to 12:00, 13:00 to 17:00". Nothing written is always
open. A holiday is a line that begins with its date. Counted is time that passes: a night of a clock change is an hour
shorter or longer, whatever the clock on the wall says.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONE_DAY = timedelta(days=1)
MIDNIGHT = 24 * 60
_DAY = r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_TO = r"\s*(?:to|-|–)\s*"
_TIME = r"(\d{1,2}):(\d\d)"
_RULE = re.compile(rf"{_DAY}(?:{_TO}{_DAY})?\s+(.+)", re.IGNORECASE)
_SPAN = re.compile(rf"{_TIME}{_TO}{_TIME}", re.IGNORECASE)

#: Minutes of the day, from and to.
Span = tuple[int, int]
Week = tuple[tuple[Span, ...], ...]


def parse_week(text: str) -> Week:
    """The openings of each day, Monday first; () of an empty text. Raises ValueError with words for who wrote it."""
    week: list[list[Span]] = [[] for _ in DAYS]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        rule = _RULE.fullmatch(line)
        if not rule:
            raise ValueError(f"“{line}” is not understood. Write “Mon to Fri 8:00 to 18:00”, a rule on each line.")
        first = DAYS.index(rule[1].lower())
        last = DAYS.index(rule[2].lower()) if rule[2] else first
        spans = [_span(part.strip()) for part in rule[3].split(",")]
        for offset in range((last - first) % 7 + 1):
            week[(first + offset) % 7] += spans
    return tuple(_joined(spans) for spans in week) if lines else ()


def parse_holidays(text: str) -> frozenset[date]:
    """The dates that lines begin with. Raises ValueError with words for who wrote it."""
    found = set()
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            found.add(date.fromisoformat(line.split()[0]))
        except ValueError:
            raise ValueError(f"“{line}” does not begin with a date. Write “2026-12-25 Christmas”.") from None
    return frozenset(found)


def _span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(f"“{text}” is no span of time. Write “8:00 to 18:00”.")
    (start, end) = (60 * int(found[at]) + int(found[at + 1]) for at in (1, 3))
    if int(found[2]) > 59 or int(found[4]) > 59 or not start < end <= MIDNIGHT:
        raise ValueError(f"“{text}” ends before it begins, or is no time of a day. The day ends at 24:00.")
    return start, end


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """In order, what touches or overlaps as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class Hours:
    """When somebody is there. Without a `week` that is always, holidays or not."""

    week: Week
    holidays: frozenset[date]
    zone: ZoneInfo

    def add(self, moment: datetime, minutes: int) -> datetime:
        """The moment by which so many minutes of business hours have passed, in UTC."""
        left, at = timedelta(minutes=minutes), moment.astimezone(UTC)
        if not self.week:
            return at + left
        for start, end in self.openings(at):
            if end - start >= left:
                return start + left
            left -= end - start
        raise AssertionError("a week with hours never ends")

    def openings(self, since: datetime, until: datetime | None = None) -> Iterator[tuple[datetime, datetime]]:
        """From and to of what is open in the time, in order and in UTC. Without `until` it goes on for ever."""
        if not self.week:
            yield since, until or datetime.max.replace(tzinfo=UTC)
            return
        day = since.astimezone(self.zone).date()
        while until is None or day <= until.astimezone(self.zone).date():
            for span in self.week[day.weekday()] if day not in self.holidays else ():
                start, end = (self._moment(day, minute) for minute in span)
                start, end = max(start, since), min(end, until) if until else end
                if start < end:
                    yield start, end
            day += ONE_DAY

    def _moment(self, day: date, minute: int) -> datetime:
        day, minute = (day + ONE_DAY, 0) if minute == MIDNIGHT else (day, minute)
        return datetime.combine(day, time(minute // 60, minute % 60), self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Scale:
    """The openings of a long time, laid end to end: a moment's place on it is what was open before it.

    Its lists go into a statement as they are, so that SQL counts like Python (`drafts.evidence.reports`).
    """

    starts: list[datetime]
    ends: list[datetime]
    before: list[float]  # seconds open before each start

    @classmethod
    def of(cls, hours: Hours, since: datetime, until: datetime) -> Scale:
        openings = list(hours.openings(since, until)) or [(since, since)]
        lengths = [(end - start).total_seconds() for start, end in openings]
        return cls([o[0] for o in openings], [o[1] for o in openings], list(accumulate(lengths, initial=0.0))[:-1])

    def place(self, moment: datetime) -> float:
        """Seconds of business hours up to the moment. What lies before the scale is its beginning."""
        at = max(bisect_right(self.starts, moment), 1) - 1
        return self.before[at] + max((min(moment, self.ends[at]) - self.starts[at]).total_seconds(), 0.0)


def zone_of(name: str) -> ZoneInfo:
    """An account's time zone; UTC for an old name that is known no more: mail has to arrive all the same."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


@lru_cache(maxsize=256)
def hours_of(week: str, holidays: str, zone: str) -> Hours:
    """What an account wrote, read once a process: every message that arrives asks for it."""
    return Hours(parse_week(week), parse_holidays(holidays), zone_of(zone))
