"""Jobs and sources as people read them: words, shares and times, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.urls import reverse

from conversations.views.words import Clock, span
from ingestion.jobs import SILENCE
from ingestion.models import JobRun, SourceDocument

Type, Status = JobRun.Type, JobRun.Status
NAMES = {
    Type.CRAWL: "Site crawl",
    Type.INGEST_FILES: "File import",
    Type.INGEST_GOLDENS: "Approved answers import",
    Type.CORRECTIONS_SYNC: "Corrections sync",
    Type.MAIL_FETCH: "Mail fetch",
    Type.RETENTION: "Retention",
    Type.EVAL: "Evaluation",
    Type.EXPORT: "Export",
}
STATES = {
    Status.QUEUED: ("Queued", "q"),
    Status.RUNNING: ("Running", "run"),
    Status.SUCCEEDED: ("Done", "ok"),
    Status.FAILED: ("Failed", "bad"),
    Status.CANCELLED: ("Cancelled", "q"),
}
#: The three figures that a card shows of a job's metrics.
FIGURES = {
    Type.CRAWL: (("new", "New"), ("changed", "Changed"), ("errors", "Errors")),
    Type.INGEST_FILES: (("new", "New"), ("changed", "Changed"), ("refused", "Refused")),
    Type.INGEST_GOLDENS: (("new", "New"), ("changed", "Changed"), ("left", "Left out")),
    Type.CORRECTIONS_SYNC: (("samples", "Corrections"), ("groups", "Patterns"), ("proposed", "Proposed")),
}
DOCUMENT_STATES = {
    SourceDocument.Status.INDEXED: ("In use", "ok"),
    SourceDocument.Status.FAILED: ("Not read", "bad"),
    SourceDocument.Status.GONE: ("Gone", "q"),
}
KINDS = {
    SourceDocument.Kind.TEXT: "Text",
    SourceDocument.Kind.PAGE: "Page",
    SourceDocument.Kind.FILE: "File",
    SourceDocument.Kind.GOLDEN: "Approved answer",
}
AGES = ((2, "Under 2 days", "c1"), (7, "2 to 7", "c2"), (30, "8 to 30", "c3"), (None, "Over 30", "cw"))
OLD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class JobView:
    """One run. `share` is its progress in percent, None where its end is not known."""

    id: str
    name: str
    status: str
    status_class: str
    done: int
    done_words: str
    total: int | None
    total_words: str
    unit: str
    about: str
    hint: str
    figures: list[tuple[str, str]]
    started: str
    started_iso: str
    took: str
    by: str
    error: str
    problems: list[str]
    url: str
    is_live: bool
    can_cancel: bool
    can_retry: bool
    facts: list[tuple[str, str]] = field(default_factory=list)


def job_view(job: JobRun, clock: Clock, *, sites: dict[str, str], run: bool, retry: bool) -> JobView:
    """`sites` names sites by id; `run` and `retry` say what the person's role allows."""
    metrics = {**job.resume.get("counts", {}), **job.metrics}
    began = job.started_at or job.created_at
    until = job.finished_at or clock.now
    status, status_class = STATES[Status(job.status)]
    is_live = job.status in {Status.QUEUED, Status.RUNNING}
    return JobView(
        id=str(job.pk),
        name=NAMES[Type(job.type)],
        status=status,
        status_class=status_class,
        done=job.done,
        done_words=f"{job.done:,}",
        total=job.total,
        total_words=f"{job.total:,}" if job.total is not None else "",
        unit=job.unit or "steps",
        about=_about(job, sites),
        hint=_hint(job, clock),
        figures=[(label, f"{int(metrics.get(name, 0)):,}") for name, label in FIGURES.get(Type(job.type), ())],
        started=clock.stamp(began),
        started_iso=began.isoformat(timespec="seconds"),
        took=span(until - began) if job.started_at else "",
        by=job.started_by_name or "Schedule",
        error=job.error,
        problems=[str(problem) for problem in metrics.get("problems", [])],
        url=reverse("ingestion:job", args=[job.pk]),
        is_live=is_live,
        can_cancel=is_live and run,
        can_retry=retry and job.status in {Status.FAILED, Status.CANCELLED} and job.type in FIGURES,
        facts=[
            (name.replace("_", " ").capitalize(), f"{value:,}")
            for name, value in metrics.items()
            if isinstance(value, int) and not isinstance(value, bool)
        ],
    )


def _about(job: JobRun, sites: dict[str, str]) -> str:
    """What it works on, of its params."""
    params: dict[str, Any] = job.params
    if site := params.get("site"):
        return sites.get(str(site), "A site that was removed")
    files = params.get("files") or ([params["file"]] if params.get("file") else [])
    if files:
        return f"{files[0].get('name', '')}{f' and {len(files) - 1} more' if len(files) > 1 else ''}"
    return ""


def _hint(job: JobRun, clock: Clock) -> str:
    if job.status == Status.QUEUED:
        return "Starts as soon as a worker is free."
    if job.status == Status.RUNNING:
        if job.heartbeat_at and clock.now - job.heartbeat_at > SILENCE:
            return f"No sign of life for {span(clock.now - job.heartbeat_at)}. It is started again by itself."
        if job.total and job.done and job.started_at:
            left = (clock.now - job.started_at) * (max(0, job.total - job.done) / job.done)
            return f"About {span(left)} left."
        return "Just started."
    if job.status == Status.CANCELLED:
        return "Stopped by a person. What it did so far is kept."
    return job.error[:200] if job.status == Status.FAILED else ""


def document_row(row: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """A line of the list of documents."""
    status, status_class = DOCUMENT_STATES[row["status"]]
    read_at = row["fetched_at"] or row["indexed_at"]
    age = clock.now - read_at
    return {
        "url": reverse("ingestion:document", args=[row["id"]]),
        "title": row["title"] or row["source_url"],
        "address": row["source_url"],
        "kind": KINDS[row["kind"]],
        "status": status,
        "status_class": status_class,
        "age": span(age),
        "old": age > OLD,
        "passages": row["passage_count"],
        "error": row["error"],
    }


def freshness(counts: list[int]) -> dict[str, Any]:
    """The bar of ages: one piece for each of `AGES`, on a width of 1000 with gaps of 2."""
    total, at, pieces = sum(counts), 0.0, []
    for (_, label, kind), count in zip(AGES, counts, strict=True):
        width = round(1000 * count / total, 1) if total else 0
        pieces.append({"label": label, "kind": kind, "count": count, "x": round(at, 1), "width": max(0, width - 2)})
        at += width
    words = ", ".join(f"{count:,} {label.lower()}" for (_, label, _), count in zip(AGES, counts, strict=True))
    return {"pieces": pieces, "words": f"Documents by days since they were read: {words}."}
