"""What a person does with their own chats, and what becomes of them by themselves."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from config.postgres import Cluster
from conversations.chats import exporting, sessions
from conversations.chats.sessions import Project
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import (
    Account,
    AssistantSession,
    AuditEvent,
    Conversation,
    MembershipChannel,
    Message,
    MessageVector,
    User,
)
from conversations.models.search import SearchWords
from conversations.people.roles import Verb, role_of
from conversations.tenancy import tenant_context
from drafts import retention
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

MARKER = "zebracanary"


def chat_of(session: AssistantSession) -> Conversation:
    return Conversation.objects.get(pk=session.conversation_id)


# --- begin and say ----------------------------------------------------------------------------------------------------
def test_general_talk_begins_anew_and_what_is_about_something_goes_on(world: World) -> None:
    case = factories.message(world.mail).conversation_id
    with tenant_context(world.acme.pk, person=world.cy.pk):
        begin: Any = lambda **about: sessions.start_session(actor=world.cy, account_id=world.acme.pk, **about)  # noqa: E731
        (first, is_new), (second, is_new_too) = begin(), begin()
        assert (is_new, is_new_too, first.pk == second.pk) == (True, True, False)
        for about in (
            {"context": "case", "case": case},
            {"context": "infrastructure"},
            {"context": "project", "project": Project("channel", world.mail.pk)},
        ):
            (one, made), (same, made_again) = begin(**about), begin(**about)
            assert (made, made_again, one.pk) == (True, False, same.pk)
    with tenant_context(world.acme.pk, person=world.ada.pk):  # each person has their own
        assert sessions.start_session(actor=world.ada, account_id=world.acme.pk, context="infrastructure")[1]
    with tenant_context(world.acme.pk):
        begun = AuditEvent.objects.filter(kind="session.started").order_by("pk")
        assert [event.data["context"] for event in begun] == [
            "general", "general", "case", "infrastructure", "project", "infrastructure",
        ]  # fmt: skip


def test_nobody_begins_a_chat_about_what_they_do_not_see(world: World) -> None:
    chat_channel = factories.channel(world.acme, type="chat", external_id="c", name="Chat")
    case = factories.message(world.mail).conversation_id
    theirs = factories.message(world.other_mail).conversation_id
    with tenant_context(world.acme.pk):
        membership = world.cy.memberships.get(account=world.acme)
        MembershipChannel.objects.create(account=world.acme, membership=membership, channel=chat_channel)
    own = factories.chat(world.acme, world.cy, "Mine").conversation_id
    with tenant_context(world.acme.pk, person=world.cy.pk), assert_nothing_written():
        for about in (
            {"context": "case", "case": case},
            {"context": "case", "case": theirs},
            {"context": "case", "case": own},
            {"context": "case", "case": uuid.uuid4()},
            {"context": "project", "project": Project("channel", world.mail.pk)},
            {"context": "project", "project": Project("planet", world.mail.pk)},
        ):
            with pytest.raises(ObjectDoesNotExist):
                sessions.start_session(actor=world.cy, account_id=world.acme.pk, **about)  # type: ignore[arg-type]
        for about in (
            {"context": "case"},
            {"context": "general", "case": case},
            {"context": "practice"},
            {"context": "x"},
        ):
            with pytest.raises(Invalid, match="Nothing was begun"):
                sessions.start_session(actor=world.cy, account_id=world.acme.pk, **about)  # type: ignore[arg-type]
    with tenant_context(world.acme.pk, person=world.bo.pk), assert_nothing_written():
        assert role_of(world.bo, world.acme.pk) == "auditor"
        with pytest.raises(PermissionDenied, match=Verb.ASSIST.label.lower()):
            sessions.start_session(actor=world.bo, account_id=world.acme.pk)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Which hose?", "Which hose?"),
        ("\n\n  Which   hose\tfor E85?  \nSecond line", "Which hose for E85?"),
        ("word " * 40, ("word " * 15).strip() + " …".strip()),
        ("x" * 300, "x" * 80 + "…"),
    ],
)
def test_the_first_message_names_the_chat(world: World, text: str, title: str) -> None:
    session = factories.chat(world.acme, world.ada, text, "And another thing")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        found = chat_of(session).title
        assert found == title or (text.startswith("word") and found.rstrip("…").strip() == ("word " * 16).strip()[:79])
        assert len(found) <= 81
        roles = Message.objects.in_order().values_list("seq", "role", "direction", "private_to")
        assert list(roles) == [(1, "user", "inbound", world.ada.pk), (2, "user", "inbound", world.ada.pk)]


def test_what_cannot_be_said_is_refused_and_nothing_is_written(world: World) -> None:
    session = factories.chat(world.acme, world.ada, "Hello")
    ended = factories.chat(world.acme, world.ada)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.close_session(session_id=ended.pk, actor=world.ada)
        with assert_nothing_written():
            for text in ("", "  \n\x00 ", "x" * 8001):
                with pytest.raises(Invalid):
                    sessions.post(session_id=session.pk, actor=world.ada, text=text, request_id="")
            with pytest.raises(Conflict, match="has ended"):
                sessions.post(session_id=ended.pk, actor=world.ada, text="Hello?", request_id="")
    for other in (world.dan, world.cy):
        with tenant_context(world.acme.pk, person=other.pk), assert_nothing_written():
            for act in (
                lambda who: sessions.post(session_id=session.pk, actor=who, text="Hello", request_id=""),
                lambda who: sessions.rename(session_id=session.pk, actor=who, title="Mine"),
                lambda who: sessions.set_flag(session_id=session.pk, actor=who, flag="pinned", on=True),
                lambda who: sessions.set_tags(session_id=session.pk, actor=who, tags=["x"]),
                lambda who: sessions.archive(session_id=session.pk, actor=who, on=True),
                lambda who: sessions.close_session(session_id=session.pk, actor=who),
                lambda who: sessions.delete_session(session_id=session.pk, actor=who),
                lambda who: exporting.export_session(session_id=session.pk, actor=who, form="json"),
            ):
                with pytest.raises(AssistantSession.DoesNotExist):
                    act(other)


# --- order ------------------------------------------------------------------------------------------------------------
def test_flags_titles_and_tags_are_kept_as_they_are_given(world: World) -> None:
    session = factories.chat(world.acme, world.ada, "Hello")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        for flag, column in (("pinned", "is_pinned"), ("favourite", "is_favorited")):
            for on in (True, True, False):
                sessions.set_flag(session_id=session.pk, actor=world.ada, flag=flag, on=on)  # type: ignore[arg-type]
                assert getattr(chat_of(session), column) is on
        assert chat_of(session).pinned_at is None
        sessions.rename(session_id=session.pk, actor=world.ada, title="  Hoses \n and torque ")
        assert chat_of(session).title == "Hoses and torque"
        assert sessions.set_tags(session_id=session.pk, actor=world.ada, tags=["VIP", " vip ", "", "Fuel  line"]) == [
            "fuel line", "vip",
        ]  # fmt: skip
        assert chat_of(session).tags == ["fuel line", "vip"]
        for wrong in ("", " \n", "x" * 201):
            with pytest.raises(Invalid):
                sessions.rename(session_id=session.pk, actor=world.ada, title=wrong)
        for tags in ([str(n) for n in range(21)], ["x" * 41]):
            with pytest.raises(Invalid):
                sessions.set_tags(session_id=session.pk, actor=world.ada, tags=tags)
        assert (chat_of(session).title, chat_of(session).tags) == ("Hoses and torque", ["fuel line", "vip"])


def test_pinning_again_keeps_its_place_and_writing_takes_out_of_the_archive(world: World) -> None:
    session = factories.chat(world.acme, world.ada, "Hello")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.set_flag(session_id=session.pk, actor=world.ada, flag="pinned", on=True)
        Conversation.objects.filter(pk=session.conversation_id).update(pinned_at="2026-01-01T00:00Z")
        sessions.set_flag(session_id=session.pk, actor=world.ada, flag="pinned", on=True)
        assert chat_of(session).pinned_at.year == 2026  # type: ignore[union-attr]
        assert chat_of(session).pinned_at.month == 1  # type: ignore[union-attr]
        sessions.archive(session_id=session.pk, actor=world.ada, on=True)
        sessions.post(session_id=session.pk, actor=world.ada, text="Again", request_id="")
        assert chat_of(session).is_archived is False


def test_a_deleted_chat_is_out_of_reach_and_its_subject_is_free_again(world: World) -> None:
    session = factories.chat(world.acme, world.ada, "Hello", context="infrastructure")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.set_flag(session_id=session.pk, actor=world.ada, flag="pinned", on=True)
        sessions.delete_session(session_id=session.pk, actor=world.ada)
        with pytest.raises(AssistantSession.DoesNotExist):
            sessions.post(session_id=session.pk, actor=world.ada, text="Hello?", request_id="")
        kept = AssistantSession.objects.get()
        assert (kept.status, kept.reason, kept.closed_at is not None) == ("completed", "deleted", True)
        assert (chat_of(session).deleted_at is not None, chat_of(session).is_pinned) == (True, False)
        assert sessions.start_session(actor=world.ada, account_id=world.acme.pk, context="infrastructure")[1]


# --- take along -------------------------------------------------------------------------------------------------------
def test_a_chat_is_taken_along_as_json_and_as_markdown_and_the_trail_says_so(world: World) -> None:
    session = factories.chat(world.acme, world.ada, f"Say {MARKER}\n\n# not a heading of ours")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        Message.objects.create(
            account=world.acme, conversation_id=session.conversation_id, direction="outbound", role="assistant",
            body_text="Here it is.", model_used="offline", tokens_used=3, private_to=world.ada,
        )  # fmt: skip
        data = exporting.export_session(session_id=session.pk, actor=world.ada, form="json")
        text = exporting.export_session(session_id=session.pk, actor=world.ada, form="markdown")
    read = json.loads(data.content)
    assert data.name.endswith(".json") and text.name.endswith(".md")
    assert [(m["seq"], m["role"], m["text"]) for m in read["messages"]] == [
        (1, "user", f"Say {MARKER}\n\n# not a heading of ours"), (2, "assistant", "Here it is."),
    ]  # fmt: skip
    assert (read["title"], read["status"], read["context"]) == (f"Say {MARKER}", "active", "general")
    headings = [line for line in text.content.splitlines() if line.startswith("#")]
    assert [heading.partition(",")[0] for heading in headings] == [f"# Say {MARKER}", "## You", "## Assistant"]
    with tenant_context(world.acme.pk):
        events = AuditEvent.objects.filter(kind="export.made")
        assert [(event.data["rows"], event.object_id) for event in events] == [(2, str(session.pk))] * 2
        assert MARKER not in repr(list(AuditEvent.objects.values()))


# --- by themselves ----------------------------------------------------------------------------------------------------
@pytest.fixture
def old(world: World) -> dict[str, AssistantSession]:
    """Chats of two people by what is due with them; each says the marker."""
    quiet = {"new": 1, "a month": 40, "a favourite": 40, "a year": 400, "deleted lately": 400, "deleted": 5, "never": 0}
    found = {}
    for number, (name, days) in enumerate(quiet.items()):
        person = (world.ada, world.dan)[number % 2]
        found[name] = factories.chat(world.acme, person, *([] if name == "never" else [f"{MARKER} {name}"]))
        with tenant_context(world.acme.pk, person=person.pk):
            if name == "a favourite":
                sessions.set_flag(session_id=found[name].pk, actor=person, flag="favourite", on=True)
            if name.startswith("deleted"):
                sessions.delete_session(session_id=found[name].pk, actor=person)
                since = database_time.now() - timedelta(days=1 if "lately" in name else 31)
                Conversation.objects.filter(pk=found[name].conversation_id).update(deleted_at=since)
            moment = database_time.now() - timedelta(days=days)
            Conversation.objects.filter(pk=found[name].conversation_id, last_message_at__isnull=False).update(
                last_message_at=moment
            )
            message = Message.objects.filter(conversation_id=found[name].conversation_id).first()
            if message:
                MessageVector.objects.create(account=world.acme, message=message, embedder="e", values=b"\x01")
    return found


def states(world: World, old: dict[str, AssistantSession]) -> dict[str, tuple[str, bool, bool]]:
    """By name: the session's status, whether its chat is put away, whether it says nothing any more."""
    found = {}
    for person in (world.ada, world.dan):
        with tenant_context(world.acme.pk, person=person.pk):
            for name, session in old.items():
                if row := AssistantSession.objects.select_related("conversation").filter(pk=session.pk).first():
                    chat = row.conversation
                    found[name] = (row.status, chat.is_archived, chat.forgotten_at is not None)
    return found


