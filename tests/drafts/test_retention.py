"""Which conversations lose their words and when, column by column; what of them stays; and what is not touched."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from conversations.channels.base import File, Party
from conversations.database import database_time
from conversations.models import (
    Account,
    Attachment,
    AuditEvent,
    AuditSalt,
    Conversation,
    CustomerAddress,
    Delivery,
    Message,
    Note,
)
from drafts import erasure, retention
from drafts.desk import decisions, life, notes
from drafts.models import Draft, DraftAction, DraftRevision, LearningSample
from ingestion.models import InboundEvent
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.fixture(autouse=True)
def now(acme: Account, attachments_dir: Any) -> datetime:
    moment: datetime = database_time.now()
    return moment


AGAIN_OPEN = {"status": "open", "owed": "reopened", "completed_at": None, "outcome": ""}
CLOSED = {"status": "closed", "owed": "", "due_at": None}


def corrected(world: World, sender: str = "marcus@customer.test") -> Conversation:
    """A closed conversation with a file, a corrected draft, its reply, and its raw bytes."""
    photo = File("tank.jpg", "image/jpeg", sender.encode())
    message = factories.message(
        world.mail, "Where is it?", subject="Order", body_html="<p>Where?</p>", files=(photo,), sender=Party(sender, "Marcus")
    )  # fmt: skip
    sources = [{"passage": "p", "cited": False}]
    draft = factories.draft(message, checks=[{"ok": True, "text": "c"}], confidence_reasons=["r"], top_sources=sources, suggested_html="<p>x</p>")  # fmt: skip
    factories.approved(draft, world.ada, final_text=draft.suggested_text.replace("Hi", "Hello"), notes="a note")
    factories.waiting_mail(
        world.mail, message=message, sender=sender, recipient="support@acme.test", status="processed", detail=""
    )
    notes.write(conversation_id=message.conversation_id, actor=world.ada, text="@Dan Marcus rang")
    life.close(conversation_id=message.conversation_id, actor=world.ada, reason="not_needed")
    found = Conversation.objects.filter(pk=message.conversation_id)
    found.update(summary="s", key_topics=["k"])
    factories.tagged(message, "VIP")
    return found.get()


def closed(conversation: Conversation, ago: timedelta, now: datetime) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(**CLOSED, completed_at=now - ago)


def words_of(conversation: Conversation) -> list[dict[str, Any]]:
    """Every row of a conversation, as it is kept."""
    models = (Message, Note, Delivery, Draft, DraftAction, LearningSample)
    rows = [row for model in models for row in model._default_manager.filter(conversation=conversation).values()]
    rows += Attachment.objects.filter(message__conversation=conversation).values()
    rows += DraftRevision.objects.filter(draft__conversation=conversation).values()
    rows += InboundEvent.objects.filter(message__conversation=conversation).values()
    rows += AuditSalt.objects.filter(conversation_id=conversation.pk).values()
    return [*rows, *Conversation.objects.filter(pk=conversation.pk).values()]


def apply(world: World, *, dry_run: bool = False, **changes: Any) -> Counter[str]:
    return retention.apply(account_id=world.acme.pk, dry_run=dry_run, **changes)


def blank(row: Any, **wanted: Any) -> None:
    row.refresh_from_db()
    for name, value in wanted.items():
        assert getattr(row, name) == value, f"{type(row).__name__}.{name}"


COUNTS = {"conversations": 1, "messages": 2, "notes": 1, "drafts": 1, "files": 1}


@pytest.mark.parametrize("rule", ["purge", "archive"])
def test_what_people_wrote_is_emptied_column_by_column(world: World, acme: Account, now: datetime, rule: str) -> None:
    old, young = corrected(world), corrected(world, "other@customer.test")
    closed(old, timedelta(days=31), now)
    before = words_of(young)
    Account.objects.update(**{"purge": {"purge_after_days": 30}, "archive": {"archive_bodies_after_days": 30}}[rule])
    assert apply(world, dry_run=True) == Counter({**COUNTS, "raw events": 0})
    assert apply(world) == Counter(COUNTS)
    for message in Message.objects.filter(conversation=old):
        blank(message, body_text="", body_html="", body_new="", subject="", metadata={})
        assert message.erased_at is not None
    blank(old.deliveries.get(), body_text="", body_html="", envelope={}, receipt="", error="")
    blank(note := old.notes.get(), text="", mentions={})
    draft = old.drafts.get()
    blank(draft, suggested_text="", suggested_html="", statements=[], top_sources=[], checks=[], confidence_reasons=[])
    blank(DraftRevision.objects.get(draft=draft), text="", html="", statements=[])
    for act in DraftAction.objects.filter(conversation=old):
        blank(act, final_text=None, final_html="", notes="", diff=None)
    sample = LearningSample.objects.get(conversation=old)
    blank(sample, question="", original="", final="", operations={})
    event = InboundEvent.objects.get(message__conversation=old)
    blank(event, payload=None, expires_at=None, sender="", subject="", recipient="")
    blank(old, summary="", key_topics=[], status="closed")
    for row in (old.deliveries.get(), note, draft, sample):
        assert row.erased_at is not None
    assert old.archived_at is not None
    assert not Attachment.objects.filter(message__conversation=old).exists()
    assert not AuditSalt.objects.filter(conversation_id=old.pk).exists()
    personal = (old.customer_email, old.customer_name, old.subject, old.title, old.tag_links.count())
    assert personal == (("", "", "", "", 0) if rule == "purge" else ("marcus@customer.test", "Marcus", "Order", "Order", 1))  # fmt: skip
    applied = AuditEvent.objects.get(kind="retention.applied")
    assert (applied.object_id, applied.account_id) == (str(world.acme.pk), world.acme.pk)
    assert applied.data == {
        "rule": f"{rule} after 30 days", "counts": "1 conversations, 2 messages, 1 notes, 1 drafts, 1 files", "of": [str(old.pk)],
    }  # fmt: skip
    assert words_of(young) == before
    assert apply(world)["conversations"] == 0
    assert AuditEvent.objects.filter(kind="retention.applied").count() == 1


@pytest.mark.parametrize(("late", "emptied"), [(timedelta(0), 0), (timedelta(microseconds=1), 1)])
@pytest.mark.parametrize("rule", ["purge_after_days", "archive_bodies_after_days"])
def test_the_day_is_counted_from_the_close(
    world: World, acme: Account, now: datetime, rule: str, late: timedelta, emptied: int
) -> None:
    closed(corrected(world), timedelta(days=30) + late, now)
    Account.objects.update(**{rule: 30})
    assert apply(world, dry_run=True, now=now)["conversations"] == emptied


def test_without_a_policy_nothing_goes_and_what_is_open_stays(world: World, acme: Account, now: datetime) -> None:
    closed(corrected(world), timedelta(days=400), now)
    with assert_nothing_written():
        apply(world)
    Account.objects.update(purge_after_days=30, archive_bodies_after_days=30)
    Conversation.objects.update(**AGAIN_OPEN, due_at=now)
    with assert_nothing_written():
        assert apply(world)["conversations"] == 0


def test_each_state_of_a_draft_that_is_over_ends_in_the_archive(world: World, acme: Account, now: datetime) -> None:
    ends = {"sent", "rejected", "superseded", "stale", "answered_elsewhere", "expired"}
    assert set(erasure.FINAL) == ends
    old = corrected(world)
    closed(old, timedelta(days=31), now)
    message = Message.objects.filter(conversation=old, direction="inbound").get()
    draft = factories.draft(message)
    Draft.objects.filter(pk=draft.pk).update(status="rejected")
    Account.objects.update(archive_bodies_after_days=30)
    apply(world)
    assert set(old.drafts.values_list("status", flat=True)) == {"archived"}


@pytest.mark.parametrize("left", ["customer_email", "customer_name"])
def test_a_purge_also_takes_what_half_of_a_name_is_left_of(
    world: World, acme: Account, now: datetime, left: str
) -> None:
    conversation = factories.message(world.mail).conversation
    Conversation.objects.update(**CLOSED, completed_at=now - timedelta(days=31))
    Conversation.objects.update(**{"customer_email": "", "customer_name": "", left: "marcus@customer.test"})
    Account.objects.update(purge_after_days=30)
    assert apply(world)["conversations"] == 1
    blank(conversation, customer_email="", customer_name="")


def test_a_legal_hold_says_so_and_an_empty_address_is_nobodys(world: World, acme: Account) -> None:
    corrected(world)
    factories.message(world.mail, sender=Party(""))
    for nobody in ("", "  "):
        with assert_nothing_written():
            assert retention.erase_customer(account_id=world.acme.pk, email=nobody, dry_run=False) == Counter()
    Account.objects.update(legal_hold=True, purge_after_days=1)
    held = Counter({"held by a legal hold": 1})
    assert apply(world) == held
    assert retention.erase_customer(account_id=world.acme.pk, email="x@y.test", dry_run=False) == held


def test_who_has_a_handle_and_no_address_is_forgotten_by_it(world: World, acme: Account) -> None:
    slack = factories.channel(world.acme, type="slack", external_id="T0123456789", name="Dealers")
    message = factories.message(slack, sender=Party("U0HANDLE", "Kai"))
    retention.erase_customer(account_id=world.acme.pk, email=" u0handle ", dry_run=False)
    blank(Conversation.objects.get(pk=message.conversation_id), customer_email="", customer_name="")


def test_a_customers_record_says_all_the_addresses_that_are_forgotten(world: World, acme: Account) -> None:
    mine, other = factories.message(world.mail), factories.message(world.mail, sender=Party("kim@customer.test", "Kim"))
    address = CustomerAddress.objects.get(pk=Conversation.objects.get(pk=mine.conversation_id).customer_address_id)
    done = retention.erase_customer(account_id=world.acme.pk, customer_id=address.customer_id, dry_run=False)
    assert done["addresses"] == 1
    blank(Conversation.objects.get(pk=mine.conversation_id), customer_email="", customer_name="")
    blank(Conversation.objects.get(pk=other.conversation_id), customer_email="kim@customer.test", customer_name="Kim")


def test_who_asks_is_forgotten_at_once_also_in_quarantine(world: World, acme: Account, now: datetime) -> None:
    mine, other = corrected(world), corrected(world, "other@customer.test")
    Conversation.objects.update(**AGAIN_OPEN, due_at=now)
    waits = factories.waiting_mail(world.mail, sender="marcus@customer.test")
    theirs = factories.waiting_mail(world.mail, sender="other@customer.test")
    read = Message.objects.filter(conversation=other, direction="inbound").get()
    factories.waiting_mail(world.mail, sender="marcus@customer.test", message=read, status="processed", detail="")
    before = words_of(other)
    with assert_nothing_written():
        planned = retention.erase_customer(account_id=world.acme.pk, email=" MARCUS@customer.test ", dry_run=True)
    done = retention.erase_customer(account_id=world.acme.pk, email=" MARCUS@customer.test ", dry_run=False)
    assert planned == done == Counter({**COUNTS, "letters": 1, "addresses": 1})
    blank(waits, payload=None, expires_at=None, sender="", subject="", recipient="", status="quarantined")
    blank(theirs, sender="other@customer.test")
    blank(mine, customer_email="", customer_name="", subject="", title="")
    assert not mine.tag_links.exists()
    assert words_of(other) == before
    assert AuditEvent.objects.get(kind="retention.applied").data["rule"] == "asked by the customer"


@pytest.mark.parametrize("purge", [0, 30, 60])
@pytest.mark.parametrize("archive", [0, 20, 30, 90])
@pytest.mark.parametrize("batch", [1, 200])
def test_a_dry_run_says_what_the_run_does_whatever_the_policies(
    world: World, acme: Account, now: datetime, monkeypatch: Any, purge: int, archive: int, batch: int
) -> None:
    """Threads of each age, some emptied before and written in again, raw bytes whose date has passed in all of them."""
    monkeypatch.setattr(retention, "BATCH", batch)
    for days in (10, 25, 45, 70, 100):
        closed(corrected(world, f"{days}@customer.test"), timedelta(days=days), now)
    nameless = factories.message(world.mail, sender=Party("")).conversation_id
    life.close(conversation_id=nameless, actor=world.ada, reason="not_needed")
    Conversation.objects.filter(pk=nameless).update(completed_at=now - timedelta(days=65))
    again = Conversation.objects.order_by("pk")[3]
    Conversation.objects.filter(pk=again.pk).update(
        archived_at=now - timedelta(days=80), forgotten_at=now - timedelta(days=80)
    )
    factories.waiting_mail(world.mail)
    InboundEvent.objects.update(expires_at=now - timedelta(days=1))
    Account.objects.update(purge_after_days=purge, archive_bodies_after_days=archive)
    with assert_nothing_written():
        planned = apply(world, dry_run=True, now=now)
    done = apply(world, now=now)
    assert done == planned
    assert done["conversations"] == sum(
        bool((purge and days > purge) or (archive and days > archive)) for days in (10, 25, 45, 70, 100, 65)
    )
    assert done["raw events"] == 6 - done["conversations"] + (done["conversations"] > 0 and _has_no_letter(nameless))
    assert apply(world, now=now) == apply(world, dry_run=True, now=now) == Counter()


def _has_no_letter(conversation_id: Any) -> bool:
    return Conversation.objects.filter(pk=conversation_id, archived_at__isnull=False).exists()


def test_a_thread_whose_reply_is_being_sent_waits_for_the_next_run_and_that_is_said(
    world: World, acme: Account
) -> None:
    sending, other = corrected(world), corrected(world)
    delivery = sending.deliveries.get()
    for status in ("queued", "sending"):
        Delivery.objects.filter(pk=delivery.pk).update(status=status, lease_until=database_time.now())
    left = {"left for the next run, because a reply is being sent": 1}
    before = words_of(sending)
    for dry_run in (True, False):
        done = retention.erase_customer(account_id=acme.pk, email="marcus@customer.test", dry_run=dry_run)
        assert {name: done[name] for name in left} == left
        assert done["conversations"] == 1
    assert words_of(sending) == before
    other.refresh_from_db()
    assert other.customer_email == ""
    Delivery.objects.filter(pk=delivery.pk).update(status="uncertain")
    done = retention.erase_customer(account_id=acme.pk, email="marcus@customer.test", dry_run=False)
    assert done["conversations"] == 1
    assert not set(left) & set(done)


def test_conversations_go_batch_by_batch_in_order(world: World, acme: Account, now: datetime, monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        closed(factories.message(world.mail).conversation, timedelta(days=31), now)
    Account.objects.update(purge_after_days=30)
    assert apply(world, dry_run=True)["conversations"] == 5
    assert apply(world)["conversations"] == 5
    batches = [event.data["of"] for event in AuditEvent.objects.filter(kind="retention.applied").order_by("id")]
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert [pk for batch in batches for pk in batch] == [
        str(pk) for pk in Conversation.objects.order_by("pk").values_list("pk", flat=True)
    ]


def test_raw_bytes_go_when_their_date_has_passed(world: World, acme: Account, now: datetime, monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)  # five at a time
    events = [factories.waiting_mail(world.mail) for _ in range(8)]
    InboundEvent.objects.update(expires_at=now - timedelta(seconds=1))
    InboundEvent.objects.filter(pk=events[0].pk).update(expires_at=now)
    with assert_nothing_written():
        assert apply(world, dry_run=True, now=now) == Counter({"raw events": 7})
    assert apply(world, now=now) == Counter({"raw events": 7})
    blank(events[0], payload=events[0].payload, sender="pat@customer.test")
    blank(events[1], payload=None, sender="", subject="", recipient="", expires_at=None)
    assert apply(world, now=now) == Counter()


def test_what_has_no_raw_bytes_any_more_is_not_counted_as_gone(world: World, acme: Account, now: datetime) -> None:
    factories.waiting_mail(world.mail, payload=None, expires_at=now - timedelta(days=1))
    for dry_run in (True, False):
        with assert_nothing_written():
            assert apply(world, dry_run=dry_run, now=now) == Counter()


def test_a_file_that_another_conversation_has_is_kept(
    world: World, acme: Account, now: datetime, attachments_dir: Any, django_capture_on_commit_callbacks: Any
) -> None:
    same = File("a.txt", "text/plain", b"the same")
    one = factories.message(world.mail, files=(same,)).conversation
    factories.message(world.mail, files=(same, File("b.txt", "text/plain", b"another")))
    Conversation.objects.filter(pk=one.pk).update(**CLOSED, completed_at=now - timedelta(days=31))
    Account.objects.update(purge_after_days=30)

    def stored() -> int:
        return sum(1 for path in attachments_dir.rglob("*") if path.is_file())

    with django_capture_on_commit_callbacks(execute=True):
        assert apply(world)["files"] == 1
    assert stored() == 2
    Conversation.objects.update(**CLOSED, completed_at=now - timedelta(days=31))
    with django_capture_on_commit_callbacks(execute=True):
        assert apply(world)["files"] == 2
    assert stored() == 0
    assert decisions.Status.ARCHIVED == "archived"


@pytest.mark.parametrize("by_customer", [True, False])
def test_a_legal_hold_that_begins_during_a_run_ends_it(
    world: World, acme: Account, now: datetime, monkeypatch: Any, by_customer: bool
) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    for _ in range(3):
        closed(corrected(world), timedelta(days=31), now)
    Account.objects.update(purge_after_days=30)
    erase = erasure.erase

    def and_then_hold(**values: Any) -> Counter[str]:
        done = erase(**values)
        Account.objects.update(legal_hold=True)
        return done

    monkeypatch.setattr(erasure, "erase", and_then_hold)
    if by_customer:
        retention.erase_customer(account_id=acme.pk, email="marcus@customer.test", dry_run=False)
    else:
        apply(world)
    assert Conversation.objects.filter(forgotten_at__isnull=False).count() == 1
    assert CustomerAddress.objects.exists()
