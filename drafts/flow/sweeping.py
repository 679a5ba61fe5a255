"""Conversations whose draft was never written: its job died of a fault, or went with a database that was restored.

Nobody is forgotten without this, they are in the list of what has no draft yet. But they would wait there for a person
who sees the line, and the drafter is quicker.
"""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.database import database_time
from conversations.jobs import wake
from conversations.models import Account, Conversation
from conversations.tenancy import tenant_context
from drafts.desk.check_drafts import WRITE_TASK
from drafts.flow import drafting
from drafts.models import Draft

PATIENCE = timedelta(minutes=3)  # with a drafter that is away and comes back a job takes a minute
TRIES = 3  # of the sweep; then a person is told
NOTHING_FOR = timedelta(hours=1)
AT_ONCE = 200


def sweep(*, account_id: uuid.UUID) -> int:
    """Ask again for drafts that nobody writes any more; returns how many were seen to. Outside of any transaction."""
    now = database_time.now()
    with tenant_context(account_id):
        burst = timedelta(seconds=Account.objects.get(pk=account_id).options.draft_burst_seconds)
        waiting = list(_without_draft(before=now - PATIENCE - burst)[:AT_ONCE])
    if not waiting:
        return 0
    jobs = ProcrastinateJob.objects.filter(
        task_name=WRITE_TASK, args__conversation_id__in=[str(one.pk) for one in waiting]
    )
    busy, failed = set[str](), Counter[str]()
    newest = {str(one.pk): one.last_inbound_message for one in waiting}
    for status, key, at in jobs.values_list("status", "args__conversation_id", "scheduled_at"):
        base = newest[key]
        # One that found nothing to write is not asked for again at once, minute by minute.
        if status in {"todo", "doing"} or (status == "succeeded" and at and at > now - NOTHING_FOR):
            busy.add(key)
        elif status == "failed" and at and base and at >= base.received_at:  # asked for by the sweep, for this message
            failed[key] += 1
    lost = [one for one in waiting if str(one.pk) not in busy]
    for one in lost:
        with tenant_context(account_id):
            if failed[str(one.pk)] >= TRIES:
                drafting.store_failure(
                    account_id=account_id, conversation_id=one.pk, reason="The drafter failed on it."
                )
            else:
                wake(
                    WRITE_TASK,
                    at=now,
                    once=f"write:{one.pk}",
                    queue="drafts",
                    account_id=account_id,
                    conversation_id=one.pk,
                )
    return len(lost)


def _without_draft(*, before: datetime) -> QuerySet[Conversation]:
    """What a customer wrote before then, and no draft that stands answers it."""
    answers = Draft.objects.filter(base_message=OuterRef("last_inbound_message"), conversation=OuterRef("pk"))
    answers = answers.exclude(Q(status=Draft.Status.SUPERSEDED) | Q(is_canary=True, status=Draft.Status.REJECTED))
    return (
        Conversation.objects.filter(
            ~Exists(answers),
            status=Conversation.Status.OPEN,
            owed=Conversation.Owed.MESSAGE,
            last_inbound_message__received_at__lt=before,
            last_inbound_message__is_automatic=False,
            last_inbound_message__erased_at=None,
        )
        .select_related("last_inbound_message")
        .order_by("pk")
    )
