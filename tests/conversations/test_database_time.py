"""The database's clock decides: with a machine ten minutes ahead or an hour behind nothing ends early and nothing late."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from conversations import audit
from conversations.database import database_time
from conversations.errors import Locked
from conversations.messages import outbox
from conversations.models import Conversation, Delivery, ServiceToken
from conversations.models.base import new_id
from conversations.people import tokens
from conversations.tenancy import tenant_context
from drafts.desk import editing, handover
from drafts.models import Hold
from ingestion import jobs
from ingestion.models import JobRun
from tests import factories
from tests.asserts import counted
from tests.conftest import World

SKEWS = [timedelta(minutes=10), -timedelta(hours=1)]
Skew = Callable[[timedelta], None]


@pytest.fixture
def skew(monkeypatch: pytest.MonkeyPatch) -> Skew:
    """From now on this process's own clock is wrong by so much. Real processes: `make faults`, F10."""
    right = timezone.now

    def go(by: timedelta) -> None:
        monkeypatch.setattr(timezone, "now", lambda: right() + by)

    return go


@pytest.mark.parametrize("by", SKEWS)
def test_a_conversation_is_not_taken_from_who_works_on_it(world: World, skew: Skew, by: timedelta) -> None:
    draft = factories.draft(factories.message(world.mail))
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=draft.pk, actor=world.ada)
        skew(by)
        with pytest.raises(Locked):
            editing.claim(draft_id=draft.pk, actor=world.cy)
        assert handover.ask(draft_id=draft.pk, actor=world.cy).user_id == world.ada.pk
        assert Hold.objects.get().lease_until < timezone.now() - by + timedelta(minutes=3)


@pytest.mark.parametrize("by", SKEWS)
def test_a_reply_waits_its_whole_undo_window(world: World, skew: Skew, by: timedelta) -> None:
    draft = factories.draft(factories.message(world.mail))
    skew(by)
    delivery = factories.approved(draft, world.ada)
    left = delivery.hold_until - datetime.now(UTC)
    assert timedelta(0) < left < timedelta(minutes=1)
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk) == "held"


@pytest.mark.parametrize("by", SKEWS)
def test_a_delivery_is_not_taken_from_a_worker_that_sends_it(world: World, skew: Skew, by: timedelta) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with tenant_context(world.acme.pk):
        now = datetime.now(UTC)
        Delivery.objects.update(status="queued", next_attempt_at=now - timedelta(seconds=1))
        assert outbox._claim(delivery.pk) is not None
    skew(by)
    assert outbox.sweep(account_id=world.acme.pk) == {"recovered": 0, "uncertain": 0, "failed": 0, "woken": 0}
    with tenant_context(world.acme.pk):
        Delivery.objects.update(lease_until=now - timedelta(seconds=1))
    assert outbox.sweep(account_id=world.acme.pk)["recovered"] == 1


@pytest.mark.parametrize("by", SKEWS)
def test_a_job_is_not_taken_for_dead(world: World, skew: Skew, by: timedelta) -> None:
    with tenant_context(world.acme.pk):
        jobs.start_job(account_id=world.acme.pk, type=JobRun.Type.EVAL)
    skew(by)
    assert jobs.sweep(account_id=world.acme.pk) == 0


@pytest.mark.parametrize("by", SKEWS)
def test_a_token_and_a_session_end_when_they_should(world: World, signed_in: Any, skew: Skew, by: timedelta) -> None:
    with tenant_context(world.acme.pk):
        _, plain = tokens.issue(account=world.acme, name="S", scopes=["conversations:read"], actor=audit.SYSTEM)
        ServiceToken.objects.update(expires_at=datetime.now(UTC) + timedelta(minutes=5))
        browser = signed_in(world.ada)
        Session.objects.update(expire_date=datetime.now(UTC) + timedelta(minutes=5))
        skew(by)
        assert tokens.read(f"Bearer {plain}") is not None
        assert browser.get("/queue/").status_code == 200
        ServiceToken.objects.update(expires_at=datetime.now(UTC) - timedelta(minutes=5))
        Session.objects.update(expire_date=datetime.now(UTC) - timedelta(minutes=5))
        assert tokens.read(f"Bearer {plain}") is None
        assert browser.get("/queue/").status_code == 302


@pytest.mark.parametrize("by", SKEWS)
def test_rows_are_in_the_order_in_which_they_came(world: World, skew: Skew, by: timedelta) -> None:
    before = new_id()
    message = factories.message(world.mail)
    skew(by)
    later = factories.message(world.mail, "Later")
    assert [str(before), str(message.pk), str(later.pk)] == sorted([str(before), str(message.pk), str(later.pk)])
    assert abs(later.received_at - datetime.now(UTC)) < timedelta(seconds=30)
    assert message.received_at < later.received_at
    with tenant_context(world.acme.pk):
        assert Conversation.objects.get(pk=later.conversation_id).last_message_at == later.received_at


def test_ids_are_uuid7_of_the_databases_time_and_strictly_rise() -> None:
    found: list[list[uuid.UUID]] = [[] for _ in range(8)]

    def make(own: list[uuid.UUID]) -> None:
        own += [new_id() for _ in range(2_000)]

    threads = [threading.Thread(target=make, args=(own,)) for own in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == sorted(own) for own in found)
    every = [one for own in found for one in own]
    assert len(set(every)) == len(every)
    assert {(one.version, one.variant) for one in every} == {(7, uuid.RFC_4122)}
    told = datetime.fromtimestamp((every[-1].int >> 80) / 1000, UTC)
    assert abs(told - datetime.now(UTC)) < timedelta(seconds=5)


def test_it_is_learned_with_the_tenant_and_costs_no_statement(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_time, "_known", None)
    with counted() as queries, tenant_context(world.acme.pk):
        first = database_time.now()
        assert database_time.now() > first
    assert len([one for one in queries if "clock_timestamp" in one["sql"]]) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        assert abs(cursor.fetchone()[0] - database_time.now()) < timedelta(milliseconds=50)


def test_it_is_asked_where_nobody_did_for_ten_minutes(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_time, "_known", None)
    with counted() as queries:
        database_time.now()
        database_time.now()
        assert len(queries) == 1
        old = database_time._known
        assert old is not None
        monkeypatch.setattr(database_time, "_known", old._replace(timer=old.timer - 601 * 10**9))
        database_time.now()
        assert len(queries) == 2


def test_an_answer_that_took_long_says_too_little_about_the_time() -> None:
    known = database_time._Known(datetime(2026, 1, 1, tzinfo=UTC), database_time.timer())
    database_time._known, kept = known, database_time._known
    try:
        database_time.learn(datetime(2030, 1, 1, tzinfo=UTC), asked=database_time.timer() - 10**9)
        assert database_time._known is known
        database_time.learn(datetime(2030, 1, 1, tzinfo=UTC), asked=database_time.timer())
        assert database_time.now().year == 2030
    finally:
        database_time._known = kept


def test_ids_rise_though_the_time_stands_still_or_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime.now(UTC) + timedelta(seconds=1)
    monkeypatch.setattr(database_time, "now", lambda: later)
    found = [new_id() for _ in range(3)]
    monkeypatch.setattr(database_time, "now", lambda: later - timedelta(hours=1))
    found += [new_id() for _ in range(3)]
    assert found == sorted(set(found))
