"""How drafts come to be written as they are: prompt versions, and the lanes that people's decisions have earned."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from conversations.errors import Conflict, Invalid
from conversations.models import Account, Channel
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.words import Clock, clock_for
from drafts.desk import lanes
from drafts.desk.lanes import Evidence
from drafts.learning import evaluation, prompts
from drafts.models import EvalRun, Golden, Lane, PromptVersion
from drafts.writing.topics import in_words
from ingestion.models import JobRun

SHOWN = 20
TRIAL = 0.1
STATES = {"draft": ("Waits", "run"), "active": ("Active", "ok"), "retired": ("Retired", "run")}
LANE_STATES = {"shut": ("Shut", "run"), "open": ("Open", "ok"), "suspended": ("Suspended", "bad")}
RESULTS = {"passed": "passed", "regressed": "does worse", "running": "runs", "failed": "failed"}
DONE = {
    "evaluate": "The evaluation is queued; its result appears here.",
    "try": "It writes the drafts of a tenth of the conversations from now on.",
    "end": "The trial has ended.",
    "activate": "Drafts are written with it from now on. The former version can come back at once.",
}


@require_safe
@signed_in
@require(Verb.READ)
def page(request: HttpRequest) -> HttpResponse:
    """Everybody may see what drafts are written with; admins decide about it."""
    tenant, clock = require_tenant(request), clock_for(request)
    account = Account.objects.get(pk=tenant.account_id)
    versions = list(PromptVersion.objects.select_related("created_by").order_by("-version")[:SHOWN])
    runs: dict[uuid.UUID | None, EvalRun] = {}
    for run in EvalRun.objects.filter(prompt_version__in=versions).select_related("baseline").order_by("created_at"):
        runs[run.prompt_version_id] = run
    waiting = [version for version in versions if version.status == PromptVersion.Status.DRAFT]
    active = PromptVersion.objects.filter(status=PromptVersion.Status.ACTIVE).values_list("pk", flat=True).first()
    blocked = {
        version.pk: prompts.obstacle(version, runs.get(version.pk), cases=cases, active=active)
        for version, cases in zip(waiting, prompts.how_many_cases(waiting).values(), strict=True)
    }
    channels = dict(Channel.objects.values_list("pk", "name"))
    decides = may(tenant, Verb.MANAGE)
    context = {
        "nav": "quality",
        "versions": [
            _version(version, runs.get(version.pk), clock, decides=decides, blocked=blocked.get(version.pk))
            for version in versions
        ],
        "goldens": Golden.objects.in_use().count(),
        "ignores_prompts": settings.DRAFTER == "offline",
        "is_measuring": JobRun.objects.filter(type=JobRun.Type.EVAL, status__in=["queued", "running"]).exists(),
        "lanes": [_lane(lane, evidence, channels, decides=decides) for lane, evidence in lanes.candidates(account)],
        "lanes_allowed": account.options.lanes,
        "needed": account.options.lane_reviewed,
        "bound": f"{account.options.lane_bound:.0%}",
        "decides": decides,
    }
    return render(request, "drafts/training.html", context)


@require_POST
@signed_in
def add_prompt(request: HttpRequest) -> HttpResponse:
    tenant = require_tenant(request)
    version = prompts.add(
        account_id=tenant.account_id,
        actor=person(request),
        text=_typed(request, "text").replace("\r\n", "\n"),
        note=_typed(request, "note"),
    )
    messages.success(
        request, f"{version.label} is stored. Evaluate it, try it on some conversations, then activate it."
    )
    return see_other(reverse("drafts:training"))


def _typed(request: HttpRequest, name: str) -> str:
    """A field without NUL, which the database stores in no text."""
    return request.POST.get(name, "").replace("\x00", "")


@require_POST
@signed_in
def decide_prompt(request: HttpRequest, pk: uuid.UUID, act: str) -> HttpResponse:
    """`act` is evaluate, try, end or activate."""
    require_tenant(request)
    actor = person(request)
    acts: dict[str, Callable[[], object]] = {
        "evaluate": lambda: evaluation.start(version_id=pk, actor=actor),
        "try": lambda: prompts.try_out(version_id=pk, actor=actor, share=TRIAL),
        "end": lambda: prompts.try_out(version_id=pk, actor=actor, share=0.0),
        "activate": lambda: prompts.activate(version_id=pk, actor=actor),
    }
    if act not in acts:
        raise Http404("There is no such act.")
    _found(acts[act])
    messages.success(request, DONE[act])
    return see_other(reverse("drafts:training"))


@require_POST
@signed_in
def open_lane(request: HttpRequest) -> HttpResponse:
    tenant = require_tenant(request)
    try:
        channel_id = uuid.UUID(_typed(request, "channel"))
    except ValueError:
        raise Invalid("Which channel the lane is for is missing. Nothing was changed.") from None
    _found(
        lambda: lanes.open_lane(
            account_id=tenant.account_id,
            actor=person(request),
            intent=_typed(request, "intent")[:100],
            channel_id=channel_id,
            prompt_label=_typed(request, "prompt")[:80],
            model_key=_typed(request, "model")[:100],
        )
    )
    messages.success(
        request, "Open. One in ten of its drafts still comes to you, and it shuts itself when you edit them."
    )
    return see_other(reverse("drafts:training"))


@require_POST
@signed_in
def shut_lane(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    require_tenant(request)
    _found(lambda: lanes.shut_lane(lane_id=pk, actor=person(request)))
    messages.success(request, "Shut. People decide such drafts again.")
    return see_other(reverse("drafts:training"))


def _found(act: Callable[[], object]) -> None:
    try:
        act()
    except ObjectDoesNotExist:
        raise Http404("There is nothing like that in this account.") from None


def _version(
    version: PromptVersion, run: EvalRun | None, clock: Clock, *, decides: bool, blocked: Conflict | None
) -> dict[str, Any]:
    state, tone = STATES[version.status]
    acts = []
    if version.status == "draft":
        acts = [("evaluate", "Evaluate")]
        if version.trial_share:
            acts.append(("end", "End the trial"))
        if not blocked:
            acts = [("activate", "Activate"), *acts, *([] if version.trial_share else [("try", "Try on 10 %")])]
    elif version.status == "retired":
        acts = [("activate", "Roll back to it")]
    metrics = run.metrics if run else {}
    return {
        "id": str(version.pk),
        "label": version.label,
        "state": f"On trial, {version.trial_share:.0%}" if version.trial_share else state,
        "tone": "run" if version.trial_share else tone,
        "text": version.text,
        "note": version.note,
        "by": version.created_by.name if version.created_by else "",
        "at": clock.day(version.created_at),
        "result": f"{RESULTS[run.status]}: {metrics.get('passed', 0)} of {metrics.get('cases', 0)}"
        if run
        else "not yet",
        "blocked": str(blocked) if blocked and decides and "cases" not in blocked.facts else "",
        "worse": metrics.get("worse", [])[:5] if run and run.status == EvalRun.Status.REGRESSED else [],
        "acts": [
            {"label": label, "url": reverse("drafts:decide-prompt", args=[version.pk, act]), "first": act == "activate"}
            for act, label in acts
        ]
        if decides
        else [],
    }


def _lane(lane: Lane, evidence: Evidence, channels: dict[Any, str], *, decides: bool) -> dict[str, Any]:
    state, tone = LANE_STATES[lane.state]
    return {
        "id": str(lane.pk),
        "intent": lane.intent,
        "topic": in_words(lane.intent),
        "channel": channels.get(lane.channel_id, ""),
        "channel_id": str(lane.channel_id),
        "prompt": lane.prompt_label,
        "model": lane.model_key,
        "state": state,
        "tone": tone,
        "reason": lane.reason,
        "unchanged": f"{evidence.unchanged} of {evidence.reviewed}",
        "low": f"{evidence.low:.1%}",
        "can_open": decides and lane.state != "open" and evidence.is_enough,
        "can_shut": decides and lane.state != "shut",
    }
