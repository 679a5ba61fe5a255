"""The life of a JobRun: start, progress with heartbeat, finish, fail, cancel. Every step is one guarded UPDATE."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import F
from django.utils import timezone

from conversations import audit
from conversations.errors import Conflict
from conversations.models import Notification
from ingestion.models import JobRun

Status = JobRun.Status


def start_job(*, account_id: uuid.UUID, type: JobRun.Type, total: int | None = None, unit: str = "") -> JobRun:
    """A running job. The caller is in the tenant and commits before it works, so that people see it run."""
    now = timezone.now()
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
    now = timezone.now()
    return bool(JobRun.objects.filter(pk=job.pk, status=Status.RUNNING).update(done=done, heartbeat_at=now))


def finish_job(job: JobRun, *, metrics: dict[str, Any] | None = None) -> JobRun:
    return _end(job, Status.SUCCEEDED, metrics=metrics or {})


def fail_job(job: JobRun, *, error: str) -> JobRun:
    ended = _end(job, Status.FAILED, error=error[:4000])
    Notification.objects.create(
        account_id=job.account_id,
        type=Notification.Type.JOB_FAILED,
        payload={"job": str(job.pk), "type": job.type, "error": error[:300]},
    )
    return ended


def cancel_job(*, job_id: uuid.UUID, actor: Any) -> JobRun:
    job = JobRun.objects.get(pk=job_id)
    moved = JobRun.objects.filter(pk=job_id, status__in=[Status.QUEUED, Status.RUNNING]).update(
        status=Status.CANCELLED, finished_at=timezone.now()
    )
    if not moved:
        raise Conflict(f"This job is {job.get_status_display().lower()} already. Nothing was changed.")
    audit.record(audit.Kind.JOB_FINISHED, actor=actor, about=job, data={"type": job.type, "status": "cancelled"})
    job.refresh_from_db()
    return job


def _end(job: JobRun, status: JobRun.Status, **facts: Any) -> JobRun:
    now = timezone.now()
    moved = JobRun.objects.filter(pk=job.pk, status=Status.RUNNING).update(
        status=status, finished_at=now, heartbeat_at=now, **facts
    )
    job.refresh_from_db()
    if moved:
        audit.record(
            audit.Kind.JOB_FINISHED, actor=audit.SYSTEM, about=job, data={"type": job.type, "status": str(status)}
        )
    return job


def stalled(before: Any) -> Any:
    """Running jobs without a heartbeat since `before`: their worker is gone."""
    return JobRun.objects.filter(status=Status.RUNNING, heartbeat_at__lt=before).order_by(F("heartbeat_at").asc())
