"""Confirming an action carries it out once, on the facts that were shown, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, IntegrityError, connection, transaction

from config.postgres import SUPERUSER, Cluster
from conversations.chats import sessions
from conversations.chats.actions import expire_overdue
from conversations.models import (
    ActionReceipt,
    AuditEvent,
    Conversation,
    ConversationTag,
    Membership,
    MembershipChannel,
    Notification,
    PolicyRule,
    ProposedAction,
    Tag,
    User,
)
from conversations.tenancy import tenant_context
from drafts.assistant.deciding import Decided, NotAsShown, confirm, move, reject
from drafts.desk import tags
from drafts.desk.scene import NeedsSecondPress
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World


def refund(world: World) -> Tag:
    with tenant_context(world.acme.pk):
        return Tag.objects.create(account=world.acme, name="Refund")


def card(world: World, person: User, **more: Any) -> ProposedAction:
    """A proposal to give a new conversation the tag Refund."""
    refund(world)
    return factories.proposed(
        factories.message(world.mail).conversation, person, "set_tags", {"add": ["Refund"]}, **more
    )


@contextmanager
def as_(world: World, person: User) -> Iterator[None]:
    with tenant_context(world.acme.pk, person=person.pk):
        yield


def four_eyes(world: World, *roles: str) -> None:
    with tenant_context(world.acme.pk):
        for role in roles or ("agent", "reviewer", "admin"):
            PolicyRule.objects.create(
                account=world.acme, role=role, verb="tag", kind="proposed", allowed=True, four_eyes=True
            )


def at_the_end(cluster: Cluster, action: ProposedAction, seconds: float) -> None:
    """Let its time end so many seconds from now; nobody but the superuser can."""
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute(
            "UPDATE conversations_proposedaction SET expires_at = clock_timestamp() + %s * interval '1 second' WHERE id = %s",
            (seconds, action.pk),
        )


# --- it works ---------------------------------------------------------------------------------------------------------
def test_it_is_carried_out_with_one_receipt_and_three_events(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        done = confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action, seen_ms=900))
        assert (done.status, done.confirmed_name, done.seen_ms, done.said) == ("executed", "Cy", 900, "Tags: Refund")
        receipt = ActionReceipt.objects.get()
        assert (receipt.action_id, receipt.fence) == (action.pk, 1)
        assert [fact["value"] for fact in (*receipt.before, *receipt.after)] == [[], ["Refund"]]
        assert ConversationTag.objects.get().conversation_id == action.case_id
        kinds = list(
            AuditEvent.objects.filter(conversation_id=action.case_id).order_by("id").values_list("kind", flat=True)
        )
        assert kinds[-4:] == ["action.proposed", "action.confirmed", "conversation.tagged", "action.executed"]
        assert sessions.session_of(action.session_id, world.cy).status == "active"


def test_pressing_again_with_the_same_request_is_the_first_outcome_and_with_another_a_conflict(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        press = factories.pressed(action, request_id="one click")
        first = confirm(action_id=action.pk, actor=world.cy, pressed=press)
        with assert_nothing_written():
            assert confirm(action_id=action.pk, actor=world.cy, pressed=press).ended_at == first.ended_at
            with pytest.raises(Decided, match=r"Cy was first: done at .* It was done once"):
                confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action, request_id="another"))


def test_a_refusal_of_the_verb_takes_everything_back_and_says_so(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        Tag.objects.update(is_retired=True)
        failed = confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        assert (failed.status, failed.reason) == ("failed", "refused_by_the_desk")
        assert "not in use any more" in failed.said
        assert not ActionReceipt.objects.exists() and not ConversationTag.objects.exists()
        assert AuditEvent.objects.get(kind="action.failed").object_id == str(action.pk)


# --- what was shown ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("which", ["arguments_sha256", "precondition_sha256"])
def test_other_hashes_than_those_of_the_card_are_a_conflict(world: World, which: str) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy), assert_nothing_written(), pytest.raises(NotAsShown):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action, **{which: "0" * 64}))


def test_a_target_that_changed_ends_it_with_the_old_and_the_new_fact(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.ada):
        other = Tag.objects.create(account=world.acme, name="Urgent")
        tags.retag(conversation_id=action.case_id, actor=world.ada, add=[other.pk], remove=[])
    with as_(world, world.cy):
        ended = confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        assert (ended.status, ended.reason, ended.confirmed_at) == ("expired", "target_changed", None)
        assert ([f["shown"] for f in ended.precondition], [f["shown"] for f in ended.found]) == (["none"], ["Urgent"])
        assert ConversationTag.objects.get().tag == other


def test_what_was_tainted_needs_two_presses(world: World) -> None:
    action = card(world, world.cy, tainted=True)
    with as_(world, world.cy):
        with assert_nothing_written(), pytest.raises(NeedsSecondPress, match="an instruction that nobody here gave"):
            confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        done = confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action, pressed_twice=True))
        assert done.status == "executed"


# --- time -------------------------------------------------------------------------------------------------------------
def test_the_moment_it_expires_it_is_refused_and_the_sweep_ends_it(committed_world: World, cluster: Cluster) -> None:
    world = committed_world
    action = card(world, world.cy)
    with as_(world, world.cy):
        assert expire_overdue(account_id=world.acme.pk) == 0
    at_the_end(cluster, action, 0)
    with as_(world, world.cy):
        with assert_nothing_written(), pytest.raises(Decided, match="Its time was over"):
            confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        with assert_nothing_written(), pytest.raises(Decided, match="Its time was over"):
            reject(action_id=action.pk, actor=world.cy)
    with tenant_context(world.acme.pk):  # the sweep names nobody
        assert expire_overdue(account_id=world.acme.pk) == 1
        action.refresh_from_db()
        assert (action.status, action.reason) == ("expired", "too_late")
        assert AuditEvent.objects.get(kind="action.expired").data["reason"] == "too late"
    with as_(world, world.cy):
        assert sessions.session_of(action.session_id, world.cy).status == "active"


def test_the_end_of_a_chat_ends_what_waits_in_it(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        sessions.close_session(session_id=action.session_id, actor=world.cy)
        action.refresh_from_db()
        assert (action.status, action.reason) == ("expired", "session_ended")
        assert [event.actor_name for event in AuditEvent.objects.filter(kind="action.expired")] == ["Cy"]


# --- who --------------------------------------------------------------------------------------------------------------
def test_others_of_the_account_and_of_another_one_find_no_such_action(world: World) -> None:
    action = card(world, world.cy)
    for account, person in ((world.acme, world.ada), (world.acme, world.dan), (world.globex, world.eve)):
        with tenant_context(account.pk, person=person.pk), assert_nothing_written():
            for verb in (lambda who: confirm(action_id=action.pk, actor=who, pressed=factories.pressed(action)),
                         lambda who: reject(action_id=action.pk, actor=who)):  # fmt: skip
                with pytest.raises(ProposedAction.DoesNotExist):
                    verb(person)


def test_who_lost_the_right_or_the_channel_is_refused_and_the_card_stays(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        rule = PolicyRule.objects.create(account=world.acme, role="agent", verb="tag", kind="proposed", allowed=False)
        with assert_nothing_written(), pytest.raises(PermissionDenied, match="Your role may not"):
            confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        rule.delete()
        own = Membership.objects.get(account=world.acme, user=world.cy)
        elsewhere = factories.channel(world.acme, external_id="other@acme.test", name="Other")
        MembershipChannel.objects.create(account=world.acme, membership=own, channel=elsewhere)
        with assert_nothing_written(), pytest.raises(PermissionDenied, match="no longer work on the channel"):
            confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))


def test_saying_no_ends_it_with_the_reason_and_twice_is_once(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        said_no = reject(action_id=action.pk, actor=world.cy, reason="Not a refund.")
        assert (said_no.status, said_no.reason, said_no.said, said_no.rejected_name) == (
            "rejected", "rejected", "Not a refund.", "Cy",
        )  # fmt: skip
        event = AuditEvent.objects.get(kind="action.rejected")
        assert "refund" not in str(event.data) and event.commitments.keys() == {"said"}
        with assert_nothing_written():
            reject(action_id=action.pk, actor=world.cy)
            with pytest.raises(Decided, match="Cy was first: rejected"):
                confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))


# --- four eyes --------------------------------------------------------------------------------------------------------
def test_under_four_eyes_the_first_press_waits_and_another_persons_does_it(world: World) -> None:
    four_eyes(world)
    action = card(world, world.cy)
    with as_(world, world.cy):
        waits = confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        assert (waits.status, ActionReceipt.objects.exists()) == ("confirmed", False)
        with assert_nothing_written(), pytest.raises(Decided, match="nobody signs twice"):
            confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action, request_id="again"))
        assert sessions.session_of(action.session_id, world.cy).status == "awaiting_confirmation"
        told = Notification.objects.filter(type="countersign")
        assert sorted(notice.user.name for notice in told.select_related("user")) == [
            "Ada",
            "Dan",
        ]  # no auditor, not Cy
        assert told[0].payload == {
            "action": str(action.pk), "by": "Cy", "what": "set tags", "conversation": str(action.case_id),
        }  # fmt: skip
    with as_(world, world.ada):
        assert list(ProposedAction.objects.to_countersign(world.ada.pk)) == [action]
        assert not ProposedAction.objects.to_countersign(world.cy.pk).exists()
        done = confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
        assert (done.status, done.confirmed_name, done.second_name) == ("executed", "Cy", "Ada")
        assert AuditEvent.objects.get(kind="conversation.tagged").actor_name == "Ada"
        assert AuditEvent.objects.get(kind="action.second_confirmed").actor_name == "Ada"
    with as_(world, world.cy):
        assert sessions.session_of(action.session_id, world.cy).status == "active"


def test_a_second_person_needs_the_right_and_sees_nothing_of_the_chat(world: World) -> None:
    four_eyes(world, "agent")
    action = card(world, world.cy)
    with as_(world, world.cy):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
    with as_(world, world.ada):
        PolicyRule.objects.create(account=world.acme, role="reviewer", verb="tag", kind="any", allowed=False)
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
        assert not Conversation.objects.filter(sessions=action.session_id).exists()


def test_a_second_person_may_refuse_and_the_first_take_it_back(world: World) -> None:
    four_eyes(world)
    action = card(world, world.cy)
    with as_(world, world.cy):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
    with as_(world, world.dan):
        refused = reject(action_id=action.pk, actor=world.dan, reason="Ask first.")
        assert (refused.status, refused.reason, refused.rejected_name) == ("rejected", "refused", "Dan")
    case = factories.message(world.mail).conversation
    mine = factories.proposed(case, world.cy, "set_tags", {"add": ["Refund"]})
    with as_(world, world.cy):
        confirm(action_id=mine.pk, actor=world.cy, pressed=factories.pressed(mine))
        assert reject(action_id=mine.pk, actor=world.cy).reason == "taken_back"


def test_nobody_signs_for_somebody_who_left(world: World) -> None:
    four_eyes(world)
    action = card(world, world.cy)
    with as_(world, world.cy):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        Membership.objects.filter(account=world.acme, user=world.cy).update(is_active=False)
    with as_(world, world.ada):
        ended = confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
        assert (ended.status, ended.reason, ConversationTag.objects.exists()) == ("expired", "proposer_gone", False)


@pytest.mark.parametrize("lost", ["role", "rule"])
def test_nobody_signs_for_somebody_who_may_not_do_it_any_more(world: World, lost: str) -> None:
    four_eyes(world)
    action = card(world, world.cy)
    with as_(world, world.cy):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        if lost == "role":
            Membership.objects.filter(account=world.acme, user=world.cy).update(role="auditor")
        else:
            PolicyRule.objects.filter(account=world.acme, role="agent").update(allowed=False, four_eyes=False)
    with as_(world, world.ada):
        ended = confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
        assert (ended.status, ended.reason, ConversationTag.objects.exists()) == ("expired", "proposer_gone", False)


def test_who_is_deleted_leaves_their_name_on_what_was_done_and_nothing_that_waits(committed_world: World) -> None:
    world = committed_world
    done = card(world, world.cy)
    waits = factories.proposed(factories.message(world.mail).conversation, world.cy, "set_tags", {"add": ["Refund"]})
    with as_(world, world.cy):
        confirm(action_id=done.pk, actor=world.cy, pressed=factories.pressed(done))
    with tenant_context(world.acme.pk):
        User.objects.get(pk=world.cy.pk).delete()
    with tenant_context(world.acme.pk):
        done.refresh_from_db()
        waits.refresh_from_db()
        assert (done.status, done.owner, done.owner_name, done.confirmed_name) == ("executed", None, "Cy", "Cy")
        assert (waits.status, waits.reason) == ("expired", "session_ended")
        with pytest.raises(ProposedAction.DoesNotExist):
            confirm(action_id=waits.pk, actor=world.ada, pressed=factories.pressed(waits))


# --- the database -----------------------------------------------------------------------------------------------------
def test_the_database_wants_a_receipt_one_only_and_two_people_for_four_eyes(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        mine = ProposedAction.objects.filter(pk=action.pk)
        with pytest.raises(DatabaseError, match="proposed"), transaction.atomic():
            mine.update(status="executed", ended_at=action.created_at, confirmed_at=action.created_at)
        done = confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        with pytest.raises(IntegrityError, match="actionreceipt_once"), transaction.atomic():
            ActionReceipt.objects.create(account=world.acme, action=done, fence=2)
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            ActionReceipt.objects.update(fence=7)
        with pytest.raises(IntegrityError, match="second_is_another"), transaction.atomic():
            mine.update(second_by=world.cy)


def test_an_action_that_was_done_without_a_receipt_does_not_commit(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy), pytest.raises(DatabaseError, match="has a receipt"), transaction.atomic():
        now = action.created_at
        mine = ProposedAction.objects.filter(pk=action.pk)
        mine.update(status="confirmed", confirmed_at=now)
        mine.update(status="executing")
        mine.update(status="executed", ended_at=now)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_an_old_fence_changes_no_row(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        late = ProposedAction.objects.get(pk=action.pk)
        ProposedAction.objects.filter(pk=action.pk).update(fence=3)
        with assert_nothing_written(), pytest.raises(Decided):
            move(late, ProposedAction.Status.REJECTED, ended_at=action.created_at)


def test_the_conversation_is_locked_before_the_action(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy), counted() as asked:
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
    locks = [query["sql"] for query in asked.captured_queries if "FOR UPDATE" in query["sql"]]
    assert "conversations_conversation" in locks[0] and "conversations_proposedaction" in locks[1]


# --- races ------------------------------------------------------------------------------------------------------------
def test_twenty_presses_at_once_do_it_once_three_times(committed_world: World, in_threads: Any) -> None:
    world = committed_world
    tag = refund(world)
    for _ in range(3):
        action = factories.proposed(
            factories.message(world.mail).conversation, world.cy, "set_tags", {"add": ["Refund"]}
        )

        def press(number: int, action: ProposedAction = action) -> Any:
            def call() -> Any:
                with as_(world, world.cy):
                    pressed = factories.pressed(action, request_id=f"press {number}")
                    return confirm(action_id=action.pk, actor=world.cy, pressed=pressed)

            return call

        results = in_threads([press(number) for number in range(20)])
        won = [result for result in results if isinstance(result, ProposedAction)]
        lost = [result for result in results if isinstance(result, Decided) and "Cy was first: done" in str(result)]
        assert (len(won), len(lost)) == (1, 19), results
        with tenant_context(world.acme.pk):
            assert ActionReceipt.objects.filter(action=action).count() == 1
            assert ConversationTag.objects.filter(conversation=action.case_id, tag=tag).count() == 1
            told = AuditEvent.objects.filter(conversation_id=action.case_id, kind="conversation.tagged")
            assert told.count() == 1


def test_confirm_against_reject_has_one_outcome(committed_world: World, in_threads: Any) -> None:
    world = committed_world
    refund(world)
    outcomes = set()
    for _ in range(10):
        action = factories.proposed(
            factories.message(world.mail).conversation, world.cy, "set_tags", {"add": ["Refund"]}
        )

        def yes(action: ProposedAction = action) -> Any:
            with as_(world, world.cy):
                return confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))

        def no(action: ProposedAction = action) -> Any:
            with as_(world, world.cy):
                return reject(action_id=action.pk, actor=world.cy)

        results = in_threads([yes, no])
        assert sorted(type(result).__name__ for result in results) == ["Decided", "ProposedAction"], results
        with tenant_context(world.acme.pk):
            action.refresh_from_db()
            outcomes.add(action.status)
            assert ActionReceipt.objects.filter(action=action).count() == (action.status == "executed")
    assert outcomes <= {"executed", "rejected"}


def test_ten_second_persons_at_once_are_one(committed_world: World, in_threads: Any) -> None:
    world = committed_world
    four_eyes(world)
    action = card(world, world.cy)
    others = [factories.person(f"p{number}", world.acme, "reviewer") for number in range(10)]
    with as_(world, world.cy):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))

    def sign(person: User) -> Any:
        def call() -> Any:
            with as_(world, person):
                return confirm(action_id=action.pk, actor=person, pressed=factories.pressed(action))

        return call

    results = in_threads([sign(person) for person in others])
    won = [result for result in results if isinstance(result, ProposedAction)]
    assert len(won) == 1 and sum(isinstance(result, Decided) for result in results) == 9, results
    with tenant_context(world.acme.pk):
        assert ActionReceipt.objects.get().action_id == action.pk
        assert ProposedAction.objects.get().second_name == won[0].second_name
