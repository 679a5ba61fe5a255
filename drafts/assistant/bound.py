"""Whether what was proposed is still what its hashes say; `conversations.trail` holds the hashes against the trail."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from conversations.models import AuditEvent, ProposedAction
from conversations.trail.chain import Break
from drafts.assistant.tools.shapes import digest


def proposals(account_id: uuid.UUID) -> Iterator[Break]:
    """Every action whose arguments, facts or effect are not those that were shown."""
    kept = ProposedAction.objects.filter(account_id=account_id).exclude(arguments_sha256="")
    for action in kept.iterator():
        shown = (action.arguments_sha256, action.precondition_sha256, action.effect_sha256)
        if shown != (digest(action.arguments), digest(action.precondition), digest(action.effect)):
            told = AuditEvent.objects.filter(account_id=account_id, kind="action.proposed", object_id=str(action.pk))
            seq = told.values_list("seq", flat=True).first()
            yield Break(seq or 0, "what was proposed is not what was shown")
