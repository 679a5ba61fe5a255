"""Conversations in which nobody wrote for days close by themselves, where an account wants that."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from conversations import audit
from conversations.database import database_time
from conversations.models import Conversation
from drafts.desk.life import close_here


def close_quiet(*, account_id: uuid.UUID, days: int, dry_run: bool = False) -> int:
    """Close what waits for customers who did not write for `days` days, in the account's name. Returns how many.

    The caller is in the tenant. A dry run counts and changes nothing.
    """
    quiet = quiet_for(account_id, days)
    if dry_run:
        return quiet.count()
    closed = 0
    for pk in list(quiet.values_list("pk", flat=True)[:500]):
        with transaction.atomic():
            still = quiet_for(account_id, days).select_for_update(of=("self",)).filter(pk=pk).first()
            if still is None:
                continue
            close_here(still, None, actor=audit.SYSTEM, reason=Conversation.Outcome.QUIET)
            closed += 1
    return closed


def quiet_for(account_id: uuid.UUID, days: int) -> QuerySet[Conversation]:
    """Customers' conversations that wait for them and in which nobody wrote for `days` days."""
    since = database_time.now() - timedelta(days=days)
    waiting = Conversation.objects.of_customers().filter(account_id=account_id, status=Conversation.Status.PENDING)
    return waiting.filter(last_message_at__lt=since).order_by("last_message_at", "pk")
