"""What goes, what stays and why: closed conversations are emptied (`drafts.erasure`) after the account's own periods.

A dry run asks the questions that the run asks, in the same order, and leaves out what an earlier step would have taken: so
both say the same numbers, whichever policies an account has.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from conversations.database import database_time
from conversations.models import Account, Conversation
from conversations.tenancy import tenant_context
from drafts import erasure
from ingestion.models import InboundEvent

BATCH = 200
HELD = Counter({"held by a legal hold": 1})


@dataclass(frozen=True, slots=True)
class Step:
    """Conversations that one rule empties; of those that several name, the first takes them."""

    due: Q
    rule: str
    purge: bool


def apply(*, account_id: uuid.UUID, dry_run: bool, now: datetime | None = None) -> Counter[str]:
    """Carry out one account's policy, a batch a transaction, so that it can be stopped and resumed.

    A dry run counts the same rows and changes none. A legal hold removes nothing.
    """
    now = now or database_time.now()
    with tenant_context(account_id):
        account = Account.objects.get(pk=account_id)
    if account.legal_hold:
        return HELD.copy()
    steps = _steps(account, now)
    done: Counter[str] = Counter()
    taken = Q(pk__in=[])
    for step in steps:
        done += _carry_out(account_id, Step(step.due & ~taken, step.rule, step.purge), dry_run)
        taken |= step.due
    return done + _raw_bytes(account_id, now, taken, dry_run)


def erase_customer(*, account_id: uuid.UUID, email: str, dry_run: bool) -> Counter[str]:
    """A person asked to be forgotten: every conversation of that address, open or closed, loses everything personal, and so
    do their letters that never became a message and what was saved to find them."""
    email = email.strip()
    if not email:
        return Counter()
    with tenant_context(account_id):
        if Account.objects.get(pk=account_id).legal_hold:
            return HELD.copy()
        outside = +erasure.count_outside_threads(email)
        if not dry_run:
            erasure.forget_outside_threads(email)
    mine = Step(Q(customer_email__iexact=email), "asked by the customer", purge=True)
    done = _carry_out(account_id, mine, dry_run) + outside
    with tenant_context(account_id):
        if left := Conversation.objects.of_customers().filter(mine.due, erasure.BEING_SENT).count():
            done["left for the next run, because a reply is being sent"] = left
    return done


def _steps(account: Account, now: datetime) -> Iterator[Step]:
    """A thread that was written in and closed again after it was emptied is due anew."""
    if days := account.purge_after_days:
        whose = Q(forgotten_at__isnull=True) | Q(forgotten_at__lt=F("completed_at"))
        yield Step(_closed_before(now - timedelta(days=days)) & whose, f"purge after {days} days", purge=True)
    if days := account.archive_bodies_after_days:
        texts = Q(archived_at__isnull=True) | Q(archived_at__lt=F("completed_at"))
        yield Step(_closed_before(now - timedelta(days=days)) & texts, f"archive after {days} days", purge=False)


def _closed_before(moment: datetime) -> Q:
    return Q(status=Conversation.Status.CLOSED, completed_at__lt=moment)


def _conversations(due: Q) -> QuerySet[Conversation]:
    return Conversation.objects.of_customers().filter(due).exclude(erasure.BEING_SENT)


def _carry_out(account_id: uuid.UUID, step: Step, dry_run: bool) -> Counter[str]:
    done: Counter[str] = Counter()
    for ids in _batches(account_id, step.due):
        with tenant_context(account_id):
            done += (
                erasure.count(ids)
                if dry_run
                else erasure.erase(account_id=account_id, conversation_ids=ids, rule=step.rule, purge=step.purge)
            )
    return done


def _batches(account_id: uuid.UUID, due: Q) -> Iterator[list[uuid.UUID]]:
    last: uuid.UUID | None = None
    while True:
        with tenant_context(account_id):
            rows = _conversations(due)
            if last:
                rows = rows.filter(pk__gt=last)
            ids = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not ids:
            return
        yield ids
        last = ids[-1]


def _raw_bytes(account_id: uuid.UUID, now: datetime, taken: Q, dry_run: bool) -> Counter[str]:
    """Raw inbound bytes have a date of their own; the event and its digest stay. Those of emptied threads went with them."""
    done: Counter[str] = Counter()
    while True:
        with tenant_context(account_id):
            expired = InboundEvent.objects.filter(expires_at__lt=now, payload__isnull=False)
            if dry_run:
                gone = _conversations(taken).values("pk")
                return Counter({"raw events": expired.exclude(message__conversation_id__in=gone).count()})
            ids = list(expired.values_list("pk", flat=True)[: BATCH * 5])
            if not ids:
                return done
            done["raw events"] += InboundEvent.objects.filter(pk__in=ids).update(**erasure.FORGOTTEN)
