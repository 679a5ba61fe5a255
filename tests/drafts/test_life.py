"""A conversation's life: closed with a reason where something is owed, reopened, owned, put off, noted, written in by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction

from conversations.channels.base import Receipt
from conversations.database import database_time
from conversations.errors import Conflict, Invalid, Locked
from conversations.messages import outbox
from conversations.models import AuditEvent, Conversation, Delivery, MembershipChannel, User
from conversations.people.members import set_channels
from drafts.desk import decisions, editing, life
from drafts.desk.decisions import Attention
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

PRESSED = Attention(pressed_twice=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def message(world: World, acme: Any) -> Any:
    return factories.message(world.mail)


def fresh(message: Any) -> Conversation:
    return Conversation.objects.get(pk=message.conversation_id)


def lists(message: Any) -> list[str]:
    one = Conversation.objects.filter(pk=message.conversation_id)
    return [name for name in ("to_answer", "owed", "snoozed", "waiting", "closed") if getattr(one, name)().exists()]


def newest(kind: str) -> dict[str, Any]:
    return AuditEvent.objects.filter(kind=kind).latest("id").data


def in_hours(hours: float) -> Any:
    return database_time.now() + hours * HOUR


ACTS: dict[str, Callable[[Any, User], Any]] = {
    "close": lambda m, u: life.close(conversation_id=m.conversation_id, actor=u, reason="not_needed"),
    "reopen": lambda m, u: life.reopen(conversation_id=m.conversation_id, actor=u),
    "assign": lambda m, u: life.assign(conversation_id=m.conversation_id, actor=u, to=u.pk),
    "snooze": lambda m, u: life.snooze(conversation_id=m.conversation_id, actor=u, until=in_hours(1)),
    "owe": lambda m, u: life.owe(conversation_id=m.conversation_id, actor=u, due_at=in_hours(1), note="call her"),
    "answered_elsewhere": lambda m, u: life.answered_elsewhere(conversation_id=m.conversation_id, actor=u),
    "write": lambda m, u: life.write(conversation_id=m.conversation_id, actor=u),
}


@pytest.mark.parametrize("act", ACTS)
def test_who_may_not_do_it_does_nothing(world: World, message: Any, act: str) -> None:
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        ACTS[act](message, world.bo)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        ACTS[act](message, world.eve)


@pytest.mark.parametrize("act", ACTS)
def test_another_tenants_conversation_does_not_exist(world: World, acme: Any, act: str) -> None:
    theirs = factories.message(world.other_mail)
    with assert_nothing_written(), pytest.raises(Conversation.DoesNotExist):
        ACTS[act](theirs, world.ada)


@pytest.mark.parametrize("act", ACTS)
def test_an_agent_does_nothing_in_a_channel_that_they_do_not_see(world: World, message: Any, act: str) -> None:
    other = factories.channel(world.acme, external_id="other@acme.test", name="Other")
    set_channels(account_id=world.acme.pk, user=world.cy, channels=[other.pk], actor=world.dan)
    assert MembershipChannel.objects.count() == 1
    with assert_nothing_written(), pytest.raises(Conversation.DoesNotExist):
        ACTS[act](message, world.cy)


@pytest.mark.parametrize("act", ["close", "snooze", "owe", "answered_elsewhere", "write"])
def test_nothing_is_done_in_a_conversation_that_somebody_else_holds(world: World, message: Any, act: str) -> None:
    draft = factories.draft(message)
    editing.claim(draft_id=draft.pk, actor=world.dan)
    Draft.objects.filter(pk=draft.pk).update(status="superseded")
    with assert_nothing_written(), pytest.raises(Locked):
        ACTS[act](message, world.ada)


# --- closing -------------------------------------------------------------------------------------------------------
def test_what_is_owed_closes_with_a_reason_alone(world: World, message: Any) -> None:
    draft = factories.draft(message)
    for reason in ("", "quiet", "because"):
        with assert_nothing_written(), pytest.raises(Invalid):
            life.close(conversation_id=message.conversation_id, actor=world.ada, reason=reason)
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="goes_on")
    closed = fresh(message)
    assert (closed.status, closed.owed, closed.due_at, closed.outcome) == ("closed", "", None, "goes_on")
    assert closed.completed_at is not None
    assert newest("conversation.closed") == {"reason": "goes on in another conversation", "owed": "message"}
    draft.refresh_from_db()
    assert (draft.status, lists(message)) == ("expired", ["closed"])


def test_what_waits_for_the_customer_closes_without_a_word(world: World, message: Any) -> None:
    life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada)
    assert lists(message) == ["waiting"]
    life.close(conversation_id=message.conversation_id, actor=world.cy)
    assert (fresh(message).status, fresh(message).outcome) == ("closed", "")
    with assert_nothing_written():
        life.close(conversation_id=message.conversation_id, actor=world.ada)


def test_who_did_not_read_the_newest_message_does_not_close(world: World, message: Any) -> None:
    factories.reply_to(message)
    with assert_nothing_written(), pytest.raises(decisions.Stale):
        life.close(
            conversation_id=message.conversation_id, actor=world.ada, reason="not_needed", last_inbound=message.pk
        )
    with assert_nothing_written(), pytest.raises(decisions.Stale):
        life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada, last_inbound=message.pk)


def test_a_customers_message_opens_it_again(world: World, message: Any) -> None:
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="other")
    again = factories.reply_to(message)
    found = fresh(message)
    assert (found.status, found.owed, found.outcome, found.completed_at) == ("open", "message", "", None)
    assert found.due_at == again.received_at + 4 * HOUR
    assert lists(message) == ["owed"]


def test_a_machines_message_opens_nothing(world: World, message: Any) -> None:
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="other")
    factories.reply_to(message, "I am away", automatic="away")
    assert lists(message) == ["closed"]


def test_closed_while_its_reply_leaves_it_opens_again_if_it_does_not(world: World, message: Any) -> None:
    delivery = factories.approved(factories.draft(message), world.ada)
    life.close(conversation_id=message.conversation_id, actor=world.ada)
    assert lists(message) == ["closed"]
    decisions.undo(delivery_id=delivery.pk, actor=world.ada)
    assert (lists(message), fresh(message).owed) == (["to_answer"], "draft")


# --- reopening, owning, putting off --------------------------------------------------------------------------------
def test_what_is_closed_or_waits_is_ours_again(world: World, message: Any) -> None:
    with assert_nothing_written(), pytest.raises(Conflict):
        life.reopen(conversation_id=message.conversation_id, actor=world.ada)
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="other")
    life.reopen(conversation_id=message.conversation_id, actor=world.cy)
    found = fresh(message)
    assert (found.owed, found.outcome, found.completed_at, lists(message)) == ("reopened", "", None, ["owed"])
    assert found.due_at is not None


def test_an_owner_lasts_and_is_somebody_who_may_decide(world: World, message: Any) -> None:
    life.assign(conversation_id=message.conversation_id, actor=world.cy, to=world.dan.pk)
    assert newest("conversation.assigned") == {"to": "Dan"}
    for nobody in (world.bo.pk, world.eve.pk, message.pk):
        with assert_nothing_written(), pytest.raises(Invalid):
            life.assign(conversation_id=message.conversation_id, actor=world.ada, to=nobody)
    factories.reply_to(message)
    with assert_nothing_written():
        life.assign(conversation_id=message.conversation_id, actor=world.ada, to=world.dan.pk)
    assert Conversation.objects.of_owner(world.dan.pk).count() == 1
    life.assign(conversation_id=message.conversation_id, actor=world.ada, to=None)
    assert fresh(message).owner is None


def test_what_is_put_off_comes_back_and_a_message_wakes_it(world: World, message: Any) -> None:
    draft = factories.draft(message)
    until = in_hours(1)
    life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=until)
    draft.refresh_from_db()
    assert (draft.snoozed_until, fresh(message).snoozed_until, lists(message)) == (until, until, ["snoozed"])
    factories.reply_to(message)
    assert (fresh(message).snoozed_until, lists(message)) == (None, ["owed"])


@pytest.mark.parametrize("hours", [-1, 24 * 30 + 1])
def test_it_is_put_off_for_thirty_days_at_most(world: World, message: Any, hours: int) -> None:
    with assert_nothing_written(), pytest.raises(Invalid):
        life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=in_hours(hours))


def test_what_was_promised_does_not_sleep_past_its_time(world: World, message: Any) -> None:
    life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(2), note="call her")
    with assert_nothing_written(), pytest.raises(Invalid):
        life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=in_hours(3))
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.update(snoozed_until=in_hours(3))
    life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=in_hours(1))
    assert lists(message) == ["snoozed"]


def test_nothing_is_put_off_where_nothing_is_owed(world: World, message: Any) -> None:
    factories.approved(factories.draft(message), world.ada)
    with assert_nothing_written(), pytest.raises(Conflict):
        life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=in_hours(1))


# --- what is noted, and promised -----------------------------------------------------------------------------------
def test_what_is_noted_stands_until_a_reply_has_left(world: World, message: Any) -> None:
    life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada)
    due = in_hours(24)
    life.owe(conversation_id=message.conversation_id, actor=world.cy, due_at=due, note=" call her ", to=world.dan.pk)
    found = fresh(message)
    assert (found.owed, found.owed_note, found.due_at, found.owner) == ("note", "call her", due, world.dan)
    again = factories.reply_to(message)
    assert (fresh(message).owed, fresh(message).due_at) == ("note", again.received_at + 4 * HOUR)
    delivery = factories.approved(factories.draft(again), world.ada)
    assert fresh(message).owed == "leaving"
    decisions.undo(delivery_id=delivery.pk, actor=world.ada)
    found = fresh(message)
    assert (found.owed, found.owed_note, found.owner) == ("note", "call her", world.dan)


@pytest.mark.parametrize("hours", [-1, 24 * 366])
def test_a_note_has_a_time_and_is_short(world: World, message: Any, hours: int) -> None:
    with assert_nothing_written(), pytest.raises(Invalid):
        life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(hours))
    with assert_nothing_written(), pytest.raises(Invalid):
        life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(1), note="x" * 201)


def test_a_holding_reply_leaves_its_promise_owed(world: World, message: Any) -> None:
    held = factories.draft(message, "Hi Marcus,\n\nA colleague will look into it and get back to you.\n\nBest regards")
    promise = decisions.Promise(in_hours(20), world.dan.pk)
    delivery = factories.approved(held, world.ada, promise=promise, attention=PRESSED)
    found = fresh(message)
    assert (found.owed, found.due_at, found.owner, lists(message)) == ("promised", promise.due_at, world.dan, ["owed"])
    left(delivery)
    assert (fresh(message).owed, lists(message)) == ("promised", ["owed"])


def test_a_promise_that_nobody_dated_is_due_by_the_accounts_time(world: World, message: Any) -> None:
    held = factories.draft(message, "Hi,\n\nWe will be in touch.\n\nBest regards")
    before = database_time.now()
    factories.approved(held, world.ada, attention=PRESSED)
    found = fresh(message)
    assert (found.owed, found.owner) == ("promised", None)
    assert found.due_at is not None and before + 4 * HOUR <= found.due_at <= database_time.now() + 4 * HOUR


def test_a_reply_that_promises_nobody_promises_nothing(world: World, message: Any) -> None:
    promise = decisions.Promise(in_hours(20), world.dan.pk)
    factories.approved(factories.draft(message), world.ada, promise=promise)
    assert (fresh(message).owed, fresh(message).owner, lists(message)) == ("leaving", None, ["waiting"])


# --- a reply of one's own ------------------------------------------------------------------------------------------
def test_a_person_writes_without_a_draft_and_after_the_answer(world: World, message: Any) -> None:
    life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada)
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    assert (begun.author_user, begun.model_key, begun.suggested_text) == (world.ada, "person", "")
    assert (fresh(message).owed, lists(message)) == ("writing", ["to_answer"])
    assert life.write(conversation_id=message.conversation_id, actor=world.dan) == begun
    with pytest.raises(Invalid):
        decisions.approve(draft_id=begun.pk, actor=world.ada, seen=factories.seen(begun))
    action = decisions.approve(
        draft_id=begun.pk,
        actor=world.ada,
        seen=factories.seen(begun),
        final_text="Hello Marcus,\n\nIt ships on Monday.",
    )
    assert (action.type, action.message is not None, lists(message)) == ("edit", True, ["waiting"])


def test_what_a_person_wrote_teaches_nothing_and_judges_no_drafter(world: World, message: Any) -> None:
    from drafts.evidence import verdicts
    from drafts.models import LearningSample

    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    factories.approved(begun, world.ada, final_text="It ships on Monday.")
    assert LearningSample.objects.count() == 0
    assert verdicts.ask("SELECT * FROM verdicts", account_id=world.acme.pk) == []


def test_a_begun_reply_is_discarded_by_who_began_it_or_who_may_take_over(world: World, message: Any) -> None:
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        life.discard(draft_id=begun.pk, actor=world.cy)
    life.discard(draft_id=begun.pk, actor=world.dan)
    assert (Draft.objects.get(pk=begun.pk).status, lists(message), fresh(message).owed) == (
        "superseded",
        ["owed"],
        "message",
    )
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided):
        life.discard(draft_id=begun.pk, actor=world.ada)
    written = factories.draft(message)
    with assert_nothing_written(), pytest.raises(Invalid):
        life.discard(draft_id=written.pk, actor=world.ada)
    theirs = factories.draft(factories.message(world.other_mail))
    with assert_nothing_written(), pytest.raises(Draft.DoesNotExist):
        life.discard(draft_id=theirs.pk, actor=world.ada)


def test_nobody_writes_to_a_machine(world: World, acme: Any) -> None:
    notice = factories.message(world.mail, "Undeliverable", automatic="bounce")
    with assert_nothing_written(), pytest.raises(Invalid):
        life.write(conversation_id=notice.conversation_id, actor=world.ada)


def test_nobody_owns_what_they_do_not_see(world: World, message: Any) -> None:
    other = factories.channel(world.acme, external_id="other@acme.test", name="Other")
    set_channels(account_id=world.acme.pk, user=world.cy, channels=[other.pk], actor=world.dan)
    with assert_nothing_written(), pytest.raises(Invalid):
        life.assign(conversation_id=message.conversation_id, actor=world.ada, to=world.cy.pk)


def left(delivery: Delivery) -> None:
    past = in_hours(-1)
    Delivery.objects.filter(pk=delivery.pk).update(hold_until=past, next_attempt_at=past)
    claimed = outbox._claim(delivery.pk)
    assert claimed is not None
    outbox._record_sent(delivery.pk, claimed[0].attempt_count, Receipt("250 ok"))


def test_a_reply_that_left_leaves_the_one_behind_it_on_its_way(world: World, message: Any) -> None:
    first = factories.approved(factories.draft(message), world.ada)
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    second = factories.approved(begun, world.ada, final_text="One more thing: it ships on Monday.")
    left(first)
    assert (fresh(message).owed, fresh(message).due_at is not None) == ("leaving", True)
    left(second)
    assert (fresh(message).status, lists(message)) == ("pending", ["waiting"])


def test_an_approval_is_not_taken_back_beside_a_reply_that_was_begun_since(world: World, message: Any) -> None:
    delivery = factories.approved(factories.draft(message), world.ada)
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    with assert_nothing_written(), pytest.raises(Conflict, match="Another reply was begun"):
        decisions.undo(delivery_id=delivery.pk, actor=world.ada)
    life.discard(draft_id=begun.pk, actor=world.ada)
    decisions.undo(delivery_id=delivery.pk, actor=world.ada)
    assert lists(message) == ["to_answer"]


def test_a_reply_that_was_begun_and_put_off_wakes_when_another_leaves(world: World, acme: Any) -> None:
    """The settled conversation sleeps no longer, and its draft with it: the delivery is recorded all the same."""
    message = factories.message(world.mail)
    delivery = factories.approved(factories.draft(message), world.ada)
    begun = life.write(conversation_id=message.conversation_id, actor=world.dan)
    until = database_time.now() + timedelta(hours=1)
    life.snooze(conversation_id=message.conversation_id, actor=world.dan, until=until)
    for status in ("queued", "sending"):
        Delivery.objects.filter(pk=delivery.pk).update(status=status, lease_until=until)
    outbox._record_sent(delivery.pk, 0, Receipt("250 ok"))
    connection.check_constraints()
    begun.refresh_from_db()
    assert (Delivery.objects.get().status, begun.status, begun.snoozed_until) == ("sent", "pending", None)
