"""Attachments: the bytes stand once per account under their SHA-256; names and types are on the row."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from conversations.channels.base import File
from conversations.models import Attachment, Message


def storage() -> Storage:
    return storages["attachments"]


def store(account_id: uuid.UUID, content: bytes) -> tuple[str, str]:
    """Keep `content`; returns (sha256, storage key). Storing the same bytes again is a no-op."""
    digest = hashlib.sha256(content).hexdigest()
    key = f"{account_id}/{digest[:2]}/{digest}"
    if not storage().exists(key):
        storage().save(key, ContentFile(content))
    return digest, key


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
