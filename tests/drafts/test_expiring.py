"""Whoever could still decide an action is told once, in the last part of its time."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from conversations.database import database_time
from conversations.models import Notification, PolicyRule, ProposedAction, Tag, User
from conversations.tenancy import tenant_context
from drafts.assistant import expiring
from drafts.assistant.deciding import confirm, reject
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World


@pytest.fixture
def action(world: World) -> ProposedAction:
    """Cy's: it stands for a day."""
    with tenant_context(world.acme.pk):
        Tag.objects.create(account=world.acme, name="Refund")
    return factories.proposed(factories.message(world.mail).conversation, world.cy, "set_tags", {"add": ["Refund"]})


@pytest.fixture
def later(world: World, monkeypatch: Any) -> Any:
    """The sweep of Acme, that much later."""

    def sweep(hours: float) -> int:
        then = database_time.now() + timedelta(hours=hours)
        monkeypatch.setattr(expiring, "database_time", SimpleNamespace(now=lambda: then))
        with tenant_context(world.acme.pk):
            return expiring.warn(account_id=world.acme.pk)

    return sweep


def told(world: World) -> list[tuple[str, dict[str, Any]]]:
    with tenant_context(world.acme.pk):
        found = Notification.objects.filter(type="expiring").select_related("user").order_by("user__email")
        return [(one.user.name if one.user else "", one.payload) for one in found]


def test_its_owner_is_told_once_in_the_last_part_of_its_time(world: World, action: ProposedAction, later: Any) -> None:
    with assert_nothing_written_in(world.acme):
        assert later(19.9) == 0
    assert later(20.1) == 1
    [(name, payload)] = told(world)
    assert (name, payload["action"], payload["of"], payload["what"]) == ("Cy", str(action.pk), "you", "set tags")
    assert payload["conversation"] == str(action.case_id)
    with assert_nothing_written_in(world.acme):
        assert later(21) == 0


def test_the_list_says_it_and_leads_to_the_card(
    world: World, action: ProposedAction, later: Any, signed_in: Any
) -> None:
    later(21)
    page = signed_in(world.cy).get("/notifications/").content.decode()
    assert "Nobody decided yet" in page and f"/assistant/actions/{action.pk}/" in page


def test_one_that_was_signed_is_told_of_to_who_may_be_the_second(
    world: World, action: ProposedAction, later: Any
) -> None:
    with tenant_context(world.acme.pk, person=world.cy.pk):
        for role, allowed in (("agent", True), ("reviewer", True), ("admin", False)):
            PolicyRule.objects.create(
                account=world.acme, role=role, verb="tag", kind="proposed", allowed=allowed, four_eyes=True
            )
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
    assert later(21) == 1
    [(name, payload)] = told(world)
    assert (name, payload["of"]) == ("Ada", "Cy")


def test_what_is_decided_or_not_wanted_to_be_heard_of_is_not_told(
    world: World, action: ProposedAction, later: Any
) -> None:
    User.objects.filter(pk=world.cy.pk).update(preferences={"muted": ["expiring"]})
    later(21)
    assert told(world) == []
    User.objects.filter(pk=world.cy.pk).update(preferences={})
    with tenant_context(world.acme.pk, person=world.cy.pk):
        reject(action_id=action.pk, actor=world.cy)
    assert later(21) == 0
    with tenant_context(world.globex.pk):
        assert expiring.warn(account_id=world.globex.pk) == 0
