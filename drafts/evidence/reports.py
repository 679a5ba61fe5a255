"""The figures that a support lead asks for, each by one statement for any period and any number of rows.

What each of them counts is defined in docs/reports.md; the page and its files show what is counted here and nothing else.
Lengths of time are minutes of business hours. How many of them lie between two moments is asked of `conversations.hours.Scale`,
whose lists are given to each statement: SQL looks its place up in them, and so counts as due times do.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from django.db import connection

from conversations.hours import Hours, Scale
from conversations.models.base import first_id
from conversations.visible import Visible

KNOWN_FROM = 20  # replies or closings; under it a median would say more than is known
LOOK_BACK = timedelta(days=730)  # what began earlier is counted from here
BACK_WITHIN = timedelta(days=7)  # a closing after which they come back sooner than that was none
MAX_LINES = 50  # lines of a table
AGES = (1, 4, 24, 48, 120)  # hours: up to 1, 4, 24, 48, 120, and more
BY_ITSELF = "by itself"  # in the place of a person: no person approved or closed it

_OF_CUSTOMERS = """
c.kind = 'customer' AND (%(within)s::uuid[] IS NULL OR c.channel_id = ANY(%(within)s::uuid[]))
AND (%(channel)s::uuid IS NULL OR c.channel_id = %(channel)s)
"""
#: What counts as a word of a customer: no automatic replies, no bounces.
_THEIRS = "m.account_id = %(account)s AND m.direction = 'inbound' AND NOT m.is_automatic"
_SCALE = """
WITH scale AS MATERIALIZED (
  SELECT %(starts)s::timestamptz[] AS starts, %(ends)s::timestamptz[] AS ends, %(before)s::float[] AS before),
"""


def _place(moment: str) -> str:
    """SQL of `Scale.place`."""
    at = f"greatest(width_bucket({moment}, starts), 1)"
    return f"(before[{at}] + greatest(extract(epoch FROM least({moment}, ends[{at}]) - starts[{at}]), 0))"


def _percentiles(minutes: str) -> str:
    within = f"WITHIN GROUP (ORDER BY {minutes})"
    return f"count({minutes}), percentile_cont(0.5) {within}, percentile_cont(0.9) {within}"


_REPLIES = f"""{_SCALE}
sent AS (
  SELECT conversation_id, draft_id, approved_by_id, approved_by_name, is_automatic, owed_before, sent_at,
         min(sent_at) OVER (PARTITION BY conversation_id) AS first_at
    FROM conversations_delivery WHERE account_id = %(account)s AND status IN ('sent', 'delivered')),
left_us AS (
  SELECT d.sent_at, d.sent_at >= %(recent)s AS recent, c.channel_id AS channel, d.approved_by_name AS name,
         CASE WHEN d.is_automatic THEN '{BY_ITSELF}' ELSE coalesce(d.approved_by_id::text, '') END AS person,
         coalesce(draft.model_key = 'person', false) AS written,
         CASE WHEN d.owed_before ->> 'due_at' <> '' AND d.owed_before ->> 'owed' NOT IN ('', 'writing')
              THEN d.sent_at <= (d.owed_before ->> 'due_at')::timestamptz END AS kept,
         CASE WHEN d.sent_at = d.first_at
              THEN (SELECT min(m.received_at) FROM conversations_message m
                     WHERE {_THEIRS} AND m.conversation_id = c.id AND m.received_at <= d.sent_at) END AS came
    FROM sent d
    JOIN conversations_conversation c ON c.account_id = %(account)s AND c.id = d.conversation_id
    LEFT JOIN drafts_draft draft ON draft.account_id = %(account)s AND draft.id = d.draft_id
   WHERE d.sent_at >= %(since)s AND d.sent_at < %(until)s
     AND (%(person)s::uuid IS NULL OR d.approved_by_id = %(person)s) AND {_OF_CUSTOMERS}),
replies AS (
  SELECT *, CASE WHEN recent THEN (sent_at AT TIME ZONE %(zone)s)::date END AS day,
         CASE WHEN came IS NOT NULL THEN ({_place("sent_at")} - {_place("came")}) / 60 END AS minutes
    FROM left_us, scale)
SELECT recent, grouping(channel) = 0, grouping(person) = 0, channel::text, person, max(name), day,
       count(*), count(*) FILTER (WHERE written), count(*) FILTER (WHERE kept), count(kept), {_percentiles("minutes")}
  FROM replies GROUP BY GROUPING SETS ((recent), (recent, channel), (recent, person), (recent, day))
