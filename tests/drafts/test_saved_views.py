"""Saved views: one's own, named once a page, twenty at most."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.errors import Conflict, Invalid
from conversations.models import Account, AuditEvent, User
from conversations.tenancy import tenant_context
from drafts.models import SavedView
from drafts.queue.savedviews import MAX_VIEWS, remove_view, save_view, views_of
from tests.asserts import assert_nothing_written, assert_nothing_written_in
from tests.conftest import World

Browser = Callable[[User], Client]
QUEUE = SavedView.Page.QUEUE


def test_a_view_is_kept_and_a_second_of_its_name_replaces_it(acme: Account, world: World) -> None:
    save_view(account_id=acme.pk, actor=world.ada, page=QUEUE, name=" My  chats ", query="channel=chat")
    save_view(account_id=acme.pk, actor=world.ada, page=QUEUE, name="My chats", query="channel=chat&show=care")
    assert [(v.name, v.query) for v in views_of(acme.pk, world.ada)] == [("My chats", "channel=chat&show=care")]
    assert views_of(acme.pk, world.dan) == []


@pytest.mark.parametrize(("name", "query"), [("", "a=b"), ("  ", ""), ("x" * 61, ""), ("long", "q=" + "x" * 500)])
def test_it_refuses_what_does_not_fit(acme: Account, world: World, name: str, query: str) -> None:
    with assert_nothing_written(), pytest.raises(Invalid):
        save_view(account_id=acme.pk, actor=world.ada, page=QUEUE, name=name, query=query)


def test_it_refuses_the_twenty_first_and_still_renames_none(acme: Account, world: World) -> None:
    for at in range(MAX_VIEWS):
        save_view(account_id=acme.pk, actor=world.ada, page=QUEUE, name=f"v{at}", query="")
    with assert_nothing_written(), pytest.raises(Conflict):
        save_view(account_id=acme.pk, actor=world.ada, page=QUEUE, name="one more", query="")
    save_view(account_id=acme.pk, actor=world.ada, page=QUEUE, name="v3", query="show=care")
    save_view(account_id=acme.pk, actor=world.ada, page=SavedView.Page.HISTORY, name="another page", query="")


def test_a_view_is_removed_by_its_owner_only(acme: Account, world: World) -> None:
    view = save_view(account_id=acme.pk, actor=world.ada, page=QUEUE, name="mine", query="")
    for user in (world.dan, world.eve):
        with pytest.raises(SavedView.DoesNotExist):
            remove_view(view_id=view.pk, actor=user)
    assert remove_view(view_id=view.pk, actor=world.ada) == "mine"
    assert views_of(acme.pk, world.ada) == []


def test_it_is_saved_listed_and_removed_on_its_page(world: World, signed_in: Browser) -> None:
    client = signed_in(world.ada)
    answer = client.post("/views/", {"page": "queue", "name": "Chats", "query": "show=care&channel=chat&nonsense=1"})
    assert (answer.status_code, answer["Location"]) == (303, "/queue/?show=care&channel=chat")
    listed = BeautifulSoup(client.get("/views/?page=queue").content, "html.parser")
    assert [a["href"] for a in listed.select("#views a.view")] == ["/queue/?show=care&channel=chat"]
    with tenant_context(world.acme.pk):
        pk = SavedView.objects.get().pk
    stranger = signed_in(world.dan)
    assert stranger.post(f"/views/{pk}/remove/").status_code == 404
    assert stranger.post(f"/views/{uuid.uuid4()}/remove/").status_code == 404
    assert signed_in(world.eve).post(f"/views/{pk}/remove/").status_code == 404
    assert client.post(f"/views/{pk}/remove/").status_code == 303
    with tenant_context(world.acme.pk):
        assert not SavedView.objects.exists()


def test_it_says_what_is_wrong_with_a_name(world: World, signed_in: Browser) -> None:
    client = signed_in(world.ada)
    answer = client.post("/views/", {"page": "queue", "name": "", "query": "show=care"})
    assert answer.status_code == 422
    assert "Nothing was saved" in answer.content.decode()
    assert client.post("/views/", {"page": "elsewhere", "name": "x"}).status_code == 422


def test_an_auditor_has_no_views_of_their_own_and_is_told(world: World, signed_in: Browser) -> None:
    assert signed_in(world.bo).post("/views/", {"page": "queue", "name": "x", "query": ""}).status_code == 403
    assert b"<form" not in signed_in(world.bo).get("/views/?page=queue").content.split(b"<main")[1].split(b"</main")[0]


def test_a_shared_view_is_everybodys_to_find_and_its_owners_or_an_admins_to_end(
    world: World, signed_in: Browser
) -> None:
    agent, reviewer, admin, auditor, stranger = (
        signed_in(one) for one in (world.cy, world.ada, world.dan, world.bo, world.eve)
    )
    with tenant_context(world.acme.pk):
        view = save_view(account_id=world.acme.pk, actor=world.cy, page=QUEUE, name="Chats", query="channel=chat")
    url = f"/views/{view.pk}/share/"

    def finds(client: Client) -> list[str]:
        return [one.text for one in BeautifulSoup(client.get("/views/").content, "html.parser").select("#views b")]

    assert [client.post(url).status_code for client in (reviewer, admin, auditor, stranger)] == [404, 404, 403, 404]
    assert finds(reviewer) == []
    assert agent.post(url).status_code == 303
    assert [finds(client) for client in (agent, reviewer, admin, auditor, stranger)] == [["Chats"]] * 4 + [[]]
    for client in (reviewer, auditor):
        with assert_nothing_written_in(world.acme):
            assert client.post(url, {"on": "0"}).status_code == 403
            assert client.post(f"/views/{view.pk}/remove/").status_code == (404 if client is reviewer else 403)
    assert admin.post(url, {"on": "0"}).status_code == 303
    assert finds(reviewer) == []
    with tenant_context(world.acme.pk):
        kinds = AuditEvent.objects.filter(kind__startswith="view.").order_by("id").values_list("kind", flat=True)
        assert list(kinds) == ["view.shared", "view.unshared"]


def test_a_view_of_the_history_keeps_its_list_and_its_tag(world: World, signed_in: Browser) -> None:
    saved = signed_in(world.ada).post(
        "/views/", {"page": "history", "name": "Owed", "query": "list=owed&tag=x&after=y"}
    )
    assert saved["Location"] == "/conversations/?list=owed&tag=x"
