"""Systems of the account's own that are told of events: how each fares, adding one, changing one, sending again."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from conversations.admin_pages.rights import is_platform, is_tenant_admin
from conversations.channels.reach import Unreachable
from conversations.errors import Invalid, Refusal
from conversations.models import User, WebhookEndpoint
from conversations.tenancy import require_tenant
from conversations.webhooks import endpoints, posting, reading
from conversations.webhooks.emit import News
from conversations.webhooks.health import host_of
from conversations.webhooks.replay import replay

A_PAGE = 25


class EndpointForm(forms.Form):
    """Where to, what of, and whether with texts."""

    url = forms.CharField(max_length=endpoints.MAX_URL)
    events = forms.MultipleChoiceField(choices=News.choices)
    with_text = forms.BooleanField(required=False)

    @property
    def ticked(self) -> set[str]:
        return set(self["events"].value() or [])

    def reached(self) -> str:
        """The address, looked at: a name that leads inside is refused here and not only when something is sent."""
        url = endpoints.proper_url(self.cleaned_data["url"])
        try:
            posting.address_of(urlsplit(url))
        except Unreachable as error:
            raise Invalid(f"{error.title}. {error.remedy} Nothing was saved.") from error
        return url


class SpanForm(forms.Form):
    """From when to when; as the page says, in UTC."""

    since = forms.DateTimeField()
    until = forms.DateTimeField()

    def span(self) -> tuple[datetime, datetime]:
        since, until = self.cleaned_data["since"], self.cleaned_data["until"]
        return since.replace(tzinfo=UTC), until.replace(tzinfo=UTC)


def _reads(request: HttpRequest) -> uuid.UUID:
    """Admins, and the platform while it looks inside."""
    if not (is_tenant_admin(request) or is_platform(request)):
        raise PermissionDenied("Only an admin of this account sees and changes its webhooks.")
    return require_tenant(request).account_id


def _changes(request: HttpRequest) -> tuple[uuid.UUID, User]:
    if not is_tenant_admin(request) or not isinstance(request.user, User):
        raise PermissionDenied("Only an admin of this account changes its webhooks. Nothing was changed.")
    return require_tenant(request).account_id, request.user


def _endpoint(account_id: uuid.UUID, pk: uuid.UUID) -> WebhookEndpoint:
    found = WebhookEndpoint.objects.filter(account_id=account_id, pk=pk).first()
    if found is None:
        raise Http404("There is no such endpoint.")
    return found


@require_safe
def webhooks_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    _reads(request)
    return _page(request, site, "console/webhooks.html", "Outgoing webhooks")


@require_http_methods(["GET", "HEAD", "POST"])
def webhook_add(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The form of a new endpoint; what answers it shows the secret, once."""
    account_id, actor = _changes(request)
    form = EndpointForm(request.POST if request.method == "POST" else None, initial={"events": News.values})
    problem, status = "", 200
    if request.method == "POST":
        try:
            if not form.is_valid():
                raise Invalid("Enter an address and choose what it is told of. Nothing was saved.")
            endpoint, secret = endpoints.add(
                account_id=account_id,
                actor=actor,
                url=form.reached(),
                events=form.cleaned_data["events"],
                with_text=form.cleaned_data["with_text"],
            )
        except Refusal as refusal:
            problem, status = str(refusal), refusal.status
        else:
            return _of(request, site, endpoint, secret=secret)
    words = {"form": form, "problem": problem, "events": News.choices}
    return _page(request, site, "console/webhook_add.html", "Add an endpoint", status=status, **words)


@require_http_methods(["GET", "HEAD", "POST"])
def webhook_page(request: HttpRequest, site: AdminSite, pk: uuid.UUID) -> HttpResponse:
    """One endpoint: what became of its events, and its form."""
    account_id = _reads(request)
    endpoint = _endpoint(account_id, pk)
    if request.method != "POST":
        return _of(request, site, endpoint)
    _, actor = _changes(request)
    form = EndpointForm(request.POST)
    try:
        if not form.is_valid():
            raise Invalid("Enter an address and choose what it is told of. Nothing was saved.")
        endpoints.change(
            endpoint_id=endpoint.pk,
            actor=actor,
            url=form.reached() if form.cleaned_data["url"] != endpoint.url else endpoint.url,
            events=form.cleaned_data["events"],
            with_text=form.cleaned_data["with_text"],
        )
    except Refusal as refusal:
        return _of(request, site, endpoint, form=form, problem=str(refusal), status=refusal.status)
    messages.success(request, "Saved.")
    return _see(endpoint)


@require_POST
def webhook_act(request: HttpRequest, site: AdminSite, pk: uuid.UUID, act: str) -> HttpResponse:
    account_id, actor = _changes(request)
    endpoint = _endpoint(account_id, pk)
    does = _ACTS.get(act)
    if does is None:
        raise Http404("There is no such act.")
    try:
        return does(request, site, endpoint, actor)
    except Refusal as refusal:
        return _of(request, site, endpoint, act_problem=str(refusal), status=refusal.status)


@require_safe
def webhook_delivery(request: HttpRequest, site: AdminSite, pk: uuid.UUID, delivery: uuid.UUID) -> HttpResponse:
    """One event for one endpoint: its body as it would be sent now, and what was answered each time."""
    endpoint = _endpoint(_reads(request), pk)
    found = reading.delivery_of(endpoint, delivery)
    if found is None:
        raise Http404("There is no such event.")
    words: dict[str, Any] = {
        "endpoint": endpoint,
        "line": reading.lines([found])[0],
        "tries": list(found.attempts.all()),
        "body": reading.body_shown(found, endpoint),
    }
    return _page(request, site, "console/webhook_delivery.html", found.event.kind, **words)


