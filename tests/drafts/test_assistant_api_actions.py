"""Cards over HTTP: read as they were shown, confirmed once on the facts that were shown, and never signed for a colleague."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from conversations.models import (
    ActionReceipt,
    AuditEvent,
    ConversationTag,
    Membership,
    MembershipChannel,
    PolicyRule,
    ProposedAction,
    Tag,
    User,
)
from conversations.tenancy import tenant_context
from drafts.assistant.deciding import confirm
from drafts.desk import tags
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World
from tests.drafts.personal import Script


def card(world: World, person: User, **more: Any) -> ProposedAction:
    """The tag Refund for a new conversation."""
    with tenant_context(world.acme.pk):
        for name in ("Refund", "Urgent"):
            Tag.objects.get_or_create(account=world.acme, name=name)
    return factories.proposed(
        factories.message(world.mail).conversation, person, "set_tags", {"add": ["Refund"]}, **more
    )


def press(action: ProposedAction, **more: Any) -> dict[str, Any]:
    return {"arguments_sha256": action.arguments_sha256, "precondition_sha256": action.precondition_sha256, **more}


def four_eyes(world: World) -> None:
    with tenant_context(world.acme.pk):
        for role in ("agent", "reviewer", "admin"):
            PolicyRule.objects.create(
                account=world.acme, role=role, verb="tag", kind="proposed", allowed=True, four_eyes=True
            )


def signed_by_cy(world: World) -> ProposedAction:
    """Waits for a second person."""
    four_eyes(world)
    action = card(world, world.cy)
    with tenant_context(world.acme.pk, person=world.cy.pk):
        return confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))


@pytest.fixture
def script(world: World) -> Script:
    return Script(world.acme, world.cy)


def place(action: ProposedAction, act: str = "") -> str:
    return f"assistant/actions/{action.pk}" + (f"/{act}" if act else "")


# --- read -------------------------------------------------------------------------------------------------------------
def test_a_card_is_read_as_it_is_shown(world: World, script: Script) -> None:
    action = card(world, world.cy)
    found = script.get(place(action))
    assert (found["sentence"], found["tool"], found["status"]) == ("Add the tag Refund", "set_tags", "proposed")
    assert found["changes"][0]["new"] == ["Refund"]
    assert found["facts"] == [{"label": "Tags", "was": "none", "now": "none", "holds": True}]
    assert (found["arguments_sha256"], found["precondition_sha256"]) == tuple(press(action).values())
    assert (found["may"], found["who"]) == (["change", "confirm", "reject"], "You may confirm it alone")
    assert (found["is_own"], found["two_presses"], found["case"]) == (True, "", str(action.case_id))
    with tenant_context(world.acme.pk):
        urgent = Tag.objects.get(name="Urgent")
        tags.retag(conversation_id=action.case_id, actor=world.ada, add=[urgent.pk], remove=[])
    assert script.get(place(action))["facts"] == [{"label": "Tags", "was": "none", "now": "Urgent", "holds": False}]


def test_cards_are_listed_by_chat_in_pages_and_by_what_waits(world: World, script: Script) -> None:
    first, second = card(world, world.cy), card(world, world.cy)
    page = script.get("assistant/actions?limit=1")
    assert ([one["id"] for one in page["actions"]], page["next"]) == ([str(second.pk)], str(second.pk))
    page = script.get(f"assistant/actions?limit=1&before={page['next']}")
    assert ([one["id"] for one in page["actions"]], page["next"]) == ([str(first.pk)], None)
    of_chat = script.get(f"assistant/sessions/{first.session_id}/actions")["actions"]
    assert [one["id"] for one in of_chat] == [str(first.pk)]
    waits = signed_by_cy(world)
    assert [one["id"] for one in script.get("assistant/actions?waiting=others")["actions"]] == [str(waits.pk)]
    assert script.get("assistant/actions?waiting=me")["actions"] == []
    [theirs] = Script(world.acme, world.ada).get("assistant/actions?waiting=me")["actions"]
    assert (theirs["id"], theirs["is_own"], theirs["session_id"], theirs["may"]) == (str(waits.pk), False, None, [])


# --- confirm ----------------------------------------------------------------------------------------------------------
def test_a_confirmation_is_carried_out_once_and_the_trail_names_the_token(world: World, script: Script) -> None:
    action = card(world, world.cy)
    body = press(action, seen_ms=900, request_id="press-1")
    status, done = script("post", place(action, "confirm"), body)
    assert (status, done["status"], done["confirmed_name"], done["said"]) == (200, "executed", "Cy", "Tags: Refund")
    assert (done["may"], done["facts"][0]["now"]) == (["revert"], None)
    with tenant_context(world.acme.pk):
        assert ActionReceipt.objects.get().action_id == action.pk
        assert ConversationTag.objects.get().conversation_id == action.case_id
        event = AuditEvent.objects.get(kind="action.confirmed")
        assert (event.actor_name, event.data["token"]) == ("Cy", str(script.token.pk))
    with assert_nothing_written_in(world.acme):
        assert script("post", place(action, "confirm"), body) == (200, done)
        status, problem = script("post", place(action, "confirm"), {**body, "request_id": "press-2"})
        assert (status, "It was done once" in problem["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"arguments_sha256": "0" * 64}, 409),
        ({"precondition_sha256": "0" * 64}, 409),
        ({"arguments_sha256": "nonsense"}, 422),
        ({"seen_ms": -1}, 422),
        ({"request_id": "with words"}, 422),
        ({"more": 1}, 422),
    ],
)
def test_a_press_that_is_not_of_this_card_changes_nothing(
    world: World, script: Script, changed: dict[str, Any], status: int
) -> None:
    action = card(world, world.cy)
    with assert_nothing_written_in(world.acme):
        assert script("post", place(action, "confirm"), press(action, **changed))[0] == status


def test_what_it_rests_on_has_changed_ends_it_with_both_facts(world: World, script: Script) -> None:
    action = card(world, world.cy)
    with tenant_context(world.acme.pk):
        urgent = Tag.objects.get(name="Urgent")
        tags.retag(conversation_id=action.case_id, actor=world.ada, add=[urgent.pk], remove=[])
    status, problem = script("post", place(action, "confirm"), press(action))
    assert (status, problem["errors"]) == (409, ["Tags: was none, is Urgent"])
    found = script.get(place(action))
    assert (found["status"], found["reason"], found["may"]) == ("expired", "target_changed", ["again"])
    with tenant_context(world.acme.pk):
        assert ConversationTag.objects.get().tag == urgent
    status, renewed = script("post", place(action, "again"))
    assert (status, renewed["status"], renewed["replaces"]) == (201, "proposed", str(action.pk))
    assert renewed["facts"][0]["was"] == "Urgent"


def test_two_presses_are_two_requests(world: World, script: Script) -> None:
    action = card(world, world.cy, tainted=True)
    assert "an instruction that nobody here gave" in script.get(place(action))["two_presses"]
    with assert_nothing_written_in(world.acme):
        assert script("post", place(action, "confirm"), press(action))[0] == 422
    assert script("post", place(action, "confirm"), press(action, pressed_twice=True))[1]["status"] == "executed"


def test_a_token_signs_first_and_never_second_nor_refuses_for_a_colleague(world: World, script: Script) -> None:
    four_eyes(world)
    action = card(world, world.cy)
    status, found = script("post", place(action, "confirm"), press(action))
    assert (status, found["status"], found["may"]) == (200, "confirmed", ["reject"])
    with tenant_context(world.acme.pk):
        assert not ConversationTag.objects.exists()
    ada = Script(world.acme, world.ada)
    for act, body in (("confirm", press(action, pressed_twice=True)), ("reject", {})):
        with assert_nothing_written_in(world.acme):
            status, problem = ada("post", place(action, act), body)
            assert (status, "by hand" in problem["detail"]) == (403, True)
    with tenant_context(world.acme.pk, person=world.ada.pk):  # she does, at the desk
        assert confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action)).status == "executed"


def test_a_confirmation_is_taken_back(world: World, script: Script) -> None:
    action = signed_by_cy(world)
    status, found = script("post", place(action, "reject"), {"reason": "On second thoughts"})
    assert (status, found["status"], found["reason"], found["said"]) == (
        200,
        "rejected",
        "taken_back",
        "On second thoughts",
    )


# --- the other acts ---------------------------------------------------------------------------------------------------
def test_a_card_is_changed_rejected_and_taken_back_by_cards(world: World, script: Script) -> None:
    action = card(world, world.cy)
    status, changed = script("post", place(action, "change"), {"arguments": {"add": ["Urgent"]}})
    assert (status, changed["sentence"], changed["replaces"]) == (201, "Add the tag Urgent", str(action.pk))
    new = f"assistant/actions/{changed['id']}"
    hashes = {name: changed[name] for name in ("arguments_sha256", "precondition_sha256")}
    assert script("post", f"{new}/confirm", hashes)[1]["status"] == "executed"
    status, back = script("post", f"{new}/revert")
    assert (status, back["sentence"], back["reverts"]) == (201, "Take off Urgent", changed["id"])
    assert script("post", f"{new}/revert")[1]["id"] == back["id"]
    status, no = script("post", f"assistant/actions/{back['id']}/reject", {"reason": "Leave it"})
    assert (status, no["status"], no["said"]) == (200, "rejected", "Leave it")
    with assert_nothing_written_in(world.acme):
        assert script("post", f"assistant/actions/{back['id']}/reject", {})[1] == no
        assert script("post", place(action, "change"), {"arguments": {"add": ["Urgent"]}})[0] == 409
        assert script("post", place(action, "again"))[0] == 409
        assert script("post", place(action, "revert"))[0] == 409


def test_arguments_that_are_not_possible_leave_the_card_as_it_is(world: World, script: Script) -> None:
    action = card(world, world.cy)
    with assert_nothing_written_in(world.acme):
        unstorable = ({"add": ["Urgent\x00"]}, {"add": ["\ud800"]}, {"\ud800": 1})
        unknown = ({}, {"add": ["Nothing of that name"]}, {"add": "Urgent"}, {"add": ["Urgent"], "more": 1})
        for wrong in (*unknown, *unstorable):
            assert script("post", place(action, "change"), {"arguments": wrong})[0] == 422, wrong


# --- who --------------------------------------------------------------------------------------------------------------
PRESSES = ("confirm", "reject", "change", "again", "revert")


def body(action: ProposedAction, act: str) -> dict[str, Any] | None:
    wanted = {"confirm": press(action), "reject": {}, "change": {"arguments": {"add": ["Urgent"]}}}
    return wanted.get(act)


def test_others_and_other_accounts_find_no_such_card(world: World, script: Script) -> None:
    action = card(world, world.cy)
    for other in (Script(world.acme, world.dan), Script(world.acme, world.ada), Script(world.globex, world.eve)):
        with assert_nothing_written_in(world.acme):
            assert other("get", place(action))[0] == 404
            assert other.get("assistant/actions")["actions"] == []
            assert other("get", f"assistant/sessions/{action.session_id}/actions")[0] == 404
            for act in PRESSES:
                assert other("post", place(action, act), body(action, act))[0] == 404, act
    with assert_nothing_written_in(world.acme):
        assert script("get", f"assistant/actions/{uuid.uuid4()}")[0] == 404


def test_each_scope_does_its_own_and_nothing_else(world: World) -> None:
    action = card(world, world.cy)
    needs = {act: "assistant:confirm" if act == "confirm" else "assistant:write" for act in PRESSES}
    for scope in ("assistant:read", "assistant:write", "assistant:confirm", "practice:read"):
        script = Script(world.acme, world.cy, scope)
        with assert_nothing_written_in(world.acme):
            assert (script("get", place(action))[0] == 403) is (scope != "assistant:read")
            for act in (act for act, needed in needs.items() if needed != scope):
                status, problem = script("post", place(action, act), body(action, act))
                assert (status, needs[act] in problem["detail"]) == (403, True), (scope, act)


def test_who_lost_the_right_or_the_channel_is_refused_and_the_card_stays(world: World, script: Script) -> None:
    action = card(world, world.cy)
    with tenant_context(world.acme.pk):
        rule = PolicyRule.objects.create(account=world.acme, role="agent", verb="tag", kind="proposed", allowed=False)
    with assert_nothing_written_in(world.acme):
        assert script.get(place(action))["may"] == ["reject"]
        assert script("post", place(action, "confirm"), press(action))[0] == 403
    with tenant_context(world.acme.pk):
        rule.delete()
        own = Membership.objects.get(user=world.cy)
        elsewhere = factories.channel(world.acme, external_id="other@acme.test", name="Other")
        MembershipChannel.objects.create(account=world.acme, membership=own, channel=elsewhere)
    with assert_nothing_written_in(world.acme):
        assert script("post", place(action, "confirm"), press(action))[0] == 403
        assert script.get(place(action))["case"] is None


def test_many_presses_at_once_do_it_once(committed_world: World, in_threads: Callable[..., list[Any]]) -> None:
    world = committed_world
    script, action = Script(world.acme, world.cy), card(world, world.cy)
    answers = in_threads(
        [lambda: script("post", place(action, "confirm"), press(action))] * 6
        + [lambda: script("post", place(action, "reject"), {})] * 2
    )
    with tenant_context(world.acme.pk):
        action.refresh_from_db()
        done = action.status == "executed"
        assert ActionReceipt.objects.count() == ConversationTag.objects.count() == int(done)
    statuses = sorted(status for status, _ in answers)
    assert set(statuses) == {200, 409}
    assert statuses.count(200) == (1 if done else 2)  # saying no twice is saying it once
