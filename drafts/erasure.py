"""How conversations are emptied: everything that a customer's words, names and addresses stand in.

Rows stay, and with them the counts, the states and the audit chain. What still waits in an emptied thread ends first, with
its own events: nothing of it can be written, approved or sent any more. Which columns hold customers' words, and which do
not and why, is said by `tests/drafts/test_erasure.py`, which fails for a new column until somebody decides.
"""

from __future__ import annotations

import uuid
from collections import Counter
from functools import partial
from typing import Any
from urllib.parse import quote, quote_plus

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.expressions import RawSQL

from conversations import audit
from conversations.channels.addresses import normal_address
from conversations.database import database_time
from conversations.messages import files, outbox
from conversations.messages.tombstones import tombstone
from conversations.models import (
    Account,
    Attachment,
    Conversation,
    Delivery,
    DeliveryAttempt,
    Message,
    Notification,
)
from conversations.tenancy import tenant_context
from drafts.answers import goldens
from drafts.desk.editing import retire
from drafts.models import Draft, DraftAction, DraftRevision, Hold, LearningSample, SavedView, Writing
from ingestion import uploads
from ingestion.models import InboundEvent

REASON = "the conversation was erased"
#: What an inbound event loses: its bytes, and what was read from them for people. The digest stays.
FORGOTTEN: dict[str, Any] = {
    "payload": None, "expires_at": None, "sender": "", "subject": "", "recipient": "", "detail": "",
}  # fmt: skip
FINAL = [Draft.Status.SENT, Draft.Status.REJECTED, Draft.Status.SUPERSEDED, Draft.Status.STALE, Draft.Status.ANSWERED_ELSEWHERE, Draft.Status.EXPIRED]  # fmt: skip
_ENDS = [Delivery.Status.HELD, Delivery.Status.QUEUED, Delivery.Status.FAILED, Delivery.Status.UNCERTAIN]
#: A worker has the reply in its hands: its conversation waits for the next run.
BEING_SENT = Exists(Delivery.objects.filter(conversation=OuterRef("pk"), status=Delivery.Status.SENDING))


def count(conversation_ids: list[uuid.UUID]) -> Counter[str]:
    """What emptying these conversations empties."""
    return Counter(
        {
            "conversations": len(conversation_ids),
            "messages": Message.objects.filter(conversation_id__in=conversation_ids, erased_at__isnull=True).count(),
            "drafts": Draft.objects.filter(conversation_id__in=conversation_ids, erased_at__isnull=True).count(),
            "files": Attachment.objects.filter(message__conversation_id__in=conversation_ids).count(),
        }
    )


def erase(*, account_id: uuid.UUID, conversation_ids: list[uuid.UUID], rule: str, purge: bool) -> Counter[str]:
    """Empty these conversations, in the caller's transaction and tenant; returns what was emptied.

    `purge` also takes whose they were: names, addresses, subjects and the names that their provider gives. A conversation
    that a worker is sending from at this moment is left out.
    """
    locked = Conversation.objects.select_for_update(of=("self",)).filter(pk__in=conversation_ids).order_by("pk")
    ids = [conversation.pk for conversation in locked.exclude(BEING_SENT)]
    counted = count(ids)
    _end_what_waits(ids)
    _drop_files(account_id, ids)
    _empty_thread(ids)
    _empty_drafts(ids)
    _empty_learned(account_id, ids)
    InboundEvent.objects.filter(message__conversation_id__in=ids).update(**FORGOTTEN)
    Notification.objects.filter(payload__conversation__in=[str(pk) for pk in ids]).delete()
    audit.forget(ids)
    now = database_time.now()
    changes: dict[str, Any] = {"archived_at": now, "summary": "", "key_topics": [], "owed_note": ""}
    if purge:
        changes |= {
            "customer_email": "",
            "customer_name": "",
            "subject": "",
            "title": "",
            "tags": [],
            "forgotten_at": now,
        }
        _rename(ids)
    Conversation.objects.filter(pk__in=ids).update(**changes)
    if ids:
        _record(account_id, ids, counted, rule)
    return counted


def letters_of(email: str) -> Q:
    """Inbound events of this address that never became a message: held back, set aside, or not even read.

    One that could not be read has no sender; its bytes name who wrote it.
    """
    address = normal_address(email)
    in_bytes = RawSQL("position(%s in lower(encode(payload, 'escape'))) > 0", [address])
    unread = InboundEvent.objects.filter(message=None, sender="", payload__isnull=False).annotate(names=in_bytes)
    return Q(sender=address, message=None) | Q(pk__in=unread.filter(names=True).values("pk"))


def views_of(email: str) -> Q:
    """What people saved to find this customer again."""
    wanted = Q()
    for written in {email, quote(email), quote_plus(email)}:
        wanted |= Q(query__icontains=written) | Q(name__icontains=written)
    return wanted


