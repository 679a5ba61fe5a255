"""The addresses that vendors post to. Who calls is proved by a signature, not by a session."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from conversations.channels.base import Refused
from conversations.web import outage
from ingestion import posts


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def hook(request: HttpRequest, token: str) -> HttpResponse:
    """`POST` stores an event; `GET` says that something is here, to everybody, for some vendors look before they post.

    Answers are what vendors take well: 200 once it is stored or was before, 401 with the same bytes for a wrong signature
    and an unknown address, 413, and 503 while the database or the vendor's own keys are away, after which they come again. Never 410 or 429: those
    who get them remove the subscription, or drop what they had to say.
    """
    if request.method != "POST":
        return _plain("")
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        return _plain(posts.take_post(token=token, headers=headers, read=request.read))
    except Refused:
        refused = _plain("Not signed with a secret that stands.", status=401)
        refused._has_been_logged = True  # type: ignore[attr-defined]  # Django's line has the address in it
        return refused
    except (posts.TooLarge, posts.NotYet) as error:
        return _plain(str(error), status=error.status)
    except Exception as error:
        if not outage.is_passing(error):
            raise
        return outage.unavailable(request)


def _plain(text: str, *, status: int = 200) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
