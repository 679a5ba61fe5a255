"""The stream that tells an open page to look again, and the bell that looks."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from conversations.people.roles import Verb, may
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.web import live


def is_live(request: HttpRequest) -> bool:
    """Whether this server can keep a stream open: under WSGI each would hold a worker, so pages ask every 10 s."""
    return settings.LISTEN and isinstance(request, ASGIRequest)


@require_GET
def stream(request: HttpRequest) -> HttpResponseBase:
    """Server-sent events for one page; who it is and what it may see is checked here, once a connection.

    204 where there is no live server: the page goes on asking by itself.
    """
    response: HttpResponseBase
    if not request.user.is_authenticated:
        response = HttpResponse("Your session ended. Sign in again; nothing was changed.", status=401)
    else:
        tenant = require_tenant(request)
        if not may(tenant, Verb.READ):
            raise PermissionDenied("Your role may not watch this account. Ask an admin.")
        if not is_live(request):
            response = HttpResponse(status=204)
        else:
            page = live.Stream(
                account_id=tenant.account_id,
                user_id=person(request).pk,
                session_key=request.session.session_key or "",
                is_member=tenant.role is not None,
            )
            response = StreamingHttpResponse(live.events(page), content_type="text/event-stream")
            response["X-Accel-Buffering"] = "no"
    response["Cache-Control"] = "no-store, private"
    patch_vary_headers(response, ["Cookie"])
    return response


@require_GET
@signed_in
def bell(request: HttpRequest) -> HttpResponse:
    """How many notifications are unread, for the bell in the top bar."""
    return render(request, "components/_unread.html", {"unread": require_tenant(request).unread})
