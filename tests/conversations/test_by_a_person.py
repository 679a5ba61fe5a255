"""A message that passed for automatic, and was a person's: seen in a list of its own, put right by one press."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels.base import Automatic
from conversations.database import database_time
from conversations.errors import Invalid
from conversations.messages import inbox
from conversations.models import AuditEvent, Conversation, Message, User
from conversations.people import members
from conversations.tenancy import tenant_context
from drafts.desk.decisions import WRITE_TASK
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

Browser = Callable[[User], Client]


@pytest.fixture
def notice(world: World) -> Message:
    return factories.message(
        world.mail,
        "Is PTFE enough?",
        automatic=Automatic.BULK,
        automatic_reason="List-Post: NO, a list for announcements",
    )


def writing_jobs() -> int:
    return ProcrastinateJob.objects.filter(task_name=WRITE_TASK).count()


def test_it_is_owed_an_answer_and_gets_a_draft(world: World, notice: Message) -> None:
    with tenant_context(world.acme.pk):
        before = Conversation.objects.get(pk=notice.conversation_id)
        assert (before.last_inbound_message_id, before.due_at, writing_jobs()) == (None, None, 0)
        message = inbox.by_a_person(message_id=notice.pk, actor=world.ada)
        after = Conversation.objects.get(pk=notice.conversation_id)
        assert (message.is_automatic, after.last_inbound_message_id, after.status) == (False, notice.pk, "open")
        assert after.due_at is not None
        assert writing_jobs() == 1
        event = AuditEvent.objects.get(kind="message.by_a_person")
        assert (event.data["seq"], event.data["reason"]) == (1, "List-Post: NO, a list for announcements")
        # Said again, it is as it was said first.
        inbox.by_a_person(message_id=notice.pk, actor=world.ada)
        assert (AuditEvent.objects.filter(kind="message.by_a_person").count(), writing_jobs()) == (1, 1)


def test_an_older_one_asks_for_nothing_where_a_newer_message_waits(world: World, notice: Message) -> None:
    newer = factories.reply_to(notice, sender=factories.inbound().sender)
    with tenant_context(world.acme.pk):
        jobs = writing_jobs()
        inbox.by_a_person(message_id=notice.pk, actor=world.ada)
        assert Conversation.objects.get(pk=notice.conversation_id).last_inbound_message_id == newer.pk
        assert writing_jobs() == jobs


def test_a_newer_notice_of_a_machine_does_not_stand_in_the_way(world: World, notice: Message) -> None:
    factories.reply_to(notice, sender=factories.inbound().sender, automatic=Automatic.AUTO_REPLY)
    with tenant_context(world.acme.pk):
        inbox.by_a_person(message_id=notice.pk, actor=world.ada)
        assert Conversation.objects.get(pk=notice.conversation_id).last_inbound_message_id == notice.pk


def test_who_may_not_ask_for_a_draft_changes_nothing(world: World, notice: Message) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(PermissionDenied):
        inbox.by_a_person(message_id=notice.pk, actor=world.bo)


def test_another_tenants_message_is_not_there(world: World, notice: Message) -> None:
    with tenant_context(world.globex.pk), assert_nothing_written(), pytest.raises(Message.DoesNotExist):
        inbox.by_a_person(message_id=notice.pk, actor=world.ada)


def test_what_did_not_come_in_cannot_be_answered(world: World, notice: Message) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid):
        inbox.by_a_person(message_id=delivery.message_id, actor=world.ada)


def test_what_was_erased_cannot_be_answered(world: World, notice: Message) -> None:
    with tenant_context(world.acme.pk):
        Message.objects.filter(pk=notice.pk).update(body_text="", body_new="", erased_at=database_time.now())
        with assert_nothing_written(), pytest.raises(Invalid):
            inbox.by_a_person(message_id=notice.pk, actor=world.ada)


def test_a_press_that_cannot_be_carried_out_is_answered_with_why(
    world: World, notice: Message, signed_in: Browser
) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with tenant_context(world.acme.pk):
        Message.objects.filter(pk=notice.pk).update(body_text="", body_new="", erased_at=database_time.now())
    for pk, why in ((delivery.message_id, "Only what came in"), (notice.pk, "Its text was removed")):
        answer = signed_in(world.ada).post(f"/messages/{pk}/by-a-person/")
        assert answer.status_code == 422
        assert why in answer.content.decode()
    page = signed_in(world.ada).get(f"/conversations/{notice.conversation_id}/").content.decode()
    assert "A person wrote this" not in page  # what cannot be done is not offered


def test_a_message_of_a_channel_that_somebody_does_not_see_is_not_there(world: World, signed_in: Browser) -> None:
    hidden = factories.message(
        factories.channel(world.acme, external_id="second@acme.test"), automatic=Automatic.AUTO_REPLY
    )
    with tenant_context(world.acme.pk):
        members.set_channels(account_id=world.acme.pk, user=world.cy, channels=[world.mail.pk], actor=world.dan)
    assert signed_in(world.cy).post(f"/messages/{hidden.pk}/by-a-person/").status_code == 404
    with tenant_context(world.acme.pk):
        assert Message.objects.get(pk=hidden.pk).is_automatic


def test_machines_have_a_list_of_their_own_and_a_press_empties_it(
    world: World, notice: Message, signed_in: Browser
) -> None:
    factories.message(world.mail, "A person's question")
    ada, url = signed_in(world.ada), f"/conversations/{notice.conversation_id}/"
    assert f'href="{url}"' in ada.get("/conversations/?status=automatic").content.decode()
    for asked in ("?status=automatic", "?q=is:automatic"):
        assert ada.get(f"/conversations/{asked}").content.decode().count('href="/conversations/0') == 1, asked
    assert "A person wrote this" in ada.get(url).content.decode()
    assert "A person wrote this" not in signed_in(world.bo).get(url).content.decode()
    response = ada.post(f"/messages/{notice.pk}/by-a-person/")
    assert (response.status_code, response["Location"]) == (303, url)
    assert "A person wrote this" not in ada.get(url).content.decode()
    assert f'href="{url}"' not in ada.get("/conversations/?status=automatic").content.decode()


@pytest.mark.parametrize(
    ("bears", "is_right"),
    [
        (datetime(1971, 1, 1, tzinfo=UTC), True),
        (datetime(1970, 12, 31, tzinfo=UTC), False),
        (timedelta(hours=23), True),
        (timedelta(hours=25), False),
    ],
)
def test_a_date_that_cannot_be_right_moves_no_message(
    world: World, bears: datetime | timedelta, is_right: bool
) -> None:
    sent_at = bears if isinstance(bears, datetime) else database_time.now() + bears
    message = factories.message(world.mail, sent_at=sent_at)
    assert (message.sent_at == sent_at) is is_right
    assert [problem.endswith("it stands where it arrived.") for problem in message.details.problems] == [True] * (
        not is_right
    )
