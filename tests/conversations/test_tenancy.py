"""The request's one transaction, and who is inside it."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from config.urls import urlpatterns as product
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


urlpatterns = [path("t/works/", works), path("t/raises/", raises), path("t/500/", answers_500), *product]


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
