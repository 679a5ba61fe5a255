"""What holds for every job of a worker, whatever its task: it outlasts a database that is away, and belongs to a trace."""

from __future__ import annotations

from typing import Any

from procrastinate import BaseRetryStrategy, RetryDecision, jobs

from conversations import tracing
from conversations.web.outage import is_passing

MOST_TRIES, LONGEST_SECONDS = 100, 60


class Outlasting(BaseRetryStrategy):
    """A job that the database broke off is done again once it is there: each task is harmless when it runs twice.

    For whatever else ends a job, the task's own strategy decides. What the clock asks for comes again by itself.
    """

    def __init__(self, own: BaseRetryStrategy | None) -> None:
        self.own = own

    def get_retry_decision(self, *, exception: BaseException, job: jobs.Job) -> RetryDecision | None:
        if is_passing(exception) and "timestamp" not in job.task_kwargs and job.attempts < MOST_TRIES:
            return RetryDecision(retry_in={"seconds": min(2 ** min(job.attempts, 10), LONGEST_SECONDS)})
        return self.own.get_retry_decision(exception=exception, job=job) if self.own else None


def ready(app: Any) -> None:
    """PROCRASTINATE_ON_APP_READY: all tasks are known by then."""
    app.worker_defaults["worker_middleware"] = [tracing.of_job]
    for task in app.tasks.values():
        task.retry_strategy = Outlasting(task.retry_strategy)
