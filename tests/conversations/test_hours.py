"""Business hours: what people write, working minutes from a moment on, and nights on which the clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.hours import Hours, Scale, hours_of, parse_holidays, parse_week
from conversations.messages.owing import due_from
from conversations.models import Account, Channel, Conversation
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import World

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = hours_of("Mon to Fri 8:00 to 18:00", "2026-12-25 Christmas\n2026-12-28", "Europe/Berlin")


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "week"),
    [
        ("", ()),
        ("Mon 8:00 to 12:00", (((480, 720),), (), (), (), (), (), ())),
        ("mon-tue 8:00-12:00, 13:00-24:00", (((480, 720), (780, 1440)),) * 2 + ((),) * 5),
        ("Saturday to Monday 9:00 to 10:00", (((540, 600),), (), (), (), (), ((540, 600),), ((540, 600),))),
        ("Mon 8:00 to 12:00\n\nMon 11:00 to 13:00, 13:00 to 14:00", (((480, 840),), (), (), (), (), (), ())),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, week: object) -> None:
    assert parse_week(text) == week


@pytest.mark.parametrize(
    "text", ["always", "Mon", "Mon 8 to 12", "Mon 12:00 to 8:00", "Mon 8:00 to 24:01", "Mon 8:70 to 9:00", "Mon 8:00 to 8:00"]
)  # fmt: skip
def test_what_is_no_hours_is_refused_with_the_words_that_were_written(text: str) -> None:
    with pytest.raises(ValueError, match="“"):
        parse_week(text)


def test_a_holiday_begins_with_its_date() -> None:
    assert parse_holidays("2026-12-25 Christmas\n\n 2027-01-01 ") == {date(2026, 12, 25), date(2027, 1, 1)}
    with pytest.raises(ValueError, match="“Christmas” does not begin with a date"):
        parse_holidays("Christmas")


@pytest.mark.parametrize(
    ("came", "minutes", "due"),
    [
        ("2026-11-27T10:00", 240, "2026-11-27T14:00"),  # a Friday, all in one day
        ("2026-11-27T16:00", 120, "2026-11-27T18:00"),  # closing time is still in time
        ("2026-11-27T16:00", 240, "2026-11-30T10:00"),  # over the weekend
        ("2026-11-28T12:00", 60, "2026-11-30T09:00"),  # a Saturday: counted from Monday on
        ("2026-11-27T06:00", 60, "2026-11-27T09:00"),  # before work
        ("2026-12-24T17:00", 120, "2026-12-29T09:00"),  # Christmas, the weekend, a Monday off
    ],
)
def test_minutes_are_counted_while_somebody_is_there(came: str, minutes: int, due: str) -> None:
    assert OFFICE.add(berlin(came), minutes) == berlin(due)


def test_a_night_shift_counts_the_time_that_passes_when_the_clock_changes() -> None:
    night = hours_of("Sun 0:00 to 6:00", "", "Europe/Berlin")
    spring, autumn = berlin("2026-03-29T00:00"), berlin("2026-10-25T00:00")
    assert night.add(spring, 300) == berlin("2026-03-29T06:00")  # 2:00 to 3:00 is left out
    assert night.add(autumn, 420) == berlin("2026-10-25T06:00")  # and comes twice
    gap = hours_of("Sun 2:15 to 2:45", "", "Europe/Berlin")
    assert gap.add(spring, 30) == berlin("2026-03-29T03:45")  # what does not exist that day is as late after the change


def test_an_account_that_says_nothing_is_always_open_on_holidays_too() -> None:
    always = hours_of("", "2026-12-25", "Europe/Berlin")
    assert always.add(berlin("2026-12-25T03:00"), 240) == berlin("2026-12-25T07:00")


def test_a_time_zone_that_nobody_knows_keeps_no_mail_out() -> None:
    assert hours_of("Mon 8:00 to 9:00", "", "Mars/Olympus").zone == ZoneInfo("UTC")


spans = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda span: span[0] < span[1])
days = st.lists(spans, max_size=3)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])


@st.composite
def hours(draw: st.DrawFn) -> Hours:
    week = draw(st.lists(days, min_size=7, max_size=7).filter(any))
    lines = [
        f"{name} {', '.join(f'{a // 60}:{a % 60:02} to {b // 60}:{b % 60:02}' for a, b in of_day)}"
        for name, of_day in zip(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), week, strict=True)
        if of_day
    ]
    off = draw(st.frozensets(st.dates(date(2026, 1, 1), date(2027, 12, 31)), max_size=5))
    return hours_of("\n".join(lines), "\n".join(map(str, off)), draw(zones))


@given(hours(), moments, st.integers(1, 3000))
def test_between_a_moment_and_its_due_time_lie_exactly_the_minutes(hours: Hours, at: datetime, minutes: int) -> None:
    due = hours.add(at, minutes)
    passed = sum((end - start for start, end in hours.openings(at, due)), timedelta())
    assert passed == timedelta(minutes=minutes)
    before = sum((end - start for start, end in hours.openings(at, due - timedelta(seconds=1))), timedelta())
    assert before < passed  # it is the first such moment


@given(hours(), moments, st.integers(1, 1500), st.integers(1, 1500))
def test_minutes_add_up_and_who_came_first_is_due_first(hours: Hours, at: datetime, one: int, more: int) -> None:
    assert hours.add(hours.add(at, one), more) == hours.add(at, one + more)
    assert hours.add(at, one) <= hours.add(at + timedelta(minutes=more), one)


@given(hours(), moments, st.integers(0, 20_000), st.integers(0, 20_000))
def test_on_the_scale_two_moments_are_as_far_apart_as_their_hours(
    hours: Hours, begins: datetime, one: int, more: int
) -> None:
    first, second = begins + timedelta(minutes=one), begins + timedelta(minutes=one + more)
    scale = Scale.of(hours, begins, begins + timedelta(days=60))
    passed = sum((end - start for start, end in hours.openings(first, second)), timedelta())
    assert scale.place(second) - scale.place(first) == pytest.approx(passed.total_seconds())


def test_a_message_after_hours_is_due_in_the_next_ones(world: World) -> None:
    with tenant_context(world.acme.pk):
        Account.objects.update(
            timezone="Europe/Berlin", settings={"business_hours": "Mon to Fri 8:00 to 18:00", "due_minutes": 60}
        )
        channel = Channel.objects.get(pk=world.mail.pk)
    message = factories.message(channel)
    with tenant_context(world.acme.pk):
        conversation = Conversation.objects.select_related("account", "channel").get(pk=message.conversation_id)
        assert due_from(conversation, berlin("2026-11-28T12:00")) == berlin("2026-11-30T09:00")
        assert conversation.due_at == conversation.account.hours.add(message.received_at, 60)
