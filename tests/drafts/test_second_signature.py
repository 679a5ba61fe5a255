"""Who knows of a card, who could sign it second, and the rows that are left when it is carried out."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from conversations.errors import Conflict
from conversations.models import (
    Account,
    ActionReceipt,
    AuditEvent,
    Conversation,
    Membership,
    Notification,
    PolicyRule,
    ProposedAction,
    Tag,
    User,
)
from conversations.tenancy import tenant_context
from drafts.assistant import deciding
from drafts.assistant.again import revert
from drafts.assistant.deciding import confirm, find, may_sign, reject
from drafts.assistant.tools import TOOLS
from drafts.desk import tags
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World
from tests.drafts.test_confirm import as_, card
from tests.drafts.test_deciding_rows import elsewhere, later_text, recorded, replaced, setting, signed


# --- who knows of it -----------------------------------------------------------------------------------------------
def test_a_card_is_its_owners_until_they_signed_it(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        assert find(action.pk, world.cy).pk == action.pk
    with as_(world, world.ada), pytest.raises(ProposedAction.DoesNotExist):
        find(action.pk, world.ada)


def test_a_signed_card_is_known_to_who_sees_its_conversation(world: World) -> None:
    factories.message(world.mail)  # not the only one
    action = signed(world, by=world.ada)
    with as_(world, world.cy):
        assert find(action.pk, world.cy).pk == action.pk
    elsewhere(world, world.cy)
    with as_(world, world.cy), pytest.raises(ProposedAction.DoesNotExist):
        find(action.pk, world.cy)
    with as_(world, world.dan):
        Membership.objects.filter(user=world.dan).update(is_active=False)
        with pytest.raises(ProposedAction.DoesNotExist):
            find(action.pk, world.dan)


def test_a_card_is_locked_where_it_is_decided_and_only_there(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        for lock in (True, False):
            with counted() as asked:
                find(action.pk, world.cy, lock=lock)
            assert any("FOR UPDATE" in query["sql"] for query in asked.captured_queries) == lock
        with counted() as asked:
            reject(action_id=action.pk, actor=world.cy)
        [locked] = [query["sql"] for query in asked.captured_queries if "FOR UPDATE" in query["sql"]]
        assert "conversations_proposedaction" in locked


def test_one_about_no_conversation_is_for_who_may_sign_it_and_for_who_did(world: World) -> None:
    """Cy proposes a setting, and an administrator signs it: no other agent or reviewer hears of it."""
    action = setting(world, world.ada)
    assert action.case_id is None
    with as_(world, world.ada):
        waits = confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
        assert (waits.status, [user.name for user in may_sign(action)]) == ("confirmed", ["Dan"])
        [told] = Notification.objects.filter(type="countersign")
        assert (told.user, told.payload) == (
            world.dan,
            {"action": str(action.pk), "by": "Ada", "what": "set setting"},
        )
    with as_(world, world.dan):
        assert find(action.pk, world.dan).pk == action.pk
    for person in (world.cy, world.bo):
        with as_(world, person), pytest.raises(ProposedAction.DoesNotExist):
            find(action.pk, person)
    with as_(world, world.dan):
        done = confirm(action_id=action.pk, actor=world.dan, pressed=factories.pressed(action))
        assert (done.status, Account.objects.get(pk=world.acme.pk).options.hold_seconds) == ("executed", 7)
        Membership.objects.filter(user=world.dan).update(role="reviewer")
        assert find(action.pk, world.dan).pk == action.pk  # who signed it
    with as_(world, world.ada):
        assert find(action.pk, world.ada).pk == action.pk


def test_who_refused_one_about_no_conversation_knows_of_it_still(world: World) -> None:
    action = setting(world, world.ada)
    with as_(world, world.ada):
        confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
    with as_(world, world.dan):
        reject(action_id=action.pk, actor=world.dan)
        Membership.objects.filter(user=world.dan).update(role="agent")
        assert find(action.pk, world.dan).status == "rejected"


def test_an_administrator_changes_a_setting_alone(world: World) -> None:
    action = setting(world, world.dan)
    with as_(world, world.dan), counted() as asked:
        assert confirm(action_id=action.pk, actor=world.dan, pressed=factories.pressed(action)).status == "executed"
    locks = [query["sql"] for query in asked.captured_queries if " FOR " in query["sql"] and "UPDATE" in query["sql"]]
    assert 'FROM "conversations_account"' in locks[0]


@pytest.mark.parametrize("kind", ["any", "proposed"])
def test_who_may_propose_no_more_does_not_sign_what_they_proposed(world: World, kind: str) -> None:
    action = setting(world, world.ada)
    with as_(world, world.ada):
        PolicyRule.objects.create(account=world.acme, role="reviewer", verb="propose", kind=kind, allowed=False)
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))


def test_who_proposed_it_and_may_propose_no_more_is_not_signed_for(world: World) -> None:
    action = setting(world, world.ada)
    with as_(world, world.ada):
        confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
        PolicyRule.objects.create(account=world.acme, role="reviewer", verb="propose", kind="any", allowed=False)
    with as_(world, world.dan):
        ended = confirm(action_id=action.pk, actor=world.dan, pressed=factories.pressed(action))
        assert (ended.status, ended.reason) == ("expired", "proposer_gone")


@pytest.mark.parametrize(("of", "alone"), [("manage", False), ("tag", True)])
def test_four_eyes_on_what_it_does_count_for_who_may_do_it(world: World, of: str, alone: bool) -> None:
    with tenant_context(world.acme.pk):
        PolicyRule.objects.create(
            account=world.acme, role="admin", verb=of, kind="proposed", allowed=True, four_eyes=True
        )
    action = setting(world, world.dan)
    with as_(world, world.dan):
        tool = TOOLS["set_setting"]
        assert deciding.enough_alone(tool, world.dan, account_id=world.acme.pk, is_own=True) is alone
        assert deciding.enough_alone(tool, world.dan, account_id=world.acme.pk, is_own=False) is alone
    assert action.status == "proposed"


def test_who_may_only_propose_does_not_sign_second(world: World) -> None:
    with as_(world, world.ada):
        with pytest.raises(PermissionDenied):
            deciding.enough_alone(TOOLS["set_setting"], world.ada, account_id=world.acme.pk, is_own=False)
        assert not deciding.enough_alone(TOOLS["set_setting"], world.ada, account_id=world.acme.pk, is_own=True)


# --- who could sign second -----------------------------------------------------------------------------------------
def test_those_who_could_sign_by_name_and_whatever_it_begins_with(world: World) -> None:
    User.objects.filter(pk=world.dan.pk).update(display_name="aaron")
    action = signed(world)
    with as_(world, world.cy):
        assert [user.name for user in may_sign(action)] == ["aaron", "Ada"]


@pytest.mark.parametrize("why", ["left", "is_off", "may_not", "elsewhere"])
def test_nobody_is_asked_to_sign_who_could_not(world: World, why: str) -> None:
    second = factories.person("flo", world.acme, "agent")
    action = signed(world)
    with tenant_context(world.acme.pk):
        if why == "left":
            Membership.objects.filter(user=second).update(is_active=False)
        elif why == "is_off":
            User.objects.filter(pk=second.pk).update(is_active=False)
        elif why == "may_not":
            PolicyRule.objects.filter(account=world.acme, role="agent").update(allowed=False, four_eyes=False)
    if why == "elsewhere":
        elsewhere(world, second)
    with as_(world, world.cy):
        assert [user.name for user in may_sign(action)] == ["Ada", "Dan"]


def test_who_muted_it_is_not_told(world: World) -> None:
    User.objects.filter(pk=world.dan.pk).update(preferences={"muted": ["countersign"]})
    signed(world)
    with as_(world, world.cy):
        assert [one.user for one in Notification.objects.filter(type="countersign")] == [world.ada]


def test_who_was_kept_elsewhere_since_is_not_signed_for(world: World) -> None:
    action = signed(world)
    elsewhere(world, world.cy)
    with as_(world, world.ada):
        ended = confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
        assert (ended.status, ended.reason) == ("expired", "proposer_gone")
        assert recorded("action.expired")[2]["reason"] == "proposer gone"


def test_who_does_not_see_the_conversation_finds_no_card_to_sign(world: World) -> None:
    action = signed(world, by=world.ada)
    elsewhere(world, world.cy)
    with as_(world, world.cy), assert_nothing_written(), pytest.raises(ProposedAction.DoesNotExist):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))


# --- carried out ---------------------------------------------------------------------------------------------------
def test_taking_back_is_on_the_record_of_what_is_taken_back(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        back = revert(action_id=action.pk, actor=world.cy)
        confirm(action_id=back.pk, actor=world.cy, pressed=factories.pressed(back))
        receipt = ActionReceipt.objects.get(action=back)
        assert (receipt.reverts_id, receipt.fence) == (action.pk, 1)
        [event] = AuditEvent.objects.filter(kind="action.reverted")
        assert (event.object_id, event.actor_name, event.data["by"]) == (str(action.pk), "Cy", str(back.pk))
        executed = AuditEvent.objects.filter(kind="action.executed").order_by("id")
        assert [(one.object_id, one.data["fence"]) for one in executed] == [(str(action.pk), 1), (str(back.pk), 1)]


def test_a_receipt_keeps_what_taking_it_back_needs(world: World) -> None:
    with tenant_context(world.acme.pk):
        case = factories.message(world.mail).conversation
    action = factories.proposed(case, world.cy, "snooze", {"until": later_text()})
    with as_(world, world.cy):
        done = confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        assert done.ended_at is not None and done.status == "executed"
        assert Conversation.objects.get(pk=case.pk).snoozed_until is not None
        receipt = ActionReceipt.objects.get()
        assert receipt.before != receipt.after
        assert receipt.reverts_id is None
        assert not AuditEvent.objects.filter(kind="action.reverted").exists()


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Conflict("Somebody was faster."), "Somebody was faster."),
        (PermissionDenied("Not you."), "Not you."),
        (Tag.DoesNotExist("x"), "What it is about is not there any more."),
        (Conflict("x" * 1200), "x" * 1000),
    ],
    ids=["conflict", "right", "gone", "long"],
)
def test_what_its_verb_refuses_has_failed_in_the_verbs_words(
    world: World, monkeypatch: Any, refusal: Exception, words: str
) -> None:
    action = card(world, world.cy)

    def run(scope: Any, args: Any) -> Any:
        tag = Tag.objects.get(name="Refund")
        tags.retag(conversation_id=scope.case.pk, actor=scope.actor, add=[tag.pk], remove=[])
        raise refusal

    monkeypatch.setitem(TOOLS, "set_tags", replaced("set_tags", run=run))
    with as_(world, world.cy):
        failed = confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        assert (failed.status, failed.reason, failed.said) == ("failed", "refused_by_the_desk", words)
        assert failed.ended_at is not None
        assert recorded("action.failed") == (
            "Cy", action.case_id, {"tool": "set tags", "version": action.version, "fence": 1},
        )  # fmt: skip
        assert not AuditEvent.objects.filter(kind="conversation.tagged").exists()  # taken back


def test_what_is_about_a_conversation_keeps_nobody_in_the_account_waiting(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy), counted() as asked:
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
    sql = [query["sql"] for query in asked.captured_queries]
    assert not [one for one in sql if 'FROM "conversations_account"' in one and "UPDATE" in one]


def test_of_two_conversations_the_one_that_is_merged_is_locked_first(world: World) -> None:
    """In the order of the verb itself; and one that is merged already, alone, as the verb does."""
    first, second = (factories.message(world.mail).conversation for _ in range(2))
    action = factories.proposed(first, world.dan, "merge", {"into": second.number})
    late = factories.proposed(first, world.dan, "merge", {"into": second.number})

    def press(action: ProposedAction) -> tuple[str, list[str]]:
        with as_(world, world.dan), counted() as asked:
            done = confirm(action_id=action.pk, actor=world.dan, pressed=factories.pressed(action))
        return done.status, [query["sql"] for query in asked.captured_queries if "FOR UPDATE" in query["sql"]]

    status, locked = press(action)
    assert (status, "proposedaction" in locked[2]) == ("executed", True)
    assert [pk.hex in sql for pk, sql in zip((first.pk, second.pk), locked, strict=False)] == [True, True]
    status, locked = press(late)
    assert (status, first.pk.hex in locked[0], "proposedaction" in locked[1]) == ("expired", True, True)
