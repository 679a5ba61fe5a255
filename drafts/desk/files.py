"""Files that leave with a reply: added, picked from the thread, taken off again, before anybody approves.

The bytes stand in the store under their digest, and the digest is in the envelope: what was seen is what is sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.db import transaction

from conversations import audit
from conversations.channels.base import File
from conversations.errors import Invalid
from conversations.messages import files as store
from conversations.messages import outbox, scanning
from conversations.models import Attachment, StoredFile, User
from conversations.people.roles import Verb
from conversations.tenancy import tenant_context
from drafts.desk.readdress import as_seen
from drafts.desk.scene import Scene, Seen, lock, still_open
from drafts.models import Draft
from drafts.models.files import files_of
from ingestion import uploads


def add(*, draft_id: uuid.UUID, actor: User, seen: Seen, files: Sequence[File]) -> Draft:
    """Attach files. One that is there already, by name and content, stays one.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), Stale, Changed or AlreadyDecided (409), Locked (423), Invalid
    (422: none, or more than the channel takes).
    """
    with transaction.atomic():
        scene = _open(draft_id, actor, seen)
        _attachable(scene, files)
        there = {(file["name"], file["sha256"]) for file in files_of(scene.draft)}
        added = [
            row
            for row in (store.row_for(scene.draft.account_id, file, draft_id=draft_id) for file in files)
            if (row.file_name, row.sha256) not in there
        ]
        _added(scene, actor, added)
    return scene.draft


def look(*, draft_id: uuid.UUID, actor: User, seen: Seen, files: Sequence[File]) -> None:
    """Whether `add` would attach these, before their bytes are kept. Changes nothing; raises what `add` raises."""
    with transaction.atomic():
        _attachable(_open(draft_id, actor, seen), files)


def pick(*, draft_id: uuid.UUID, actor: User, seen: Seen, attachment_id: uuid.UUID) -> Draft:
    """Attach a file of the same conversation's messages. Raises what `add` raises; Attachment.DoesNotExist (404) for others."""
    with transaction.atomic():
        scene = _open(draft_id, actor, seen)
        found = Attachment.objects.get(pk=attachment_id, message__conversation=scene.conversation)
        if found.verdict == StoredFile.Verdict.INFECTED:
            raise Invalid(f"{found.file_name}: {scanning.why_not(found.verdict)} Nothing was attached.")
        _within_limits(scene, [found.size_bytes])
        there = {(file["name"], file["sha256"]) for file in files_of(scene.draft)}
        copies = [copy_of(found, scene.draft)] if (found.file_name, found.sha256) not in there else []
        _added(scene, actor, copies)
    return scene.draft


def remove(*, draft_id: uuid.UUID, actor: User, seen: Seen, attachment_id: uuid.UUID) -> Draft:
    """Take a file off; its bytes go when nothing names them any more. Raises what `add` raises; Attachment.DoesNotExist
    (404) for a file that is not this draft's."""
    with transaction.atomic():
        scene = _open(draft_id, actor, seen)
        found = Attachment.objects.get(pk=attachment_id, draft_id=draft_id)
        name, digest = found.file_name, found.sha256
        found.delete()
        transaction.on_commit(partial(drop_unneeded, scene.draft.account_id, digest))
        _changed(scene, actor, audit.Kind.DRAFT_FILE_REMOVED, {"name": name, "sha256": digest})
    return scene.draft


def move(old: Draft, new: Draft) -> None:
    """A draft follows another: what was attached stays attached. In the caller's transaction, under its locks."""
    Attachment.objects.filter(draft_id=old.pk).update(draft_id=new.pk)


def drop_unneeded(account_id: uuid.UUID, digest: str) -> None:
    """After a commit: remove a stored file that nobody in the account needs any more. Whoever stores the same bytes at this
    moment waits for us or we for them (`messages.files.drop`)."""
    with tenant_context(account_id):
        store.drop(account_id, digest, needed=lambda: uploads.are_needed(account_id, digest))


def copy_of(attachment: Attachment, draft: Draft) -> Attachment:
    """The same bytes, as a file of this draft; not stored yet."""
    return Attachment(
        account_id=draft.account_id,
        draft_id=draft.pk,
        file_name=attachment.file_name,
        mime_type=attachment.mime_type,
        size_bytes=attachment.size_bytes,
        sha256=attachment.sha256,
        storage_key=attachment.storage_key,
    )


def _open(draft_id: uuid.UUID, actor: User, seen: Seen) -> Scene:
    scene = lock(draft_id, actor=actor)
    scene.permit(Verb.EDIT)
    still_open(scene, replace(seen, version=scene.draft.version))  # a text that was saved meanwhile is no hindrance
    as_seen(scene, seen)
    return scene


def _attachable(scene: Scene, files: Sequence[File]) -> None:
    if not files:
        raise Invalid("Choose a file. Nothing was attached.")
    _within_limits(scene, [len(file.content) for file in files])


def _within_limits(scene: Scene, sizes: Sequence[int]) -> None:
    limits, label = _limits(scene)
    there = [file["size"] for file in files_of(scene.draft)]
    if len(there) + len(sizes) > limits.files:
        words = f"{label} takes {limits.files} files with a reply" if limits.files else f"{label} takes no files"
        raise Invalid(f"{words}. Nothing was attached.")
    if (size := sum(there) + sum(sizes)) > limits.file_bytes:
        most = limits.file_bytes // 1_000_000
        raise Invalid(f"{size / 1_000_000:.1f} MB, over {most} MB, which is what {label} takes. Nothing was attached.")
    if 0 in sizes:
        raise Invalid("The file is empty. Nothing was attached.")


def _limits(scene: Scene) -> tuple[Any, str]:
    provider = outbox.channel_of(scene.conversation).provided_by
    return provider.limits, provider.label


def _added(scene: Scene, actor: User, rows: Sequence[Attachment]) -> None:
    Attachment.objects.bulk_create(rows)
    for row in rows:
        _changed(scene, actor, audit.Kind.DRAFT_FILE_ADDED, {"name": row.file_name, "sha256": row.sha256})


def _changed(scene: Scene, actor: User, kind: audit.Kind, file: dict[str, str]) -> None:
    audit.record(kind, actor=actor, about=scene.draft, conversation_id=scene.conversation.pk, commit=file)
