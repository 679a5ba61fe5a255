"""The request's one transaction, and who is inside it."""

from __future__ import annotations

import pytest
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from config.urls import urlpatterns as product
from conversations.errors import Conflict
from conversations.models import Channel, Membership
from conversations.tenancy import current_account_id, tenant_context
from tests.conftest import World


def write(request: HttpRequest) -> None:
    Channel.objects.create(account_id=request.tenant.account_id, type="slack", external_id="T1", name="written")  # type: ignore[attr-defined]


def works(request: HttpRequest) -> HttpResponse:
    write(request)
    return HttpResponse(str(current_account_id()))


def raises(request: HttpRequest) -> HttpResponse:
    write(request)
    raise RuntimeError("after a write")


def answers_500(request: HttpRequest) -> HttpResponse:
    write(request)
    return HttpResponse(status=503)


#: What a view may raise for somebody else to answer, and the answer.
ANSWERED = {
    "log in again": (ReauthenticationRequired(), 302),
    "at once": (ImmediateHttpResponse(HttpResponse("instead", status=200)), 200),
    "refused": (Conflict("Somebody was faster."), 409),
    "forbidden": (PermissionDenied("Not you."), 403),
    "missing": (Http404(), 404),
}


def reads(request: HttpRequest) -> HttpResponse:
    raise ReauthenticationRequired


def answered_elsewhere(request: HttpRequest, kind: str) -> HttpResponse:
    write(request)
    raise ANSWERED[kind][0]


urlpatterns = [
    path("t/works/", works),
    path("t/raises/", raises),
    path("t/500/", answers_500),
    path("t/answered/<str:kind>/", answered_elsewhere),
    path("t/reads/", reads),
    *product,
]


@pytest.fixture
def browser(committed_world: World, signed_in) -> Client:
    return signed_in(committed_world.dan, raise_request_exception=False)


def written(world: World) -> bool:
    with tenant_context(world.acme.pk):
        return Channel.objects.filter(name="written").exists()


@override_settings(ROOT_URLCONF=__name__)
def test_what_a_view_writes_is_committed_in_the_tenant(committed_world: World, browser: Client) -> None:
    assert browser.get("/t/works/").content.decode() == str(committed_world.acme.pk)
    assert written(committed_world)


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("url", ["/t/raises/", "/t/500/"])
def test_what_a_failed_view_wrote_is_rolled_back(committed_world: World, browser: Client, url: str) -> None:
    assert browser.get(url).status_code >= 500
    assert not written(committed_world)


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("kind", ANSWERED)
def test_an_exception_that_becomes_an_answer_keeps_it_and_loses_the_writes(
    committed_world: World, browser: Client, kind: str
) -> None:
    """allauth asks the database for one's factors before it sends one to log in again: that was a 500."""
    for method in (browser.get, browser.post):
        assert method(f"/t/answered/{kind}/").status_code == ANSWERED[kind][1]
    assert not written(committed_world)


@override_settings(ROOT_URLCONF=__name__)
def test_the_answer_to_an_exception_is_made_in_the_same_tenant_and_as_bound(
    committed_world: World, signed_in, monkeypatch
) -> None:
    from allauth.account.adapter import DefaultAccountAdapter

    seen = []

    def methods(self: object, user: object) -> list[dict[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            seen.append((current_account_id(), cursor.fetchone()[0]))
        return []

    monkeypatch.setattr(DefaultAccountAdapter, "get_reauthentication_methods", methods)
    signed_in(committed_world.dan).get("/t/reads/")
    signed_in(committed_world.bo).get("/t/reads/")  # an auditor's stays read-only
    assert seen == [(committed_world.acme.pk, "off"), (committed_world.acme.pk, "on")]


@override_settings(ROOT_URLCONF=__name__)
def test_an_auditors_request_cannot_write_even_by_mistake(committed_world: World, signed_in) -> None:
    auditor = signed_in(committed_world.bo, raise_request_exception=False)
    assert auditor.get("/t/works/").status_code == 500
    assert auditor.post("/queue/").status_code == 403
    assert not written(committed_world)


def test_the_tenant_menu_only_leads_where_one_belongs(world: World, signed_in) -> None:
    browser = signed_in(world.ada)
    browser.post("/switch/", {"account": str(world.globex.pk)})
    assert browser.session.get("account_id") != str(world.globex.pk)
    with tenant_context(world.globex.pk):
        Membership.objects.create(account=world.globex, user=world.ada, role="agent")
    browser.post("/switch/", {"account": str(world.globex.pk)})
    browser.get("/queue/")
    assert browser.session["account_id"] == str(world.globex.pk)


def test_the_readiness_page_answers_without_a_session(world: World) -> None:
    assert Client().get("/healthz").content == b"ok"
    assert Client().get("/readyz").json()["database"] == "ok"
