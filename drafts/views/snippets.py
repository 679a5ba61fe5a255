"""Snippets: the page where they are kept, and the choices of the editor's picker."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from conversations.errors import Refusal
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import address, see_other
from drafts.desk import snippets
from drafts.models import Draft, Snippet


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.EDIT)
def page(request: HttpRequest) -> HttpResponse:
    """The account's and one's own; `edit` is the one in the form. POST saves it."""
    tenant, actor = require_tenant(request), person(request)
    typed: dict[str, Any] = {"id": request.GET.get("edit", ""), "name": "", "text": "", "shared": False}
    problem, status = "", 200
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in ("id", "name", "text")}
        typed["shared"] = request.POST.get("shared") == "1"
        try:
            saved = snippets.save(
                account_id=tenant.account_id,
                actor=actor,
                name=typed["name"],
                text=typed["text"],
                is_shared=typed["shared"],
                snippet_id=_id(typed["id"]) if typed["id"] else None,
            )
        except Snippet.DoesNotExist:
            raise Http404("There is no such snippet in this account.") from None
        except Refusal as refusal:
            problem, status = str(refusal), refusal.status
        except PermissionDenied as refusal:
            problem, status = str(refusal), 403
        else:
            messages.success(request, f"Saved “{saved.name}”. Type / in a reply to use it.")
            return see_other(address("drafts:snippets"))
    found = list(Snippet.objects.of(actor.pk).filter(account_id=tenant.account_id)[: 2 * snippets.MOST])
    may_share = may(tenant, Verb.DECIDE_GOLDENS)
    if typed["id"] and not problem:
        chosen = next((one for one in found if str(one.pk) == typed["id"]), None)
        if chosen is None:
            raise Http404("There is no such snippet in this account.")
        typed |= {"name": chosen.name, "text": chosen.text, "shared": chosen.owner_id is None}
    context = {
        "nav": "profile",
        "snippets": [
            {"id": str(one.pk), "name": one.name, "text": one.text, "shared": one.owner_id is None,
             "mine": one.owner_id is not None or may_share}
            for one in found
        ],
        "typed": typed,
        "problem": problem,
        "may_share": may_share,
        "fields": snippets.FIELDS.items(),
    }  # fmt: skip
    return render(request, "drafts/snippets.html", context, status=status)


@require_POST
@signed_in
@require(Verb.EDIT)
def remove(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take one away."""
    try:
        name = snippets.remove(snippet_id=pk, actor=person(request))
    except Snippet.DoesNotExist:
        raise Http404("There is no such snippet in this account.") from None
    messages.success(request, f"The snippet “{name}” is gone.")
    return see_other(address("drafts:snippets"))


@require_safe
@signed_in
@require(Verb.EDIT)
def choices(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What can be put into this draft, by the words that were typed after the slash."""
    tenant, actor = require_tenant(request), person(request)
    drafts = Draft.objects.within(tenant.channels).select_related("conversation", "base_message")
    draft = drafts.filter(pk=pk).first()
    if draft is None:
        raise Http404("There is no such draft in this account.")
    words = request.GET.get("q", "").replace("\x00", "")[:100]
    found = snippets.find(draft=draft, actor=actor, words=words, account_name=tenant.name)
    return render(request, "drafts/_snippets.html", {"found": found, "page_url": address("drafts:snippets")})


def _id(value: str) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except ValueError:
        raise Http404("There is no such snippet in this account.") from None