def _secret(request: HttpRequest, site: AdminSite, endpoint: WebhookEndpoint, actor: User) -> HttpResponse:
    secret = endpoints.renew_secret(endpoint_id=endpoint.pk, actor=actor)
    return _of(request, site, _endpoint(endpoint.account_id, endpoint.pk), secret=secret)


def _end_secret(request: HttpRequest, site: AdminSite, endpoint: WebhookEndpoint, actor: User) -> HttpResponse:
    endpoints.end_old_secret(endpoint_id=endpoint.pk, actor=actor)
    return _done(request, endpoint, "The old secret signs no more.")


def _switch_on(request: HttpRequest, site: AdminSite, endpoint: WebhookEndpoint, actor: User) -> HttpResponse:
    endpoints.switch(endpoint_id=endpoint.pk, actor=actor, on=True)
    return _done(request, endpoint, "Switched on. What happened meanwhile can be replayed below.")


def _switch_off(request: HttpRequest, site: AdminSite, endpoint: WebhookEndpoint, actor: User) -> HttpResponse:
    endpoints.switch(endpoint_id=endpoint.pk, actor=actor, on=False)
    return _done(request, endpoint, "Switched off. What happens is kept for thirty days and can be replayed.")


def _test(request: HttpRequest, site: AdminSite, endpoint: WebhookEndpoint, actor: User) -> HttpResponse:
    endpoints.send_test(endpoint_id=endpoint.pk, actor=actor)
    return _done(request, endpoint, "A test is on its way. Look again in a moment.", show="all")


def _try(request: HttpRequest, site: AdminSite, endpoint: WebhookEndpoint, actor: User) -> HttpResponse:
    count = endpoints.try_now(endpoint_id=endpoint.pk, actor=actor)
    return _done(request, endpoint, f"{count} waiting events are tried now. Look again in a moment.")


def _replay(request: HttpRequest, site: AdminSite, endpoint: WebhookEndpoint, actor: User) -> HttpResponse:
    """One event that is named, or a span of time, counted first where the button says so."""
    if "event" in request.POST:
        try:
            named = [uuid.UUID(request.POST["event"])]
        except ValueError as error:
            raise Invalid("There is no such event for this endpoint. Nothing was sent.") from error
        replay(endpoint_id=endpoint.pk, actor=actor, event_ids=named)
        return _done(request, endpoint, "It is sent again, with the same id.", show="all")
    form = SpanForm(request.POST)
    try:
        if not form.is_valid():
            raise Invalid("Enter from when to when. Nothing was sent.")
        since, until = form.span()
        count = replay(endpoint_id=endpoint.pk, actor=actor, since=since, until=until)
    except Refusal as refusal:
        return _of(request, site, endpoint, span=form, span_problem=str(refusal), status=refusal.status)
    return _done(request, endpoint, f"{count} events are sent again, with the same ids.", show="all")


def _remove(request: HttpRequest, site: AdminSite, endpoint: WebhookEndpoint, actor: User) -> HttpResponse:
    if request.POST.get("sure") != "yes":
        raise Invalid("Tick the box to remove it for good. Nothing was removed.")
    endpoints.remove(endpoint_id=endpoint.pk, actor=actor)
    messages.success(request, "Removed. It is told of nothing any more.")
    return HttpResponseRedirect(reverse("admin:webhooks"), status=303)


_ACTS: dict[str, Callable[[HttpRequest, AdminSite, WebhookEndpoint, User], HttpResponse]] = {
    "secret": _secret,
    "end-secret": _end_secret,
    "on": _switch_on,
    "off": _switch_off,
    "test": _test,
    "try": _try,
    "replay": _replay,
    "remove": _remove,
}


def _done(request: HttpRequest, endpoint: WebhookEndpoint, words: str, show: str = "") -> HttpResponse:
    messages.success(request, words)
    return _see(endpoint, f"?show={show}" if show else "")


def _see(endpoint: WebhookEndpoint, query: str = "") -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:webhook", args=[endpoint.pk]) + query, status=303)


def _of(
    request: HttpRequest,
    site: AdminSite,
    endpoint: WebhookEndpoint,
    *,
    form: EndpointForm | None = None,
    span: SpanForm | None = None,
    status: int = 200,
    **words: Any,
) -> HttpResponse:
    show = request.GET.get("show", "open")
    show = show if show in reading.SHOWS else "open"
    stored = {"url": endpoint.url, "events": endpoint.events, "with_text": endpoint.with_text}
    page = Paginator(reading.deliveries_of(endpoint, show), A_PAGE).get_page(request.GET.get("page"))
    context = {
        "endpoint": endpoint,
        "host": host_of(endpoint),
        "form": form or EndpointForm(initial=stored),
        "span": span or SpanForm(initial={"since": endpoint.failing_since or endpoint.state_at}),
        "events": News.choices,
        "show": show,
        "shows": reading.SHOWS,
        "page": page,
        "lines": reading.lines(list(page.object_list)),
        "most": reading.TRIES,
        "is_on": endpoint.state == WebhookEndpoint.State.ON,
        "old_until": endpoint.before_until,
        "kept_until": reading.kept_until(endpoint),
        **words,
    }
    return _page(request, site, "console/webhook.html", "Outgoing webhooks", status=status, **context)


def _page(
    request: HttpRequest, site: AdminSite, template: str, title: str, *, status: int = 200, **words: Any
) -> HttpResponse:
    context = {
        **site.each_context(request),
        "title": title,
        "nav": "admin",
        "side": "webhooks",
        "found": reading.fares(),
        "may_change": is_tenant_admin(request),
        **words,
    }
    return TemplateResponse(request, template, context, status=status)