def forget_outside_threads(email: str) -> None:
    """Mail of theirs that never became a message, and saved searches for them. The caller is in the tenant."""
    InboundEvent.objects.filter(letters_of(email)).update(**FORGOTTEN)
    SavedView.objects.filter(views_of(email)).delete()


def count_outside_threads(email: str) -> Counter[str]:
    return Counter(
        {
            "letters": InboundEvent.objects.filter(letters_of(email)).count(),
            "saved searches": SavedView.objects.filter(views_of(email)).count(),
        }
    )


def _end_what_waits(ids: list[uuid.UUID]) -> None:
    """Replies that did not leave are taken back, drafts that wait or were approved for them are retired, threads close."""
    waiting = Delivery.objects.select_for_update(of=("self",)).filter(conversation_id__in=ids, status__in=_ENDS)
    for delivery in waiting.order_by("pk"):
        outbox.cancel(delivery=delivery, actor=audit.SYSTEM, reason=REASON, or_unknown=True)
    unsent = Delivery.objects.filter(draft_id=OuterRef("pk")).exclude(status=Delivery.Status.CANCELLED)
    live = Draft.objects.select_for_update(of=("self",)).filter(conversation_id__in=ids)
    for draft in live.filter(status=Draft.Status.PENDING).order_by("pk"):
        retire(draft, Draft.Status.EXPIRED, reason=REASON)
    for draft in live.filter(~Exists(unsent), status=Draft.Status.APPROVED).order_by("pk"):
        retire(draft, Draft.Status.STALE, reason=REASON)
    Hold.objects.filter(conversation_id__in=ids).delete()
    Writing.objects.filter(conversation_id__in=ids).delete()
    Conversation.objects.filter(pk__in=ids).exclude(status=Conversation.Status.CLOSED).update(
        status=Conversation.Status.CLOSED,
        completed_at=database_time.now(),
        owed="",
        due_at=None,
        snoozed_until=None,
        answered_seq=F("last_seq"),
    )


def _empty_thread(ids: list[uuid.UUID]) -> None:
    blank: dict[str, Any] = {"body_text": "", "body_html": "", "erased_at": database_time.now()}
    Message.objects.filter(conversation_id__in=ids, erased_at__isnull=True).update(
        **blank, body_new="", subject="", metadata={}, intent=""
    )
    deliveries = Delivery.objects.filter(conversation_id__in=ids, erased_at__isnull=True)
    deliveries.update(**blank, envelope={}, owed_before={}, receipt="", error="", provider_id="")
    DeliveryAttempt.objects.filter(delivery__conversation_id__in=ids).exclude(response="").update(response="")


def _empty_drafts(ids: list[uuid.UUID]) -> None:
    blank: dict[str, Any] = {
        "suggested_text": "", "suggested_html": "", "statements": [], "top_sources": [], "checks": [], "confidence_reasons": [],
        "needs_human": [], "error": "", "canary_defect": "", "erased_at": database_time.now(),
    }  # fmt: skip
    drafts = Draft.objects.filter(conversation_id__in=ids)
    # State and texts at once: each version of a row is written into nine indexes.
    drafts.filter(status__in=FINAL, erased_at__isnull=True).update(status=Draft.Status.ARCHIVED, **blank)
    drafts.filter(status__in=FINAL).update(status=Draft.Status.ARCHIVED)
    drafts.filter(erased_at__isnull=True).update(**blank)
    DraftRevision.objects.filter(draft__conversation_id__in=ids).update(text="", html="", statements=[])
    DraftAction.objects.filter(conversation_id__in=ids).update(final_text=None, final_html="", notes="", diff=None)


def _empty_learned(account_id: uuid.UUID, ids: list[uuid.UUID]) -> None:
    samples = LearningSample.objects.filter(conversation_id__in=ids)
    goldens.forget(account_id=account_id, samples=list(samples.values_list("pk", flat=True)))
    samples.update(question="", original="", final="", operations={}, erased_at=database_time.now())


def _rename(ids: list[uuid.UUID]) -> None:
    """What a provider calls a thread or a message may name its writer; a message that comes again is known all the same."""
    threads = list(Conversation.objects.filter(pk__in=ids).exclude(external_id="").only("external_id"))
    messages = list(Message.objects.filter(conversation_id__in=ids).exclude(external_id="").only("external_id"))
    for thread in threads:
        thread.external_id = tombstone(thread.external_id)
    for message in messages:
        message.external_id = tombstone(message.external_id)
    Conversation.objects.bulk_update(threads, ["external_id"], batch_size=500)
    Message.objects.bulk_update(messages, ["external_id"], batch_size=500)


def _record(account_id: uuid.UUID, ids: list[uuid.UUID], counted: Counter[str], rule: str) -> None:
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
