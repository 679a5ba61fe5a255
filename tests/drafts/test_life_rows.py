"""What each act on a conversation leaves behind: the rows, who did it on the record, and nothing in other conversations."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid, Locked
from conversations.messages import outbox
from conversations.models import (
    AuditEvent,
    Conversation,
    Delivery,
    Membership,
    Notification,
    PolicyRule,
    User,
    Watcher,
    WebhookEvent,
)
from conversations.people.members import set_channels
from conversations.webhooks import endpoints
from conversations.webhooks.emit import News
from drafts.desk import decisions, life, merging, watching
from drafts.models import Hold
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World
from tests.drafts.test_life import fresh, in_hours, lists

SERVICE = audit.Actor(audit.AuditEvent.ActorType.SERVICE, "Importer", "7")


@pytest.fixture
def message(world: World, acme: Any) -> Any:
    """One of two conversations: each act names its own."""
    other = factories.message(world.mail)
    factories.draft(other)
    return factories.message(world.mail)


def newest(kind: str) -> AuditEvent:
    return AuditEvent.objects.filter(kind=kind).latest("id")


def recorded(kind: str) -> tuple[str, str, uuid.UUID | None, dict[str, Any]]:
    """Of the newest event of its kind: who, on what, in which conversation, with what."""
    found = newest(kind)
    return found.actor_name, found.object_id, found.conversation_id, found.data


def held_by(message: Any, user: User, *, seconds: int = 60) -> Hold:
    until = database_time.now() + timedelta(seconds=seconds)
    return Hold.objects.create(
        account_id=message.account_id, conversation_id=message.conversation_id, user=user, lease_until=until
    )


def waits(message: Any) -> Conversation:
    """Answered: it waits for the customer."""
    ada = User.objects.get(email="ada@acme.test")
    return life.answered_elsewhere(conversation_id=message.conversation_id, actor=ada)


# --- under its lock ------------------------------------------------------------------------------------------------
def test_the_conversation_is_locked_and_then_the_draft_that_waits_in_it(world: World, message: Any) -> None:
    draft = factories.draft(message)
    with counted() as asked:
        place = life.look(message.conversation_id, actor=world.ada)
    assert (place.conversation.pk, place.draft, place.role, place.holder) == (
        message.conversation_id,
        draft,
        "reviewer",
        "",
    )
    locks = [query["sql"] for query in asked.captured_queries if "FOR UPDATE" in query["sql"]]
    assert ["conversations_conversation" in locks[0], "drafts_draft" in locks[1], len(locks)] == [True, True, 2]


def test_a_draft_that_was_decided_waits_no_more(world: World, message: Any) -> None:
    draft = factories.draft(message)
    decisions.reject(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), reasons=["tone"])
    assert life.look(message.conversation_id, actor=world.ada).draft is None


def test_only_a_hold_of_somebody_else_that_has_not_run_out_is_in_the_way(world: World, message: Any) -> None:
    hold = held_by(message, world.dan)
    assert "Dan" in life.look(message.conversation_id, actor=world.ada).holder
    assert life.look(message.conversation_id, actor=world.dan).holder == ""
    Hold.objects.filter(pk=hold.pk).update(lease_until=in_hours(-1))
    assert life.look(message.conversation_id, actor=world.ada).holder == ""
    hold.delete()
    held_by(Conversation.objects.exclude(pk=message.conversation_id).get().messages.get(), world.dan)
    assert life.look(message.conversation_id, actor=world.ada).holder == ""


def test_who_does_not_work_here_any_more_may_nothing(world: World, message: Any) -> None:
    Membership.objects.filter(user=world.ada).update(is_active=False)
    assert life.look(message.conversation_id, actor=world.ada).role is None
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        life.close(conversation_id=message.conversation_id, actor=world.ada, reason="other")


def test_in_a_merged_conversation_nothing_is_done_but_for_who_asks_for_it(world: World, message: Any) -> None:
    other = Conversation.objects.exclude(pk=message.conversation_id).get()
    merging.merge(conversation_id=message.conversation_id, into=other.pk, actor=world.ada)
    with assert_nothing_written(), pytest.raises(Conflict, match="merged with another"):
        life.reopen(conversation_id=message.conversation_id, actor=world.ada)
    assert (
        life.look(message.conversation_id, actor=world.ada, merged_too=True).conversation.pk == message.conversation_id
    )


def test_a_service_may_what_its_token_lets_it_and_the_system_nothing(world: World, message: Any) -> None:
    """Its scopes are asked where the token is read."""
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        life.close(conversation_id=message.conversation_id, actor=audit.SYSTEM, reason="other")
    closed = life.close(conversation_id=message.conversation_id, actor=SERVICE, reason="other")
    assert recorded("conversation.closed")[:3] == ("Importer", str(closed.pk), closed.pk)
    held_by(message, world.ada)
    life.reopen(conversation_id=message.conversation_id, actor=SERVICE)
    with assert_nothing_written(), pytest.raises(Locked, match="Ada"):
        life.close(conversation_id=message.conversation_id, actor=SERVICE, reason="other")


# --- closing -------------------------------------------------------------------------------------------------------
@pytest.fixture
def told(world: World, acme: Any) -> Callable[[], list[Any]]:
    """What systems of the account's own are told of from now on."""
    endpoints.add(
        account_id=acme.pk, actor=world.dan, url="https://hooks.acme.test/", events=News.values, with_text=False
    )
    return lambda: [(one.kind, one.data) for one in WebhookEvent.objects.filter(kind="conversation.closed")]


