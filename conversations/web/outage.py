"""When the database is away, every route says so at once: 503 with Retry-After, and what was typed is still there."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import DatabaseError, Error, InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.views.defaults import server_error as broken

logger = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds: web processes are well within this time of the database's return
#: SQLSTATE classes (PostgreSQL appendix A) after which the same request may pass: connection, rolled back for another's
#: sake, out of resources (a full disk too), stopped by an operator, storage failed.
PASSING_CLASSES = ("08", "40", "53", "57", "58")
PASSING = ("55P03",)  # a lock was not to be had in time
#: Fields that no page repeats.
SECRET = ("pass", "pw", "secret", "code", "credential", "token", "key", "auth", "otp")


def is_passing(error: BaseException | None) -> bool:
    """Whether this came from a database that is away or overloaded, and not from what was asked of it."""
    while error is not None:
        if isinstance(error, Error):
            state = getattr(error.__cause__, "sqlstate", None)
            if state is None:
                # Never connected, no room in the pool, or the connection broke; or psycopg was answered out of turn, by a
                # PgBouncer whose server died in the middle of a COMMIT ("received 2 results").
                return isinstance(error, OperationalError | InterfaceError | InternalError)
            return state in PASSING or state.startswith(PASSING_CLASSES)
        error = error.__cause__ or error.__context__
    return False


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: whatever a middleware or a view did not expect, asked for by every route there is."""
    error = sys.exc_info()[1]
    return unavailable(request) if is_passing(error) else broken(request)


def unavailable(request: HttpRequest) -> HttpResponse:
    """503, without asking the database for anything. A form is given back with what was typed into it (RFC 9110 15.6.4)."""
    logger.error("The database is away: %s %s was answered 503.", request.method, request.path)
    if request.path.startswith("/internal/"):
        said = "The database is away for a moment. Nothing is known to be stored; send the same request again."
        response: HttpResponse = JsonResponse({"detail": said, "errors": []}, status=503)
    else:
        context: dict[str, Any] = {"fields": _typed(request), "action": request.get_full_path()}
        response = HttpResponse(render_to_string("503.html", context), status=503)
    response["Retry-After"] = str(RETRY_AFTER)
    response["Cache-Control"] = "no-store"
    return response


def _typed(request: HttpRequest) -> list[tuple[str, str, bool]]:
    """The fields of a form that can be sent again: name, value, and whether a person wrote it (words, not an id).

    None if it had a file or a secret, which a page must not repeat, or is no form that can be read.
    """
    if request.method != "POST" or _is_long(request):
        return []
    try:
        fields = [(name, value) for name, values in request.POST.lists() for value in values]
        if request.FILES or any(part in name.lower() for name, _ in fields for part in SECRET if "csrf" not in name):
            return []
    except (OSError, ValueError, DatabaseError, BadRequest, SuspiciousOperation, MultiPartParserError):
        return []  # the body broke off too, or was none of a form
    return [(name, value, len(value) > 20 and " " in value.strip()) for name, value in fields]


def _is_long(request: HttpRequest) -> bool:
    """No form of ours is; a file of any size would be read here by the event loop, while everybody waits."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return not length.isdecimal() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
