"""Quarantine: what could not be read or is over a limit, and what a person does with it."""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from conversations.errors import Invalid, Refusal
from conversations.messages.inbox import clean
from conversations.models import Conversation, Role
from conversations.people.roles import Verb, check, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.words import Clock, clock_for, size
from ingestion import payloads, quarantine
from ingestion.models import InboundEvent

PAGE = 50
#: Bytes of a mail that the page shows.
PREVIEW = 4000
Status = InboundEvent.Status
#: The lists of the page: their address, name, and what is in them.
LISTS = {
    "unread": ("Could not be read", Status.FAILED),
    "limit": ("Over a limit", Status.QUARANTINED),
    "aside": ("Set aside", Status.SET_ASIDE),
}
#: What is often a reason to set something aside; any other can be written.
REASONS = ("Spam", "Nothing to answer", "Answered elsewhere", "A test")
WHY = {
    Status.FAILED: "It could not be read.",
    Status.QUARANTINED: "It is over a limit.",
    Status.SET_ASIDE: "Set aside.",
}


@require_safe
@signed_in
@require(Verb.READ)
def page(request: HttpRequest) -> HttpResponse:
    """`list` is one of `LISTS`, `one` the mail that is shown whole, `after` the last mail of the page before."""
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
    event = _event(request, pk)
    shown = _list_of(event, "unread")
    try:
        quarantine.set_aside(event_id=event.pk, actor=person(request), reason=request.POST.get("reason", ""))
    except Refusal as refusal:
        return _page(request, shown=shown, problem=refusal, typed=pk)
    messages.success(request, "The mail is set aside. Its original is kept and can be brought back.")
    return see_other(_url(shown))


