"""Who may do what, in one table: what is ticked is what the roles may, and only what differs from the default is a rule."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.test import Client

from conversations.admin_pages.policy import GROUPS
from conversations.errors import Conflict, Invalid
from conversations.models import Account, AuditEvent, PolicyRule, Role
from conversations.people.policy import fingerprint, set_policy
from conversations.people.roles import Answer, Kind, Policy, Verb
from conversations.tenancy import tenant_context
from tests.asserts import assert_nothing_written
from tests.conftest import World

URL = "/admin/policy/"


@pytest.fixture
def dan(world: World, signed_in: Any) -> Client:
    return signed_in(world.dan)


def soup(answer: Any) -> BeautifulSoup:
    return BeautifulSoup(answer.content, "html.parser")


def filled(page: BeautifulSoup) -> dict[str, str]:
    form = page.select_one("main form")
    assert form is not None
    sent = {str(box["name"]): str(box["value"]) for box in form.select("input[type=hidden]")}
    return sent | {str(box["name"]): "on" for box in form.select("input[type=checkbox][checked]")}


def rules() -> list[tuple[str, str, str, bool, bool]]:
    return sorted(PolicyRule.objects.values_list("role", "verb", "kind", "allowed", "four_eyes"))


def policy(world: World) -> Policy:
    return Policy.of(Account.objects.get(pk=world.acme.pk))


def test_the_table_saved_as_it_stands_makes_no_rule(dan: Client, world: World) -> None:
    page = soup(dan.get(URL))
    with assert_nothing_written():
        assert dan.post(URL, filled(page)).status_code == 303
    assert rules() == []


def test_a_tick_is_a_rule_and_taken_off_again_is_none(dan: Client, world: World) -> None:
    sent = filled(soup(dan.get(URL)))
    assert dan.post(URL, {**sent, "take_over.any.agent": "on"}).status_code == 303
    assert rules() == [("agent", "take_over", "any", True, False)]
    event = AuditEvent.objects.get(kind="policy.changed")
    assert (event.actor_name, event.data) == (world.dan.name, {"rule": "agent take_over any: yes"})
    page = soup(dan.get(URL))
    assert [cell["data-l"] for cell in page.select("td.chg")] == ["Agent"]
    sent = filled(page)
    del sent["take_over.any.agent"]
    assert dan.post(URL, sent).status_code == 303
    assert rules() == []
    assert AuditEvent.objects.order_by("-id").first().data == {"rule": "removed: agent take_over any: yes"}  # type: ignore[union-attr]


def test_a_second_signature_is_asked_of_every_role_that_may(dan: Client, world: World) -> None:
    sent = filled(soup(dan.get(URL)))
    assert dan.post(URL, {**sent, "approve.money.four_eyes": "on"}).status_code == 303
    assert rules() == [("admin", "approve", "money", True, True), ("reviewer", "approve", "money", True, True)]
    assert policy(world).answer(Role.REVIEWER, Verb.APPROVE, Kind.MONEY) == Answer(True, True)
    assert policy(world).answer(Role.REVIEWER, Verb.APPROVE, Kind.SOURCED) == Answer(True, False)


def test_a_role_keeps_a_signature_of_its_own_while_the_tick_stands(dan: Client, world: World) -> None:
    with tenant_context(world.acme.pk):
        own = {"role": "reviewer", "verb": "approve", "kind": "money", "allowed": True, "four_eyes": True}
    with tenant_context(world.acme.pk):
        PolicyRule.objects.create(account=world.acme, **own)
    page = soup(dan.get(URL))
    assert page.select_one("input[name='approve.money.four_eyes'][checked]")
    dan.post(URL, {**filled(page), "take_over.any.agent": "on"})
    assert ("admin", "approve", "money") not in {rule[:3] for rule in rules()}
    assert ("reviewer", "approve", "money", True, True) in rules()


def test_the_defaults_come_back_in_one_press(dan: Client, world: World) -> None:
    sent = filled(soup(dan.get(URL)))
    changed = {name: value for name, value in sent.items() if not name.startswith("close.any.")}
    dan.post(URL, changed)
    assert {rule[1:4] for rule in rules()} == {("close", "any", False), ("close", "proposed", True)}
    assert policy(world).answer(Role.AGENT, Verb.CLOSE, Kind.PROPOSED).allowed  # said of its own, for it stayed ticked
    dan.post(URL, {"seen": filled(soup(dan.get(URL)))["seen"], "defaults": "1"})
    assert rules() == []


def test_who_saves_over_what_they_have_not_seen_keeps_their_ticks(dan: Client, world: World) -> None:
    sent = filled(soup(dan.get(URL)))
    with tenant_context(world.acme.pk):
        PolicyRule.objects.create(account=world.acme, role="agent", verb="tag", kind="any", allowed=False)
    with assert_nothing_written():
        answer = dan.post(URL, {**sent, "take_over.any.agent": "on"})
    page = soup(answer)
    assert answer.status_code == 409
    assert "Somebody changed these rules" in page.select_one("[role=alert]").get_text()  # type: ignore[union-attr]
    assert page.select_one("input[name='take_over.any.agent'][checked]")
    assert dan.post(URL, filled(page)).status_code == 303


def test_auditors_are_offered_nothing_but_the_trail(dan: Client) -> None:
    page = soup(dan.get(URL))
    assert [box["name"] for box in page.select("input[name$='.auditor']")] == ["export_audit.any.auditor"]


def test_every_act_that_a_role_may_do_stands_in_the_table_but_a_few() -> None:
    """Who reads, holds and watches needs no rule; who manages is set by hand."""
    named = {act.verb for acts in GROUPS.values() for act in acts}
    assert set(Verb) - named == {Verb.READ, Verb.CLAIM, Verb.WATCH, Verb.MANAGE}


@pytest.mark.parametrize("who", ["ada", "cy", "bo"])
def test_only_an_admin_of_the_account_opens_and_saves_it(world: World, signed_in: Any, who: str) -> None:
    browser, before = signed_in(getattr(world, who)), rules()
    assert browser.get(URL, follow=True).status_code == 403
    assert browser.post(URL, {"take_over.any.agent": "on"}, follow=True).status_code == 403
    assert rules() == before == []


def test_the_verb_refuses_who_may_not_and_the_right_to_manage(world: World, acme: Any) -> None:
    wanted = {(Role.AGENT, Verb.TAKE_OVER, Kind.ANY): Answer(True)}
    seen = fingerprint(policy(world))
    with assert_nothing_written():
        with pytest.raises(PermissionDenied):
            set_policy(account_id=world.acme.pk, actor=world.ada, wanted=wanted, seen=seen)
        with pytest.raises(Invalid):
            manage = {(Role.AGENT, Verb.MANAGE, Kind.ANY): Answer(True)}
            set_policy(account_id=world.acme.pk, actor=world.dan, wanted=manage, seen=seen)
        with pytest.raises(Conflict):
            set_policy(account_id=world.acme.pk, actor=world.dan, wanted=wanted, seen="")
        with pytest.raises(Account.DoesNotExist):
            set_policy(account_id=world.globex.pk, actor=world.dan, wanted=wanted, seen=seen)
    assert set_policy(account_id=world.acme.pk, actor=world.dan, wanted=wanted, seen=seen) == 1


def test_a_fingerprint_is_of_every_word_of_every_rule(world: World) -> None:
    key = (Role.AGENT, Verb.TAG, Kind.ANY)
    base = {key: Answer(True, False)}
    others = [
        {},
        {key: Answer(False, False)},
        {key: Answer(True, True)},
        {(Role.ADMIN, Verb.TAG, Kind.ANY): Answer(True, False)},
        {(Role.AGENT, Verb.NOTE, Kind.ANY): Answer(True, False)},
        {(Role.AGENT, Verb.TAG, Kind.PROPOSED): Answer(True, False)},
    ]
    prints = [fingerprint(Policy("sourced", rules)) for rules in (base, *others)] + [fingerprint(Policy("all", base))]
    assert len(set(prints)) == len(prints)
    two = {**base, (Role.AGENT, Verb.NOTE, Kind.ANY): Answer(True)}
    assert fingerprint(Policy("all", two)) == fingerprint(Policy("all", dict(reversed(two.items()))))


def test_the_verb_counts_what_changed_and_leaves_the_rest_alone(world: World, acme: Any) -> None:
    keys = [(Role.AGENT, verb, Kind.ANY) for verb in (Verb.TAG, Verb.NOTE, Verb.TAKE_OVER)]

    def save(*allowed: bool) -> int:
        wanted = {key: Answer(one) for key, one in zip(keys, allowed, strict=True)}
        return set_policy(account_id=world.acme.pk, actor=world.dan, wanted=wanted, seen=fingerprint(policy(world)))

    assert save(False, True, True) == 2
    assert save(False, True, True) == 0
    assert save(True, True, True) == 1
    assert AuditEvent.objects.filter(kind="policy.changed").count() == 3
    assert rules() == [("agent", "take_over", "any", True, False)]
    with assert_nothing_written(), pytest.raises(Invalid):
        wanted = {keys[0]: Answer(False), (Role.AGENT, Verb.MANAGE, Kind.ANY): Answer(True)}
        set_policy(account_id=world.acme.pk, actor=world.dan, wanted=wanted, seen=fingerprint(policy(world)))


def test_of_two_who_save_at_once_one_is_told(committed_world: World, in_threads: Any) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        seen = fingerprint(policy(world))

    def save(verb: Verb) -> int:
        with tenant_context(world.acme.pk):
            wanted = {(Role.AGENT, verb, Kind.ANY): Answer(False)}
            return set_policy(account_id=world.acme.pk, actor=world.dan, wanted=wanted, seen=seen)

    found = in_threads([lambda: save(Verb.TAG), lambda: save(Verb.NOTE)])
    assert sorted(type(one).__name__ for one in found) == ["Conflict", "int"]
    with tenant_context(world.acme.pk):
        assert len(rules()) == 1
