"""What is owed in a conversation: why, until when and by whom, after each thing that happens to it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from conversations.database import database_time
from conversations.messages import owing
from conversations.messages.owing import Owed, Promise, Status
from conversations.models import Account, Channel, Conversation, Delivery, Message
from tests import factories
from tests.asserts import counted
from tests.conftest import World

HOUR = timedelta(hours=1)
OUR_OWN = ["leaving", "unsent", "failed", "uncertain"]  # about a reply of ours: what becomes of it settles them
OTHERS = ["message", "draft", "rejected", "bounced", "reopened", "note", "promised", "writing"]


@pytest.fixture
def message(world: World, acme: Any) -> Message:
    return factories.message(world.mail)


@pytest.fixture
def case(message: Message) -> Conversation:
    return fresh(message.conversation_id)


def fresh(pk: uuid.UUID) -> Conversation:
    return Conversation.objects.select_related("account", "channel").get(pk=pk)


def owes(case: Conversation, why: str, **also: Any) -> Conversation:
    """The same conversation, in which this is owed, by Cy, until tomorrow."""
    case.status, case.owed, case.due_at = Status.OPEN, why, database_time.now() + 24 * HOUR
    for name, value in also.items():
        setattr(case, name, value)
    return case


def reply(case: Conversation, world: World, status: str, **values: Any) -> Delivery:
    """A reply of ours in the thread that has come so far."""
    message = factories.sent(
        Message(account_id=case.account_id, conversation_id=case.pk, channel_id=case.channel_id), "Yes."
    )
    message.refresh_from_db()
    now = database_time.now()
    return Delivery.objects.create(
        account_id=case.account_id, conversation=case, message=message, channel=case.channel, approved_by=world.ada,
        idempotency_key=str(uuid.uuid4()), envelope={}, body_text="Yes.", content_sha256="0" * 64, status=status,
        sent_at=now if status in {"sent", "delivered", "bounced"} else None,
        lease_until=now if status == "sending" else None, **values,
    )  # fmt: skip


# --- until when ----------------------------------------------------------------------------------------------------
def test_an_answer_is_due_by_the_channels_minutes_or_the_accounts(world: World, case: Conversation) -> None:
    now = database_time.now()
    assert owing.due_from(case, now) == now + 4 * HOUR
    Account.objects.filter(pk=world.acme.pk).update(settings={"due_minutes": 30})
    assert owing.due_from(fresh(case.pk), now) == now + timedelta(minutes=30)
    Channel.objects.filter(pk=world.mail.pk).update(metadata={**world.mail.metadata, "due_minutes": 10})
    assert owing.due_from(fresh(case.pk), now) == now + timedelta(minutes=10)


def test_without_a_channel_the_accounts_minutes_count(case: Conversation) -> None:
    case.channel = None
    now = database_time.now()
    assert owing.due_from(case, now) == now + 4 * HOUR


def test_what_is_owed_is_due_when_it_is_said_or_as_before_or_from_now(case: Conversation) -> None:
    said, before = database_time.now() + HOUR, case.due_at
    owing.owe(case, Owed.NOTE)
    assert case.due_at == before
    owing.owe(case, Owed.NOTE, due_at=said)
    assert case.due_at == said
    case.due_at = None
    began = database_time.now()
    owing.owe(case, Owed.NOTE)
    assert case.due_at is not None and began + 4 * HOUR <= case.due_at <= database_time.now() + 4 * HOUR


def test_what_is_owed_again_is_open_and_no_longer_complete(case: Conversation) -> None:
    owing.settle(case, Status.CLOSED, outcome="other")
    owing.owe(case, Owed.REOPENED)
    assert (case.status, case.owed, case.owed_note) == ("open", "reopened", "")
    assert (case.completed_at, case.outcome) == (None, "")


def test_a_note_is_kept_as_far_as_there_is_room_for_it(case: Conversation) -> None:
    owing.owe(case, Owed.NOTE, note="n" * 201)
    assert case.owed_note == "n" * 200


@pytest.mark.parametrize("why", ["note", "promised"])
def test_what_is_promised_does_not_sleep_past_its_time(case: Conversation, why: str) -> None:
    now = database_time.now()
    for asleep_until, wakes in ((now + 3 * HOUR, True), (now + 2 * HOUR, False), (now + HOUR, False)):
        case.snoozed_until = asleep_until
        owing.owe(case, Owed(why), due_at=now + 2 * HOUR)
        assert (case.snoozed_until is None) == wakes
    case.snoozed_until = None
    owing.owe(case, Owed(why), due_at=now)
    assert case.snoozed_until is None


def test_what_nobody_promised_sleeps_on_past_its_time(case: Conversation) -> None:
    asleep_until = database_time.now() + 50 * HOUR
    case.snoozed_until = asleep_until
    owing.owe(case, Owed.MESSAGE)
    assert case.snoozed_until == asleep_until


def test_all_that_is_owed_and_settled_here_is_saved(case: Conversation) -> None:
    """Who names these fields when they save loses none of it."""
    now = database_time.now()
    owes(case, "note", owed_note="call her", snoozed_until=now + HOUR, due_at=now + HOUR, owner_id=None)
    Conversation.objects.filter(pk=case.pk).update(updated_at=now - HOUR)
    case.save(update_fields=owing.FIELDS)
    found = fresh(case.pk)
    assert (found.status, found.owed, found.owed_note) == ("open", "note", "call her")
    assert (found.due_at, found.snoozed_until) == (now + HOUR, now + HOUR)
    assert found.updated_at >= now
    owing.settle(case, Status.CLOSED, outcome="other")
    case.save(update_fields=owing.FIELDS)
    found = fresh(case.pk)
    assert (found.status, found.outcome, found.answered_seq) == ("closed", "other", 1)
    assert found.completed_at is not None and found.completed_at >= now


def test_who_it_is_owed_by_is_saved(world: World, case: Conversation) -> None:
    owing.reply_approved(case, waits_for_send=False, promise=Promise(database_time.now() + HOUR, world.cy.pk))
    case.save(update_fields=owing.FIELDS)
    assert fresh(case.pk).owner == world.cy


# --- a draft -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("why", [*OUR_OWN, *OTHERS])
def test_a_draft_that_waits_is_what_a_message_without_one_is_owed(case: Conversation, why: str) -> None:
    owing.draft_waits(owes(case, why))
    assert case.owed == ("draft" if why in {"message", "rejected"} else why)


@pytest.mark.parametrize("why", [*OUR_OWN, *OTHERS])
@pytest.mark.parametrize(("another", "follows"), [(True, "message"), (False, "rejected")])
def test_a_rejected_draft_leaves_its_message_without_one(
    case: Conversation, why: str, another: bool, follows: str
) -> None:
    owing.draft_rejected(owes(case, why), another_follows=another)
    assert case.owed == (follows if why in {"message", "draft"} else why)


@pytest.mark.parametrize("why", [*OUR_OWN, *OTHERS])
def test_a_reply_that_is_given_up_leaves_what_was_owed_beside_it(case: Conversation, why: str) -> None:
    owing.draft_given_up(owes(case, why))
    if why == "writing":
        assert (case.status, case.owed) == ("pending", "")
    else:
        assert (case.status, case.owed) == ("open", "message" if why == "draft" else why)


def test_where_nobody_wrote_a_word_a_reply_that_is_given_up_closes_it(case: Conversation) -> None:
    owing.draft_given_up(owes(case, "writing", message_count=0))
    assert case.status == "closed"


def test_a_reply_is_begun_where_nothing_is_owed_and_owed_from_then_on(case: Conversation) -> None:
    owing.begin(case)
    assert case.owed == "message"
    for status in (Status.PENDING, Status.CLOSED):
        owing.settle(case, status)
        owing.begin(case)
        assert (case.status, case.owed) == ("open", "writing")


# --- nothing any more ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "outcome", "answers"),
    [(Status.PENDING, "", True), (Status.CLOSED, "other", True), (Status.CLOSED, "", False)],
)
def test_what_is_settled_is_answered_unless_only_its_reply_answers_it(
    case: Conversation, status: Conversation.Status, outcome: str, answers: bool
) -> None:
    now = database_time.now()
    owing.settle(owes(case, "note", owed_note="call her", snoozed_until=now + HOUR), status, outcome=outcome)
    assert (case.status, case.owed, case.owed_note, case.outcome) == (status, "", "", outcome)
    assert (case.due_at, case.snoozed_until) == (None, None)
    assert case.answered_seq == (1 if answers else 0)
    assert (case.completed_at is not None) == (status == Status.CLOSED)


def test_what_waits_for_the_customer_is_not_complete_any_more(case: Conversation) -> None:
    owing.settle(case, Status.CLOSED, outcome="other")
    owing.settle(case)
    assert (case.status, case.outcome, case.completed_at) == ("pending", "", None)


# --- the customer --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("why", [*OUR_OWN, *OTHERS])
def test_a_customers_message_is_owed_unless_more_was_promised(case: Conversation, message: Message, why: str) -> None:
    asleep = database_time.now() + HOUR
    owes(case, why, owed_note="call her", snoozed_until=asleep)
    owing.customer_wrote(case, message)
    lasting = why in {"note", "promised"}
    assert (case.owed, case.owed_note) == ((why, "call her") if lasting else ("message", ""))
    assert case.snoozed_until is None
    assert case.due_at == message.received_at + 4 * HOUR  # the promise was for later


def test_the_first_message_without_an_answer_says_until_when(case: Conversation, message: Message) -> None:
    sooner = message.received_at + HOUR
    case.due_at = sooner
    owing.customer_wrote(case, message)
    assert case.due_at == sooner
    owing.settle(case)
    owing.customer_wrote(case, message)
    assert case.due_at == message.received_at + 4 * HOUR


# --- a reply of ours -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("waits", "why"), [(True, "unsent"), (False, "leaving")])
def test_an_approved_reply_is_what_is_owed_until_it_left(
    world: World, case: Conversation, waits: bool, why: str
) -> None:
    due = database_time.now() + 24 * HOUR
    owes(case, "note", owed_note="call her", owner_id=world.cy.pk, due_at=due, snoozed_until=due)
    before = owing.reply_approved(case, waits_for_send=waits, promise=None)
    assert before == {"owed": "note", "note": "call her", "owner": str(world.cy.pk), "due_at": due.isoformat()}
    assert (case.owed, case.owner_id, case.due_at, case.snoozed_until) == (why, world.cy.pk, due, None)


def test_where_nothing_was_owed_nothing_is_remembered(case: Conversation) -> None:
    owing.settle(case)
    before = owing.reply_approved(case, waits_for_send=False, promise=None)
    assert before == {"owed": "", "note": "", "owner": "", "due_at": ""}


def test_a_holding_reply_is_owed_by_whom_it_names_until_it_says(world: World, case: Conversation) -> None:
    promised = database_time.now() + 2 * HOUR
    owes(case, "draft", owner_id=world.dan.pk, snoozed_until=promised - HOUR)
    owing.reply_approved(case, waits_for_send=True, promise=Promise(promised, world.cy.pk))
    assert (case.owed, case.owner_id, case.due_at, case.snoozed_until) == ("promised", world.cy.pk, promised, None)
    owing.reply_approved(case, waits_for_send=True, promise=Promise(promised))
    assert case.owner_id is None


@pytest.mark.parametrize("why", [*OUR_OWN, *OTHERS])
def test_a_reply_that_left_settles_what_was_owed_about_a_reply_and_no_more(
    world: World, case: Conversation, why: str
) -> None:
    reply(case, world, "sent")
    assert owing.reply_left(owes(case, why)) == (why in OUR_OWN)
    assert (case.status, case.owed) == (("pending", "") if why in OUR_OWN else ("open", why))


@pytest.mark.parametrize("status", ["held", "queued", "sending"])
def test_a_reply_that_left_leaves_another_on_its_way_owed(world: World, case: Conversation, status: str) -> None:
    reply(case, world, "sent")
    reply(case, world, status)
    reply(fresh(factories.message(world.mail).conversation_id), world, "held")
    assert owing.reply_left(owes(case, "failed"))
    assert (case.status, case.owed) == ("open", "leaving")


def test_another_conversations_reply_is_not_on_its_way_here(world: World, case: Conversation) -> None:
    reply(fresh(factories.message(world.mail).conversation_id), world, "held")
    assert owing.reply_left(owes(case, "leaving"))
    assert case.status == "pending"


# --- merged --------------------------------------------------------------------------------------------------------
def test_what_a_merged_conversation_owes_is_owed_in_the_last_one(world: World, case: Conversation) -> None:
    assert owing.living(case) is case
    middle, last = (fresh(factories.message(world.mail, sender=None).conversation_id) for _ in range(2))
    middle.merged_into, case.merged_into = last, middle
    for one in (middle, case):
        owing.settle(one, Status.CLOSED, outcome="merged")
        one.save()
    first = fresh(case.pk)
    with counted() as asked:
        found = owing.living(first)
    assert found == last
    assert ["FOR UPDATE" in one["sql"] for one in asked.captured_queries] == [True, True]
