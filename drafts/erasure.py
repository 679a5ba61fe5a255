"""How conversations are emptied: everything that a customer's words, names and addresses stand in.

Rows stay, and with them the counts, the states and the audit chain. What still waits in an emptied thread ends first, with
its own events: nothing of it can be written, approved or sent any more. Which columns hold customers' words, and which do
not and why, is said by `tests/drafts/test_erasure.py`, which fails for a new column until somebody decides.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection
from functools import partial
from typing import Any
from urllib.parse import quote, quote_plus

from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from conversations import audit
from conversations.channels.addresses import normal_address
from conversations.chats import actions
from conversations.customers import forgetting
from conversations.database import database_time
from conversations.messages import outbox, owing
from conversations.messages.tombstones import tombstone
from conversations.models import (
    Account,
    Attachment,
    BlockedSender,
    Conversation,
    ConversationTag,
    CustomerAddress,
    Delivery,
    DeliveryAttempt,
    Message,
    Note,
    Notification,
    ProposedAction,
    RelatedConversation,
)
from drafts.answers import goldens
from drafts.desk.editing import retire
from drafts.desk.files import drop_unneeded
from drafts.models import Draft, DraftAction, DraftRevision, Hold, LearningSample, SavedView, Writing
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


FORWARDED = RelatedConversation.objects.filter(reason=RelatedConversation.Reason.FORWARDED)


def waiting() -> set[uuid.UUID]:
    """The conversations that wait for the next run: being sent from, or a copy of them is. Without the thread that it was
    forwarded from, nobody would find the copy again. The caller is in the tenant."""
    found: set[uuid.UUID] = set()
    newest = set(Conversation.objects.of_customers().filter(BEING_SENT).values_list("pk", flat=True))
    while newest:
        found |= newest
        newest = set(FORWARDED.filter(conversation__in=newest).values_list("other", flat=True)) - found
    return found


def with_copies(conversation_ids: Collection[uuid.UUID], *, lock: bool) -> list[uuid.UUID]:
    """These conversations and those that they were forwarded in, over and over, but for what waits. With `lock` nobody can forward
    them any more: whoever does it later finds no text. In the caller's transaction and tenant."""
    found: set[uuid.UUID] = set()
    newest = set(conversation_ids)
    while newest:
        if lock:
            list(Conversation.objects.select_for_update(of=("self",)).filter(pk__in=newest).order_by("pk"))
        found |= newest
        newest = set(FORWARDED.filter(other__in=newest).values_list("conversation", flat=True)) - found
    return sorted(found - waiting())


def copies_of_messages(message_ids: list[uuid.UUID], *, lock: bool) -> list[uuid.UUID]:
    """Where these messages' threads were forwarded to after the messages came. With `lock` nobody forwards them meanwhile."""
    if lock:
        threads = Message.objects.filter(pk__in=message_ids).values("conversation")
        list(Conversation.objects.select_for_update(of=("self",)).filter(pk__in=threads).order_by("pk"))
    later = FORWARDED.filter(other=OuterRef("conversation"), conversation__created_at__gte=OuterRef("received_at"))
    copies = Message.objects.filter(pk__in=message_ids).values_list(
        ArraySubquery(later.values("conversation")), flat=True
    )
    return list({pk for found in copies for pk in found})


