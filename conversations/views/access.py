"""Who may see a page at all, and the headers that every page of the desk carries."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.cache import patch_vary_headers

from conversations.models import User

View = Callable[..., HttpResponseBase]


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page. A history restore wants the whole page."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-History-Restore-Request") != "true"


def person(request: HttpRequest) -> User:
    """The signed-in person, after `signed_in`."""
    assert isinstance(request.user, User)
    return request.user


def signed_in(view: View) -> View:
    """Send a stranger to the log-in page; tell htmx by 401, because it would follow a redirect into the pane.

    What the desk shows belongs to a customer: it is neither cached nor shared, and page and fragment never mix.
    """

    @functools.wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase
        if request.user.is_authenticated:
            response = view(request, *args, **kwargs)
        elif request.headers.get("HX-Request") == "true":
            response = HttpResponse("Your session ended. Sign in again; nothing was changed.", status=401)
            response["HX-Trigger"] = "session-ended"
        else:
            response = redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))
        response.setdefault("Cache-Control", "no-store, private")
        patch_vary_headers(response, ["HX-Request", "Cookie"])
        return response

    return inner