def test_chats_end_are_put_away_and_are_emptied_in_time(world: World, old: dict[str, AssistantSession]) -> None:
    """Acceptance 30, of chats: the dry run says what the run does, a legal hold keeps all."""
    with tenant_context(world.acme.pk):
        Account.objects.update(legal_hold=True)
    before = states(world, old)
    assert retention.apply(account_id=world.acme.pk, dry_run=False) == retention.HELD
    assert states(world, old) == before
    with tenant_context(world.acme.pk):
        Account.objects.update(legal_hold=False)
    expected = Counter({"chats emptied": 3, "messages of chats": 3, "chats put away": 1, "chats ended": 2})
    assert retention.apply(account_id=world.acme.pk, dry_run=True) == expected
    assert states(world, old) == before
    assert retention.apply(account_id=world.acme.pk, dry_run=False) == expected
    assert states(world, old) == {
        "new": ("active", False, False),
        "never": ("active", False, False),
        "a month": ("expired", True, False),
        "a favourite": ("expired", False, False),
        "a year": ("completed", True, True),
        "deleted": ("completed", True, True),
        "deleted lately": ("completed", True, True),
    }
    assert retention.apply(account_id=world.acme.pk, dry_run=False) == Counter()


def test_a_person_who_asks_is_forgotten_and_nobody_else_is(world: World, old: dict[str, AssistantSession]) -> None:
    asked: dict[str, Any] = {"account_id": world.acme.pk, "email": world.ada.email}
    expected = Counter({"chats emptied": 4, "messages of chats": 3})
    assert retention.erase_person(**asked, dry_run=True) == expected
    assert retention.erase_person(**asked, dry_run=False) == expected
    assert retention.erase_person(**asked, dry_run=False) == Counter()
    assert marked_of(world.ada, world) == 0
    assert marked_of(world.dan, world) > 0


