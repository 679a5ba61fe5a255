"""Tags: the account's own list, given in a menu, found by a filter and a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import IntegrityError, transaction
from django.test import Client

from conversations.errors import Invalid
from conversations.models import AuditEvent, ConversationTag, Tag, User
from conversations.tenancy import tenant_context
from drafts.desk import tags
from tests import factories
from tests.asserts import assert_nothing_written_in, counted
from tests.conftest import World

Browser = Callable[[User], Client]


@pytest.fixture
def talk(world: World) -> Any:
    return factories.message(world.mail, subject="Hose")


@pytest.fixture
def made(world: World) -> dict[str, Tag]:
    with tenant_context(world.acme.pk):
        return {
            name: Tag.objects.create(account=world.acme, name=name, colour=colour, is_retired=name == "Old")
            for name, colour in (("Fuel hose", "blue"), ("E85", "amber"), ("Old", "grey"))
        }


def soup(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def has(talk: Any) -> list[str]:
    with tenant_context(talk.account_id):
        links = ConversationTag.objects.filter(conversation=talk.conversation_id)
        return sorted(links.values_list("tag__name", flat=True))


def test_tags_are_given_and_taken_by_the_menu(
    world: World, signed_in: Browser, talk: Any, made: dict[str, Tag]
) -> None:
    client, url = signed_in(world.cy), f"/conversations/{talk.conversation_id}/"
    form = soup(client.get(url)).select_one(f"form[action='{url}tags/']")
    assert [label.text.strip() for label in form.select(".opt-row")] == ["E85", "Fuel hose"]
    client.post(f"{url}tags/", {"tag": [str(made["E85"].pk), str(made["Fuel hose"].pk)]})
    shown = soup(client.get(url))
    assert [label.text for label in shown.select(".labels .label")] == ["E85", "Fuel hose"]
    assert shown.select_one(".labels .label--amber").text == "E85"
    had = [field["value"] for field in shown.select("[name=had]")]
    said = client.post(f"{url}tags/", {"had": had, "tag": str(made["E85"].pk)}, follow=True)
    assert "Tags: E85." in said.content.decode()
    assert has(talk) == ["E85"]
    with tenant_context(world.acme.pk):
        whats = list(
            AuditEvent.objects.filter(kind="conversation.tagged").order_by("id").values_list("data__what", flat=True)
        )
    assert whats == ["added E85, Fuel hose", "removed Fuel hose"]


def test_what_a_colleague_did_meanwhile_stays(world: World, acme: Any, talk: Any, made: dict[str, Tag]) -> None:
    """Two forms that were opened at once, each with no tag given: both choices count."""
    for actor, name in ((world.ada, "E85"), (world.dan, "Fuel hose")):
        tags.retag(conversation_id=talk.conversation_id, actor=actor, add={made[name].pk}, remove=set())
    assert has(talk) == ["E85", "Fuel hose"]


def test_giving_it_again_is_giving_it_once(world: World, acme: Any, talk: Any, made: dict[str, Tag]) -> None:
    for _ in range(2):
        tags.retag(conversation_id=talk.conversation_id, actor=world.ada, add={made["E85"].pk}, remove=set())
    assert has(talk) == ["E85"]
    assert AuditEvent.objects.filter(kind="conversation.tagged").count() == 1


def test_a_retired_tag_stays_where_it_is_and_is_given_to_nothing_else(
    world: World, signed_in: Browser, talk: Any, made: dict[str, Tag]
) -> None:
    with tenant_context(world.acme.pk):
        add = {made["Old"].pk}
        with assert_nothing_written_in(world.acme), pytest.raises(Invalid, match="not in use any more"):
            tags.retag(conversation_id=talk.conversation_id, actor=world.ada, add=add, remove=set())
        ConversationTag.objects.create(account=world.acme, conversation_id=talk.conversation_id, tag=made["Old"])
    shown = soup(signed_in(world.ada).get(f"/conversations/{talk.conversation_id}/"))
    assert [label.text for label in shown.select(".labels .label")] == ["Old"]


def test_refusals_write_nothing(world: World, signed_in: Browser, talk: Any, made: dict[str, Tag]) -> None:
    with tenant_context(world.globex.pk):
        foreign = Tag.objects.create(account=world.globex, name="Theirs")
    url = f"/conversations/{talk.conversation_id}/tags/"
    agent, auditor, stranger = (signed_in(one) for one in (world.cy, world.bo, world.eve))
    with assert_nothing_written_in(world.acme):
        assert agent.post(url, {"tag": str(foreign.pk)}).status_code == 422
        assert agent.post(url, {"tag": "x"}).status_code == 422
        assert agent.get(url).status_code == 405
        assert auditor.post(url, {"tag": str(made["E85"].pk)}).status_code == 403
        assert stranger.post(url, {"tag": str(made["E85"].pk)}).status_code == 404


def test_the_database_lets_no_foreign_tag_in_and_none_twice(world: World, talk: Any, made: dict[str, Tag]) -> None:
    factories.tagged(talk, "VIP")
    with tenant_context(world.acme.pk):
        for name in ("vip", "VIP"):
            with pytest.raises(IntegrityError, match="tag_name"), transaction.atomic():
                Tag.objects.create(account=world.acme, name=name)
        with pytest.raises(IntegrityError, match="tag_colour_known"), transaction.atomic():
            Tag.objects.create(account=world.acme, name="New", colour="pink")


def test_the_lists_show_tags_and_are_filtered_by_one(
    world: World, signed_in: Browser, talk: Any, made: dict[str, Tag]
) -> None:
    vip = factories.tagged(talk, "VIP", colour="red")
    other = factories.message(world.mail, subject="Other")
    client = signed_in(world.bo)
    page = soup(client.get("/conversations/"))
    assert [[label.text for label in row.select(".label")] for row in page.select("#rows tr")] == [[], ["VIP"]]
    [link] = [one for one in page.select(".menu__list a") if "VIP" in one.text]
    assert link["href"] == f"?tag={vip.pk}"

    def rows(query: str) -> list[str]:
        return [cell.text for cell in soup(client.get(f"/conversations/?{query}")).select("#rows .cell-link")]

    assert rows(f"tag={vip.pk}") == rows("q=tag:vip") == ["Hose"]
    assert rows(f"tag={vip.pk}&list=closed") == rows(f"tag={made['E85'].pk}") == []
    assert rows("tag=x") == ["Other", "Hose"]
    chosen = soup(client.get(f"/conversations/?list=owed&tag={vip.pk}"))
    assert [chip["href"] for chip in chosen.select(".chip[aria-current]")][1:] == ["?list=owed"]
    assert f"?list=waiting&tag={vip.pk}" in [chip["href"] for chip in chosen.select("a.chip")]
    assert other.conversation_id != talk.conversation_id


def test_more_tagged_rows_take_no_more_statements(world: World, signed_in: Browser, talk: Any) -> None:
    factories.tagged(talk, "VIP")
    client = signed_in(world.ada)
    client.get("/conversations/")
    with counted() as few:
        client.get("/conversations/")
    for number in range(5):
        factories.tagged(factories.message(world.mail, subject=f"More {number}"), f"T{number}")
    with counted() as many:
        client.get("/conversations/")
    assert len(many) == len(few)


def test_an_admin_keeps_the_list_and_the_trail_says_so(world: World, signed_in: Browser, made: dict[str, Tag]) -> None:
    admin = signed_in(world.dan)
    assert signed_in(world.ada).get("/admin/conversations/tag/").status_code in {302, 403}
    added = admin.post("/admin/conversations/tag/add/", {"name": " Whole  sale ", "colour": "green"})
    assert added.status_code == 302
    twice = admin.post("/admin/conversations/tag/add/", {"name": "whole sale", "colour": "red"})
    assert "There is a tag of this name already." in twice.content.decode()
    pk = made["E85"].pk
    admin.post(f"/admin/conversations/tag/{pk}/change/", {"name": "E85", "colour": "red", "is_retired": "on"})
    with tenant_context(world.acme.pk):
        assert Tag.objects.get(name="Whole sale").colour == "green"
        assert Tag.objects.get(pk=pk).is_retired
        assert AuditEvent.objects.filter(kind="admin.changed", object_type="tag").count() == 2
