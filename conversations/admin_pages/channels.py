"""The account's channels: how each fares, adding one, changing one, trying its connection, sending a test."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from conversations.admin_pages.channel_form import (
    SECRETS,
    ChannelForm,
    chosen,
    forget_secrets,
    form_class,
    keep_secrets,
    kept_secrets,
)
from conversations.admin_pages.rights import is_platform, is_tenant_admin
from conversations.channels import registry
from conversations.channels.provider import Finding, Preset, Provider
from conversations.errors import Refusal
from conversations.models import Channel, User
from conversations.people.letters import address_of
from conversations.setup import channels as setup
from conversations.setup import hooks
from conversations.setup.health import health_of
from conversations.tenancy import require_tenant

ADD, CHANGE = "admin:conversations_channel_add", "admin:conversations_channel_change"


def _reads(request: HttpRequest) -> uuid.UUID:
    """Admins, and the platform while it looks inside."""
    if not (is_tenant_admin(request) or is_platform(request)):
        raise PermissionDenied("Only an admin of this account sees and changes its channels.")
    return require_tenant(request).account_id


def _changes(request: HttpRequest) -> tuple[uuid.UUID, User]:
    if not is_tenant_admin(request) or not isinstance(request.user, User):
        raise PermissionDenied("Only an admin of this account changes its channels. Nothing was changed.")
    return require_tenant(request).account_id, request.user


def _channel(account_id: uuid.UUID, pk: Any) -> Channel:
    try:
        return Channel.objects.select_related("account").get(account_id=account_id, pk=pk)
    except (Channel.DoesNotExist, ValidationError) as error:  # the latter: an id that is none
        raise Http404("There is no such channel.") from error


@require_safe
def channels_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    _reads(request)
    found = health_of(list(Channel.objects.order_by("-is_active", "name", "pk")))
    context = {
        **site.each_context(request),
        "title": "Channels",
        "nav": "admin",
        "side": "channels",
        "channels": found,
        "attention": sum(one.needs_a_person for one in found),
        "may_change": is_tenant_admin(request),
    }
    return TemplateResponse(request, "console/channels.html", context)


@sensitive_post_parameters(*SECRETS)
@require_http_methods(["GET", "HEAD", "POST"])
def channel_page(request: HttpRequest, site: AdminSite, pk: Any = None) -> HttpResponse:
    """One channel, or a new one: its form, what the last check found, and the acts on it."""
    account_id = _reads(request)
    channel = _channel(account_id, pk) if pk is not None else None
    if channel is None:
        _changes(request)
        if request.method != "POST" and not request.GET.get("provider"):
            return _chooser(request, site)
    provider, preset = chosen(request, channel)
    if request.method == "POST":
        return _post(request, site, channel, provider, preset)
    initial = dict(preset.settings) if preset and channel is None else {}
    form = form_class(provider)(instance=channel, initial=initial)
    return _page(request, site, channel, provider, preset, form)


def _chooser(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """One row for each provider, or for each of its presets; those that can send first."""
    able = [one for one in registry.PROVIDERS if one.open is not None]
    others = [one for one in registry.PROVIDERS if one.open is None]
    context = {
        **site.each_context(request),
        "title": "Add a channel",
        "nav": "admin",
        "side": "channels",
        "groups": [("Receives and replies", able), ("Receives only", others)],
    }
    return TemplateResponse(request, "console/channel_add.html", context)


def _post(
    request: HttpRequest, site: AdminSite, channel: Channel | None, provider: Provider, preset: Preset | None
) -> HttpResponse:
    account_id, actor = _changes(request)
    pk = channel.pk if channel else None
    before = channel.connection_mark if channel else ""
    form = form_class(provider)(
        request.POST, instance=channel or Channel(account_id=account_id), kept=kept_secrets(request, pk, provider)
    )
    is_check = request.POST.get("do") == "check"
    if not form.is_valid():
        return _page(request, site, channel, provider, preset, form, status=422)
    wanted = form.instance
    for name in SECRETS:
        if secret := form.cleaned_data.get(name):
            setattr(wanted, name, secret)
    if is_check or wanted.is_active:
        for name in wanted.missing:
            form.add_error(name if name in form.fields else None, "Missing. Without it the channel cannot work.")
    if form.errors:
        return _page(request, site, channel, provider, preset, form, status=422)
    found = None
    if is_check or (wanted.is_active and not wanted.is_proved and _is_new(wanted, before)):
        try:
            found = setup.check(wanted)
        except Refusal as refusal:
            problem = str(refusal)
            return _page(request, site, channel, provider, preset, form, status=refusal.status, problem=problem)
    if found is not None and (is_check or not found.has_passed):
        keep_secrets(request, pk, provider, wanted)
        if channel is not None:
            setup.keep_check(channel=channel, found=found)
        problem = "" if is_check else "Not saved: it cannot be switched on before its connection works."
        status = 200 if is_check else 422
        return _page(request, site, channel, provider, preset, form, status=status, check=found, problem=problem)
    try:
        saved = setup.save_channel(channel=wanted, actor=actor, changed=form.changed_data, found=found)
    except Refusal as refusal:
        return _page(request, site, channel, provider, preset, form, status=refusal.status, problem=str(refusal))
    forget_secrets(request)
    words = "is switched on" if saved.is_active else "is saved, switched off"
    messages.success(request, f"{saved.name} {words}.")
    return _see(reverse(CHANGE, args=[saved.pk]))


def _is_new(channel: Channel, before: str) -> bool:
    """Whether it is not on already with the very same connection."""
    return not (before and before == channel.connection_mark and Channel.objects.get(pk=channel.pk).is_active)


@require_POST
def send_test(request: HttpRequest, site: AdminSite, pk: uuid.UUID) -> HttpResponse:
    """One message through the channel as it is saved."""
    account_id, actor = _changes(request)
    channel = _channel(account_id, pk)
    try:
        setup.send_test(channel=channel, to=request.POST.get("to", ""), actor=actor)
    except Refusal as refusal:
        form = form_class(channel.provided_by)(instance=channel)
        return _page(
            request, site, channel, channel.provided_by, None, form, status=refusal.status, test_problem=str(refusal)
        )
    messages.success(request, f"The server took the test for {channel.tested_to}. Open the link in it.")
    return _see(reverse(CHANGE, args=[channel.pk]))


@require_POST
def try_now(request: HttpRequest, site: AdminSite, pk: uuid.UUID) -> HttpResponse:
    """The pause of a channel ends."""
    account_id, actor = _changes(request)
    channel = setup.try_now(channel_id=_channel(account_id, pk).pk, actor=actor)
    messages.success(request, f"{channel.name} is tried now. Look again in a moment.")
    return _see(reverse("admin:channels"))


@require_POST
def hook(request: HttpRequest, site: AdminSite, pk: uuid.UUID) -> HttpResponse:
    """`do`: make a new address, which is shown in this answer and never again, or end the old one."""
    account_id, actor = _changes(request)
    channel = _channel(account_id, pk)
    words: dict[str, Any] = {}
    if request.POST.get("do") == "end":
        try:
            hooks.end_old(channel_id=channel.pk, actor=actor)
        except Refusal as refusal:
            words = {"hook_problem": str(refusal), "status": refusal.status}
        else:
            messages.success(request, "The old address and the old secret are refused from now on.")
            return _see(reverse(CHANGE, args=[channel.pk]))
    else:
        try:
            token = hooks.make_hook(channel_id=channel.pk, actor=actor)
            words = {"hook_address": address_of(reverse("ingestion:hook", args=[token]))}
        except Refusal as refusal:
            words = {"hook_problem": str(refusal), "status": refusal.status}
    form = form_class(channel.provided_by)(instance=channel)
    return _page(request, site, channel, channel.provided_by, None, form, **words)


def _see(url: str) -> HttpResponse:
    return HttpResponseRedirect(url, status=303)


def _page(
    request: HttpRequest,
    site: AdminSite,
    channel: Channel | None,
    provider: Provider,
    preset: Preset | None,
    form: ChannelForm,
    *,
    status: int = 200,
    check: setup.Check | None = None,
    **words: Any,
) -> HttpResponse:
    stored = Channel.objects.get(pk=channel.pk) if channel is not None else None
    findings: list[Finding] = list(check.findings) if check else stored.findings if stored else []
    wrong = [form[name] for name in form.errors if name in form.fields]
    testable = stored is not None and bool(provider.by_address or provider.trial) and not stored.missing
    context = {
        **site.each_context(request),
        "title": stored.name if stored else f"A new channel: {preset.label if preset else provider.label}",
        "nav": "admin",
        "side": "channels",
        "channel": stored,
        "health": health_of([stored])[0] if stored else None,
        "provider": provider,
        "preset": preset,
        "form": form,
        "wrong": wrong,
        "findings": findings,
        "checked_at": check.at if check else stored.checked_at if stored else None,
        "has_passed": check.has_passed if check else bool(stored and stored.is_proved),
        "can_check": provider.check is not None,
        "can_test": testable,
        "people": setup.test_places(stored) if stored is not None and testable else [],
        "may_change": is_tenant_admin(request),
        "posts": hooks.state_of(stored) if stored and provider.hooks else None,
        **words,
    }
    return TemplateResponse(request, "console/channel.html", context, status=status)
