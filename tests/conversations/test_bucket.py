"""Files in a bucket, against a real server of the S3 protocol: in, out by a link that dies, gone when erased, away for a while."""

from __future__ import annotations

import logging
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError

import pytest
from aiosmtpd.controller import Controller
from bs4 import BeautifulSoup
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from config.demo.__main__ import free_port
from conversations.database import database_time
from conversations.messages import files, outbox
from conversations.models import Attachment, AuditEvent, Channel, Delivery, DeliveryAttempt, Message, StoredFile, User
from conversations.storage import Away
from conversations.storage.objects import ObjectStorage
from conversations.tenancy import tenant_context
from drafts import erasure
from drafts.models import Draft
from ingestion import receive, uploads
from tests import factories
from tests.conftest import World
from tests.servers import seaweed
from tests.servers.seaweed import Seaweed

pytestmark = pytest.mark.skipif(bool(seaweed.WHY_NOT), reason=seaweed.WHY_NOT or "runs")
Browser = Callable[[User], Client]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


@pytest.fixture(scope="module")
def server() -> Iterator[Seaweed]:
    with seaweed.running() as found:
        yield found


@pytest.fixture
def bucket(server: Seaweed, settings: Any) -> Seaweed:
    settings.STORAGES = {**settings.STORAGES, "attachments": server.storages}
    for name in server.names():
        server.client().remove_object(seaweed.BUCKET, name)
    return server


@pytest.fixture
def keeper() -> Iterator[tuple[list[Any], int]]:
    mails: list[Any] = []

    class Keeper:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            mails.append(envelope)
            return "250 kept"

    port = free_port()
    controller = Controller(Keeper(), hostname="127.0.0.1", port=port)
    controller.start()
    yield mails, port
    controller.stop()


def mail(content: bytes = PNG) -> bytes:
    import base64

    return (
        b"From: Pat <pat@customer.test>\r\nTo: support@acme.test\r\nSubject: Hose\r\nMessage-ID: <1@customer.test>\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        b"See the picture.\r\n--b\r\nContent-Type: text/html; name=evil.html\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="bench \xc3\xb6.png"\r\n\r\n'
        + base64.encodebytes(content)
        + b"\r\n--b--\r\n"
    )


def received(world: World, content: bytes = PNG) -> Message:
    found = receive.receive_mail(account_id=world.acme.pk, channel_id=world.mail.pk, raw=mail(content)).message
    assert found is not None
    return found


def of(message: Message) -> Attachment:
    with tenant_context(message.account_id):
        return message.attachments.get()


