"""Stored files are whole or not there: no room, a killed process and a damaged store are noticed, and mended."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone

from conversations.channels.base import File
from conversations.messages import files, outbox
from conversations.messages.sniffing import UNKNOWN, kind_of
from conversations.models import Account, Attachment, Conversation, Delivery, DeliveryAttempt, StoredFile
from conversations.storage import UNFINISHED, WholeFiles
from conversations.tenancy import tenant_context
from drafts import retention
from tests import factories
from tests.conftest import World

CONTENT = bytes(range(256)) * 400  # 100 kB


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process can grow over `size` bytes: write(2) fails half-way, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_a_full_disk_cut_short_is_not_kept_and_the_next_try_is_whole(
    world: World, acme: Any, attachments_dir: Path
) -> None:
    with room_for(30_000), pytest.raises(OSError, match="File too large"):
        files.put(acme.pk, CONTENT)
    assert stored(attachments_dir) == []
    digest, key = files.put(acme.pk, CONTENT)
    assert files.read_whole(key, digest) == CONTENT
    assert [path.name for path in stored(attachments_dir)] == [key.rpartition("/")[2]]
    assert digest not in key


@pytest.mark.parametrize("damaged", [CONTENT[:30_000], b"", bytes(len(CONTENT)), CONTENT + b"x"])
def test_a_name_that_exists_is_trusted_for_its_bytes_only(
    world: World, acme: Any, attachments_dir: Path, damaged: bytes
) -> None:
    digest, key = files.put(acme.pk, CONTENT)
    (attachments_dir / key).write_bytes(damaged)
    assert files.put(acme.pk, CONTENT) == (digest, key)
    assert (attachments_dir / key).read_bytes() == CONTENT


def test_a_process_killed_while_it_writes_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    program = f"""
import os, signal
from django.conf import settings
settings.configure()
from django.core.files.base import ContentFile
from conversations.storage import WholeFiles
class Dying(ContentFile):
    def chunks(self, size=None):
        yield b"x" * 50_000
        os.kill(os.getpid(), signal.SIGKILL)
WholeFiles(location={str(tmp_path)!r}).save("a/bc/abcdef", Dying(b""))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    [left] = stored(tmp_path)
    assert left.name.endswith(UNFINISHED)
    store = WholeFiles(location=str(tmp_path))
    assert store.forget_unfinished() == 0  # its writer may be alive
    os.utime(left, (time.time() - 90_000,) * 2)
    assert store.forget_unfinished() == 1
    assert stored(tmp_path) == []


def test_a_damaged_file_is_not_sent_and_not_shown(
    committed_world: World, attachments_dir: Path, signed_in: Any
) -> None:
    world = committed_world
    message = factories.message(world.mail, "See picture", files=(File("a.png", "image/png", CONTENT),))
    delivery = factories.approved(factories.draft(message), world.ada)
    with tenant_context(world.acme.pk):
        attachment = Attachment.objects.get(message=message)
        (attachments_dir / attachment.storage_key).write_bytes(CONTENT[:-1])
        named = {"name": "a.png", "sha256": attachment.sha256, "key": attachment.storage_key}
        Delivery.objects.filter(pk=delivery.pk).update(envelope={**delivery.envelope, "files": [named]})
        outbox.release(delivery_id=delivery.pk, actor=world.ada)
    page = signed_in(world.ada).get(f"/attachments/{attachment.pk}/")
    assert page.status_code == 404
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk) == "failed"
    with tenant_context(world.acme.pk):
        attempt = DeliveryAttempt.objects.get(delivery=delivery)
    assert (attempt.outcome, "not the one that was put there" in attempt.response) == ("permanent", True)


