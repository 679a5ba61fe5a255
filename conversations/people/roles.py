"""Who may do what: role x verb x kind. Defaults here, an account's own answers in PolicyRule, edited in the admin."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponseBase

from conversations.models import Account, Membership, PolicyRule, Role, User
from conversations.tenancy import Tenant, require_tenant

Kind = PolicyRule.Kind


class Verb(models.TextChoices):
    READ = "read"
    CLAIM = "claim"
    TAKE_OVER = "take_over"
    EDIT = "edit"
    REJECT = "reject"
    REGENERATE = "regenerate"
    SNOOZE = "snooze"
    ANSWER_ELSEWHERE = "answer_elsewhere"
    CLOSE = "close"
    ASSIGN = "assign"
    NOTE = "note"
    TAG = "tag"
    MERGE = "merge"
    BLOCK = "block"
    WATCH = "watch"
    APPROVE = "approve"
    UNDO = "undo"
    BATCH_APPROVE = "batch_approve"
    RESOLVE_DELIVERY = "resolve_delivery"
    EXPORT_SAMPLES = "export_samples"
    EXPORT_AUDIT = "export_audit"
    RUN_JOBS = "run_jobs"
    RETRY_JOBS = "retry_jobs"
    DECIDE_GOLDENS = "decide_goldens"
    HANDLE_INBOUND = "handle_inbound"
    ASSIST = "assist"
    PROPOSE = "propose"
    MANAGE = "manage"


_EVERYONE = frozenset({Role.AGENT, Role.REVIEWER, Role.ADMIN, Role.AUDITOR})
_DECIDERS = frozenset({Role.AGENT, Role.REVIEWER, Role.ADMIN})
_REVIEWERS = frozenset({Role.REVIEWER, Role.ADMIN})
_ADMINS = frozenset({Role.ADMIN})

DEFAULTS: dict[Verb, frozenset[Role]] = {
    Verb.READ: _EVERYONE,
    Verb.CLAIM: _DECIDERS,
    Verb.TAKE_OVER: _REVIEWERS,
    Verb.EDIT: _DECIDERS,
    Verb.REJECT: _DECIDERS,
    Verb.REGENERATE: _DECIDERS,
    Verb.SNOOZE: _DECIDERS,
    Verb.ANSWER_ELSEWHERE: _DECIDERS,
    Verb.CLOSE: _DECIDERS,
    Verb.ASSIGN: _DECIDERS,
    Verb.NOTE: _DECIDERS,
    Verb.TAG: _DECIDERS,
    Verb.MERGE: _DECIDERS,
    Verb.BLOCK: _DECIDERS,
    Verb.WATCH: _DECIDERS,
    Verb.APPROVE: _REVIEWERS,  # agents: by the account's setting, see `_agent_approves`
    Verb.UNDO: _DECIDERS,
    Verb.BATCH_APPROVE: _REVIEWERS,
    Verb.RESOLVE_DELIVERY: _REVIEWERS,
    Verb.EXPORT_SAMPLES: _REVIEWERS,  # all of them an admin's, a reviewer's own
    Verb.EXPORT_AUDIT: _ADMINS | {Role.AUDITOR},
    Verb.RUN_JOBS: _ADMINS,
    Verb.RETRY_JOBS: _REVIEWERS,
    Verb.DECIDE_GOLDENS: _REVIEWERS,
    Verb.HANDLE_INBOUND: _REVIEWERS,
    Verb.ASSIST: _DECIDERS,  # an assistant of one's own
    Verb.PROPOSE: _REVIEWERS,  # a change of the settings; who may manage signs it
    Verb.MANAGE: _ADMINS,
}

RULE_COLUMNS = ("role", "verb", "kind", "allowed", "four_eyes")

REFUSALS: dict[Verb, str] = {
    Verb.APPROVE: "Your role may not approve this draft. It was left as it is; a reviewer can decide it.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    allowed: bool
    four_eyes: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """One account's answers, loaded once and asked many times."""

    agent_approval: str
    rules: dict[tuple[str, str, str], Answer]

    @classmethod
    def of(cls, account: Account, rows: Iterable[Mapping[str, Any]] | None = None) -> Policy:
        """`rows` are PolicyRule columns that the caller has read already."""
        if rows is None:
            rows = PolicyRule.objects.filter(account_id=account.pk).values(*RULE_COLUMNS)
        rules = {(row["role"], row["verb"], row["kind"]): Answer(row["allowed"], row["four_eyes"]) for row in rows}
        return cls(account.options.agent_approval, rules)

    def permit(self, role: Role | None, verb: Verb, kind: Kind = Kind.ANY) -> Answer:
        """Raises PermissionDenied (403) with a sentence for the person."""
        answer = self.answer(role, verb, kind)
        if not answer.allowed:
            raise PermissionDenied(
                REFUSALS.get(
                    verb, f"Your role may not do this ({verb.label.lower()}). Nothing was changed; ask an admin."
                )
            )
        return answer

    def answer(self, role: Role | None, verb: Verb, kind: Kind = Kind.ANY) -> Answer:
        if role is None:
            return Answer(False)
        for wanted in (kind, Kind.ANY):
            if (found := self.rules.get((role, verb, wanted))) is not None:
                return found
        if verb == Verb.APPROVE and role == Role.AGENT:
            return Answer(self.agent_approval == "all" or (self.agent_approval == "sourced" and kind == Kind.SOURCED))
        return Answer(role in DEFAULTS[verb])


def role_of(user: User, account_id: uuid.UUID) -> Role | None:
    """The person's role here, read again inside the verb's own transaction."""
    found = Membership.objects.filter(account_id=account_id, user=user, is_active=True).values_list("role", flat=True)
    return Role(found[0]) if found else None


def check(user: User, verb: Verb, *, account_id: uuid.UUID, kind: Kind = Kind.ANY) -> Answer:
    """The policy asked by itself, in two or three statements. Raises PermissionDenied (403)."""
    account = Account.objects.only("settings").get(pk=account_id)
    return Policy.of(account).permit(role_of(user, account_id), verb, kind)


def may(tenant: Tenant | None, verb: Verb) -> bool:
    """The account's answer without a query, for what is drawn; a verb always asks `check`."""
    if verb == Verb.READ and tenant is not None and tenant.granted_until is not None:
        return True  # a platform operator's audited look inside
    if tenant is None or tenant.role is None:
        return False
    return tenant.rules.get(verb, tenant.role in DEFAULTS[verb])


def require(verb: Verb) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """View decorator: the signed-in person's role must have `verb`, else 403."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @functools.wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not may(require_tenant(request), verb):
                raise PermissionDenied("Your role may not open this page. Ask an admin of your account.")
            return view(request, *args, **kwargs)

        return inner

    return decorate
