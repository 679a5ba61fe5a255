"""Invitations to meetings (RFC 5545, RFC 5546) as a few lines of text: what, when, where, who asks."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any

from conversations.channels.email.reading.charsets import clean_text
from conversations.channels.email.reading.html_text import html_to_text
from conversations.channels.lines import one_line

TYPES = frozenset({"text/calendar", "text/x-vcalendar", "application/ics"})
# A calendar beyond these is somebody's whole diary; its file says the rest.
MAX_CHARS = 256_000
MAX_EVENTS = 5
MAX_DESCRIPTION = 20_000
# What a mail says of its zones is never asked: their rules can run on for years, second by second, and the library would keep
# one sender's zone for the mails of others. Under another name it passes over them; what the world's zones are called it knows.
# Line ends are taken together first: looking for a fold from each of many empty lines, as the library does too, takes hours.
_LINE_ENDS = re.compile(r"[\r\n]+")
_FOLDED = re.compile(r"\n[ \t]")
_ZONE = re.compile("VTIMEZONE", re.IGNORECASE)
_HTML = re.compile(r"<(?:br|p|div|html|a|b|ul)\b", re.IGNORECASE)
_KINDS = {
    "REQUEST": "Invitation",
    "CANCEL": "Cancelled",
    "COUNTER": "Another time is proposed for",
    "REPLY": "Answer to the invitation",
}
_ANSWERS = {
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "TENTATIVE": "accepted tentatively",
    "DELEGATED": "delegated",
}
_EVERY = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}


def read_invitations(text: str, *, method: str = "") -> list[str]:
    """Each event of a calendar as text. `method` is what the part's own header says. Raises ValueError for one that is broken
    or far too long; a property that is broken is left out."""
    from icalendar import Calendar

    if len(text) > MAX_CHARS:
        raise ValueError("The calendar is too long.")
    found: list[str] = []
    text = _FOLDED.sub("", _LINE_ENDS.sub("\n", clean_text(text)))
    text = _ZONE.sub("X-ZONE", text)
    for calendar in Calendar.from_ical(text, multiple=True):
        named = (_text(calendar, "METHOD") or method).upper()
        found += [_lines(event, named) for event in calendar.walk("VEVENT")[:MAX_EVENTS]]
    if not found and "BEGIN:VEVENT" in text.upper():
        raise ValueError("The calendar has no event that ends.")
    return found[:MAX_EVENTS]


def _lines(event: Any, method: str) -> str:
    kind = "Cancelled" if _text(event, "STATUS").upper() == "CANCELLED" else _KINDS.get(method, "Event")
    lines = [f"{kind}: {_text(event, 'SUMMARY') or 'without a title'}"]
    if method == "REPLY":
        lines += [_answer(attendee) for attendee in _each(event, "ATTENDEE")[:MAX_EVENTS]]
    fields = {
        "When": _when(event),
        "Repeats": _repeats(event),
        "Where": _text(event, "LOCATION"),
        "Organiser": next((_person(one) for one in _each(event, "ORGANIZER")), ""),
    }
    lines += [f"{name}: {value}" for name, value in fields.items() if value]
    said = _description(event)
    return "\n".join([*lines, *(["", said] if said else [])])


def _each(event: Any, name: str) -> list[Any]:
    values = event.get(name)
    return [] if values is None else values if isinstance(values, list) else [values]


def _text(component: Any, name: str) -> str:
    return one_line(next((str(value) for value in _each(component, name)), ""), 500)


def _description(event: Any) -> str:
    written = next(
        (str(value) for name in ("DESCRIPTION", "X-ALT-DESC") for value in _each(event, name) if str(value).strip()), ""
    )
    written = written[:MAX_DESCRIPTION]
    return (html_to_text(written) if _HTML.search(written) else clean_text(written.replace("\r", ""))).strip()


def _person(value: Any) -> str:
    name = one_line(str(getattr(value, "params", {}).get("CN", "")), 200).strip("'\" ")
    address = one_line(re.sub(r"^mailto:", "", str(value), flags=re.IGNORECASE), 320)
    return f"{name} <{address}>" if name and name != address else address


def _answer(attendee: Any) -> str:
    status = str(getattr(attendee, "params", {}).get("PARTSTAT", "")).upper()
    return f"{_person(attendee)} {_ANSWERS.get(status, 'has not decided yet')}"


def _moment(event: Any, name: str) -> Any:
    """A date, a datetime or a length; None where there is none that can be read."""
    from icalendar.error import BrokenCalendarProperty

    try:
        return next((value.dt for value in _each(event, name)), None)
    except (BrokenCalendarProperty, AttributeError):
        return None


def _when(event: Any) -> str:
    start, end, length = (_moment(event, name) for name in ("DTSTART", "DTEND", "DURATION"))
    if not isinstance(start, date):
        return ""
    try:
        if end is None and isinstance(length, timedelta):
            end = start + length
        if not isinstance(start, datetime):
            # The end of whole days is the day after (RFC 5545 section 3.6.1).
            last = end - timedelta(days=1) if isinstance(end, date) and not isinstance(end, datetime) else start
            return f"{_day(start)} to {_day(last)}" if last > start else _day(start)
        if isinstance(end, datetime):
            same = end.date() == start.date()
            until = f" to {end:%H:%M}" if same else f" to {_day(end)}, {end:%H:%M}"
        else:
            until = ""
        return f"{_day(start)}, {start:%H:%M}{until} ({_zone(event, start)})"
    except (OverflowError, ValueError):
        return ""


def _day(moment: date) -> str:
    return f"{moment:%a} {moment.day} {moment:%b %Y}"


def _zone(event: Any, start: datetime) -> str:
    written = next((str(value.params.get("TZID", "")) for value in _each(event, "DTSTART")), "")
    if start.tzinfo is None:
        return one_line(written, 80) or "no time zone given"
    offset = f"{start:%z}"
    return f"{one_line(written, 80)}, UTC{offset[:3]}:{offset[3:5]}" if written and written.upper() != "UTC" else "UTC"


def _repeats(event: Any) -> str:
    from icalendar.error import BrokenCalendarProperty

    try:
        rule: dict[str, list[Any]] = next(iter(_each(event, "RRULE")), {})
        every = _EVERY.get(str(next(iter(rule.get("FREQ", [])), "")).upper(), "")
        step = int(next(iter(rule.get("INTERVAL", [])), 1))
        count = int(next(iter(rule.get("COUNT", [])), 0))
    except (BrokenCalendarProperty, AttributeError, TypeError, ValueError):
        return ""
    if not every:
        return ""
    return f"every {step} {every}s" * (step > 1) + f"every {every}" * (step <= 1) + f", {count} times" * (count > 0)
