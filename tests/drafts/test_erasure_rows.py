"""What an erasure locks, ends, empties and counts, row by row; and that the rows of others stay as they are."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from conversations.channels.base import File, Party
from conversations.database import database_time
from conversations.messages.tombstones import tombstone
from conversations.models import (
    Account,
    Attachment,
    AuditEvent,
    AuditSalt,
    BlockedSender,
    Conversation,
    ConversationTag,
    Delivery,
    DeliveryAttempt,
    Message,
    Note,
    Notification,
)
from drafts import erasure
from drafts.desk import editing, notes
from drafts.models import Draft, DraftAction, DraftRevision, Hold, LearningSample, SavedView
from ingestion.models import InboundEvent
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World

HOUR = timedelta(hours=1)
MARCUS = "marcus@customer.test"


@pytest.fixture(autouse=True)
def _here(acme: Account, attachments_dir: Path) -> None:
    """In Acme, with a place for files."""


def case(world: World, sender: str = MARCUS) -> Conversation:
    """An open conversation with a file, a reply that waits to leave and has been tried, notes, a hold, and somebody told of it."""
    photo = File("tank.jpg", "image/jpeg", sender.encode())
    message = factories.message(
        world.mail, f"I am {sender}", subject="Order", files=(photo,), sender=Party(sender, "Marcus")
    )
    draft = factories.draft(message, checks=[{"ok": True, "text": "c"}], facts=["f"])
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=f"Hello {sender}.")
    delivery = factories.approved(
        draft, world.ada, final_text=draft.suggested_text.replace("Hi", "Hello"), notes="a note"
    )
    Delivery.objects.filter(pk=delivery.pk).update(receipt="250 ok", error="451 later", provider_id="p1")
    DeliveryAttempt.objects.create(account=world.acme, delivery=delivery, number=1, response="451 later")
    factories.waiting_mail(world.mail, message=message, sender=sender, status="processed")
    notes.write(conversation_id=message.conversation_id, actor=world.ada, text="@Dan Marcus rang")
    until = database_time.now() + HOUR
    Hold.objects.create(account=world.acme, conversation_id=message.conversation_id, user=world.ada, lease_until=until)
    factories.tagged(message, "VIP")
    Conversation.objects.filter(pk=message.conversation_id).update(summary="s", key_topics=["k"], external_id=sender)
    return Conversation.objects.get(pk=message.conversation_id)


def rows_of(conversation: Conversation) -> list[dict[str, Any]]:
    """Every row of a conversation, as it is kept."""
    models = (Message, Note, Delivery, Draft, DraftAction, LearningSample, Hold, ConversationTag)
    rows = [row for model in models for row in model._default_manager.filter(conversation=conversation).values()]
    rows += Attachment.objects.filter(message__conversation=conversation).values()
    rows += DraftRevision.objects.filter(draft__conversation=conversation).values()
    rows += DeliveryAttempt.objects.filter(delivery__conversation=conversation).values()
    rows += InboundEvent.objects.filter(message__conversation=conversation).values()
    rows += AuditSalt.objects.filter(conversation_id=conversation.pk).values()
    rows += Notification.objects.filter(payload__conversation=str(conversation.pk)).values()
    return [*rows, *Conversation.objects.filter(pk=conversation.pk).values()]


def erase(world: World, *which: Conversation, purge: bool = True) -> Any:
    ids = [one.pk for one in which]
    return erasure.erase(account_id=world.acme.pk, conversation_ids=ids, rule="asked for", purge=purge)


def locked(queries: Any) -> list[str]:
    return [query["sql"] for query in queries.captured_queries if "FOR UPDATE" in query["sql"]]


# --- a conversation ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("purge", [True, False])
def test_a_conversation_ends_and_is_emptied_and_another_one_is_not(world: World, purge: bool) -> None:
    gone, kept = case(world), case(world, "other@customer.test")
    before = rows_of(kept)
    with counted() as asked:
        found = erase(world, gone, purge=purge)
    assert found == {"conversations": 1, "messages": 2, "notes": 1, "drafts": 1, "files": 1}
    first = locked(asked)[0]
    assert "conversations_conversation" in first and 'ORDER BY "conversations_conversation"."id"' in first
    assert rows_of(kept) == before
    gone.refresh_from_db()
    assert (gone.status, gone.owed, gone.owed_note, gone.due_at, gone.snoozed_until) == ("closed", "", "", None, None)
    assert (gone.answered_seq, gone.summary, gone.key_topics) == (gone.last_seq, "", [])
    assert gone.completed_at is not None and gone.archived_at is not None
    assert (gone.forgotten_at is not None) == purge
    assert gone.external_id == (tombstone(MARCUS) if purge else MARCUS)
    assert (gone.customer_email, gone.customer_name, gone.subject, gone.title) == (
        ("", "", "", "") if purge else (MARCUS, "Marcus", "Order", "Order")
    )
    assert gone.tag_links.count() == (0 if purge else 1)
    delivery = gone.deliveries.get()
    assert (delivery.status, delivery.body_text, delivery.body_html, delivery.envelope) == ("cancelled", "", "", {})
    assert (delivery.owed_before, delivery.receipt, delivery.error, delivery.provider_id) == ({}, "", "", "")
    assert DeliveryAttempt.objects.get(delivery=delivery).response == ""
    draft = gone.drafts.get()
    assert (draft.status, draft.suggested_text, draft.facts, draft.checks, draft.recipients) == (
        "archived", "", [], [], {},
    )  # fmt: skip
    assert not Hold.objects.filter(conversation=gone).exists()
    assert not Notification.objects.filter(payload__conversation=str(gone.pk)).exists()
    assert not AuditSalt.objects.filter(conversation_id=gone.pk).exists()
    assert not Attachment.objects.filter(message__conversation=gone).exists()
    applied = AuditEvent.objects.get(kind="retention.applied")
    assert (applied.actor_name, applied.object_id, applied.data) == (
        "Countersign", str(world.acme.pk),
        {"rule": "asked for", "counts": "1 conversations, 2 messages, 1 notes, 1 drafts, 1 files", "of": [str(gone.pk)]},
    )  # fmt: skip


def test_what_waited_in_it_ends_with_events_of_its_own(world: World) -> None:
    message = factories.message(world.mail)
    factories.approved(factories.draft(message), world.ada)
    second = factories.draft(factories.reply_to(message))
    gone = Conversation.objects.get(pk=message.conversation_id)
    with counted() as asked:
        erase(world, gone)
    ended = AuditEvent.objects.filter(kind="draft.retired", object_id=str(second.pk)).get()
    assert ended.data == {"status": "expired", "reason": "the conversation was erased"}
    sql = locked(asked)
    assert any("conversations_delivery" in one for one in sql) and any("drafts_draft" in one for one in sql)


def test_what_was_emptied_before_keeps_its_time(world: World) -> None:
    gone = case(world)
    erase(world, gone, purge=False)
    hour_ago = database_time.now() - HOUR
    models = (Message, Note, Delivery, Draft, LearningSample)
    for model in models[:-1]:
        model._default_manager.filter(conversation=gone).update(erased_at=hour_ago)
    Conversation.objects.filter(pk=gone.pk).update(completed_at=hour_ago)
    assert erase(world, gone) == {"conversations": 1, "messages": 0, "notes": 0, "drafts": 0, "files": 0}
    for model in models[:-1]:
        assert set(model._default_manager.filter(conversation=gone).values_list("erased_at", flat=True)) == {hour_ago}
    gone.refresh_from_db()
    assert (gone.completed_at, gone.customer_email) == (hour_ago, "")


def test_of_no_conversation_nothing_is_erased_and_nothing_is_said(world: World) -> None:
    case(world)
    with assert_nothing_written():
        assert set(erase(world).values()) == {0}


def test_a_conversation_that_is_being_sent_from_is_left_out(world: World) -> None:
    gone, sending = case(world), case(world, "other@customer.test")
    for status in ("queued", "sending"):
        Delivery.objects.filter(conversation=sending).update(status=status, lease_until=database_time.now() + HOUR)
    before = rows_of(sending)
    assert erase(world, gone, sending)["conversations"] == 1
    assert rows_of(sending) == before
    assert erasure.waiting() == {sending.pk}


# --- copies --------------------------------------------------------------------------------------------------------
def test_threads_are_locked_only_where_somebody_is_going_to_empty_them(world: World) -> None:
    gone = case(world)
    messages = list(gone.messages.values_list("pk", flat=True))
    for look in (
        lambda lock: erasure.with_copies([gone.pk], lock=lock),
        lambda lock: erasure.copies_of_messages(messages, lock=lock),
    ):
        for lock in (True, False):
            with counted() as asked:
                look(lock)
            assert ["conversations_conversation" in one and "ORDER BY" in one for one in locked(asked)] == [True] * lock


# --- messages in the threads of others -----------------------------------------------------------------------------
def test_messages_are_emptied_with_what_answered_them_and_the_rest_of_the_thread_stays(world: World) -> None:
    kept = case(world, "other@customer.test")
    first = kept.messages.order_by("seq").first()
    assert first is not None
    theirs = factories.reply_to(first, "My words", sender=Party("other@customer.test", "Otto"))
    answer = factories.draft(theirs)
    Conversation.objects.filter(pk=kept.pk).update(summary="s", key_topics=["k"])
    before = Message.objects.filter(pk=first.pk).values().get()
    named = theirs.external_id
    with counted() as asked:
        found = erasure.erase_messages(account_id=world.acme.pk, message_ids=[theirs.pk], rule="asked for")
    assert found == {"messages in the threads of others": 1, "drafts": 1, "files": 0}
    assert "conversations_conversation" in locked(asked)[0] and "ORDER BY" in locked(asked)[0]
    assert Message.objects.filter(pk=first.pk).values().get() == before
    theirs.refresh_from_db()
    assert theirs.external_id == tombstone(named)
    assert (theirs.body_text, theirs.body_new, theirs.metadata, theirs.writer) == ("", "", {}, None)
    answer.refresh_from_db()
    assert (answer.status, answer.suggested_text) == ("archived", "")
    kept.refresh_from_db()
    assert (kept.status, kept.owed, kept.summary, kept.key_topics) == ("open", "message", "", [])
    applied = AuditEvent.objects.get(kind="retention.applied")
    assert (applied.data["of"], applied.data["rule"]) == ([str(theirs.pk)], "asked for")


def test_of_no_message_nothing_is_emptied_and_nothing_is_said(world: World) -> None:
    case(world)
    with assert_nothing_written():
        assert set(erasure.erase_messages(account_id=world.acme.pk, message_ids=[], rule="x").values()) == {0}


def test_messages_in_a_thread_that_is_being_sent_from_are_left_out(world: World) -> None:
    sending = case(world)
    for status in ("queued", "sending"):
        Delivery.objects.filter(conversation=sending).update(status=status, lease_until=database_time.now() + HOUR)
    ids = list(sending.messages.filter(direction="inbound").values_list("pk", flat=True))
    with assert_nothing_written():
        erasure.erase_messages(account_id=world.acme.pk, message_ids=ids, rule="x")


def test_what_they_wrote_is_found_by_their_address_whatever_its_case_and_only_what_came_in(world: World) -> None:
    mine, other = case(world), case(world, "other@customer.test")
    address = mine.messages.filter(direction="inbound").get().writer
    assert address is not None
    Message.objects.filter(conversation=mine, direction="inbound").update(
        writer=None, metadata={"sender": MARCUS.upper()}
    )
    found = erasure.written_elsewhere([address])
    assert [one.conversation_id for one in found] == [mine.pk]
    assert other.pk not in {one.conversation_id for one in found}
    Message.objects.filter(conversation=mine, direction="outbound").update(metadata={"sender": MARCUS})
    assert erasure.written_elsewhere([address]).count() == 1


# --- outside of threads --------------------------------------------------------------------------------------------
def test_letters_searches_and_blocks_of_theirs_go_and_those_of_others_stay(world: World) -> None:
    letters = {
        "theirs": factories.waiting_mail(world.mail, sender=MARCUS),
        "unread": factories.waiting_mail(world.mail, "failed", sender="", payload=f"From: {MARCUS.upper()}\r\n\r\nx".encode()),
        "others": factories.waiting_mail(world.mail, sender="other@customer.test"),
        "others unread": factories.waiting_mail(world.mail, "failed", sender="", payload=b"From: other@customer.test\r\n\r\nx"),
        "read, of another": factories.waiting_mail(world.mail, sender="pat@x.test", payload=f"To: {MARCUS}".encode()),
    }  # fmt: skip
    for name, query in (
        (MARCUS, "q=1"), ("plain", f"q={MARCUS}"), ("quoted", "q=marcus%40customer.test"), ("other", "q=other%40customer.test"),
    ):  # fmt: skip
        SavedView.objects.create(account=world.acme, user=world.ada, name=name, query=query)
    for address in (MARCUS, "other@customer.test"):
        BlockedSender.objects.create(account=world.acme, address=address)
    assert erasure.count_outside_threads(MARCUS.title()) == {"letters": 2, "saved searches": 3}
    erasure.forget_outside_threads(MARCUS.title())
    for name, letter in letters.items():
        letter.refresh_from_db()
        assert (letter.payload is None) == (name in {"theirs", "unread"}), name
    theirs = letters["theirs"]
    assert (theirs.sender, theirs.subject, theirs.recipient, theirs.detail, theirs.expires_at) == ("", "", "", "", None)
    assert list(SavedView.objects.values_list("name", flat=True)) == ["other"]
    assert list(BlockedSender.objects.values_list("address", flat=True)) == ["other@customer.test"]


def test_an_address_with_a_space_in_it_is_found_as_browsers_write_it(world: World) -> None:
    for name, query in (("plus", "q=a+b%40x.test"), ("percent", "q=a%20b%40x.test"), ("other", "q=ab")):
        SavedView.objects.create(account=world.acme, user=world.ada, name=name, query=query)
    found = SavedView.objects.filter(erasure.views_of("a b@x.test"))
    assert sorted(one.name for one in found) == ["percent", "plus"]


def test_a_stranger_is_nobody(world: World) -> None:
    case(world)
    assert erasure.count_messages([uuid.uuid4()]) == {"messages in the threads of others": 1, "drafts": 0, "files": 0}
    assert erasure.with_copies([], lock=True) == []
