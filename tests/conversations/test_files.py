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
from django.db import connection
from django.utils import timezone

from conversations.channels.base import File
from conversations.messages import files, outbox
from conversations.models import Account, Attachment, Conversation, Delivery, DeliveryAttempt
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
        files.store(acme.pk, CONTENT)
    assert stored(attachments_dir) == []
    digest, key = files.store(acme.pk, CONTENT)
    assert files.read_whole(key, digest) == CONTENT
    assert [path.name for path in stored(attachments_dir)] == [digest]


@pytest.mark.parametrize("damaged", [CONTENT[:30_000], b"", bytes(len(CONTENT)), CONTENT + b"x"])
def test_a_name_that_exists_is_trusted_for_its_bytes_only(
    world: World, acme: Any, attachments_dir: Path, damaged: bytes
) -> None:
    digest, key = files.store(acme.pk, CONTENT)
    (attachments_dir / key).write_bytes(damaged)
    assert files.store(acme.pk, CONTENT) == (digest, key)
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
