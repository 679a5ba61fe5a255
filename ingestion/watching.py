"""Somebody stands at each mailbox and wakes its round when the server says that mail came.

Only a doorbell: what is fetched, and how far, is the round's (`ingestion.mailboxes`), which comes every minute without it.
A server that is away or knows no IDLE is asked again later and costs nobody else anything.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Callable, Iterator

from django.db import DatabaseError, connection

from conversations.channels.base import Rings
from conversations.messages import access
from conversations.tenancy import account_directory, tenant_context
from ingestion import mailboxes
from ingestion.models import Mailbox

logger = logging.getLogger(__name__)

#: Of one process; the others are fetched every minute as without it.
MOST = 100
#: However many stand there, so many ask the database at once: it has other customers.
AT_THE_DATABASE = threading.BoundedSemaphore(4)
#: Servers hang up on who idles for half an hour; sooner, a dead one is noticed sooner.
RENEWED = 300.0
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0
#: A round is given so long before its mailbox is looked at again.
AFTER = 1.0
#: How often it is looked for mailboxes that are new.
LOOK = 60.0


def watch_all(*, stop: threading.Event) -> None:
    """Watch the mailboxes of all accounts, each in a thread of its own, until `stop`."""
    watchers: dict[uuid.UUID, threading.Thread] = {}
    while not stop.is_set():
        watchers = {pk: thread for pk, thread in watchers.items() if thread.is_alive()}
        try:
            found = _mailboxes()
        except DatabaseError as error:  # it comes back; whoever stands somewhere goes on standing there
            logger.warning("the mailboxes could not be listed: %s", error)
            found = []
        for account_id, mailbox_id in found:
            if mailbox_id not in watchers and len(watchers) < MOST:
                thread = threading.Thread(target=_watch, args=(account_id, mailbox_id, stop), daemon=True)
                watchers[mailbox_id] = thread
                thread.start()
        stop.wait(LOOK)
    for thread in watchers.values():
        thread.join(5)


def _mailboxes() -> list[tuple[uuid.UUID, uuid.UUID]]:
    found = []
    with _one_of_few():
        for account in account_directory():
            if account["is_active"]:
                with tenant_context(account["id"]):
                    rows = Mailbox.objects.filter(channel__is_active=True).order_by("created_at")
                    found += [(account["id"], pk) for pk in rows.values_list("pk", flat=True)]
    return found


@contextlib.contextmanager
def _one_of_few() -> Iterator[None]:
    """A turn at the database. The connection is given back afterwards: waiting for mail needs none."""
    with AT_THE_DATABASE:
        try:
            yield
        finally:
            connection.close()


def _watch(account_id: uuid.UUID, mailbox_id: uuid.UUID, stop: threading.Event) -> None:
    wait = FIRST_WAIT
    while not stop.is_set():
        try:
            if not watch_once(
                account_id=account_id, mailbox_id=mailbox_id, should_stop=stop.is_set, database=_one_of_few
            ):
                return
            wait = FIRST_WAIT
            stop.wait(AFTER)
        except Exception as error:  # nothing that happens at one mailbox may end its watch, or that of others
            logger.warning("mailbox %s is not watched for %d s: %s", mailbox_id, wait, error)
            stop.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)


def watch_once(
    *,
    account_id: uuid.UUID,
    mailbox_id: uuid.UUID,
    should_stop: Callable[[], bool],
    seconds: float = RENEWED,
    database: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> bool:
    """Stand at one mailbox on one connection for `seconds`, and wake its round when something came.

    False if there is nothing to stand at any more. Raises `ChannelError`. Nothing of the database is held while it waits;
    `database` is entered for each look at it.
    """
    with database(), tenant_context(account_id):
        mailbox = Mailbox.objects.select_related("channel").filter(pk=mailbox_id, channel__is_active=True).first()
        folders = [one.folder for one in access.with_sent(mailbox.channel.fetched_from)] if mailbox else []
    if mailbox is None or mailbox.folder not in folders:
        return False

    def ring() -> None:
        with database(), tenant_context(account_id):
            mailboxes.ask_for_round(mailbox)

    with database():
        source = access.source_of(mailbox.channel, mailbox.folder)
    assert source is not None, "it was looked at above"
    with source.open() as folder:
        if not isinstance(folder, Rings):
            return False
        # What came between the last round and now does not ring any more. Asked for once a connection: while nobody does
        # the rounds the server is not called again and again.
        if folder.newest > mailbox.last_uid:
            ring()
        if folder.wait(seconds, should_stop=should_stop):
            ring()
    return True
