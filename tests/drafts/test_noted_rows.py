"""What is put off, noted, written by hand and given up: the rows that each leaves, and nothing in other conversations."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from conversations import audit
from conversations.channels.base import Party
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import AuditSalt, Conversation, Membership
from conversations.people.members import set_channels
from drafts.desk import decisions, editing, life
from drafts.desk.readdress import Recipients
from drafts.models import BY_A_PERSON, Draft, Hold
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.drafts.test_begin import begun, sent
from tests.drafts.test_life import fresh, in_hours
from tests.drafts.test_life_rows import held_by, newest, recorded


@pytest.fixture
def message(world: World, acme: Any) -> Any:
    """One of two conversations: each act names its own."""
    other = factories.message(world.mail)
    factories.draft(other)
    return factories.message(world.mail)


# --- putting off ---------------------------------------------------------------------------------------------------
def test_what_is_put_off_without_a_draft_is_on_the_record_and_let_go_of(world: World, message: Any) -> None:
    until = in_hours(1)
    held_by(message, world.ada)
    held_by(Conversation.objects.exclude(pk=message.conversation_id).get().messages.get(), world.ada)
    life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=until)
    assert recorded("conversation.snoozed") == (
        "Ada", str(message.conversation_id), message.conversation_id, {"until": until.isoformat(timespec="minutes")},
    )  # fmt: skip
    assert Hold.objects.get().conversation_id != message.conversation_id
    assert Draft.objects.get().snoozed_until is None  # of the other conversation


def test_a_draft_is_put_off_with_its_conversation(world: World, message: Any) -> None:
    given_up = life.write(conversation_id=message.conversation_id, actor=world.ada)
    life.discard(draft_id=given_up.pk, actor=world.ada)
    draft, until = factories.draft(message), in_hours(1)
    held_by(message, world.dan, seconds=-60)
    Conversation.objects.update(updated_at=in_hours(-1))
    assert life.snooze_draft(draft_id=draft.pk, actor=world.ada, until=until).snoozed_until == until
    draft.refresh_from_db()
    assert (draft.snoozed_until, fresh(message).snoozed_until) == (until, until)
    assert fresh(message).updated_at > in_hours(-0.5)
    given_up.refresh_from_db()
    assert given_up.snoozed_until is None
    assert recorded("draft.snoozed") == (
        "Ada", str(draft.pk), message.conversation_id, {"until": until.isoformat(timespec="minutes")},
    )  # fmt: skip
    assert Hold.objects.get().user == world.dan  # somebody else's is left alone


def test_a_draft_is_put_off_by_who_may_while_it_waits(world: World, message: Any) -> None:
    draft = factories.draft(message)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        life.snooze_draft(draft_id=draft.pk, actor=world.bo, until=in_hours(1))
    decisions.reject(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), reasons=["tone"])
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided):
        life.snooze_draft(draft_id=draft.pk, actor=world.ada, until=in_hours(1))
    with assert_nothing_written(), pytest.raises(Draft.DoesNotExist):
        life.snooze_draft(draft_id=uuid.uuid4(), actor=world.ada, until=in_hours(1))


def test_a_reply_on_its_way_is_put_off_only_beside_another_that_waits(world: World, message: Any) -> None:
    factories.approved(factories.draft(message), world.ada)
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    until = in_hours(1)
    life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=until)
    begun.refresh_from_db()
    assert (fresh(message).owed, begun.snoozed_until) == ("leaving", until)


def test_it_is_put_off_for_thirty_days_to_the_day(world: World, message: Any) -> None:
    until = database_time.now() + timedelta(days=30) - timedelta(minutes=1)
    life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=until)
    assert fresh(message).snoozed_until == until
    with assert_nothing_written(), pytest.raises(Invalid, match="the next 30 days"):
        life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=until + timedelta(minutes=2))


def test_what_was_closed_is_not_put_off(world: World, message: Any) -> None:
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="other")
    with assert_nothing_written(), pytest.raises(Conflict, match="Nothing is owed"):
        life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=in_hours(1))


def test_a_promise_does_not_sleep_past_its_time_and_what_nobody_promised_may(world: World, message: Any) -> None:
    due = fresh(message).due_at
    assert due is not None
    life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=due + timedelta(hours=1))
    due = in_hours(2)
    life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=due)
    life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=due)  # to the very moment
    Conversation.objects.filter(pk=message.conversation_id).update(owed="promised")
    with assert_nothing_written(), pytest.raises(Invalid, match="what was promised"):
        life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=due + timedelta(minutes=1))


# --- what is noted -------------------------------------------------------------------------------------------------
def test_a_note_is_on_the_record_without_its_words(world: World, message: Any) -> None:
    due = in_hours(24)
    life.owe(conversation_id=message.conversation_id, actor=world.cy, due_at=due, note=" call her ", to=world.dan.pk)
    until = due.isoformat(timespec="minutes")
    assert recorded("conversation.owed") == (
        "Cy", str(message.conversation_id), message.conversation_id, {"until": until, "to": "Dan"},
    )  # fmt: skip
    noted = newest("conversation.owed")
    salt = AuditSalt.objects.get(event=noted).value
    assert noted.commitments == {"note": audit.commitment(salt, "call her")}
    life.owe(conversation_id=message.conversation_id, actor=world.cy, due_at=due, note="  ")
    assert recorded("conversation.owed")[3] == {"until": until, "to": "nobody"}
    assert newest("conversation.owed").commitments == {}


def test_a_note_of_two_hundred_characters_has_room_without_the_space_around_it(world: World, message: Any) -> None:
    life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(1), note=f" {'x' * 200} ")
    assert fresh(message).owed_note == "x" * 200
    with assert_nothing_written(), pytest.raises(Invalid, match="this one has 201"):
        life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(1), note="x" * 201)


def test_a_promise_that_is_changed_is_a_promise(world: World, message: Any) -> None:
    Conversation.objects.filter(pk=message.conversation_id).update(owed="promised")
    life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(3))
    assert fresh(message).owed == "promised"


def test_a_draft_wakes_with_the_conversation_that_a_note_wakes(world: World, message: Any) -> None:
    draft = factories.draft(message)
    life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=in_hours(3))
    life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(4))
    draft.refresh_from_db()
    assert draft.snoozed_until is not None  # it sleeps on
    life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(2))
    draft.refresh_from_db()
    assert (fresh(message).snoozed_until, draft.snoozed_until) == (None, None)


def test_the_draft_of_another_conversation_sleeps_on(world: World, message: Any) -> None:
    other, draft = Draft.objects.get(), factories.draft(message)
    for one in (draft, other):
        life.snooze(conversation_id=one.conversation_id, actor=world.ada, until=in_hours(3))
    life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(2))
    other.refresh_from_db()
    draft.refresh_from_db()
    assert (draft.snoozed_until, other.snoozed_until is not None) == (None, True)


def test_something_is_owed_within_a_year_to_the_day(world: World, message: Any) -> None:
    due = database_time.now() + timedelta(days=365) - timedelta(minutes=1)
    assert life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=due).due_at == due
    with assert_nothing_written(), pytest.raises(Invalid, match="within a year"):
        life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=due + timedelta(minutes=2))


# --- a reply of one's own ------------------------------------------------------------------------------------------
def test_a_begun_reply_is_due_and_sleeps_as_its_conversation_and_is_on_the_record(world: World, message: Any) -> None:
    until = in_hours(1)
    life.snooze(conversation_id=message.conversation_id, actor=world.ada, until=until)
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    assert (begun.base_message, begun.trigger_message, begun.author_user, begun.model_key) == (
        message, message, world.ada, BY_A_PERSON,
    )  # fmt: skip
    assert (begun.due_at, begun.snoozed_until, begun.recipients) == (fresh(message).due_at, until, {})
    assert fresh(message).owed == "message"  # as before
    assert recorded("draft.begun") == ("Ada", str(begun.pk), message.conversation_id, {})


def test_who_holds_it_writes(world: World, message: Any) -> None:
    held_by(message, world.ada)
    assert life.write(conversation_id=message.conversation_id, actor=world.ada).author_user == world.ada


def test_where_nobody_wrote_yet_there_is_nobody_to_answer(world: World, message: Any) -> None:
    Conversation.objects.filter(pk=message.conversation_id).update(last_inbound_message=None)
    with assert_nothing_written(), pytest.raises(Invalid, match="Nobody wrote here yet"):
        life.write(conversation_id=message.conversation_id, actor=world.ada)


def test_a_discarded_reply_is_on_the_record_and_let_go_of(world: World, message: Any) -> None:
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    editing.claim(draft_id=begun.pk, actor=world.ada)
    held_by(Conversation.objects.exclude(pk=message.conversation_id).get().messages.get(), world.ada)
    life.discard(draft_id=begun.pk, actor=world.ada)
    assert recorded("draft.retired") == (
        "Ada", str(begun.pk), message.conversation_id, {"status": "superseded", "reason": "it was given up"},
    )  # fmt: skip
    assert Hold.objects.get().conversation_id != message.conversation_id


def test_an_auditor_discards_nothing_and_nobody_a_draft_that_another_took_the_place_of(
    world: World, message: Any
) -> None:
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        life.discard(draft_id=begun.pk, actor=world.bo)
    life.discard(draft_id=begun.pk, actor=world.ada)
    second = life.write(conversation_id=message.conversation_id, actor=world.ada)
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided):
        life.discard(draft_id=begun.pk, actor=world.ada)
    set_channels(
        account_id=world.acme.pk, user=world.cy, actor=world.dan,
        channels=[factories.channel(world.acme, external_id="o@acme.test", name="Other").pk],
    )  # fmt: skip
    with assert_nothing_written(), pytest.raises(Draft.DoesNotExist):
        life.discard(draft_id=second.pk, actor=world.cy)


def test_who_may_edit_no_more_gives_up_nothing_not_even_their_own(world: World, message: Any) -> None:
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    Membership.objects.filter(user=world.ada).update(role="auditor")
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        life.discard(draft_id=begun.pk, actor=world.ada)


def test_where_we_wrote_first_a_follow_up_goes_to_those_whom_we_wrote_to_last(world: World, message: Any) -> None:
    first = begun(world)
    sent(world, first)
    elsewhere = begun(world, recipients=Recipients.read("pat@supplier.test", "", ""), subject="Another")
    second = life.write(conversation_id=first.conversation_id, actor=world.ada)
    assert (second.base_message, second.recipients, second.subject) == (None, first.recipients, "Your order of hoses")
    assert second.recipients
    Draft.objects.filter(pk=second.pk).update(subject="Hoses again")
    second.refresh_from_db()
    sent(world, second)
    sent(world, elsewhere)
    given_up = life.write(conversation_id=first.conversation_id, actor=world.ada)
    Draft.objects.filter(pk=given_up.pk).update(subject="Given up")
    life.discard(draft_id=given_up.pk, actor=world.ada)
    assert life.write(conversation_id=first.conversation_id, actor=world.ada).subject == "Hoses again"


def test_where_nothing_of_ours_left_yet_there_is_nothing_to_follow_up(world: World, message: Any) -> None:
    first = begun(world)
    Draft.objects.filter(pk=first.pk).update(status="superseded")
    with assert_nothing_written(), pytest.raises(Invalid, match="Nobody wrote here yet"):
        life.write(conversation_id=first.conversation_id, actor=world.ada)


def test_a_begun_reply_copies_those_whom_the_mail_asks_to_copy(world: World, acme: Any) -> None:
    to = (Party(world.mail.external_id), Party("luis@customer.test"))
    message = factories.message(world.mail, to=to)
    begun = life.write(conversation_id=message.conversation_id, actor=world.ada)
    assert [party["address"] for party in begun.recipients["cc"]] == ["luis@customer.test"]


def test_who_began_a_reply_gives_it_up_and_what_was_owed_before_is_owed_still(world: World, message: Any) -> None:
    life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada)
    begun = life.write(conversation_id=message.conversation_id, actor=world.cy)  # an agent may take over nothing
    held_by(message, world.dan, seconds=-60)
    assert fresh(message).owed == "writing"
    assert life.discard(draft_id=begun.pk, actor=world.cy).status == "pending"
    assert (fresh(message).status, fresh(message).owed) == ("pending", "")
    assert Hold.objects.get().user == world.dan  # somebody else's is left alone
