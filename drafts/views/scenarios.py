"""Scenarios in a form, for who manages the account: fields for what the persona knows and for the rubric, no JSON by hand."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from conversations.errors import Refusal
from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from drafts.models import Scenario
from drafts.models.practice import LANGUAGES
from drafts.models.rubric import MAX_CRITERIA, MAX_FACTS, WORDS
from drafts.practice.scenarios import Script, retire, set_ready, write_scenario

TEXTS = ("title", "persona_name", "persona", "subject", "opening", "goal", "language")
MORE = 2  # empty rows below those that are there; saving gives more
#: What a new scenario begins with.
FIRST_RUBRIC = [
    {"kind": "asks_for", "text": "", "weight": 20},
    {"kind": "says", "text": "", "weight": 30},
    {"kind": "no_promise", "text": "", "weight": 20},
    {"kind": "sourced", "text": "", "weight": 20},
    {"kind": "greets", "text": "", "weight": 10},
]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.MANAGE)
def scenario(request: HttpRequest, pk: uuid.UUID | None = None) -> HttpResponse:
    """The form; POST keeps it as a draft, `then=ready` sets it ready as well."""
    tenant = require_tenant(request)
    found = _find(request, pk) if pk else None
    if request.method != "POST":
        return _form(
            request, found, _of_row(found) if found else {"patience": 3, "language": "en", "rubric": FIRST_RUBRIC}
        )
    given = _of_form(request.POST)
    try:
        with transaction.atomic():
            kept = write_scenario(
                actor=person(request), account_id=tenant.account_id, script=Script(**given), scenario_id=pk
            )
            if request.POST.get("then") == "ready":
                set_ready(scenario_id=kept.pk, actor=person(request), account_id=tenant.account_id)
    except Refusal as refusal:
        return _form(request, found, given, problem=str(refusal), status=refusal.status)
    kept.refresh_from_db()
    messages.success(request, "Ready: everybody can practise it now." if kept.status == "ready" else "Kept as a draft.")
    return see_other(reverse("drafts:scenario", args=[kept.pk]))


@require_POST
@signed_in
@require(Verb.MANAGE)
def change(request: HttpRequest, pk: uuid.UUID, act: str) -> HttpResponse:
    found, verbs = _find(request, pk), {"ready": set_ready, "retire": retire}
    if act not in verbs:
        raise Http404("There is nothing of that name to do with a scenario.")
    try:
        verbs[act](scenario_id=pk, actor=person(request), account_id=require_tenant(request).account_id)
    except Refusal as refusal:
        return _form(request, found, _of_row(found), problem=str(refusal), status=refusal.status)
    messages.success(
        request, "Ready: everybody can practise it now." if act == "ready" else "Retired. Its scores stay."
    )
    return see_other(reverse("drafts:scenario", args=[pk]))


def _find(request: HttpRequest, pk: uuid.UUID) -> Scenario:
    require_tenant(request)
    found = Scenario.objects.kept().filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such scenario.")
    return found


def _of_row(found: Scenario) -> dict[str, Any]:
    return {name: getattr(found, name) for name in (*TEXTS, "patience", "facts", "rubric")}


def _of_form(form: QueryDict) -> dict[str, Any]:
    """What was typed. Rows without a word are none."""
    facts = zip(form.getlist("fact_key"), form.getlist("fact_sentence"), strict=False)
    rubric = zip(form.getlist("kind"), form.getlist("text"), form.getlist("weight"), strict=False)
    return {
        **{name: form.get(name, "") for name in TEXTS},
        "patience": _number(form.get("patience", "")),
        "facts": [{"key": key, "sentence": said} for key, said in facts if key.strip() or said.strip()],
        "rubric": [
            {"kind": kind, "text": text, "weight": _number(weight)} for kind, text, weight in rubric if kind.strip()
        ],
    }


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() and len(text.strip()) < 6 else 0


def _form(
    request: HttpRequest, found: Scenario | None, values: dict[str, Any], *, problem: str = "", status: int = 200
) -> HttpResponse:
    facts, rubric = list(values.get("facts", [])), list(values.get("rubric", []))
    is_draft = found is None or found.status == Scenario.Status.DRAFT
    context = {
        "nav": "assistant",
        "scenario": found,
        "values": values,
        "version": 1 if found is None else found.version if is_draft else found.version + 1,
        "is_draft": is_draft,
        "facts": [*facts, *({} for _ in range(max(0, min(MORE, MAX_FACTS - len(facts)))))],
        "rubric": [*rubric, *({} for _ in range(max(0, min(MORE, MAX_CRITERIA - len(rubric)))))],
        "kinds": WORDS.items(),
        "languages": LANGUAGES,
        "patience": range(1, 7),
        "points": sum(one.get("weight", 0) for one in rubric),
        "problem": problem,
    }
    return render(request, "practice/scenario.html", context, status=status)
