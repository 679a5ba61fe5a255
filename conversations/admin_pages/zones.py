"""Time zones as a list to choose from: by part of the world, each with its distance from UTC and what time it is there."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta
from itertools import groupby

from conversations.database import database_time

Group = tuple[str, list[tuple[str, str]]]


def zone_names() -> list[str]:
    """UTC, and the zones that are named for a place; old names and bare distances are left out."""
    return sorted(
        zone
        for zone in zoneinfo.available_timezones()
        if zone == "UTC" or ("/" in zone and not zone.startswith(("Etc/", "SystemV/", "US/", "posix/", "right/")))
    )


def zone_choices(current: str = "") -> list[Group]:
    """For a select, UTC first. `current` is kept, whatever it is called."""
    now = database_time.now()
    names = [name for name in zone_names() if name != "UTC"]
    if current and current not in names and current in zoneinfo.available_timezones():
        names = sorted([*names, current])
    groups: list[Group] = [("Everywhere", [("UTC", _words("UTC", now))])]
    for region, zones in groupby((name for name in names if name != "UTC"), key=lambda name: name.partition("/")[0]):
        groups.append((region, [(zone, _words(zone, now)) for zone in zones]))
    return groups


def _words(zone: str, now: datetime) -> str:
    there = now.astimezone(zoneinfo.ZoneInfo(zone))
    minutes = int((there.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"{zone.replace('_', ' ')} (UTC{sign}{hours}{f':{rest:02}' if rest else ''}, now {there:%H:%M})"
