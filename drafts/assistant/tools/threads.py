"""Two conversations that are one matter: merged, and taken apart again."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from conversations.models import Conversation
from conversations.people.roles import Verb
from drafts.assistant.tools import seen
from drafts.assistant.tools.shapes import (
    Arguments,
    Change,
    Context,
    Done,
    Effect,
    Fact,
    Facts,
    NoArguments,
    Proposal,
    Scope,
    Tool,
    Wrong,
)
from drafts.desk import merging

CASE = frozenset({Context.CASE})


class Merge(Arguments):
    into: int = Field(ge=1, le=2_000_000_000, description="The number of the conversation that it is part of.")


def _other(scope: Scope, number: int) -> Conversation:
    customers = Conversation.objects.of_customers().filter(account_id=scope.account.pk).within(scope.channels)
    found = customers.filter(number=number).select_related("last_inbound_message").first()
    if found is None:
        raise Wrong(f"There is no conversation #{number} that you see.")
    return found


def _both(scope: Scope, args: Merge) -> tuple[uuid.UUID, ...]:
    return scope.conversation.pk, _other(scope, args.into).pk


def _check_merge(scope: Scope, args: Merge) -> None:
    case, other = scope.conversation, _other(scope, args.into)
    if case.pk == other.pk:
        raise Wrong(f"This is #{args.into} itself. Which other one?")
    if case.channel_id != other.channel_id:
        raise Wrong(f"#{args.into} came by another channel, and an answer goes by one. They cannot be merged.")
    for one in (case, other):
        if one.merged_into_id:
            raise Wrong(f"#{one.number} is merged with another already.")


def _merge_facts(scope: Scope, args: Merge) -> Facts:
    other = _other(scope, args.into)
    return (
        seen.status(scope),
        seen.last_inbound(scope),
        _merged(scope.conversation, "merged"),
        Fact("other", "The other one", [str(other.pk), other.status], f"#{other.number}, {other.get_status_display()}"),
        _merged(other, "other_merged"),
    )


def _merged(case: Conversation, name: str) -> Fact:
    into = case.merged_into
    label = f"#{case.number} is part of"
    return Fact(name, label, str(into.pk) if into else None, f"#{into.number}" if into else "no other")


def _describe_merge(scope: Scope, args: Merge, facts: Facts) -> Effect:
    case, other = scope.conversation, _other(scope, args.into)
    return Effect(
        f"Merge #{case.number} into #{other.number}",
        [
            Change("Status", [case.get_status_display()], [f"Merged into #{other.number}"]),
            Change("Part of", ["no other"], [f"#{other.number}"]),
        ],
        ["No message moves: both pages show both threads. It can be taken apart again."],
    )


def _run_merge(scope: Scope, args: Merge) -> Done:
    into = merging.merge(conversation_id=scope.conversation.pk, into=_other(scope, args.into).pk, actor=scope.actor)
    return Done(f"It goes on in #{into.number}.")


def _revert_merge(args: Merge, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    return Proposal("unmerge", {})


def _check_unmerge(scope: Scope, args: NoArguments) -> None:
    if scope.conversation.merged_into_id is None:
        raise Wrong("This conversation is not merged with another.")


def _unmerge_facts(scope: Scope, args: NoArguments) -> Facts:
    return (_merged(scope.conversation, "merged"),)


def _describe_unmerge(scope: Scope, args: NoArguments, facts: Facts) -> Effect:
    case = scope.conversation
    return Effect(
        f"Take #{case.number} out of {facts[0].shown} again",
        [Change("Part of", [facts[0].shown], ["no other"])],
        ["It is owed a look from then on. What came since stays where it came."],
    )


def _run_unmerge(scope: Scope, args: NoArguments) -> Done:
    merging.unmerge(conversation_id=scope.conversation.pk, actor=scope.actor)
    return Done("It stands for itself again.")


MERGE = Tool(
    name="merge", icon="arrow", about="This conversation is part of another one: merge it into that.",
    args=Merge, contexts=CASE, verb=Verb.MERGE, touches=_both,
    check=_check_merge, facts=_merge_facts, describe=_describe_merge, run=_run_merge, revert=_revert_merge,
)  # fmt: skip
UNMERGE = Tool(
    name="unmerge", icon="undo", about="Take this conversation out of the one that it is merged into.",
    args=NoArguments, contexts=CASE, verb=Verb.MERGE,
    check=_check_unmerge, facts=_unmerge_facts, describe=_describe_unmerge, run=_run_unmerge,
)  # fmt: skip
