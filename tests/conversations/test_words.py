"""Times, sizes and names as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from conversations.views.words import Clock, initials, plural, size, span

NOW = datetime(2026, 3, 2, 3, 30, tzinfo=UTC)
CLOCK = Clock(NOW, ZoneInfo("America/New_York"))  # there it is still the evening of 1 March


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=4), "4 min"),
        (timedelta(hours=1, minutes=4), "1 h 04"),
        (timedelta(hours=3), "3 h"),
        (timedelta(hours=11, minutes=40), "11 h"),
        (timedelta(days=2), "2 d"),
    ],
)
def test_a_length_of_time_has_its_largest_sensible_unit(delta: timedelta, words: str) -> None:
    assert span(delta) == words


@pytest.mark.parametrize(
    ("back", "words"),
    [
        (timedelta(hours=1), "Today 21:30"),
        (timedelta(hours=23), "Yesterday 23:30"),
        (timedelta(days=20), "9 Feb 22:30"),
        (timedelta(days=100), "21 Nov 2025"),
    ],
)
def test_a_moment_is_told_in_the_persons_own_day(back: timedelta, words: str) -> None:
    assert CLOCK.stamp(NOW - back) == words


def test_days_and_seconds() -> None:
    assert CLOCK.day(NOW) == "Sunday 1 March 2026"
    assert CLOCK.time(NOW, seconds=True) == "22:30:00"


def test_sizes_names_and_numbers() -> None:
    assert [size(n) for n in (12, 3400, 2_100_000)] == ["12 B", "3.4 kB", "2.1 MB"]
    assert [initials(n) for n in ("Marcus Delgado", "ada@acme.test", "李雷", "", "  ", "!?")] == [
        "MD",
        "AA",
        "李",
        "?",
        "?",
        "?",
    ]
    assert [plural(1, "draft"), plural(2, "draft"), plural(0, "person", "people")] == [
        "1 draft",
        "2 drafts",
        "0 people",
    ]
