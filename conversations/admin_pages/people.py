"""The people of an account: who is invited, who is a member, and inviting more. For the account's admins."""

from __future__ import annotations

import uuid
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from conversations.admin_pages.rights import is_tenant_admin
from conversations.database import database_time
from conversations.errors import Refusal
from conversations.models import Channel, Invitation, Membership, MembershipChannel, Role, User
from conversations.people import invitations
from conversations.people.letters import address_of, can_send
from conversations.tenancy import require_tenant

A_PAGE = 100
SEES = {Role.REVIEWER: "All channels", Role.ADMIN: "Everything", Role.AUDITOR: "Everything, changes nothing"}


class InviteForm(forms.Form):
    """The words of an invitation. Whether the address is anybody's is not looked at."""

    address = forms.EmailField(max_length=254)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.AGENT)
    channels = forms.ModelMultipleChoiceField(queryset=Channel.objects.none(), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channels"].queryset = Channel.objects.order_by("name")  # type: ignore[attr-defined]  # of the tenant

    @property
    def ticked(self) -> set[str]:
        return set(self.data.getlist("channels")) if self.is_bound else set()  # type: ignore[attr-defined]


def _admins_only(request: HttpRequest) -> tuple[uuid.UUID, User]:
    if not is_tenant_admin(request) or not isinstance(request.user, User):
        raise PermissionDenied("Only an admin of this account sees and changes its people.")
    return require_tenant(request).account_id, request.user


@require_http_methods(["GET", "HEAD", "POST"])
def people_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    account_id, actor = _admins_only(request)
    if request.method != "POST":
        return _page(request, site, InviteForm())
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _page(request, site, form, status=422)
    try:
        sent = invitations.invite(
            account_id=account_id,
            address=form.cleaned_data["address"],
            role=Role(form.cleaned_data["role"]),
            channels=[channel.pk for channel in form.cleaned_data["channels"]],
            actor=actor,
        )
    except Refusal as refusal:
        form.add_error(None, str(refusal))
        return _page(request, site, form, status=refusal.status)
    return _sent(request, site, sent)


@require_POST
def resend(request: HttpRequest, site: AdminSite, pk: uuid.UUID) -> HttpResponse:
    account_id, actor = _admins_only(request)
    try:
        sent = invitations.resend(account_id=account_id, invitation_id=pk, actor=actor)
    except Invitation.DoesNotExist as error:
        raise Http404("There is no such invitation.") from error
    except Refusal as refusal:
        return _page(request, site, InviteForm(), problem=str(refusal), status=refusal.status)
    return _sent(request, site, sent)


@require_POST
def withdraw(request: HttpRequest, site: AdminSite, pk: uuid.UUID) -> HttpResponse:
    account_id, actor = _admins_only(request)
    try:
        gone = invitations.revoke(account_id=account_id, invitation_id=pk, actor=actor)
    except Invitation.DoesNotExist as error:
        raise Http404("There is no such invitation.") from error
    except Refusal as refusal:
        return _page(request, site, InviteForm(), problem=str(refusal), status=refusal.status)
    messages.success(request, f"Withdrawn: {gone.address}. Its link opens nothing from now on.")
    return back_to("admin:people")


def back_to(name: str) -> HttpResponse:
    return HttpResponseRedirect(reverse(name), status=303)


def _sent(request: HttpRequest, site: AdminSite, sent: invitations.Sent) -> HttpResponse:
    """The same words for every address. A link, where no mail can be sent, is in this one answer and kept nowhere."""
    if not sent.token:
        messages.success(request, f"The invitation to {sent.invitation.address} is on its way.")
        return back_to("admin:people")
    return _page(request, site, InviteForm(), link=link_of(sent), link_for=sent.invitation.address)


def link_of(sent: invitations.Sent) -> str:
    return address_of(reverse("conversations:invitation", args=[sent.token])) if sent.token else ""


def _page(request: HttpRequest, site: AdminSite, form: InviteForm, *, status: int = 200, **words: Any) -> HttpResponse:
    role = request.GET.get("role", "")
    page = Paginator(_members(role), A_PAGE).get_page(request.GET.get("page"))
    context = {
        **site.each_context(request),
        "title": "People",
        "nav": "admin",
        "side": "people",
        "form": form,
        "roles": [(value, label, invitations.WHAT_A_ROLE_DOES[Role(value)]) for value, label in Role.choices],
        "chosen_role": form["role"].value(),
        "channels": list(Channel.objects.filter(is_active=True).order_by("name").only("id", "name", "account_id")),
        "invited": _invited(request),
        "members": [_member(row, request) for row in page.object_list],
        "page": page,
        "role": role,
        "can_send": can_send(),
        **words,
    }
    return TemplateResponse(request, "console/people.html", context, status=status)


def _members(role: str) -> Any:
    kept = Prefetch("own_channels", MembershipChannel.objects.select_related("channel").order_by("channel__name"))
    proven = EmailAddress.objects.filter(user=OuterRef("user"), email=OuterRef("user__email"), verified=True)
    factor = Authenticator.objects.filter(user=OuterRef("user")).exclude(type=Authenticator.Type.RECOVERY_CODES)
    found = Membership.objects.select_related("user").prefetch_related(kept)
    found = found.annotate(is_proven=Exists(proven), has_factor=Exists(factor))
    if role in Role.values:
        found = found.filter(role=role)
    return found.order_by("-is_active", "user__display_name", "pk")


def _member(row: Any, request: HttpRequest) -> dict[str, Any]:
    kept = [link.channel.name for link in row.own_channels.all()] if row.role == Role.AGENT else []
    return {
        "id": row.pk,
        "name": row.user.name,
        "address": row.user.email,
        "is_proven": row.is_proven,
        "is_own": row.user_id == request.user.pk,
        "role": Role(row.role).label,
        "is_active": row.is_active,
        "sees": ", ".join(kept) or SEES.get(Role(row.role), "All channels"),
        "has_factor": row.has_factor,
        "last": row.user.last_login,
    }


def _invited(request: HttpRequest) -> list[dict[str, Any]]:
    """Address, role and date: all that is known of the invited, whoever they are."""
    rows = Invitation.objects.open().select_related("invited_by").order_by("-sent_at")[: invitations.MAX_OPEN]
    now = database_time.now()
    return [
        {
            "id": row.pk,
            "address": row.address,
            "role": Role(row.role).label,
            "channels": len(row.channels),
            "has_ended": row.expires_at <= now,
            "ends": row.expires_at,
            "sent": row.sent_at,
            "by": "you" if row.invited_by_id == request.user.pk else row.invited_by.name,
        }
        for row in rows
    ]
