"""What people of the desk send from their own mail programs is taken in from the Sent folder of a real IMAP server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from conversations.messages import elsewhere
from conversations.models import Channel, ChannelHealth, Conversation, Delivery, Message
from drafts.models import Draft
from ingestion.models import InboundEvent, Mailbox
from tests import factories
from tests.conftest import World
from tests.ingestion.test_mailboxes import connect, fetch, mail, read_all
from tests.servers import dovecot
from tests.servers.dovecot import Dovecot

pytestmark = [
    pytest.mark.skipif(bool(dovecot.WHY_NOT), reason=dovecot.WHY_NOT or "runs"),
    pytest.mark.xdist_group("dovecot"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot.running(more=dovecot.WITH_SENT) as found:
        yield found


@pytest.fixture(autouse=True)
def _files(attachments_dir: Any) -> None:
    pass


@pytest.fixture
def user(world: World, acme: Any, server: Dovecot) -> str:
    """Whose mailbox it is: one mail of a customer's is in it, and was read."""
    found = connect(world.mail, server, imap_reads_sent=True)
    fetch(world)
    server.put(found, mail(1), at=time.time() + 5)  # behind the moment from which it is read
    fetch(world)
    read_all(world)
    assert Conversation.objects.get().owed == "message"
    return found


def typed(answers: str = "<1@customer.test>", **changes: str) -> bytes:
    head = {
        "From": "Support <support@acme.test>", "To": "pat1@customer.test", "Subject": "Re: Hose 1",
        "Message-ID": "<typed-1@acme.test>", "In-Reply-To": answers,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items() if value)
    return f"{lines}\r\nYes, it fits.\r\n\r\n> Does number 1 fit?\r\n".encode()


def test_a_colleagues_reply_is_part_of_the_thread_and_the_draft_goes(world: World, server: Dovecot, user: str) -> None:
    conversation = Conversation.objects.get()
    draft = factories.draft(conversation.messages.get())
    server.put(user, typed(), at=time.time() + 6, folder="Sent")  # a second after the mail that it answers
    assert fetch(world) == 1
    reply = Message.objects.get(direction="outbound")
    assert (reply.conversation, reply.body_text, reply.external_id) == (
        conversation,
        "Yes, it fits.",
        "<typed-1@acme.test>",
    )
    assert Draft.objects.get(pk=draft.pk).status == "answered_elsewhere"
    conversation.refresh_from_db()
    assert conversation.owed not in {"message", "draft"}
    assert not Delivery.objects.exists()  # nothing is sent by us
    assert fetch(world) == 0
    # The customer answers the colleague's mail, and names that alone.
    server.put(user, typed("<typed-1@acme.test>", From="pat1@customer.test", To="support@acme.test", Message_ID="<2@customer.test>"))  # fmt: skip
    fetch(world)
    read_all(world)
    assert set(Message.objects.values_list("conversation", flat=True)) == {conversation.pk}


@pytest.mark.parametrize(
    "other",
    [
        {"In-Reply-To": "", "To": "friend@elsewhere.test"},  # a letter of their own
        {"In-Reply-To": "<unknown@elsewhere.test>"},  # answers what is not here
        {"To": "friend@elsewhere.test"},  # names the thread, and goes to a stranger
        {"From": "someone@acme.test"},  # another identity
        {"Auto-Submitted": "auto-replied"},  # the mailbox's own out-of-office
    ],
)
def test_nothing_else_in_that_folder_is_kept(world: World, server: Dovecot, user: str, other: dict[str, str]) -> None:
    events = InboundEvent.objects.count()
    server.put(user, typed(**other), folder="Sent")
    assert fetch(world) == 0
    assert not Message.objects.filter(direction="outbound").exists()
    assert InboundEvent.objects.count() == events
    assert Mailbox.objects.get(folder="\\Sent").last_uid >= 1  # looked at, once
    assert server.files(user) <= {"", "2,"}


def test_what_was_sent_before_is_left_alone_and_a_new_numbering_doubles_nothing(
    world: World, acme: Any, server: Dovecot
) -> None:
    user = connect(world.mail, server)
    fetch(world)
    server.put(user, mail(1))
    fetch(world)
    read_all(world)
    server.put(user, typed(Message_ID="<old@acme.test>"), folder="Sent")
    connect(Channel.objects.get(pk=world.mail.pk), server, user, imap_reads_sent=True)
    assert fetch(world, rounds=2) == 0
    server.put(user, typed(), folder="Sent")
    assert fetch(world) == 1
    Mailbox.objects.filter(folder="\\Sent").update(uidvalidity=7)
    fetch(world, rounds=2)
    assert sorted(Message.objects.filter(direction="outbound").values_list("external_id", flat=True)) == [
        "<old@acme.test>", "<typed-1@acme.test>",
    ]  # fmt: skip


def test_our_own_reply_under_a_servers_id_is_joined_by_that_id(world: World, server: Dovecot, user: str) -> None:
    conversation = Conversation.objects.get()
    delivery = factories.approved(factories.draft(conversation.messages.get()), world.ada)
    copy = typed(Message_ID="<new@vendor.test>", X_Countersign_Delivery=delivery.idempotency_key)
    server.put(user, copy, folder="Sent")
    server.put(user, typed(Message_ID=delivery.idempotency_key), folder="Sent")  # the control: under our own
    assert fetch(world) == 1
    assert Message.objects.filter(direction="outbound").count() == 1
    assert Message.objects.get(direction="outbound").external_id == "<new@vendor.test>"
    server.put(user, typed("<new@vendor.test>", From="pat1@customer.test", To="support@acme.test", Message_ID="<2@customer.test>"))  # fmt: skip
    server.put(
        user, typed("<new@vendor.test>", From="eve@evil.test", To="support@acme.test", Message_ID="<3@evil.test>")
    )
    fetch(world)
    read_all(world)
    assert Message.objects.get(external_id="<2@customer.test>").conversation == conversation
    assert Message.objects.get(external_id="<3@evil.test>").conversation != conversation  # knowing an id is no right


def test_a_folder_that_is_missing_says_so_and_mail_comes_in_all_the_same(
    world: World, acme: Any, server: Dovecot
) -> None:
    user = connect(world.mail, server, imap_reads_sent=True, imap_sent_folder="Nowhere")
    fetch(world)
    server.put(user, mail(1))
    assert fetch(world) == 1
    assert "Nowhere" in Mailbox.objects.get(folder="\\Sent").problem
    assert ChannelHealth.objects.get().fetch_problem == ""


def test_a_reply_that_came_in_by_another_way_is_not_doubled(world: World, server: Dovecot, user: str) -> None:
    elsewhere.record_answer(
        conversation=Conversation.objects.get(),
        external_id="<typed-1@acme.test>",
        body_text="Another text.",
        actor=world.ada,
    )
    server.put(user, typed(), folder="Sent")
    assert fetch(world) == 0
    assert Message.objects.filter(direction="outbound").count() == 1
