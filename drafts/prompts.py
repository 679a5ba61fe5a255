"""Prompts as versions: one is active per account and key."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.models import User
from conversations.roles import Verb, check
from drafts.models import PromptVersion

Status = PromptVersion.Status


def activate(*, version_id: uuid.UUID, actor: User) -> PromptVersion:
    """Make this version the one that drafts are written with; the former one is retired, and can be activated again."""
    with transaction.atomic():
        version = PromptVersion.objects.select_for_update(of=("self",)).get(pk=version_id)
        check(actor, Verb.MANAGE, account_id=version.account_id)
        if version.status == Status.ACTIVE:
            return version
        active = PromptVersion.objects.filter(account_id=version.account_id, key=version.key, status=Status.ACTIVE)
        active.update(status=Status.RETIRED)
        version.status = Status.ACTIVE
        version.save(update_fields=["status"])
        audit.record(
            audit.Kind.ADMIN_CHANGED,
            actor=actor,
            about=version,
            data={"what": f"prompt {version.label}", "fields": "active"},
        )
    return version
