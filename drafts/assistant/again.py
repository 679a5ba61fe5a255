"""Other actions in the place of one: changed by the person, proposed once more, or taking back what was done."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction

from conversations.chats import sessions
from conversations.errors import Conflict, Refusal
from conversations.models import ActionReceipt, Message, ProposedAction, User
from conversations.models.actions import UNDECIDED
from drafts.assistant.actions import parse, propose, scope_of
from drafts.assistant.deciding import decided, find, is_over, turn_down
from drafts.assistant.tools import TOOLS, Scope
from drafts.assistant.tools.shapes import Proposal, stored, values

Status = ProposedAction.Status
ENDED = "This chat has ended, so nothing is proposed in it. Nothing was changed; begin a new one."


def change(*, action_id: uuid.UUID, actor: User, arguments: Mapping[str, Any]) -> ProposedAction:
    """The person's own version of a proposal; the old one is over. What made it tainted still does.

    Raises ProposedAction.DoesNotExist (404: also somebody else's), Decided (409), and what `propose` raises; then the old one
    stands as it was.
    """
    with transaction.atomic():
        action = _own(action_id, actor)
        if action.status != Status.PROPOSED or is_over(action):
            raise decided(action)
        new = _beside(action, actor, Proposal(action.tool, arguments), replaces=action, tainted=action.tainted)
        turn_down(action, actor, "changed")
    return new


def again(*, action_id: uuid.UUID, actor: User) -> ProposedAction:
    """The same once more, on the facts of now, after it failed or expired. Asking twice is asking once.

    Raises ProposedAction.DoesNotExist (404), Conflict (409: it is not over, or it was done), and what `propose` raises.
    """
    with transaction.atomic():
        action = _own(action_id, actor)
        if action.status not in {Status.FAILED, Status.EXPIRED} and not is_over(action):
            raise Conflict("This was not tried in vain, so there is nothing to propose again. Nothing was changed.")
        if not action.arguments_sha256:
            raise Conflict("What it was about was removed. Nothing was changed.")
        if waiting := action.replaced_by.filter(status__in=UNDECIDED).first():
            return waiting
        if action.reverts_id is not None:  # one card at a time takes a thing back, while it is as it was left
            return revert(action_id=action.reverts_id, actor=actor)
        return _beside(action, actor, Proposal(action.tool, action.arguments), replaces=action, tainted=action.tainted)


def revert(*, action_id: uuid.UUID, actor: User) -> ProposedAction:
    """A card that takes back what was done, while everything is as it was left. Asking twice is asking once.

    Raises ProposedAction.DoesNotExist (404), Conflict (409: not done, taken back already, or changed since), and what
    `propose` raises.
    """
    with transaction.atomic():
        action = _own(action_id, actor)
        if waiting := ProposedAction.objects.filter(reverts=action, status__in=UNDECIDED).first():
            return waiting
        proposal, why_not = way_back(action, actor)
        if proposal is None:
            raise Conflict(f"{why_not} Nothing was changed.")
        return _beside(action, actor, proposal, reverts=action)


def way_back(action: ProposedAction, actor: User, scope: Scope | None = None) -> tuple[Proposal | None, str]:
    """What would take it back, or why nothing does, in words. `scope` is what the actor sees, where the caller has it already."""
    tool = TOOLS.get(action.tool)
    receipt = ActionReceipt.objects.filter(account_id=action.account_id, action=action).first()
    if receipt is None or not action.arguments_sha256:
        return None, "There is nothing to take back."
    if tool is None or tool.version != action.version or tool.revert is None or tool.facts is None:
        return None, "This cannot be taken back."
    if ActionReceipt.objects.filter(account_id=action.account_id, reverts=action).exists():
        return None, "It was taken back."
    args = parse(tool, action.arguments)
    try:
        scope = scope or scope_of(actor=actor, account_id=action.account_id, case_id=action.case_id)
        now = values(stored(tool.facts(scope, args)))
    except (Refusal, ObjectDoesNotExist):
        return None, "What it changed is not there any more."
    if now != values(receipt.after):
        return None, "It was changed since. Change it by hand."
    proposal = tool.revert(args, values(receipt.before), receipt.kept)
    return proposal, "" if proposal else "This cannot be taken back."


def _own(action_id: uuid.UUID, actor: User) -> ProposedAction:
    action = find(action_id, actor, lock=True)
    if action.owner_id != actor.pk:
        raise ProposedAction.DoesNotExist
    return action


def _beside(action: ProposedAction, actor: User, proposal: Proposal, **more: Any) -> ProposedAction:
    """Another action under the same message of the same chat."""
    session = sessions.session_of(action.session_id, actor)
    if not session.is_open:
        raise Conflict(ENDED)
    message = Message.objects.get(pk=action.message_id)
    try:
        with transaction.atomic():
            return propose(
                session=session, message=message, actor=actor, tool=proposal.tool, arguments=proposal.arguments, **more
            )
    except IntegrityError as error:
        if "without an open chat" not in str(error):
            raise
        raise Conflict(ENDED) from error  # it ended between the look and the card; the database has the last word
