"""How the account works: its settings, how long texts are kept, who may do what."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from conversations import hooks
from conversations.errors import Invalid
from conversations.metadata import AccountSettings
from conversations.models import PolicyRule, Role
from conversations.people import account_settings
from conversations.people.account_settings import NOT_HERE, PERIODS
from conversations.people.roles import Policy, Verb
from drafts.assistant.tools.shapes import (
    Arguments,
    Change,
    Context,
    Done,
    Effect,
    Fact,
    Facts,
    Proposal,
    Scope,
    Tool,
    Wrong,
)

DESK = frozenset({Context.GENERAL, Context.PROJECT, Context.INFRASTRUCTURE})
NAMES = tuple(name for name in AccountSettings.model_fields if name not in NOT_HERE)
KEEPING = {"archive_bodies_after_days": "Empty texts after", "purge_after_days": "Remove whose they were after"}


_MOST = 1_000_000_000
Whole = Annotated[int, Field(ge=-_MOST, le=_MOST)]
Number = Annotated[float, Field(ge=-_MOST, le=_MOST)]
Text = Annotated[str, Field(max_length=8000)]


class Setting(Arguments):
    name: str = Field(max_length=60, description=f"One of {', '.join(NAMES)}.")
    value: bool | Whole | Number | Text = Field(union_mode="left_to_right", description="Its new value.")


def _value(scope: Scope, name: str) -> Any:
    return getattr(scope.account.options, name)


def _new(scope: Scope, args: Setting) -> Any:
    """The value as the setting's own type has it. Raises Wrong (422)."""
    try:
        return getattr(account_settings.with_setting(scope.account, args.name, args.value), args.name)
    except Invalid as refusal:
        raise Wrong(str(refusal)) from refusal


def _words(name: str, value: Any) -> str:
    """A value as its page shows it: the words of a choice, yes or no, with its unit."""
    extra = AccountSettings.model_fields[name].json_schema_extra
    known = extra if isinstance(extra, dict) else {}
    choices: Any = known.get("choices", {})
    if str(value) in choices:
        return str(choices[str(value)])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value} {known['unit']}" if "unit" in known else str(value) or "empty"


def _check_setting(scope: Scope, args: Setting) -> None:
    if _new(scope, args) == _value(scope, args.name):
        raise Wrong(f"{_title(args.name)} is {_words(args.name, _value(scope, args.name))} already.")


def _title(name: str) -> str:
    return AccountSettings.model_fields[name].title or name.replace("_", " ").capitalize()


def _setting_facts(scope: Scope, args: Setting) -> Facts:
    value = _value(scope, args.name)
    return (Fact("value", _title(args.name), value, _words(args.name, value)),)


def _describe_setting(scope: Scope, args: Setting, facts: Facts) -> Effect:
    new = _words(args.name, _new(scope, args))
    about = AccountSettings.model_fields[args.name].description
    return Effect(
        f"{_title(args.name)}: {new}",
        [Change(_title(args.name), [facts[0].shown], [new])],
        [about] if about else [],
        twice=_closes(scope, args),
    )


def _closes(scope: Scope, args: Setting) -> str:
    """What closes by itself from then on, where a shorter time is asked for."""
    if args.name != "close_after_days" or not (days := int(_new(scope, args))):
        return ""
    if days >= (scope.account.options.close_after_days or 10**9):
        return ""
    count = sum(handler(account_id=scope.account.pk, days=days) for handler in hooks.closing_previews)
    return f"{count} conversation{'' if count == 1 else 's'} would close within the hour"


def _run_setting(scope: Scope, args: Setting) -> Done:
    new = _new(scope, args)
    account_settings.set_setting(account_id=scope.account.pk, actor=scope.actor, name=args.name, value=new)
    return Done(f"{_title(args.name)}: {_words(args.name, new)}.")


