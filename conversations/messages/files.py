"""Attachments: the bytes stand once per account under their SHA-256; names and types are on the row.

What is stored is trusted for its content, never for its name: a file that a full disk cut short is written anew.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.files.base import ContentFile
from django.core.files.base import File as DjangoFile
from django.core.files.storage import Storage, storages
from django.db import connection

from conversations.channels.base import File
from conversations.models import Attachment, Message


def storage() -> Storage:
    return storages["attachments"]


class Damaged(OSError):
    """The bytes in the store are not those that were put there, or are gone."""


def store(account_id: uuid.UUID, content: bytes) -> tuple[str, str]:
    """Keep `content`; returns (sha256, storage key). Storing the same bytes again is a no-op.

    Raises OSError if the store has no room for them; nothing is kept then.
    """
    digest = hashlib.sha256(content).hexdigest()
    key = key_of(account_id, digest)
    _hold(key)
    if not is_whole(key, digest, size=len(content)):
        storage().delete(key)
        storage().save(key, ContentFile(content))
    return digest, key


def is_whole(key: str, digest: str, *, size: int) -> bool:
    """Whether the stored bytes have this size and this SHA-256."""
    try:
        if storage().size(key) != size:
            return False
        open_whole(key, digest).close()
    except (OSError, ObjectDoesNotExist):
        return False
    return True


def open_whole(key: str, digest: str) -> DjangoFile:
    """The stored file, opened at its start; its bytes are what their digest says. Raises Damaged."""
    try:
        stream = storage().open(key, "rb")
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
    """The stored bytes, which are what their digest says. Raises Damaged."""
    with open_whole(key, digest) as stream:
        return bytes(stream.read())


def key_of(account_id: uuid.UUID, digest: str) -> str:
    return f"{account_id}/{digest[:2]}/{digest}"


def _hold(key: str) -> None:
    """Until the end of the transaction: what is stored and what is dropped under one digest wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 3))", [key])


def drop(account_id: uuid.UUID, digest: str, *, needed: Callable[[], bool]) -> bool:
    """Remove bytes that no attachment names and that are not `needed`, in the caller's transaction; False if they stay."""
    key = key_of(account_id, digest)
    _hold(key)
    if needed() or Attachment.objects.filter(account_id=account_id, sha256=digest).exists():
        return False
    storage().delete(key)
    return True


def attach(message: Message, files: Iterable[File]) -> list[Attachment]:
    return Attachment.objects.bulk_create(row_for(message.account_id, file, message=message) for file in files)


def row_for(account_id: uuid.UUID, file: File, **of: Any) -> Attachment:
    """The file's row, not stored yet, with its bytes kept. `of` says whose it is. Raises OSError like `store`."""
    digest, key = store(account_id, file.content)
    return Attachment(
        account_id=account_id,
        file_name=file.file_name[:255] or "attachment",
        mime_type=file.mime_type[:127],
        size_bytes=len(file.content),
        sha256=digest,
        storage_key=key,
        content_id=file.content_id[:255],
        is_inline=file.inline,
        **of,
    )


def read(attachment: Attachment) -> bytes:
    """The attachment's bytes. Raises Damaged."""
    return read_whole(attachment.storage_key, attachment.sha256)
