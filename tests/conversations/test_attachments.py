"""Files of a message to look at and to take: a picture by its bytes, all of them in one archive."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.channels.base import File
from conversations.models import User
from conversations.tenancy import tenant_context
from conversations.views.attachments import _names
from tests import factories
from tests.conftest import World

Browser = Callable[[User], Client]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
def sent(world: World, attachments_dir: Any) -> Any:
    files = (
        File("bench.png", "image/png", PNG, inline=False),
        File("evil.png", "image/png", b"<svg onload=alert(1)>", inline=False),
        File("../list.txt", "text/plain", b"hoses", inline=False),
        File("LIST.txt", "text/plain", b"ends", inline=False),
    )
    return factories.message(world.mail, "See these", files=files)


def file_named(message: Any, name: str) -> uuid.UUID:
    with tenant_context(message.account_id):
        return uuid.UUID(str(message.attachments.get(file_name__endswith=name).pk))


def test_a_picture_is_shown_by_its_bytes_and_can_run_nothing(world: World, sent: Any, signed_in: Browser) -> None:
    answer = signed_in(world.ada).get(f"/attachments/{file_named(sent, 'bench.png')}/picture/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert b"".join(answer.streaming_content) == PNG
    assert answer["Content-Security-Policy"].strip() == "default-src 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["evil.png", "list.txt"])
def test_what_only_calls_itself_a_picture_is_none(world: World, sent: Any, signed_in: Browser, name: str) -> None:
    assert signed_in(world.ada).get(f"/attachments/{file_named(sent, name)}/picture/").status_code == 404


def test_all_files_come_in_one_archive_under_their_own_names(world: World, sent: Any, signed_in: Browser) -> None:
    answer = signed_in(world.ada).get(f"/messages/{sent.pk}/files.zip")
    content = b"".join(answer.streaming_content)
    assert answer["Content-Length"] == str(len(content))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["bench.png", "evil.png", "_list.txt", "LIST.txt"]
        assert archive.read("_list.txt") == b"hoses"


def test_a_file_that_the_store_lost_is_named_in_the_archive(
    world: World, sent: Any, signed_in: Browser, attachments_dir: Any
) -> None:
    with tenant_context(world.acme.pk):
        key = sent.attachments.get(file_name="bench.png").storage_key
    (attachments_dir / key).unlink()
    content = b"".join(signed_in(world.ada).get(f"/messages/{sent.pk}/files.zip").streaming_content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["evil.png", "_list.txt", "LIST.txt", "missing.txt"]
        assert archive.read("missing.txt").startswith(b"bench.png: The file is not in the store any more")


def test_a_name_in_an_archive_is_a_plain_one_and_its_own() -> None:
    assert _names(["a.txt", "A.TXT", "a.txt", "../../etc/passwd", "...", "a\x00b\n.pdf", ""]) == [
        "a.txt", "A (2).TXT", "a (3).txt", "_.._etc_passwd", "file", "a_b_.pdf", "file (2)",
    ]  # fmt: skip


def test_foreign_files_and_messages_without_files_are_404(world: World, sent: Any, signed_in: Browser) -> None:
    theirs, bare = signed_in(world.eve), factories.message(world.mail)
    assert theirs.get(f"/messages/{sent.pk}/files.zip").status_code == 404
    assert theirs.get(f"/attachments/{file_named(sent, 'bench.png')}/picture/").status_code == 404
    assert signed_in(world.ada).get(f"/messages/{bare.pk}/files.zip").status_code == 404


def test_the_thread_offers_the_picture_on_demand_and_all_files(world: World, sent: Any, signed_in: Browser) -> None:
    page = BeautifulSoup(signed_in(world.ada).get(f"/conversations/{sent.conversation_id}/").content, "lxml")
    assert [str(one["src"]) for one in page.select(".peek img")] == [
        f"/attachments/{file_named(sent, name)}/picture/" for name in ("bench.png", "evil.png")
    ]
    assert not page.select(".peek[open]")
    assert page.select_one(f'a[href="/messages/{sent.pk}/files.zip"]')
