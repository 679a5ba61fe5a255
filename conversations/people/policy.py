"""The whole of an account's policy at once: what each role may do, over what comes with it, changed in one act."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping

from django.db import transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import Account, PolicyRule, Role, User
from conversations.people.roles import Answer, Kind, Policy, Verb, check

Key = tuple[Role, Verb, Kind]


def fingerprint(policy: Policy) -> str:
    """Of the answers as they stand: what a page was filled from, so that nobody saves over what they have not seen."""
    rows = sorted((key, answer.allowed, answer.four_eyes) for key, answer in policy.rules.items())
    return hashlib.sha256(repr((rows, policy.agent_approval)).encode()).hexdigest()


def by_default(policy: Policy, key: Key) -> Answer:
    """What holds without an answer of the account's own for exactly this."""
    others = {known: answer for known, answer in policy.rules.items() if known != key}
    return Policy(policy.agent_approval, others).answer(*key)


def set_policy(*, account_id: uuid.UUID, actor: User, wanted: Mapping[Key, Answer], seen: str) -> int:
    """Make these the account's answers; a rule that says no more than the default goes. Returns how many changed.

    Raises PermissionDenied (403), Conflict (409: somebody saved since `seen`, a `fingerprint`), Invalid (422: who may manage
    is set by hand, so that nobody locks everybody out with a tick).
    """
    if any(verb == Verb.MANAGE for _, verb, _ in wanted):
        raise Invalid("Who may manage is set by hand. Nothing was changed.")
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True, of=("self",)).get(pk=account_id)
        check(actor, Verb.MANAGE, account_id=account_id)
        policy = Policy.of(account)
        if fingerprint(policy) != seen:
            raise Conflict(
                "Somebody changed these rules since you opened them. Nothing of yours was saved; it is still ticked."
            )
        changed = 0
        for key in sorted(wanted, key=lambda key: key[2] != Kind.ANY):  # what the others fall back to comes first
            changed += _put(account, actor, policy, key, wanted[key])
    return changed


def _put(account: Account, actor: User, policy: Policy, key: Key, wanted: Answer) -> bool:
    role, verb, kind = key
    default, own = by_default(policy, key), policy.rules.get(key)
    if wanted == default:
        if own is None:
            return False
        rule = PolicyRule.objects.get(account=account, role=role, verb=verb, kind=kind)
        audit.record(audit.Kind.POLICY_CHANGED, actor=actor, about=rule, data={"rule": f"removed: {rule}"})
        rule.delete()
        del policy.rules[key]
        return True
    if wanted == own:
        return False
    said = {"allowed": wanted.allowed, "four_eyes": wanted.four_eyes}
    rule, _ = PolicyRule.objects.update_or_create(account=account, role=role, verb=verb, kind=kind, defaults=said)
    audit.record(audit.Kind.POLICY_CHANGED, actor=actor, about=rule, data={"rule": str(rule)})
    policy.rules[key] = wanted
    return True
