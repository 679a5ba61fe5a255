"""The commands that engineers run: seed, retention, verify_audit, export_corrections, receive_mail."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.postgres import SUPERUSER
from conversations.channels.base import File
from conversations.models import Account, Attachment, AuditEvent, Conversation, Delivery, Message, Notification
from conversations.tenancy import account_directory, tenant_context
from conversations.trail import report
from drafts import retention
from drafts.desk import decisions, editing, life
from drafts.diffing import apply_ops
from drafts.models import Draft, DraftAction, DraftRevision, LearningSample
from ingestion.models import InboundEvent, JobRun, SourceDocument
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

MAIL = b"From: Pat <pat@customer.test>\r\nTo: support@acme.test\r\nSubject: Hose\r\nMessage-ID: <1@customer.test>\r\n\r\nDoes it fit?\r\n"


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


# --- receive_mail ----------------------------------------------------------------------------------------------------
def test_a_mail_is_taken_from_a_file_once(world: World, tmp_path: Path, attachments_dir) -> None:
    file = tmp_path / "one.eml"
    file.write_bytes(MAIL)
    assert "new, message 1 of conversation #1" in run("receive_mail", "--channel", "support@acme.test", str(file))
    assert "received before" in run("receive_mail", "--channel", "support@acme.test", str(file))
    with tenant_context(world.acme.pk):
        event = InboundEvent.objects.get()
        assert (event.status, bytes(event.payload)) == ("processed", MAIL)
        assert Message.objects.get() == event.message


def test_a_mail_is_taken_from_standard_input(world: World, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(MAIL)))
    assert "-: new" in run("receive_mail", "--channel", "support@acme.test", "-")


def test_a_mail_that_breaks_the_reader_is_kept_and_stops_nobody(world: World, tmp_path: Path, monkeypatch) -> None:
    good, bad = tmp_path / "good.eml", tmp_path / "bad.eml"
    good.write_bytes(MAIL)
    bad.write_bytes(b"Subject: poison\r\n\r\nx")
    from conversations.channels.email.reading import parse

    real = parse.parse_mail

    def breaks(raw: bytes, **options):
        if b"poison" in raw:
            raise ValueError("cannot read this")
        return real(raw, **options)

    monkeypatch.setattr(parse, "parse_mail", breaks)
    said = run("receive_mail", "--channel", "support@acme.test", str(bad), str(good))
    assert "failed: ValueError: cannot read this" in said
    with tenant_context(world.acme.pk):
        assert Message.objects.count() == 1
        failed = InboundEvent.objects.get(status="failed")
        assert bytes(failed.payload) == bad.read_bytes()
        assert "cannot read this" in failed.detail
    monkeypatch.undo()
    run("receive_mail", "--channel", "support@acme.test", str(bad))
    with tenant_context(world.acme.pk):
        assert InboundEvent.objects.filter(status="processed").count() == 2


# --- seed ------------------------------------------------------------------------------------------------------------
def test_seeding_twice_makes_one_demo_in_several_states(committed, settings) -> None:
    settings.DRAFTER, settings.DRAFTER_MODEL = "openai", "m"  # a model is not asked for the demo's own threads
    settings.DRAFTER_URL = "http://127.0.0.1:9/v1"
    run("seed", "--password", "demo-password")
    entry = next(entry for entry in account_directory() if entry["slug"] == "hot-rod-an")
    with tenant_context(entry["id"]):
        counts = {
            model: model.objects.count()
            for model in (Conversation, Message, Draft, DraftAction, Delivery, SourceDocument)
        }
        assert counts[Conversation] == 24
        assert counts[SourceDocument] == 16
        assert set(Draft.objects.values_list("status", flat=True)) >= {
            "pending",
            "approved",
            "rejected",
            "answered_elsewhere",
        }
        assert set(Draft.objects.values_list("model_key", flat=True)) == {"offline-quote-v2"}
        assert JobRun.objects.get().status == "succeeded"
        assert Notification.objects.exists()
        assert LearningSample.objects.count() == 1
        assert report.verify(entry["id"]) is None
    run("seed", "--password", "demo-password", "--size", "20")
    with tenant_context(entry["id"]):
        assert Conversation.objects.count() == 44
        assert SourceDocument.objects.count() == 16
        assert DraftAction.objects.count() == counts[DraftAction]
        assert Message.objects.filter(seq=1).count() == 44


# --- retention -------------------------------------------------------------------------------------------------------
CANARY = "zebra-canary-4711"


def year_old(world: World) -> Conversation:
    """A closed conversation of a year ago in which the customer, the draft, the edit and the reply hold the canary."""
    message = factories.message(
        world.mail,
        f"{CANARY} question",
        subject=CANARY,
        body_html=f"<p>{CANARY}</p>",
        files=(File(f"{CANARY}.txt", "text/plain", CANARY.encode()),),
    )
    draft = factories.draft(message, f"Hi, {CANARY}.", statements=[])
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=f"Hello, {CANARY}!")
    pressed = decisions.Attention(pressed_twice=True)
    factories.approved(draft, world.ada, final_text=f"Hello there, {CANARY}!", notes=CANARY, attention=pressed)
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="not_needed")
    Conversation.objects.update(completed_at=timezone.now() - timedelta(days=365), customer_name=CANARY)
    return Conversation.objects.get()


@pytest.fixture
def old(world: World, acme, attachments_dir) -> Conversation:
    return year_old(world)


def everything(account: Account) -> str:
    """Every column of every row that the tenant has, as text."""
    from django.apps import apps
    from django.db import connection

    found = []
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.app_label in {"conversations", "drafts", "ingestion"}:
                cursor.execute(f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM \"{model._meta.db_table}\" t")
                found.append(cursor.fetchone()[0])
    return "\n".join(found)


def test_a_dry_run_counts_what_the_real_run_then_empties(world: World, acme, old: Conversation) -> None:
    Account.objects.update(purge_after_days=30)
    with assert_nothing_written():
        planned = retention.apply(account_id=world.acme.pk, dry_run=True)
    assert planned["conversations"] == 1
    assert retention.apply(account_id=world.acme.pk, dry_run=False) == planned
    assert retention.apply(account_id=world.acme.pk, dry_run=False)["conversations"] == 0


def test_a_purge_leaves_no_word_and_keeps_the_skeleton(committed_world: World, attachments_dir) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        year_old(world)
        events = AuditEvent.objects.count()
        actions = DraftAction.objects.count()
        assert CANARY in everything(world.acme)
        Account.objects.update(purge_after_days=30)
    done = retention.apply(account_id=world.acme.pk, dry_run=False)
    assert done["conversations"] == 1
    with tenant_context(world.acme.pk):
        assert CANARY not in everything(world.acme)
        # Beside the purge itself: the reply that was still held was taken back, and its draft retired.
        assert AuditEvent.objects.count() == events + 3
        assert DraftAction.objects.count() == actions
        assert report.verify(world.acme.pk) is None
        assert not Attachment.objects.exists()
    assert not [path for path in attachments_dir.rglob("*") if path.is_file()]


def test_a_legal_hold_keeps_everything(world: World, acme, old: Conversation) -> None:
    Account.objects.update(purge_after_days=1, legal_hold=True)
    with assert_nothing_written():
        retention.apply(account_id=world.acme.pk, dry_run=False)
        retention.erase_customer(account_id=world.acme.pk, email="marcus@customer.test", dry_run=False)


def test_a_customer_who_asks_is_forgotten_and_nobody_else(world: World, acme, old: Conversation) -> None:
    from conversations.channels.base import Party

    other = factories.message(world.mail, "keep me", sender=Party("other@customer.test"))
    retention.erase_customer(account_id=world.acme.pk, email="Marcus@customer.test", dry_run=False)
    assert CANARY not in everything(world.acme)
    assert Message.objects.get(pk=other.pk).body_text == "keep me"


def test_raw_bytes_go_on_their_own_day(world: World) -> None:
    from ingestion.receive import receive_mail

    event = receive_mail(account_id=world.acme.pk, channel_id=world.mail.pk, raw=MAIL).event
    with tenant_context(world.acme.pk):
        InboundEvent.objects.update(expires_at=timezone.now() - timedelta(days=1))
        retention.apply(account_id=world.acme.pk, dry_run=False)
        event = InboundEvent.objects.get(pk=event.pk)
    assert (event.payload, event.status) == (None, "processed")


def test_the_command_says_the_numbers_and_leaves_a_job(world: World, old: Conversation) -> None:
    with tenant_context(world.acme.pk):
        Account.objects.update(archive_bodies_after_days=30)
    assert "acme: would empty 1 conversations" in run("retention", "--dry-run")
    assert "acme: emptied 1 conversations" in run("retention", "--account", "acme")
    with tenant_context(world.acme.pk):
        assert (JobRun.objects.get().type, JobRun.objects.get().status) == ("retention", "succeeded")
        assert DraftRevision.objects.filter(text="").exists()
    with pytest.raises(CommandError, match="--account"):
        run("retention", "--erase-customer", "x@y.test")


# --- verify_audit, export_corrections --------------------------------------------------------------------------------
def test_the_trail_is_verified_and_a_break_is_named(committed_world: World, cluster) -> None:
    factories.approved(factories.draft(factories.message(committed_world.mail)), committed_world.ada)
    assert "acme: intact" in run("verify_audit", "--checkpoint")
    with tenant_context(committed_world.acme.pk):
        victim = AuditEvent.objects.get(kind="draft.approved")
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute("UPDATE conversations_auditevent SET actor_name = 'Eve' WHERE id = %s", [victim.pk])
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 2"):
        call_command("verify_audit", stdout=out)
    assert f"acme: broken at event {victim.seq}: its content was changed" in out.getvalue()


def test_corrections_are_exported_as_json_lines_that_replay(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    factories.approved(draft, world.ada, final_text=draft.suggested_text.replace("Hi", "Hello"), reasons=["tone"])
    (line,) = run("export_corrections", "--since", "24h", "--account", "acme").splitlines()
    sample = json.loads(line)
    assert apply_ops(sample["original"], sample["operations"]) == sample["final"]
    assert (sample["reasons"], sample["account"]) == (["tone"], "acme")
    assert run("export_corrections", "--since", (timezone.now() + timedelta(days=1)).isoformat()) == ""
    with pytest.raises(CommandError, match="is no time"):
        run("export_corrections", "--since", "yesterday")
