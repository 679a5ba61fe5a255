"""A conversation's life: what closes by itself, and the rules that the database holds whatever writes to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from conversations.database import database_time
from conversations.models import Account, Conversation
from drafts import tasks
from drafts.desk import life, quiet
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.drafts.test_life import fresh, in_hours, lists, newest


@pytest.fixture
def message(world: World, acme: Any) -> Any:
    return factories.message(world.mail)


# --- quiet ones ----------------------------------------------------------------------------------------------------
def test_what_waited_quietly_closes_by_itself(world: World, message: Any) -> None:
    life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada)
    open_ = factories.message(world.mail)
    old = database_time.now() - timedelta(days=14, minutes=1)
    Conversation.objects.update(last_message_at=old)
    with assert_nothing_written():
        assert quiet.close_quiet(account_id=world.acme.pk, days=14, dry_run=True) == 1
        assert quiet.close_quiet(account_id=world.acme.pk, days=15) == 0
    assert quiet.close_quiet(account_id=world.acme.pk, days=14) == 1
    assert (fresh(message).outcome, fresh(open_).status) == ("quiet", "open")
    assert newest("conversation.closed") == {"reason": "nobody wrote for days", "owed": ""}


# --- the database's own rules --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "pending"},
        {"status": "closed"},
        {"owed": ""},
        {"due_at": None},
        {"owed": "nothing"},
        {"outcome": "other"},
    ],
    ids=str,
)
def test_an_open_conversation_owes_something_and_nothing_else_does(
    world: World, message: Any, changes: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.filter(pk=message.conversation_id).update(**changes)


def test_a_draft_waits_only_where_something_is_owed_and_sleeps_with_it(world: World, message: Any) -> None:
    draft = factories.draft(message)
    for changes, of in (
        ({"snoozed_until": in_hours(1)}, Draft.objects.filter(pk=draft.pk)),
        ({"snoozed_until": in_hours(1)}, Conversation.objects.filter(pk=message.conversation_id)),
        ({"status": "pending", "owed": "", "due_at": None}, Conversation.objects.filter(pk=message.conversation_id)),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            of.update(**changes)
            connection.check_constraints()


def test_where_a_draft_is_said_to_wait_one_does(world: World, message: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.filter(pk=message.conversation_id).update(owed="draft")
        connection.check_constraints()


def test_the_worker_closes_only_where_the_account_wants_it(world: World, message: Any) -> None:
    life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada)
    Conversation.objects.update(last_message_at=database_time.now() - timedelta(days=8))
    tasks.close_quiet(0)
    assert lists(message) == ["waiting"]
    Account.objects.filter(pk=world.acme.pk).update(settings={"close_after_days": 7})
    tasks.close_quiet(0)
    assert lists(message) == ["closed"]
