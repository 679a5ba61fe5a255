"""The platform's tenants: making one with its first admin's invitation, and looking inside with a trace."""

from __future__ import annotations

import uuid
import zoneinfo
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_slug
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from conversations import audit
from conversations.admin_pages.people import back_to, link_of
from conversations.admin_pages.rights import is_platform
from conversations.admin_pages.zones import zone_choices
from conversations.database import database_time
from conversations.errors import Invalid, Refusal
from conversations.models import Account, Invitation, Role, User
from conversations.people import invitations
from conversations.people.letters import can_send
from conversations.tenancy import GRANT_KEY, SESSION_KEY, account_directory, accounts_without_admin, tenant_context

MAX_MINUTES = 60


class EnterForm(forms.Form):
    account = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(max_length=200, min_length=5, help_text="Kept in that account's audit trail.")
    minutes = forms.IntegerField(min_value=1, max_value=MAX_MINUTES, initial=15)


class NewTenantForm(forms.Form):
    """A tenant and who is invited to run it."""

    name = forms.CharField(max_length=200)
    slug = forms.CharField(max_length=60, validators=[validate_slug])
    timezone = forms.CharField(max_length=64, initial="UTC")
    admin_address = forms.EmailField(max_length=254)

    def clean_timezone(self) -> str:
        value = str(self.cleaned_data["timezone"])
        if value not in zoneinfo.available_timezones():
            raise ValidationError("That is not a time zone. Use a name such as Europe/Berlin.")
        return value

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"]).lower()
        if any(entry["slug"] == slug for entry in account_directory()):
            raise ValidationError(f"Another account has the short name “{slug}”. Choose another.")
        return slug


def _operator(request: HttpRequest) -> User:
    if not is_platform(request) or not isinstance(request.user, User):
        raise PermissionDenied("Only platform operators see the list of tenants.")
    return request.user


@require_http_methods(["GET", "HEAD", "POST"])
def tenants_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The platform's list of tenants; entering one takes a reason, a limit, and leaves a trace there."""
    operator = _operator(request)
    if request.method != "POST":
        return _page(request, site)
    if request.POST.get("do") == "create":
        return _create(request, site, operator)
    form = EnterForm(request.POST)
    if form.is_valid():
        entry = _entry(form.cleaned_data["account"])
        if entry is not None:
            _enter(request, operator, entry, form.cleaned_data["reason"], form.cleaned_data["minutes"])
            return HttpResponseRedirect(reverse("admin:index"))
        form.add_error(None, "That account does not exist any more. Nothing was changed.")
    return _page(request, site, enter=form, status=422)


@require_POST
def invite_again(request: HttpRequest, site: AdminSite, pk: uuid.UUID) -> HttpResponse:
    """The invitation of an account's first admin once more, or to another address, as long as nobody accepted."""
    operator = _operator(request)
    if _entry(pk) is None:
        raise Http404("There is no such account.")
    try:
        sent = _again(pk, operator, request.POST.get("address", ""))
    except Refusal as refusal:
        return _page(request, site, problem=str(refusal), status=refusal.status)
    return _sent(request, site, sent)


def _again(account_id: uuid.UUID, operator: User, address: str) -> invitations.Sent:
    if address.strip():
        return invitations.invite(account_id=account_id, address=address, role=Role.ADMIN, actor=operator)
    with tenant_context(account_id):
        last = Invitation.objects.open().filter(role=Role.ADMIN).order_by("-sent_at").first()
    if last is None:
        raise Invalid("Nobody is invited there any more. Name the address of the first admin.")
    return invitations.resend(account_id=account_id, invitation_id=last.pk, actor=operator)


def _create(request: HttpRequest, site: AdminSite, operator: User) -> HttpResponse:
    form = NewTenantForm(request.POST)
    if not form.is_valid():
        return _page(request, site, new=form, status=422)
    try:
        account, sent = invitations.found_account(actor=operator, **form.cleaned_data)
    except Refusal as refusal:
        form.add_error(None, str(refusal))
        return _page(request, site, new=form, status=refusal.status)
    messages.success(request, f"The account {account.name} was created.")
    return _sent(request, site, sent)


def _sent(request: HttpRequest, site: AdminSite, sent: invitations.Sent) -> HttpResponse:
    if not sent.token:
        messages.success(request, f"The invitation to {sent.invitation.address} is on its way.")
        return back_to("admin:tenants")
    return _page(request, site, link=link_of(sent), link_for=sent.invitation.address)


def _entry(account_id: uuid.UUID) -> dict[str, Any] | None:
    return next((entry for entry in account_directory() if entry["id"] == account_id), None)


def _page(
    request: HttpRequest, site: AdminSite, *, enter: Any = None, new: Any = None, status: int = 200, **words: Any
) -> HttpResponse:
    waiting = accounts_without_admin()
    now = database_time.now()
    accounts = [
        {
            **entry,
            "waits": entry["id"] in waiting,
            "until": (until := waiting.get(entry["id"])),
            "late": bool(until and until <= now),
        }
        for entry in sorted(account_directory(), key=lambda entry: str(entry["name"]).lower())
    ]
    context = {
        **site.each_context(request),
        "title": "Tenants",
        "nav": "admin",
        "accounts": accounts,
        "enter": enter or EnterForm(),
        "form": new or NewTenantForm(),
        "zones": zone_choices(),
        "can_send": can_send(),
        **words,
    }
    return TemplateResponse(request, "console/tenants.html", context, status=status)


def _enter(request: HttpRequest, operator: User, entry: dict[str, Any], reason: str, minutes: int) -> None:
    with tenant_context(entry["id"]):
        audit.record(
            audit.Kind.PLATFORM_ENTERED,
            actor=operator,
            about=Account.objects.get(pk=entry["id"]),
            account=entry["id"],
            data={"reason": reason, "minutes": minutes},
        )
    until = database_time.now() + timedelta(minutes=minutes)
    request.session[SESSION_KEY] = str(entry["id"])
    request.session[GRANT_KEY] = {"account_id": str(entry["id"]), "until": until.isoformat()}
    messages.warning(request, f"You read {entry['name']} until {until:%H:%M} UTC. The account's trail says so.")
