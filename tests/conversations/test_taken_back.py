"""A reply that did not leave and will not: what was owed before it is owed again, but for what came up since."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.database import database_time
from conversations.messages import owing
from conversations.messages.owing import Status
from conversations.models import Conversation, Delivery
from tests import factories
from tests.conftest import World
from tests.conversations.test_owing import HOUR, OUR_OWN, fresh, owes, reply


@pytest.fixture
def case(world: World, acme: Any) -> Conversation:
    return fresh(factories.message(world.mail).conversation_id)


def before(world: World, why: str, **values: str) -> dict[str, str]:
    """As it is remembered of a reply: what was owed before, by Cy, with a note."""
    due = database_time.now() + 5 * HOUR
    return {"owed": why, "note": "call her", "owner": str(world.cy.pk), "due_at": due.isoformat(), **values}


@pytest.mark.parametrize("why", ["message", "rejected", "reopened", "note", "promised", "bounced"])
@pytest.mark.parametrize("now", [*OUR_OWN, "promised"])
def test_what_was_owed_before_a_reply_is_owed_again_without_it(
    world: World, case: Conversation, now: str, why: str
) -> None:
    taken = reply(case, world, "cancelled")
    remembered = before(world, why)
    owing.taken_back(owes(case, now), remembered, seq=taken.message.seq)
    assert (case.status, case.owed, case.owed_note, case.owner_id) == ("open", why, "call her", world.cy.pk)
    assert case.due_at is not None and case.due_at.isoformat() == remembered["due_at"]


def test_a_draft_that_was_approved_is_no_draft_any_more(world: World, case: Conversation) -> None:
    taken = reply(case, world, "cancelled")
    owing.taken_back(owes(case, "leaving"), before(world, "draft"), seq=taken.message.seq)
    assert case.owed == "message"


def test_what_nobody_owned_nobody_owns_again(world: World, case: Conversation) -> None:
    taken = reply(case, world, "cancelled")
    due = database_time.now() + 2 * HOUR
    owes(case, "promised", owner_id=world.dan.pk, due_at=due)
    owing.taken_back(case, before(world, "message", owner="", due_at="", note=""), seq=taken.message.seq)
    assert (case.owed, case.owed_note, case.owner_id, case.due_at) == ("message", "", None, due)


def test_what_was_remembered_before_there_was_much_to_remember_is_enough(world: World, case: Conversation) -> None:
    taken = reply(case, world, "cancelled")
    owing.taken_back(owes(case, "leaving"), {"owed": "message"}, seq=taken.message.seq)
    assert (case.owed, case.owed_note, case.owner_id) == ("message", "", None)
    owing.taken_back(owes(case, "leaving"), {}, seq=taken.message.seq)
    assert (case.status, case.owed) == ("pending", "")


@pytest.mark.parametrize("now", ["message", "draft", "rejected", "bounced", "reopened", "note", "writing"])
def test_what_came_up_since_stays_when_a_reply_is_taken_back(world: World, case: Conversation, now: str) -> None:
    taken = reply(case, world, "cancelled")
    owing.taken_back(owes(case, now), before(world, "promised"), seq=taken.message.seq)
    assert (case.status, case.owed) == ("open", now)


def test_what_was_closed_on_the_reply_opens_and_what_was_closed_with_a_reason_stays(
    world: World, case: Conversation
) -> None:
    taken = reply(case, world, "cancelled")
    owing.settle(case, Status.CLOSED)
    owing.taken_back(case, before(world, "message"), seq=taken.message.seq)
    assert (case.status, case.owed) == ("open", "message")
    for status, outcome in ((Status.CLOSED, "other"), (Status.PENDING, "")):
        owing.settle(case, status, outcome=outcome)
        owing.taken_back(case, before(world, "message"), seq=taken.message.seq)
        assert (case.status, case.owed) == (status, "")


def test_what_was_answered_since_is_not_owed_again(world: World, case: Conversation) -> None:
    taken = reply(case, world, "cancelled")
    seq = taken.message.seq
    owing.taken_back(owes(case, "leaving", answered_seq=seq), before(world, "message"), seq=seq)
    assert (case.status, case.owed) == ("pending", "")
    owing.taken_back(owes(case, "leaving", answered_seq=seq - 1), before(world, "message"), seq=seq)
    assert (case.status, case.owed) == ("open", "message")


@pytest.mark.parametrize("status", ["held", "queued", "sending", "failed", "uncertain"])
def test_a_newer_reply_stands_on_what_the_one_taken_back_stood_on(
    world: World, case: Conversation, status: str
) -> None:
    taken = reply(case, world, "cancelled")
    newer = reply(case, world, status, owed_before=before(world, "leaving"))
    newest = reply(case, world, "held", owed_before=before(world, "leaving"))
    Delivery.objects.filter(pk=newer.pk).update(updated_at=taken.created_at - HOUR)
    remembered = before(world, "message")
    owing.taken_back(owes(case, "leaving"), remembered, seq=taken.message.seq)
    newer.refresh_from_db()
    newest.refresh_from_db()
    assert (case.owed, newer.owed_before) == ("leaving", remembered)
    assert newer.updated_at >= taken.created_at
    assert newest.owed_before["owed"] == "leaving"


@pytest.mark.parametrize("why", ["message", "note", ""])
def test_a_newer_reply_that_stands_on_something_of_its_own_keeps_it(world: World, case: Conversation, why: str) -> None:
    taken = reply(case, world, "cancelled")
    newer = reply(case, world, "held", owed_before=before(world, why) if why else {})
    owing.taken_back(owes(case, "leaving"), before(world, "promised"), seq=taken.message.seq)
    newer.refresh_from_db()
    assert (case.owed, newer.owed_before.get("owed", "")) == ("leaving", why)


@pytest.mark.parametrize("status", ["sent", "delivered", "bounced", "cancelled"])
def test_a_newer_reply_of_which_all_is_known_changes_nothing(world: World, case: Conversation, status: str) -> None:
    taken = reply(case, world, "cancelled")
    newer = reply(case, world, status, owed_before=before(world, "leaving"))
    owing.taken_back(owes(case, "leaving"), before(world, "message"), seq=taken.message.seq)
    newer.refresh_from_db()
    assert (case.owed, newer.owed_before["owed"]) == ("message", "leaving")


def test_an_older_reply_and_another_conversations_do_not_stand_on_it(world: World, case: Conversation) -> None:
    older = reply(case, world, "failed", owed_before=before(world, "leaving"))
    taken = reply(case, world, "cancelled")
    elsewhere = fresh(factories.message(world.mail).conversation_id)
    factories.reply_to(factories.message(world.mail))
    theirs = [reply(elsewhere, world, "held", owed_before=before(world, "leaving")) for _ in range(3)]
    owing.taken_back(owes(case, "leaving"), before(world, "message"), seq=taken.message.seq)
    assert case.owed == "message"
    for one in (older, *theirs):
        one.refresh_from_db()
        assert one.owed_before["owed"] == "leaving"


@pytest.mark.parametrize("why", [*OUR_OWN, "writing"])
@pytest.mark.parametrize(
    ("others", "owed"),
    [
        (["held"], "leaving"), (["queued"], "leaving"), (["sending"], "leaving"), (["failed", "queued"], "leaving"),
        (["failed"], "failed"), (["uncertain"], "uncertain"), (["bounced"], "bounced"), (["failed", "bounced"], "bounced"),
        (["bounced", "failed"], "failed"), (["failed", "cancelled"], "failed"), (["failed", "sent"], ""), (["sent"], ""),
        (["cancelled"], ""), ([], ""),
    ],
    ids=str,
)  # fmt: skip
def test_what_was_about_another_reply_is_what_became_of_that_one(
    world: World, case: Conversation, why: str, others: list[str], owed: str
) -> None:
    for status in others:
        reply(case, world, status)
    reply(fresh(factories.message(world.mail).conversation_id), world, "failed")
    taken = reply(case, world, "cancelled")
    owing.taken_back(owes(case, "leaving"), before(world, why), seq=taken.message.seq)
    assert (case.status, case.owed) == (("open", owed) if owed else ("pending", ""))
