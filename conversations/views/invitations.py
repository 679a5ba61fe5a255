"""Where the link of an invitation leads: for a new person, for an existing one, for somebody else, and to nothing."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.reauthentication import reauthenticate_by_password
from allauth.account.utils import perform_login
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from conversations import factors
from conversations.errors import Refusal
from conversations.models import Role, User
from conversations.people import addresses, invitations, members
from conversations.people.invitations import Gone, Offer, SomebodyElse
from conversations.tenancy import SESSION_KEY
from conversations.views.links import address, see_other

DESK, OFFER = "drafts:queue", "factor_offer"


class NewPersonForm(forms.Form):
    """What a new person chooses. The address is the invitation's, and no field."""

    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name", "class": "input"}))
    password = forms.CharField(
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "input"}),
    )


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show what is offered; POST `do=accept`, `do=join` (name and password of somebody new) or `do=decline`."""
    try:
        offer = invitations.offer_of(token)
        if request.method == "POST":
            return _act(request, token, offer)
        return _page(request, token, offer)
    except Gone as gone:
        return render(request, "invitations/gone.html", status=gone.status)


def _act(request: HttpRequest, token: str, offer: Offer) -> HttpResponse:
    do = request.POST.get("do")
    if do == "decline":
        invitations.decline(token=token)
        return render(request, "invitations/declined.html", {"offer": offer})
    if do == "join" and not request.user.is_authenticated:
        return _join(request, token, offer)
    if do != "accept" or not isinstance(request.user, User):
        return _page(request, token, offer, status=422)
    try:
        invitations.accept(token=token, actor=request.user)
    except Gone:
        raise
    except Refusal as refusal:
        return _page(request, token, offer, problem=str(refusal), status=refusal.status)
    return _come_in(request, offer)


def _join(request: HttpRequest, token: str, offer: Offer) -> HttpResponse:
    form = NewPersonForm(request.POST)
    if not form.is_valid():
        return _page(request, token, offer, form=form, status=422)
    try:
        user = invitations.accept_as_new(token=token, **form.cleaned_data)
    except ValidationError as error:
        form.add_error("password", error)
        return _page(request, token, offer, form=form, status=422)
    except SomebodyElse as refusal:
        return _page(request, token, offer, problem=str(refusal), status=refusal.status)
    proven = None if offer.is_shown else offer.address
    response: HttpResponse = perform_login(request, user, redirect_url=address(OFFER), email=proven)
    if request.user.is_authenticated:
        # They chose it a moment ago: setting up a second factor need not ask for it again.
        reauthenticate_by_password(request)
        _come_in(request, offer)
    return response


def _come_in(request: HttpRequest, offer: Offer) -> HttpResponse:
    """Signed in, in that account, and offered a second factor by whoever has none."""
    request.session[SESSION_KEY] = str(offer.account_id)
    messages.success(request, f"You are in {offer.account} now, as {offer.role.label.lower()}.")
    assert isinstance(request.user, User)
    is_new = offer.role == Role.ADMIN and members.is_to_be_set_up(offer.account_id)
    return see_other(_onwards(is_new) if factors.has_factor(request.user) else address(OFFER))


def _onwards(is_new: bool) -> str:
    return reverse("admin:setup") if is_new else address(DESK)


@login_required
@require_safe
def second_factor(request: HttpRequest) -> HttpResponse:
    """Offered once, after somebody came in. Nobody is held up: where it must be, the account's rule asks for it."""
    tenant = getattr(request, "tenant", None)
    is_new = tenant is not None and tenant.role == Role.ADMIN and members.is_to_be_set_up(tenant.account_id)
    return render(request, "mfa/offer.html", {"onwards": _onwards(is_new), "is_new": is_new})


def _page(
    request: HttpRequest, token: str, offer: Offer, *, form: Any = None, problem: str = "", status: int = 200
) -> HttpResponse:
    """For a link that was shown on screen the page never tells whether its address is somebody's: whoever showed it could look."""
    user = request.user if isinstance(request.user, User) else None
    context = {
        "offer": offer,
        "does": invitations.WHAT_A_ROLE_DOES[offer.role],
        "here": request.path,
        "form": form or NewPersonForm(),
        "problem": problem,
        "login_url": reverse("account_login"),
    }
    if user is not None:
        name = "accept" if invitations.is_for(offer, user) else "somebody_else"
    elif not offer.is_shown and addresses.person_with(offer.address) is not None:
        name = "existing"
    else:
        name = "new"
    return render(request, f"invitations/{name}.html", context, status=status)