@require_POST
@signed_in
def make(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A message of what a person read in it."""
    event = _event(request, pk)
    shown = _list_of(event, "unread")
    asked = {name: request.POST.get(name, "") for name in ("sender", "name", "subject", "text")}
    try:
        into = _conversation(request, request.POST.get("conversation", ""))
        _, message = quarantine.make_message(
            event_id=event.pk, actor=person(request), written=quarantine.Written(**asked), into=into
        )
    except Refusal as refusal:
        return _page(request, shown=shown, problem=refusal, typed=pk)
    messages.success(request, "It is a message now, and gets a draft. Its original is kept.")
    return see_other(reverse("conversations:detail", args=[message.conversation_id]))


@require_POST
@signed_in
def act_on_all(request: HttpRequest) -> HttpResponse:
    """`do` is retry or aside, for the mails that the page showed (`id`)."""
    shown = request.POST.get("list", "")
    shown = shown if shown in LISTS else "unread"
    ids = {pk for one in request.POST.getlist("id")[:PAGE] if (pk := _an_id(one))}
    within = InboundEvent.objects.within(require_tenant(request).channels).filter(pk__in=ids)
    found = list(within.values_list("pk", flat=True))
    try:
        check(person(request), Verb.HANDLE_INBOUND, account_id=require_tenant(request).account_id)
        if request.POST.get("do") == "aside":
            reason = request.POST.get("reason", "")
            done, words = quarantine.set_aside_all(event_ids=found, actor=person(request), reason=reason), "set aside"
        else:
            done, words = quarantine.retry_all(event_ids=found, actor=person(request)), "being read"
    except Refusal as refusal:
        return _page(request, shown=shown, problem=refusal)
    left = f" {len(found) - done} did not wait any more." if done < len(found) else ""
    messages.success(request, f"{done} {'mail is' if done == 1 else 'mails are'} {words}.{left}")
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
    request: HttpRequest, *, shown: str = "", problem: Refusal | None = None, typed: uuid.UUID | None = None
) -> HttpResponse:
    """After a refusal the mail that it was about (`typed`) is shown with what was typed."""
    tenant, clock = require_tenant(request), clock_for(request)
    shown = shown or request.GET.get("list", "")
    shown = shown if shown in LISTS else "unread"
    found = list(_events(request, LISTS[shown][1])[: PAGE + 1])
    more = f"{_url(shown)}&{urlencode({'after': _cursor(found[PAGE - 1])})}" if len(found) > PAGE else ""
    wanted = typed or _an_id(request.GET.get("one", ""))
    one = next((event for event in found[:PAGE] if event.pk == wanted), None)
    if wanted and one is None:  # of another page of the list, or dealt with meanwhile
        one = _events(request, LISTS[shown][1], place="").filter(pk=wanted).first()
    one = one or next(iter(found), None)
    is_admin = tenant.role == Role.ADMIN
    context = {
        "title": "Quarantine",
        "nav": "admin" if is_admin else "history",
        "side": "quarantine" if is_admin else "",
        "rows": [_row(event, clock, shown) for event in found[:PAGE]],
        "one": _whole(request, one, clock, shown, is_typed=one.pk == typed) if one else None,
        "is_chosen": bool(wanted),
        "tabs": _tabs(request, shown),
        "reasons": REASONS,
        "list": shown,
        "list_url": _url(shown),
        "can_act": may(tenant, Verb.HANDLE_INBOUND),
        "is_aside": shown == "aside",
        "problem": str(problem or ""),
        "more_url": more,
    }
    return render(request, "ingestion/inbound.html", context, status=problem.status if problem else 200)


def _tabs(request: HttpRequest, shown: str) -> list[dict[str, Any]]:
    """The lists with how much is in each, and the mail of machines, which is read and stands with the conversations."""
    waiting = InboundEvent.objects.within(require_tenant(request).channels).filter(
        status__in=[status for _, status in LISTS.values()]
    )
    counts = dict(waiting.values_list("status").annotate(number=Count("pk")))
    tabs = [
        {"label": name, "url": _url(key), "on": key == shown, "count": counts.get(status, 0), "warns": key == "unread"}
        for key, (name, status) in LISTS.items()
    ]
    automatic = {"label": "Automatic mail", "url": f"{reverse('conversations:list')}?list=automatic"}
    return [tabs[0], automatic, *tabs[1:]]


def _events(request: HttpRequest, status: str, *, place: str | None = None) -> QuerySet[InboundEvent]:
    """From the place that the page begins at, or from `place`."""
    channels = require_tenant(request).channels
    found = InboundEvent.objects.within(channels).filter(status=status).select_related("channel").defer("payload")
    found = found.order_by("-received_at", "-id")
    if begins := _place(request.GET.get("after", "") if place is None else place):
        found = found.filter(Q(received_at__lt=begins[0]) | Q(received_at=begins[0], pk__lt=begins[1]))
    return found


def _row(event: InboundEvent, clock: Clock, shown: str) -> dict[str, Any]:
    return {
        "id": str(event.pk),
        "url": f"{_url(shown)}&one={event.pk}",
        "who": event.sender if event.sender not in {"", "?"} else "Unknown sender",
        "subject": event.subject or "No subject",
        "channel": event.channel.name,
        "size": size(event.size_bytes),
        "at": clock.stamp(event.received_at),
        "at_iso": event.received_at.isoformat(timespec="seconds"),
        "why": event.detail or WHY[Status(event.status)],
    }


def _whole(request: HttpRequest, event: InboundEvent, clock: Clock, shown: str, *, is_typed: bool) -> dict[str, Any]:
    """One mail with what it holds, as text, and with what may be done."""
    raw = payloads.get(event.pk)
    preview = clean(raw[:PREVIEW].decode("utf-8", "replace"))
    filled = {"sender": event.sender.strip("?"), "subject": event.subject, "text": _body_of(preview)}
    names = ("reason", "sender", "name", "subject", "text", "conversation")
    return {
        **_row(event, clock, shown),
        "recipient": event.recipient,
        "tries": event.tries,
        "preview": preview,
        "is_cut": len(raw) > PREVIEW,
        "has_bytes": bool(raw),
        "needs_thread": event.channel.provided_by.threads,
        "typed": {name: request.POST.get(name, "") for name in names} if is_typed else filled,
        "makes": is_typed and "text" in request.POST,
        "make_url": reverse("ingestion:make-inbound", args=[event.pk]),
        "retry_url": reverse("ingestion:retry-inbound", args=[event.pk]),
        "aside_url": reverse("ingestion:set-aside-inbound", args=[event.pk]),
        "original_url": reverse("ingestion:inbound-original", args=[event.pk]),
    }


def _body_of(preview: str) -> str:
    """What stands below the headers of a mail; a person corrects it."""
    head, parted, body = preview.replace("\r\n", "\n").partition("\n\n")
    return body.strip() if parted and ":" in head.partition("\n")[0] else preview.strip()


def _conversation(request: HttpRequest, number: str) -> uuid.UUID | None:
    """The conversation of that number among those that the person sees. Raises Invalid (422)."""
    wanted = number.strip().removeprefix("#").replace(",", "")
    if not wanted:
        return None
    found = None
    if wanted.isdecimal() and len(wanted) < 10:
        seen = Conversation.objects.of_customers().within(require_tenant(request).channels)
        found = seen.filter(number=int(wanted)).values_list("pk", flat=True).first()
    if found is None:
        raise Invalid(f"There is no conversation {number.strip()[:20]}. Nothing was stored.")
    return found


def _an_id(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None


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
