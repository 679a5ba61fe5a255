"""The life of a JobRun: asked for, run with progress and heartbeat, finished, failed, cancelled, run again.

Every move is one guarded UPDATE. `started_at` fences: a worker that was given up and wakes up again carries an older
one, and its next step stops it. Two ways to run: a command that works at once says `start_job` ... `finish_job`;
everything that a page or the clock asks for is `queue_job`, and a worker calls `run_job`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, transaction
from django.db.models import F, QuerySet
from pydantic import ValidationError as SchemaError

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid, Refusal
from conversations.jobs import wake
from conversations.metadata import Shape, explain
from conversations.models import Notification, ServiceToken, User
from conversations.people.roles import Verb, check
from conversations.tenancy import tenant_context
from ingestion.models import JobRun

logger = logging.getLogger(__name__)

Status = JobRun.Status
AnyShape = TypeVar("AnyShape", bound=Shape)
Actor = User | ServiceToken | audit.Actor
RUN_TASK = "ingestion.run_job"
QUEUE = "knowledge"
SILENCE = timedelta(minutes=2)
"""A running job without a heartbeat for this long lost its worker."""
CRAWLS = 2  # at a time; they may take hours
ATTEMPTS = 3  # how often a job is run before a lost worker fails it
_LIVE = [Status.QUEUED, Status.RUNNING]


class Stopped(Exception):
    """The job is not this worker's any more: cancelled, or given to another. Its row is left as it is."""


class Released(Exception):
    """The worker is asked to stop: the job goes back to the queue and goes on later."""


class Work:
    """A running job in its worker's hands."""

    def __init__(self, job: JobRun, *, should_stop: Callable[[], bool]) -> None:
        self.account_id: uuid.UUID = job.account_id
        self.job_id: uuid.UUID = job.pk
        self.started_at = job.started_at
        self.params: dict[str, Any] = job.params
        self.resume: dict[str, Any] = job.resume
        self.started_by: str = job.started_by_name
        self._should_stop = should_stop

    def step(self, *, done: int | None = None, total: int | None = None, resume: dict[str, Any] | None = None) -> None:
        """Heartbeat and progress; `resume` is where another worker would go on (under 64 kB of JSON).

        Raises Stopped when somebody cancelled the job, Released when this worker is to stop: let both through.
        """
        facts: dict[str, Any] = {"heartbeat_at": database_time.now()}
        facts |= {name: value for name, value in (("done", done), ("total", total)) if value is not None}
        if resume is not None:
            facts["resume"] = self.resume = resume
        with tenant_context(self.account_id, durable=True):
            is_mine = self.mine().update(**facts)
            if not is_mine:  # cancelled under our hands: what was done meanwhile is still worth knowing to a retry
                JobRun.objects.filter(pk=self.job_id, status=Status.CANCELLED, started_at=self.started_at).update(
                    **facts
                )
        if not is_mine:
            raise Stopped
        if self._should_stop():
            raise Released

    def mine(self) -> QuerySet[JobRun]:
        return JobRun.objects.filter(pk=self.job_id, status=Status.RUNNING, started_at=self.started_at)


@dataclass(frozen=True, slots=True)
class JobKind:
    """How jobs of one type are done.

    `prepare` makes what was asked for the stored params: it raises Invalid (422) or the DoesNotExist of what the params
    name (404), inside the tenant. `run` does the work outside of any transaction and returns the metrics; it calls
    `work.step` often (every few seconds) and may be called again with what the last step left in `work.resume`.
    """

    run: Callable[[Work], dict[str, Any]]
    prepare: Callable[[dict[str, Any]], dict[str, Any]]
    unit: str


_kinds: dict[str, JobKind] = {}


def add_runner(type: JobRun.Type, kind: JobKind) -> None:
    """How jobs of this type are done; said once, in `apps.py` of whoever brings them."""
    _kinds[type] = kind


def runner(type: str) -> JobKind | None:
    """How jobs of this type are done; None for those that only a command does (retention)."""
    return _kinds.get(type)


def queue_job(*, account_id: uuid.UUID, type: JobRun.Type | str, params: dict[str, Any], actor: Actor) -> JobRun:
    """Ask a worker for a job. The caller is in the tenant.

    Raises PermissionDenied (403), Invalid (422: unknown type or params), ObjectDoesNotExist (404: what the params name),
    Conflict (409: the same is queued or running).
    """
    with transaction.atomic():
        _permit(actor, Verb.RUN_JOBS, account_id)
        kind = _kind(type)
        params = kind.prepare(params)
        with connection.cursor() as cursor:  # two presses at once: the second one sees the first one's row
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", [f"{account_id}:{type}"])
        _refuse_a_second(account_id, type, params)
        job = JobRun.objects.create(
            account_id=account_id,
            type=type,
            params=params,
            unit=kind.unit,
            started_by_name=audit.actor_of(actor).name[:120],
        )
        audit.record(audit.Kind.JOB_ASKED, actor=actor, about=job, data={"type": job.type})
        _wake(job)
    return job


