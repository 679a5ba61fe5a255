"""Approved answers: what was proposed, what is in use, and the decision about each."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_POST, require_safe

from conversations.errors import Invalid
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.words import Clock, clock_for
from drafts import diffing
from drafts.answers import goldens
from drafts.models import Golden, LearningSample
from drafts.views.present import REASONS, Change, shortened

PAGE = 25
SAMPLES = 3  # shown of each proposal
SHOWS = {"": Golden.Status.PROPOSED, "used": Golden.Status.ACCEPTED, "refused": Golden.Status.REFUSED, "retired": Golden.Status.RETIRED}  # fmt: skip
LABELS = {"": "Proposed", "used": "Accepted", "refused": "Refused", "retired": "Retired"}
ORIGINS = {
    Golden.Origin.FILE: "from a file",
    Golden.Origin.CORRECTIONS: "from corrections",
    Golden.Origin.PERSON: "written by a person",
}
DONE = {
    "accept": "Accepted. The next draft can quote it.",
    "refuse": "Refused. The same corrections are not proposed again.",
    "retire": "Retired. Drafts that quote it are marked.",
}
ACTS: dict[str, Callable[..., Golden]] = {
    "accept": goldens.accept,
    "refuse": goldens.refuse,
    "retire": goldens.retire,
}
#: What can be done with a golden, by its status: act and words on the button, the first one is the likely one.
OFFERS = {
    Golden.Status.PROPOSED: (("accept", "Accept"), ("refuse", "Refuse")),
    Golden.Status.ACCEPTED: (("retire", "Retire"),),
    Golden.Status.REFUSED: (("accept", "Accept after all"),),
    Golden.Status.RETIRED: (("accept", "Use again"),),
}


@require_safe
@signed_in
@require(Verb.READ)
def page(request: HttpRequest) -> HttpResponse:
    """`show` is a status, `after` the last golden shown; newest first."""
    tenant, clock = require_tenant(request), clock_for(request)
    show = request.GET.get("show", "")
    show = show if show in SHOWS else ""
    found = Golden.objects.filter(status=SHOWS[show]).order_by("-id")
    if after := _uuid(request.GET.get("after", "")):
        found = found.filter(pk__lt=after)
    rows = list(found[: PAGE + 1])
    shown = rows[:PAGE]
    wanted = [sample for golden in shown for sample in golden.samples[:SAMPLES]]
    kept = tenant.channels.where("conversation__channel_id")
    found_samples = LearningSample.objects.filter(pk__in=wanted, **kept) if wanted else []
    samples = {str(sample.pk): sample for sample in found_samples}
    url, decides = reverse("drafts:goldens"), may(tenant, Verb.DECIDE_GOLDENS)
    context = {
        "nav": "sources",
        "chips": [
            {"label": label, "url": f"{url}?show={key}" if key else url, "current": key == show}
            for key, label in LABELS.items()
        ],
        "show": show,
        "goldens": [_view(golden, samples, clock, decides=decides) for golden in shown],
        "can_decide": decides,
        "more_url": f"?show={show}&after={shown[-1].pk}" if len(rows) > PAGE else "",
    }
    return render(request, "drafts/goldens.html", context)


@require_POST
@signed_in
def add(request: HttpRequest) -> HttpResponse:
    """Write one by hand; it waits for a decision like any other."""
    tenant = require_tenant(request)
    goldens.propose(account_id=tenant.account_id, actor=person(request), **_words(request))
    messages.success(request, "Proposed. Accept it to let drafts quote it.")
    return see_other(reverse("drafts:goldens"))


@require_POST
@signed_in
def decide(request: HttpRequest, pk: uuid.UUID, act: str) -> HttpResponse:
    """`act` is accept, refuse or retire."""
    require_tenant(request)
    verb = ACTS.get(act)
    if verb is None:
        raise Http404("There is no such act.")
    _found(lambda: verb(golden_id=pk, actor=person(request)))
    messages.success(request, DONE[act])
    return _back(request)


@require_POST
@signed_in
def edit(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Other words in its place; the old ones are kept."""
    require_tenant(request)
    words = _words(request)
    _found(lambda: goldens.edit(golden_id=pk, actor=person(request), **words))
    messages.success(request, "The new words are in its place; the old ones are kept.")
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    show = request.POST.get("show", "")
    url = reverse("drafts:goldens")
    return see_other(f"{url}?show={show}" if show and show in SHOWS else url)


def _found(act: Callable[[], Golden]) -> Golden:
    try:
        return act()
    except ObjectDoesNotExist:
        raise Http404("There is no such answer in this account.") from None


def _words(request: HttpRequest) -> dict[str, Any]:
    data = request.POST
    return {
        "question": data.get("question", ""),
        "answer": data.get("answer", ""),
        "intent": data.get("intent", ""),
        "valid_from": _day(data.get("valid_from", ""), request),
        "valid_until": _day(data.get("valid_until", ""), request),
    }


def _day(value: str, request: HttpRequest) -> datetime | None:
    """Midnight of that day in the person's time zone; None of nothing."""
    if not value.strip():
        return None
    try:
        day = parse_date(value.strip())
    except ValueError:
        day = None
    if day is None or not 1970 <= day.year <= 9000:
        raise Invalid(f"{value[:40]!r} is not a date. Write it as 2026-11-22; nothing was changed.")
    return datetime.combine(day, time(), clock_for(request).zone).astimezone(UTC)


def _view(golden: Golden, samples: dict[str, LearningSample], clock: Clock, *, decides: bool) -> dict[str, Any]:
    status = Golden.Status(golden.status)
    known = [samples[sample] for sample in golden.samples[:SAMPLES] if sample in samples]
    return {
        "id": str(golden.pk),
        "question": golden.question,
        "answer": golden.answer,
        "intent": golden.intent,
        "origin": ORIGINS[Golden.Origin(golden.origin)],
        "at": clock.stamp(golden.created_at),
        "decided": f"{golden.decided_name}, {clock.stamp(golden.decided_at)}" if golden.decided_at else "",
        "valid": _valid(golden, clock),
        "valid_from": f"{clock.local(golden.valid_from):%Y-%m-%d}" if golden.valid_from else "",
        "valid_until": f"{clock.local(golden.valid_until):%Y-%m-%d}" if golden.valid_until else "",
        "is_over": bool(golden.valid_until and golden.valid_until <= clock.now),
        "samples": [
            {
                "question": sample.question,
                "changes": _changes(sample),
                "why": ", ".join(REASONS.get(reason, reason) for reason in sample.reasons),
            }
            for sample in known
        ],
        "more": max(0, len(golden.samples) - len(known)),
        "acts": [
            {"url": reverse("drafts:decide-golden", args=[golden.pk, act]), "label": label, "first": at == 0}
            for at, (act, label) in enumerate(OFFERS[status])
        ]
        if decides
        else [],
        "edit_url": reverse("drafts:edit-golden", args=[golden.pk])
        if decides and status in {Golden.Status.PROPOSED, Golden.Status.ACCEPTED}
        else "",
    }


def _valid(golden: Golden, clock: Clock) -> str:
    parts = []
    if golden.valid_from:
        parts.append(f"from {clock.stamp(golden.valid_from)}")
    if golden.valid_until:
        parts.append(f"until {clock.stamp(golden.valid_until)}")
    return " ".join(parts)


def _changes(sample: LearningSample) -> list[Change]:
    """The correction as pieces. An erased text has no pieces."""
    try:
        return shortened(diffing.render_ops(sample.operations, sample.original))
    except diffing.ReplayError:
        return []


def _uuid(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None
