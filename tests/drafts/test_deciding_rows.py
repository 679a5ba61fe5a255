"""A press on a card: what repeats it, what was shown, what became of it, and what saying no leaves."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied

from conversations import audit
from conversations.database import database_time
from conversations.models import (
    AuditEvent,
    AuditSalt,
    Membership,
    MembershipChannel,
    PolicyRule,
    ProposedAction,
    User,
)
from conversations.tenancy import tenant_context
from drafts.assistant import deciding
from drafts.assistant.deciding import Decided, confirm, may_sign, needs_two_presses, reject
from drafts.assistant.tools import TOOLS, Wrong
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.drafts.test_confirm import as_, card, four_eyes

HOUR = timedelta(hours=1)


def signed(world: World, *, by: User | None = None, token: str = "") -> ProposedAction:
    """Cy's, who signed it: it waits for a second person."""
    four_eyes(world)
    person = by or world.cy
    action = card(world, person)
    with as_(world, person):
        return confirm(
            action_id=action.pk,
            actor=person,
            pressed=factories.pressed(action, request_id="a1", seen_ms=500, token=token),
        )


def setting(world: World, person: User) -> ProposedAction:
    """A change of the account's settings, which is about no conversation."""
    session = factories.chat(world.acme, person, "Please do that.")
    with as_(world, person):
        return factories.proposed_in(session, person, "set_setting", {"name": "hold_seconds", "value": "7"})


def elsewhere(world: World, person: User) -> None:
    """Keep an agent to another channel."""
    with tenant_context(world.acme.pk):
        own = Membership.objects.get(account=world.acme, user=person)
        other = factories.channel(world.acme, external_id="other@acme.test", name="Other")
        MembershipChannel.objects.create(account=world.acme, membership=own, channel=other)


def recorded(kind: str) -> tuple[str, uuid.UUID | None, dict[str, Any]]:
    found = AuditEvent.objects.filter(kind=kind).latest("id")
    return found.actor_name, found.conversation_id, found.data


def changed(action: ProposedAction, **values: Any) -> ProposedAction:
    """As it would be read if these were its values."""
    for name, value in values.items():
        setattr(action, name, value)
    return action


# --- the same press again ------------------------------------------------------------------------------------------
def test_a_press_without_a_request_id_is_never_a_repeat(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        with assert_nothing_written(), pytest.raises(Decided):
            confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))


def test_a_second_persons_press_is_repeated_by_them_and_by_nobody_else(world: World) -> None:
    action = signed(world)
    with as_(world, world.ada):
        press = factories.pressed(action, request_id="b2")
        done = confirm(action_id=action.pk, actor=world.ada, pressed=press)
        assert (done.status, done.second_by, done.second_request) == ("executed", world.ada, "b2")
        assert (done.second_name, done.confirmed_by, done.seen_ms) == ("Ada", world.cy, 500)
        assert done.second_at is not None and done.confirmed_at is not None and done.second_at >= done.confirmed_at
        with assert_nothing_written():
            assert confirm(action_id=action.pk, actor=world.ada, pressed=press).pk == action.pk
    for person, request in ((world.dan, "b2"), (world.ada, "a1"), (world.cy, "b2")):
        with as_(world, person), assert_nothing_written(), pytest.raises(Decided):
            pressed = factories.pressed(action, request_id=request)
            confirm(action_id=action.pk, actor=person, pressed=pressed)


# --- by a token ----------------------------------------------------------------------------------------------------
def test_ones_own_token_is_named_on_the_record_and_no_token_signs_for_a_colleague(world: World) -> None:
    action = signed(world, token="t1")
    with as_(world, world.ada):
        assert recorded("action.confirmed")[2]["token"] == "t1"
        with assert_nothing_written(), pytest.raises(PermissionDenied, match="by hand"):
            confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action, token="t2"))


def test_a_press_by_hand_names_no_token_and_says_how_long_it_was_read(world: World) -> None:
    action = signed(world)
    with as_(world, world.ada):
        said = recorded("action.confirmed")
        assert (said[0], said[1], said[2]["seen_ms"], "token" in said[2]) == ("Cy", action.case_id, 500, False)
        confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action, seen_ms=700))
        said = recorded("action.second_confirmed")
        assert (said[0], said[1], said[2]["seen_ms"]) == ("Ada", action.case_id, 700)


# --- what was shown ------------------------------------------------------------------------------------------------
def test_what_it_was_about_and_is_gone_ends_it(world: World, monkeypatch: Any) -> None:
    for gone in (Wrong("Not here."), ObjectDoesNotExist()):
        action = factories.proposed(
            factories.message(world.mail).conversation, world.cy, "snooze", {"until": later_text()}
        )

        def facts(*_: Any, gone: Exception = gone) -> Any:
            raise gone

        with as_(world, world.cy):
            with monkeypatch.context() as patch:
                patch.setitem(TOOLS, "snooze", replaced("snooze", facts=facts))
                ended = confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
            assert (ended.status, ended.reason, ended.found) == ("expired", "target_changed", [])
            assert recorded("action.expired") == (
                "Cy", action.case_id, {"tool": "snooze", "version": action.version, "reason": "target changed"},
            )  # fmt: skip


