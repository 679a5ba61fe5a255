"""Attachments: the bytes stand once per account under their SHA-256; names and types are on the row."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import connection

from conversations.channels.base import File
from conversations.models import Attachment, Message


def storage() -> Storage:
    return storages["attachments"]


def store(account_id: uuid.UUID, content: bytes) -> tuple[str, str]:
    """Keep `content`; returns (sha256, storage key). Storing the same bytes again is a no-op."""
    digest = hashlib.sha256(content).hexdigest()
    key = key_of(account_id, digest)
    _hold(key)
    if not storage().exists(key):
        storage().save(key, ContentFile(content))
    return digest, key


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
    rows = []
    for file in files:
        digest, key = store(message.account_id, file.content)
        rows.append(
            Attachment(
                account_id=message.account_id,
                message=message,
                file_name=file.file_name[:255] or "attachment",
                mime_type=file.mime_type[:127],
                size_bytes=len(file.content),
                sha256=digest,
                storage_key=key,
                content_id=file.content_id[:255],
                is_inline=file.inline,
            )
        )
    return Attachment.objects.bulk_create(rows)


def read(attachment: Attachment) -> bytes:
    with storage().open(attachment.storage_key, "rb") as stream:
        return bytes(stream.read())
