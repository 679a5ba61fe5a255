"""Where the mail about a changed password leads whoever did not change it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from conversations.people import passwords


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def not_me(request: HttpRequest, token: str) -> HttpResponse:
    """The link shows a button; only the press ends anything."""
    user = passwords.person_of(token)
    if user is None:
        return render(request, "account/not_me_gone.html", status=404)
    if request.method == "POST":
        passwords.end_everything(user)
    return render(request, "account/not_me.html", {"is_done": request.method == "POST"})
