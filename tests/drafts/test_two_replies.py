"""Two replies of one conversation under way: what becomes of the older one changes nothing that the newer one will settle."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.channels.base import ChannelError, Failure
from conversations.messages import outbox, outcomes
from conversations.models import Delivery
from drafts.desk import decisions, life
from drafts.models import Draft
from tests import factories
from tests.conftest import World
from tests.drafts.test_life import PRESSED, fresh, in_hours, left, lists


@pytest.fixture
def message(world: World, acme: Any) -> Any:
    return factories.message(world.mail)


def broken(delivery: Delivery) -> None:
    past = in_hours(-1)
    Delivery.objects.filter(pk=delivery.pk).update(hold_until=past, next_attempt_at=past)
    claimed = outbox._claim(delivery.pk)
    assert claimed is not None
    outbox._record_failure(delivery.pk, claimed[0].attempt_count, ChannelError(Failure.PERMANENT, "no"))


@pytest.fixture
def two(world: World, message: Any) -> tuple[Delivery, Delivery]:
    """One that failed, and one that a person wrote after it and that is about to leave."""
    first = factories.approved(factories.draft(message), world.ada)
    broken(first)
    draft = life.write(conversation_id=message.conversation_id, actor=world.ada)
    second = factories.approved(Draft.objects.get(pk=draft.pk), world.ada, final_text="Hello again.", attention=PRESSED)
    assert fresh(message).owed == "leaving"
    return first, second


def test_the_older_is_given_up_and_the_newer_settles_it_all(
    world: World, message: Any, two: tuple[Delivery, Delivery]
) -> None:
    first, second = two
    outcomes.resolve(delivery_id=first.pk, actor=world.ada, outcome="give_up")
    assert (fresh(message).owed, lists(message)) == ("leaving", ["waiting"])
    left(second)
    assert lists(message) == ["waiting"]


def test_both_are_given_up_and_the_message_is_owed_its_answer_by_its_own_time(
    world: World, message: Any, two: tuple[Delivery, Delivery]
) -> None:
    first, second = two
    due = first.owed_before["due_at"]
    outcomes.resolve(delivery_id=first.pk, actor=world.ada, outcome="give_up")
    broken(second)
    outcomes.resolve(delivery_id=second.pk, actor=world.ada, outcome="give_up")
    found = fresh(message)
    assert (found.owed, lists(message)) == ("message", ["owed"])
    assert found.due_at is not None and found.due_at.isoformat() == due


def test_the_newer_is_taken_back_after_the_older_was_given_up(
    world: World, message: Any, two: tuple[Delivery, Delivery]
) -> None:
    first, second = two
    outcomes.resolve(delivery_id=first.pk, actor=world.ada, outcome="give_up")
    decisions.undo(delivery_id=second.pk, actor=world.ada)
    assert lists(message) == ["to_answer"]
    life.discard(
        draft_id=Draft.objects.filter(conversation=message.conversation_id).pending().get().pk, actor=world.ada
    )
    assert lists(message) == ["owed"]
