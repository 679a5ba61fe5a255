"""Saved views: the list of one's own, saving the filters of the page one came from, removing one."""

from __future__ import annotations

import uuid
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from conversations.errors import Refusal
from conversations.models import Role
from conversations.tenancy import require_tenant
from conversations.views.access import is_fragment, person, signed_in
from conversations.views.links import address, see_other, with_query
from drafts.models import SavedView
from drafts.queue.savedviews import remove_view, save_view, share_view, views_of
from drafts.views.present import DeskFilters

PAGES = {"queue": ("drafts:queue", "Queue"), "history": ("conversations:list", "History")}
HISTORY_FIELDS = ("q", "list", "status", "tag")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def views(request: HttpRequest) -> HttpResponse:
    """One's own views; POST saves the given query of `page` under `name`. For htmx only the list."""
    tenant = require_tenant(request)
    if request.method == "POST":
        return _save(request, tenant.account_id)
    page = request.GET.get("page", "")
    page = page if page in PAGES else "queue"
    return _render(request, page, _known(page, request.GET.urlencode()))


def _save(request: HttpRequest, account_id: uuid.UUID) -> HttpResponse:
    page, name = request.POST.get("page", ""), request.POST.get("name", "")
    if page not in PAGES:
        return _render(request, "queue", "", problem="That page keeps no views. Nothing was saved.", status=422)
    query = _known(page, request.POST.get("query", "").replace("\x00", ""))
    try:
        save_view(account_id=account_id, actor=person(request), page=SavedView.Page(page), name=name, query=query)
    except Refusal as error:
        return _render(request, page, query, problem=str(error), name=name, status=error.status)
    messages.success(request, "Saved. You find it under Views.")
    return see_other(_address(page, query))


@require_POST
@signed_in
def remove(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take one's own view away."""
    require_tenant(request)
    try:
        name = remove_view(view_id=pk, actor=person(request))
    except SavedView.DoesNotExist:
        raise Http404("There is no such view of yours in this account.") from None
    messages.success(request, f"The view “{name}” is gone.")
    return see_other(address("drafts:views"))


@require_POST
@signed_in
def share(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Let the account find it, or no more (`on` is 0)."""
    tenant, on = require_tenant(request), request.POST.get("on", "1") != "0"
    try:
        view = share_view(account_id=tenant.account_id, view_id=pk, actor=person(request), on=on)
    except SavedView.DoesNotExist:
        raise Http404("There is no such view in this account.") from None
    messages.success(request, f"Everybody finds “{view.name}”." if on else f"“{view.name}” is its owner's alone.")
    return see_other(address("drafts:views"))


def _known(page: str, query: str) -> str:
    """The query without what the page does not know."""
    asked = dict(parse_qsl(query[:1000]))
    if page == "queue":
        return DeskFilters.read({k: v for k, v in asked.items() if k != "mode"}).query
    return urlencode({name: asked[name] for name in HISTORY_FIELDS if asked.get(name)})


def _address(page: str, query: str) -> str:
    return with_query(address(PAGES[page][0]), query)


def _render(
    request: HttpRequest, page: str, query: str, *, problem: str = "", name: str = "", status: int = 200
) -> HttpResponse:
    tenant = require_tenant(request)
    found = views_of(tenant.account_id, person(request))
    context = {
        "nav": page,
        "page": page,
        "page_label": PAGES[page][1],
        "query": query,
        "name": name,
        "problem": problem,
        "may_save": tenant.role not in {None, Role.AUDITOR},
        "views": [
            {
                "id": str(v.pk),
                "name": v.name,
                "url": _address(v.page, v.query),
                "page": PAGES[v.page][1],
                "query": v.query,
                "is_mine": v.user_id == person(request).pk,
                "is_shared": v.is_shared,
                "may_share": v.user_id == person(request).pk or tenant.role == Role.ADMIN,
                "owner": v.user.name,
            }
            for v in found
        ],
    }
    template = "drafts/_views.html" if is_fragment(request) and request.method != "POST" else "drafts/views.html"
    return render(request, template, context, status=status)
