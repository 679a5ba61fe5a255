"""The pages of a lost second factor, from the second step of signing in and from the links in mails."""

from __future__ import annotations

from allauth.account.internal.decorators import login_stage_required
from allauth.mfa.stages import AuthenticateStage
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from conversations.database import database_time
from conversations.errors import Conflict
from conversations.models import FactorReset
from conversations.people import addresses, lost_factor
from conversations.views.access import person, signed_in
from conversations.views.links import see_other


@require_http_methods(["GET", "HEAD", "POST"])
@login_stage_required(stage=AuthenticateStage.key, redirect_urlname="account_login")
def lost(request: HttpRequest) -> HttpResponse:
    """At the second step, after a right password: ask for a reset, look how it stands, finish it, or stop it."""
    stage = request._login_stage  # type: ignore[attr-defined]
    user = stage.login.user
    problem, status = "", 200
    if request.method == "POST":
        act = request.POST.get("act", "")
        try:
            if act == "finish":
                lost_factor.finish(user=user)
                finished: HttpResponse = stage.exit()
                return finished
            if act == "ask":
                lost_factor.ask(user=user)
            elif act == "cancel":
                lost_factor.cancel(user=user, how="at the second step of signing in")
            else:
                problem, status = "Choose one of the buttons. Nothing was changed.", 422
        except Conflict as error:
            problem, status = str(error), error.status
    reset = lost_factor.open_reset(user)
    context = {"reset": reset, "state": _state(reset), "problem": problem, "email": addresses.mailbox_of(user)}
    return render(request, "lost_factor/lost.html", context, status=status)


def _state(reset: FactorReset | None) -> str:
    if reset is None:
        return "none"
    if reset.ready_at is None:
        return "mailed"
    # Only what is offered; whether it may be finished the database decides.
    return "ready" if reset.ready_at <= database_time.now() else "waits"


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def prove(request: HttpRequest, token: str) -> HttpResponse:
    """The mail's link. A press of the button proves the address: whoever scans mails for links does not press."""
    return _by_link(request, token, "prove")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def cancel(request: HttpRequest, token: str) -> HttpResponse:
    """The other link in mails: stop it, from wherever one reads them."""
    return _by_link(request, token, "cancel")


def _by_link(request: HttpRequest, token: str, act: str) -> HttpResponse:
    done, reset = False, None
    try:
        reset = lost_factor.named_by(token, act)
        if request.method == "POST":
            if act == "prove":
                reset = lost_factor.prove(reset_id=reset.pk)
            else:
                lost_factor.cancel(user=reset.user, how="by the link in a mail")
            done = True
    except Conflict as error:
        context = {"act": act, "problem": str(error)}
        return render(request, "lost_factor/link.html", context, status=error.status)
    return render(request, "lost_factor/link.html", {"act": act, "reset": reset, "done": done})


@require_POST
@signed_in
def keep(request: HttpRequest) -> HttpResponse:
    """From any session of the person: the factor stays."""
    if lost_factor.cancel(user=person(request), how="from a session"):
        messages.success(request, "Your second factor stays. If you did not ask for this, change your password.")
    else:
        messages.info(request, "Nothing was waiting. Nothing was changed.")
    return see_other(reverse("mfa_index"))
