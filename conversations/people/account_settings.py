"""How an account works, changed one value at a time: a setting, how long texts are kept, a rule of the policy."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any
from zoneinfo import available_timezones

from django.db import transaction
from pydantic import ValidationError

from conversations import audit, hooks
from conversations.errors import Invalid
from conversations.metadata import AccountSettings, explain
from conversations.models import Account, PolicyRule, Role, User
from conversations.people.roles import Verb, check

#: Set by a verb of its own, which looks at who would be locked out.
NOT_HERE = ("second_factor",)
PERIODS = ("archive_bodies_after_days", "purge_after_days")
#: All that is kept for a time: texts, whose they were, and a chat in which nobody wrote any more.
KEPT_FOR = (*PERIODS, "expire_sessions_after_days")
MAX_DAYS = 36_500


def with_setting(account: Account, name: str, value: Any) -> AccountSettings:
    """The settings with this one changed; nothing is stored. Raises Invalid (422) for a name or a value that is not possible."""
    if name not in AccountSettings.model_fields or name in NOT_HERE:
        raise Invalid(f"There is no setting “{name}” that can be set so. Nothing was changed.")
    try:
        return AccountSettings.model_validate({**account.settings, name: value})
    except ValidationError as error:
        raise Invalid("; ".join(explain(one) for one in error.errors()[:3]) + ". Nothing was changed.") from error


def set_setting(*, account_id: uuid.UUID, actor: User, name: str, value: Any) -> AccountSettings:
    """Raises PermissionDenied (403), Invalid (422)."""
    with transaction.atomic():
        account = _locked(account_id, actor)
        settings = with_setting(account, name, value)
        account.settings = settings.model_dump(exclude_defaults=True)
        account.save(update_fields=["settings", "updated_at"])
        _record(account, actor, name)
    return settings


def set_retention(*, account_id: uuid.UUID, actor: User, **days: int) -> Account:
    """How long texts, and whose they were, are kept after a conversation closed; `days` by the names in `KEPT_FOR`, 0 keeps them.

    Raises PermissionDenied (403), Invalid (422).
    """
    if not days or days.keys() - set(KEPT_FOR) or any(not 0 <= value <= MAX_DAYS for value in days.values()):
        raise Invalid(f"Give days, 0 to {MAX_DAYS:,}. Nothing was changed.")
    with transaction.atomic():
        account = _locked(account_id, actor)
        for name, value in days.items():
            setattr(account, name, value)
        account.save(update_fields=[*days, "updated_at"])
        _record(account, actor, ", ".join(days))
    return account


def set_timezone(*, account_id: uuid.UUID, actor: User, name: str) -> Account:
    """Raises PermissionDenied (403), Invalid (422: no zone of that name)."""
    if name not in available_timezones():
        raise Invalid(f"There is no time zone “{name}”. Nothing was changed.")
    with transaction.atomic():
        account = _locked(account_id, actor)
        account.timezone = name
        account.save(update_fields=["timezone", "updated_at"])
        _record(account, actor, "timezone")
    return account


def would_empty(account_id: uuid.UUID, values: dict[str, Any]) -> Counter[str]:
    """What the next run would empty if these were the account's periods. They are put in place and taken back."""
    found: Counter[str] = Counter()
    with transaction.atomic():
        Account.objects.filter(pk=account_id).update(**values)
        for handler in hooks.retention_previews:
            found += Counter(handler(account_id=account_id))
        transaction.set_rollback(True)
    return found


def set_rule(
    *, account_id: uuid.UUID, actor: User, role: Role, verb: Verb, kind: PolicyRule.Kind, allowed: bool, four_eyes: bool
) -> PolicyRule:
    """The account's own answer whether a role may do this. Raises PermissionDenied (403), Invalid (422: who manages is set by hand)."""
    if verb == Verb.MANAGE:
        raise Invalid("Who may manage is set by hand. Nothing was changed.")
    with transaction.atomic():
        account = _locked(account_id, actor)
        rule, _ = PolicyRule.objects.update_or_create(
            account=account, role=role, verb=verb, kind=kind, defaults={"allowed": allowed, "four_eyes": four_eyes}
        )
        audit.record(audit.Kind.POLICY_CHANGED, actor=actor, about=rule, data={"rule": str(rule)})
    return rule


def remove_rule(*, account_id: uuid.UUID, actor: User, role: Role, verb: Verb, kind: PolicyRule.Kind) -> None:
    """The default again. Raises PermissionDenied (403), Invalid (422), PolicyRule.DoesNotExist (404)."""
    if verb == Verb.MANAGE:
        raise Invalid("Who may manage is set by hand. Nothing was changed.")
    with transaction.atomic():
        account = _locked(account_id, actor)
        rule = PolicyRule.objects.get(account=account, role=role, verb=verb, kind=kind)
        audit.record(audit.Kind.POLICY_CHANGED, actor=actor, about=rule, data={"rule": f"removed: {rule}"})
        rule.delete()


def _locked(account_id: uuid.UUID, actor: User) -> Account:
    account = Account.objects.select_for_update(no_key=True, of=("self",)).get(pk=account_id)
    check(actor, Verb.MANAGE, account_id=account_id)
    return account


def _record(account: Account, actor: User, fields: str) -> None:
    audit.record(
        audit.Kind.ACCOUNT_CHANGED,
        actor=actor,
        about=account,
        account=account,
        data={"fields": fields.replace("_", " ")},
    )