def test_bytes_that_arrive_again_while_retention_drops_them_stay(committed_world: World, attachments_dir: Path) -> None:
    """Retention removed files without the lock of whoever stores them: the newer message lost its file."""
    world, file = committed_world, File("a.png", "image/png", CONTENT)
    message = factories.message(world.mail, "Old", files=(file,))
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(purge_after_days=30)
        Conversation.objects.filter(pk=message.conversation_id).update(
            status="closed", owed="", due_at=None, completed_at=timezone.now() - timedelta(days=365)
        )
    with ThreadPoolExecutor(max_workers=1) as other:

        def purge() -> None:
            retention.apply(account_id=world.acme.pk, dry_run=False)
            connection.close()

        with tenant_context(world.acme.pk):
            newer = factories.message(world.mail, "New", files=(file,))
            purged = other.submit(purge)
            with pytest.raises(TimeoutError):  # the newer message is not committed: nobody knows yet that it needs them
                purged.result(timeout=1.5)
        purged.result(timeout=30)
    with tenant_context(world.acme.pk):
        assert files.read(Attachment.objects.get(message=newer)) == CONTENT


def test_a_secret_of_this_machine_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from config import settings as product

    monkeypatch.setattr(product, "LOCAL_DIR", tmp_path)
    with room_for(10), pytest.raises(OSError, match="File too large"):
        product._local_secret("secret_key")
    made = product._local_secret("secret_key")
    assert len(made) > 50
    assert product._local_secret("secret_key") == made


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ATTACHMENTS_STORE": "s4"}, "one of: file, s3, gcs"),
        ({"ATTACHMENTS_STORE": "s3"}, "ATTACHMENTS_BUCKET"),
        ({"ATTACHMENTS_STORE": "s3", "ATTACHMENTS_BUCKET": "b", "ATTACHMENTS_KEY_ID": "half"}, "Set both"),
        ({"ATTACHMENTS_STORE": "gcs", "ATTACHMENTS_BUCKET": "b"}, "Set both"),
        ({"ATTACHMENTS_STORE": "s3", "ATTACHMENTS_BUCKET": "b", "ATTACHMENTS_ENDPOINT": "s3.acme.test"}, "no scheme"),
    ],
)
def test_half_a_bucket_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: str
) -> None:
    from config import attachments

    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=words):
        attachments.store(tmp_path)


def test_googles_bucket_is_asked_where_google_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from config import attachments

    for name, value in {"STORE": "gcs", "BUCKET": "b", "KEY_ID": "id", "KEY": "secret"}.items():
        monkeypatch.setenv(f"ATTACHMENTS_{name}", value)
    options = attachments.store(tmp_path)["OPTIONS"]
    assert (options["endpoint"], options["region"]) == ("https://storage.googleapis.com", "auto")


def test_a_type_is_told_by_the_first_bytes_and_never_one_that_runs() -> None:
    told = {
        b"%PDF-1.7": "application/pdf", b"\x89PNG\r\n\x1a\n": "image/png", b"RIFF\0\0\0\0WEBP": "image/webp",
        b"<html>": UNKNOWN, b"<svg xmlns=''>": UNKNOWN, b"": UNKNOWN, b"\x89PN": UNKNOWN,
    }  # fmt: skip
    assert {content: kind_of(content) for content in told} == told


def test_two_who_keep_the_same_bytes_at_once_keep_them_once(
    committed_world: World, attachments_dir: Path, in_threads: Any
) -> None:
    keys = in_threads([lambda: files.put(committed_world.acme.pk, CONTENT)] * 6)
    assert len(set(keys)) == 1 and len(stored(attachments_dir)) == 1
    with tenant_context(committed_world.acme.pk):
        assert StoredFile.objects.count() == 1
    other = files.put(committed_world.globex.pk, CONTENT)
    assert other[1] != keys[0][1] and len(stored(attachments_dir)) == 2


def test_bytes_that_are_dropped_while_they_are_put_are_put_again(
    committed_world: World, attachments_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever puts them holds no lock meanwhile: the row that went is noticed, and what was written under it goes too."""
    account_id, real = committed_world.acme.pk, WholeFiles._save

    def dropped(self: WholeFiles, name: str, content: Any) -> str:
        monkeypatch.setattr(WholeFiles, "_save", real)
        with tenant_context(account_id):
            files.drop(account_id, StoredFile.objects.get().sha256, needed=lambda: False)
        return real(self, name, content)

    monkeypatch.setattr(WholeFiles, "_save", dropped)
    digest, key = files.put(account_id, CONTENT)
    assert files.read_whole(key, digest) == CONTENT
    assert [path.name for path in stored(attachments_dir)] == [key.rpartition("/")[2]]
