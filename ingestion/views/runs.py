"""Job runs: the cards that follow them, one run with its log, and stopping or repeating it."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.words import clock_for
from ingestion import jobs
from ingestion.models import JobRun, Site
from ingestion.views.present import NAMES, STATES, JobView, job_view

RECENT = 20
STOP_POLLING = 286
_LIVE = [JobRun.Status.QUEUED, JobRun.Status.RUNNING]


def back() -> HttpResponseRedirect:
    return see_other(reverse("ingestion:sources"))


def views_of(found: list[JobRun], request: HttpRequest) -> list[JobView]:
    tenant, clock = require_tenant(request), clock_for(request)
    wanted = {job.params["site"] for job in found if job.params.get("site")}
    sites = {str(site.pk): str(site) for site in Site.objects.filter(pk__in=wanted)} if wanted else {}
    run, retry = may(tenant, Verb.RUN_JOBS), may(tenant, Verb.RETRY_JOBS)
    return [job_view(job, clock, sites=sites, run=run, retry=retry) for job in found]


def cards_context(request: HttpRequest) -> dict[str, Any]:
    """What is queued or running, then the newest run of each other type; and the failures nobody dealt with."""
    live = list(JobRun.objects.filter(status__in=_LIVE).order_by("created_at")[:RECENT])
    newest = JobRun.objects.filter(type__in=NAMES).order_by("type", "-created_at").distinct("type")
    shown = live + [job for job in newest if job.status not in _LIVE and job.type not in {each.type for each in live}]
    views = views_of(shown, request)
    return {
        "jobs": views,
        "failed": [view for view in views if view.status_class == "bad"],
        "is_live": bool(live),
        "jobs_url": reverse("ingestion:jobs"),
    }


def runs_context(request: HttpRequest) -> dict[str, Any]:
    """The newest runs, by `job` and `state`. Unknown words in the address mean "all"."""
    kind, state = request.GET.get("job", ""), request.GET.get("state", "")
    kind, state = kind if kind in NAMES else "", state if state in STATES else ""
    found = JobRun.objects.order_by("-created_at")
    if kind:
        found = found.filter(type=kind)
    if state:
        found = found.filter(status=state)
    return {
        "runs": views_of(list(found[:RECENT]), request),
        "job_options": [("", "All jobs", not kind), *((t.value, words, t == kind) for t, words in NAMES.items())],
        "state_options": [
            ("", "Any status", not state),
            *((s.value, words, s == state) for s, (words, _) in STATES.items()),
        ],
    }


@require_safe
@signed_in
@require(Verb.READ)
def cards(request: HttpRequest) -> HttpResponse:
    """The cards alone, asked for every two seconds while something runs; 286 tells htmx to stop asking."""
    context = cards_context(request)
    return render(request, "ingestion/_jobs.html", context, status=200 if context["is_live"] else STOP_POLLING)


@require_safe
@signed_in
@require(Verb.READ)
def detail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One run: what it was asked, how far it came, and every problem it told of."""
    (view,) = views_of([_job(pk)], request)
    return render(request, "ingestion/job.html", {"nav": "sources", "job": view})


@require_POST
@signed_in
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    jobs.cancel_job(job_id=_job(pk).pk, actor=person(request))
    messages.success(request, "The job was cancelled. What it did so far is kept.")
    return back()


@require_POST
@signed_in
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    jobs.retry_job(job_id=_job(pk).pk, actor=person(request))
    messages.success(request, "The job is queued again and goes on where it stopped.")
    return back()


@require_POST
@signed_in
def corrections(request: HttpRequest) -> HttpResponse:
    """What people changed, now instead of tonight."""
    tenant = require_tenant(request)
    jobs.queue_job(account_id=tenant.account_id, type=JobRun.Type.CORRECTIONS_SYNC, params={}, actor=person(request))
    messages.success(request, "Corrections are being read.")
    return back()


def _job(pk: uuid.UUID) -> JobRun:
    found = JobRun.objects.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such job in this account.")
    return found