"""  # noqa: S608 - of our own constants
_CLOSINGS = f"""{_SCALE}
ends_of AS (
  SELECT e.at, e.at >= %(recent)s AS recent, c.channel_id AS channel, e.actor_name AS name,
         CASE WHEN e.actor_type = 'user' THEN e.actor_id ELSE '{BY_ITSELF}' END AS person,
         e.actor_type = 'system' AS quiet,
         EXISTS (SELECT FROM conversations_message m
                  WHERE {_THEIRS} AND m.conversation_id = c.id AND m.received_at > e.at
                    AND m.received_at < e.at + %(back_within)s)
         OR EXISTS (SELECT FROM conversations_auditevent back
                     WHERE back.account_id = %(account)s AND back.conversation_id = c.id
                       AND back.kind = 'conversation.reopened' AND back.at > e.at AND back.at < e.at + %(back_within)s)
         AS reopened,
         CASE WHEN e.actor_type <> 'system' THEN (
           SELECT min(m.received_at) FROM conversations_message m
            WHERE {_THEIRS} AND m.conversation_id = c.id AND m.received_at <= e.at
              AND m.received_at > coalesce((
                SELECT max(past.at) FROM conversations_auditevent past
                 WHERE past.account_id = %(account)s AND past.conversation_id = c.id
                   AND past.kind = 'conversation.closed' AND past.at < e.at), '-infinity')) END AS came
    FROM conversations_auditevent e
    JOIN conversations_conversation c ON c.account_id = %(account)s AND c.id = e.conversation_id
   WHERE e.account_id = %(account)s AND e.id >= %(first_id)s AND e.kind = 'conversation.closed'
     AND e.at >= %(since)s AND e.at < %(until)s AND coalesce(e.data ->> 'reason', '') <> 'spam'
     AND (%(person)s::uuid IS NULL OR (e.actor_type = 'user' AND e.actor_id = %(person)s::text)) AND {_OF_CUSTOMERS}),
closings AS (
  SELECT *, CASE WHEN came IS NOT NULL THEN ({_place("at")} - {_place("came")}) / 60 END AS minutes FROM ends_of, scale)
SELECT recent, grouping(channel) = 0, grouping(person) = 0, channel::text, person, max(name), NULL,
       count(*), count(*) FILTER (WHERE quiet), count(*) FILTER (WHERE reopened), {_percentiles("minutes")}
  FROM closings GROUP BY GROUPING SETS ((recent), (recent, channel), (recent, person))
"""  # noqa: S608 - of our own constants
_VOLUME = f"""
SELECT c.channel_id::text, extract(hour FROM m.received_at AT TIME ZONE %(zone)s)::int, count(*)
  FROM conversations_message m
  JOIN conversations_conversation c ON c.account_id = %(account)s AND c.id = m.conversation_id
 WHERE {_THEIRS} AND m.id >= %(first_id)s AND m.received_at >= %(recent)s AND m.received_at < %(until)s
   AND c.outcome <> 'spam' AND {_OF_CUSTOMERS}
 GROUP BY 1, 2
"""  # noqa: S608 - of our own constants
#: What is approved and about to leave is nobody's work, until its time has come.
_BACKLOG = f"""
WITH backlog AS (
  SELECT c.channel_id AS channel, coalesce(c.owner_id::text, '') AS person, c.due_at, c.owed,
         width_bucket((extract(epoch FROM %(now)s - coalesce((
           SELECT min(m.received_at) FROM conversations_message m
            WHERE {_THEIRS} AND m.conversation_id = c.id AND m.seq > c.answered_seq), c.started_at)) / 3600)::float,
           %(ages)s::float[]) AS age
    FROM conversations_conversation c
   WHERE c.account_id = %(account)s AND c.status = 'open' AND NOT (c.owed = 'leaving' AND c.due_at > %(now)s)
     AND (%(person)s::uuid IS NULL OR c.owner_id = %(person)s) AND {_OF_CUSTOMERS})
SELECT true, grouping(channel) = 0, grouping(person) = 0, channel::text, person, '', age,
       count(*), count(*) FILTER (WHERE due_at < %(now)s), count(*) FILTER (WHERE due_at >= %(now)s AND due_at < %(until)s),
       count(*) FILTER (WHERE owed = 'draft')
  FROM backlog GROUP BY GROUPING SETS ((), (channel), (person), (age))
