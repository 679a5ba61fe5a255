"""The bytes of uploaded files: needed while their job can run, removed when it has ended for good."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db.models import Q

from conversations.database import database_time
from conversations.messages import files
from conversations.tenancy import tenant_context
from ingestion.models import JobRun

RETRY_WINDOW = timedelta(days=7)  # that long a failed or cancelled job can be tried again
AT_ONCE = 100
DROPPED = "uploads_removed"  # of a job's metrics
_TYPES = [JobRun.Type.INGEST_FILES, JobRun.Type.INGEST_GOLDENS]
_LIVE = [JobRun.Status.QUEUED, JobRun.Status.RUNNING]


def drop_uploads(*, account_id: uuid.UUID) -> int:
    """Remove the uploads of jobs that ended for good; what another job or a message needs stays. How many files went."""
    went = 0
    with tenant_context(account_id):
        finished = Q(status=JobRun.Status.SUCCEEDED) | Q(finished_at__lt=database_time.now() - RETRY_WINDOW)
        ended = JobRun.objects.filter(finished, type__in=_TYPES).exclude(status__in=_LIVE)
        ended = ended.exclude(metrics__has_key=DROPPED).select_for_update(skip_locked=True)
        for job in ended.order_by("created_at")[:AT_ONCE]:
            count = sum(_drop(job, digest) for digest in digests_of(job))
            job.metrics = {**job.metrics, DROPPED: count}
            job.save(update_fields=["metrics"])
            went += count
    return went


def digests_of(job: JobRun) -> list[str]:
    """The files that a job reads, by their digest."""
    params = job.params
    named = [*params.get("files", []), *([params["file"]] if params.get("file") else [])]
    return list(dict.fromkeys(str(each["sha256"]) for each in named if isinstance(each, dict) and "sha256" in each))


def are_needed(account_id: uuid.UUID, digest: str, *, but: JobRun | None = None) -> bool:
    """Whether a job that has not ended for good, other than `but`, reads the file of this digest."""
    others = JobRun.objects.filter(account_id=account_id, type__in=_TYPES).exclude(metrics__has_key=DROPPED)
    theirs = Q(params__files__contains=[{"sha256": digest}]) | Q(params__file__sha256=digest)
    others = others.exclude(pk=but.pk) if but else others
    return others.filter(theirs).exists()


def sweep(*, account_id: uuid.UUID) -> int:
    """Remove files that were kept and never named by anything, and those that could not be removed before. How many went."""
    return files.sweep(account_id=account_id, needed=lambda digest: are_needed(account_id, digest))


def _drop(job: JobRun, digest: str) -> bool:
    return files.drop(job.account_id, digest, needed=lambda: are_needed(job.account_id, digest, but=job))