def test_a_closed_conversation_its_expired_draft_and_who_is_told(
    world: World, message: Any, told: Callable[[], list[Any]]
) -> None:
    draft = factories.draft(message)
    held_by(message, world.ada)
    held_by(Conversation.objects.exclude(pk=message.conversation_id).get().messages.get(), world.ada)
    for one in (world.ada, world.dan):
        watching.watch(conversation_id=message.conversation_id, actor=one, on=True)
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="not_needed")
    assert recorded("conversation.closed") == (
        "Ada", str(message.conversation_id), message.conversation_id, {"reason": "the customer no longer needs it", "owed": "message"},
    )  # fmt: skip
    assert recorded("draft.retired") == (
        "Ada", str(draft.pk), message.conversation_id, {"status": "expired", "reason": "the conversation was closed"},
    )  # fmt: skip
    assert told() == [("conversation.closed", {"conversation": str(message.conversation_id)})]
    [notice] = Notification.objects.filter(type="watched")
    assert (notice.user, notice.payload["what"]) == (world.dan, "Ada closed it")
    assert Watcher.objects.count() == 2
    assert Hold.objects.get().conversation_id != message.conversation_id


def test_what_the_system_closes_everybody_who_watches_is_told_of(world: World, message: Any) -> None:
    watching.watch(conversation_id=message.conversation_id, actor=world.ada, on=True)
    waits(message)
    conversation = Conversation.objects.select_for_update().get(pk=message.conversation_id)
    life.close_here(conversation, None, actor=audit.SYSTEM, reason="quiet")
    assert (fresh(message).status, fresh(message).outcome) == ("closed", "quiet")
    assert [one.payload["what"] for one in Notification.objects.filter(user=world.ada)] == ["Countersign closed it"]


@pytest.mark.parametrize("reason", ["answered_elsewhere", "not_needed", "goes_on", "other"])
def test_these_are_reasons_to_close(world: World, message: Any, reason: str) -> None:
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason=reason)
    assert fresh(message).outcome == reason


def test_a_begun_reply_is_closed_without_a_word(world: World, message: Any) -> None:
    waits(message)
    life.write(conversation_id=message.conversation_id, actor=world.ada)
    life.close(conversation_id=message.conversation_id, actor=world.ada, last_inbound=message.pk)
    assert lists(message) == ["closed"]


def test_a_reason_that_is_not_known_is_refused_even_where_none_is_needed(world: World, message: Any) -> None:
    waits(message)
    with assert_nothing_written(), pytest.raises(Invalid, match="no reason that is known"):
        life.close(conversation_id=message.conversation_id, actor=world.ada, reason="because")


def test_what_was_closed_with_a_reason_is_not_owed_again_when_its_reply_does_not_leave(
    world: World, message: Any
) -> None:
    delivery = factories.approved(factories.draft(message), world.ada)
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="other")
    outbox.cancel(
        delivery=Delivery.objects.select_related("message", "conversation").get(pk=delivery.pk),
        actor=world.ada,
        reason="no",
    )
    assert lists(message) == ["closed"]


# --- reopening, answered elsewhere, owners -------------------------------------------------------------------------
def test_who_reopens_it_is_on_the_record(world: World, message: Any) -> None:
    waits(message)
    life.reopen(conversation_id=message.conversation_id, actor=world.cy)
    assert recorded("conversation.reopened") == ("Cy", str(message.conversation_id), message.conversation_id, {})