def cancel_job(*, job_id: uuid.UUID, actor: Actor) -> JobRun:
    """Stop a queued or running job; what it did so far stays, and `retry_job` goes on from there.

    Raises JobRun.DoesNotExist (404), PermissionDenied (403), Conflict (409: it ended already).
    """
    with transaction.atomic():
        job = JobRun.objects.get(pk=job_id)
        _permit(actor, Verb.RUN_JOBS, job.account_id)
        moved = JobRun.objects.filter(pk=job_id, status__in=_LIVE).update(
            status=Status.CANCELLED, finished_at=database_time.now()
        )
        if not moved:
            job.refresh_from_db()
            raise Conflict(f"This job is {job.get_status_display().lower()} already. Nothing was changed.")
        audit.record(audit.Kind.JOB_FINISHED, actor=actor, about=job, data={"type": job.type, "status": "cancelled"})
        job.refresh_from_db()
    return job


def retry_job(*, job_id: uuid.UUID, actor: Actor) -> JobRun:
    """Run a failed or cancelled job again, from where it stopped.

    Raises JobRun.DoesNotExist (404), PermissionDenied (403), Invalid (422: a command's job), Conflict (409).
    """
    with transaction.atomic():
        job = JobRun.objects.get(pk=job_id)
        _permit(actor, Verb.RETRY_JOBS, job.account_id)
        _kind(job.type)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", [f"{job.account_id}:{job.type}"])
        _refuse_a_second(job.account_id, job.type, job.params, but=job.pk)
        moved = JobRun.objects.filter(pk=job_id, status__in=[Status.FAILED, Status.CANCELLED]).update(
            status=Status.QUEUED, error="", finished_at=None, attempts=0
        )
        job.refresh_from_db()
        if not moved:
            raise Conflict(
                f"This job is {job.get_status_display().lower()}; only a failed or cancelled one is run again. "
                "Nothing was changed."
            )
        audit.record(audit.Kind.JOB_RETRIED, actor=actor, about=job, data={"type": job.type})
        _wake(job)
    return job


def run_job(*, account_id: uuid.UUID, job_id: uuid.UUID, should_stop: Callable[[], bool] = lambda: False) -> str:
    """Do a queued job here and now, outside of any transaction; returns what became of it, in a word.

    Never raises for what goes wrong in the work: the job is failed with the reason and people are told.
    """
    with tenant_context(account_id, durable=True):
        job = _claim(job_id)
    if job is None:
        return "not queued"
    kind = runner(job.type)
    work = Work(job, should_stop=should_stop)
    try:
        if kind is None:
            raise Invalid("This installation does not know how to run jobs of this type.")
        metrics = kind.run(work)
    except Stopped:
        return "stopped"
    except Released:
        with tenant_context(account_id, durable=True):
            _requeue(work.mine(), attempts=max(0, job.attempts - 1))  # a restart is nobody's failure
        return "put back"
    except Exception as error:
        known = isinstance(error, Refusal)
        if isinstance(error, ObjectDoesNotExist):
            known, error = True, Invalid("What this job works on is not there any more.")
        if not known:
            logger.exception("account %s: job %s failed", account_id, job_id)
        with tenant_context(account_id, durable=True):
            if work.mine().select_for_update(of=("self",)).exists():
                fail_job(job, error=str(error) if known else f"{error.__class__.__name__}: {error}")
        return "failed"
    with tenant_context(account_id, durable=True):
        if not work.mine().select_for_update(of=("self",)).exists():
            return "stopped"
        finish_job(job, metrics=metrics)
    return "succeeded"


def sweep(*, account_id: uuid.UUID) -> int:
    """Jobs whose worker is gone go back to the queue, or fail after the last attempt; queued ones nobody was woken for
    are woken. Returns how many running ones were found."""
    now = database_time.now()
    with tenant_context(account_id):
        lost = list(stalled(now - SILENCE))
        for job in lost:
            mine = JobRun.objects.select_for_update(of=("self",)).filter(
                pk=job.pk, status=Status.RUNNING, heartbeat_at=job.heartbeat_at
            )
            if not mine.exists():
                continue  # its worker came back meanwhile
            if runner(job.type) is None or job.attempts >= ATTEMPTS:
                times = "once" if job.attempts < 2 else f"{job.attempts} times"
                fail_job(job, error=f"Its worker stopped {times} without finishing it. What it did so far was kept.")
            else:
                _requeue(JobRun.objects.filter(pk=job.pk), attempts=job.attempts)
        for job in JobRun.objects.filter(status=Status.QUEUED, created_at__lt=now - SILENCE):
            _wake(job)
    return len(lost)


