"""Whether a stored file may be opened: a scanner is asked before anybody does, and what it said stays with the bytes.

Without a scanner (`SCAN_FILE`) every file may, but for those that one once called infected. With one, a file waits until it
is known to be clean: what could not be checked is asked about again, and stays shut meanwhile.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.files.base import File as DjangoFile
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from conversations import audit
from conversations.database import database_time
from conversations.jobs import wake
from conversations.messages import files
from conversations.models import StoredFile
from conversations.models.files import StoredFileQuerySet
from conversations.storage import Away
from conversations.storage.scanner import Scanner, Verdict
from conversations.tenancy import tenant_context

logger = logging.getLogger(__name__)

#: When a file that could not be checked is asked about again.
AGAIN = timedelta(minutes=10)
AT_ONCE = 200
Says = StoredFile.Verdict


class Infected(OSError):
    """The scanner found something in the file: it is not opened and not sent."""


class NotChecked(Away):
    """Nobody knows yet whether the file is clean."""


def is_on() -> bool:
    return bool(settings.SCAN_FILE)


def why_not(verdict: str, finding: str = "") -> str:
    """Why a file with this verdict may not be opened, in words; empty if it may."""
    if verdict == Says.INFECTED:
        return (
            f"It is infected ({finding}), and is not opened or sent."
            if finding
            else "It is infected, and is not opened or sent."
        )
    if not is_on() or verdict == Says.CLEAN:
        return ""
    if verdict == Says.UNKNOWN:
        return f"It could not be checked ({finding or 'no reason was given'}) and stays shut; it is tried again."
    return "It is still being checked; try again in a moment."


def shut(account_id: uuid.UUID, digests: Iterable[str]) -> dict[str, str]:
    """Those of the files that may not be opened or sent, and why; in the caller's tenant."""
    found = StoredFile.objects.of_use().filter(account_id=account_id, sha256__in=list(digests))
    known = {
        sha256: (verdict, finding) for sha256, verdict, finding in found.values_list("sha256", "verdict", "finding")
    }
    return {digest: why for digest in digests if (why := why_not(*known.get(digest, ("", ""))))}


def refuse(account_id: uuid.UUID, digest: str) -> None:
    """In the caller's tenant. Raises Infected or NotChecked for a file that may not be opened."""
    row = StoredFile.objects.of_use().filter(account_id=account_id, sha256=digest).first()
    verdict = row.verdict if row else ""
    if why := why_not(verdict, row.finding if row else ""):
        raise (Infected if verdict == Says.INFECTED else NotChecked)(why)


def open_checked(account_id: uuid.UUID, key: str, digest: str) -> DjangoFile:
    """The stored file, of which it is known that it may be opened; outside of any transaction. One that waits for the scanner
    is asked about now. Raises Infected, NotChecked, files.Damaged, Away."""
    if is_on():
        with tenant_context(account_id):
            waiting = _waiting().filter(account_id=account_id, sha256=digest).values_list("pk", flat=True).first()
        if waiting is not None:
            scan(account_id=account_id, file_id=waiting)
    with tenant_context(account_id):
        refuse(account_id, digest)
    return files.open_whole(key, digest)


def read_checked(account_id: uuid.UUID, key: str, digest: str) -> bytes:
    """Its bytes. Raises as `open_checked`."""
    with open_checked(account_id, key, digest) as stream:
        return bytes(stream.read())


def scan(*, account_id: uuid.UUID, file_id: uuid.UUID) -> str:
    """Ask the scanner about a stored file and keep what it says; returns the verdict. Harmless twice or late."""
    if not is_on():
        return "off"
    with tenant_context(account_id):
        row = _waiting().filter(pk=file_id).first()
    if row is None:
        return "gone"
    says, words = _ask(row)
    with tenant_context(account_id):
        held = StoredFile.objects.of_use().select_for_update(of=("self",)).filter(pk=file_id).first()
        if held is None or held.verdict not in {Says.UNASKED, Says.UNKNOWN}:
            return held.verdict if held else "gone"
        StoredFile.objects.filter(pk=file_id).update(verdict=says, finding=words, scanned_at=Now())
        if says == "infected":
            audit.record(audit.Kind.FILE_INFECTED, actor=audit.SYSTEM, about=held, data={"finding": words})
    return says


def sweep(*, account_id: uuid.UUID) -> int:
    """Ask for a scan of what has none, or could not be checked a while ago. How many."""
    if not is_on():
        return 0
    long_ago = database_time.now() - AGAIN
    with tenant_context(account_id):
        due = _waiting().filter(Q(scanned_at__isnull=True) | Q(scanned_at__lt=long_ago)).order_by("kept_at")
        found = list(due.values_list("pk", flat=True)[:AT_ONCE])
        for pk in found:
            ask(account_id, pk)
    return len(found)


def ask(account_id: uuid.UUID, file_id: uuid.UUID) -> None:
    """A job of its own, in the caller's transaction."""
    wake(files.SCAN_TASK, once=f"scan:{file_id}", account_id=account_id, file_id=file_id)


def _waiting() -> StoredFileQuerySet:
    return StoredFile.objects.of_use().unchecked()


def _ask(row: StoredFile) -> Verdict:
    """Whatever goes wrong with the scanner is `unknown`, and no reason to open a file."""
    try:
        with files.open_whole(row.storage_key, row.sha256) as stream:
            scanner: Scanner = import_string(settings.SCAN_FILE)
            found = scanner(stream)
        says = Says(found.says)
        if says == Says.UNASKED:
            raise ValueError("the scanner said nothing")
    except Exception as error:
        logger.exception("a file could not be checked: %s", row.pk)
        return Verdict("unknown", type(error).__name__)
    return Verdict(found.says, audit.masked(found.words)[:200])