def later_text() -> str:
    return (database_time.now() + HOUR).isoformat()


def replaced(name: str, **changes: Any) -> Any:
    return replace(TOOLS[name], **changes)


@pytest.mark.parametrize("changes", [{"version": 99}, {"arguments_sha256": ""}])
def test_what_the_assistant_can_do_no_more_as_it_was_shown_is_not_done(
    world: World, monkeypatch: Any, changes: dict[str, Any]
) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        if "version" in changes:
            monkeypatch.setitem(TOOLS, "set_tags", replaced("set_tags", version=99))
        else:
            ProposedAction.objects.filter(pk=action.pk).update(
                arguments={}, precondition=[], effect={}, arguments_sha256="", precondition_sha256="", effect_sha256=""
            )
        pressed = factories.pressed(ProposedAction.objects.get(pk=action.pk))
        with assert_nothing_written(), pytest.raises(Decided, match="can do this no more") as refused:
            confirm(action_id=action.pk, actor=world.cy, pressed=pressed)
        assert refused.value.facts["action"].pk == action.pk


def test_a_tool_that_is_gone_signs_nothing_and_its_card_can_be_rejected(world: World, monkeypatch: Any) -> None:
    action = card(world, world.cy)
    monkeypatch.delitem(TOOLS, "set_tags")
    with as_(world, world.cy):
        assert may_sign(action) == []
        with assert_nothing_written(), pytest.raises(Decided, match="can do this no more"):
            confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
        assert reject(action_id=action.pk, actor=world.cy).status == "rejected"


def test_it_is_said_why_one_press_is_not_enough(world: World, monkeypatch: Any) -> None:
    action = card(world, world.cy)
    assert needs_two_presses(action) == ""
    assert needs_two_presses(changed(action, effect={"twice": "it removes texts"})) == "it removes texts"
    assert needs_two_presses(changed(action, effect={}, tainted=True)).startswith("what was read for it")
    monkeypatch.setitem(TOOLS, "set_tags", replaced("set_tags", risk="money"))
    assert needs_two_presses(changed(action, tainted=False)) == "it promises money"
    assert needs_two_presses(changed(action, tool="gone")) == ""


# --- what became of it ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"status": "proposed", "expires_at": -HOUR}, "Its time was over at"),
        ({"status": "confirmed", "expires_at": -HOUR}, "Its time was over at"),
        ({"status": "expired", "reason": "too_late"}, "Its time was over at"),
        ({"status": "expired", "reason": "target_changed"}, "This is over: expired"),
        ({"status": "executed", "confirmed_name": "Cy"}, "Cy was first: done at"),
        ({"status": "executed", "confirmed_name": "Cy", "second_name": "Ada"}, "Ada was first: done at"),
        ({"status": "confirmed", "confirmed_name": "Cy"}, "Cy confirmed it. Another person has to sign"),
        ({"status": "rejected", "rejected_name": "Dan"}, "Dan was first: rejected at"),
        ({"status": "rejected", "rejected_name": "Dan", "reason": "too_late"}, "Dan was first: rejected at"),
        ({"status": "failed"}, "This is over: "),
    ],
    ids=str,
)
def test_who_comes_too_late_is_told_what_became_of_it(world: World, values: dict[str, Any], words: str) -> None:
    action = changed(card(world, world.cy), ended_at=database_time.now(), **values)
    if "expires_at" in values:
        action.expires_at = database_time.now() + values["expires_at"]
    refused = deciding.decided(action)
    assert words in str(refused)
    assert refused.facts["action"] is action


def test_only_what_nobody_decided_runs_out_of_time(world: World) -> None:
    action = card(world, world.cy)
    assert not deciding.is_over(action)
    changed(action, expires_at=database_time.now())
    assert deciding.is_over(action)
    assert deciding.is_over(changed(action, status="confirmed"))
    assert not deciding.is_over(changed(action, status="executed"))


