"""What goes, what stays and why: closed conversations are emptied (`drafts.erasure`) after the account's own periods.

A dry run asks the questions that the run asks, in the same order, and leaves out what an earlier step would have taken: so
both say the same numbers, whichever policies an account has.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from conversations.channels.addresses import normal_address
from conversations.chats import forgetting as chats
from conversations.customers import forgetting
from conversations.database import database_time
from conversations.legal_hold import is_held
from conversations.models import Account, Conversation, CustomerAddress, Message, User
from conversations.people import own_tokens
from conversations.tenancy import tenant_context
from drafts import erasure
from ingestion.models import InboundEvent

BATCH = 200
HELD = Counter({"held by a legal hold": 1})


@dataclass(frozen=True, slots=True)
class Step:
    """Conversations that one rule empties; of those that several name, the first takes them. With `copies` also those that they
    were forwarded in; what was `taken` is not taken again."""

    due: Q
    rule: str
    purge: bool
    copies: bool = False
    taken: set[uuid.UUID] = field(default_factory=set)


def apply(*, account_id: uuid.UUID, dry_run: bool, now: datetime | None = None) -> Counter[str]:
    """Carry out one account's policy, a batch a transaction, so that it can be stopped and resumed.

    A dry run counts the same rows and changes none. A legal hold removes nothing; one that begins meanwhile ends the run.
    """
    now = now or database_time.now()
    with tenant_context(account_id):
        if is_held(account_id):
            return HELD.copy()
        account = Account.objects.get(pk=account_id)
    steps = _steps(account, now)
    done: Counter[str] = Counter()
    taken = Q(pk__in=[])
    for step in steps:
        done += _carry_out(account_id, Step(step.due & ~taken, step.rule, step.purge), dry_run)
        taken |= step.due
    days = account.expire_sessions_after_days
    done += chats.apply(account_id=account_id, expire_days=days, now=now, dry_run=dry_run)
    return done + _raw_bytes(account_id, now, taken, dry_run)


def erase_customer(
    *, account_id: uuid.UUID, email: str = "", customer_id: uuid.UUID | None = None, dry_run: bool
) -> Counter[str]:
    """A person asked to be forgotten, by one of their addresses or by their record: every conversation of any of their addresses,
    open or closed, loses everything personal; so does what they wrote in the threads of others, their letters that never became a
    message, what was saved to find them, what the team asked the assistant about any of these, and the record itself."""
    address = email.strip()
    with tenant_context(account_id):
        if is_held(account_id):
            return HELD.copy()
        addresses = forgetting.addresses_of(address=address, customer_id=customer_id)
        mails = {one.address for one in addresses if one.channel_id is None}
        mails |= {normal_address(address) or address} if address else set()
        outside: Counter[str] = Counter({"addresses": len(addresses)} if addresses else {})
        for mail in mails:
            outside += erasure.count_outside_threads(mail)
            if not dry_run:
                erasure.forget_outside_threads(mail)
    if not addresses and not mails:
        return Counter()
    theirs = Q(customer_address__in=addresses)
    for mail in mails | ({address} if address else set()):
        theirs |= Q(customer_email__iexact=mail)
    mine = Step(theirs, "asked by the customer", purge=True, copies=True)
    # In the threads of others first: afterwards nothing says any more which threads were theirs.
    done = _in_threads_of_others(account_id, addresses, mine, dry_run)
    done += _carry_out(account_id, mine, dry_run) + outside
    with tenant_context(account_id):
        if not dry_run and not is_held(account_id):
            forgetting.forget_unused(one.pk for one in addresses)
        wrote = Q(pk__in=erasure.written_elsewhere(addresses).values("conversation"))
        if left := Conversation.objects.of_customers().filter(theirs | wrote, pk__in=erasure.waiting()).count():
            done["left for the next run, because a reply is being sent"] = left
    return done


def _in_threads_of_others(
    account_id: uuid.UUID, addresses: list[CustomerAddress], mine: Step, dry_run: bool
) -> Counter[str]:
    done: Counter[str] = Counter()
    last: uuid.UUID | None = None
    asked: set[uuid.UUID] = set()  # whose chats were seen to
    while True:
        with tenant_context(account_id):
            if is_held(account_id):
                return done
            own = Conversation.objects.of_customers().filter(mine.due).values("pk")
            rows = erasure.written_elsewhere(addresses).exclude(conversation__in=own)
            rows = rows.exclude(conversation__in=erasure.waiting())
            if last:
                rows = rows.filter(pk__gt=last)
            ids = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
            if not ids:
                return done
            about = set(Message.objects.filter(pk__in=ids).values_list("conversation", flat=True)) - asked
        done += _chats_about(account_id, about, mine, dry_run)
        asked |= about
        with tenant_context(account_id):
            if is_held(account_id):
                return done
            copies = erasure.copies_of_messages(ids, lock=not dry_run)
            done += _empty(account_id, mine, copies, dry_run)
            done += (
                erasure.count_messages(ids)
                if dry_run
                else erasure.erase_messages(account_id=account_id, message_ids=ids, rule=mine.rule)
            )
        last = ids[-1]


def erase_person(*, account_id: uuid.UUID, email: str, dry_run: bool) -> Counter[str]:
    """Somebody of the team asked to be forgotten: their chats with the assistant in this account are emptied, and
    their own tokens end."""
    with tenant_context(account_id):
        if is_held(account_id):
            return HELD.copy()
        person = User.objects.with_address(email).first()
    if person is None:
        return Counter()
    done = chats.erase_person(account_id=account_id, person_id=person.pk, dry_run=dry_run)
    with tenant_context(account_id):
        if not is_held(account_id):  # one that began meanwhile ends this, too
            done["tokens"] = own_tokens.forget(account_id=account_id, person_id=person.pk, dry_run=dry_run)
    return +done


def _steps(account: Account, now: datetime) -> Iterator[Step]:
    """A thread that was written in and closed again after it was emptied is due anew."""
    if days := account.purge_after_days:
        whose = Q(forgotten_at__isnull=True) | Q(forgotten_at__lt=F("completed_at"))
        yield Step(_closed_before(now - timedelta(days=days)) & whose, f"purge after {days} days", purge=True)
    if days := account.archive_bodies_after_days:
        texts = Q(archived_at__isnull=True) | Q(archived_at__lt=F("completed_at"))
        yield Step(_closed_before(now - timedelta(days=days)) & texts, f"archive after {days} days", purge=False)


def _closed_before(moment: datetime) -> Q:
    """One that is merged goes no sooner than the one that it is part of."""
    alone = Q(merged_into__isnull=True) | Q(
        merged_into__status=Conversation.Status.CLOSED, merged_into__completed_at__lt=moment
    )
    return Q(status=Conversation.Status.CLOSED, completed_at__lt=moment) & alone


def _conversations(due: Q) -> QuerySet[Conversation]:
    return Conversation.objects.of_customers().filter(due).exclude(erasure.BEING_SENT)


def _carry_out(account_id: uuid.UUID, step: Step, dry_run: bool) -> Counter[str]:
    done: Counter[str] = Counter()
    for ids in _batches(account_id, step.due):
        done += _chats_about(account_id, ids, step, dry_run)  # first: who is stopped in between comes here again
        with tenant_context(account_id):
            done += _empty(account_id, step, ids, dry_run)
    return done


def _chats_about(account_id: uuid.UUID, ids: Collection[uuid.UUID], step: Step, dry_run: bool) -> Counter[str]:
    """What the team's people asked the assistant about these conversations quotes them: those chats are emptied with them."""
    return chats.purge_sessions(account_id=account_id, due=Q(case__in=ids), rule=step.rule, dry_run=dry_run)


def _empty(account_id: uuid.UUID, step: Step, ids: list[uuid.UUID], dry_run: bool) -> Counter[str]:
    """In the caller's transaction and tenant."""
    if step.copies:
        ids = [pk for pk in erasure.with_copies(ids, lock=not dry_run) if pk not in step.taken]
        step.taken.update(ids)
    if dry_run:
        return erasure.count(ids)
    return erasure.erase(account_id=account_id, conversation_ids=ids, rule=step.rule, purge=step.purge)


def _batches(account_id: uuid.UUID, due: Q) -> Iterator[list[uuid.UUID]]:
    last: uuid.UUID | None = None
    while True:
        with tenant_context(account_id):
            if is_held(account_id):
                return
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
            if is_held(account_id):
                return done
            expired = InboundEvent.objects.filter(expires_at__lt=now, payload__isnull=False)
            if dry_run:
                gone = _conversations(taken).values("pk")
                return Counter({"raw events": expired.exclude(message__conversation_id__in=gone).count()})
            ids = list(expired.values_list("pk", flat=True)[: BATCH * 5])
            if not ids:
                return done
            done["raw events"] += InboundEvent.objects.filter(pk__in=ids).update(**erasure.FORGOTTEN)