def test_the_command_forgets_a_person_in_one_account_and_the_trail_holds(
    committed_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world = committed_world
    factories.chat(world.acme, world.ada, MARKER)
    call_command("retention", "--account", "acme", "--erase-person", world.ada.email, "--dry-run")
    call_command("retention", "--account", "acme", "--erase-person", world.ada.email)
    said = capsys.readouterr().out.splitlines()
    call_command("verify_audit", "--account", "acme")
    assert said == [
        "acme: would empty 1 messages of chats, 1 chats emptied",
        "acme: emptied 1 messages of chats, 1 chats emptied",
    ]


def marked_of(person: User, world: World) -> int:
    """How many rows of this person's chats still say anything."""
    with tenant_context(world.acme.pk, person=person.pk):
        chats = Conversation.objects.filter(kind="assistant")
        return (
            chats.exclude(title="", tags=[], summary="").count()
            + Message.objects.exclude(private_to=None).exclude(body_text="").count()
            + MessageVector.objects.count()
            + SearchWords.objects.exclude(private_to=None).count()
        )


def test_who_is_deleted_leaves_no_word_behind(committed_world: World, cluster: Cluster) -> None:
    world = committed_world
    session = factories.chat(world.acme, world.cy, MARKER)
    with tenant_context(world.acme.pk, person=world.cy.pk):
        message = Message.objects.get()
        MessageVector.objects.create(account=world.acme, message=message, embedder="e", values=b"\x01")

    def everything(sql: str, *params: Any) -> list[Any]:
        with cluster.connect("countersign_test", "app_owner") as owner:
            return owner.execute(sql, params).fetchall()

    with tenant_context(world.acme.pk):
        Account.objects.update(legal_hold=True)
    with pytest.raises(IntegrityError, match="legal hold"), transaction.atomic():
        world.cy.delete()
    with tenant_context(world.acme.pk):
        Account.objects.update(legal_hold=False)
    with tenant_context(world.acme.pk):
        User.objects.get(pk=world.cy.pk).delete()
    assert everything("SELECT title, message_count FROM conversations_conversation WHERE id = %s", session.conversation_id) == [("", 1)]  # fmt: skip
    assert everything("SELECT body_text, erased_at IS NULL FROM conversations_message") == [("", False)]
    assert everything("SELECT count(*) FROM conversations_messagevector") == [(0,)]
    assert everything("SELECT count(*) FROM conversations_searchwords") == [(0,)]
    with tenant_context(world.acme.pk, person=world.dan.pk), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM conversations_conversation")
        assert cursor.fetchone() == (0,)  # nobody's, not everybody's
