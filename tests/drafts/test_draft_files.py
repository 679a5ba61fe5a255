"""Files on replies: attached, picked from the thread, taken off, sent as they were seen."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from conversations.channels.base import File
from conversations.errors import Invalid
from conversations.messages import outgoing
from conversations.models import Attachment, AuditEvent, Delivery, Message, User
from drafts.desk import decisions, editing, files
from drafts.desk.decisions import AlreadyDecided, Changed, Stale
from drafts.flow.drafting import write_draft
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.drafts.test_recipients import Writes

Browser = Callable[[User], Client]
PDF = File("Größe.pdf", "application/pdf", b"%PDF a table of sizes")


@pytest.fixture
def message(world: World, acme: Any, attachments_dir: Path) -> Message:
    return factories.message(world.mail, files=(File("photo.jpg", "image/jpeg", b"their photo"),))


@pytest.fixture
def draft(message: Message) -> Draft:
    return factories.draft(message)


def add(draft: Draft, actor: User, *found: File, **more: Any) -> Draft:
    return files.add(
        draft_id=draft.pk, actor=actor, **{"seen": factories.seen(draft), "files": found or (PDF,), **more}
    )


def names(draft: Draft) -> list[str]:
    return list(Attachment.objects.filter(draft_id=draft.pk).order_by("id").values_list("file_name", flat=True))


def test_a_file_is_attached_and_leaves_byte_for_byte(world: World, draft: Draft) -> None:
    add(draft, world.ada)
    assert (names(draft), AuditEvent.objects.filter(kind="draft.file_added").count()) == (["Größe.pdf"], 1)
    delivery = factories.approved(draft, world.ada)
    assert outgoing.outbound_of(Delivery.objects.get(pk=delivery.pk)).files == (PDF,)


def test_the_same_file_twice_is_one(world: World, draft: Draft) -> None:
    add(draft, world.ada)
    add(draft, world.ada)
    assert names(draft) == ["Größe.pdf"]


def test_a_file_of_the_thread_is_picked(world: World, draft: Draft, message: Message) -> None:
    theirs = message.attachments.get()
    files.pick(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attachment_id=theirs.pk)
    (own,) = Attachment.objects.filter(draft_id=draft.pk)
    assert (own.file_name, own.sha256, own.message_id) == (theirs.file_name, theirs.sha256, None)
    elsewhere = factories.message(world.mail, files=(File("other.jpg", "image/jpeg", b"x"),)).attachments.get()
    with assert_nothing_written(), pytest.raises(Attachment.DoesNotExist):
        files.pick(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attachment_id=elsewhere.pk)


def test_a_file_is_taken_off_and_its_bytes_go_when_nobody_needs_them(
    world: World, draft: Draft, attachments_dir: Path, django_capture_on_commit_callbacks: Any
) -> None:
    add(draft, world.ada)
    theirs = Attachment.objects.get(message__isnull=False)
    files.pick(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attachment_id=theirs.pk)
    with django_capture_on_commit_callbacks(execute=True):
        for own in Attachment.objects.filter(draft_id=draft.pk):
            files.remove(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attachment_id=own.pk)
    assert names(draft) == []
    left = [path.read_bytes() for path in attachments_dir.rglob("*") if path.is_file()]
    assert left == [b"their photo"]
    with assert_nothing_written(), pytest.raises(Attachment.DoesNotExist):
        files.remove(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attachment_id=theirs.pk)


def test_who_has_the_draft_open_without_the_file_approves_nothing(world: World, draft: Draft) -> None:
    seen = factories.seen(draft)
    add(draft, world.cy)
    with assert_nothing_written(), pytest.raises(Changed, match="files changed"):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen)


def test_a_text_that_was_saved_meanwhile_hinders_no_file(world: World, draft: Draft) -> None:
    seen = factories.seen(draft)
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="Another text")
    add(draft, world.ada, seen=seen)
    assert names(draft) == ["Größe.pdf"]


def test_another_draft_to_the_same_mail_keeps_them(world: World, draft: Draft) -> None:
    add(draft, world.ada)
    action = decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    again = write_draft(account_id=world.acme.pk, conversation_id=draft.conversation_id, asked_by=action.pk, drafter=Writes())  # fmt: skip
    assert again is not None and (names(again), names(draft)) == (["Größe.pdf"], [])


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "Choose a file"),
        ([File("empty.txt", "text/plain", b"")], "empty"),
        ([File("big.zip", "application/zip", b"x" * 18_000_001)], "over 18 MB"),
        ([File(f"{n}.txt", "text/plain", b"x") for n in range(101)], "takes 100 files"),
    ],
)
def test_what_the_channel_does_not_take_is_not_attached(
    world: World, draft: Draft, found: list[File], words: str
) -> None:
    with assert_nothing_written(), pytest.raises(Invalid, match=words):
        files.add(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), files=found)


def test_an_auditor_a_foreigner_and_who_is_late_attach_nothing(world: World, draft: Draft) -> None:
    seen = factories.seen(draft)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        add(draft, world.bo)
    with assert_nothing_written(), pytest.raises(Draft.DoesNotExist):
        files.add(draft_id=uuid.uuid4(), actor=world.ada, seen=seen, files=[PDF])
    factories.reply_to(draft.base_message)
    with assert_nothing_written(), pytest.raises(Stale):
        add(draft, world.ada, seen=seen)


def test_nothing_is_attached_to_what_was_decided(world: World, draft: Draft) -> None:
    seen = factories.seen(draft)
    factories.approved(draft, world.ada)
    with assert_nothing_written(), pytest.raises(AlreadyDecided):
        add(draft, world.ada, seen=seen)


def test_the_page_attaches_without_a_script(world: World, draft: Draft, signed_in: Browser) -> None:
    client, url = signed_in(world.ada), f"/drafts/{draft.pk}/"
    page = BeautifulSoup(client.get(url).content, "html.parser")
    form = page.select_one(f"#attach-{draft.pk}")
    assert (form["action"], form["enctype"], form["method"]) == (f"{url}files/", "multipart/form-data", "post")
    values = {one["name"]: one["value"] for one in form.select("input")}
    upload = SimpleUploadedFile("sizes.pdf", b"%PDF sizes", content_type="application/pdf")
    assert client.post(form["action"], {**values, "files": upload}).status_code == 303
    shown = BeautifulSoup(client.get(url).content, "html.parser")
    assert [one.text.split()[0] for one in shown.select("#files .file")] == ["sizes.pdf"]
    assert client.post(form["action"], values).status_code == 409  # what it shows is not there any more
    (kept,) = Attachment.objects.filter(draft_id=draft.pk)
    assert client.get(f"/attachments/{kept.pk}/").status_code == 200
    assert signed_in(world.eve).get(f"/attachments/{kept.pk}/").status_code == 404