# --- saying no -----------------------------------------------------------------------------------------------------
def test_what_was_said_is_kept_tidy_and_on_the_record_only_as_a_commitment(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        done = reject(action_id=action.pk, actor=world.cy, reason=f" No\x00 {'x' * 600} ")
        assert (done.said, done.rejected_by) == (f"No {'x' * 497}", world.cy)
        assert done.ended_at is not None
        event = AuditEvent.objects.get(kind="action.rejected")
        salt = AuditSalt.objects.get(event=event).value
        assert event.commitments == {"said": audit.commitment(salt, done.said)}
        assert event.data["reason"] == "rejected"
    other = factories.proposed(factories.message(world.mail).conversation, world.cy, "set_tags", {"add": ["Refund"]})
    with as_(world, world.cy):
        reject(action_id=other.pk, actor=world.cy)
        assert AuditEvent.objects.filter(kind="action.rejected").latest("id").commitments == {}


def test_a_name_that_is_longer_than_there_is_room_for_is_cut_and_not_refused(world: World) -> None:
    """Who gave no name is called by the first part of their address."""
    cy, ada = (User.objects.create_user(f"{sign * 130}@acme.test", "correct horse") for sign in "ca")
    with tenant_context(world.acme.pk):
        for person in (cy, ada):
            Membership.objects.create(account=world.acme, user=person, role="reviewer")
    four_eyes(world)
    action = card(world, cy)
    with as_(world, cy):
        confirm(action_id=action.pk, actor=cy, pressed=factories.pressed(action))
    with as_(world, ada):
        done = confirm(action_id=action.pk, actor=ada, pressed=factories.pressed(action))
        assert (done.confirmed_name, done.second_name) == (cy.name[:120], ada.name[:120])
    other = factories.proposed(factories.message(world.mail).conversation, cy, "set_tags", {"add": ["Refund"]})
    with as_(world, cy):
        assert reject(action_id=other.pk, actor=cy).rejected_name == cy.name[:120] != cy.name


def test_who_says_no_to_what_somebody_else_refused_is_told_who(world: World) -> None:
    action = signed(world)
    with as_(world, world.dan):
        refused = reject(action_id=action.pk, actor=world.dan)
        assert (refused.reason, recorded("action.rejected")[2]["reason"]) == ("refused", "refused")
        with assert_nothing_written():
            assert reject(action_id=action.pk, actor=world.dan).rejected_name == "Dan"
    for person in (world.ada, world.cy):
        with as_(world, person), assert_nothing_written(), pytest.raises(Decided, match="Dan was first"):
            reject(action_id=action.pk, actor=person)


def test_who_may_do_what_was_proposed_refuses_it_and_who_may_not_does_not(world: World) -> None:
    action = signed(world)
    with as_(world, world.bo), assert_nothing_written(), pytest.raises(PermissionDenied):
        reject(action_id=action.pk, actor=world.bo)
    with as_(world, world.ada):
        PolicyRule.objects.filter(account=world.acme, role="reviewer").update(allowed=False, four_eyes=False)
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            reject(action_id=action.pk, actor=world.ada)
        PolicyRule.objects.filter(account=world.acme, role="reviewer").update(kind="any")
        PolicyRule.objects.create(account=world.acme, role="reviewer", verb="tag", kind="proposed", allowed=True)
        assert reject(action_id=action.pk, actor=world.ada).status == "rejected"


def test_ones_own_is_rejected_also_by_who_may_not_do_it_any_more(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        PolicyRule.objects.create(account=world.acme, role="agent", verb="tag", kind="any", allowed=False)
        assert reject(action_id=action.pk, actor=world.cy).status == "rejected"


def test_who_may_not_use_the_assistant_any_more_rejects_nothing(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        PolicyRule.objects.create(account=world.acme, role="agent", verb="assist", kind="any", allowed=False)
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            reject(action_id=action.pk, actor=world.cy)


def test_a_confirmation_that_is_taken_back_is_called_so(world: World) -> None:
    action = signed(world)
    with as_(world, world.cy):
        assert reject(action_id=action.pk, actor=world.cy).reason == "taken_back"
        assert recorded("action.rejected")[2]["reason"] == "taken back"


def test_what_the_assistant_can_do_no_more_is_refused_by_who_uses_it(world: World, monkeypatch: Any) -> None:
    action = signed(world)
    monkeypatch.delitem(TOOLS, "set_tags")
    with as_(world, world.ada):
        assert reject(action_id=action.pk, actor=world.ada).rejected_by == world.ada


def test_a_signature_is_given_to_one_card_and_to_no_other(world: World) -> None:
    action = signed(world)
    other = factories.proposed(factories.message(world.mail).conversation, world.cy, "set_tags", {"add": ["Refund"]})
    with as_(world, world.cy):
        confirm(action_id=other.pk, actor=world.cy, pressed=factories.pressed(other))
    with as_(world, world.ada):
        confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
        other.refresh_from_db()
        assert (other.status, other.second_by, other.second_at) == ("confirmed", None, None)


def test_from_another_state_than_was_seen_no_row_is_changed(world: World) -> None:
    action = card(world, world.cy)
    with as_(world, world.cy):
        late = ProposedAction.objects.get(pk=action.pk)
        reject(action_id=action.pk, actor=world.cy)
        with assert_nothing_written(), pytest.raises(Decided, match="Cy was first"):
            deciding.move(late, ProposedAction.Status.CONFIRMED, confirmed_at=database_time.now())
        assert late.status == "rejected"  # as it is now
