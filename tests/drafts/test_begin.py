"""Beginning a conversation, forwarding a thread, and who may do either."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.test import Client

from conversations.channels.base import File, Party
from conversations.database import database_time
from conversations.errors import Invalid
from conversations.messages import outbox
from conversations.models import (
    Attachment,
    AuditEvent,
    Channel,
    Conversation,
    Delivery,
    Message,
    RelatedConversation,
    User,
)
from drafts.desk import begin, decisions, editing, life
from drafts.desk.readdress import Recipients
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

Browser = Callable[[User], Client]
TO = Recipients.read("Ana Lima <ana@supplier.test>", "luis@supplier.test", "boss@acme.test")


def begun(world: World, **more: Any) -> Draft:
    values = {"account_id": world.acme.pk, "actor": world.ada, "channel_id": world.mail.pk, "recipients": TO}
    return begin.begin(**{**values, "subject": "Your order of hoses", **more})


def written(world: World, draft: Draft, text: str = "Where are our hoses?") -> Draft:
    return editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=text)


def sent(world: World, draft: Draft) -> Delivery:
    """Approved by another person, and gone."""
    delivery = factories.approved(written(world, draft), world.dan)
    rows, now = Delivery.objects.filter(pk=delivery.pk), database_time.now()
    for status in ("queued", "sending", "sent"):
        rows.update(status=status, lease_until=now, sent_at=now)
    Draft.objects.filter(pk=draft.pk).update(status="sent")
    return rows.get()


def test_a_conversation_is_begun_with_its_draft_and_both_are_recorded(world: World, acme: Any) -> None:
    draft = begun(world)
    conversation = draft.conversation
    assert (conversation.customer_email, conversation.customer_name) == ("ana@supplier.test", "Ana Lima")
    assert (conversation.status, conversation.owed, conversation.message_count) == ("open", "writing", 0)
    assert (draft.base_message, draft.model_key, draft.author_user) == (None, "person", world.ada)
    assert draft.recipients == TO.as_json()
    assert list(AuditEvent.objects.order_by("id").values_list("kind", flat=True))[-2:] == [
        "conversation.opened",
        "draft.begun",
    ]


def test_it_leaves_to_exactly_these_and_then_waits_for_them(world: World, acme: Any) -> None:
    draft = written(world, begun(world))
    action = decisions.approve(draft_id=draft.pk, actor=world.dan, seen=factories.seen(draft))
    delivery = Delivery.objects.get(message=action.message_id)
    envelope = delivery.envelope
    assert [party["address"] for name in ("to", "cc", "bcc") for party in envelope[name]] == [
        "ana@supplier.test", "luis@supplier.test", "boss@acme.test",
    ]  # fmt: skip
    assert (envelope["subject"], envelope["in_reply_to"], envelope["references"]) == ("Your order of hoses", "", [])
    outbox.release(delivery_id=delivery.pk, actor=world.ada)
    Delivery.objects.filter(pk=delivery.pk).update(status="queued")
    assert Conversation.objects.get(pk=draft.conversation_id).owed == "leaving"


def test_who_was_written_to_answers_in_it(world: World, acme: Any) -> None:
    draft = begun(world)
    delivery = sent(world, draft)
    for number, address in enumerate(("ana@supplier.test", "luis@supplier.test")):
        answer = factories.message(
            world.mail, sender=Party(address), external_id=f"<{number}@supplier.test>", references=(delivery.idempotency_key,)
        )  # fmt: skip
        assert answer.conversation_id == draft.conversation_id
    stranger = factories.message(
        world.mail, sender=Party("x@other.test"), external_id="<9@other.test>", references=(delivery.idempotency_key,)
    )
    assert stranger.conversation_id != draft.conversation_id


def test_what_is_given_up_before_a_word_was_sent_is_closed(world: World, acme: Any) -> None:
    draft = begun(world)
    assert life.discard(draft_id=draft.pk, actor=world.ada).status == "closed"


def test_a_follow_up_goes_to_the_same_people(world: World, acme: Any) -> None:
    draft = begun(world)
    sent(world, draft)
    again = life.write(conversation_id=draft.conversation_id, actor=world.ada)
    assert (again.base_message, again.recipients, again.subject) == (None, TO.as_json(), "Your order of hoses")


def test_an_answer_to_it_makes_an_open_follow_up_stale(world: World, acme: Any) -> None:
    draft = begun(world)
    delivery = sent(world, draft)
    again = life.write(conversation_id=draft.conversation_id, actor=world.ada)
    seen = factories.seen(again)
    factories.message(world.mail, sender=Party("ana@supplier.test"), external_id="<1@s.test>", references=(delivery.idempotency_key,))  # fmt: skip
    with assert_nothing_written(), pytest.raises(decisions.Stale):
        decisions.approve(draft_id=again.pk, actor=world.dan, seen=seen, final_text="Hello?")


def test_no_drafter_is_asked_where_nobody_wrote(world: World, acme: Any) -> None:
    draft = begun(world)
    with assert_nothing_written(), pytest.raises(Invalid, match="Nobody wrote"):
        decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))


def test_only_a_person_begins(world: World, acme: Any) -> None:
    draft = begun(world)
    with pytest.raises(IntegrityError, match="draft_answers_or_is_a_persons"), transaction.atomic():
        Draft.objects.filter(pk=draft.pk).update(model_key="offline-v3")


@pytest.mark.parametrize(
    ("more", "words"),
    [({"subject": " \n "}, "Say in the subject"), ({"channel": "chat"}, "cannot write to an address")],
)
def test_what_cannot_be_begun_says_why(world: World, acme: Any, more: dict[str, Any], words: str) -> None:
    if more.pop("channel", ""):
        more["channel_id"] = factories.channel(acme, type="chat", external_id="c1", name="Chat").pk
    with assert_nothing_written(), pytest.raises(Invalid, match=words):
        begun(world, **more)


def test_an_auditor_begins_nothing(world: World, acme: Any) -> None:
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        begun(world, actor=world.bo)


def test_a_channel_of_nobody_is_not_found(world: World, acme: Any) -> None:
    with assert_nothing_written(), pytest.raises(Channel.DoesNotExist):
        begun(world, channel_id=uuid.uuid4())


@pytest.fixture
def thread(world: World, acme: Any) -> Message:
    photo = File("part.jpg", "image/jpeg", b"a photo", content_id="")
    logo = File("logo.png", "image/png", b"a logo", content_id="<l>", inline=True)
    return factories.message(world.mail, "Is this the right hose?\n\nMarcus", files=(photo, logo))


def test_a_forwarded_thread_begins_another_conversation_and_stays_owed(world: World, thread: Message) -> None:
    before = Conversation.objects.values("status", "owed", "due_at").get(pk=thread.conversation_id)
    draft = begin.forward(conversation_id=thread.conversation_id, actor=world.ada, recipients=TO)
    assert draft.conversation_id != thread.conversation_id
    assert draft.subject == "Fwd: Hose for E85"
    assert "---------- Forwarded message ----------\nFrom: Marcus Delgado\n" in draft.suggested_text
    assert "Is this the right hose?" in draft.suggested_text
    assert [row.file_name for row in Attachment.objects.filter(draft_id=draft.pk)] == ["part.jpg"]
    related = RelatedConversation.objects.get()
    assert (related.reason, related.conversation_id, related.other_id) == (
        "forwarded", draft.conversation_id, thread.conversation_id,
    )  # fmt: skip
    assert Conversation.objects.values("status", "owed", "due_at").get(pk=thread.conversation_id) == before
    assert AuditEvent.objects.filter(kind="conversation.forwarded", conversation_id=thread.conversation_id).count() == 1


def test_a_reply_that_did_not_leave_yet_is_not_passed_on(world: World, thread: Message) -> None:
    factories.approved(factories.draft(thread), world.dan)
    draft = begin.forward(conversation_id=thread.conversation_id, actor=world.ada, recipients=TO)
    assert factories.SENTENCE not in draft.suggested_text


def test_its_files_leave_with_it(world: World, thread: Message) -> None:
    draft = begin.forward(conversation_id=thread.conversation_id, actor=world.ada, recipients=TO)
    action = decisions.approve(draft_id=draft.pk, actor=world.dan, seen=factories.seen(draft))
    delivery = Delivery.objects.get(message=action.message_id)
    (file,) = outbox.outgoing.outbound_of(delivery).files
    assert (file.file_name, file.mime_type, file.content) == ("part.jpg", "image/jpeg", b"a photo")


def test_nobody_forwards_what_they_do_not_see(world: World, thread: Message) -> None:
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        begin.forward(conversation_id=thread.conversation_id, actor=world.bo, recipients=TO)
    with assert_nothing_written(), pytest.raises(Conversation.DoesNotExist):
        begin.forward(conversation_id=uuid.uuid4(), actor=world.ada, recipients=TO)


def test_the_form_leads_to_the_editor_and_keeps_what_was_typed(world: World, acme: Any, signed_in: Browser) -> None:
    client = signed_in(world.ada)
    values = {"channel": str(world.mail.pk), "to": "no address", "subject": "Hoses"}
    refused = client.post("/conversations/new/", values)
    assert refused.status_code == 422
    shown = BeautifulSoup(refused.content, "html.parser")
    assert "is no address" in shown.select_one("[role=alert]").text
    assert shown.select_one("[name=to]")["value"] == "no address"
    done = client.post("/conversations/new/", {**values, "to": "ana@supplier.test"})
    draft = Draft.objects.get()
    assert (done.status_code, done["Location"]) == (303, f"/drafts/{draft.pk}/?do=edit")
    editor = BeautifulSoup(client.get(done["Location"]).content, "html.parser")
    assert editor.select_one("#to-subject").text == "Hoses"
    assert editor.select("[data-act=redraft]") == []
    assert signed_in(world.bo).get("/conversations/new/").status_code == 403


def test_the_form_of_a_foreign_thread_is_not_there(world: World, thread: Message, signed_in: Browser) -> None:
    url = f"/conversations/{thread.conversation_id}/forward/"
    assert signed_in(world.ada).get(url).status_code == 200
    assert signed_in(world.eve).get(url).status_code == 404
    assert signed_in(world.eve).post(url, {"to": "a@b.test", "subject": "x"}).status_code == 404
