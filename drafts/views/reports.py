"""The reports: how long customers wait, how much comes and when, what is open, who does how much."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from conversations.database import database_time
from conversations.models import Account, Channel, Conversation, Membership, Role
from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.life import due_words
from conversations.views.words import MONTHS, clock_for, plural
from conversations.web import spreadsheet
from drafts.evidence import reports
from drafts.evidence.reports import BY_ITSELF, KNOWN_FROM, Closings, Line, Replies, Reports
from drafts.views import charts
from drafts.views.exports import CONTENT_TYPES, record_export
from drafts.views.quality import NOTHING, percent

DAYS = (7, 14, 90)
DUE = 6  # of what is owed, the most urgent
AGES = ("under 1 h", "1 to 4 h", "4 to 24 h", "1 to 2 d", "2 to 5 d", "over 5 d")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted, and the figures for it. A channel or a person that one does not see is not asked for."""

    account: Account
    days: int
    channel: str
    person: str
    channels: dict[str, str]  # that the reader sees, by id
    people: dict[str, str]  # whose figures the reader may see by name
    found: Reports

    def query(self, **changes: Any) -> str:
        wanted = {"days": self.days, "channel": self.channel, "person": self.person, **changes}
        return urlencode({name: value for name, value in wanted.items() if value})

    def name(self, key: str) -> str:
        return self.channels.get(key) or self.people.get(key) or _UNNAMED.get(key, "Somebody else")


_UNNAMED = {"": "Nobody", BY_ITSELF: "By itself"}


def _asked(request: HttpRequest) -> Asked:
    tenant, me = require_tenant(request), person(request)
    account = Account.objects.get(pk=tenant.account_id)
    channels = Channel.objects.filter(**tenant.channels.where("pk")).order_by("name", "pk")
    members = Membership.objects.filter(account_id=account.pk).select_related("user").order_by("user__email")
    if tenant.role != Role.ADMIN:
        members = members.filter(user=me)
    names = {str(pk): name for pk, name in channels.values_list("pk", "name")}
    people = {str(member.user_id): member.user.name for member in members}
    wanted = {name: request.GET.get(name, "") for name in ("days", "channel", "person")}
    days = int(wanted["days"]) if wanted["days"] in map(str, DAYS) else 14
    channel = wanted["channel"] if wanted["channel"] in names else ""
    who = wanted["person"] if wanted["person"] in people else ""
    now = database_time.now()
    today = now.astimezone(account.hours.zone).date()
    found = reports.reports_of(
        account.pk,
        hours=account.hours,
        within=tenant.channels,
        now=now,
        until=datetime.combine(today + timedelta(days=1), datetime.min.time(), account.hours.zone),
        days=days,
        channel=uuid.UUID(channel) if channel else None,
        person=uuid.UUID(who) if who else None,
    )
    return Asked(account, days, channel, who, names, people, found)


@require_safe
@signed_in
@require(Verb.READ)
def page(request: HttpRequest) -> HttpResponse:
    """`days` 7, 14 or 90, `channel` and `person` an id. Admins see everybody by name, others themselves."""
    asked, clock = _asked(request), clock_for(request)
    found, url = asked.found, reverse("drafts:reports")
    owed = Conversation.objects.of_customers().owed().within(require_tenant(request).channels).most_urgent_first()
    if asked.channel:
        owed = owed.filter(channel_id=uuid.UUID(asked.channel))
    if asked.person:
        owed = owed.filter(owner_id=uuid.UUID(asked.person))
    context = {
        "nav": "quality",
        "summary": _summary(asked),
        "periods": [
            {"label": f"{each} days", "url": f"{url}?{asked.query(days=each)}", "current": each == asked.days}
            for each in DAYS
        ],
        "days": asked.days,
        "channels": [("", "All channels"), *asked.channels.items()],
        "channel": asked.channel,
        "people": [("", "Everybody"), *asked.people.items()],
        "person": asked.person,
        "tiles": _tiles(found),
        "first": charts.lines([(day, each.median, each.p90) for day, each in found.days if each.firsts]),
        "owed": [
            (each, each.get_owed_display(), *due_words(_standing(each), clock))
            for each in owed.select_related("owner")[:DUE]
        ],
        "backlog": found.total.backlog,
        "later": found.total.backlog.count - found.total.backlog.late - found.total.backlog.today,
        "heat": charts.heat([(asked.name(key), hours) for key, hours in _busiest(found)]),
        "ages": charts.columns(found.ages, AGES, "Open conversations by age"),
        "tables": {
            name: {"title": TITLES[name], "head": head, "rows": rows, "csv": _csv_url(asked, name)}
            for name, (head, rows) in _tables(asked, words=minutes).items()
        },
    }
    return render(request, "drafts/reports.html", context)


