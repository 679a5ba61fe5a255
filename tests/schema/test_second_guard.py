"""The second guard: what asks for one account's rows asks for the account too, and does not leave it to row-level security.

A backup's restore, a superuser's shell or a policy dropped by mistake takes the first guard away. Here it is off.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Now

from conversations import audit
from conversations.errors import Invalid
from conversations.models import Account, AuditCheckpoint, AuditEvent, Invitation, Membership, PolicyRule, Role, User
from conversations.people import addresses, members
from conversations.people.roles import Verb, check
from conversations.tenancy import tenant_context
from conversations.trail import checkpoints
from drafts import retention
from drafts.desk import lanes
from drafts.desk.scene import lock
from drafts.models import PromptVersion
from tests import factories
from tests.conftest import World
from tests.drafts import test_lanes


def test_row_level_security_is_off_here(unbound: World) -> None:
    """Else the others would say nothing."""
    with tenant_context(unbound.acme.pk):
        assert Account.objects.count() == 2


def test_a_trail_is_exported_for_one_account(unbound: World) -> None:
    with tenant_context(unbound.acme.pk):
        event = audit.record_export(account_id=unbound.acme.pk, actor=unbound.dan, what="the trail", rows=1)
        rows = list(audit.export(unbound.acme.pk))
    assert event.object_id == str(unbound.acme.pk)
    assert {row["account_id"] for row in rows} == {unbound.acme.pk}
    assert AuditEvent.objects.count() > len(rows)


def test_an_accounts_checkpoints_are_its_own(unbound: World) -> None:
    signed = []
    for channel in (unbound.mail, unbound.mail, unbound.other_mail, unbound.mail):
        factories.message(channel)
        with tenant_context(channel.account_id):
            signed.append(checkpoints.checkpoint(channel.account_id))
    assert [point and point.number for point in signed] == [1, 2, 1, 3]
    for account in (unbound.acme, unbound.globex):
        with tenant_context(account.pk):
            assert checkpoints.first_forged(account.pk) is None
    assert AuditCheckpoint.objects.count() == 4


def test_what_somebody_may_is_asked_of_the_account_they_act_in(unbound: World) -> None:
    with tenant_context(unbound.globex.pk):
        Account.objects.filter(pk=unbound.globex.pk).update(settings={"agent_approval": "all"})
        PolicyRule.objects.create(account=unbound.globex, role="agent", verb="approve", kind="any", allowed=True)
    Account.objects.filter(pk=unbound.acme.pk).update(settings={"agent_approval": "none"})
    with tenant_context(unbound.acme.pk), pytest.raises(PermissionDenied):
        check(unbound.cy, Verb.APPROVE, account_id=unbound.acme.pk)


@pytest.fixture
def elsewhere(unbound: World) -> World:
    """Ada is an agent of the other account too, which has rules of its own."""
    with tenant_context(unbound.globex.pk):
        Membership.objects.create(account=unbound.globex, user=unbound.ada, role="agent")
        PolicyRule.objects.create(account=unbound.globex, role="reviewer", verb="approve", kind="any", allowed=False)
    return unbound


def test_a_decision_looks_at_the_role_and_the_rules_of_the_drafts_account(elsewhere: World) -> None:
    for channel, role, rules in (
        (elsewhere.mail, "reviewer", {}),
        (elsewhere.other_mail, "agent", {("reviewer", "approve", "any")}),
    ):
        draft = factories.draft(factories.message(channel))
        with tenant_context(channel.account_id):
            scene = lock(draft.pk, actor=elsewhere.ada)
        assert (scene.role, set(scene.policy.rules)) == (role, set(rules))


def test_who_belongs_only_to_another_account_has_no_role(elsewhere: World) -> None:
    draft = factories.draft(factories.message(elsewhere.other_mail))
    with tenant_context(elsewhere.globex.pk):
        assert lock(draft.pk, actor=elsewhere.cy).role is None


# --- members -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def both(unbound: World) -> World:
    """Cy is an agent of both accounts; the other one has an admin too."""
    with tenant_context(unbound.globex.pk):
        Membership.objects.create(account=unbound.globex, user=unbound.cy, role="agent")
        Membership.objects.filter(user=unbound.eve).update(role="admin")
    return unbound


def invited(account: Account, address: str, by: User) -> Invitation:
    found: Invitation = Invitation.objects.create(
        account=account, address=address, role="agent", invited_by=by, sent_at=Now(), expires_at=Now() + timedelta(1)
    )
    return found


def test_another_accounts_admin_is_none_of_this_one(both: World) -> None:
    with tenant_context(both.acme.pk):
        for user, error in ((both.dan, Invalid), (both.eve, Membership.DoesNotExist)):
            with pytest.raises(error):
                members.set_role(account_id=both.acme.pk, user=user, role=Role.AGENT, actor=audit.SYSTEM)
        with pytest.raises(PermissionDenied):
            members.set_role(account_id=both.acme.pk, user=both.cy, role=Role.ADMIN, actor=both.eve)
        members.set_role(account_id=both.acme.pk, user=both.cy, role=Role.REVIEWER, actor=both.dan)
    assert dict(Membership.objects.filter(user=both.cy).values_list("account_id", "role")) == {
        both.acme.pk: "reviewer",
        both.globex.pk: "agent",
    }


def test_who_is_switched_off_here_keeps_their_links_elsewhere(both: World) -> None:
    addresses.prove(both.ada, "ada@home.test")
    for account, actor in ((both.acme, both.dan), (both.globex, both.eve)):
        with tenant_context(account.pk):
            invited(account, "ada@home.test", actor)
    with tenant_context(both.acme.pk):
        members.set_role(account_id=both.acme.pk, user=both.ada, role=Role.AGENT, actor=both.dan, is_active=False)
    assert [invitation.account_id for invitation in Invitation.objects.open()] == [both.globex.pk]


def test_who_is_kept_to_channels_here_is_not_kept_to_them_elsewhere(both: World) -> None:
    for account, channel, actor in ((both.acme, both.mail, both.dan), (both.globex, both.other_mail, both.eve)):
        with tenant_context(account.pk):
            assert members.channels_of(account.pk, both.cy.pk) == ()
            members.set_channels(account_id=account.pk, user=both.cy, channels=[channel.pk], actor=actor)
            assert members.channels_of(account.pk, both.cy.pk) == (channel.pk,)
            other = both.other_mail if channel == both.mail else both.mail
            with pytest.raises(Invalid):
                members.set_channels(account_id=account.pk, user=both.cy, channels=[other.pk], actor=actor)


def test_a_member_of_one_account_may_join_another(both: World) -> None:
    with tenant_context(both.acme.pk):
        members.join(invitation=invited(both.acme, "eve@globex.test", both.dan), user=both.eve)
    assert dict(Membership.objects.filter(user=both.eve).values_list("account_id", "role")) == {
        both.acme.pk: "agent",
        both.globex.pk: "admin",
    }


# --- lanes ---------------------------------------------------------------------------------------------------------------
def test_a_lane_asks_what_its_own_account_allows(unbound: World) -> None:
    Account.objects.filter(pk=unbound.acme.pk).update(settings={"lanes": True, "lane_reviewed": 20, "lane_bound": 0.8})
    with tenant_context(unbound.acme.pk):
        PromptVersion.objects.create(account=unbound.acme, key="reply", version=1, text="x", status="active")
        test_lanes.decide(unbound, unchanged=20)
        lane = test_lanes.opened(unbound)
        assert lanes.watch(account_id=unbound.acme.pk) == 0
        action = lanes.consider(draft_id=test_lanes.a_draft(unbound).pk)
        assert action is not None
        assert action.lane_id == lane.pk


# --- retention -------------------------------------------------------------------------------------------------------------
def test_one_accounts_legal_hold_is_its_own(unbound: World) -> None:
    Account.objects.filter(pk=unbound.acme.pk).update(legal_hold=True)
    for act in (
        lambda account: retention.apply(account_id=account.pk, dry_run=True),
        lambda account: retention.erase_customer(account_id=account.pk, email="nobody@customer.test", dry_run=True),
    ):
        assert act(unbound.acme) == retention.HELD
        assert act(unbound.globex) != retention.HELD
