"""Who looks, from where, and what they may do: the same for every pane of one answer."""

from __future__ import annotations

from dataclasses import dataclass

from conversations.models import Role, User
from conversations.people.roles import Policy, Verb
from conversations.tenancy import Tenant
from conversations.views.links import address, below
from conversations.views.words import Clock
from conversations.visible import Visible
from drafts.evidence.rates import TopicRates
from drafts.queue import Summary
from drafts.views.present import DeskFilters


@dataclass(frozen=True, slots=True)
class Desk:
    user: User
    tenant: Tenant
    clock: Clock
    filters: DeskFilters
    policy: Policy
    rates: TopicRates
    hold_seconds: int
    csrf: str
    queue_url: str
    drafts_url: str
    conversations_url: str

    @classmethod
    def of(
        cls,
        user: User,
        tenant: Tenant,
        clock: Clock,
        filters: DeskFilters,
        summary: Summary,
        rates: TopicRates,
        csrf: str,
    ) -> Desk:
        return cls(
            rates=rates,
            user=user,
            tenant=tenant,
            clock=clock,
            filters=filters,
            policy=summary.policy,
            hold_seconds=summary.hold_seconds,
            csrf=csrf,
            queue_url=address("drafts:queue"),
            drafts_url=below("drafts:detail"),
            conversations_url=address("conversations:list"),
        )

    @property
    def role(self) -> Role | None:
        return self.tenant.role

    @property
    def within(self) -> Visible:
        return self.tenant.channels

    def may(self, verb: Verb) -> bool:
        return self.policy.answer(self.role, verb).allowed

    @property
    def may_batch(self) -> bool:
        return self.may(Verb.BATCH_APPROVE)
