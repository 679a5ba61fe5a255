"""What the customer is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from conversations.models import Customer
from conversations.people.roles import Verb
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
from drafts.desk import naming


class Name(Arguments):
    name: str = Field(min_length=1, max_length=naming.MAX_NAME, description="As they are called from now on.")


def _check(scope: Scope, args: Name) -> None:
    if args.name == scope.conversation.customer_name == _known_as(scope):
        raise Wrong("The customer is called that already.")


def _known_as(scope: Scope) -> str:
    """The name on the customer's own page, which other conversations share."""
    case = scope.conversation
    names = Customer.objects.filter(addresses=case.customer_address_id).values_list("name", flat=True)
    return names.first() or "" if case.customer_address_id else case.customer_name


def _facts(scope: Scope, args: Name) -> Facts:
    here, known = scope.conversation.customer_name, _known_as(scope)
    return (
        Fact("here", "Name here", here, here or "none"),
        Fact("known_as", "Name on their page", known, known or "none"),
    )


def _describe(scope: Scope, args: Name, facts: Facts) -> Effect:
    return Effect(
        f"Call the customer {args.name}",
        [Change("Customer", [facts[0].shown], [args.name])],
        ["What they wrote stays as it came."],
    )


def _run(scope: Scope, args: Name) -> Done:
    naming.rename(conversation_id=scope.conversation.pk, actor=scope.actor, name=args.name)
    return Done(f"The customer is called {args.name}.")


def _revert(args: Name, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal | None:
    old = before["here"]
    return Proposal("rename_customer", {"name": old}) if old and old == before["known_as"] else None


RENAME = Tool(
    name="rename_customer",
    icon="user",
    about="Correct what the customer is called.",
    args=Name,
    contexts=frozenset({Context.CASE}),
    verb=Verb.ASSIGN,
    check=_check,
    facts=_facts,
    describe=_describe,
    run=_run,
    revert=_revert,
)
