"""Watching a conversation: its watchers are told of mail, notes and the closing, each thing once, and of nothing they did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.models import AuditEvent, Membership, Notification, User, Watcher
from conversations.tenancy import tenant_context
from drafts.desk import life, merging, notes, watching
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World

Browser = Callable[[User], Client]


@pytest.fixture
def talk(world: World) -> Any:
    return factories.message(world.mail)


def watch(talk: Any, *people: User, on: bool = True) -> None:
    with tenant_context(talk.account_id):
        for one in people:
            watching.watch(conversation_id=talk.conversation_id, actor=one, on=on)


def told(world: World) -> list[tuple[str, str]]:
    with tenant_context(world.acme.pk):
        found = Notification.objects.filter(type="watched").order_by("id").select_related("user")
        return [(one.user.name if one.user else "", one.payload["what"]) for one in found]


def test_watchers_are_told_of_mail_notes_and_the_closing_but_not_of_their_own(world: World, talk: Any) -> None:
    watch(talk, world.ada, world.dan)
    factories.reply_to(talk, "And now?")
    with tenant_context(world.acme.pk):
        notes.write(conversation_id=talk.conversation_id, actor=world.ada, text="A word")
        life.close(conversation_id=talk.conversation_id, actor=world.dan, reason="other")
    assert sorted(told(world)[:2]) == [("Ada", "the customer wrote"), ("Dan", "the customer wrote")]
    assert told(world)[2:] == [("Dan", "Ada wrote a note"), ("Ada", "Dan closed it")]


def test_who_is_named_in_the_note_is_told_once(world: World, talk: Any) -> None:
    watch(talk, world.dan)
    with tenant_context(world.acme.pk):
        notes.write(conversation_id=talk.conversation_id, actor=world.ada, text="@Dan look")
        assert list(Notification.objects.values_list("type", flat=True)) == ["mentioned"]


def test_a_machines_mail_tells_nobody(world: World, talk: Any) -> None:
    watch(talk, world.dan)
    factories.reply_to(talk, "I am away", automatic="away")
    assert told(world) == []


def test_who_ends_it_muted_it_or_left_is_not_told(world: World, talk: Any) -> None:
    watch(talk, world.ada, world.cy, world.dan)
    watch(talk, world.ada, on=False)
    User.objects.filter(pk=world.cy.pk).update(preferences={"muted": ["watched"]})
    with tenant_context(world.acme.pk):
        Membership.objects.filter(user=world.dan).update(is_active=False)
    factories.reply_to(talk, "And now?")
    assert told(world) == []


def test_twice_is_once_and_the_trail_says_it(world: World, talk: Any) -> None:
    watch(talk, world.ada, world.ada)
    watch(talk, world.ada, world.ada, on=False)
    with tenant_context(world.acme.pk):
        kinds = AuditEvent.objects.filter(kind__endswith="watched").order_by("id").values_list("kind", flat=True)
        assert list(kinds) == ["conversation.watched", "conversation.unwatched"]


def test_who_watches_what_is_merged_watches_the_other_one(world: World, talk: Any) -> None:
    other = factories.message(world.mail, "Another")
    watch(talk, world.ada, world.dan)
    watch(other, world.dan)
    with tenant_context(world.acme.pk):
        merging.merge(conversation_id=talk.conversation_id, into=other.conversation_id, actor=world.cy)
    factories.reply_to(talk, "And now?")
    assert sorted(told(world)) == [("Ada", "the customer wrote"), ("Dan", "the customer wrote")]


def test_the_button_begins_and_ends_it(world: World, signed_in: Browser, talk: Any) -> None:
    client, url = signed_in(world.cy), f"/conversations/{talk.conversation_id}/"
    for words in ("Watch", "Watch no more"):
        button = BeautifulSoup(client.get(url).content, "html.parser").select_one("[data-key=watch]")
        assert " ".join(button.text.split()) == f"{words} V"
        assert client.post(f"{url}watch/", {"on": button["value"]}).status_code == 303
    with tenant_context(world.acme.pk):
        assert not Watcher.objects.exists()
    auditor, stranger = signed_in(world.bo), signed_in(world.eve)
    with assert_nothing_written_in(world.acme):
        assert auditor.post(f"{url}watch/").status_code == 403
        assert stranger.post(f"{url}watch/").status_code == 404
        assert client.get(f"{url}watch/").status_code == 405
