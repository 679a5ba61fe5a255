"""Lease, hand over, fence, recover: the rows are deliveries, the functions do not know that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from conversations.database import database_time, once
from conversations.models import Delivery
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

WORKING = "sending"


def queued(world: World) -> Delivery:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with tenant_context(world.acme.pk):
        Delivery.objects.update(status="queued", next_attempt_at=timezone.now())
        delivery.refresh_from_db()
    return delivery


@pytest.fixture
def row(world: World, acme) -> Delivery:
    return queued(world)


def rows(row: Delivery):
    return Delivery.objects.filter(pk=row.pk)


def test_a_row_is_due_from_its_time_on(row: Delivery) -> None:
    assert once.due(rows(row)) == row
    rows(row).update(next_attempt_at=database_time.now() + timedelta(seconds=1))
    assert once.due(rows(row)) is None


def test_a_row_that_somebody_has_locked_is_not_waited_for(committed_world: World, in_threads) -> None:
    world = committed_world
    delivery = queued(world)

    def take() -> Delivery | None:
        with tenant_context(world.acme.pk):
            found = once.due(rows(delivery).filter(status="queued"))
            if found is not None:
                once.lease(found, working=WORKING, seconds=60)
            return found

    found = in_threads([take] * 6)
    assert [one for one in found if one is not None] == [delivery]


def test_who_asks_while_it_is_locked_is_answered_at_once(committed_world: World, in_threads) -> None:
    delivery = queued(committed_world)

    def ask() -> Delivery | None:
        with tenant_context(committed_world.acme.pk):
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
            return once.due(rows(delivery))

    with tenant_context(committed_world.acme.pk):
        assert once.due(rows(delivery)) == delivery
        assert in_threads([ask]) == [None]


def test_a_lease_counts_the_attempt_and_forgets_the_last_hand_over(row: Delivery) -> None:
    Delivery.objects.update(handover_at=timezone.now(), attempt_count=2)
    row.refresh_from_db()
    before = row.updated_at
    assert once.lease(row, working=WORKING, seconds=60) == 3
    row.refresh_from_db()
    assert (row.status, row.attempt_count, row.handover_at) == (WORKING, 3, None)
    assert row.updated_at > before
    assert row.lease_until is not None
    assert timedelta(seconds=55) < row.lease_until - timezone.now() <= timedelta(seconds=60)


def test_the_hand_over_is_marked_while_the_lease_runs(row: Delivery) -> None:
    attempt = once.lease(row, working=WORKING, seconds=60)
    once.hand_over(rows(row), working=WORKING, attempt=attempt)
    row.refresh_from_db()
    assert row.handover_at is not None
    assert not once.may_repeat(row)


@pytest.mark.parametrize(
    "change",
    [
        {"attempt_count": 2},  # another attempt has it
        {"status": "queued"},  # the sweep gave it back
        {"lease_until": timezone.now() - timedelta(seconds=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_attempt_that_lost_the_row_hands_nothing_over(row: Delivery, change: dict[str, object]) -> None:
    attempt = once.lease(row, working=WORKING, seconds=60)
    rows(row).update(**change)
    with assert_nothing_written(), pytest.raises(once.LeaseLost):
        once.hand_over(rows(row), working=WORKING, attempt=attempt)
    row.refresh_from_db()
    assert once.may_repeat(row)


def test_only_the_attempt_that_has_the_row_records_it(row: Delivery) -> None:
    attempt = once.lease(row, working=WORKING, seconds=60)
    assert once.owns(row, working=WORKING, attempt=attempt)
    assert not once.owns(row, working=WORKING, attempt=attempt + 1)
    row.status = "uncertain"
    assert not once.owns(row, working=WORKING, attempt=attempt)


def test_a_row_is_lost_when_its_lease_has_run_out_and_not_before(row: Delivery) -> None:
    attempt = once.lease(row, working=WORKING, seconds=60)
    assert row.lease_until is not None
    for now, lost in ((row.lease_until, False), (row.lease_until + timedelta(microseconds=1), True)):
        assert once.is_lost(row, working=WORKING, attempt=attempt, now=now) is lost
        assert once.crashed(rows(row), working=WORKING, now=now) == ([(row.pk, attempt)] if lost else [])
    late = row.lease_until + timedelta(hours=1)
    assert not once.is_lost(row, working=WORKING, attempt=attempt - 1, now=late)
    rows(row).update(status="queued", lease_until=None)
    row.refresh_from_db()
    assert not once.is_lost(row, working=WORKING, attempt=attempt, now=late)
    assert once.crashed(rows(row), working=WORKING, now=late) == []


def test_a_row_that_nobody_works_on_is_not_lost_whatever_its_lease_says(row: Delivery) -> None:
    attempt = once.lease(row, working=WORKING, seconds=60)
    late = timezone.now() + timedelta(hours=1)
    rows(row).update(status="queued")
    assert once.crashed(rows(row), working=WORKING, now=late) == []
    row.lease_until = None
    assert not once.is_lost(row, working=WORKING, attempt=attempt, now=late)


@pytest.mark.parametrize(("attempt", "wait"), [(1, 5), (2, 30), (3, 120), (4, 120), (9, 120)])
def test_each_try_waits_longer_and_the_last_wait_repeats(db, attempt: int, wait: int) -> None:
    before = database_time.now()
    found = once.next_try(attempt, waits=(5, 30, 120))
    assert timedelta(seconds=wait) <= found - before < timedelta(seconds=wait + 2)