def _revert_setting(args: Setting, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    return Proposal("set_setting", {"name": args.name, "value": before["value"]})


class Retention(Arguments):
    keep: Literal["archive_bodies_after_days", "purge_after_days"] = Field(
        description="What is kept: the texts, or whose they were."
    )
    days: int = Field(ge=0, le=account_settings.MAX_DAYS, description="From the closing; 0 keeps them.")


def _days(value: int) -> str:
    return f"{value} days" if value else "never"


def _check_retention(scope: Scope, args: Retention) -> None:
    if getattr(scope.account, args.keep) == args.days:
        raise Wrong(f"{KEEPING[args.keep]}: {_days(args.days)}, as it is already.")


def _retention_facts(scope: Scope, args: Retention) -> Facts:
    hold = scope.account.legal_hold
    return (
        *(
            Fact(name, KEEPING[name], getattr(scope.account, name), _days(getattr(scope.account, name)))
            for name in PERIODS
        ),
        Fact("legal_hold", "Legal hold", hold, "on: nothing is removed" if hold else "off"),
    )


def _describe_retention(scope: Scope, args: Retention, facts: Facts) -> Effect:
    found = account_settings.would_empty(scope.account.pk, {args.keep: args.days})
    counts = [f"{count:,} {words}" for words, count in found.items() if count]
    notes = (
        [f"The next run would empty: {', '.join(counts)}. They cannot come back."]
        if counts
        else ["Nothing is emptied by it today."]
    )
    old = getattr(scope.account, args.keep)
    return Effect(
        f"{KEEPING[args.keep]} {_days(args.days)}",
        [Change(KEEPING[args.keep], [_days(old)], [_days(args.days)])],
        notes,
        twice="it removes texts",
        again=f"Press again: {counts[0]}" if counts else "",
    )


def _run_retention(scope: Scope, args: Retention) -> Done:
    account_settings.set_retention(account_id=scope.account.pk, actor=scope.actor, **{args.keep: args.days})
    return Done(f"{KEEPING[args.keep]}: {_days(args.days)}.")


def _revert_retention(args: Retention, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    return Proposal("set_retention", {"keep": args.keep, "days": before[args.keep]})


class Rule(Arguments):
    role: Literal["agent", "reviewer", "admin", "auditor"]
    verb: str = Field(max_length=40, description="The act, by its name.")
    kind: Literal["any", "sourced", "unsourced", "money", "proposed"] = "any"
    allowed: bool
    four_eyes: bool = Field(default=False, description="Whether a second person has to sign.")


def _found(scope: Scope, args: Rule) -> PolicyRule | None:
    return PolicyRule.objects.filter(
        account_id=scope.account.pk, role=args.role, verb=args.verb, kind=args.kind
    ).first()


def _check_rule(scope: Scope, args: Rule) -> None:
    if args.verb not in Verb.values or args.verb == Verb.MANAGE:
        raise Wrong(
            f"There is no act “{args.verb}” that a rule may be about. {', '.join(sorted(set(Verb.values) - {'manage'}))}."
        )
    found = _found(scope, args)
    if found and (found.allowed, found.four_eyes) == (args.allowed, args.four_eyes):
        raise Wrong("There is such a rule already.")


def _rule_facts(scope: Scope, args: Rule) -> Facts:
    found = _found(scope, args)
    now = Policy.of(scope.account).answer(Role(args.role), Verb(args.verb), PolicyRule.Kind(args.kind))
    value = [found.allowed, found.four_eyes] if found else None
    return (Fact("rule", "As things are", [value, now.allowed, now.four_eyes], _answer(now.allowed, now.four_eyes)),)


def _answer(allowed: bool, four_eyes: bool) -> str:
    return ("yes, with a second person" if four_eyes else "yes") if allowed else "no"


def _describe_rule(scope: Scope, args: Rule, facts: Facts) -> Effect:
    act = Verb(args.verb).label.lower()
    kind = {"any": "", "proposed": ", as the assistant proposed it"}.get(args.kind, f", a draft that is {args.kind}")
    new = _answer(args.allowed, args.four_eyes)
    return Effect(f"May {args.role}s {act}{kind}: {new}", [Change("Allowed", [facts[0].shown], [new])])


def _run_rule(scope: Scope, args: Rule) -> Done:
    rule = account_settings.set_rule(
        account_id=scope.account.pk, actor=scope.actor, role=Role(args.role), verb=Verb(args.verb),
        kind=PolicyRule.Kind(args.kind), allowed=args.allowed, four_eyes=args.four_eyes,
    )  # fmt: skip
    return Done("The rule stands.", {"rule": str(rule.pk)})


def _revert_rule(args: Rule, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    """What the answer was, as a rule; where there was none, the same words as the default."""
    _, allowed, four_eyes = before["rule"]
    return Proposal("set_policy", {**args.model_dump(), "allowed": allowed, "four_eyes": four_eyes})


def _no_conversation(scope: Scope, args: Any) -> tuple[uuid.UUID, ...]:
    return ()


SET_SETTING = Tool(
    name="set_setting", icon="gear", about="Change one setting of the account.",
    args=Setting, contexts=DESK, verb=Verb.MANAGE, proposed_by=Verb.PROPOSE, risk="config", touches=_no_conversation,
    check=_check_setting, facts=_setting_facts, describe=_describe_setting, run=_run_setting, revert=_revert_setting,
)  # fmt: skip
SET_RETENTION = Tool(
    name="set_retention", icon="db", about="Change how long texts, or whose they were, are kept.",
    args=Retention, contexts=DESK, verb=Verb.MANAGE, proposed_by=Verb.PROPOSE, risk="config", touches=_no_conversation,
    check=_check_retention, facts=_retention_facts, describe=_describe_retention, run=_run_retention, revert=_revert_retention,
)  # fmt: skip
SET_POLICY = Tool(
    name="set_policy", icon="shield", about="Say whether a role may do something, and whether a second person has to sign.",
    args=Rule, contexts=DESK, verb=Verb.MANAGE, proposed_by=Verb.PROPOSE, risk="config", touches=_no_conversation,
    check=_check_rule, facts=_rule_facts, describe=_describe_rule, run=_run_rule, revert=_revert_rule,
)  # fmt: skip
