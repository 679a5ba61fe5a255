"""What the assistant proposes and a person decides: propose, confirm, countersign, reject, change, revert.

Every verb runs in the caller's transaction. Locks are taken in one order: the conversations that the tool touches, then the
action; its chat's row is moved last, by a trigger. A tool's `run` is an existing verb in that same transaction, so what was done and
that it was done commit together (docs/decisions/0057).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from pydantic import ValidationError

from conversations import audit
from conversations.chats.actions import record
from conversations.database import database_time
from conversations.metadata import explain
from conversations.models import Account, AssistantSession, Conversation, Message, PolicyRule, ProposedAction, User
from conversations.people.members import channels_of
from conversations.people.roles import check
from conversations.tenancy import seen_by
from drafts.assistant.tools import TOOLS, Arguments, Scope, Tool, Wrong
from drafts.assistant.tools.shapes import digest, shown, stored

PROPOSED = PolicyRule.Kind.PROPOSED


def propose(
    *,
    session: AssistantSession,
    message: Message,
    actor: User,
    tool: str,
    arguments: Mapping[str, Any],
    tainted: bool = False,
    call_id: str = "",
    replaces: ProposedAction | None = None,
    reverts: ProposedAction | None = None,
) -> ProposedAction:
    """A card under a message of the person's own chat: what would be done, and what that rests on. Nothing is done.

    `tainted` says that what was read before held an instruction. Raises Wrong (422: no such tool here, or arguments that are
    not possible), PermissionDenied (403), Conversation.DoesNotExist (404: the case is not seen any more).
    """
    with transaction.atomic():
        found = tool_of(tool, session.context_type)
        scope = scope_of(actor=actor, account_id=session.account_id, case_id=session.case_id)
        check(actor, found.proposed_by or found.verb, account_id=session.account_id, kind=PROPOSED)
        args = parse(found, arguments)
        found.check(scope, args)
        facts = found.facts(scope, args)
        effect = found.describe(scope, args, facts)
        action = ProposedAction(
            account_id=session.account_id,
            session_id=session.pk,
            message_id=message.pk,
            owner=actor,
            owner_name=actor.name[:120],
            case_id=session.case_id,
            tool=found.name,
            version=found.version,
            arguments=args.model_dump(mode="json"),
            precondition=stored(facts),
            effect=shown(effect),
            tainted=tainted,
            replaces=replaces,
            reverts=reverts,
            expires_at=database_time.now() + found.lasts,
        )
        action.call_id = call_id or action.pk.hex
        action.arguments_sha256 = digest(action.arguments)
        action.precondition_sha256 = digest(action.precondition)
        action.effect_sha256 = digest(action.effect)
        action.save(force_insert=True)
        record(
            audit.Kind.ACTION_PROPOSED,
            action,
            actor,
            commit={"arguments": action.arguments_sha256},
            tainted=tainted,
            replaces=str(replaces.pk) if replaces else None,
            reverts=str(reverts.pk) if reverts else None,
        )
    return action


def tool_of(name: str, context: str) -> Tool[Any]:
    """The tool that proposes something in a chat of this context. Raises Wrong (422)."""
    found = TOOLS.get(name)
    if found is None or context not in found.contexts:
        raise Wrong(f"There is nothing called “{name}” that could be proposed here.")
    return found


def parse(tool: Tool[Any], arguments: Mapping[str, Any]) -> Arguments:
    """The arguments as their own shape. Raises Wrong (422), with every problem in words."""
    try:
        args: Arguments = tool.args.model_validate(dict(arguments))
    except ValidationError as error:
        raise Wrong("; ".join(explain(problem) for problem in error.errors()[:5])) from error
    return args


def scope_of(*, actor: User, account_id: uuid.UUID, case_id: uuid.UUID | None) -> Scope:
    """What the actor sees now. Raises Conversation.DoesNotExist (404) for a case that they do not see."""
    channels = seen_by(channels_of(account_id, actor.pk))
    case = None
    if case_id is not None:
        customers = Conversation.objects.of_customers().filter(account_id=account_id).within(channels)
        case = customers.select_related("channel", "owner", "last_inbound_message").get(pk=case_id)
    return Scope(actor=actor, account=Account.objects.get(pk=account_id), channels=channels, case=case)
