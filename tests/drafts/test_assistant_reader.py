"""What people mean is read from what they say: nine of ten right, and never a change that nobody ordered."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from drafts.assistant.reader import read
from tests.drafts.assistant_phrases import KNOWN, UNSEEN, phrases

SETTINGS = ("hold approved replies", "time zone", "hold time", "check drafts", "lanes")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 28, 15, 0, tzinfo=BERLIN)  # a Saturday


def understood(context: str, phrase: str) -> tuple[list[str], bool]:
    readings = read(phrase, context, settings=SETTINGS)
    names = [one.rivals[0].name for one in readings]
    return (names or ["answer"]), any(one.is_order for one in readings)


def report(part: dict[str, str]) -> tuple[float, list[str], list[str]]:
    """(the share that was understood, what was not, what was taken for an order and is none or another one)."""
    wrong, dangerous, count = [], [], Counter[bool]()
    for context, phrase, meant, is_order in phrases(part):
        names, orders = understood(context, phrase)
        count[names == meant] += 1
        if names != meant:
            wrong.append(f"{phrase!r}: {names}, not {meant}")
        if orders and (not is_order or not set(names) <= set(meant)):
            dangerous.append(f"{phrase!r}: {names}")
    return count[True] / count.total(), wrong, dangerous


def test_there_are_three_hundred_phrases_and_half_of_them_unseen() -> None:
    known, unseen = (list(phrases(part)) for part in (KNOWN, UNSEEN))
    assert len(known) + len(unseen) >= 300
    assert len(unseen) >= 145
    assert len({phrase for _, phrase, _, _ in [*known, *unseen]}) >= 300


@pytest.mark.parametrize("part", [KNOWN, UNSEEN], ids=["known", "unseen"])
def test_nine_of_ten_are_understood_and_nothing_is_proposed_that_was_not_ordered(part: dict[str, str]) -> None:
    share, wrong, dangerous = report(part)
    assert dangerous == []
    assert share >= 0.9, wrong
