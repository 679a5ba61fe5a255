"""A person's own tokens: what there are, one more, and one less. The text of a token is on the answer to its making alone."""

from __future__ import annotations

import uuid
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from conversations.errors import Refusal
from conversations.models import ServiceToken
from conversations.people import own_tokens
from conversations.people.own_tokens import OwnScope
from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.words import clock_for

LASTS = {1: "1 day", 7: "7 days", 30: "30 days", 90: "90 days"}
HINTS = {
    OwnScope.READ: "Your chats with the assistant, its answers and your cards.",
    OwnScope.WRITE: "All that you do at the assistant's page, but no confirmation.",
    OwnScope.CONFIRM: "What a card says is then done in your name. Lasts for 1 day. Never the second of two signatures.",
    OwnScope.PRACTICE: "Your own practices with their scores.",
}


def _makes(request: HttpRequest) -> bool:
    """A token outlives the session that makes it, so who makes one says again who they are: a desk may be left open."""
    return request.method == "POST"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.ASSIST)
@reauthentication_required(enabled=_makes)
def page(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    form = request.POST
    try:
        token, plain = own_tokens.make(
            account_id=require_tenant(request).account_id,
            actor=person(request),
            name=form.get("name", ""),
            scopes=form.getlist("scope"),
            days=int(form["days"]) if form.get("days", "").isdecimal() and len(form["days"]) < 5 else 0,
        )
    except Refusal as refusal:
        return _page(request, form, problem=str(refusal), status=refusal.status)
    return _page(request, new={"id": token.pk, "name": token.name, "plain": plain}, status=201)


@require_POST
@signed_in
@require(Verb.ASSIST)
def end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    try:
        own_tokens.end(token_id=pk, actor=person(request), account_id=require_tenant(request).account_id)
    except ServiceToken.DoesNotExist:
        raise Http404("You have no such token.") from None
    messages.success(request, "It opens nothing from now on.")
    return see_other(reverse("conversations:own-tokens"))


def _page(
    request: HttpRequest,
    typed: QueryDict | None = None,
    *,
    new: dict[str, Any] | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    tenant, clock = require_tenant(request), clock_for(request)
    chosen = typed.getlist("scope") if typed else [OwnScope.READ.value]
    days = typed.get("days", "") if typed else "1"
    context = {
        "nav": "profile",
        "account_name": tenant.name,
        "new": new,
        "problem": problem,
        "typed_name": typed.get("name", "")[:200] if typed else "",
        "max_name": own_tokens.MAX_NAME,
        "scopes": [
            {"value": scope.value, "label": scope.label, "hint": HINTS[scope], "on": scope.value in chosen}
            for scope in OwnScope
        ],
        "lasts": [{"value": value, "label": label, "on": str(value) == days} for value, label in LASTS.items()],
        "rows": [
            {
                "id": token.pk,
                "name": token.name,
                "key": token.key,
                "scopes": [OwnScope(scope).value for scope in token.scopes],
                "until": clock.stamp(token.expires_at) if token.expires_at else "",
                "used": clock.stamp(token.last_used_at) if token.last_used_at else "",
            }
            for token in own_tokens.live(person(request), tenant.account_id)
        ],
    }
    return render(request, "conversations/own_tokens.html", context, status=status)
