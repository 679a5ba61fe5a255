"""Attachments: the bytes stand once per account, found by their SHA-256; names and types are on the row.

What is stored is trusted for its content, never for its name: a file that a full disk cut short is written anew.

The store may be another machine, so it is asked outside of transactions: `put` before the one that names the bytes,
`drop` after the one that names them no more. Between the two a row of their own says that they are there.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.core.files.base import ContentFile
from django.core.files.base import File as DjangoFile
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.db.models.functions import Now

from conversations.channels.base import File
from conversations.database import database_time
from conversations.jobs import wake
from conversations.messages.sniffing import kind_of
from conversations.models import Attachment, Message, StoredFile
from conversations.storage import Away
from conversations.tenancy import tenant_context

logger = logging.getLogger(__name__)

#: That long a file may be on its way into a transaction that names it.
UNNAMED_FOR = timedelta(days=1)
#: Bytes that were given up are removed within this time, or their store was away.
STAYED_FOR = timedelta(minutes=10)
AT_ONCE = 200
SCAN_TASK = "conversations.scan_file"


def storage() -> Storage:
    return storages["attachments"]


class Damaged(OSError):
    """The bytes in the store are not those that were put there, or are gone."""


def put(account_id: uuid.UUID, content: bytes) -> tuple[str, str]:
    """Keep `content`; returns (sha256, storage key). Storing the same bytes again is a no-op.

    To be called before the transaction that names them: the store may be slow. Raises OSError if it has no room for
    them, `Away` if it does not answer; nobody can name them then, and what of them is there is swept.
    """
    digest = hashlib.sha256(content).hexdigest()
    while True:
        with tenant_context(account_id):
            row = _row_of(account_id, digest, content)
        if row.kept_at is None or not is_whole(row.storage_key, digest, size=len(content)):
            storage().save(row.storage_key, ContentFile(content))
        with tenant_context(account_id):
            if StoredFile.objects.of_use().filter(pk=row.pk).update(kept_at=Now()):
                if settings.SCAN_FILE and row.verdict == StoredFile.Verdict.UNASKED:
                    wake(SCAN_TASK, once=f"scan:{row.pk}", account_id=account_id, file_id=row.pk)
                return digest, row.storage_key
        storage().delete(row.storage_key)  # somebody dropped it meanwhile


def put_all(account_id: uuid.UUID, files: Iterable[File]) -> None:
    """Keep the bytes of all, before the transaction that names them. Raises as `put`."""
    for file in files:
        put(account_id, file.content)


def _row_of(account_id: uuid.UUID, digest: str, content: bytes) -> StoredFile:
    """The row of these bytes, which is there before they are. The key cannot be guessed, not even from the bytes."""
    name = secrets.token_hex(24)
    row, is_new = StoredFile.objects.get_or_create(
        account_id=account_id,
        sha256=digest,
        dropped_at=None,
        defaults={
            "storage_key": f"{account_id}/{name[:2]}/{name}",
            "size_bytes": len(content),
            "kind": kind_of(content),
        },
    )
    if not is_new:
        StoredFile.objects.filter(pk=row.pk).update(asked_at=Now())
    return row


def is_whole(key: str, digest: str, *, size: int) -> bool:
    """Whether the stored bytes have this size and this SHA-256. Raises Away."""
    try:
        if storage().size(key) != size:
            return False
        open_whole(key, digest).close()
    except Away:
        raise
    except (OSError, ObjectDoesNotExist):
        return False
    return True


def open_whole(key: str, digest: str) -> DjangoFile:
    """The stored file, opened at its start; its bytes are what their digest says. Raises Damaged, Away."""
    try:
        stream = storage().open(key, "rb")
    except Away:
        raise
    except (OSError, ObjectDoesNotExist) as error:
        raise Damaged("The file is not in the store any more; its name and digest are kept.") from error
    found = hashlib.sha256()
    for chunk in stream.chunks():
        found.update(chunk)
    if found.hexdigest() != digest:
        stream.close()
        raise Damaged("The stored file is not the one that was put there; it was not used. Restore it from a backup.")
    stream.seek(0)
    return stream


def read_whole(key: str, digest: str) -> bytes:
    """The stored bytes, which are what their digest says. Raises Damaged, Away."""
    with open_whole(key, digest) as stream:
        return bytes(stream.read())


def key_of(account_id: uuid.UUID, digest: str) -> str:
    """The storage key of these bytes, in the caller's tenant; of what was kept before there were rows, its old name."""
    found = (
        StoredFile.objects.of_use().filter(account_id=account_id, sha256=digest).values_list("storage_key", flat=True)
    )
    return found.first() or f"{account_id}/{digest[:2]}/{digest}"


