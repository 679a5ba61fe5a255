"""Drafts that nobody writes any more, because their job was lost, are asked for again."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.database import database_time
from conversations.jobs import wake
from conversations.models import Conversation, Message, Notification
from conversations.tenancy import tenant_context
from drafts.flow import drafting, sweeping
from drafts.models import Draft
from drafts.tasks import sweep
from tests import factories
from tests.conftest import World

pytestmark = pytest.mark.usefixtures("acme")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "PATIENCE", timedelta(0))


def forget_jobs() -> None:
    ProcrastinateJob.objects.all().delete()


def asked() -> list[dict[str, str]]:
    return list(ProcrastinateJob.objects.filter(task_name="drafts.write", status="todo").values_list("args", flat=True))


def jobs(times: int, conversation: Conversation, status: str, *, at: datetime | None = None) -> None:
    """Jobs of a conversation and no others, as a worker leaves them."""
    forget_jobs()
    for _ in range(times):
        wake("drafts.write", at=at, queue="drafts", account_id=conversation.account_id, conversation_id=conversation.pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = %s", [status])


def test_a_draft_whose_job_was_lost_is_asked_for_once_more(world: World) -> None:
    message = factories.message(world.mail)
    forget_jobs()

    assert sweeping.sweep(account_id=world.acme.pk) == 1

    assert asked() == [{"account_id": str(world.acme.pk), "conversation_id": str(message.conversation_id)}]
    assert sweeping.sweep(account_id=world.acme.pk) == 0, "a job is there now"
    assert len(asked()) == 1


def test_every_account_is_looked_at_and_each_alone(world: World) -> None:
    here, there = factories.message(world.mail), factories.message(world.other_mail)
    forget_jobs()

    sweep(timestamp=0)

    assert sorted((job["account_id"], job["conversation_id"]) for job in asked()) == sorted(
        (str(each.account_id), str(each.conversation_id)) for each in (here, there)
    )


def test_what_a_worker_writes_or_will_write_is_left_to_it(world: World) -> None:
    """Another draft with an instruction has a job without a key: a second one beside it would write without the instruction."""
    message = factories.message(world.mail)
    for status in ("todo", "doing"):
        jobs(1, message.conversation, status)
        assert sweeping.sweep(account_id=world.acme.pk) == 0
    jobs(1, message.conversation, "succeeded")
    assert sweeping.sweep(account_id=world.acme.pk) == 1


def test_who_has_just_written_is_not_looked_for_yet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drafter that is away is tried for a minute, and who writes in bursts is waited for."""
    factories.message(world.mail)
    forget_jobs()
    with monkeypatch.context() as patient:
        patient.setattr(sweeping, "PATIENCE", timedelta(minutes=3))
        assert sweeping.sweep(account_id=world.acme.pk) == 0
    with tenant_context(world.acme.pk):
        type(world.acme).objects.filter(pk=world.acme.pk).update(settings={"draft_burst_seconds": 60})
    assert sweeping.sweep(account_id=world.acme.pk) == 0


def test_what_has_a_draft_or_owes_nothing_asks_for_none(world: World) -> None:
    decided = factories.draft(factories.message(world.mail))
    closed, erased = factories.message(world.mail), factories.message(world.mail)
    with tenant_context(world.acme.pk):
        Draft.objects.filter(pk=decided.pk).update(status=Draft.Status.REJECTED)
        Conversation.objects.filter(pk=decided.conversation_id).update(owed="message")
        Conversation.objects.filter(pk=closed.conversation_id).update(status="pending", owed="", due_at=None)
        Message.objects.filter(pk=erased.pk).update(erased_at=database_time.now())
    forget_jobs()

    assert sweeping.sweep(account_id=world.acme.pk) == 0
    assert asked() == []


def test_a_draft_that_was_replaced_or_was_a_check_answers_nobody(world: World) -> None:
    replaced, check = factories.draft(factories.message(world.mail)), factories.draft(factories.message(world.mail))
    with tenant_context(world.acme.pk):
        Draft.objects.filter(pk=replaced.pk).update(status=Draft.Status.SUPERSEDED)
        Draft.objects.filter(pk=check.pk).update(
            is_canary=True, canary_defect="a number was changed", status=Draft.Status.REJECTED
        )
        Conversation.objects.update(owed="message")
    forget_jobs()

    assert sweeping.sweep(account_id=world.acme.pk) == 2


def test_what_found_nothing_to_write_is_not_asked_for_minute_by_minute(world: World) -> None:
    conversation, now = factories.message(world.mail).conversation, database_time.now()
    jobs(1, conversation, "succeeded", at=now)
    assert sweeping.sweep(account_id=world.acme.pk) == 0
    jobs(1, conversation, "succeeded", at=now - timedelta(hours=2))
    assert sweeping.sweep(account_id=world.acme.pk) == 1


def test_an_account_that_is_off_asks_for_nothing(world: World) -> None:
    factories.message(world.other_mail)
    forget_jobs()
    with tenant_context(world.globex.pk):
        type(world.globex).objects.filter(pk=world.globex.pk).update(is_active=False)
    sweep(timestamp=0)
    assert asked() == []


def test_what_fails_again_and_again_is_shown_to_people(world: World) -> None:
    conversation = factories.message(world.mail).conversation
    now = database_time.now()
    jobs(sweeping.TRIES - 1, conversation, "failed", at=now)
    assert (sweeping.sweep(account_id=world.acme.pk), len(asked())) == (1, 1), "it is tried once more"
    jobs(sweeping.TRIES, conversation, "failed", at=now)

    assert sweeping.sweep(account_id=world.acme.pk) == 1

    assert asked() == []
    with tenant_context(world.acme.pk):
        draft = Draft.objects.get(conversation=conversation)
        told = Notification.objects.filter(type=Notification.Type.DRAFT_FAILED).count()
    assert (draft.status, draft.suggested_text, draft.error, told) == ("pending", "", "The drafter failed on it.", 1)
    assert sweeping.sweep(account_id=world.acme.pk) == 0


def test_what_failed_for_an_older_message_does_not_count(world: World) -> None:
    message = factories.message(world.mail)
    jobs(sweeping.TRIES, message.conversation, "failed", at=message.received_at - timedelta(seconds=1))
    assert (sweeping.sweep(account_id=world.acme.pk), len(asked())) == (1, 1)


def test_another_conversations_failures_do_not_count(world: World) -> None:
    mine, other = factories.message(world.mail), factories.message(world.mail)
    jobs(sweeping.TRIES, other.conversation, "failed", at=database_time.now())
    assert sweeping.sweep(account_id=world.acme.pk) == 2
    assert [job["conversation_id"] for job in asked()] == [str(mine.conversation_id)]


def test_the_draft_that_was_asked_for_again_is_written(world: World) -> None:
    message = factories.message(world.mail)
    forget_jobs()
    sweeping.sweep(account_id=world.acme.pk)
    [job] = asked()
    draft = drafting.write_draft(
        account_id=uuid.UUID(job["account_id"]), conversation_id=uuid.UUID(job["conversation_id"])
    )
    assert draft is not None
    assert draft.base_message_id == message.pk
    assert sweeping.sweep(account_id=world.acme.pk) == 0
