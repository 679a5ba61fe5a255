"""Mail is fetched: each folder in rounds of its own, each mail in a transaction of its own, nothing in the folder changed.

The bytes and how far the folder was read are committed together, and read by another job (`ingestion.receive`), so whoever
is killed between two mails has lost none and kept none twice. No transaction is open while the server is asked
(docs/decisions/0064).
"""

from __future__ import annotations

import email
import email.policy
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from conversations import audit
from conversations.channels.base import ChannelError, Folder, Marks, Raw, SignInRefused
from conversations.database import database_time
from conversations.failpoints import failpoint
from conversations.jobs import wake
from conversations.messages import access, fetching
from conversations.messages.inbox import clean
from conversations.models import Channel
from conversations.tenancy import tenant_context
from ingestion import receive, sent_folder
from ingestion.models import Mailbox

logger = logging.getLogger(__name__)

TASK = "ingestion.fetch_mail"
#: Of one round; what is left is asked for at once, after the others.
PER_ROUND = 500
#: Of one fetch: so many mails, and so many bytes unless one alone is larger.
BATCH, BATCH_BYTES = 50, 10_000_000
#: Renewed with each mail: longer than anything that a server may take for one step.
LEASE = timedelta(minutes=5)
#: With other numbers nobody knows where to go on: this much before the last good round is looked through again.
AGAIN = timedelta(days=7)


class Overtaken(Exception):
    """Somebody else reads the folder since this one's lease ran out."""


@dataclass(slots=True)
class _Round:
    """What one reader has of a mailbox: its channel, and how far (`cursor` in `generation`)."""

    mailbox: Mailbox
    channel: Channel
    generation: int
    cursor: int
    is_sent: bool = False  # the folder of sent mail
    kept: int = 0


def ask_for_rounds(*, account_id: uuid.UUID) -> int:
    """Ask for a round of each folder that is fetched from; returns of how many. A channel that cannot be read of stops no other."""
    with tenant_context(account_id, durable=True):
        channels = list(Channel.objects.filter(is_active=True).order_by("pk"))
    found = 0
    for channel in channels:
        try:
            source = channel.fetched_from
        except ValueError:  # settings of a channel that are none
            logger.exception("channel %s is not fetched from", channel.pk)
            continue
        if source is None:
            continue
        with tenant_context(account_id, durable=True):
            for each in access.with_sent(source):
                mailbox, _ = Mailbox.objects.get_or_create(account_id=account_id, channel=channel, folder=each.folder)
                if _is_due(mailbox, channel):
                    ask_for_round(mailbox)
            fetching.watch(channel)
        found += 1
    return found


def _is_due(mailbox: Mailbox, channel: Channel) -> bool:
    """By the minute that asks, which comes a little early or late."""
    incoming = channel.provided_by.incoming
    wait = incoming.every - timedelta(seconds=30) if incoming else timedelta(0)
    return mailbox.checked_at is None or bool(mailbox.problem) or mailbox.checked_at < database_time.now() - wait


def ask_for_round(mailbox: Mailbox) -> None:
    """One that waits already is enough."""
    wake(TASK, queue="mailboxes", once=f"fetch:{mailbox.pk}", account_id=mailbox.account_id, mailbox_id=mailbox.pk)


def fetch(*, account_id: uuid.UUID, mailbox_id: uuid.UUID) -> int:
    """One round; returns how many mails were kept. Harmless when it runs twice or late. Outside of any transaction."""
    with tenant_context(account_id, durable=True):
        work = _claim(mailbox_id)
    if work is None:
        return 0
    failpoint("mailbox.leased")
    try:
        source = access.source_of(work.channel, work.mailbox.folder)
        assert source is not None, "_claim looked"
        with source.open() as folder:
            failpoint("mailbox.opened")
            _find_the_place(work, folder)
            waiting = folder.after(work.cursor) if folder.newest > work.cursor or not folder.newest else []
            if work.is_sent:
                _take_answers(work, folder, waiting[:PER_ROUND])
            else:
                for raw, size in _mails(folder, waiting[:PER_ROUND]):
                    failpoint("mailbox.fetched")
                    _keep(work, raw, size)
                    failpoint("mailbox.stored")
                    if isinstance(folder, Marks) and folder.marks and size <= settings.MAIL_MAX_BYTES:
                        folder.mark([raw.number])  # only what is committed
    except Overtaken:
        logger.warning("mailbox %s: another worker reads it now", mailbox_id)
        return work.kept
    except ChannelError as error:
        if isinstance(error, SignInRefused):
            with tenant_context(account_id, durable=True):
                access.refused(work.channel)
        _end(work, problem=f"{error} {error.response}".strip())
        return work.kept
    except Exception as error:
        _end(work, problem=f"{type(error).__name__}: {error}")
        raise
    _end(work, more=len(waiting) > PER_ROUND)
    return work.kept