def fetched(link: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(link, timeout=5) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except HTTPError as error:
        return error.code, {}, error.read()


# --- in and down -------------------------------------------------------------------------------------------------------
def test_a_mails_file_is_taken_by_a_link_that_dies(
    committed_world: World, bucket: Seaweed, signed_in: Browser, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ATTACHMENTS_LINK_SECONDS = 2
    world, found = committed_world, of(received(committed_world))
    assert bucket.names() == {f"desk/{found.storage_key}"}
    assert str(world.acme.pk) in found.storage_key and found.sha256 not in found.storage_key
    with caplog.at_level(logging.DEBUG):
        answer = signed_in(world.ada).get(f"/attachments/{found.pk}/")
    link = answer["Location"]
    assert (answer.status_code, answer["Cache-Control"], answer["Referrer-Policy"]) == (302, "no-store", "no-referrer")
    status, headers, content = fetched(link)
    assert (status, content, headers["Content-Type"]) == (200, PNG, "image/png")
    assert headers["Content-Disposition"].startswith("attachment; filename=")
    assert fetched(link.replace(found.storage_key, found.storage_key[:-1] + "x"))[0] == 403
    assert fetched(link.partition("?")[0])[0] == 403
    time.sleep(2.5)
    assert fetched(link)[0] == 403
    signature = link.partition("X-Amz-Signature=")[2]
    assert len(signature) == 64 and signature not in caplog.text
    with tenant_context(world.acme.pk):
        assert signature not in str(list(AuditEvent.objects.values()))


def test_another_tenants_person_gets_no_link(committed_world: World, bucket: Seaweed, signed_in: Browser) -> None:
    found = of(received(committed_world))
    for path in (f"/attachments/{found.pk}/", f"/attachments/{found.pk}/picture/"):
        answer = signed_in(committed_world.eve).get(path)
        assert (answer.status_code, "Location" in answer) == (404, False)


def test_what_a_browser_could_run_is_never_called_by_its_own_type(
    committed_world: World, bucket: Seaweed, signed_in: Browser
) -> None:
    found = of(received(committed_world, b"<html><script>alert(1)</script></html>"))
    link = signed_in(committed_world.ada).get(f"/attachments/{found.pk}/")["Location"]
    assert fetched(link)[1]["Content-Type"] == "application/octet-stream"


def test_a_picture_in_the_page_comes_from_ourselves(
    committed_world: World, bucket: Seaweed, signed_in: Browser
) -> None:
    message = received(committed_world)
    answer = signed_in(committed_world.ada).get(f"/attachments/{of(message).pk}/picture/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert b"".join(answer.streaming_content) == PNG
    archive = signed_in(committed_world.ada).get(f"/messages/{message.pk}/files.zip")
    assert PNG in b"".join(archive.streaming_content)


def test_no_transaction_is_open_while_the_bucket_is_asked(
    committed_world: World, bucket: Seaweed, signed_in: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def watched(name: str) -> Any:
        real = getattr(ObjectStorage, name)

        def call(self: ObjectStorage, *args: Any, **kwargs: Any) -> Any:
            if connection.in_atomic_block:
                seen.append(name)
            return real(self, *args, **kwargs)

        return call

    for name in ("_save", "_open", "size", "delete"):
        monkeypatch.setattr(ObjectStorage, name, watched(name))
    world = committed_world
    message = received(world)
    draft = factories.draft(message)
    browser = signed_in(world.ada)
    browser.get(f"/attachments/{of(message).pk}/picture/")
    assert attach(browser, draft).status_code == 303
    erase(world)
    assert (seen, bucket.names()) == ([], set())


# --- out ---------------------------------------------------------------------------------------------------------------
def form_of(browser: Client, draft: Draft) -> dict[str, str]:
    page = BeautifulSoup(browser.get(f"/drafts/{draft.pk}/").content, "html.parser")
    return {one["name"]: one["value"] for one in page.select(f"#attach-{draft.pk} input")}


def attach(browser: Client, draft: Draft, content: bytes = b"%PDF-1 sizes") -> Any:
    upload = SimpleUploadedFile("sizes.pdf", content, content_type="application/pdf")
    return browser.post(f"/drafts/{draft.pk}/files/", {**form_of(browser, draft), "files": upload})


def ready(world: World, port: int, browser: Client) -> Delivery:
    """An approved reply with a file that was uploaded in the editor; its hold is over."""
    with tenant_context(world.acme.pk):
        Channel.objects.filter(pk=world.mail.pk).update(
            metadata={"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
        )
    draft = factories.draft(factories.message(world.mail))
    assert attach(browser, draft).status_code == 303
    delivery = factories.approved(draft, world.ada)
    with tenant_context(world.acme.pk):
        now = database_time.now() - timedelta(seconds=5)
        Delivery.objects.filter(pk=delivery.pk).update(hold_until=now, next_attempt_at=now)
    return delivery


def test_what_was_uploaded_in_the_editor_leaves_with_the_mail(
    committed_world: World, bucket: Seaweed, keeper: tuple[list[Any], int], signed_in: Browser
) -> None:
    delivery = ready(committed_world, keeper[1], signed_in(committed_world.ada))
    assert outbox.deliver(account_id=committed_world.acme.pk, delivery_id=delivery.pk) == "sent"
    from email import message_from_bytes, policy

    (sent,) = keeper[0]
    (attached,) = message_from_bytes(sent.content, policy=policy.default).iter_attachments()  # type: ignore[attr-defined]
    assert (attached.get_filename(), attached.get_content()) == ("sizes.pdf", b"%PDF-1 sizes")


def test_while_the_bucket_is_away_nothing_leaves_without_its_file_and_nothing_is_lost(
    committed_world: World, bucket: Seaweed, keeper: tuple[list[Any], int], signed_in: Browser
) -> None:
    world, browser = committed_world, signed_in(committed_world.ada)
    delivery = ready(world, keeper[1], browser)
    shown = of(received(world))
    draft = factories.draft(factories.reply_to(factories.message(world.mail, "Another")))
    values = form_of(browser, draft)
    bucket.stop()
    try:
        assert outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk) == "queued"
        answer = browser.get(f"/attachments/{shown.pk}/picture/")
        assert answer.status_code == 503 and b"The file is kept" in answer.content
        upload = SimpleUploadedFile("sizes.pdf", b"%PDF-2 other")
        answer = browser.post(
            f"/drafts/{draft.pk}/files/", {**values, "files": upload, "final_text": "Dear Pat, typed"}
        )
        assert answer.status_code == 503
        assert b"Nothing was attached" in answer.content and b"Dear Pat, typed" in answer.content
        with tenant_context(world.acme.pk):
            assert not Attachment.objects.filter(draft_id=draft.pk).exists()
        with pytest.raises(Away):
            receive.receive_mail(
                account_id=world.acme.pk, channel_id=world.mail.pk, raw=mail(b"new").replace(b"<1@", b"<2@")
            )
    finally:
        bucket.start()
    assert keeper[0] == []
    with tenant_context(world.acme.pk):
        attempt = DeliveryAttempt.objects.get(delivery=delivery)
        assert (attempt.outcome, "does not answer" in attempt.response) == ("transient", True)
        Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=database_time.now())
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk) == "sent"
    assert b"sizes.pdf" in keeper[0][0].content
    raw = mail(b"new").replace(b"<1@", b"<2@")
    again = receive.receive_mail(account_id=world.acme.pk, channel_id=world.mail.pk, raw=raw)
    assert again.message is not None and of(again.message).size_bytes == 3


# --- gone --------------------------------------------------------------------------------------------------------------
def erase(world: World) -> None:
    with tenant_context(world.acme.pk):
        of_all = list(Message.objects.values_list("conversation_id", flat=True).distinct())
        erasure.erase(account_id=world.acme.pk, conversation_ids=of_all, rule="on request", purge=False)


def test_an_erasure_takes_the_object_and_one_that_was_away_goes_later(
    committed_world: World, bucket: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = committed_world
    received(world)
    assert len(bucket.names()) == 1
    with monkeypatch.context() as away:

        def refuse(*_: Any) -> None:
            raise Away("The store of files does not answer.")

        away.setattr(ObjectStorage, "delete", refuse)
        erase(world)
    assert len(bucket.names()) == 1
    with tenant_context(world.acme.pk):
        long_ago = database_time.now() - timedelta(hours=1)
        assert StoredFile.objects.on_their_way_out().update(dropped_at=long_ago) == 1
    assert uploads.sweep(account_id=world.acme.pk) == 1
    with tenant_context(world.acme.pk):
        assert (bucket.names(), StoredFile.objects.count()) == (set(), 0)


def test_what_was_put_and_never_named_is_swept_after_a_day(committed_world: World, bucket: Seaweed) -> None:
    world = committed_world
    files.put(world.acme.pk, b"never named")
    named = received(world)
    assert (uploads.sweep(account_id=world.acme.pk), len(bucket.names())) == (0, 2)
    with tenant_context(world.acme.pk):
        StoredFile.objects.update(asked_at=database_time.now() - timedelta(days=2))
    assert uploads.sweep(account_id=world.acme.pk) == 1
    assert bucket.names() == {f"desk/{of(named).storage_key}"}


def test_wrong_keys_and_a_wrong_bucket_are_said_without_an_address(bucket: Seaweed) -> None:
    for change in ({"secret": "wrong"}, {"bucket": "nobody"}, {"endpoint": "http://127.0.0.1:1"}):
        with pytest.raises(Away) as refused:
            ObjectStorage(**{**bucket.options, **change}).save("a", ContentFile(b"x"))
        assert "http" not in str(refused.value) and "127.0.0.1" not in str(refused.value)
