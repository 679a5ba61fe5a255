"""Times, sizes and names as people read them: formatted once here, never per row in a template."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from django.http import HttpRequest

from conversations.database import database_time

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Clock:
    """Now, and the person's time zone."""

    now: datetime
    zone: tzinfo

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def time(self, at: datetime, *, seconds: bool = False) -> str:
        return self.local(at).strftime("%H:%M:%S" if seconds else "%H:%M")

    def day(self, at: datetime) -> str:
        """Saturday 22 November 2025."""
        local = self.local(at)
        return f"{local:%A} {local.day} {local:%B} {local.year}"

    def stamp(self, at: datetime) -> str:
        """Today 10:21, Yesterday 10:21, 22 Nov 10:21, 22 Nov 2024."""
        local, today = self.local(at), self.local(self.now)
        if local.date() == today.date():
            return f"Today {local:%H:%M}"
        if local.date() == today.date() - timedelta(days=1):
            return f"Yesterday {local:%H:%M}"
        if local.year == today.year:
            return f"{local.day} {MONTHS[local.month - 1]} {local:%H:%M}"
        return f"{local.day} {MONTHS[local.month - 1]} {local.year}"


def clock_for(request: HttpRequest) -> Clock:
    """The signed-in person's time zone, else their account's, else UTC. An unknown name is UTC."""
    tenant = getattr(request, "tenant", None)
    wanted = request.user.choices.time_zone if request.user.is_authenticated else ""
    try:
        zone: tzinfo = zoneinfo.ZoneInfo(wanted or (tenant.timezone if tenant else "") or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        zone = zoneinfo.ZoneInfo("UTC")
    return Clock(database_time.now(), zone)


def span(delta: timedelta) -> str:
    """A length of time in its largest sensible unit: 40 s, 4 min, 1 h 04, 3 h, 2 d."""
    seconds = max(0, int(delta.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 10:
        return f"{hours} h {minutes % 60:02}" if minutes % 60 else f"{hours} h"
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"


def size(count: int) -> str:
    """12 B, 3.4 kB, 2.1 MB (powers of ten)."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def initials(name: str) -> str:
    """One or two letters for an avatar."""
    parts = [part for part in name.replace("@", " ").replace(".", " ").split() if part[0].isalnum()]
    if not parts:
        return "?"
    return (parts[0][0] + (parts[1][0] if len(parts) > 1 else "")).upper()


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


CLEAR = 0.15  # from here a text is called content or discontent


def mood(value: float | Decimal | None) -> str:
    """A sentiment in a word; "" where none was measured."""
    if value is None:
        return ""
    return "content" if value >= CLEAR else "discontent" if value <= -CLEAR else "even"


def mood_of(average: float | None, measured: int, written: int) -> str:
    """An average with its number, of how many messages it is, and what is not measured; "" where nobody wrote."""
    if not written:
        return ""
    if average is None:
        return f"not measured (0 of {plural(written, 'message')}; only English, German and Spanish are)"
    rest = "" if measured == written else "; only English, German and Spanish are"
    return f"{mood(average)}, {average:+.2f} ({measured} of {plural(written, 'message')} measured{rest})"
