"""What becomes of a conversation: closed, opened again, put off, given to somebody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from conversations.database import database_time
from conversations.errors import Invalid
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
from drafts.desk import life

CASE = frozenset({Context.CASE})
Status, Outcome = Conversation.Status, Conversation.Outcome


class Close(Arguments):
    reason: Literal["", "answered_elsewhere", "not_needed", "goes_on", "other"] = Field(
        default="", description="Why, where something is still owed."
    )


def _check_close(scope: Scope, args: Close) -> None:
    case = scope.conversation
    if case.status == Status.CLOSED:
        raise Wrong("This conversation is closed already.")
    if not args.reason and life.needs_reason(case):
        raise Wrong(f"Say why it is closed: {Conversation.Owed(case.owed).label.lower()}.")


def _close_facts(scope: Scope, args: Close) -> Facts:
    return seen.status(scope), seen.last_inbound(scope), seen.owed(scope), seen.draft(scope)


def _describe_close(scope: Scope, args: Close, facts: Facts) -> Effect:
    case = scope.conversation
    changes = [Change("Status", [case.get_status_display()], [Status.CLOSED.label])]
    if case.owed:
        changes.append(Change("Owed", [Conversation.Owed(case.owed).label], ["nothing"]))
    notes = [f"Reason: {Outcome(args.reason).label}."] if args.reason else []
    if seen.waiting_draft(case):
        notes.append("The draft that waits expires. Nothing is sent.")
    return Effect("Close this conversation", changes, notes)


def _run_close(scope: Scope, args: Close) -> Done:
    case = scope.conversation
    life.close(
        conversation_id=case.pk, actor=scope.actor, reason=args.reason, last_inbound=case.last_inbound_message_id
    )
    return Done("The conversation is closed.")


def _revert_close(args: Close, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    return Proposal("reopen", {})


def _check_reopen(scope: Scope, args: NoArguments) -> None:
    if scope.conversation.status == Status.OPEN:
        raise Wrong("This conversation is open already.")


def _reopen_facts(scope: Scope, args: NoArguments) -> Facts:
    return (seen.status(scope),)


def _describe_reopen(scope: Scope, args: NoArguments, facts: Facts) -> Effect:
    case = scope.conversation
    return Effect(
        "Open this conversation again",
        [Change("Status", [case.get_status_display()], [Status.OPEN.label])],
        ["It is owed an answer from then on."],
    )


def _run_reopen(scope: Scope, args: NoArguments) -> Done:
    life.reopen(conversation_id=scope.conversation.pk, actor=scope.actor)
    return Done("The conversation is open.")


class Snooze(Arguments):
    until: AwareDatetime = Field(description="When it comes back, within 30 days.")


def _check_snooze(scope: Scope, args: Snooze) -> None:
    case = scope.conversation
    if case.status != Status.OPEN:
        raise Wrong("Nothing is owed here, so there is nothing to put off.")
    try:
        life.may_sleep(case, args.until)
    except Invalid as refusal:
        raise Wrong(str(refusal)) from refusal


def _snooze_facts(scope: Scope, args: Snooze) -> Facts:
    case = scope.conversation
    until = case.snoozed_until
    asleep = Fact(
        "snoozed_until", "Snoozed until", until.isoformat() if until else None, scope.when(until) if until else "not"
    )
    return seen.status(scope), seen.owed(scope), seen.last_inbound(scope), asleep


def _describe_snooze(scope: Scope, args: Snooze, facts: Facts) -> Effect:
    before, until = scope.conversation.snoozed_until, scope.when(args.until)
    return Effect(
        f"Snooze until {until}",
        [Change("Snoozed until", [scope.when(before) if before else "not"], [until])],
        ["It leaves the lists until then, or until the customer writes."],
    )


def _run_snooze(scope: Scope, args: Snooze) -> Done:
    life.snooze(conversation_id=scope.conversation.pk, actor=scope.actor, until=args.until)
    return Done(f"Snoozed until {scope.when(args.until)}.")


def _revert_snooze(args: Snooze, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal | None:
    """Back to the time that it slept until; one that was awake wakes by itself or by whoever opens it."""
    until = before["snoozed_until"]
    still_to_come = until and datetime.fromisoformat(until) > database_time.now()
    return Proposal("snooze", {"until": until}) if still_to_come else None


class Assign(Arguments):
    to: str = Field(default="", max_length=120, description="A colleague by name or address; empty: nobody.")


def _wanted(scope: Scope, args: Assign) -> Fact:
    if not args.to:
        return Fact("to", "For", None, "nobody")
    person = seen.colleague(scope, args.to)
    return Fact("to", "For", str(person.pk), person.name)


def _check_assign(scope: Scope, args: Assign) -> None:
    wanted, now = _wanted(scope, args), seen.owner(scope)
    if wanted.value == now.value:
        raise Wrong(f"{'Nobody' if wanted.value is None else wanted.shown} sees to it already.")


def _assign_facts(scope: Scope, args: Assign) -> Facts:
    return seen.owner(scope), seen.holder(scope), _wanted(scope, args)


def _describe_assign(scope: Scope, args: Assign, facts: Facts) -> Effect:
    now, _, wanted = facts
    sentence = f"Hand over to {wanted.shown}" if wanted.value else "Leave it to whoever comes first"
    return Effect(sentence, [Change("Owner", [now.shown], [wanted.shown])])


def _run_assign(scope: Scope, args: Assign) -> Done:
    wanted = _wanted(scope, args)
    to = UUID(wanted.value) if wanted.value else None
    life.assign(conversation_id=scope.conversation.pk, actor=scope.actor, to=to)
    return Done(
        f"Owner: {wanted.shown}.", {"before": scope.conversation.owner.email if scope.conversation.owner else ""}
    )


def _revert_assign(args: Assign, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    return Proposal("assign", {"to": kept["before"]})


CLOSE = Tool(
    name="close", icon="check", about="Close the conversation: nothing more to do here.",
    args=Close, contexts=CASE, verb=Verb.CLOSE,
    check=_check_close, facts=_close_facts, describe=_describe_close, run=_run_close, revert=_revert_close,
)  # fmt: skip
REOPEN = Tool(
    name="reopen", icon="undo", about="Open a closed or waiting conversation again.",
    args=NoArguments, contexts=CASE, verb=Verb.CLOSE,
    check=_check_reopen, facts=_reopen_facts, describe=_describe_reopen, run=_run_reopen,
)  # fmt: skip
SNOOZE = Tool(
    name="snooze", icon="clock", about="Put the conversation off until a time.",
    args=Snooze, contexts=CASE, verb=Verb.SNOOZE,
    check=_check_snooze, facts=_snooze_facts, describe=_describe_snooze, run=_run_snooze, revert=_revert_snooze,
)  # fmt: skip
ASSIGN = Tool(
    name="assign", icon="user", about="Say which colleague sees to the conversation, or nobody.",
    args=Assign, contexts=CASE, verb=Verb.ASSIGN,
    check=_check_assign, facts=_assign_facts, describe=_describe_assign, run=_run_assign, revert=_revert_assign,
)  # fmt: skip
