"""Wake-ups are part of whoever's transaction they are made in: in the web, and in a worker, whose app has another connector."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.jobs import wake
from tests.conftest import World

TASK = "conversations.deliver"


@contextlib.contextmanager
def in_a_worker() -> Iterator[None]:
    """As `manage.py procrastinate worker` sets it up around the tasks that it runs."""
    with app.replace_connector(app.connector.get_worker_connector().get_sync_connector()), app.open():  # type: ignore[attr-defined]
        yield


def seen_by_others() -> int:
    """How many jobs another connection sees."""
    found = []

    def look() -> None:
        try:
            found.append(ProcrastinateJob.objects.filter(task_name=TASK).count())
        finally:
            connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(30)
    return found[0]


@pytest.mark.parametrize("once", ["", "deliver:1"])
@pytest.mark.parametrize("place", [contextlib.nullcontext, in_a_worker])
def test_a_job_is_there_when_what_it_is_about_is_and_goes_with_it(
    committed_world: World, place: type[contextlib.nullcontext[None]], once: str
) -> None:
    with place():
        with transaction.atomic():
            wake(TASK, once=once, delivery_id=1)
            assert seen_by_others() == 0, "a worker would look at what is not there yet"
        assert seen_by_others() == 1
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            wake(TASK, once=once and "deliver:2", delivery_id=2)
            raise ZeroDivisionError
        assert seen_by_others() == 1, "what was rolled back wakes nobody"


def test_one_waiting_job_is_enough_in_a_worker_too(committed_world: World) -> None:
    with in_a_worker(), transaction.atomic():
        wake(TASK, once="deliver:1", delivery_id=1)
        wake(TASK, once="deliver:1", delivery_id=1)
    assert seen_by_others() == 1
