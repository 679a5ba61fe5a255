"""The figures of the quality page against decisions made by the product's own verbs, and who may see whose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from conversations.models import User
from conversations.tenancy import tenant_context
from drafts.desk import decisions
from drafts.desk.decisions import Attention
from drafts.evidence import quality
from drafts.evidence.quality import Quality, wilson
from drafts.models import Draft
from drafts.views.charts import bucket_names, columns, reliability, spark, stacked, step_for
from drafts.views.quality import percent, seconds
from tests import factories
from tests.asserts import counted
from tests.conftest import World
from tests.factories import seen

Browser = Callable[[User], Client]
READ = Attention(20_000, 1)


def make(world: World, outcome: str, *, by: User | None = None, attention: Attention = READ, **changes: Any) -> Draft:
    """One decided draft: "approve", "edit", "reject", "undo" (decided and taken back) or "wait"."""
    draft = factories.draft(factories.message(world.mail), **{"intent": "hose", "confidence": 0.9, **changes})
    actor = by or world.ada
    if outcome == "wait":
        return draft
    with tenant_context(world.acme.pk):
        kwargs: dict[str, Any] = {"draft_id": draft.pk, "actor": actor, "seen": seen(draft), "attention": attention}
        if outcome == "reject":
            decisions.reject(**kwargs, reasons=["tone"])
        elif outcome == "edit":
            decisions.approve(**kwargs, final_text=draft.suggested_text.replace("Best regards", "Kind regards"), reasons=["missing_detail"])  # fmt: skip
        else:
            decisions.approve(**kwargs)
        if outcome == "undo":
            from conversations.models import Delivery

            decisions.undo(delivery_id=Delivery.objects.get(draft_id=draft.pk).pk, actor=actor)
    return draft


def figures(world: World, **changes: Any) -> Quality:
    values: dict[str, Any] = {"until": timezone.now() + timedelta(hours=1), "days": 28, **changes}
    with tenant_context(world.acme.pk):
        return quality.quality_of(world.acme.pk, **values)


def test_each_decided_draft_counts_once_by_what_became_of_it(world: World) -> None:
    for outcome in ("approve", "approve", "approve", "edit", "reject", "undo", "wait"):
        make(world, outcome)
    total = figures(world).total
    assert (total.decided, total.unchanged, total.edited, total.rejected) == (5, 3, 1, 1)
    assert (total.sent, total.people, total.viewed_ms, total.opened) == (4, 1, 20_000, 4)
    assert total.words == 2  # "Best" out, "Kind" in


def test_what_was_taken_back_is_counted_as_that_alone(world: World) -> None:
    make(world, "undo")
    found = figures(world)
    assert (found.total.decided, found.undone) == (0, 1)


def test_a_check_draft_is_no_figure_but_counts_as_care(world: World) -> None:
    for outcome in ("approve", "reject"):
        make(world, outcome, is_canary=True, canary_defect=f"No source says: {factories.SENTENCE}")
    found = figures(world)
    assert found.total.decided == 0
    assert (found.checks_caught, found.checks) == (1, 2)


def test_a_check_draft_has_one_outcome_for_each_person(world: World) -> None:
    """Their first act on it: whoever asked for another draft and approved this one meanwhile has caught it once."""
    checks = {"is_canary": True, "canary_defect": f"No source says: {factories.SENTENCE}"}
    draft = make(world, "wait", **checks)
    with tenant_context(world.acme.pk):
        decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=seen(draft))
        decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=seen(draft))
        decisions.approve(draft_id=draft.pk, actor=world.dan, seen=seen(draft), attention=READ)
    other = make(world, "wait", **checks)
    with tenant_context(world.acme.pk):
        decisions.answered_elsewhere(draft_id=other.pk, actor=world.ada, seen=seen(other))
    found = figures(world)
    assert (found.checks_caught, found.checks, found.checks_elsewhere) == (1, 2, 1)
    own = figures(world, person=world.ada.pk)
    assert (own.checks_caught, own.checks, own.checks_elsewhere) == (1, 1, 1)


def test_figures_are_split_by_prompt_topic_channel_and_person(world: World) -> None:
    make(world, "approve", prompt_label="reply-v1")
    make(world, "reject", prompt_label="reply-v2", intent="returns", by=world.dan)
    found = figures(world)
    assert {(f.name, f.unchanged, f.rejected) for f in found.prompts} == {("reply-v1", 1, 0), ("reply-v2", 0, 1)}
    assert {(f.name, f.decided) for f in found.topics} == {("hose", 1), ("returns", 1)}
    assert [(f.name, f.decided) for f in found.channels] == [("email", 2)]
    assert {(f.name, f.decided) for f in found.people} == {("Ada", 1), ("Dan", 1)}


def test_one_persons_figures_are_theirs_alone(world: World) -> None:
    make(world, "approve")
    make(world, "reject", by=world.dan)
    found = figures(world, person=world.dan.pk)
    assert (found.total.decided, found.total.rejected) == (1, 1)


def test_another_channel_has_no_decisions(world: World) -> None:
    make(world, "approve")
    assert figures(world, channel="chat").total.decided == 0
    assert figures(world, channel="email").total.decided == 1


def test_the_time_before_is_kept_apart(world: World) -> None:
    make(world, "approve")
    past = figures(world, until=timezone.now() + timedelta(days=9), days=8)
    assert (past.total.decided, past.before.decided) == (0, 1)


def test_an_unsourced_statement_that_was_sent_is_counted(world: World) -> None:
    draft = factories.unsourced(factories.message(world.mail))
    with tenant_context(world.acme.pk):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen(draft), attention=Attention(pressed_twice=True))
    total = figures(world).total
    assert (total.unsourced_sent, total.cited, total.pressed_twice, total.timed) == (1, 0, 1, 0)


def test_reasons_and_words_changed_are_counted(world: World) -> None:
    for outcome in ("edit", "edit", "reject"):
        make(world, outcome)
    found = figures(world)
    assert found.reasons == (("missing_detail", 2), ("tone", 1))
    assert sum(found.words) == 2


def test_days_are_those_of_the_readers_time_zone(world: World) -> None:
    make(world, "approve")
    now = timezone.now()
    (day,) = figures(world, until=now + timedelta(hours=1)).days
    assert (day.day, day.unchanged) == (now.astimezone(UTC).date(), 1)
    (there,) = figures(world, zone="Pacific/Kiritimati").days
    assert there.day == now.astimezone(ZoneInfo("Pacific/Kiritimati")).date()


def test_days_without_a_decision_are_days_too() -> None:
    first, last = (quality.Day(date(2026, 11, day), 1, 0, 0) for day in (1, 4))
    assert [(day.day.day, day.unchanged) for day in quality._filled([first, last])] == [(1, 1), (2, 0), (3, 0), (4, 1)]


def test_cost_is_summed_where_it_is_known(world: World) -> None:
    make(world, "approve", tokens_used=900, cost_micros=1_500)
    make(world, "approve")
    total = figures(world).total
    assert (total.tokens, total.cost_micros, total.priced) == (900, 1_500, 1)


def test_calibration_is_not_known_under_thirty_decisions_and_right_above(world: World) -> None:
    for _ in range(24):
        make(world, "approve", confidence=0.9)
    assert figures(world).calibration.brier is None
    for _ in range(6):
        make(world, "reject", confidence=0.3)
    known = figures(world).calibration
    assert known.brier == pytest.approx((24 * 0.1**2 + 6 * 0.3**2) / 30)
    assert [(each.at, each.decided, each.unchanged) for each in known.bins] == [(3, 6, 0.0), (9, 24, 1.0)]


def test_it_takes_as_many_statements_for_thirty_decisions_as_for_none(world: World, signed_in: Browser) -> None:
    browser = signed_in(world.dan)
    browser.get("/quality/")  # the session learns its account
    lengths = []
    for wanted in (0, 30):
        for _ in range(wanted):
            make(world, "approve")
        with counted() as queries:
            assert browser.get("/quality/").status_code == 200
        lengths.append(len(queries))
    assert lengths[0] == lengths[1]


def test_it_counts_no_other_tenants_decisions(world: World) -> None:
    draft = factories.draft(factories.message(world.other_mail))
    factories.approved(draft, world.eve)
    assert figures(world).total.decided == 0
    with tenant_context(world.acme.pk):  # not even when asked for theirs: row-level security
        assert quality.quality_of(world.globex.pk, until=timezone.now() + timedelta(hours=1), days=7).total.decided == 0


def test_agents_see_their_own_figures_and_admins_everybodys(world: World, signed_in: Browser) -> None:
    make(world, "approve")
    make(world, "approve", by=world.dan)
    assert b"Nothing was decided" in signed_in(world.cy).get("/quality/").content
    reviewer = signed_in(world.ada).get("/quality/")
    assert b"2 decisions by 2 people" in reviewer.content
    assert b"By person" not in reviewer.content and b"Dan" not in reviewer.content
    assert b"2 decisions by 2 people" in signed_in(world.bo).get("/quality/").content
    admin = signed_in(world.dan).get("/quality/")
    assert b"By person" in admin.content and b"Ada" in admin.content


def test_the_page_says_every_figure_in_words_and_draws_without_inline_style(world: World, signed_in: Browser) -> None:
    for outcome in ("approve", "approve", "edit", "reject"):
        make(world, outcome, tokens_used=900, cost_micros=1_500)
    page = signed_in(world.dan).get("/quality/?days=7").content.decode()
    assert "0.0015" in page and "3,600" in page  # cost of a draft, tokens of all
    assert "50 %" in page and "not yet known" in page and "15 % to 85 %" in page
    assert page.count('<svg class="chart"') == 2 and "The same as a table" in page
    assert "style=" not in page.partition("<main")[2]


@pytest.mark.parametrize(
    "query", ["days=0", "days=-7", "days=1e9", "days=x", "channel=smoke", "channel=%00", "days=%F0%9F"]
)
def test_a_damaged_address_shows_the_usual_period(world: World, signed_in: Browser, query: str) -> None:
    page = signed_in(world.ada).get(f"/quality/?{query}")
    assert page.status_code == 200
    assert b'aria-current="true">28 days' in page.content


# --- arithmetic ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962), (1, 2, 0.0945, 0.9055), (0, 0, 0.0, 1.0)],
)
def test_wilson_bounds(successes: int, total: int, low: float, high: float) -> None:
    assert wilson(successes, total) == pytest.approx((low, high), abs=1e-4)


def test_shares_and_times_as_people_read_them() -> None:
    assert [percent(0, 0), percent(1, 3), percent(1, 40, fine=True), percent(0, 5, fine=True)] == ["–", "33 %", "2.5 %", "0 %"]  # fmt: skip
    assert [seconds(None), seconds(1400), seconds(24_000), seconds(300_000)] == ["–", "1.4 s", "24 s", "5 min"]


def test_bars_stand_on_one_another_inside_of_the_chart() -> None:
    day = quality.Day(date(2026, 11, 2), 60, 30, 10)
    chart = stacked([day])
    tops = [box.y for box in chart.boxes]
    assert tops == sorted(tops, reverse=True) and min(tops) >= 14
    assert sum(box.height for box in chart.boxes) == pytest.approx(194, abs=3)
    assert [line.words for line in chart.lines] == ["0", "50", "100"]
    assert stacked([]).boxes == []


def test_other_charts_are_within_their_boxes() -> None:
    assert [step_for(n) for n in (0, 3, 20, 160, 10**7)] == [1, 1, 5, 50, 10**7]
    assert columns((0, 4, 2, 0, 0, 1), bucket_names(), "Words changed").boxes[1].height == 152
    assert len(bucket_names()) == len(quality.BUCKETS) + 1
    assert spark([0.5]) == "" and spark([0.5, None, 0.5]) == "0.0,23.0 160.0,23.0"
    assert reliability([quality.Bin(9, 5, 1.0, 0.0)])[0].y == 180