@require_safe
@signed_in
@require(Verb.READ)
def export(request: HttpRequest, table: str) -> HttpResponse:
    """One table of the page as CSV, with lengths of time in whole minutes."""
    if table not in TITLES:
        raise Http404
    head, rows = _tables(_asked(request), words=whole)[table]
    record_export(request, what=f"the report “{TITLES[table]}”", rows=len(rows))
    response = HttpResponse(spreadsheet.file([head, *rows]), content_type=CONTENT_TYPES["csv"])
    response["Content-Disposition"] = f'attachment; filename="report-{table}.csv"'
    return response


def _csv_url(asked: Asked, table: str) -> str:
    return f"{reverse('drafts:export-report', args=[table])}?{asked.query()}"


#: Name in an address -> title.
TITLES = {
    "days": "First response by day",
    "hours": "Messages by hour and channel",
    "ages": "Open by age",
    "channels": "By channel",
    "people": "By person",
}
_OF_A_LINE = (
    "Replies", "First response, median", "First response, p90", "In time", "Were due", "Closed", "Resolution, median",
    "Resolution, p90", "Reopened", "Open now", "Late",
)  # fmt: skip
Rows = list[list[Any]]


def _tables(asked: Asked, *, words: Callable[[float | None], Any]) -> dict[str, tuple[list[str], Rows]]:
    """Everything that the page draws, as tables: heads and rows. `words` writes a length of time."""
    found = asked.found

    def line(each: Line) -> list[Any]:
        replies, closings = each.replies, each.closings
        return [
            replies.count, words(replies.median), words(replies.p90), replies.kept, replies.due, closings.count,
            words(closings.median), words(closings.p90), closings.reopened, each.backlog.count, each.backlog.late,
        ]  # fmt: skip

    shown = [each for each in found.people if each.key in asked.people or each.key in _UNNAMED]
    return {
        "days": (
            ["Day", "First replies", "Median", "p90"],
            [[day.isoformat(), each.firsts, words(each.median), words(each.p90)] for day, each in found.days],
        ),
        "hours": (
            ["Channel", *map(str, range(24)), "All"],
            [[asked.name(key), *hours, sum(hours)] for key, hours in _busiest(found)],
        ),
        "ages": (["Age", "Open now"], [list(pair) for pair in zip(AGES, found.ages, strict=True)]),
        "channels": (
            ["Channel", "Messages", *_OF_A_LINE],
            [[asked.name(each.key), each.messages, *line(each)] for each in found.channels],
        ),
        "people": (
            ["Person", "Written", *_OF_A_LINE],
            [[asked.name(each.key), each.replies.written, *line(each)] for each in shown],
        ),
    }


def _busiest(found: Reports) -> list[tuple[str, tuple[int, ...]]]:
    return sorted(found.hours.items(), key=lambda pair: (-sum(pair[1]), pair[0]))


def _standing(conversation: Conversation) -> dict[str, Any]:
    """What `state_of` asks about one of the owed list, in which no draft waits."""
    names = ("status", "owed", "owed_note", "snoozed_until", "due_at", "outcome")
    return {"has_draft": False, **{name: getattr(conversation, name) for name in names}}


