"""Proposed actions: the page of one card, what is pressed on it, and the list of what waits for a second person."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from conversations.errors import Refusal
from conversations.models import ProposedAction
from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views.access import is_fragment, person, signed_in
from conversations.views.links import see_other
from conversations.views.words import clock_for
from drafts.assistant import again, deciding, waiting
from drafts.assistant.tools import TOOLS
from drafts.desk.scene import NeedsSecondPress
from drafts.views.card_fields import arguments_from
from drafts.views.cards import NOTHING, Said, card_of, draw


@require_safe
@signed_in
@require(Verb.ASSIST)
def action(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The card alone; `change` opens its fields."""
    found = _find(request, pk)
    said = Said(changing=request.GET.get("change") == "1")
    return _fragment(request, [found], said) if is_fragment(request) else _page(request, found, said)


@require_POST
@signed_in
@require(Verb.ASSIST)
def decide(request: HttpRequest, pk: uuid.UUID, act: str) -> HttpResponse:
    """One press. Without a script a press in a list leads to the card alone, where it is pressed again."""
    found = _find(request, pk)
    if act not in ("confirm", "reject", "change", "again", "revert"):
        raise Http404("There is nothing of that name to do with an action.")
    if act == "confirm" and not is_fragment(request) and request.POST.get("alone") != "1":
        return see_other(found_url(found, request))
    try:
        with transaction.atomic():
            new = _do(request, found, act)
    except (Refusal, PermissionDenied, ObjectDoesNotExist) as error:
        said = _said(request, error, act)
        found = _find(request, pk)
        return _fragment(request, [found], said) if is_fragment(request) else _page(request, found, said)
    found = _find(request, pk)
    status = 409 if new.pk == found.pk and found.reason in ("target_changed", "proposer_gone") else 200
    if is_fragment(request):
        return _fragment(request, [found] if new.pk == found.pk else [found, new], Said(status=status))
    if status != 200:
        return _page(request, found, Said(status=status))
    return see_other(f"{_back(request, found)}#act-{new.pk}")


@require_safe
@signed_in
@require(Verb.ASSIST)
def waiting_page(request: HttpRequest) -> HttpResponse:
    tenant, user, clock = require_tenant(request), person(request), clock_for(request)
    today = clock.local(clock.now).replace(hour=0, minute=0, second=0, microsecond=0)
    to_sign = waiting.for_signature(user, tenant.account_id)
    ended = waiting.signed_since(user, tenant.account_id, max(today, clock.now - timedelta(days=1)))
    context = {
        "nav": "assistant",
        "cards": draw(request, to_sign),
        "count": len(to_sign),
        "others": [card_of(request, one) for one in waiting.for_others(user, tenant.account_id)],
        "signed": [card_of(request, one) for one in ended],
    }
    return render(request, "assistant/waiting.html", context)


def _do(request: HttpRequest, found: ProposedAction, act: str) -> ProposedAction:
    user, form = person(request), request.POST
    match act:
        case "confirm":
            pressed = deciding.Pressed(
                arguments_sha256=form.get("arguments_sha256", ""),
                precondition_sha256=form.get("precondition_sha256", ""),
                seen_ms=_number(form.get("seen_ms", "")),
                pressed_twice=form.get("pressed_twice") == "1",
                request_id=form.get("request_id", "").replace("\x00", "")[:64],
            )
            return deciding.confirm(action_id=found.pk, actor=user, pressed=pressed)
        case "reject":
            return deciding.reject(action_id=found.pk, actor=user, reason=form.get("reason", ""))
        case "again":
            return again.again(action_id=found.pk, actor=user)
        case "revert":
            return again.revert(action_id=found.pk, actor=user)
    tool = TOOLS.get(found.tool)
    if tool is None:
        raise Http404("The assistant can do this no more.")
    arguments = arguments_from(tool, form.dict(), clock_for(request))
    return again.change(action_id=found.pk, actor=user, arguments=arguments)


def _said(request: HttpRequest, error: Exception, act: str) -> Said:
    if isinstance(error, NeedsSecondPress):
        return Said(str(error), 422, again=True)
    status = error.status if isinstance(error, Refusal) else 403 if isinstance(error, PermissionDenied) else 404
    words = str(error) if status != 404 else "What it is about is not there any more. Nothing was changed."
    typed = {name.removeprefix("arg-"): value for name, value in request.POST.dict().items() if name.startswith("arg-")}
    return Said(words, status, changing=act == "change", typed=typed)


def _find(request: HttpRequest, pk: uuid.UUID) -> ProposedAction:
    require_tenant(request)
    try:
        return deciding.find(pk, person(request))
    except ProposedAction.DoesNotExist:
        raise Http404("There is no such action.") from None


def _fragment(request: HttpRequest, actions: list[ProposedAction], said: Said) -> HttpResponse:
    first, *more = actions
    back = _asked_back(request)
    html = "".join([*draw(request, [first], said=said, back=back), *draw(request, more, back=back)])
    return HttpResponse(html, status=said.status)


def _page(request: HttpRequest, found: ProposedAction, said: Said = NOTHING) -> HttpResponse:
    back = _back(request, found)
    context: dict[str, Any] = {
        "nav": "assistant",
        "card": card_of(request, found, said, back=back),
        "alone": True,
        "back": back,
    }
    return render(request, "assistant/card.html", context, status=said.status)


def found_url(found: ProposedAction, request: HttpRequest) -> str:
    return f"{reverse('drafts:action', args=[found.pk])}?back={_back(request, found)}"


def _asked_back(request: HttpRequest) -> str:
    """The page that the card stood on, if it is one of ours."""
    wanted = request.POST.get("back") or request.GET.get("back") or ""
    return wanted if wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, None) else ""


def _back(request: HttpRequest, found: ProposedAction) -> str:
    own = found.owner_id == person(request).pk
    home = reverse("conversations:chat", args=[found.session_id]) if own else reverse("drafts:waiting")
    return _asked_back(request) or home


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 9 else None
