"""What became of the drafts that people decided: five statements for any period and any number of decisions.

A decision is a verdict as `drafts.evidence.verdicts` has it, of the channel and the person that are asked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from math import sqrt
from typing import Any

from drafts.evidence import care, verdicts

KNOWN_FROM = 30  # decisions; under it a share would say more than is known
MAX_LINES = 50  # lines of a table
BUCKETS = (2, 5, 10, 20, 40)  # words changed: up to 2, 5, 10, 20, 40, and more
BINS = 10

_DECIDED = """,
decided AS (
  SELECT a.created_at, a.created_at >= %(recent)s AS recent, a.user_id, a.user_name, a.viewed_ms, a.sources_opened, a.reasons,
         a.pressed_twice, a.type, a.type = 'approve' AS unchanged, a.type = 'edit' AS edited, a.type = 'reject' AS rejected,
         d.prompt_label, d.intent, coalesce(ch.type, '') AS channel, d.confidence, d.unsourced_count, d.tokens_used, d.cost_micros,
         jsonb_path_exists(d.statements, '$[*].sources[*]') AS cited,
         CASE WHEN a.type = 'edit' THEN (
           SELECT coalesce(sum(regexp_count(op ->> 1, '\\w+')), 0) FROM jsonb_array_elements(a.diff -> 'ops') op
            WHERE op ->> 0 <> '=') END AS words,
         cardinality(regexp_split_to_array(d.suggested_text, '\\s+')) AS length
    FROM verdicts v
    JOIN drafts_draftaction a ON a.account_id = %(account)s AND a.id = v.id
    JOIN drafts_draft d ON d.account_id = %(account)s AND d.id = v.draft_id
    JOIN conversations_conversation c ON c.account_id = %(account)s AND c.id = d.conversation_id
    LEFT JOIN conversations_channel ch ON ch.account_id = %(account)s AND ch.id = c.channel_id
   WHERE (%(channel)s = '' OR ch.type = %(channel)s) AND (%(person)s::uuid IS NULL OR a.user_id = %(person)s))
"""
_FIGURES = (
    _DECIDED
    + """
SELECT grouping(prompt_label) = 0, grouping(intent) = 0, grouping(channel) = 0, grouping(user_id) = 0,
       coalesce(prompt_label, ''), coalesce(intent, ''), coalesce(channel, ''), max(user_name), recent,
       count(*), count(*) FILTER (WHERE unchanged), count(*) FILTER (WHERE edited), count(*) FILTER (WHERE rejected),
       count(*) FILTER (WHERE NOT rejected AND unsourced_count > 0), count(*) FILTER (WHERE cited),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY viewed_ms), count(viewed_ms),
       count(*) FILTER (WHERE viewed_ms < %(haste)s), count(*) FILTER (WHERE NOT rejected AND sources_opened > 0),
       count(*) FILTER (WHERE pressed_twice), percentile_cont(0.5) WITHIN GROUP (ORDER BY words),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY 100.0 * viewed_ms / length),
       coalesce(sum(tokens_used), 0), coalesce(sum(cost_micros), 0)::bigint, count(cost_micros), count(DISTINCT user_id)
  FROM decided
 GROUP BY GROUPING SETS ((recent), (recent, prompt_label), (recent, intent), (recent, channel), (recent, user_id))
"""
)
_DAYS = (
    _DECIDED
    + """
SELECT (created_at AT TIME ZONE %(zone)s)::date, count(*) FILTER (WHERE unchanged), count(*) FILTER (WHERE edited),
       count(*) FILTER (WHERE rejected)
  FROM decided WHERE recent GROUP BY 1 ORDER BY 1
"""
)
_WHY = (
    _DECIDED
    + """
SELECT 'reason', reason, count(*) FROM decided, unnest(reasons) reason WHERE recent AND NOT unchanged GROUP BY 2
UNION ALL
SELECT 'words', width_bucket(words, %(buckets)s::bigint[])::text, count(*) FROM decided WHERE recent AND edited GROUP BY 2
"""
)
_CALIBRATION = (
    _DECIDED
    + """
SELECT least(width_bucket(confidence, 0, 1, %(bins)s), %(bins)s) - 1, count(*), avg(confidence), avg(unchanged::int),
       sum(power(confidence - unchanged::int, 2))
  FROM decided WHERE recent AND confidence IS NOT NULL GROUP BY 1 ORDER BY 1
"""
)
#: About acts that are no verdicts. PostgreSQL does not run a WITH query that nobody selects from, so `decided` costs nothing.
_CARE = f""",
checks AS (
  SELECT outcome FROM ({care.OUTCOMES}) each
   WHERE created_at >= %(recent)s AND created_at < %(until)s AND (%(person)s::uuid IS NULL OR user_id = %(person)s))
SELECT (SELECT count(*) FROM drafts_draftaction a
         WHERE a.account_id = %(account)s AND a.type = 'undo' AND a.created_at >= %(recent)s AND a.created_at < %(until)s
           AND (%(person)s::uuid IS NULL OR a.user_id = %(person)s)),
       (SELECT count(*) FROM checks WHERE outcome = 'caught'), (SELECT count(*) FROM checks WHERE outcome <> 'elsewhere'),
       (SELECT count(*) FROM checks WHERE outcome = 'elsewhere')
