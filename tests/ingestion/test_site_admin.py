"""Sites in the administration: the only place that opens the own network to a crawl."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.models import AuditEvent
from conversations.tenancy import tenant_context
from ingestion.models import Site
from tests.conftest import World

ADD = "/admin/ingestion/site/add/"
FORM = {
    "url": "https://Help.Acme.test:443/start#top",
    "name": "Help",
    "max_pages": "50",
    "every_hours": "24",
    "is_active": "on",
}


def test_an_admin_adds_a_site_and_the_trail_says_so(world: World, signed_in: Any) -> None:
    assert signed_in(world.dan).post(ADD, FORM).status_code == 302
    with tenant_context(world.acme.pk):
        site = Site.objects.get()
        assert AuditEvent.objects.get(kind="admin.changed").data["fields"].startswith("url, ")
    assert (site.url, site.allow_private) == ("https://help.acme.test/start", False)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"url": "ftp://help.acme.test/"}, "begin with http"),
        ({"url": "https://ada:pw@help.acme.test/"}, "name and password"),
        ({"max_pages": "0"}, "max_pages"),
        ({"max_pages": "100001"}, "max_pages"),
        ({"every_hours": "-1"}, "every_hours"),
    ],
)
def test_what_is_no_site_is_refused(world: World, signed_in: Any, wrong: dict[str, str], why: str) -> None:
    answer = signed_in(world.dan).post(ADD, {**FORM, **wrong})
    assert answer.status_code == 200 and why in answer.content.decode()
    with tenant_context(world.acme.pk):
        assert not Site.objects.exists()


def test_a_site_is_there_once_in_an_account(world: World, signed_in: Any) -> None:
    browser = signed_in(world.dan)
    browser.post(ADD, FORM)
    answer = browser.post(ADD, FORM)
    assert answer.status_code == 200 and "a site already" in answer.content.decode()
    with tenant_context(world.globex.pk):
        Site.objects.create(account=world.globex, url="https://help.acme.test/start")


@pytest.mark.parametrize("who", ["ada", "cy", "bo", "eve"])
def test_nobody_else_sees_or_adds_sites(world: World, signed_in: Any, who: str) -> None:
    with tenant_context(world.acme.pk):
        site = Site.objects.create(account=world.acme, url="https://help.acme.test/")
    browser = signed_in(getattr(world, who))
    for path in (ADD, f"/admin/ingestion/site/{site.pk}/change/"):
        assert browser.post(path, FORM).status_code in (302, 403, 404)
    with tenant_context(world.acme.pk):
        assert [each.url for each in Site.objects.all()] == ["https://help.acme.test/"]
