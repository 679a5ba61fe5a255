from __future__ import annotations

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels.base import Automatic, File, Party
from conversations.messages.inbox import record_inbound
from conversations.models import Attachment, AuditEvent, Conversation, Message
from conversations.tenancy import tenant_context
from drafts.desk import life
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.fixture(autouse=True)
def _files(attachments_dir) -> None:
    pass


def receive(world: World, text: str = "A question", **changes):
    return record_inbound(channel=world.mail, inbound=factories.inbound(text, **changes))


def jobs() -> list[str]:
    return sorted(ProcrastinateJob.objects.filter(status="todo").values_list("task_name", flat=True))


def test_a_first_message_opens_a_conversation_and_asks_for_a_draft(world: World, acme) -> None:
    message, created = receive(world, "Can I use PTFE?", subject="Hose")
    conversation = Conversation.objects.get()
    assert created
    assert (conversation.number, conversation.subject, conversation.customer_email) == (
        1,
        "Hose",
        "marcus@customer.test",
    )
    assert (conversation.message_count, conversation.user_message_count, conversation.last_inbound_message) == (
        1,
        1,
        message,
    )
    assert (message.seq, message.direction, message.body_text) == (1, "inbound", "Can I use PTFE?")
    assert conversation.due_at is not None
    assert list(AuditEvent.objects.order_by("id").values_list("kind", flat=True))[-2:] == [
        "conversation.opened",
        "message.received",
    ]
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args["conversation_id"]) == ("drafts.write", str(conversation.pk))


def test_delivering_it_again_changes_nothing(world: World, acme) -> None:
    inbound = factories.inbound("Once")
    first, _ = record_inbound(channel=world.mail, inbound=inbound)
    with assert_nothing_written():
        again, created = record_inbound(channel=world.mail, inbound=inbound)
    assert (again, created) == (first, False)


def test_the_same_id_with_other_content_is_another_message(world: World, acme) -> None:
    receive(world, "The first parcel", external_id="<same@dhl.test>")
    receive(world, "The second parcel", external_id="<same@dhl.test>")
    second_again, created = receive(world, "The second parcel", external_id="<same@dhl.test>")
    assert Message.objects.count() == 2
    assert (second_again.body_text, created) == ("The second parcel", False)


def test_a_burst_asks_for_one_draft(world: World, acme) -> None:
    first, _ = receive(world, "One")
    for text in ("Two", "Three", "Four"):
        receive(world, text, references=(first.external_id,))
    assert Conversation.objects.get().message_count == 4
    assert jobs() == ["drafts.write"]


def test_a_newer_message_retires_the_live_draft_in_its_own_transaction(world: World, acme) -> None:
    first, _ = receive(world)
    draft = factories.draft(first)
    factories.reply_to(first)
    draft.refresh_from_db()
    assert draft.status == "stale"
    event = AuditEvent.objects.get(kind="draft.retired")
    assert event.data == {"status": "stale", "reason": "the customer wrote again"}


def test_an_automatic_reply_is_kept_and_answers_nothing(world: World, acme) -> None:
    first, _ = receive(world)
    draft = factories.draft(first)
    auto = factories.reply_to(first, "I am away", automatic=Automatic.AUTO_REPLY, automatic_reason="Auto-Submitted")
    draft.refresh_from_db()
    conversation = Conversation.objects.get()
    assert auto.is_automatic
    assert draft.status == "pending"
    assert (conversation.message_count, conversation.last_inbound_message) == (2, first)
    factories.approved(draft, world.ada)


def test_a_forged_or_foreign_id_or_a_subject_joins_nothing(world: World, acme) -> None:
    first, _ = receive(world, subject="Order HRA-1")
    sent = factories.approved(factories.draft(first), world.ada)
    stranger = Party("mallory@evil.test", "M")
    forged = sent.idempotency_key.replace(".", ".a", 1)
    for number, references in enumerate([(forged,), (first.external_id,), ()], 2):
        message, _ = receive(
            world, f"Send it to me {number}", sender=stranger, subject="Re: Order HRA-1", references=references
        )
        assert message.conversation.number == number


def test_a_signed_id_of_another_tenant_opens_a_new_conversation(world: World, acme) -> None:
    theirs = factories.approved(factories.draft(factories.message(world.other_mail)), world.eve)
    message, _ = receive(world, references=(theirs.idempotency_key,))
    assert message.conversation.account_id == world.acme.pk


