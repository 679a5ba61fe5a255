"""Internal notes: they stand in the thread, tell whom they name, can be owed, and have no way out of the house."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.test import Client

from config.postgres import SUPERUSER, Cluster
from conversations.database import database_time
from conversations.errors import Invalid, Locked
from conversations.models import (
    Account,
    AuditEvent,
    Conversation,
    Delivery,
    Membership,
    MembershipChannel,
    Note,
    Notification,
    User,
)
from conversations.tenancy import tenant_context
from drafts.desk import editing, life, notes
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World

Browser = Callable[[User], Client]
SECRET = "zebracanary"


@pytest.fixture
def talk(world: World) -> Any:
    return factories.message(world.mail)


def write(talk: Any, actor: User, text: str = "Look at the bench sheet.", **more: Any) -> Note:
    with tenant_context(talk.account_id):
        return notes.write(conversation_id=talk.conversation_id, actor=actor, text=text, **more)


def page(client: Client, talk: Any) -> BeautifulSoup:
    return BeautifulSoup(client.get(f"/conversations/{talk.conversation_id}/").content, "html.parser")


def told(world: World) -> list[str]:
    with tenant_context(world.acme.pk):
        found = Notification.objects.filter(type="mentioned").select_related("user")
        return sorted(one.user.name for one in found if one.user)


def test_a_note_stands_where_it_was_written_and_nothing_is_owed_for_it(
    world: World, signed_in: Browser, talk: Any
) -> None:
    note = write(talk, world.cy, "First line.\r\n\r\nSecond.")
    factories.reply_to(talk, "And now?")
    shown = page(signed_in(world.bo), talk).select(".thread > article")
    assert [one.name == "article" and "note" in one["class"] for one in shown] == [False, True, False]
    assert [p.text for p in shown[1].select(".prose p")] == ["First line.", "Second."]
    assert "Internal note, never sent" in shown[1].text
    with tenant_context(world.acme.pk):
        found = Conversation.objects.get(pk=talk.conversation_id)
        event = AuditEvent.objects.get(kind="note.written")
    assert (found.owed, found.message_count) == ("message", 2)
    assert (event.object_id, event.data, event.actor_id) == (str(note.pk), {"names": 0}, str(world.cy.pk))


def test_the_reviewer_of_a_draft_reads_the_note(world: World, signed_in: Browser, talk: Any) -> None:
    draft = factories.draft(talk)
    write(talk, world.cy, "Do not name a torque.")
    shown = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{draft.pk}/").content, "html.parser")
    assert "Do not name a torque." in shown.select_one("#decide .note").text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@Dan, look", ["Dan"]),
        ("@dan and @Cy: look", ["Cy", "Dan"]),
        ("@Ada herself", []),  # who writes knows it
        ("write to x@dan", []),
        ("@Danube is no name", []),
        ("@Sam Fox and @eve", ["Sam Fox"]),  # eve works elsewhere
        ("@sam.two", ["Sam Poe"]),
    ],
)
def test_whom_a_note_names_is_told(world: World, talk: Any, text: str, names: list[str]) -> None:
    _sams(world)
    write(talk, world.ada, text)
    assert told(world) == names


def _sams(world: World) -> None:
    for address, name in (("sam.one", "Sam Fox"), ("sam.two", "Sam Poe")):
        sam = factories.person(address, world.acme, "agent")
        User.objects.filter(pk=sam.pk).update(display_name=name)


def test_a_name_that_two_bear_is_asked_about(world: World, talk: Any) -> None:
    _sams(world)
    with assert_nothing_written_in(world.acme), pytest.raises(Invalid, match="@Sam could be 2 colleagues"):
        write(talk, world.ada, "@Sam look")


def test_who_muted_it_or_does_not_see_the_channel_is_not_told(world: World, talk: Any) -> None:
    other = factories.channel(world.acme, external_id="sales@acme.test")
    with tenant_context(world.acme.pk):
        member = Membership.objects.get(user=world.cy)
        MembershipChannel.objects.create(account=world.acme, membership=member, channel=other)
    User.objects.filter(pk=world.dan.pk).update(preferences={"muted": ["mentioned"]})
    write(talk, world.ada, "@Cy @Dan look")
    assert told(world) == []


def test_the_notification_leads_to_the_note_and_holds_none_of_its_words(
    world: World, signed_in: Browser, talk: Any
) -> None:
    write(talk, world.ada, f"@Dan {SECRET}")
    with tenant_context(world.acme.pk):
        payload = Notification.objects.get(type="mentioned").payload
    assert SECRET not in str(payload)
    shown = BeautifulSoup(signed_in(world.dan).get("/notifications/").content, "html.parser")
    assert "By Ada, in #1." in shown.select_one(".notice").text
    assert shown.select_one(".notice a")["href"] == f"/conversations/{talk.conversation_id}/"


def test_no_delivery_takes_a_note(world: World, talk: Any) -> None:
    """The foreign key is checked at the end of the transaction, and refuses what is no message of the account."""
    draft = factories.draft(talk)
    delivery = factories.approved(draft, world.ada)
    note = write(talk, world.ada)
    with tenant_context(world.acme.pk), pytest.raises(IntegrityError, match="delivery_message_same_account"):
        with transaction.atomic():
            Delivery.objects.filter(pk=delivery.pk).update(message_id=note.pk)
            connection.check_constraints()


def test_the_words_of_a_note_stand_in_one_column_of_the_whole_database(
    committed_world: World, cluster: Cluster
) -> None:
    """No message, delivery, draft, search word, notification or event holds them, whatever happens afterwards."""
    world = committed_world
    talk = factories.message(world.mail)
    write(talk, world.ada, f"@Dan {SECRET}", due_at=None)
    factories.approved(factories.draft(factories.reply_to(talk, "And now?")), world.ada)
    found = set()
    with cluster.connect("countersign_test", SUPERUSER) as server:
        columns = server.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
        for table, column in columns:
            sql = f'SELECT EXISTS (SELECT FROM "{table}" WHERE "{column}"::text ILIKE %s)'
            if server.execute(sql, [f"%{SECRET}%"]).fetchone()[0]:
                found.add(f"{table}.{column}")
    assert found == {"conversations_note.text"}


def test_a_note_that_says_so_makes_it_owed(world: World, talk: Any) -> None:
    due = database_time.now() + timedelta(hours=3)
    write(talk, world.ada, "Look up the torque.\n\nIt is on the bench sheet.", due_at=due, to=world.dan.pk)
    with tenant_context(world.acme.pk):
        found = Conversation.objects.get(pk=talk.conversation_id)
    assert (found.owed, found.owed_note, found.due_at, found.owner_id) == (
        "note", "Look up the torque.", due, world.dan.pk,
    )  # fmt: skip


def test_what_cannot_be_owed_saves_no_note_either(world: World, talk: Any) -> None:
    past = database_time.now() - timedelta(hours=1)
    with assert_nothing_written_in(world.acme), pytest.raises(Invalid, match="within a year"):
        write(talk, world.ada, due_at=past)
    draft = factories.draft(talk)
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=draft.pk, actor=world.dan)
    later = database_time.now() + timedelta(hours=1)
    with assert_nothing_written_in(world.acme), pytest.raises(Locked):
        write(talk, world.ada, due_at=later)
    write(talk, world.ada)  # a word to who is at it is always possible


def test_a_legal_hold_keeps_what_somebody_would_take_back(world: World, signed_in: Browser, talk: Any) -> None:
    note = write(talk, world.cy, "We knew of the leak.")
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(legal_hold=True)
    client = signed_in(world.cy)
    with assert_nothing_written_in(world.acme):
        answer = client.post(f"/conversations/{talk.conversation_id}/notes/{note.pk}/remove/")
    assert (answer.status_code, "legal hold" in answer.content.decode()) == (409, True)


def test_its_author_takes_it_back_and_nobody_else(world: World, signed_in: Browser, talk: Any) -> None:
    note = write(talk, world.cy, f"@Dan {SECRET}")
    with tenant_context(world.acme.pk):
        with assert_nothing_written_in(world.acme), pytest.raises(PermissionDenied, match="only they can take it back"):
            notes.remove(note_id=note.pk, actor=world.dan)
        for _ in range(2):
            notes.remove(note_id=note.pk, actor=world.cy)
        found = Note.objects.get()
        assert (found.text, found.mentions) == ("", {})
        assert AuditEvent.objects.filter(kind="note.removed").count() == 1
    assert told(world) == []
    shown = page(signed_in(world.cy), talk).select_one(".note")
    assert "The note was taken back by its author." in shown.text
    assert shown.select("form") == []


def test_the_database_keeps_words_and_tombstones_apart(world: World, talk: Any) -> None:
    note = write(talk, world.cy)
    for values in ({"text": ""}, {"removed_at": database_time.now()}, {"erased_at": database_time.now()}):
        with tenant_context(world.acme.pk), pytest.raises(IntegrityError, match="note_has_text"), transaction.atomic():
            Note.objects.filter(pk=note.pk).update(**values)


def test_the_form_works_without_a_script_and_keeps_what_was_typed(world: World, signed_in: Browser, talk: Any) -> None:
    client, url = signed_in(world.cy), f"/conversations/{talk.conversation_id}/note/"
    saved = client.post(url, {"note_text": "@Dan and @Ada look"}, follow=True)
    assert "Note saved. Ada and Dan are told." in saved.content.decode()
    assert saved.redirect_chain[0][0].startswith(f"/conversations/{talk.conversation_id}/#n-")
    for values, words in (
        ({"note_text": " \x00 "}, "A note needs words."),
        ({"note_text": "x" * 10_001}, "A note can have 10,000 characters; this one has 10,001."),
        ({"note_text": "Keep me", "due": "yesterday"}, "Pick a time."),
        ({"note_text": "Keep me", "to": "x"}, "Reload the page"),
    ):
        with assert_nothing_written_in(world.acme):
            refused = client.post(url, values)
        assert refused.status_code == 422
        shown = BeautifulSoup(refused.content, "html.parser")
        assert words in shown.select_one("[role=alert]").text
        assert shown.select_one("#note-text").text.strip() == values["note_text"].replace("\x00", "").strip()


def test_who_may_not_or_is_elsewhere_gets_403_or_404(world: World, signed_in: Browser, talk: Any) -> None:
    note = write(talk, world.cy)
    for url in (
        f"/conversations/{talk.conversation_id}/note/",
        f"/conversations/{talk.conversation_id}/notes/{note.pk}/remove/",
    ):
        auditor, stranger, agent = (signed_in(one) for one in (world.bo, world.eve, world.cy))
        with assert_nothing_written_in(world.acme):
            assert auditor.post(url, {"note_text": "x"}).status_code == 403
            assert stranger.post(url, {"note_text": "x"}).status_code == 404
            assert agent.get(url).status_code == 405
    other = factories.message(world.mail, "Another")
    assert (
        signed_in(world.cy).post(f"/conversations/{other.conversation_id}/notes/{note.pk}/remove/").status_code == 404
    )


def test_nothing_is_noted_where_the_texts_are_gone(world: World, talk: Any) -> None:
    with tenant_context(world.acme.pk):
        life.close(conversation_id=talk.conversation_id, actor=world.ada, reason="other")
        Conversation.objects.filter(pk=talk.conversation_id).update(archived_at=database_time.now())
    with assert_nothing_written_in(world.acme), pytest.raises(Invalid, match="retention"):
        write(talk, world.ada)
