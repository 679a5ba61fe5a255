"""The quality page: how often drafts are sent as they are, where they are not, and how carefully people read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from conversations.models import Channel, Role
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.words import Clock, clock_for, plural
from drafts.evidence import quality, unanswered
from drafts.evidence.quality import KNOWN_FROM, Day, Quality, Summary
from drafts.views import charts
from drafts.views.present import REASONS
from drafts.writing.topics import in_words

DAYS = (7, 28, 90)
NOT_YET = "not yet known"
NOTHING = "–"


@require_safe
@signed_in
@require(Verb.READ)
def page(request: HttpRequest) -> HttpResponse:
    """`days` 7, 28 or 90, `channel` a channel's type. Agents see their own figures, admins also everybody's by name."""
    tenant, clock, me = require_tenant(request), clock_for(request), person(request)
    wanted = request.GET.get("days", "")
    days = int(wanted) if wanted in map(str, DAYS) else 28
    channel = request.GET.get("channel", "")
    channel = channel if channel in Channel.Type.values else ""
    own = tenant.role == Role.AGENT
    midnight = clock.local(clock.now).replace(hour=0, minute=0, second=0, microsecond=0)
    found = quality.quality_of(
        tenant.account_id,
        until=midnight + timedelta(days=1),
        days=days,
        zone=str(clock.zone),
        channel=channel,
        person=me.pk if own else None,
    )
    gaps = unanswered.gaps_of(tenant.account_id, since=found.since, until=found.until, channel=channel)
    url = reverse("drafts:quality")
    context = {
        "nav": "quality",
        "summary": _summary(found, clock, own=own),
        "periods": [
            {
                "label": f"{each} days",
                "url": f"{url}?{urlencode({'days': each, **({'channel': channel} if channel else {})})}",
                "current": each == days,
            }
            for each in DAYS
        ],
        "days": days,
        "channels": [("", "All channels"), *Channel.Type.choices],
        "channel": channel,
        "decided": found.total.decided,
        "exports": [
            *([(reverse("drafts:export-corrections"), "Corrections")] if may(tenant, Verb.EXPORT_SAMPLES) else []),
            *([(reverse("drafts:export-trail"), "Audit trail")] if may(tenant, Verb.EXPORT_AUDIT) else []),
        ],
        "gaps": [
            {
                "words": f"{plural(gap.conversations, 'conversation')} asked about “{gap.words}”",
                "examples": gap.examples,
                "url": f"{reverse('conversations:list')}?{urlencode({'q': gap.words})}",
            }
            for gap in gaps
        ],
        **_sections(found, by_name=tenant.role == Role.ADMIN),
    }
    return render(request, "drafts/quality.html", context)


def _sections(found: Quality, *, by_name: bool) -> dict[str, Any]:
    """One entry for each partial of the page."""
    total = found.total
    return {
        "tiles": _tiles(found),
        "chart": charts.stacked(found.days),
        "chart_rows": [
            (charts.short(day), day.unchanged, day.edited, day.rejected)
            for day in found.days
            if day.unchanged or day.edited or day.rejected
        ],
        "reasons": _reasons(found.reasons),
        "reasons_total": f"{plural(total.edited, 'edit')}, {plural(total.rejected, 'rejection')}",
        "prompts": [_line(each, "without a version") for each in found.prompts],
        "words": charts.columns(found.words, charts.bucket_names(), "Words changed per edit"),
        "words_median": f"median {total.words:.0f}" if total.words is not None else "",
        "words_rows": list(zip(charts.bucket_names(), found.words, strict=False)),
        "topics": sorted(
            ({**_line(each, "No topic"), "name": in_words(each.name) or "No topic"} for each in found.topics),
            key=lambda line: (line["share"], -line["decided"]),
        ),
        "by_channel": [{**_line(each, "No channel"), "name": _channel(each.name)} for each in found.channels],
        "people": [_line(each, "Somebody who left") for each in found.people] if by_name else [],
        "care": _care(found),
        "calibration": _calibration(found),
        "cost": _cost(total),
    }


def _summary(found: Quality, clock: Clock, *, own: bool) -> str:
    first, last = clock.local(found.since), clock.local(found.until - timedelta(seconds=1))
    span = f"{first.day} {first:%B} to {last.day} {last:%B}"
    decided = plural(found.total.decided, "decision")
    by_whom = "your own" if own else f"by {plural(found.total.people, 'person', 'people')}"
    return f"{span}, {decided}{', ' if own else ' '}{by_whom}"


def percent(part: int, whole: int, *, fine: bool = False) -> str:
    """A share; a dash of nothing. `fine`: with one decimal below ten percent."""
    if not whole:
        return NOTHING
    share = 100 * part / whole
    return f"{share:.1f} %" if fine and 0 < share < 10 else f"{share:.0f} %"


def seconds(milliseconds: float | None) -> str:
    if milliseconds is None:
        return NOTHING
    whole = milliseconds / 1000
    return f"{whole:.1f} s" if whole < 10 else f"{whole:.0f} s" if whole < 120 else f"{whole / 60:.0f} min"


def _tiles(found: Quality) -> list[dict[str, Any]]:
    now, then = found.total, found.before

    def share(
        label: str, part: Callable[[Summary], int], whole: Callable[[Summary], int], *, more: str, line: str = ""
    ) -> dict[str, Any]:
        known = whole(now) and whole(then)
        change = 100 * (part(now) / whole(now) - part(then) / whole(then)) if known else None
        return {
            "label": label,
            "value": percent(part(now), whole(now), fine=True),
            "change": f"{change:+.1f} pts".replace("-", "−") if change is not None else "",
            "way": _way(change, more),
            "line": line,
        }

    def daily(count: Callable[[Day], int]) -> str:
        return charts.spark(
            count(day) / all_ if (all_ := day.unchanged + day.edited + day.rejected) else None for day in found.days
        )

    both = now.viewed_ms is not None and then.viewed_ms is not None
    faster = ((now.viewed_ms or 0) - (then.viewed_ms or 0)) / 1000 if both else None
    return [
        share(
            "Sent unchanged", lambda f: f.unchanged, lambda f: f.decided, more="good", line=daily(lambda d: d.unchanged)
        ),
        share("Edited, then sent", lambda f: f.edited, lambda f: f.decided, more="", line=daily(lambda d: d.edited)),
        share("Rejected", lambda f: f.rejected, lambda f: f.decided, more="bad", line=daily(lambda d: d.rejected)),
        {
            "label": "Median time to decide",
            "value": seconds(now.viewed_ms),
            "change": f"{faster:+.0f} s".replace("-", "−") if faster is not None else "",
            "way": "eq",
            "line": "",
        },
        share("Sent with an unsourced statement", lambda f: f.unsourced_sent, lambda f: f.sent, more="bad"),
        share("Drafts with a cited source", lambda f: f.cited, lambda f: f.decided, more="good"),
    ]


def _way(change: float | None, more: str) -> str:
    if not change or not more:
        return "eq"
    return "up" if (change > 0) == (more == "good") else "dn"


def _line(each: Summary, unnamed: str) -> dict[str, Any]:
    """One line of a table. The interval is drawn on 0 to 200."""
    low, high = each.interval
    share = each.unchanged / each.decided if each.decided else 0.0
    return {
        "name": each.name or unnamed,
        "decided": each.decided,
        "share": share,
        "unchanged": percent(each.unchanged, each.decided),
        "edited": percent(each.edited, each.decided),
        "rejected": percent(each.rejected, each.decided),
        "unsourced": percent(each.unsourced_sent, each.sent, fine=True),
        "cited": percent(each.cited, each.decided),
        "hasty": percent(each.hasty, each.timed, fine=True),
        "opened": percent(each.opened, each.sent),
        "time": seconds(each.viewed_ms),
        "words": f"{each.words:.0f}" if each.words is not None else NOTHING,
        "bounds": f"{low:.0%} to {high:.0%}".replace("%", " %"),
        "few": each.decided < KNOWN_FROM,
        "heat": min(4, int((1 - share) * 6)) if each.decided else 0,
        "low": round(200 * low, 1),
        "width": round(200 * (high - low), 1),
        "at": round(200 * share, 1),
    }


def _channel(kind: str) -> str:
    return str(Channel.Type(kind).label) if kind in Channel.Type.values else "Assistant"


def _reasons(reasons: tuple[tuple[str, int], ...]) -> list[tuple[str, int, float]]:
    most = max((count for _, count in reasons), default=1)
    return [(REASONS.get(name, name), count, round(100 * count / most, 1)) for name, count in reasons]


def _care(found: Quality) -> list[tuple[str, str]]:
    total = found.total
    decisions = total.decided + found.undone
    return [
        ("Reading time per 100 words", seconds(total.per_hundred_words_ms)),
        ("Decided in under 5 s", percent(total.hasty, total.timed, fine=True)),
        ("Opened a source before sending", percent(total.opened, total.sent)),
        ("Second presses", f"{total.pressed_twice:,}"),
        ("Taken back", percent(found.undone, decisions, fine=True)),
        ("Check drafts caught", _checks(found)),
    ]


def _checks(found: Quality) -> str:
    caught = f"{found.checks_caught} of {found.checks}" if found.checks else "none decided"
    return f"{caught}, {found.checks_elsewhere} answered elsewhere" if found.checks_elsewhere else caught


def _calibration(found: Quality) -> dict[str, Any]:
    known = found.calibration
    if known.brier is None:
        left = KNOWN_FROM - known.decided
        return {"brier": NOT_YET, "hint": f"{plural(left, 'more decision')} on drafts with a confidence are needed."}
    return {
        "brier": f"{known.brier:.3f}",
        "hint": "0 is perfect; 0.25 is what saying 50 % of every draft would get.",
        "points": charts.reliability(known.bins),
        "line": " ".join(f"{point.x},{point.y}" for point in charts.reliability(known.bins)),
        "rows": [(f"{each.confidence:.0%}", f"{each.unchanged:.0%}", each.decided) for each in known.bins],
    }


def _cost(total: Summary) -> list[tuple[str, str]]:
    facts = [("Tokens", f"{total.tokens:,}" if total.tokens else NOTHING)]
    if total.priced:
        facts += [
            ("Cost", f"{total.cost_micros / 1e6:,.2f}"),
            ("Cost per decided draft", f"{total.cost_micros / 1e6 / total.priced:.4f}"),
        ]
    else:
        facts.append(("Cost", "no price list for this model"))
    return facts
