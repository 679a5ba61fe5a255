"""Wake-ups for workers, enqueued in the caller's transaction: a rollback takes them back.

The row is the truth and the job only says "look at it", so a job that runs twice or late is harmless.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

from django.db import transaction
from procrastinate import exceptions
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.manager import JobManager

from conversations import tracing

#: By Django's own connection, and so in its transaction. In a worker the app has a connector of its own, whose jobs are
#: there before what they are about is committed, and stay when that is rolled back.
_JOBS = JobManager(DjangoConnector())


def wake(
    task: str, *, at: datetime | None = None, once: str = "", queue: str = "default", lock: str = "", **ids: Any
) -> None:
    """Enqueue `task` by name; `once` keeps at most one waiting job of that key, jobs of one `lock` run one after another.

    Ids only: job tables have no tenant.
    """
    options: dict[str, Any] = {"queue": queue, "schedule_at": at}
    if once:
        options["queueing_lock"] = once
    if lock:
        options["lock"] = lock
    deferrer = app.configure_task(task, **{k: v for k, v in options.items() if v is not None})
    deferrer.job_manager = _JOBS
    arguments = {name: str(value) for name, value in ids.items()}
    if trace := tracing.header(for_account=ids.get("account_id", "")):
        arguments[tracing.ARGUMENT] = trace
    if not once:
        deferrer.defer(**arguments)
        return
    # A second waiting job is refused by a unique index: undone by a savepoint, for it would spoil the transaction.
    with contextlib.suppress(exceptions.AlreadyEnqueued), transaction.atomic():
        deferrer.defer(**arguments)