def test_what_was_removed_under_the_retention_rules_is_not_taken_up_again(world: World, message: Any) -> None:
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="other")
    Conversation.objects.filter(pk=message.conversation_id).update(archived_at=database_time.now())
    for act in (
        lambda: life.reopen(conversation_id=message.conversation_id, actor=world.ada),
        lambda: life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(1)),
        lambda: life.write(conversation_id=message.conversation_id, actor=world.ada),
    ):
        with assert_nothing_written(), pytest.raises(Invalid, match="retention rules"):
            act()


def test_what_was_archived_and_is_open_is_worked_on(world: World, message: Any) -> None:
    Conversation.objects.filter(pk=message.conversation_id).update(archived_at=database_time.now())
    assert life.owe(conversation_id=message.conversation_id, actor=world.ada, due_at=in_hours(1)).owed == "note"


def test_answered_elsewhere_says_what_was_owed_and_who_said_so(world: World, message: Any) -> None:
    life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.cy, last_inbound=message.pk)
    assert recorded("conversation.answered") == (
        "Cy", str(message.conversation_id), message.conversation_id, {"owed": "message"},
    )  # fmt: skip
    assert fresh(message).answered_seq == 1


def test_where_nothing_is_owed_or_a_draft_waits_nothing_is_marked_as_answered(world: World, message: Any) -> None:
    draft = factories.draft(message)
    with assert_nothing_written(), pytest.raises(Conflict, match="nothing here to mark"):
        life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada)
    decisions.answered_elsewhere(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    with assert_nothing_written(), pytest.raises(Conflict, match="nothing here to mark"):
        life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada)


def test_an_owner_and_nobody_are_on_the_record(world: World, message: Any) -> None:
    Conversation.objects.update(updated_at=in_hours(-1))
    for to, name in ((world.dan, "Dan"), (None, "nobody")):
        life.assign(conversation_id=message.conversation_id, actor=world.cy, to=to.pk if to else None)
        assert recorded("conversation.assigned") == (
            "Cy", str(message.conversation_id), message.conversation_id, {"to": name},
        )  # fmt: skip
    assert fresh(message).updated_at > in_hours(-0.5)


def test_an_owner_works_here_now_and_may_decide_in_this_channel(world: World, message: Any) -> None:
    def assign(to: User) -> Any:
        return life.assign(conversation_id=message.conversation_id, actor=world.ada, to=to.pk)

    PolicyRule.objects.create(account=world.acme, role="agent", verb="claim", kind="any", allowed=False)
    with assert_nothing_written(), pytest.raises(Invalid):
        assign(world.cy)
    User.objects.filter(pk=world.dan.pk).update(is_active=False)
    with assert_nothing_written(), pytest.raises(Invalid):
        assign(world.dan)
    User.objects.filter(pk=world.dan.pk).update(is_active=True)
    Membership.objects.filter(user=world.dan).update(is_active=False)
    with assert_nothing_written(), pytest.raises(Invalid):
        assign(world.dan)
    assert assign(world.ada).owner == world.ada


def test_who_is_kept_to_this_channel_owns_here(world: World, message: Any) -> None:
    set_channels(account_id=world.acme.pk, user=world.cy, channels=[world.mail.pk], actor=world.dan)
    assert life.assign(conversation_id=message.conversation_id, actor=world.ada, to=world.cy.pk).owner == world.cy


def test_each_act_gives_back_the_conversation_as_it_is_then(world: World, message: Any) -> None:
    pk, ada = message.conversation_id, world.ada
    due = in_hours(1)
    for act, owed, status in (
        (lambda: life.owe(conversation_id=pk, actor=ada, due_at=due), "note", "open"),
        (lambda: life.snooze(conversation_id=pk, actor=ada, until=due), "note", "open"),
        (lambda: life.assign(conversation_id=pk, actor=ada, to=ada.pk), "note", "open"),
        (lambda: life.answered_elsewhere(conversation_id=pk, actor=ada), "", "pending"),
        (lambda: life.reopen(conversation_id=pk, actor=ada), "reopened", "open"),
        (lambda: life.close(conversation_id=pk, actor=ada, reason="other"), "", "closed"),
        (lambda: life.close(conversation_id=pk, actor=ada), "", "closed"),
    ):
        given = act()
        assert (given.pk, given.owed, given.status) == (pk, owed, status)
    assert life.assign(conversation_id=pk, actor=ada, to=ada.pk).owner == ada  # as before
    life.reopen(conversation_id=pk, actor=ada)
    begun = life.write(conversation_id=pk, actor=ada)
    assert life.discard(draft_id=begun.pk, actor=ada).pk == pk
