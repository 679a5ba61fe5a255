"""Who may do what: the table as it stands, an account's own rules before it, and nobody without an active membership."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from conversations.models import Account, Membership, PolicyRule, Role
from conversations.people.roles import Answer, Policy, Verb, check, may, require, role_of
from conversations.tenancy import Tenant, enter
from tests.asserts import assert_nothing_written
from tests.conftest import World

EVERYONE = "agent reviewer admin auditor"
#: Written down a second time: a change of the table is a change here, seen by whoever reviews it.
MAY = {
    "read": EVERYONE,
    "claim": "agent reviewer admin",
    "take_over": "reviewer admin",
    "edit": "agent reviewer admin",
    "reject": "agent reviewer admin",
    "regenerate": "agent reviewer admin",
    "snooze": "agent reviewer admin",
    "answer_elsewhere": "agent reviewer admin",
    "close": "agent reviewer admin",
    "assign": "agent reviewer admin",
    "note": "agent reviewer admin",
    "tag": "agent reviewer admin",
    "merge": "agent reviewer admin",
    "block": "agent reviewer admin",
    "watch": "agent reviewer admin",
    "approve": "reviewer admin",
    "undo": "agent reviewer admin",
    "batch_approve": "reviewer admin",
    "resolve_delivery": "reviewer admin",
    "export_samples": "reviewer admin",
    "export_audit": "admin auditor",
    "run_jobs": "admin",
    "retry_jobs": "reviewer admin",
    "decide_goldens": "reviewer admin",
    "handle_inbound": "reviewer admin",
    "assist": "agent reviewer admin",
    "propose": "reviewer admin",
    "manage": "admin",
}
Kind = PolicyRule.Kind


def policy(agent_approval: str = "none", **rules: Answer) -> Policy:
    return Policy(agent_approval, {tuple(name.split("__")): answer for name, answer in rules.items()})  # type: ignore[misc]


def test_the_table_has_every_verb() -> None:
    assert set(MAY) == set(Verb.values)


@pytest.mark.parametrize("verb", Verb)
def test_the_table_says_who_may(verb: Verb) -> None:
    allowed = {role for role in Role if policy().answer(role, verb).allowed}
    assert allowed == set(MAY[verb].split())
    assert policy().answer(None, verb) == Answer(False)


@pytest.mark.parametrize("verb", Verb)
def test_whoever_may_not_is_told_so(verb: Verb) -> None:
    words = "a reviewer can decide it" if verb == Verb.APPROVE else rf"may not do this \({verb.label.lower()}\)"
    with pytest.raises(PermissionDenied, match=words):
        policy().permit(None, verb)


@pytest.mark.parametrize(
    ("setting", "kind", "allowed"),
    [
        ("none", Kind.SOURCED, False),
        ("none", Kind.ANY, False),
        ("sourced", Kind.SOURCED, True),
        ("sourced", Kind.ANY, False),
        ("sourced", Kind.UNSOURCED, False),
        ("all", Kind.SOURCED, True),
        ("all", Kind.UNSOURCED, True),
    ],
)
def test_what_an_agent_may_approve_is_the_accounts_setting(setting: str, kind: PolicyRule.Kind, allowed: bool) -> None:
    assert policy(setting).answer(Role.AGENT, Verb.APPROVE, kind).allowed is allowed
    assert policy(setting).answer(Role.AUDITOR, Verb.APPROVE, kind).allowed is False
    assert policy(setting).answer(Role.REVIEWER, Verb.APPROVE, kind).allowed is True
    assert policy(setting).answer(Role.AGENT, Verb.MANAGE, kind).allowed is False


def test_an_accounts_rule_stands_before_the_table() -> None:
    ruled = policy("all", agent__approve__any=Answer(False), reviewer__manage__any=Answer(True))
    assert not ruled.answer(Role.AGENT, Verb.APPROVE, Kind.SOURCED).allowed
    assert ruled.answer(Role.REVIEWER, Verb.MANAGE).allowed
    assert not ruled.answer(Role.AGENT, Verb.MANAGE).allowed
    assert ruled.permit(Role.REVIEWER, Verb.MANAGE) == Answer(True)


def test_a_rule_for_the_kind_stands_before_the_one_for_any() -> None:
    ruled = policy(reviewer__approve__any=Answer(True), reviewer__approve__sourced=Answer(True, four_eyes=True))
    assert ruled.answer(Role.REVIEWER, Verb.APPROVE, Kind.SOURCED).four_eyes
    assert not ruled.answer(Role.REVIEWER, Verb.APPROVE, Kind.UNSOURCED).four_eyes
    assert not ruled.answer(Role.REVIEWER, Verb.APPROVE).four_eyes


def test_the_rules_are_the_accounts_own(world: World, acme: Account) -> None:
    PolicyRule.objects.create(account=acme, role="agent", verb="manage", kind="any", allowed=True, four_eyes=True)
    assert Policy.of(acme).rules == {("agent", "manage", "any"): Answer(True, True)}
    assert Policy.of(acme, []).rules == {}
    assert Policy.of(acme).agent_approval == acme.options.agent_approval
    assert Policy.of(world.globex).rules == {}


def test_only_an_active_member_has_a_role(world: World, acme: Account) -> None:
    assert role_of(world.cy, acme.pk) == Role.AGENT
    assert role_of(world.eve, acme.pk) is None
    assert role_of(world.ada, world.globex.pk) is None
    Membership.objects.filter(user=world.cy).update(is_active=False)
    assert role_of(world.cy, acme.pk) is None
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        check(world.cy, Verb.READ, account_id=acme.pk)


def test_the_check_asks_the_role_the_verb_and_the_kind(world: World, acme: Account) -> None:
    acme.settings = {"agent_approval": "sourced"}
    acme.save()
    assert check(world.dan, Verb.MANAGE, account_id=acme.pk).allowed
    assert check(world.cy, Verb.APPROVE, account_id=acme.pk, kind=Kind.SOURCED).allowed
    for user, verb in ((world.ada, Verb.MANAGE), (world.cy, Verb.APPROVE), (world.eve, Verb.READ)):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            check(user, verb, account_id=acme.pk)


# --- what pages draw -----------------------------------------------------------------------------------------------
@pytest.fixture
def agent(world: World, acme: Account) -> Tenant:
    found = enter(world.cy, acme.pk)
    assert found is not None
    return found


def test_a_page_draws_what_the_table_or_the_accounts_rule_allows(agent: Tenant) -> None:
    assert may(agent, Verb.CLAIM)
    assert not may(agent, Verb.MANAGE)
    assert may(replace(agent, rules={"manage": True}), Verb.MANAGE)
    assert not may(replace(agent, rules={"claim": False}), Verb.CLAIM)
    assert not may(None, Verb.READ)


def test_the_platform_reads_while_its_look_lasts_and_does_nothing_else(agent: Tenant) -> None:
    nobody = replace(agent, role=None)
    assert not may(nobody, Verb.READ)
    inside = replace(nobody, granted_until=timezone.now())
    assert may(inside, Verb.READ)
    assert not may(inside, Verb.CLAIM)


def test_a_view_that_requires_a_verb_is_not_run_without_it(agent: Tenant) -> None:
    ran: list[str] = []

    @require(Verb.MANAGE)
    def view(request, word: str) -> HttpResponse:
        ran.append(word)
        return HttpResponse("in")

    request = RequestFactory().get("/")
    request.tenant = agent
    with pytest.raises(PermissionDenied, match="may not open this page"):
        view(request, "no")
    assert ran == []
    request.tenant = replace(agent, role=Role.ADMIN)
    assert view(request, word="yes").content == b"in"
    assert ran == ["yes"]
    assert view.__name__ == "view"