def drop(account_id: uuid.UUID, digest: str, *, needed: Callable[[], bool]) -> bool:
    """Give up bytes that no attachment names and that are not `needed`, in the caller's transaction; False if they stay.

    They leave the store after the commit. Whoever names the same bytes at this moment waits for us or we for them.
    """
    row = StoredFile.objects.of_use().select_for_update(of=("self",)).filter(sha256=digest).first()
    if needed() or Attachment.objects.filter(account_id=account_id, sha256=digest).exists():
        return False
    if row is None:
        transaction.on_commit(partial(_remove_old, key_of(account_id, digest)))
        return True
    StoredFile.objects.filter(pk=row.pk).update(dropped_at=Now())
    transaction.on_commit(partial(remove, account_id, row.pk, row.storage_key))
    return True


def _remove_old(key: str) -> None:
    try:
        storage().delete(key)
    except OSError:
        logger.warning("a file that nobody needs could not be removed: %s", key)


def remove(account_id: uuid.UUID, row_id: uuid.UUID, key: str) -> bool:
    """Take dropped bytes out of the store, then their row. A store that is away keeps both, for `sweep`."""
    try:
        storage().delete(key)
    except OSError as error:
        logger.warning("a file that nobody needs stays in the store for now: %s", error)
        return False
    with tenant_context(account_id):
        StoredFile.objects.on_their_way_out().filter(pk=row_id).delete()
    return True


def sweep(*, account_id: uuid.UUID, needed: Callable[[str], bool]) -> int:
    """Remove what was put there and never named, after a day, and what could not be removed before. How many went.

    `needed` says of a digest whether anything but an attachment needs it.
    """
    long_ago = database_time.now() - UNNAMED_FOR
    with tenant_context(account_id):
        old = StoredFile.objects.of_use().unnamed().filter(asked_at__lt=long_ago)
        digests = list(old.order_by("asked_at").values_list("sha256", flat=True)[:AT_ONCE])
    went = 0
    for digest in digests:

        def in_use(digest: str = digest) -> bool:
            return needed(digest) or not StoredFile.objects.filter(sha256=digest, asked_at__lt=long_ago).exists()

        with tenant_context(account_id):
            went += drop(account_id, digest, needed=in_use)
    with tenant_context(account_id):
        stayed = StoredFile.objects.on_their_way_out().filter(dropped_at__lt=database_time.now() - STAYED_FOR)
        going = list(stayed.values_list("pk", "storage_key")[:AT_ONCE])
    return went + sum(remove(account_id, *each) for each in going)


def attach(message: Message, files: Iterable[File]) -> list[Attachment]:
    """The rows of a message's files, in the caller's transaction. Raises OSError like `row_for`."""
    return Attachment.objects.bulk_create(row_for(message.account_id, file, message=message) for file in files)


def row_for(account_id: uuid.UUID, file: File, **of: Any) -> Attachment:
    """The file's row, not stored yet, of bytes that were `put` before; until the caller's transaction ends nobody drops
    them. `of` says whose it is. Raises OSError like `put`, which what was not put before is now."""
    digest = hashlib.sha256(file.content).hexdigest()
    kept = _held(account_id, digest)
    if kept is None:
        put(account_id, file.content)
        kept = _held(account_id, digest)
    if kept is None:
        raise Away("The file was removed from the store at this moment. Try again.")
    return Attachment(
        account_id=account_id,
        file_name=file.file_name[:255] or "attachment",
        mime_type=file.mime_type[:127],
        size_bytes=len(file.content),
        sha256=digest,
        storage_key=kept.storage_key,
        content_id=file.content_id[:255],
        is_inline=file.inline,
        **of,
    )


def _held(account_id: uuid.UUID, digest: str) -> StoredFile | None:
    """The bytes' row, locked, if they are there as a whole."""
    rows = StoredFile.objects.of_use().select_for_update(of=("self",), no_key=True)
    return rows.filter(account_id=account_id, sha256=digest, kept_at__isnull=False).first()


def read(attachment: Attachment) -> bytes:
    """The attachment's bytes. Raises Damaged, Away."""
    return read_whole(attachment.storage_key, attachment.sha256)
