"""Many approvals at once: first the page that shows what would be sent, then one transaction each, then what became of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from conversations.errors import Invalid, Refusal
from conversations.models import Delivery, User
from conversations.people.roles import Verb, check, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import address, see_other, with_query
from conversations.views.present import title_of
from conversations.views.words import clock_for
from drafts.desk import batch as batches
from drafts.desk.batch import MAX_DRAFTS, Candidate, Result
from drafts.desk.decisions import Seen
from drafts.models import DraftAction
from drafts.views.present import DeskFilters, due_words
from drafts.views.prose import blocks

OUTCOME_KEY = "batch"  # of the session: the last batch's outcome
Chosen = tuple[uuid.UUID, Seen, str]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.READ)
def batch(request: HttpRequest) -> HttpResponse:
    """GET shows the drafts chosen by `id` (none: the safe ones of the filters), POST approves what is ticked."""
    tenant, user = require_tenant(request), person(request)
    if request.method == "POST":
        return _approve(request)
    check(user, Verb.BATCH_APPROVE, account_id=tenant.account_id)
    filters = DeskFilters.read(request.GET)
    ids = [pk for pk in map(_uuid, request.GET.getlist("id")) if pk]
    return _page(request, ids or batches.safe_ones(filters, user, tenant.channels), filters, chosen=bool(ids))


def _page(
    request: HttpRequest,
    ids: Sequence[uuid.UUID],
    filters: DeskFilters,
    *,
    chosen: bool,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    clock = clock_for(request)
    found = batches.candidates(ids, person(request), require_tenant(request).channels)
    context = {
        "nav": "queue",
        "taken": [_entry(one, clock) for one in found if not one.why_not],
        "left": [_entry(one, clock) for one in found if one.why_not],
        "chosen": chosen,
        "most": MAX_DRAFTS,
        "too_many": max(0, len(ids) - MAX_DRAFTS),
        "filter_query": filters.query,
        "queue_url": with_query(address("drafts:queue"), filters.query),
        "problem": problem,
    }
    return render(request, "drafts/batch.html", context, status=status)


def _entry(one: Candidate, clock: Any) -> dict[str, Any]:
    draft, conversation = one.draft, one.draft.conversation
    due, urgency = due_words(draft.due_at, clock)
    channel, base = conversation.channel, draft.base_message
    numbers = {str(entry.get("passage")): n for n, entry in enumerate(draft.top_sources, 1)}
    statements = [
        {"start": c.start, "end": c.end, "sources": [str(s) for s in c.source_ids]} for c in one.text.statements
    ]
    return {
        "id": str(draft.pk),
        "url": reverse("drafts:detail", args=[draft.pk]),
        "who": conversation.customer,
        "title": title_of(conversation.subject, conversation.title),
        "goes_to": one.goes_to,
        "asked": " ".join((base.body_new or base.body_text).split())[:280] if base else "",
        "icon": channel.provided_by.icon if channel else "mail",
        "due": due,
        "late": urgency == "late",
        "blocks": blocks(one.text.text, statements, numbers),
        "sources": [str(entry.get("title") or "Untitled") for entry in draft.top_sources],
        "seen": f"{one.seen.version}:{one.seen.last_inbound}:{one.seen.envelope}:{batches.new_request_id()}",
        "why_not": one.why_not,
    }


def _approve(request: HttpRequest) -> HttpResponse:
    """The approvals run when this request's own transaction is over, each in one of its own; then the outcome's page."""
    tenant, user = require_tenant(request), person(request)
    filters = DeskFilters.of_query(request.POST.get("filter", ""))
    try:
        check(user, Verb.BATCH_APPROVE, account_id=tenant.account_id)
        chosen = _chosen(request)
        batches.check_size(len(chosen))
    except Refusal as error:
        ids = [pk for pk in map(_uuid, request.POST.getlist("take")) if pk]
        shown = ids or batches.safe_ones(filters, user, tenant.channels)
        return _page(request, shown, filters, chosen=True, problem=str(error), status=error.status)
    transaction.on_commit(lambda: _run(request, tenant.account_id, user, chosen, filters.query))
    return see_other(address("drafts:batch-done"))


def _run(request: HttpRequest, account_id: uuid.UUID, user: User, chosen: Sequence[Chosen], query: str) -> None:
    results = batches.approve_each(account_id=account_id, actor=user, chosen=chosen)
    request.session[OUTCOME_KEY] = {
        "account": str(account_id),
        "query": query,
        "items": [[str(one.draft_id), one.why_not[:300], str(one.action or "")] for one in results],
    }


def _chosen(request: HttpRequest) -> list[Chosen]:
    out = []
    for value in dict.fromkeys(request.POST.getlist("take")):
        pk = _uuid(value)
        parts = request.POST.get(f"seen-{value}", "").split(":")
        last = _uuid(parts[1]) if len(parts) == 4 else None
        if pk is None or last is None or not parts[0].isdecimal() or len(parts[0]) > 9 or not 8 <= len(parts[3]) <= 64:
            raise Invalid("This page is damaged. Load it again; nothing was approved.")
        out.append((pk, Seen(int(parts[0]), last, parts[2][:64]), parts[3]))
    return out


@require_safe
@signed_in
@require(Verb.READ)
def done(request: HttpRequest) -> HttpResponse:
    """What became of the last batch: approved ones with their undo, left-out ones with the reason."""
    tenant, user = require_tenant(request), person(request)
    check(user, Verb.BATCH_APPROVE, account_id=tenant.account_id)
    kept = request.session.get(OUTCOME_KEY) or {}
    items = kept.get("items", []) if kept.get("account") == str(tenant.account_id) else []
    results = [Result(uuid.UUID(pk), why_not, uuid.UUID(action) if action else None) for pk, why_not, action in items]
    found = batches.candidates([one.draft_id for one in results], user, tenant.channels)
    names = {one.draft.pk: one for one in found}
    acts = DraftAction.objects.filter(pk__in=[one.action for one in results if one.action]).values_list(
        "draft_id", "message_id"
    )
    messages = dict(acts)
    deliveries = {row.draft_id: row for row in Delivery.objects.filter(message__in=[m for m in messages.values() if m])}
    clock = clock_for(request)
    approved, left = [], []
    for one in results:
        if one.draft_id not in names:
            continue
        entry: dict[str, Any] = _entry(names[one.draft_id], clock) | {"why_not": one.why_not}
        if one.action is None:
            left.append(entry)
            continue
        delivery = deliveries.get(one.draft_id)
        approved.append(
            entry
            | {
                "undo_url": reverse("drafts:undo", args=[delivery.pk])
                if delivery and delivery.status == "held"
                else "",
                "state": _state(delivery),
            }
        )
    context = {
        "nav": "queue",
        "approved": approved,
        "left": left,
        "queue_url": with_query(address("drafts:queue"), kept.get("query", "")),
    }
    return render(request, "drafts/batch_done.html", context)


def _state(delivery: Delivery | None) -> str:
    if delivery is None:
        return "A check draft with a planted error, never sent"
    return {"held": "Waits to be sent", "cancelled": "Taken back"}.get(delivery.status, delivery.get_status_display())


def _uuid(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None
