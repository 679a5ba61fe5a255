"""A job that the database broke off is done again; whatever else ended it is its task's own business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job

from conversations.tenancy import tenant_context
from conversations.workers import LONGEST_SECONDS, MOST_TRIES, Outlasting
from drafts.flow import drafting
from drafts.models import Draft
from drafts.writing.port import DrafterUnavailable
from tests import factories
from tests.conftest import World


def job(attempts: int = 0, **arguments: Any) -> Job:
    return Job(id=1, queue="q", lock=None, queueing_lock=None, task_name="t", task_kwargs=arguments, attempts=attempts)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (3, 8), (50, LONGEST_SECONDS)])
def test_an_outage_is_waited_for_longer_each_time(attempts: int, seconds: int) -> None:
    decision = Outlasting(None).get_retry_decision(exception=OperationalError("gone"), job=job(attempts))
    assert decision is not None and decision.retry_at is not None
    late = (decision.retry_at - decision.retry_at.now(decision.retry_at.tzinfo)).total_seconds()
    assert seconds - 1 <= late <= seconds + 1


def test_what_the_clock_asked_for_and_what_was_tried_long_is_let_go() -> None:
    for one in (job(timestamp=1), job(MOST_TRIES)):
        assert Outlasting(None).get_retry_decision(exception=OperationalError("gone"), job=one) is None


def test_whatever_else_ends_a_job_is_decided_by_its_task() -> None:
    own = RetryStrategy(max_attempts=2, retry_exceptions={DrafterUnavailable})
    assert (
        Outlasting(own).get_retry_decision(exception=DrafterUnavailable("busy", retryable=True), job=job()) is not None
    )
    assert Outlasting(own).get_retry_decision(exception=DrafterUnavailable("busy", retryable=True), job=job(2)) is None
    assert Outlasting(own).get_retry_decision(exception=ValueError("wrong"), job=job()) is None
    assert Outlasting(None).get_retry_decision(exception=ValueError("wrong"), job=job()) is None


def test_every_task_outlasts() -> None:
    assert {"drafts.write", "conversations.deliver", "ingestion.read_event"} <= set(app.tasks)
    assert all(isinstance(task.retry_strategy, Outlasting) for task in app.tasks.values())


def test_a_draft_is_written_after_the_database_was_away(
    committed_world: World, worker_turn: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was lost: the job ended as failed, and nothing asked for the draft again."""
    factories.message(committed_world.mail)
    real, tries = drafting.write_draft, []

    def broken_off(**given: Any) -> Draft | None:
        tries.append(given)
        if len(tries) == 1:
            raise OperationalError("the connection is closed")
        return real(**given)

    monkeypatch.setattr(drafting, "write_draft", broken_off)
    worker_turn()
    asked = ProcrastinateJob.objects.filter(task_name="drafts.write")
    assert asked.get().attempts in {1, 2}  # its second is over, or this machine is slow and it is done
    asked.filter(status="todo").update(scheduled_at=None)
    worker_turn()
    assert (asked.get().status, asked.get().attempts) == ("succeeded", 2)
    with tenant_context(committed_world.acme.pk):
        assert Draft.objects.filter(status="pending").count() == 1
    assert len(tries) == 2
