"""A scanner is asked before anybody opens a file: what it calls infected, or cannot say, is not handed out and not sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels.base import File
from conversations.database import database_time
from conversations.errors import Invalid
from conversations.messages import files, outbox, scanning
from conversations.models import Attachment, AuditEvent, Delivery, Message, StoredFile, User
from conversations.storage import clamav
from conversations.storage.scanner import Verdict
from conversations.tenancy import tenant_context
from drafts.desk import files as attaching
from ingestion.knowledge.files import UploadGone, keep_upload, read_upload
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.servers import clamd
from tests.servers.clamd import EICAR, Speaks

Browser = Callable[[User], Client]


@pytest.fixture
def speaks(settings: Any) -> Iterator[Speaks]:
    server = Speaks()
    settings.SCAN_FILE, settings.CLAMD_ADDRESS = "conversations.storage.clamav.scan", server.address
    settings.CLAMD_TIMEOUT_SECONDS = 0.5
    yield server
    server.close()


@pytest.fixture
def message(committed_world: World, attachments_dir: Path) -> Message:
    two = (File("bench.gif", "image/gif", b"GIF89a bench"), File("list.txt", "text/plain", b"hoses"))
    return factories.message(committed_world.mail, files=two)


def scanned(message: Message, name: str = "bench.gif") -> Attachment:
    with tenant_context(message.account_id):
        found = message.attachments.get(file_name=name)
        row = StoredFile.objects.get(sha256=found.sha256)
    scanning.scan(account_id=message.account_id, file_id=row.pk)
    with tenant_context(message.account_id):
        found.refresh_from_db()
    return found


# --- what clamd says -----------------------------------------------------------------------------------------------------
@pytest.mark.skipif(bool(clamd.WHY_NOT), reason=clamd.WHY_NOT or "runs")
def test_a_real_clamd_finds_the_test_file_and_nothing_else(settings: Any) -> None:
    with clamd.running() as settings.CLAMD_ADDRESS:
        assert clamav.scan(io.BytesIO(b"hoses" * 50_000)) == Verdict("clean")
        assert clamav.scan(io.BytesIO(b"")) == Verdict("clean")
        found = clamav.scan(io.BytesIO(EICAR))
        assert (found.says, found.words.startswith("Eicar-Test-Signature")) == ("infected", True)
        too_long = clamav.scan(io.BytesIO(b"x" * 3_000_000))
        assert (too_long.says, "size limit exceeded" in too_long.words) == ("unknown", True)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (b"stream: OK\0", Verdict("clean")),
        (b"stream: Win.Test.EICAR_HDB-1 FOUND\0", Verdict("infected", "Win.Test.EICAR_HDB-1")),
        (b"INSTREAM size limit exceeded. ERROR\0", Verdict("unknown", "INSTREAM size limit exceeded.")),
        (b"", Verdict("unknown", "it hung up")),
        (b"stream: OK but not quite\0", Verdict("unknown", "stream: OK but not quite".removeprefix("stream: "))),
    ],
)
def test_only_what_clamd_calls_ok_is_clean(speaks: Speaks, answer: bytes, verdict: Verdict) -> None:
    speaks.answer = answer
    content = bytes(range(256)) * 1000
    assert clamav.scan(io.BytesIO(content)) == verdict
    assert speaks.got == content


# --- what becomes of a file ----------------------------------------------------------------------------------------------
def test_a_file_that_arrives_is_asked_about_by_a_job_of_its_own(speaks: Speaks, message: Message) -> None:
    jobs = ProcrastinateJob.objects.filter(task_name="conversations.scan_file")
    assert jobs.count() == 2
    assert set(jobs.values_list("args__account_id", flat=True)) == {str(message.account_id)}


def test_a_file_is_shut_until_it_is_known_to_be_clean(
    committed_world: World, speaks: Speaks, message: Message, signed_in: Browser
) -> None:
    browser, found = signed_in(committed_world.ada), message
    with tenant_context(message.account_id):
        pk = found.attachments.get(file_name="bench.gif").pk
    for path in (f"/attachments/{pk}/", f"/attachments/{pk}/picture/"):
        answer = browser.get(path)
        assert answer.status_code == 409 and b"still being checked" in answer.content
    assert scanned(message).verdict == "clean"
    assert speaks.got == b"GIF89a bench"
    for path in (f"/attachments/{pk}/", f"/attachments/{pk}/picture/"):
        assert browser.get(path).status_code == 200


@pytest.mark.parametrize("answer", [None, b"", b"no ERROR\0"])
def test_what_could_not_be_checked_stays_shut_and_is_asked_about_again(
    committed_world: World, speaks: Speaks, message: Message, signed_in: Browser, answer: bytes | None
) -> None:
    speaks.answer = answer
    found = scanned(message)
    assert found.verdict == "unknown"
    page = signed_in(committed_world.ada).get(f"/attachments/{found.pk}/")
    assert page.status_code == 409 and b"could not be checked" in page.content
    account_id = message.account_id
    assert scanning.sweep(account_id=account_id) == 1  # the other file, which nobody asked about yet
    with tenant_context(account_id):
        long_ago = database_time.now() - timedelta(hours=1)
        StoredFile.objects.filter(verdict="unknown").update(scanned_at=long_ago)
    assert scanning.sweep(account_id=account_id) == 2
    speaks.answer = b"stream: OK\0"
    assert scanned(message).verdict == "clean"


def test_an_infected_file_is_not_opened_not_picked_and_not_sent(
    committed_world: World, speaks: Speaks, message: Message, signed_in: Browser
) -> None:
    world, draft = committed_world, factories.draft(message)
    speaks.answer = b"stream: Eicar-Test-Signature FOUND\0"
    found = scanned(message)
    assert found.verdict == "infected"
    with tenant_context(world.acme.pk):
        assert AuditEvent.objects.get(kind="file.infected").data == {"finding": "Eicar-Test-Signature"}
    browser = signed_in(world.ada)
    for path in (f"/attachments/{found.pk}/", f"/attachments/{found.pk}/picture/"):
        answer = browser.get(path)
        assert answer.status_code == 409 and b"infected (Eicar-Test-Signature)" in answer.content
    speaks.answer = b"stream: OK\0"
    scanned(message, "list.txt")
    archive = browser.get(f"/messages/{message.pk}/files.zip")
    with zipfile.ZipFile(io.BytesIO(b"".join(archive.streaming_content))) as opened:
        assert opened.namelist() == ["list.txt", "missing.txt"]
        assert b"infected" in opened.read("missing.txt")
    page = browser.get(f"/drafts/{draft.pk}/").content.decode()
    assert "is not opened or sent" in page and f"/attachments/{found.pk}/" not in page
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid, match="infected"):
        attaching.pick(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attachment_id=found.pk)


def test_a_reply_with_a_file_that_is_not_clean_is_not_approved(
    committed_world: World, speaks: Speaks, message: Message
) -> None:
    draft = factories.draft(message)
    own = factories.attached(draft, "sizes.pdf")
    for verdict, words in (("", "still being checked"), ("unknown", "could not be checked"), ("infected", "infected")):
        if verdict:
            with tenant_context(message.account_id):
                now = database_time.now()
                StoredFile.objects.filter(sha256=own.sha256).update(verdict=verdict, scanned_at=now)
        with tenant_context(message.account_id), assert_nothing_written(), pytest.raises(Invalid, match=words):
            factories.approved(draft, committed_world.ada)


def test_the_database_itself_refuses_a_reply_with_an_infected_file(
    committed_world: World, speaks: Speaks, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = factories.draft(message)
    own = factories.attached(draft, "sizes.pdf")
    with tenant_context(message.account_id):
        now = database_time.now()
        StoredFile.objects.filter(sha256=own.sha256).update(verdict="infected", scanned_at=now)
    monkeypatch.setattr(scanning, "shut", lambda *_: {})
    with pytest.raises(IntegrityError, match="infected"), transaction.atomic():
        factories.approved(draft, committed_world.ada)


def test_what_is_found_infected_after_the_approval_does_not_leave(
    committed_world: World, settings: Any, message: Message
) -> None:
    draft = factories.draft(message)
    own = factories.attached(draft, "sizes.pdf")
    delivery = factories.approved(draft, committed_world.ada)
    with tenant_context(message.account_id):
        now = database_time.now() - timedelta(seconds=5)
        StoredFile.objects.filter(sha256=own.sha256).update(verdict="infected", finding="Eicar", scanned_at=now)
        Delivery.objects.filter(pk=delivery.pk).update(hold_until=now, next_attempt_at=now)
    assert outbox.deliver(account_id=message.account_id, delivery_id=delivery.pk) == "failed"
    with tenant_context(message.account_id):
        delivery.refresh_from_db()
    assert "infected" in delivery.error


def test_while_the_scanner_is_away_an_approved_reply_waits(
    committed_world: World, settings: Any, message: Message
) -> None:
    draft = factories.draft(message)
    factories.attached(draft, "sizes.pdf")
    delivery = factories.approved(draft, committed_world.ada)  # nobody was to be asked yet
    with tenant_context(message.account_id):
        now = database_time.now() - timedelta(seconds=5)
        Delivery.objects.filter(pk=delivery.pk).update(hold_until=now, next_attempt_at=now)
    settings.SCAN_FILE, settings.CLAMD_ADDRESS = "conversations.storage.clamav.scan", "127.0.0.1:1"
    assert outbox.deliver(account_id=message.account_id, delivery_id=delivery.pk) == "queued"


def test_a_verdict_stays_with_the_bytes_and_with_one_account(
    committed_world: World, speaks: Speaks, message: Message
) -> None:
    speaks.answer = b"stream: Eicar-Test-Signature FOUND\0"
    scanned(message)
    again = factories.message(committed_world.mail, "Again", files=(File("b.gif", "image/gif", b"GIF89a bench"),))
    with tenant_context(message.account_id):
        assert again.attachments.get().verdict == "infected"
    theirs = factories.message(committed_world.other_mail, files=(File("b.gif", "image/gif", b"GIF89a bench"),))
    with tenant_context(committed_world.globex.pk):
        assert theirs.attachments.get().verdict == ""


def test_an_upload_is_checked_before_it_is_read(committed_world: World, speaks: Speaks, attachments_dir: Path) -> None:
    account_id = committed_world.acme.pk
    upload = keep_upload(account_id=account_id, name="a.md", content=b"# Hoses")
    assert read_upload(account_id=account_id, upload=upload) == b"# Hoses" == speaks.got
    speaks.answer = b"stream: Eicar-Test-Signature FOUND\0"
    other = keep_upload(account_id=account_id, name="b.md", content=b"# Other")
    with pytest.raises(UploadGone, match="infected"):
        read_upload(account_id=account_id, upload=other)


def test_without_a_scanner_nothing_is_asked_and_nothing_is_shut(
    committed_world: World, message: Message, signed_in: Browser
) -> None:
    with tenant_context(message.account_id):
        found = message.attachments.get(file_name="list.txt")
    assert signed_in(committed_world.ada).get(f"/attachments/{found.pk}/").status_code == 200
    assert not ProcrastinateJob.objects.filter(task_name="conversations.scan_file").exists()
    assert scanning.sweep(account_id=message.account_id) == 0
    assert files.read(found) == b"hoses"