def _claim(mailbox_id: uuid.UUID) -> _Round | None:
    """Take the lease; None if somebody has it, or nothing is to be fetched there any more."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=Now())
    if not Mailbox.objects.filter(free, pk=mailbox_id, channel__is_active=True).update(lease_until=Now() + LEASE):
        return None
    mailbox = Mailbox.objects.select_related("channel").get(pk=mailbox_id)
    source = mailbox.channel.fetched_from
    folders = [one.folder for one in access.with_sent(source)]
    if mailbox.folder not in folders:
        Mailbox.objects.filter(pk=mailbox_id).update(lease_until=None)
        return None
    is_sent = mailbox.folder != folders[0]
    return _Round(mailbox, mailbox.channel, mailbox.uidvalidity or 0, mailbox.last_uid, is_sent)


def _find_the_place(work: _Round, folder: Folder) -> None:
    """Where to go on: at the cursor, at the folder's end the first time, or some days back if the numbers changed."""
    mailbox, generation, history = work.mailbox, folder.generation, None
    if mailbox.uidvalidity == generation:
        return
    if mailbox.uidvalidity is None:
        since = None if work.is_sent else _since(work.channel)
        history = database_time.now()
    else:
        logger.warning(
            "mailbox %s: UIDVALIDITY %s became %s at UID %s; looking through what came since",
            mailbox.pk, mailbox.uidvalidity, generation, mailbox.last_uid,
        )  # fmt: skip
        since = ((mailbox.fetched_at or mailbox.created_at) - AGAIN).date()
    numbers = folder.since(since) if since else []
    cursor = numbers[0] - 1 if numbers else folder.newest
    with tenant_context(mailbox.account_id, durable=True):
        rows = Mailbox.objects.filter(pk=mailbox.pk, uidvalidity=mailbox.uidvalidity, last_uid=mailbox.last_uid)
        changes = {"historical_until": history} if history else {}
        if not rows.update(uidvalidity=generation, last_uid=cursor, lease_until=Now() + LEASE, **changes):
            raise Overtaken
    mailbox.historical_until = history or mailbox.historical_until
    work.generation, work.cursor = generation, cursor


def _since(channel: Channel) -> date | None:
    incoming = channel.provided_by.incoming
    return incoming.since(channel.options) if incoming else None


def _mails(folder: Folder, numbers: Sequence[int]) -> Iterator[tuple[Raw, int]]:
    """The mails with their sizes, in order and a few at a time; of one that is too large the headers alone."""
    sizes = folder.sizes(numbers)
    for batch in _batches([(number, sizes[number]) for number in numbers if number in sizes]):
        too_large = sizes[batch[0]] > settings.MAIL_MAX_BYTES
        for raw in folder.heads(batch) if too_large else folder.read(batch):
            yield raw, sizes[raw.number]


def _take_answers(work: _Round, folder: Folder, numbers: Sequence[int]) -> None:
    """Of sent mail: what answers a conversation, each in a transaction with how far the folder was read."""
    account_id = work.mailbox.account_id
    for at in range(0, len(numbers), BATCH):
        for head in folder.heads(numbers[at : at + BATCH]):
            with tenant_context(account_id, durable=True):
                answer = sent_folder.look(work.channel, head)
            raw = next(iter(folder.read([head.number])), None) if answer and _fits(folder, head.number) else head
            failpoint("mailbox.fetched")
            with tenant_context(account_id, durable=True):
                _move_on(work, head.number)
                work.kept += bool(answer and raw and sent_folder.take(work.channel, raw, answer))
            work.cursor = head.number