def count(conversation_ids: list[uuid.UUID]) -> Counter[str]:
    """What emptying these conversations empties."""
    return Counter(
        {
            "conversations": len(conversation_ids),
            "messages": Message.objects.filter(conversation_id__in=conversation_ids, erased_at__isnull=True).count(),
            "notes": Note.objects.filter(conversation_id__in=conversation_ids, erased_at__isnull=True).count(),
            "drafts": Draft.objects.filter(conversation_id__in=conversation_ids, erased_at__isnull=True).count(),
            "files": _files(*[Q(conversation_id__in=conversation_ids)] * 2).count(),
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
    within = Q(conversation_id__in=ids)
    _end_what_waits(within, within)
    _end(ids)
    _drop_files(account_id, within, within)
    _empty_thread(within, within)
    Note.objects.filter(within, erased_at__isnull=True).update(text="", mentions={}, erased_at=database_time.now())
    _empty_drafts(within)
    _empty_learned(account_id, within)
    actions.forget(Q(case_id__in=ids))
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
            "forgotten_at": now,
        }
        _rename(Conversation.objects.filter(pk__in=ids))
        _rename(Message.objects.filter(within))
        forgetting.let_go(ids)
        ConversationTag.objects.filter(conversation_id__in=ids).delete()
    Conversation.objects.filter(pk__in=ids).update(**changes)
    if ids:
        _record(account_id, ids, counted, rule)
    return counted


def written_elsewhere(addresses: Collection[CustomerAddress]) -> QuerySet[Message]:
    """What these addresses wrote, or sent for somebody else to be answered, in the threads of others."""
    theirs = Q(writer__in=addresses)
    for one in addresses:
        theirs |= Q(metadata__sender__iexact=one.address)
    return Message.objects.filter(theirs, direction=Message.Direction.INBOUND)


def count_messages(message_ids: list[uuid.UUID]) -> Counter[str]:
    """What emptying these messages empties, in threads that stay."""
    return Counter(
        {
            "messages in the threads of others": len(message_ids),
            "drafts": Draft.objects.filter(base_message__in=message_ids, erased_at__isnull=True).count(),
            "files": _files(Q(pk__in=message_ids), Q(base_message__in=message_ids)).count(),
        }
    )


def erase_messages(*, account_id: uuid.UUID, message_ids: list[uuid.UUID], rule: str) -> Counter[str]:
    """Empty these messages and what answered them; the rest of their threads, which are others', stays as it is. In the
    caller's transaction and tenant. Threads that a worker is sending from at this moment are left out."""
    threads = Conversation.objects.select_for_update(of=("self",)).filter(messages__in=message_ids).order_by("pk")
    open_to_us = {one.pk: one for one in threads.exclude(BEING_SENT)}
    found = Message.objects.filter(pk__in=message_ids, conversation__in=open_to_us)
    ids = list(found.values_list("pk", flat=True))
    counted = count_messages(ids)
    drafts = Draft.objects.filter(base_message__in=ids)
    draft_ids = list(drafts.values_list("pk", flat=True))
    waited = set(drafts.pending().values_list("conversation_id", flat=True))
    replies = Q(draft_id__in=draft_ids)
    _end_what_waits(replies, Q(pk__in=draft_ids))
    for conversation in (open_to_us[pk] for pk in waited):
        conversation.refresh_from_db()
        owing.draft_given_up(conversation)
        conversation.save(update_fields=owing.FIELDS)
    answers = Delivery.objects.filter(replies).values_list("message_id", flat=True)
    emptied = Q(pk__in=[*ids, *answers])
    audit.forget_about(list(Message.objects.filter(emptied).only("pk")))
    audit.forget_about(list(drafts.only("pk")))
    audit.forget_about(list(Delivery.objects.filter(replies).only("pk")))
    _drop_files(account_id, emptied, Q(pk__in=draft_ids))
    _empty_thread(emptied, replies)
    _empty_drafts(Q(pk__in=draft_ids))
    _empty_learned(account_id, replies)
    _forget_actions(open_to_us)
    InboundEvent.objects.filter(message__in=ids).update(**FORGOTTEN)
    Notification.objects.filter(payload__draft__in=[str(pk) for pk in draft_ids]).delete()
    _rename(Message.objects.filter(pk__in=ids))
    Message.objects.filter(pk__in=ids).update(writer=None)
    # They may repeat what stood in the message.
    Conversation.objects.filter(messages__in=ids).update(summary="", key_topics=[])
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
    """Mail of theirs that never became a message, saved searches for them, and that they were blocked. The caller is in the tenant."""
    InboundEvent.objects.filter(letters_of(email)).update(**FORGOTTEN)
    SavedView.objects.filter(views_of(email)).delete()
    BlockedSender.objects.filter(address=normal_address(email)).delete()


def count_outside_threads(email: str) -> Counter[str]:
    return Counter(
        {
            "letters": InboundEvent.objects.filter(letters_of(email)).count(),
            "saved searches": SavedView.objects.filter(views_of(email)).count(),
        }
    )


def _end_what_waits(deliveries: Q, drafts: Q) -> None:
    """Replies that did not leave are taken back, drafts that wait or were approved for them are retired."""
    waiting = Delivery.objects.select_for_update(of=("self",)).filter(deliveries, status__in=_ENDS)
    for delivery in waiting.order_by("pk"):
        outbox.cancel(delivery=delivery, actor=audit.SYSTEM, reason=REASON, or_unknown=True)
    unsent = Delivery.objects.filter(draft_id=OuterRef("pk")).exclude(status=Delivery.Status.CANCELLED)
    live = Draft.objects.select_for_update(of=("self",)).filter(drafts)
    for draft in live.filter(status=Draft.Status.PENDING).order_by("pk"):
        retire(draft, Draft.Status.EXPIRED, reason=REASON)
    for draft in live.filter(~Exists(unsent), status=Draft.Status.APPROVED).order_by("pk"):
        retire(draft, Draft.Status.STALE, reason=REASON)


def _end(ids: list[uuid.UUID]) -> None:
    """Nobody works in these threads any more, and they close."""
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


def _empty_thread(messages: Q, deliveries: Q) -> None:
    blank: dict[str, Any] = {"body_text": "", "body_html": "", "erased_at": database_time.now()}
    Message.objects.filter(messages, erased_at__isnull=True).update(
        **blank, body_new="", subject="", metadata={}, intent=""
    )
    sent = Delivery.objects.filter(deliveries)
    sent.filter(erased_at__isnull=True).update(
        **blank, envelope={}, owed_before={}, receipt="", error="", provider_id=""
    )
    DeliveryAttempt.objects.filter(delivery__in=sent).exclude(response="").update(response="")


def _empty_drafts(which: Q) -> None:
    blank: dict[str, Any] = {
        "suggested_text": "", "suggested_html": "", "statements": [], "top_sources": [], "checks": [], "confidence_reasons": [],
        "needs_human": [], "recipients": {}, "subject": "", "questions": [], "facts": [], "error": "", "canary_defect": "", "erased_at": database_time.now(),
    }  # fmt: skip
    drafts = Draft.objects.filter(which)
    # State and texts at once: each version of a row is written into nine indexes.
    drafts.filter(status__in=FINAL, erased_at__isnull=True).update(status=Draft.Status.ARCHIVED, **blank)
    drafts.filter(status__in=FINAL).update(status=Draft.Status.ARCHIVED)
    drafts.filter(erased_at__isnull=True).update(**blank)
    DraftRevision.objects.filter(draft__in=drafts).update(text="", html="", statements=[])
    DraftAction.objects.filter(draft__in=drafts).update(final_text=None, final_html="", notes="", diff=None)


def _empty_learned(account_id: uuid.UUID, which: Q) -> None:
    samples = LearningSample.objects.filter(which)
    goldens.forget(account_id=account_id, samples=list(samples.values_list("pk", flat=True)))
    samples.update(question="", original="", final="", operations={}, erased_at=database_time.now())


def _forget_actions(threads: Collection[uuid.UUID]) -> None:
    """What was proposed in threads that stay: nobody can tell whose words an argument repeats."""
    of_them = Q(case_id__in=list(threads))
    audit.forget_about(list(ProposedAction.objects.filter(of_them).only("pk")))
    actions.forget(of_them)


def _rename(rows: QuerySet[Any]) -> None:
    """What a provider calls a thread or a message may name its writer; a message that comes again is known all the same."""
    named = list(rows.exclude(external_id="").only("external_id"))
    for row in named:
        row.external_id = tombstone(row.external_id)
    rows.model._default_manager.bulk_update(named, ["external_id"], batch_size=500)


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


def _drop_files(account_id: uuid.UUID, messages: Q, drafts: Q) -> None:
    """Delete the rows now, and after the commit each stored file that nobody in the account needs any more."""
    rows = _files(messages, drafts)
    digests = set(rows.values_list("sha256", flat=True))
    rows.delete()
    for digest in digests:
        transaction.on_commit(partial(drop_unneeded, account_id, digest))


def _files(messages: Q, drafts: Q) -> QuerySet[Attachment]:
    """What came with these messages, and what was to leave with these drafts."""
    of_messages, of_drafts = Message.objects.filter(messages), Draft.objects.filter(drafts)
    return Attachment.objects.filter(Q(message__in=of_messages) | Q(draft_id__in=of_drafts.values("pk")))
