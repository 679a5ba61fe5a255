"""Quarantine: mail that could not be read or is over a limit, and what a person does with it."""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from conversations.errors import Refusal
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.words import Clock, clock_for, size
from ingestion import payloads, quarantine
from ingestion.models import InboundEvent

PAGE = 50
Status = InboundEvent.Status
#: The lists of the page: their address, name, and what is in them.
LISTS = {
    "unread": ("Could not be read", Status.FAILED),
    "limit": ("Over a limit", Status.QUARANTINED),
    "aside": ("Set aside", Status.SET_ASIDE),
}
WHY = {
    Status.FAILED: "It could not be read.",
    Status.QUARANTINED: "It is over a limit.",
    Status.SET_ASIDE: "Set aside.",
}


@require_safe
@signed_in
@require(Verb.READ)
def page(request: HttpRequest) -> HttpResponse:
    """`list` is one of `LISTS`, `after` the last mail shown."""
    return _page(request)


@require_POST
@signed_in
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    event = quarantine.retry(event_id=_event(request, pk).pk, actor=person(request))
    messages.success(request, "The mail is being read. It is in the queue in a moment.")
    return see_other(_url(_list_of(event, "unread")))


@require_POST
@signed_in
def set_aside(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    event, reason = _event(request, pk), request.POST.get("reason", "")
    shown = _list_of(event, "unread")
    try:
        quarantine.set_aside(event_id=event.pk, actor=person(request), reason=reason)
    except Refusal as refusal:
        return _page(request, shown=shown, problem=str(refusal), typed=(str(pk), reason), status=refusal.status)
    messages.success(request, "The mail is set aside. Its original is kept and can be brought back.")
    return see_other(_url(shown))


@require_safe
@signed_in
@require(Verb.READ)
def original(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The bytes as they came, as a download: never shown, never run."""
    event = _event(request, pk)
    raw = payloads.get(event.pk)
    if not raw:
        raise Http404("The bytes of this mail were removed under the retention rules.")
    response = HttpResponse(raw, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="mail-{event.pk}.eml"'
    response["X-Content-Type-Options"] = "nosniff"
    response.csp = {"default-src": ["'none'"], "sandbox": []}  # type: ignore[attr-defined]
    return response


def _page(
    request: HttpRequest, *, shown: str = "", problem: str = "", typed: tuple[str, str] = ("", ""), status: int = 200
) -> HttpResponse:
    tenant, clock = require_tenant(request), clock_for(request)
    shown = shown or request.GET.get("list", "")
    shown = shown if shown in LISTS else "unread"
    found = list(_events(request, LISTS[shown][1])[: PAGE + 1])
    rows = [_row(event, clock, typed) for event in found[:PAGE]]
    more = f"{_url(shown)}&{urlencode({'after': _cursor(found[PAGE - 1])})}" if len(found) > PAGE else ""
    context = {
        "nav": "history",
        "rows": rows,
        "tabs": [{"label": name, "url": _url(key), "on": key == shown} for key, (name, _) in LISTS.items()],
        "can_act": may(tenant, Verb.HANDLE_INBOUND),
        "is_aside": shown == "aside",
        "problem": problem,
        "more_url": more,
    }
    return render(request, "ingestion/inbound.html", context, status=status)


def _events(request: HttpRequest, status: str) -> QuerySet[InboundEvent]:
    channels = require_tenant(request).channels
    found = InboundEvent.objects.within(channels).filter(status=status).select_related("channel").defer("payload")
    found = found.order_by("-received_at", "-id")
    if place := _place(request.GET.get("after", "")):
        found = found.filter(Q(received_at__lt=place[0]) | Q(received_at=place[0], pk__lt=place[1]))
    return found


def _row(event: InboundEvent, clock: Clock, typed: tuple[str, str]) -> dict[str, Any]:
    key = str(event.pk)
    return {
        "id": key,
        "who": event.sender if event.sender not in {"", "?"} else "Unknown sender",
        "subject": event.subject or "No subject",
        "channel": event.channel.name,
        "size": size(event.size_bytes),
        "at": clock.stamp(event.received_at),
        "at_iso": event.received_at.isoformat(timespec="seconds"),
        "why": event.detail or WHY[Status(event.status)],
        "retry_url": reverse("ingestion:retry-inbound", args=[key]),
        "aside_url": reverse("ingestion:set-aside-inbound", args=[key]),
        "original_url": reverse("ingestion:inbound-original", args=[key]),
        "typed": typed[1] if typed[0] == key else "",
    }


def _event(request: HttpRequest, pk: uuid.UUID) -> InboundEvent:
    found = InboundEvent.objects.within(require_tenant(request).channels).defer("payload").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such mail in this account.")
    return found


def _list_of(event: InboundEvent, otherwise: str) -> str:
    return next((key for key, (_, status) in LISTS.items() if status == event.status), otherwise)


def _url(shown: str) -> str:
    return f"{reverse('ingestion:inbound')}?list={shown}"


def _cursor(event: InboundEvent) -> str:
    return base64.urlsafe_b64encode(f"{event.received_at.isoformat()}~{event.pk}".encode()).decode()


def _place(cursor: str) -> tuple[datetime, uuid.UUID] | None:
    """Where a page begins; a garbled cursor begins at the top."""
    try:
        at, pk = base64.urlsafe_b64decode(cursor.encode()).decode().split("~")
        when, key = datetime.fromisoformat(at), uuid.UUID(pk)
    except (ValueError, binascii.Error, UnicodeError):
        return None
    return (when, key) if when.tzinfo else None
