"""What goes, what stays and why: texts of closed conversations are emptied after the account's own periods.

Rows stay, and with them the counts, the states and the audit chain; what people wrote, their names and addresses, the
files and the raw bytes go. Deleting an event's salt unties its commitments from any text (promise 7 holds after it).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q

from conversations import audit, database_time, files
from conversations.channels.addresses import normal_address
from conversations.models import Account, Attachment, Conversation, Delivery, Message
from conversations.tenancy import tenant_context
from drafts.answers import goldens
from drafts.models import Draft, DraftAction, DraftRevision, LearningSample
from ingestion import uploads
from ingestion.models import InboundEvent

BATCH = 200
#: What an inbound event loses: its bytes, and what was read from them for people. The digest stays.
FORGOTTEN: dict[str, Any] = {"payload": None, "expires_at": None, "sender": "", "subject": "", "recipient": ""}
FINAL = [Draft.Status.SENT, Draft.Status.REJECTED, Draft.Status.SUPERSEDED, Draft.Status.STALE, Draft.Status.ANSWERED_ELSEWHERE, Draft.Status.EXPIRED]  # fmt: skip


def apply(*, account_id: uuid.UUID, dry_run: bool, now: datetime | None = None) -> Counter[str]:
    """Carry out one account's policy, a batch a transaction, so that it can be stopped and resumed.

    A dry run counts the same rows and changes none. A legal hold removes nothing.
    """
    now = now or database_time.now()
    done: Counter[str] = Counter()
    with tenant_context(account_id):
        account = Account.objects.get(pk=account_id)
        if account.legal_hold:
            return Counter({"held by a legal hold": 1})
    if account.purge_after_days:
        due = _closed_before(now - timedelta(days=account.purge_after_days)) & ~Q(customer_email="", customer_name="")
        done += _each_batch(account_id, due, dry_run, rule=f"purge after {account.purge_after_days} days", purge=True)
    if account.archive_bodies_after_days:
        due = _closed_before(now - timedelta(days=account.archive_bodies_after_days)) & Q(archived_at__isnull=True)
        done += _each_batch(account_id, due, dry_run, rule=f"archive after {account.archive_bodies_after_days} days")
    done += _raw_bytes(account_id, now, dry_run)
    return done


def erase_customer(*, account_id: uuid.UUID, email: str, dry_run: bool) -> Counter[str]:
    """A person asked to be forgotten: every conversation of that address, open or closed, loses everything personal."""
    if not email.strip():
        return Counter()
    with tenant_context(account_id):
        if Account.objects.get(pk=account_id).legal_hold:
            return Counter({"held by a legal hold": 1})
    if not dry_run:
        with tenant_context(account_id):
            # Mail of theirs that never became a message: in quarantine, or set aside.
            InboundEvent.objects.filter(sender=normal_address(email), message=None).update(**FORGOTTEN)
    return _each_batch(
        account_id, Q(customer_email__iexact=email.strip()), dry_run, rule="asked by the customer", purge=True
    )


def _closed_before(moment: datetime) -> Q:
    return Q(status=Conversation.Status.CLOSED, completed_at__lt=moment)


def _each_batch(account_id: uuid.UUID, due: Q, dry_run: bool, *, rule: str, purge: bool = False) -> Counter[str]:
    done: Counter[str] = Counter()
    for ids in _batches(account_id, due):
        with tenant_context(account_id):
            counted = _count(ids) if dry_run else _erase(account_id, ids, rule=rule, purge=purge)
        done += counted
    return done


def _batches(account_id: uuid.UUID, due: Q) -> Iterator[list[uuid.UUID]]:
    last: uuid.UUID | None = None
    while True:
        with tenant_context(account_id):
            rows = Conversation.objects.of_customers().filter(due)
            if last:
                rows = rows.filter(pk__gt=last)
            ids = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not ids:
            return
        yield ids
        last = ids[-1]


def _count(ids: list[uuid.UUID]) -> Counter[str]:
    return Counter(
        {
            "conversations": len(ids),
            "messages": Message.objects.filter(conversation_id__in=ids, erased_at__isnull=True).count(),
            "drafts": Draft.objects.filter(conversation_id__in=ids, erased_at__isnull=True).count(),
            "files": Attachment.objects.filter(message__conversation_id__in=ids).count(),
        }
    )


def _erase(account_id: uuid.UUID, ids: list[uuid.UUID], *, rule: str, purge: bool) -> Counter[str]:
    now = database_time.now()
    counted = _count(ids)
    list(Conversation.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk"))
    _drop_files(account_id, ids)
    blank: dict[str, Any] = {"body_text": "", "body_html": "", "erased_at": now}
    Message.objects.filter(conversation_id__in=ids, erased_at__isnull=True).update(
        **blank, body_new="", subject="", metadata={}
    )
    Delivery.objects.filter(conversation_id__in=ids, erased_at__isnull=True).update(
        **blank, envelope={}, receipt="", error=""
    )
    Draft.objects.filter(conversation_id__in=ids, status__in=FINAL).update(status=Draft.Status.ARCHIVED)
    Draft.objects.filter(conversation_id__in=ids, erased_at__isnull=True).update(
        suggested_text="",
        suggested_html="",
        statements=[],
        top_sources=[],
        checks=[],
        confidence_reasons=[],
        erased_at=now,
    )
    DraftRevision.objects.filter(draft__conversation_id__in=ids).update(text="", html="", statements=[])
    acts = DraftAction.objects.filter(conversation_id__in=ids)
    acts.update(final_text=None, final_html="", notes="", diff=None)
    samples = LearningSample.objects.filter(conversation_id__in=ids)
    for account_id in samples.values_list("account_id", flat=True).distinct()[:1]:
        goldens.forget(account_id=account_id, samples=list(samples.values_list("pk", flat=True)))
    samples.update(question="", original="", final="", operations={}, erased_at=now)
    InboundEvent.objects.filter(message__conversation_id__in=ids).update(**FORGOTTEN)
    audit.forget(ids)
    changes: dict[str, Any] = {"archived_at": now, "summary": "", "key_topics": []}
    if purge:
        changes |= {"customer_email": "", "customer_name": "", "subject": "", "title": "", "tags": []}
    Conversation.objects.filter(pk__in=ids).update(**changes)
    account = Account.objects.get(pk=account_id)
    audit.record(
        audit.Kind.RETENTION_APPLIED,
        actor=audit.SYSTEM,
        about=account,
        account=account,
        data={
            "rule": rule,
            "counts": ", ".join(f"{number} {name}" for name, number in counted.items()),
            "of": [str(pk) for pk in ids],
        },
    )
    return counted


def _drop_files(account_id: uuid.UUID, ids: list[uuid.UUID]) -> None:
    """Delete the rows now, and after the commit each stored file that nobody in the account needs any more."""
    rows = Attachment.objects.filter(message__conversation_id__in=ids)
    digests = set(rows.values_list("sha256", flat=True))
    rows.delete()
    for digest in digests:
        transaction.on_commit(partial(_drop_file, account_id, digest))


def _drop_file(account_id: uuid.UUID, digest: str) -> None:
    """Whoever stores the same bytes at this moment waits for us or we for them (`files.drop`)."""
    with tenant_context(account_id):
        files.drop(account_id, digest, needed=lambda: uploads.are_needed(account_id, digest))


def _raw_bytes(account_id: uuid.UUID, now: datetime, dry_run: bool) -> Counter[str]:
    """Raw inbound bytes have a date of their own; the event and its digest stay."""
    done: Counter[str] = Counter()
    while True:
        with tenant_context(account_id):
            expired = InboundEvent.objects.filter(expires_at__lt=now, payload__isnull=False)
            if dry_run:
                return Counter({"raw events": expired.count()})
            ids = list(expired.values_list("pk", flat=True)[: BATCH * 5])
            if not ids:
                return done
            done["raw events"] += InboundEvent.objects.filter(pk__in=ids).update(**FORGOTTEN)