def start_job(*, account_id: uuid.UUID, type: JobRun.Type, total: int | None = None, unit: str = "") -> JobRun:
    """A running job. The caller is in the tenant and commits before it works, so that people see it run."""
    now = database_time.now()
    return JobRun.objects.create(
        account_id=account_id,
        type=type,
        status=Status.RUNNING,
        started_at=now,
        heartbeat_at=now,
        total=total,
        unit=unit,
    )


def progress(job: JobRun, *, done: int) -> bool:
    """Say how far it is; False if somebody cancelled it meanwhile, and the work should stop."""
    now = database_time.now()
    return bool(JobRun.objects.filter(pk=job.pk, status=Status.RUNNING).update(done=done, heartbeat_at=now))


def finish_job(job: JobRun, *, metrics: dict[str, Any] | None = None) -> JobRun:
    return _end(job, Status.SUCCEEDED, metrics=metrics or {})


def fail_job(job: JobRun, *, error: str) -> JobRun:
    is_news = JobRun.objects.filter(pk=job.pk, status=Status.RUNNING).exists()
    ended = _end(job, Status.FAILED, error=error[:4000])
    if not is_news:  # cancelled meanwhile: that is what it stays
        return ended
    Notification.objects.create(
        account_id=job.account_id,
        type=Notification.Type.JOB_FAILED,
        payload={"job": str(job.pk), "type": job.type, "error": error[:300]},
    )
    return ended


def stalled(before: Any) -> Any:
    """Running jobs without a heartbeat since `before`: their worker is gone."""
    return JobRun.objects.filter(status=Status.RUNNING, heartbeat_at__lt=before).order_by(F("heartbeat_at").asc())


def checked(shape: type[AnyShape], params: dict[str, Any]) -> AnyShape:
    """The params in their shape. Raises Invalid."""
    try:
        return shape.model_validate(params)
    except SchemaError as error:
        wrong = "; ".join(explain(each) for each in error.errors()[:5])
        raise Invalid(f"This job cannot be asked for like that ({wrong}). Nothing was started.") from error


def _permit(actor: Actor, verb: Verb, account_id: uuid.UUID) -> None:
    """People are asked for; the clock and services of ours act for the account."""
    if isinstance(actor, User):
        check(actor, verb, account_id=account_id)


def _kind(type: str) -> JobKind:
    kind = runner(type)
    if kind is None:
        raise Invalid("Jobs of this type are run by a command, not from here. Nothing was changed.")
    return kind


def _refuse_a_second(account_id: uuid.UUID, type: str, params: dict[str, Any], *, but: uuid.UUID | None = None) -> None:
    same = JobRun.objects.filter(account_id=account_id, type=type, params=params, status__in=_LIVE)
    if (same.exclude(pk=but) if but else same).exists():
        raise Conflict("This job is queued or running already. Watch it on this page; nothing was started.")


def _claim(job_id: uuid.UUID) -> JobRun | None:
    """The job, running and ours; None if it is not waiting (any more)."""
    now = database_time.now()
    moved = JobRun.objects.filter(pk=job_id, status=Status.QUEUED).update(
        status=Status.RUNNING, started_at=now, heartbeat_at=now, attempts=F("attempts") + 1
    )
    return JobRun.objects.get(pk=job_id) if moved else None


def _requeue(rows: QuerySet[JobRun], *, attempts: int) -> None:
    job = rows.first()
    if job and rows.filter(status=Status.RUNNING).update(status=Status.QUEUED, attempts=attempts):
        _wake(job)


def _wake(job: JobRun) -> None:
    # Drafting shares the workers: two crawls at a time in the whole installation, and one other job for each account.
    lane = f"crawl:{job.account_id.int % CRAWLS}" if job.type == JobRun.Type.CRAWL else f"jobs:{job.account_id}"
    wake(RUN_TASK, queue=QUEUE, once=f"job:{job.pk}", lock=lane, account_id=job.account_id, job_id=job.pk)


def _end(job: JobRun, status: JobRun.Status, **facts: Any) -> JobRun:
    now = database_time.now()
    moved = JobRun.objects.filter(pk=job.pk, status=Status.RUNNING).update(
        status=status, finished_at=now, heartbeat_at=now, **facts
    )
    job.refresh_from_db()
    if moved:
        audit.record(
            audit.Kind.JOB_FINISHED, actor=audit.SYSTEM, about=job, data={"type": job.type, "status": str(status)}
        )
    return job
