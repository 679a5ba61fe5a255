"""A rejection is a step: what becomes of the customer is chosen with it, and done in the same transaction or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.errors import Conflict, Invalid
from conversations.models import AuditEvent, Conversation, User
from drafts.desk import after, editing, life
from drafts.models import Draft, DraftAction
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.drafts.test_life import PRESSED, fresh, in_hours, lists


@pytest.fixture
def message(world: World, acme: Any) -> Any:
    return factories.message(world.mail)


def rejected(draft: Draft, user: User, then: str, **changes: Any) -> tuple[DraftAction, Draft | None]:
    follows = after.Next(after.Then(then), **changes)
    return after.reject(
        draft_id=draft.pk, actor=user, seen=factories.seen(draft), reasons=["tone"], follows=follows, request_id="r" * 8
    )


def test_rejected_and_kept_it_is_owed_by_who_rejected_it(world: World, message: Any) -> None:
    due = in_hours(30)
    rejected(factories.draft(message), world.cy, "owed", due_at=due, is_mine=True)
    found = fresh(message)
    assert (found.owed, found.due_at, found.owner, lists(message)) == ("rejected", due, world.cy, ["owed"])


def test_rejected_to_be_written_by_hand_an_empty_draft_waits(world: World, message: Any) -> None:
    draft = factories.draft(message)
    seen, follows = factories.seen(draft), after.Next(after.Then.WRITE)
    values: dict[str, Any] = {
        "draft_id": draft.pk, "actor": world.cy, "seen": seen, "reasons": ["tone"], "follows": follows, "request_id": "r" * 8,
    }  # fmt: skip
    first, begun = after.reject(**values)
    assert begun is not None and begun.author_user == world.cy
    with assert_nothing_written():
        assert after.reject(**values) == (first, begun)
    assert lists(message) == ["to_answer"]


def test_rejected_and_redrafted_another_is_asked_for_with_the_instruction(world: World, message: Any) -> None:
    rejected(factories.draft(message), world.cy, "redraft", instruction="Say less.")
    asked = DraftAction.objects.get(type="regenerate")
    assert (asked.notes, asked.user, lists(message)) == ("Say less.", world.cy, ["owed"])


def test_rejected_and_answered_elsewhere_it_waits_for_the_customer(world: World, message: Any) -> None:
    rejected(factories.draft(message), world.cy, "elsewhere")
    assert lists(message) == ["waiting"]


def test_rejected_and_closed_it_is_closed_or_nothing_is_done(world: World, message: Any) -> None:
    draft = factories.draft(message)
    with assert_nothing_written(), pytest.raises(Invalid):
        rejected(draft, world.cy, "close")
    rejected(draft, world.cy, "close", reason="not_needed")
    assert (lists(message), fresh(message).outcome) == (["closed"], "not_needed")


def test_a_rejected_check_draft_is_followed_by_the_real_one(world: World, message: Any) -> None:
    draft = factories.draft(message, is_canary=True)
    for then in ("elsewhere", "close"):
        with assert_nothing_written(), pytest.raises(Invalid):
            rejected(draft, world.ada, then, reason="not_needed")
    assert rejected(draft, world.ada, "write")[1] is None
    assert (fresh(message).owed, lists(message)) == ("message", ["owed"])


def test_rejected_and_nothing_said_it_is_owed_as_before(world: World, message: Any) -> None:
    life.assign(conversation_id=message.conversation_id, actor=world.ada, to=world.dan.pk)
    due = fresh(message).due_at
    rejected(factories.draft(message), world.cy, "owed")
    assert (fresh(message).owed, fresh(message).due_at, fresh(message).owner) == ("rejected", due, world.dan)


@pytest.mark.parametrize("hours", [-1, 24 * 366])
def test_it_is_not_kept_as_owed_until_a_time_that_is_past_or_too_far(world: World, message: Any, hours: int) -> None:
    draft = factories.draft(message)
    with assert_nothing_written(), pytest.raises(Invalid, match="within a year"):
        rejected(draft, world.cy, "owed", due_at=in_hours(hours))


def test_a_rejected_check_draft_promises_nobody_a_time(world: World, message: Any) -> None:
    """Nobody knows that it was one before it was decided: the real one is due as it was."""
    draft, due = factories.draft(message, is_canary=True), fresh(message).due_at
    assert rejected(draft, world.ada, "owed", due_at=in_hours(30), is_mine=True)[1] is None
    assert (fresh(message).owed, fresh(message).due_at, fresh(message).owner) == ("message", due, None)


def test_a_rejection_keeps_the_note_and_how_it_was_read(world: World, message: Any) -> None:
    draft = factories.draft(message)
    action, begun = after.reject(
        draft_id=draft.pk, actor=world.cy, seen=factories.seen(draft), reasons=[], notes="Too long.",
        follows=after.Next(after.Then.OWED), attention=PRESSED, request_id="r" * 8,
    )  # fmt: skip
    assert (action.notes, action.pressed_twice, action.request_id, begun) == ("Too long.", True, "r" * 8, None)


def test_a_repeated_rejection_finds_the_reply_that_was_begun_with_it_and_no_other(world: World, message: Any) -> None:
    draft, elsewhere = factories.draft(message), factories.message(world.mail)
    life.write(conversation_id=elsewhere.conversation_id, actor=world.cy)
    values: dict[str, Any] = {
        "draft_id": draft.pk, "actor": world.cy, "seen": factories.seen(draft), "reasons": ["tone"],
        "follows": after.Next(after.Then.WRITE), "request_id": "r" * 8,
    }  # fmt: skip
    first, begun = after.reject(**values)
    assert begun is not None
    life.discard(draft_id=begun.pk, actor=world.cy)
    assert after.reject(**values) == (first, None)
    life.write(conversation_id=message.conversation_id, actor=world.ada)
    assert after.reject(**values) == (first, None)


def test_what_a_press_did_is_not_repeated_as_a_rejection(world: World, message: Any) -> None:
    draft = factories.draft(message)
    factories.approved(draft, world.cy, request_id="r" * 8)
    with assert_nothing_written(), pytest.raises(Invalid, match="used for another decision"):
        rejected(draft, world.cy, "owed")


def test_who_rejects_what_somebody_else_decided_is_told_who(world: World, message: Any) -> None:
    draft = factories.draft(message)
    rejected(draft, world.ada, "owed")
    with assert_nothing_written(), pytest.raises(Conflict, match="Ada was first"):
        rejected(draft, world.cy, "close", reason="not_needed")


def test_a_rejection_and_its_close_are_one_act_on_the_record(world: World, message: Any) -> None:
    rejected(factories.draft(message), world.cy, "close", reason="not_needed")
    assert [row.kind for row in AuditEvent.objects.order_by("-id")[:2]] == ["conversation.closed", "draft.rejected"]


def test_where_redrafting_is_refused_nothing_is_rejected(world: World, message: Any) -> None:
    """Nobody wrote yet whom a drafter could answer: the rejection goes with it."""
    begun = life.write(conversation_id=message.conversation_id, actor=world.cy)
    editing.save_revision(draft_id=begun.pk, actor=world.cy, version=0, text="Hello.")
    Conversation.objects.filter(pk=message.conversation_id).update(last_inbound_message=None)
    Draft.objects.filter(pk=begun.pk).update(base_message=None, trigger_message=None)
    begun.refresh_from_db()
    with assert_nothing_written(), pytest.raises(Invalid, match="Nobody wrote here yet"):
        rejected(begun, world.cy, "redraft")


def test_who_owes_it_and_until_when_counts_only_where_it_is_kept(world: World, message: Any) -> None:
    due = fresh(message).due_at
    rejected(factories.draft(message), world.cy, "redraft", due_at=in_hours(30), is_mine=True)
    assert (fresh(message).due_at, fresh(message).owner) == (due, None)