"""  # noqa: S608 - of our own constants


@dataclass(frozen=True, slots=True)
class Replies:
    """What left. `kept` of `due` left in time; `firsts` were the first in their conversation, after `median` minutes."""

    count: int = 0
    written: int = 0
    kept: int = 0
    due: int = 0
    firsts: int = 0
    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True)
class Closings:
    """What was closed, `quiet` of it by itself; `resolved` after `median` minutes."""

    count: int = 0
    quiet: int = 0
    reopened: int = 0
    resolved: int = 0
    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is owed now: `late`, or due `today`, or later; in `drafts` of it a draft waits."""

    count: int = 0
    late: int = 0
    today: int = 0
    drafts: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one channel, one person or all. `key` is an id, `BY_ITSELF`, or "" for nobody."""

    key: str = ""
    name: str = ""
    replies: Replies = field(default_factory=Replies)
    closings: Closings = field(default_factory=Closings)
    backlog: Backlog = field(default_factory=Backlog)
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Reports:
    since: datetime
    until: datetime
    total: Line
    before: Line  # the same length of time before; its backlog is not known
    days: tuple[tuple[date, Replies], ...]
    channels: tuple[Line, ...]
    people: tuple[Line, ...]
    hours: dict[str, tuple[int, ...]]  # by channel: messages in each hour of the day
    ages: tuple[int, ...]


def reports_of(
    account_id: uuid.UUID,
    *,
    hours: Hours,
    within: Visible,
    now: datetime,
    until: datetime,
    days: int,
    channel: uuid.UUID | None = None,
    person: uuid.UUID | None = None,
) -> Reports:
    """The figures of the `days` before `until` and what is open now, in four statements. The caller is in the tenant.

    `within` are the channels that the reader sees. `person` are one person's replies, closings and conversations; what
    customers wrote is nobody's.
    """
    recent = until - timedelta(days=days)
    since = recent - timedelta(days=days)
    scale = Scale.of(hours, since - LOOK_BACK, until)
    asked = {
        "account": account_id, "since": since, "recent": recent, "until": until, "now": now,
        "zone": hours.zone.key, "within": within.ids, "channel": channel, "person": person, "ages": [0, *AGES],
        "back_within": BACK_WITHIN, "first_id": first_id(since - timedelta(days=1)),
        "starts": scale.starts, "ends": scale.ends, "before": scale.before,
    }  # fmt: skip
    replies, closings, backlog = (_ask(sql, asked) for sql in (_REPLIES, _CLOSINGS, _BACKLOG))
    volume: dict[str, list[int]] = {}
    for key, hour, count in _ask(_VOLUME, asked):
        volume.setdefault(key, [0] * 24)[hour] = count
    written = {key: sum(counts) for key, counts in volume.items()}
    ages = {row[6]: row[7] for row in backlog if row[6] is not None}
    return Reports(
        since=recent,
        until=until,
        total=Line(
            replies=_whole(Replies, replies, recent=True),
            closings=_whole(Closings, closings, recent=True),
            backlog=_whole(Backlog, backlog, recent=True),
            messages=sum(written.values()),
        ),
        before=Line(replies=_whole(Replies, replies, recent=False), closings=_whole(Closings, closings, recent=False)),
        days=tuple(sorted((row[6], Replies(*row[7:])) for row in replies if row[6] is not None)),
        channels=_lines(1, replies, closings, backlog, written),
        people=_lines(2, replies, closings, backlog, {}),
        hours={key: tuple(counts) for key, counts in volume.items()},
        ages=tuple(ages.get(at + 1, 0) for at in range(len(AGES) + 1)),
    )


def _ask(statement: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return list(cursor.fetchall())


Figures = TypeVar("Figures")


def _whole(kind: type[Figures], rows: Iterable[tuple[Any, ...]], *, recent: bool) -> Figures:
    found = (row for row in rows if row[0] is recent and not row[1] and not row[2] and row[6] is None)
    return next((kind(*row[7:]) for row in found), kind())


def _lines(
    at: int,
    replies: list[tuple[Any, ...]],
    closings: list[tuple[Any, ...]],
    backlog: list[tuple[Any, ...]],
    messages: dict[str, int],
) -> tuple[Line, ...]:
    """One line for each channel (`at` 1) or person (2) of whom there is any figure, busiest first."""
    by_key = [{row[at + 2]: row for row in rows if row[0] and row[at]} for rows in (replies, closings, backlog)]
    found = []
    for key in {*by_key[0], *by_key[1], *by_key[2], *messages}:
        rows = [rows.get(key) for rows in by_key]
        reply, closing, open_ = rows
        found.append(
            Line(
                key=key,
                name=next((row[5] for row in rows if row and row[5]), ""),
                replies=Replies(*reply[7:]) if reply else Replies(),
                closings=Closings(*closing[7:]) if closing else Closings(),
                backlog=Backlog(*open_[7:]) if open_ else Backlog(),
                messages=messages.get(key, 0),
            )
        )
    busiest = sorted(found, key=lambda line: (-line.replies.count - line.closings.count - line.messages, line.key))
    return tuple(busiest[:MAX_LINES])
