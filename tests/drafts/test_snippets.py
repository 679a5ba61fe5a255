"""Snippets: kept by whom, used by whom, filled in with what is known."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.test import Client

from conversations.errors import Conflict, Invalid
from conversations.models import AuditEvent, User
from drafts.desk import snippets
from drafts.models import Draft, Golden, Snippet
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

Browser = Callable[[User], Client]


def save(
    world: World, actor: User, name: str = "Thanks", text: str = "Thank you, {first name}.", **more: Any
) -> Snippet:
    values = {"account_id": world.acme.pk, "actor": actor, "name": name, "text": text, "is_shared": False}
    return snippets.save(**{**values, **more})


def names(world: World, user: User) -> list[str]:
    return [one.name for one in Snippet.objects.of(user.pk)]


def test_ones_own_is_ones_own_and_a_shared_one_everybodys(world: World, acme: Any) -> None:
    save(world, world.cy, "Mine")
    save(world, world.ada, "Ours", is_shared=True)
    assert (names(world, world.cy), names(world, world.ada)) == (["Mine", "Ours"], ["Ours"])
    assert AuditEvent.objects.get(kind="snippet.shared").data == {"name": "Ours"}


def test_agents_share_nothing_and_change_and_remove_nothing_shared(world: World, acme: Any) -> None:
    shared = save(world, world.ada, "Ours", is_shared=True)
    for act in (
        lambda: save(world, world.cy, is_shared=True),
        lambda: save(world, world.cy, snippet_id=shared.pk),
        lambda: snippets.remove(snippet_id=shared.pk, actor=world.cy),
        lambda: save(world, world.bo),
    ):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            act()


def test_somebody_elses_is_not_there(world: World, acme: Any) -> None:
    own = save(world, world.cy)
    for act in (
        lambda: save(world, world.ada, snippet_id=own.pk),
        lambda: snippets.remove(snippet_id=own.pk, actor=world.ada),
        lambda: snippets.remove(snippet_id=uuid.uuid4(), actor=world.ada),
    ):
        with assert_nothing_written(), pytest.raises(Snippet.DoesNotExist):
            act()


def test_a_name_is_given_once_and_a_change_keeps_it(world: World, acme: Any) -> None:
    first = save(world, world.ada)
    with assert_nothing_written(), pytest.raises(Conflict, match="called “Thanks” already"):
        save(world, world.ada, text="Another")
    assert save(world, world.ada, text="Another", snippet_id=first.pk).pk == first.pk
    assert save(world, world.cy).pk != first.pk  # another person's own


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("", "x", "a name of 1"), ("n" * 61, "x", "a name of 1"), ("n", " \n", "a text of 1"), ("n", "x" * 5001, "5,000"),
     ("n", "Dear {surname}", "“{surname}” is no field")],
)  # fmt: skip
def test_what_says_nothing_is_refused(world: World, acme: Any, name: str, text: str, words: str) -> None:
    with assert_nothing_written(), pytest.raises(Invalid, match=words):
        save(world, world.ada, name, text)


def test_there_is_an_end_to_them(world: World, acme: Any) -> None:
    rows = [Snippet(account=acme, owner=world.ada, name=f"{n}", text="x") for n in range(snippets.MOST)]
    Snippet.objects.bulk_create(rows)
    with assert_nothing_written(), pytest.raises(Conflict, match=f"{snippets.MOST} already"):
        save(world, world.ada)


@pytest.fixture
def draft(world: World, acme: Any) -> Draft:
    return factories.draft(factories.message(world.mail))


def test_fields_are_filled_in_and_what_nobody_knows_stays_to_be_seen(world: World, draft: Draft) -> None:
    values = snippets.fields_of(draft, world.ada, "Acme")
    text = "{First Name}/{name}/{ number }/{me}/{account}/{x: 1}"
    number = draft.conversation.number
    assert snippets.filled(text, values) == f"Marcus/Marcus Delgado/#{number}/Ada/Acme/{{x: 1}}"
    assert snippets.filled("Hi {name}", {**values, "name": ""}) == "Hi {name}"


def test_the_picker_finds_by_every_word_and_approved_answers_after_snippets(world: World, draft: Draft) -> None:
    save(world, world.ada, "Return address", "1 Mill Lane")
    save(world, world.ada, "Thanks")
    save(world, world.cy, "Return of another person")
    Golden.objects.create(
        account=world.acme, question="How do I return a hose?", answer="In its box.", status="accepted", origin="person"
    )
    find = lambda words: [  # noqa: E731
        (one.name, one.kind) for one in snippets.find(draft=draft, actor=world.ada, words=words, account_name="Acme")
    ]
    assert find("return") == [("Return address", "yours"), ("How do I return a hose?", "approved answer")]
    assert find("return MILL") == [("Return address", "yours")]
    assert find("zzz") == []


def test_the_page_keeps_what_was_typed_and_the_picker_is_the_tenants(
    world: World, draft: Draft, signed_in: Browser
) -> None:
    client = signed_in(world.ada)
    refused = client.post("/snippets/", {"name": "Thanks", "text": "Dear {surname}"})
    page = BeautifulSoup(refused.content, "html.parser")
    assert (refused.status_code, page.select_one("[name=text]").text.strip()) == (422, "Dear {surname}")
    assert client.post("/snippets/", {"name": "Thanks", "text": "Thank you, {name}!"}).status_code == 303
    found = client.get(f"/drafts/{draft.pk}/snippets/?q=thank")
    option = BeautifulSoup(found.content, "html.parser").select_one("[role=option]")
    assert option["data-text"] == "Thank you, Marcus Delgado!"
    assert signed_in(world.eve).get(f"/drafts/{draft.pk}/snippets/").status_code == 404
    one = Snippet.objects.get()
    shown = BeautifulSoup(client.get(f"/snippets/?edit={one.pk}").content, "html.parser")
    assert shown.select_one("[name=name]")["value"] == "Thanks"
    assert signed_in(world.eve).get(f"/snippets/?edit={one.pk}").status_code == 404
    assert client.post(f"/snippets/{one.pk}/remove/").status_code == 303
    assert not Snippet.objects.exists()
