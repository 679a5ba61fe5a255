"""Where the link in a test mail leads: whoever holds that mail says that it arrived. It opens nothing else."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from conversations.setup.channels import note_arrival, test_of


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def arrived(request: HttpRequest, token: str) -> HttpResponse:
    """A press and not the mere link: programs that look through mail open links, too."""
    channel = test_of(token)
    if channel is None:
        return render(request, "channel_tests/gone.html", status=404)
    if request.method == "POST":
        note_arrival(channel)
    return render(request, "channel_tests/arrived.html", {"channel": channel, "is_noted": request.method == "POST"})
