"""Proposals that come to nothing: nobody decided in time, or their chat, their place or their proposer went."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from conversations import audit
from conversations.models import ActionReceipt, AssistantSession, ProposedAction, User
from conversations.models.actions import UNDECIDED

Status = ProposedAction.Status


def record(
    kind: audit.Kind,
    action: ProposedAction,
    actor: User | audit.Actor,
    *,
    commit: Mapping[str, str] | None = None,
    **data: Any,
) -> None:
    """An event of an action, in the history of the conversation that it is about; of what was said, only commitments."""
    audit.record(
        kind,
        actor=actor,
        about=action,
        conversation_id=action.case_id,
        data={"tool": action.tool.replace("_", " "), "version": action.version, **data},
        commit=commit,
        act_id=action.pk,
    )


def expire(
    action: ProposedAction,
    *,
    reason: str,
    actor: User | audit.Actor = audit.SYSTEM,
    found: Sequence[dict[str, Any]] = (),
) -> bool:
    """It can be decided no more; nothing was changed. The caller has its lock. False if it was over already."""
    action.found = list(found)
    moved = ProposedAction.objects.filter(pk=action.pk, status__in=UNDECIDED).update(
        status=Status.EXPIRED, reason=reason, ended_at=Now(), found=action.found
    )
    if moved:
        action.refresh_from_db(fields=["status", "reason", "ended_at"])
        record(audit.Kind.ACTION_EXPIRED, action, actor, reason=reason.replace("_", " "))
    return bool(moved)


def expire_of(session: AssistantSession, *, actor: User | audit.Actor) -> int:
    """What waits in a chat that ends. Before the chat's own row: every verb locks in this order."""
    waiting = ProposedAction.objects.filter(account_id=session.account_id, session_id=session.pk, status__in=UNDECIDED)
    return sum(
        expire(action, reason="session_ended", actor=actor)
        for action in waiting.select_for_update(of=("self",)).order_by("pk")
    )


def expire_overdue(*, account_id: uuid.UUID) -> int:
    """Everything that nobody decided in time; the caller is in the tenant. One that is being decided now is left alone."""
    with transaction.atomic():
        overdue = ProposedAction.objects.overdue().filter(account_id=account_id).order_by("expires_at")
        return sum(
            expire(action, reason="too_late")
            for action in overdue.select_for_update(of=("self",), skip_locked=True)[:500]
        )


def forget(which: Q) -> int:
    """Empty what these actions were about: what waits ends first, and rows, states and receipts stay. The caller forgets the salts."""
    found = ProposedAction.objects.filter(which)
    for action in found.filter(status__in=UNDECIDED).select_for_update(of=("self",)).order_by("pk"):
        expire(action, reason="erased")
    ActionReceipt.objects.filter(action__in=found).update(before=[], after=[], kept={})
    blank: dict[str, Any] = {"arguments": {}, "precondition": [], "effect": {}, "said": "", "found": []}
    digests = dict.fromkeys(("arguments_sha256", "precondition_sha256", "effect_sha256"), "")
    return found.exclude(arguments_sha256="").update(**blank, **digests)