def _fits(folder: Folder, number: int) -> bool:
    size = folder.sizes([number]).get(number, 0)
    return bool(size <= settings.MAIL_MAX_BYTES)


def _move_on(work: _Round, number: int) -> None:
    """How far the folder is read, in the transaction that keeps the mail. Raises Overtaken if the cursor is not where this
    reader left it."""
    mine = Mailbox.objects.filter(pk=work.mailbox.pk, uidvalidity=work.generation, last_uid=work.cursor)
    if not mine.update(last_uid=number, lease_until=Now() + LEASE):
        raise Overtaken


def _batches(sized: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """So many that they fit into memory; one that is too large to be kept stands alone."""
    batch: list[int] = []
    total = 0
    for number, size in sized:
        is_too_large = size > settings.MAIL_MAX_BYTES
        if batch and (is_too_large or len(batch) >= BATCH or total + size > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(number)
        total += size
        if is_too_large:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def _keep(work: _Round, raw: Raw, size: int) -> None:
    """The bytes, and that they are kept: one transaction. Raises Overtaken if the cursor is not where this reader left it."""
    account_id, mailbox = work.mailbox.account_id, work.mailbox
    until = mailbox.historical_until
    is_history = bool(until and raw.at and raw.at < until)
    with tenant_context(account_id, durable=True):
        _move_on(work, raw.number)
        failpoint("mailbox.storing")
        if size > settings.MAIL_MAX_BYTES:
            is_new = _keep_headers(work.channel, raw, size)
        else:
            is_new = bool(raw.content.strip()) and _keep_whole(work.channel, raw, is_history=is_history)
    work.cursor = raw.number
    work.kept += is_new


def _keep_whole(channel: Channel, raw: Raw, *, is_history: bool) -> bool:
    event, is_new = receive.keep(channel=channel, raw=raw.content, is_history=is_history)
    if is_new:
        receive.ask_to_read(event)
    return is_new


def _keep_headers(channel: Channel, raw: Raw, size: int) -> bool:
    """A mail that is too large to be kept waits in quarantine, by its headers and a word on what is missing."""
    reason = f"It has {size:,} bytes; {settings.MAIL_MAX_BYTES:,} are allowed (MAIL_MAX_BYTES). Its headers were kept."
    content = _without_body(raw.content) + f"\r\n(This mail is in the mailbox. {reason})\r\n".encode()
    event, is_new = receive.keep(channel=channel, raw=content)
    if is_new:
        event.sender, event.subject, event.size_bytes = *_from_and_subject(raw.content), size
        event.save(update_fields=["size_bytes"])
        receive.hold(event, channel, reason)
    return is_new


def _without_body(head: bytes) -> bytes:
    """Headers that say nothing of parts and encodings, for the body that they spoke of is not there."""
    parsed = email.message_from_bytes(head, policy=email.policy.compat32)
    for name in ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition"):
        del parsed[name]
    parsed.set_payload("")
    return parsed.as_bytes(policy=email.policy.compat32.clone(linesep="\r\n"))


def _from_and_subject(head: bytes) -> tuple[str, str]:
    try:
        parsed = email.message_from_bytes(head, policy=email.policy.default)
        return clean(str(parsed.get("From", "")))[:320], clean(str(parsed.get("Subject", "")))[:200]
    except Exception:  # the standard library raises what it likes at headers that are none
        return "", ""


def _end(work: _Round, *, problem: str = "", more: bool = False) -> None:
    """Give the lease back and say how it went."""
    mailbox, now = work.mailbox, database_time.now()
    problem = audit.masked(clean(problem))[:500]
    good: dict[str, datetime] = {} if problem else {"fetched_at": now}
    with tenant_context(mailbox.account_id, durable=True):
        Mailbox.objects.filter(pk=mailbox.pk).update(lease_until=None, checked_at=now, problem=problem, **good)
        if problem:
            logger.warning("mailbox %s was not read to its end: %s", mailbox.pk, problem)
        if work.is_sent:
            pass  # what customers write comes by the other folder, and that one says how the channel fares
        elif problem:
            fetching.not_fetched(work.channel, problem)
        else:
            fetching.fetched(work.channel)
        if more:
            ask_for_round(mailbox)