"""  # noqa: S608 - of our own constants


@dataclass(frozen=True, slots=True)
class Summary:
    """Of `decided` drafts; shares are None where nothing was decided. Milliseconds, and millionths of the currency."""

    name: str = ""
    decided: int = 0
    unchanged: int = 0
    edited: int = 0
    rejected: int = 0
    unsourced_sent: int = 0
    cited: int = 0
    viewed_ms: float | None = None
    timed: int = 0
    hasty: int = 0
    opened: int = 0
    pressed_twice: int = 0
    words: float | None = None
    per_hundred_words_ms: float | None = None
    tokens: int = 0
    cost_micros: int = 0
    priced: int = 0
    people: int = 0

    @property
    def sent(self) -> int:
        return self.unchanged + self.edited

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bounds of the share sent unchanged."""
        return wilson(self.unchanged, self.decided)


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    unchanged: int
    edited: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Drafts of about one confidence: how sure they were, and how often they were sent unchanged."""

    at: int
    decided: int
    confidence: float
    unchanged: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well a draft's confidence foretells that it is sent unchanged. `brier` is 0 at best; None under `KNOWN_FROM`."""

    decided: int = 0
    brier: float | None = None
    bins: tuple[Bin, ...] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    since: datetime
    until: datetime
    total: Summary
    before: Summary  # the same length of time before
    days: tuple[Day, ...]
    prompts: tuple[Summary, ...] = ()
    topics: tuple[Summary, ...] = ()
    channels: tuple[Summary, ...] = ()
    people: tuple[Summary, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    words: tuple[int, ...] = ()
    undone: int = 0
    checks_caught: int = 0
    checks: int = 0
    checks_elsewhere: int = 0  # answered by other means: neither caught nor missed
    calibration: Calibration = field(default_factory=Calibration)


def wilson(successes: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Bounds of a share by Wilson's score interval; (0, 1) of nothing. `z` 1.96 is 95 %."""
    if not total:
        return 0.0, 1.0
    share, square = successes / total, z * z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = z * sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def quality_of(
    account_id: uuid.UUID,
    *,
    until: datetime,
    days: int,
    zone: str = "UTC",
    channel: str = "",
    person: uuid.UUID | None = None,
) -> Quality:
    """The figures of the `days` before `until`; the caller is in the tenant.

    `channel` is a channel type ("" for all), `person` shows one person's decisions only. Days begin at midnight in `zone`.
    """
    since = until - timedelta(days=days)
    asked = partial(
        verdicts.ask,
        account_id=account_id,
        since=since - timedelta(days=days),
        until=until,
        recent=since,
        zone=zone,
        channel=channel,
        person=person,
        haste=care.MIN_READ_MS,
        bins=BINS,
        buckets=[0, *(most + 1 for most in BUCKETS)],
    )
    groups = asked(_FIGURES)
    shown = {name: _named(groups, at) for at, name in enumerate(("prompts", "topics", "channels", "people"))}
    why = asked(_WHY)
    undone, caught, checks, elsewhere = asked(_CARE)[0]
    return Quality(
        since=since,
        until=until,
        total=_whole(groups, recent=True),
        before=_whole(groups, recent=False),
        days=_filled([Day(*row) for row in asked(_DAYS)]),
        reasons=tuple(sorted(((n, c) for kind, n, c in why if kind == "reason"), key=lambda pair: (-pair[1], pair[0]))),
        words=_buckets({int(n): count for kind, n, count in why if kind == "words"}),
        undone=undone,
        checks_caught=caught,
        checks=checks,
        checks_elsewhere=elsewhere,
        calibration=_calibration(asked(_CALIBRATION)),
        **shown,
    )


def _whole(groups: Iterable[tuple[Any, ...]], *, recent: bool) -> Summary:
    return next((Summary("", *row[9:]) for row in groups if not any(row[:4]) and row[8] is recent), Summary())


def _named(groups: Iterable[tuple[Any, ...]], at: int) -> tuple[Summary, ...]:
    """The lines of one grouping, most decided first."""
    found = [Summary(row[4 + at] or "", *row[9:]) for row in groups if row[at] and row[8]]
    return tuple(sorted(found, key=lambda figures: (-figures.decided, figures.name))[:MAX_LINES])


def _filled(found: list[Day]) -> tuple[Day, ...]:
    """Days without a decision are days too."""
    if not found:
        return ()
    known = {day.day: day for day in found}
    length = (found[-1].day - found[0].day).days + 1
    return tuple(
        known.get(at, Day(at, 0, 0, 0)) for at in (found[0].day + timedelta(days=offset) for offset in range(length))
    )


def _buckets(found: dict[int, int]) -> tuple[int, ...]:
    return tuple(found.get(at + 1, 0) for at in range(len(BUCKETS) + 1)) if found else ()


def _calibration(rows: list[tuple[Any, ...]]) -> Calibration:
    decided = sum(row[1] for row in rows)
    if decided < KNOWN_FROM:
        return Calibration(decided)
    bins = tuple(Bin(at, count, float(sure), float(share)) for at, count, sure, share, _ in rows)
    return Calibration(decided, sum(float(row[4]) for row in rows) / decided, bins)