def _summary(asked: Asked) -> str:
    found, zone = asked.found, asked.account.hours.zone
    first, last = found.since.astimezone(zone), (found.until - timedelta(seconds=1)).astimezone(zone)
    span = f"{first.day} {MONTHS[first.month - 1]} to {last.day} {MONTHS[last.month - 1]}"
    counts = f"{plural(found.total.messages, 'message')} in, {found.total.closings.count:,} closed"
    week = ", ".join(filter(None, map(str.strip, asked.account.options.business_hours.splitlines())))
    off = [day for day in asked.account.hours.holidays if first.date() <= day <= last.date()]
    without = f", {plural(len(off), 'holiday')} left out" if off else ""
    return f"{span}, {counts}. {f'Business hours: {week}{without}.' if week else 'Always open.'}"


def minutes(value: float | None) -> str:
    """A length of business hours: 31 min, 5 h 12. Hours go on, because a day of business hours is no day."""
    if value is None:
        return NOTHING
    rounded = round(value)
    return f"{rounded} min" if rounded < 60 else f"{rounded // 60:,} h {rounded % 60:02}"


def whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _tiles(found: Reports) -> list[dict[str, Any]]:
    (replies, closings, backlog), old = (found.total.replies, found.total.closings, found.total.backlog), found.before
    first = _length("First response, median", replies.firsts, replies, of_old=old.replies.firsts, old=old.replies)
    kept, were_kept = (replies.kept, replies.due), (old.replies.kept, old.replies.due)
    back, were_back = (closings.reopened, closings.count), (old.closings.reopened, old.closings.count)
    return [
        {**first, "line": charts.spark(each.median for _, each in found.days)},
        _length("Resolution, median", closings.resolved, closings, of_old=old.closings.resolved, old=old.closings),
        {
            "label": "Open now",
            "value": f"{backlog.count:,}",
            "hint": f"{backlog.drafts:,} with a draft, {backlog.late:,} late",
        },
        _share("Answered in time", kept, were_kept, f"{replies.kept:,} of {replies.due:,}", more="good"),
        _share("Reopened", back, were_back, f"of {closings.count:,} closed", more="bad"),
    ]


def _length(label: str, of: int, now: Replies | Closings, *, of_old: int, old: Replies | Closings) -> dict[str, Any]:
    """A median of `of` lengths, against that of `of_old` before."""
    if of < KNOWN_FROM or now.median is None:
        return _not_enough(label, of)
    change = now.median - old.median if of_old >= KNOWN_FROM and old.median is not None else None
    return {
        "label": label,
        "value": minutes(now.median),
        "change": f"{'−' if change < 0 else '+'}{minutes(abs(change))}" if change is not None else "",
        "way": _way(change, more="bad"),
        "hint": f"p90 {minutes(now.p90)}",
    }


def _share(label: str, now: tuple[int, int], old: tuple[int, int], hint: str, *, more: str) -> dict[str, Any]:
    """A part of a whole, against that of before."""
    (part, of), (old_part, of_old) = now, old
    if of < KNOWN_FROM:
        return _not_enough(label, of)
    change = 100 * (part / of - old_part / of_old) if of_old >= KNOWN_FROM else None
    return {
        "label": label,
        "value": percent(part, of, fine=True),
        "change": f"{change:+.1f} pts".replace("-", "−") if change is not None else "",
        "way": _way(change, more=more),
        "hint": hint,
    }


def _not_enough(label: str, of: int) -> dict[str, Any]:
    return {"label": label, "value": NOTHING, "hint": f"Not enough yet: {of} of {KNOWN_FROM}."}


def _way(change: float | None, *, more: str) -> str:
    if not change:
        return "eq"
    return "up" if (change > 0) == (more == "good") else "dn"