def test_a_signed_id_of_another_channel_opens_a_new_conversation(world: World, acme) -> None:
    """Whoever is kept to one channel must not read in it what was written to the other."""
    second = factories.channel(world.acme, external_id="second@acme.test", name="Second")
    sent = factories.approved(factories.draft(factories.message(second)), world.ada)
    message, _ = receive(world, references=(sent.idempotency_key,))
    assert message.conversation_id != sent.message.conversation_id
    there, _ = record_inbound(channel=second, inbound=factories.inbound("x", references=(sent.idempotency_key,)))
    assert there.conversation_id == sent.message.conversation_id, "in its own channel it joins"


def test_a_closed_conversation_is_opened_by_a_person_and_by_no_machine(world: World, acme) -> None:
    first, _ = receive(world)
    closed = life.close(conversation_id=first.conversation_id, actor=world.ada, reason="not_needed")
    references = (first.external_id,)

    receive(world, "I am away", references=references, automatic=Automatic.AUTO_REPLY, automatic_reason="subject")
    conversation = Conversation.objects.get()
    assert (conversation.status, conversation.due_at) == ("closed", None)
    assert conversation.completed_at == closed.completed_at

    receive(world, "Does it fit?", references=references)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.completed_at) == ("open", None)
    assert conversation.due_at is not None


def test_a_providers_thread_id_decides(world: World, acme) -> None:
    chat = factories.channel(world.acme, type="chat", external_id="c1", name="Chat")
    one, _ = record_inbound(channel=chat, inbound=factories.inbound("a", thread_id="t-1"))
    two, _ = record_inbound(channel=chat, inbound=factories.inbound("b", thread_id="t-1"))
    three, _ = record_inbound(channel=chat, inbound=factories.inbound("c", thread_id="t-2"))
    assert one.conversation_id == two.conversation_id != three.conversation_id
    assert [one.seq, two.seq] == [1, 2]


def test_attachments_are_stored_once_by_digest(world: World, acme, attachments_dir) -> None:
    photo = File("tank.jpg", "image/jpeg", b"\xff\xd8 photo")
    receive(world, "one", files=(photo,))
    receive(world, "two", files=(photo, File("x.txt", "text/plain", b"x")))
    assert Attachment.objects.count() == 3
    assert len({row.storage_key for row in Attachment.objects.all()}) == 2
    assert sum(1 for path in attachments_dir.rglob("*") if path.is_file()) == 2


def test_text_that_postgresql_cannot_hold_is_cleaned_and_kept(world: World, acme) -> None:
    message, _ = receive(world, "a\x00b \ud83d c", subject="\x00s", sender=Party("m@c.test", "M\x00x"))
    assert message.body_text == "ab ? c"
    assert message.conversation.customer_name == "Mx"


def test_a_message_without_text_is_kept(world: World, acme) -> None:
    message, _ = receive(world, "", body_new="")
    assert message.body_text == "(This message has no text.)"


def test_html_is_stored_sanitised(world: World, acme) -> None:
    message, _ = receive(
        world, "hi", body_html='<p onclick="x()">hi<script>alert(1)</script><img src="https://t.test/p.gif"></p>'
    )
    assert "script" not in message.body_html
    assert "onclick" not in message.body_html
    assert 'src="https' not in message.body_html


def test_two_deliveries_of_one_message_at_once_are_one_message(committed_world: World, in_threads) -> None:
    inbound = factories.inbound("At once")

    def deliver():
        with tenant_context(committed_world.acme.pk):
            return record_inbound(channel=committed_world.mail, inbound=inbound)

    results = in_threads([deliver] * 8)
    assert not [result for result in results if isinstance(result, Exception)]
    assert [created for _, created in results].count(True) == 1
    with tenant_context(committed_world.acme.pk):
        assert Message.objects.count() == Conversation.objects.count() == 1


def test_first_messages_of_one_thread_at_once_open_one_conversation(committed_world: World, in_threads) -> None:
    def deliver(number: int):
        def call():
            with tenant_context(committed_world.acme.pk):
                return record_inbound(
                    channel=committed_world.mail, inbound=factories.inbound(f"part {number}", thread_id="thread")
                )

        return call

    results = in_threads([deliver(number) for number in range(8)])
    assert not [result for result in results if isinstance(result, Exception)]
    with tenant_context(committed_world.acme.pk):
        conversation = Conversation.objects.get()
        assert sorted(Message.objects.values_list("seq", flat=True)) == list(range(1, 9))
        assert conversation.message_count == 8
        assert Draft.objects.count() == 0
