"""No page is kept by a browser or a proxy: every URL of the product, ours and allauth's, signed in and not."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import get_resolver

from conversations.web.no_store import NoStoreMiddleware
from tests.conftest import World
from tests.test_isolation_walk import filled, patterns

#: Patterns that the walk cannot fill by itself.
MORE = ["/accounts/password/reset/key/abc-set-password/", "/accounts/password/reset/key/1-x/"]


@pytest.mark.parametrize("name", ["nobody", "dan", "bo"])
def test_no_answer_may_be_stored(world: World, signed_in: Callable[..., Client], name: str) -> None:
    browser = Client() if name == "nobody" else signed_in(getattr(world, name), raise_request_exception=False)
    walked = set()
    for path, converters in patterns(get_resolver()):
        url = filled(path, converters, uuid.uuid4())
        if url is None or url in {"/accounts/logout/", "/admin/logout/"}:
            continue
        walked.add(url)
        for method in ("get", "post"):
            answer = getattr(browser, method)(url)
            assert "no-store" in answer.headers.get("Cache-Control", ""), f"{method} {url}: {answer.headers}"
    for url in [*MORE, "/accounts/logout/", "/nothing/here/"]:
        assert "no-store" in browser.get(url).headers["Cache-Control"], url
    assert len([url for url in walked if url.startswith("/accounts/")]) > 20
    assert len(walked) > 90


def test_a_page_that_would_let_itself_be_stored_is_not(rf: RequestFactory) -> None:
    """What a view says is not enough: allauth's and Django's say different things."""

    @login_not_required
    def cached(request: HttpRequest) -> HttpResponse:
        return HttpResponse("mine", headers={"Cache-Control": "public, max-age=3600"})

    assert NoStoreMiddleware(cached)(rf.get("/"))["Cache-Control"] == "no-store, private"
