"""F11: the disk of the database is full, and the disk of the attachments."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from django.test import override_settings

from conversations.messages import files
from conversations.models import Message
from conversations.tenancy import tenant_context
from tests.faults.ground import Ground, Outcome, migrated, noticed, wait_until

SIZE = "420m"  # of the database's disk: it has 16 MB of WAL at least, and two copies of what a migration writes


def f11_the_disk_is_full(ground: Ground) -> Outcome:
    """While the database's disk is full nothing is acknowledged that is not kept; when there is room it goes on."""
    if os.geteuid() != 0:
        return Outcome(skipped="a disk of its own needs root (mount)")
    out = Outcome(trials=ground.count(5, 1))
    try:
        with _small_disk(ground.folder / "small", SIZE) as disk:
            _fill_the_database(ground, disk, out)
    except subprocess.CalledProcessError as error:
        return Outcome(skipped=f"no disk could be mounted here: {error}")
    _fill_the_attachments(ground, out)
    return out


@contextlib.contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir(mode=0o755, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)], check=True, capture_output=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def _fill_the_database(ground: Ground, disk: Path, out: Outcome) -> None:
    """A cluster of its own on the small disk, because a full disk may end it."""
    from config.postgres import embedded
    from tests.faults.ground import World

    ours, cluster = ground.cluster, embedded(disk / "postgres")
    options = ("max_wal_size=64MB", "wal_keep_size=0", "shared_buffers=32MB")
    cluster.start(*options)
    acked: list[str] = []
    try:
        connection.close()
        ground.cluster = cluster
        migrated(cluster)
        ground.world = World()
        token = ground.token()
        conversation = ground.drafts(1)[0].conversation_id
        draft = ground.drafts(1)[0]
        with (
            ground.serving() as server,
            httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as service,
            httpx2.Client(base_url=server.url, cookies=ground.cookie(ground.world.ada), timeout=30) as browser,
        ):
            from tests.faults.killed import form

            url, fields = form(browser, draft)
            number = 0

            def post() -> int:
                nonlocal number
                number += 1
                body = {"external_id": f"disk-{number}", "body_text": os.urandom(20_000).hex()}
                status = service.post(f"/internal/conversations/{conversation}/messages", json=body).status_code
                if status in {200, 201}:
                    acked.append(body["external_id"])
                return int(status)

            for _ in range(out.trials):
                filler = disk / "filler"
                with contextlib.suppress(OSError), filler.open("wb") as stream:
                    while True:
                        stream.write(bytes(1 << 20))
                        stream.flush()
                found: list[int] = []
                for _ in range(400):
                    found.append(post())
                    if found[-1] == 503 and len(found) > 5:
                        break
                out.must(503 in found, f"the disk was full and answers were {sorted(set(found))}")
                out.must(set(found) <= {200, 201, 503}, f"answers with a full disk: {sorted(set(found))}")
                press = browser.post(url, data=fields, headers={"HX-Request": "true"}).status_code
                out.must(press in {200, 409, 503}, f"a press with a full disk was answered {press}")
                filler.unlink()
                wait_until(cluster.is_running, 3)
                if not cluster.is_running():
                    cluster.start(*options)
                out.must(wait_until(lambda: post() == 201, 20, 0.2), "nothing is taken although there is room again")
        connection.close()

        def check(found: Outcome) -> None:
            with tenant_context(ground.world.acme.pk):
                there = set(Message.objects.values_list("external_id", flat=True))
            found.must(set(acked) <= there, f"{len(set(acked) - there)} messages were acknowledged and are not there")
            ground.check_trail(found)

        def lost(planted: Outcome) -> None:
            ground.superuser(f"DELETE FROM conversations_message WHERE external_id = '{acked[0]}'")
            check(planted)

        check(out)
        out.control = noticed(lost, what="one row removed by hand")
        out.figures = f"{len(acked)} messages kept, {number - len(acked)} refused with 503"
    finally:
        connection.close()
        cluster.stop()
        ground.cluster = ours
        migrated(ours)
        ground.fresh()


def _fill_the_attachments(ground: Ground, out: Outcome) -> None:
    """A file that does not fit leaves nothing of its name, and is whole when it comes again."""
    with _small_disk(ground.folder / "attachments-disk", "1m") as disk:
        where = {"attachments": {"BACKEND": "conversations.storage.WholeFiles", "OPTIONS": {"location": str(disk)}}}
        content = os.urandom(1_500_000)
        with override_settings(STORAGES={**settings.STORAGES, **where}):
            storages._storages.clear()  # type: ignore[attr-defined]
            with tenant_context(ground.world.acme.pk):
                try:
                    files.put(ground.world.acme.pk, content)
                    out.violations.append("a file larger than its disk was stored")
                except OSError:
                    pass
            left = [path for path in disk.rglob("*") if path.is_file()]
            out.must(not left, f"a file that did not fit left {left}")
            subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True, capture_output=True)
            with tenant_context(ground.world.acme.pk):
                digest, key = files.put(ground.world.acme.pk, content)
                out.must(files.read_whole(key, digest) == content, "the file is not whole after there was room")
        storages._storages.clear()  # type: ignore[attr-defined]
