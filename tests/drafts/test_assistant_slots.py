"""The details of an order: times in the person's zone, colleagues, numbers, tags, names, reasons."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from drafts.assistant import slots
from drafts.assistant.slots import Colleague

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 28, 15, 0, tzinfo=BERLIN)  # a Saturday
PEOPLE = [
    Colleague("1", "Mina Alvarez"),
    Colleague("2", "Joel Park"),
    Colleague("3", "Ada"),
    Colleague("4", "Rosa Berg"),
    Colleague("5", "Rosa Lind"),
]


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ("snooze until tomorrow", "2026-11-29 09:00"),
        ("until tomorrow at 14:30", "2026-11-29 14:30"),
        ("remind me on Monday", "2026-11-30 09:00"),
        ("next Monday at 10", "2026-11-30 10:00"),
        ("this afternoon at 4 pm", "2026-11-28 16:00"),
        ("in 3 hours", "2026-11-28 18:00"),
        ("for two days", "2026-11-30 15:00"),
        ("in half an hour", "2026-11-28 15:30"),
        ("at 9", "2026-11-29 09:00"),  # it is three in the afternoon
        ("until 3 March", "2027-03-03 09:00"),
        ("until March 3rd at 8 am", "2027-03-03 08:00"),
        ("bis 3.12. um 8 Uhr", "2026-12-03 08:00"),
        ("until 2026-12-24", "2026-12-24 09:00"),
        ("until next week", "2026-11-30 09:00"),
        ("tonight", "2026-11-28 19:00"),
        ("end of the week", "2026-12-04 09:00"),
        ("übermorgen", "2026-11-30 09:00"),
        ("hasta mañana", "2026-11-29 09:00"),
        ("am Freitag um 14 Uhr", "2026-12-04 14:00"),
    ],
)  # fmt: skip
def test_a_time_is_that_of_the_persons_zone(said: str, until: str) -> None:
    found = slots.moment(said, NOW, BERLIN)
    assert found is not None and f"{found.astimezone(BERLIN):%Y-%m-%d %H:%M}" == until


@pytest.mark.parametrize(
    "said", ["snooze it", "until yesterday", "until 2020-01-01", "2026-02-30", "today at 9", "soon"]
)
def test_no_time_and_a_time_that_is_over_are_none(said: str) -> None:
    assert slots.moment(said, NOW, BERLIN) is None


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("assign it to Mina", ["Mina Alvarez"]),
        ("give this to mina alvarez", ["Mina Alvarez"]),
        ("hand it to Alvares", ["Mina Alvarez"]),  # one letter off
        ("give it to Rosa", ["Rosa Berg", "Rosa Lind"]),  # two are as likely
        ("give it to Rosa Lind", ["Rosa Lind"]),
        ("assign it to Wilhelmina", []),
        ("assign it to me", ["Ada"]),
    ],
)  # fmt: skip
def test_a_colleague_is_one_several_or_nobody(said: str, names: list[str]) -> None:
    assert sorted(one.name for one in slots.people(said, PEOPLE, me="3")) == names


@pytest.mark.parametrize(
    ("said", "quoted", "add", "remove"),
    [
        ("tag it fuel and E85", (), ["fuel", "E85"], []),
        ("tag it as vip please", (), ["vip"], []),
        ("add the tag Fuel", (), ["fuel"], []),
        ("remove the tag order", (), [], ["order"]),
        ("untag fuel", (), [], ["fuel"]),
        ("take the fuel tag off", (), [], ["fuel"]),
        ("tag it ␟0", ("late parcel",), ["late parcel"], []),
        ("tag it ordr", (), ["order"], []),
        ("tag it zebra", (), ["zebra"], []),
        ("tag this so the fuel people find it", (), ["fuel"], []),
        ("tag it", (), [], []),
    ],
)  # fmt: skip
def test_tags_are_the_accounts_where_one_is_meant(said: str, quoted: tuple[str, ...], add: list[str], remove: list[str]) -> None:  # fmt: skip
    assert slots.tags(said, quoted, ["fuel", "vip", "order", "E85"]) == (add, remove)


def test_numbers_names_and_reasons() -> None:
    assert [slots.number(one) for one in ("merge with #12", "merge this into 45", "case 7", "merge it")] == [
        12,
        45,
        7,
        None,
    ]
    assert slots.name("rename the customer to Rosa Delmonte.", ()) == "Rosa Delmonte"
    assert slots.name("correct her name to ␟0", ("Rosa",)) == "Rosa"
    assert slots.name("rename the customer", ()) == ""
    assert slots.reason_given("escalate it to Dan because he threatens to sue", ()) == "he threatens to sue"
    assert slots.reason_given("raise this with Dan: angry customer", ()) == "angry customer"
    assert slots.reason_given("escalate this", ()) == ""
    reasons = ("it was answered by phone", "he no longer needs it", "it goes on in another case", "close it")
    assert [slots.closing_reason(one) for one in reasons] == ["answered_elsewhere", "not_needed", "goes_on", ""]
