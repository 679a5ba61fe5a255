"""What an arriving message leaves behind, to the last column; what of it is cut; and what the second look under the lock
is for. `test_record_inbound.py` says what becomes of the draft, `test_joining.py` who joins what."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conversations import audit, hooks
from conversations.channels.base import Authentication, Automatic, File, Party
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.messages import elsewhere, inbox
from conversations.messages.tombstones import tombstone
from conversations.models import Account, AuditEvent, Channel, Conversation, Message
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World

ANN = Party("Ann@customer.test", "Ann Lee")
SHOWN = [
    "message-id", "date", "from", "sender", "reply-to", "to", "cc", "subject", "in-reply-to", "references",
    "authentication-results", "auto-submitted", "x-auto-response-suppress", "precedence", "list-id", "return-path",
    "x-mailer", "user-agent",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _files(attachments_dir: Any) -> None:
    pass


def receive(world: World, text: str = "A question", **changes: Any) -> Message:
    return inbox.record_inbound(channel=world.mail, inbound=factories.inbound(text, **changes))[0]


# --- what of it is kept ------------------------------------------------------------------------------------------------
def test_every_text_is_cut_to_what_its_column_holds_and_cleaned() -> None:
    long, party = "\x00" + "x" * 3000, Party("\x00" + "a" * 400, "\x00" + "n" * 300)
    found = inbox.storable(
        factories.inbound(
            long, external_id=long, thread_id=long, sender=party, reply_to=party, answer_to=(party,) * 11, recipient=long,
            to=(party,) * 101, cc=(party,) * 101, subject=long, body_html=long, references=(long,) * 51,
            headers=dict.fromkeys([*SHOWN, "x-other"], long), problems=(long,) * 21, automatic_reason=long,
        )
    )  # fmt: skip
    cut = Party("a" * 320, "n" * 200)
    assert (found.external_id, found.thread_id, found.recipient) == ("x" * 960, "x" * 255, "x" * 320)
    assert (found.sender, found.reply_to, found.answer_to) == (cut, cut, (cut,) * 10)
    assert (found.to, found.cc) == ((Party("a" * 320),) * 100, (Party("a" * 320),) * 100)
    assert (found.subject, found.references) == ("x" * 998, ("x" * 998,) * 50)
    assert (found.body_text, found.body_new, found.body_html) == ("x" * 3000,) * 3
    assert found.headers == dict.fromkeys(SHOWN, "x" * 2000)
    assert (found.problems, found.automatic_reason) == (("x" * 300,) * 20, "x" * 300)


def test_a_message_is_kept_with_everything_its_channel_told(world: World, acme: Any) -> None:
    message = receive(
        world, "Hello\n> old", body_new="Hello", subject="Hose", sender=ANN, reply_to=Party("r@customer.test", "R"),
        recipient="support@acme.test", to=(Party("support@acme.test"),), cc=(Party("c@customer.test"),),
        authentication=Authentication("pass", "mx", spf="pass", dkim="none", dmarc="fail"), headers={"x-mailer": "M"},
        problems=("a part could not be read",), references=tuple(f"<{n}@x.test>" for n in range(25)),
        sent_at=datetime(2026, 3, 1, tzinfo=UTC), body_html="<p>Hello</p>", files=(File("a.txt", "text/plain", b"x"),),
    )  # fmt: skip
    message.refresh_from_db()
    assert (message.channel, message.direction, message.role) == (world.mail, "inbound", "user")
    assert (message.subject, message.body_text, message.body_new) == ("Hose", "Hello\n> old", "Hello")
    assert (message.body_html, message.sent_at) == ("<p>Hello</p>", datetime(2026, 3, 1, tzinfo=UTC))
    assert (message.is_automatic, len(message.content_sha256)) == (False, 64)
    assert message.metadata == {
        "sender": "Ann@customer.test",
        "sender_name": "Ann Lee",
        "reply_to": "r@customer.test",
        "answer_to": [{"address": "r@customer.test", "name": "R"}],
        "recipient": "support@acme.test",
        "authentication": {"verdict": "pass", "server": "mx", "spf": "pass", "dkim": "none", "dmarc": "fail"},
        "to": ["support@acme.test"],
        "cc": ["c@customer.test"],
        "headers": {"x-mailer": "M"},
        "problems": ["a part could not be read"],
        "source": {"references": [f"<{n}@x.test>" for n in range(20)]},
    }
    opened, received = AuditEvent.objects.filter(kind__in=["conversation.opened", "message.received"]).order_by("id")
    assert (opened.actor_name, opened.object_id) == ("Customer", str(message.conversation_id))
    assert opened.data == {"channel": "Acme mail", "number": 1}
    assert (received.actor_name, received.object_id) == ("Customer", str(message.pk))
    assert received.data == {"seq": 1, "channel": "Acme mail", "files": 1, "automatic": ""}
    assert opened.conversation_id == received.conversation_id == message.conversation_id
    assert (set(opened.commitments), set(received.commitments)) == ({"actor"}, {"actor", "body"})
    assert audit.holds(opened, "actor", "Ann Lee") is audit.holds(received, "actor", "Ann Lee") is True


def test_a_message_that_tells_little_has_nothing_in_those_places(world: World, acme: Any) -> None:
    first = receive(world, "Hello", sender=Party("ann@customer.test"), body_new="", answer_to=(ANN,))
    message = factories.reply_to(
        first, "", body_new="", automatic=Automatic.AUTO_REPLY, automatic_reason="Auto-Submitted", references=(first.external_id,),
        sender=Party("ann@customer.test"),
    )  # fmt: skip
    assert first.body_new == "Hello"
    assert first.metadata["answer_to"] == [{"address": "Ann@customer.test", "name": "Ann Lee"}]
    assert (message.body_text, message.body_new, message.body_html) == (inbox.UNREADABLE, inbox.UNREADABLE, "")
    assert abs(message.sent_at - database_time.now()) < timedelta(seconds=30)
    assert message.metadata == {
        "sender": "ann@customer.test",
        "source": {"references": [first.external_id]},
        "automatic": "auto_reply",
        "automatic_reason": "Auto-Submitted",
    }
    event = AuditEvent.objects.filter(kind="message.received").order_by("-id")[0]
    assert (event.actor_name, event.data["automatic"]) == ("Customer", "auto_reply")
    assert audit.holds(event, "actor", "ann@customer.test") is True


def test_a_new_conversation_is_named_by_the_thread_the_subject_and_the_sender(world: World, acme: Any) -> None:
    named = receive(world, sender=ANN, subject="S" * 300, thread_id="t-1").conversation
    assert (named.external_id, named.subject, named.title) == ("t-1", "S" * 200, "S" * 200)
    assert (named.customer_email, named.customer_name) == ("Ann@customer.test", "Ann Lee")
    message = receive(world, "  The\n whole   text " + "x" * 100, subject="", body_new="  The\n new   text " + "x" * 100, external_id="e" * 500)  # fmt: skip
    assert message.conversation.subject == "The new text " + "x" * 67
    assert message.conversation.external_id == f"{'e' * 180}:{message.content_sha256[:32]}"
    assert message.conversation.number == 2
    assert receive(world, "Only this", subject="", body_new="").conversation.subject == "Only this"


def test_the_apps_above_are_told_of_the_conversation_as_it_is_now(world: World, acme: Any, monkeypatch: Any) -> None:
    told: list[tuple[Conversation, Message]] = []
    monkeypatch.setattr(hooks, "on_inbound", [lambda conversation, message: told.append((conversation, message))])
    first = receive(world)
    again = factories.reply_to(first)
    conversation, message = told[-1]
    assert message == again
    kept = Conversation.objects.get()
    for name in ("last_seq", "message_count", "user_message_count", "last_message_at", "last_inbound_message"):
        assert getattr(conversation, name) == getattr(kept, name), name


def test_the_answer_is_due_by_the_channel_else_by_the_account_and_the_first_to_wait_counts(
    world: World, acme: Any
) -> None:
    def waits(message: Message) -> timedelta:
        message.conversation.refresh_from_db()
        assert message.conversation.due_at is not None
        return message.conversation.due_at - message.received_at

    Account.objects.update(settings={"due_minutes": 60})
    first = receive(world)
    assert waits(first) == timedelta(minutes=60)
    later = factories.reply_to(first)
    assert waits(first) == timedelta(minutes=60), "the one that waits longest"
    assert waits(later) < timedelta(minutes=60)
    world.mail.metadata = {**world.mail.metadata, "due_minutes": 5}
    world.mail.save()
    assert waits(receive(world)) == timedelta(minutes=5)


# --- the same message, and not the same --------------------------------------------------------------------------------
PLAIN = factories.inbound("Text", sender=ANN, subject="S", body_html="<p>Text</p>", external_id="<1@c.test>")


@pytest.mark.parametrize(
    "route",
    [
        {"external_id": "<2@c.test>"},
        {"headers": {"date": "today"}},
        {"sender": Party("ANN@CUSTOMER.TEST", "A. Lee")},
        {"reply_to": Party("ann@customer.TEST")},
        {"answer_to": (Party("ANN@customer.test"),)},
    ],
    ids=str,
)
def test_the_route_it_took_does_not_make_it_another(route: dict[str, Any]) -> None:
    assert inbox.content_digest(replace(PLAIN, **route)) == inbox.content_digest(PLAIN)


def test_who_what_where_to_and_the_files_make_it_another() -> None:
    a, b = File("a", "text/plain", b"a"), File("b", "text/plain", b"b")
    changes: list[dict[str, Any]] = [
        {}, {"sender": Party("else@customer.test")}, {"subject": "T"}, {"body_text": "Other"}, {"body_html": ""},
        {"files": (a,)}, {"files": (b,)}, {"files": (a, b)}, {"reply_to": Party("x@customer.test")},
        {"answer_to": (ANN, Party("x@customer.test"))},
    ]  # fmt: skip
    assert len({inbox.content_digest(replace(PLAIN, **change)) for change in changes}) == len(changes)


def test_the_order_and_the_case_of_those_who_are_to_be_answered_say_nothing() -> None:
    one, two = Party("One@x.test"), Party("two@x.test")
    turned = replace(PLAIN, answer_to=(Party("TWO@x.test"), one))
    assert inbox.content_digest(replace(PLAIN, answer_to=(one, two))) == inbox.content_digest(turned)


def test_another_message_of_the_same_id_gets_a_name_of_its_own(world: World, acme: Any) -> None:
    first = receive(world, "One", external_id="<same@c.test>")
    second = receive(world, "Two", external_id="<same@c.test>")
    assert first.external_id == "<same@c.test>"
    assert second.external_id == f"<same@c.test>#{second.content_sha256[:32]}"
    elsewhere = factories.channel(world.acme, external_id="b@acme.test", name="B")
    same, is_new = inbox.record_inbound(
        channel=elsewhere, inbound=factories.inbound("One", external_id="<same@c.test>")
    )
    assert (is_new, same.external_id) == (True, "<same@c.test>")


def test_the_sender_may_say_which_conversation_it_belongs_to(world: World, acme: Any) -> None:
    first = receive(world)
    stranger = factories.inbound("Mine", sender=Party("else@evil.test"))
    found, is_new = inbox.record_inbound(channel=world.mail, inbound=stranger, into=first.conversation_id)
    assert (found.conversation, is_new) == (first.conversation, True)


# --- the second look -----------------------------------------------------------------------------------------------------
@pytest.fixture
def meanwhile(monkeypatch: Any) -> Callable[[Callable[[], Any]], None]:
    """Do something else just before the lock on new conversations is had, as another worker does."""
    lock = inbox._one_at_a_time

    def prepare(act: Callable[[], Any]) -> None:
        def locked(account_id: Any) -> None:
            monkeypatch.setattr(inbox, "_one_at_a_time", lock)
            act()
            lock(account_id)

        monkeypatch.setattr(inbox, "_one_at_a_time", locked)

    return prepare


def test_a_thread_that_was_opened_while_we_waited_is_joined(world: World, acme: Any, meanwhile: Any) -> None:
    meanwhile(lambda: receive(world, "One", thread_id="t"))
    assert receive(world, "Two", thread_id="t").conversation == Conversation.objects.get()


def test_a_message_that_came_twice_while_we_waited_is_stored_once(world: World, acme: Any, meanwhile: Any) -> None:
    mail = factories.inbound("Once")
    meanwhile(lambda: inbox.record_inbound(channel=world.mail, inbound=mail))
    found, is_new = inbox.record_inbound(channel=world.mail, inbound=mail)
    assert (found, is_new) == (Message.objects.get(), False)


def test_a_message_of_an_open_thread_does_not_queue_with_the_new_ones(world: World, acme: Any) -> None:
    first = receive(world)
    with counted() as queries:
        factories.reply_to(first)
    statements = [query["sql"] for query in queries]
    assert not any("pg_advisory_xact_lock" in sql for sql in statements)
    locks = [sql for sql in statements if "conversations_conversation" in sql and "FOR UPDATE OF" in sql]
    assert len(locks) == 1


def find_or_open(world: World, **changes: Any) -> tuple[Conversation, bool]:
    values = {"external_id": "x-1", "subject": "S", "customer": ANN, "actor": audit.SYSTEM}
    return inbox.find_or_open(channel=world.mail, **{**values, **changes})


def test_what_the_provider_knows_is_opened_once(world: World, acme: Any) -> None:
    opened, is_new = find_or_open(world)
    assert (opened.external_id, opened.subject, opened.customer_email, is_new) == ("x-1", "S", ANN.address, True)
    assert AuditEvent.objects.get(kind="conversation.opened").actor_name == audit.SYSTEM.name
    with assert_nothing_written(), counted() as queries:
        assert find_or_open(world, subject="T") == (opened, False)
    assert not any("pg_advisory_xact_lock" in query["sql"] for query in queries)
    other = factories.channel(world.acme, external_id="b@acme.test", name="B")
    assert inbox.find_or_open(channel=other, external_id="x-1", subject="S", customer=ANN, actor=world.ada)[1]
    assert find_or_open(world, external_id="x-2")[0].number == 3


def test_what_was_opened_while_we_waited_is_found(world: World, acme: Any, meanwhile: Any) -> None:
    meanwhile(lambda: find_or_open(world))
    assert find_or_open(world) == (Conversation.objects.get(), False)


def test_a_conversation_can_be_opened_for_nobody_yet(world: World, acme: Any) -> None:
    with counted() as queries:
        found = inbox.open_conversation(channel=world.mail, external_id="\x00" + "x" * 300)
        long = inbox.open_conversation(channel=world.mail, external_id="y", customer=Party("a" * 400, "n" * 300))
    assert (long.customer_email, long.customer_name) == ("a" * 320, "n" * 200)
    assert (found.external_id, found.subject, found.customer_email, found.customer_name) == ("x" * 255, "", "", "")
    assert "pg_advisory_xact_lock" in queries[0]["sql"], "numbers have no gaps"


# --- what was sent elsewhere ---------------------------------------------------------------------------------------------
def answered(conversation: Conversation, **changes: Any) -> tuple[Message, bool]:
    values = {"external_id": "echo-1", "body_text": "Sent by\x00 phone", "actor": audit.SYSTEM}
    return elsewhere.record_answer(conversation=conversation, **{**values, **changes})


def test_a_reply_from_elsewhere_is_part_of_the_thread_and_kept_once(world: World, acme: Any) -> None:
    conversation = receive(world).conversation
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    with counted() as queries:
        message, is_new = answered(conversation, sent_at=moment)
    assert any("FOR UPDATE OF" in query["sql"] for query in queries)
    assert is_new
    assert (message.conversation, message.channel, message.external_id) == (conversation, world.mail, "echo-1")
    assert (message.direction, message.role, message.body_text) == ("outbound", "operator", "Sent by phone")
    assert message.sent_at == moment
    event = AuditEvent.objects.filter(kind="message.received").order_by("-id")[0]
    assert (event.actor_name, event.object_id, event.conversation_id) == (audit.SYSTEM.name, str(message.pk), conversation.pk)  # fmt: skip
    assert (event.data, set(event.commitments)) == ({"seq": 2, "elsewhere": True}, {"body"})
    with assert_nothing_written():
        assert answered(conversation) == (message, False)
    with assert_nothing_written(), pytest.raises(Invalid):
        answered(conversation, external_id="echo-2", body_text=" \n")


@pytest.mark.parametrize(("minutes", "owed"), [(-1, "message"), (1, "")])
def test_a_reply_from_before_the_question_settles_nothing(world: World, acme: Any, minutes: int, owed: str) -> None:
    asked = receive(world)
    answered(asked.conversation, sent_at=asked.sent_at + timedelta(minutes=minutes))
    assert Conversation.objects.get().owed == owed


def test_only_what_a_person_wrote_there_later_is_another_question(world: World, acme: Any) -> None:
    asked = receive(world)
    at = asked.sent_at + timedelta(minutes=1)
    later = at + timedelta(minutes=1)
    receive(world, "In another conversation", sent_at=later)
    factories.reply_to(asked, "I am away.", automatic=Automatic.AUTO_REPLY, sent_at=later)
    Message.objects.filter(pk=factories.sent(asked, "Yes.").pk).update(sent_at=later)
    answer, _ = answered(asked.conversation, sent_at=at, external_id="")
    conversation = Conversation.objects.get(pk=asked.conversation_id)
    assert (conversation.owed, conversation.answered_seq) == ("", answer.seq)


def test_who_answered_is_kept_as_far_as_it_fits(world: World, acme: Any) -> None:
    answer, _ = answered(receive(world).conversation, sender=Party("m" * 321, "n" * 201))
    assert (answer.details.sender, answer.details.sender_name) == ("m" * 320, "n" * 200)
    assert answered(answer.conversation, external_id="")[0].metadata == {}


def test_an_id_with_another_text_is_refused_unless_its_text_is_gone(world: World, acme: Any) -> None:
    answer, _ = answered(receive(world).conversation)
    with assert_nothing_written(), pytest.raises(Conflict, match="another text"):
        answered(answer.conversation, body_text="Something else")
    Message.objects.filter(pk=answer.pk).update(
        erased_at=database_time.now(), body_text="", external_id=tombstone("echo-1")
    )
    with assert_nothing_written():
        assert answered(answer.conversation, body_text="Something else") == (answer, False)


def test_replies_without_an_id_are_as_many_as_there_are(world: World, acme: Any) -> None:
    conversation = receive(world).conversation
    one, two = answered(conversation, external_id=""), answered(conversation, external_id="")
    assert one[0] != two[0]
    assert abs(two[0].sent_at - database_time.now()) < timedelta(seconds=30)


def test_an_id_is_known_in_its_own_channel_only(world: World, acme: Any) -> None:
    one = receive(world).conversation
    other: Channel = factories.channel(world.acme, external_id="b@acme.test", name="B")
    two = inbox.record_inbound(channel=other, inbound=factories.inbound("x"))[0].conversation
    assert answered(one)[1]
    assert answered(two)[1]


def test_what_handlers_are_told_of_the_conversation_is_what_the_database_counted(
    world: World, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trigger moves the row, the verb moves its copy: they must not drift apart."""
    told: list[Conversation] = []
    monkeypatch.setattr(hooks, "on_inbound", [lambda conversation, message: told.append(copy(conversation))])
    first = receive(world, "First")
    for changes in ({"automatic": Automatic.AUTO_REPLY}, {}):
        inbox.record_inbound(
            channel=world.mail, inbound=factories.inbound("Again", **changes), into=first.conversation_id
        )
        held, kept = told[-1], Conversation.objects.get(pk=first.conversation_id)
        for field in Conversation._meta.concrete_fields:
            if field.attname != "updated_at":
                assert getattr(held, field.attname) == getattr(kept, field.attname), field.attname
    assert [held.message_count for held in told] == [1, 2, 3]
