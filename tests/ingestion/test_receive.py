"""Mail is kept before it is read: whatever happens to the reader, the bytes are there and are read again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.db.utils import OperationalError
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels.email.reading import parse
from conversations.errors import Invalid
from conversations.models import Account, AuditEvent, Channel, Conversation, Delivery, Message, Notification
from conversations.tenancy import tenant_context
from ingestion import receive
from ingestion.models import InboundEvent
from tests import factories
from tests.conftest import World

MAIL = b"From: Pat <pat@customer.test>\r\nTo: support@acme.test\r\nSubject: Hose\r\nMessage-ID: <1@customer.test>\r\n\r\nDoes it fit?\r\n"


@pytest.fixture(autouse=True)
def _files(attachments_dir: Path) -> None:
    pass


def mail(number: int, sender: str = "pat@customer.test") -> bytes:
    return f"From: {sender}\r\nTo: support@acme.test\r\nMessage-ID: <{number}@c.test>\r\n\r\nQuestion {number}\r\n".encode()


def take(world: World, raw: bytes = MAIL, **options: Any) -> receive.Received:
    return receive.receive_mail(account_id=world.acme.pk, channel_id=world.mail.pk, raw=raw, **options)


def event(world: World) -> InboundEvent:
    with tenant_context(world.acme.pk):
        return InboundEvent.objects.get()


def later(world: World, **changes: Any) -> None:
    """The lease of every event ran out."""
    with tenant_context(world.acme.pk):
        InboundEvent.objects.update(lease_until=Now() - timedelta(seconds=1), **changes)


# --- the promise of a commit ----------------------------------------------------------------------------------------
def test_the_bytes_are_committed_before_they_are_read(committed_world: World, cluster: Any, monkeypatch: Any) -> None:
    seen = []

    def look(raw: bytes, **options: Any) -> Any:
        assert not connection.in_atomic_block
        with cluster.connect("countersign_test") as other:
            seen.extend(other.execute("SELECT payload, status, tries FROM ingestion_inboundevent").fetchall())
        return real(raw, **options)

    real = parse.parse_mail
    monkeypatch.setattr(parse, "parse_mail", look)
    found = take(committed_world)
    assert seen == [(MAIL, "received", 1)]
    assert (found.event.status, found.is_new) == ("processed", True)


def test_it_refuses_to_promise_inside_a_transaction_that_may_roll_back(committed_world: World) -> None:
    world = committed_world
    with tenant_context(world.acme.pk), pytest.raises(RuntimeError, match="durable"):
        take(world)
    with (
        tenant_context(world.acme.pk),
        pytest.raises(RuntimeError, match="durable"),
        tenant_context(world.acme.pk, durable=True),
    ):
        pass
    with tenant_context(world.acme.pk):
        assert not InboundEvent.objects.exists()


# --- killed -----------------------------------------------------------------------------------------------------------
class Pipe:
    """`manage.py receive_mail` in a process of its own, as a mail server starts it."""

    def __init__(self, socket_dir: Path, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "DATABASE_URL": f"postgres:///{socket_dir}/countersign_test",
            "PGUSER": "app_rw",
            "COUNTERSIGN_LOCAL_DIR": str(folder),
            "SECRET_KEY": settings.SECRET_KEY,
            "FIELD_ENCRYPTION_KEYS": "Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy1rZXk=",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }

    def __call__(self, raw: bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "manage.py", "receive_mail", "--channel", "support@acme.test", "-"]
        return subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            input=raw,
            capture_output=True,
            env={**self.environment, **environment},
            timeout=60,
            check=False,
        )


@pytest.fixture
def pipe(committed_world: World, cluster: Any, tmp_path: Path) -> Iterator[Pipe]:
    yield Pipe(cluster.socket_dir, tmp_path)


def test_a_reader_that_is_killed_loses_nothing_and_the_mail_is_read_again(committed_world: World, pipe: Pipe) -> None:
    world = committed_world
    killed = pipe(MAIL, FAILPOINT="mail.reading")
    assert killed.returncode == -signal.SIGKILL
    kept = event(world)
    assert (kept.status, bytes(kept.payload or b""), kept.tries) == ("received", MAIL, 1)
    assert receive.sweep(account_id=world.acme.pk) == {"woken": 0, "given_up": 0}  # somebody may still be reading
    later(world)
    assert receive.sweep(account_id=world.acme.pk) == {"woken": 1, "given_up": 0}
    job = ProcrastinateJob.objects.get(task_name="ingestion.read_event")
    assert (job.queue_name, job.args) == ("inbound", {"account_id": str(world.acme.pk), "event_id": str(kept.pk)})
    found = receive.read_event(account_id=world.acme.pk, event_id=kept.pk)
    assert (found.event.status, found.is_new) == ("processed", True)
    with tenant_context(world.acme.pk):
        assert Message.objects.get().body_text.strip() == "Does it fit?"
        assert Conversation.objects.count() == 1
    # The mail server, which was told nothing, delivers it again.
    assert b"received before" in pipe(MAIL).stdout


def test_a_mail_that_kills_every_reader_is_given_up_and_others_go_on(committed_world: World, pipe: Pipe) -> None:
    world = committed_world
    assert pipe(MAIL, FAILPOINT="mail.reading").returncode == -signal.SIGKILL
    later(world, tries=receive.MAX_TRIES)
    assert receive.sweep(account_id=world.acme.pk) == {"woken": 0, "given_up": 1}
    given_up = event(world)
    assert (given_up.status, given_up.detail) == ("failed", "Reading it stopped the reader 3 times.")
    # Delivered again it is not read again by itself: the server is told that it is kept.
    again = take(world)
    assert (again.event.status, again.message) == ("failed", None)
    assert take(world, mail(2)).event.status == "processed"
    with tenant_context(world.acme.pk):
        assert Notification.objects.get(type="inbound_held").payload["reason"] == "It could not be read."
        assert AuditEvent.objects.filter(kind="inbound.held").count() == 1


def test_a_reader_is_counted_before_it_reads(committed_world: World, pipe: Pipe) -> None:
    for number in (1, 2, 3):
        assert pipe(MAIL, FAILPOINT="mail.reading").returncode == -signal.SIGKILL
        assert event(committed_world).tries == number
        later(committed_world)
    assert pipe(MAIL, FAILPOINT="mail.reading").returncode == 0  # nobody reads it a fourth time
    assert receive.sweep(account_id=committed_world.acme.pk) == {"woken": 0, "given_up": 1}


def test_the_sweeps_job_reads_it(committed_world: World, pipe: Pipe, worker_turn: Any) -> None:
    pipe(MAIL, FAILPOINT="mail.stored")
    assert event(committed_world).tries == 0
    with tenant_context(committed_world.acme.pk):
        InboundEvent.objects.update(received_at=Now() - timedelta(minutes=2))
    assert receive.sweep(account_id=committed_world.acme.pk)["woken"] == 1
    worker_turn()
    assert event(committed_world).status == "processed"


def test_a_mail_that_was_read_after_all_is_not_given_up(committed_world: World, cluster: Any, in_threads: Any) -> None:
    """The third reader is slow, not dead: its lease ran out, and it ends while the sweep waits for the row."""
    world = committed_world
    event_id = receive.store_mail(account_id=world.acme.pk, channel_id=world.mail.pk, raw=MAIL)
    later(world, tries=receive.MAX_TRIES)
    message = take(world, mail(2)).message
    assert message is not None
    with cluster.connect("countersign_test") as reader:
        reader.execute("BEGIN")
        reader.execute(
            "UPDATE ingestion_inboundevent SET status = 'processed', message_id = %s, lease_until = NULL WHERE id = %s",
            [message.pk, event_id],
        )

        def end() -> None:
            with cluster.connect("countersign_test") as watcher:
                while not watcher.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone():
                    time.sleep(0.02)
            reader.execute("COMMIT")

        found, _ = in_threads([lambda: receive.sweep(account_id=world.acme.pk), end])
    assert found == {"woken": 0, "given_up": 0}
    with tenant_context(world.acme.pk):
        assert InboundEvent.objects.get(pk=event_id).status == "processed"
        assert not AuditEvent.objects.filter(kind="inbound.held").exists()


# --- faults that are not the mail's ------------------------------------------------------------------------------------
@pytest.mark.parametrize("error", [OperationalError("the server went away"), OSError(28, "No space left on device")])
def test_a_fault_that_passes_uses_up_no_try(committed_world: World, monkeypatch: Any, error: Exception) -> None:
    world = committed_world
    monkeypatch.setattr(receive, "record_inbound", lambda **_: (_ for _ in ()).throw(error))
    for _ in range(5):
        with pytest.raises(type(error)):
            take(world)
        later(world)
    assert (event(world).status, event(world).tries) == ("received", 0)
    monkeypatch.undo()
    assert take(world).event.status == "processed"


def test_one_bad_mail_is_kept_with_its_reason_and_stops_nobody(committed_world: World, monkeypatch: Any) -> None:
    world = committed_world
    real = parse.parse_mail

    def breaks(raw: bytes, **options: Any) -> Any:
        if b"Question 1" in raw:
            raise ValueError("cannot \x00 read this")
        return real(raw, **options)

    monkeypatch.setattr(parse, "parse_mail", breaks)
    assert [take(world, mail(number)).event.status for number in (1, 2, 3)] == ["failed", "processed", "processed"]
    with tenant_context(world.acme.pk):
        assert InboundEvent.objects.get(status="failed").detail == "ValueError: cannot  read this"


def test_a_channel_whose_messages_come_by_the_api_takes_no_bytes(world: World) -> None:
    chat = factories.channel(world.acme, type="chat", external_id="chat-1", name="Site chat")
    with pytest.raises(Invalid, match=r"Site chat come by the internal API.*Nothing was stored"):
        receive.receive_mail(account_id=world.acme.pk, channel_id=chat.pk, raw=MAIL)
    with tenant_context(world.acme.pk):
        assert not InboundEvent.objects.exists()


def test_an_empty_or_oversize_mail_and_a_channel_that_is_off_are_refused(world: World, settings: Any) -> None:
    settings.MAIL_MAX_BYTES = 100
    for raw, words in ((b" \r\n", "is empty"), (MAIL * 2, "are allowed")):
        with pytest.raises(Invalid, match=words):
            take(world, raw)
    with tenant_context(world.acme.pk):
        Channel.objects.filter(pk=world.mail.pk).update(is_active=False)
    with pytest.raises(Channel.DoesNotExist):
        take(world, b"From: a@b.test\r\n\r\nx")
    with tenant_context(world.acme.pk):
        assert not InboundEvent.objects.exists()


# --- limits ------------------------------------------------------------------------------------------------------------
def limit(world: World, **options: int) -> None:
    with tenant_context(world.acme.pk):
        Channel.objects.filter(pk=world.mail.pk).update(metadata={**world.mail.metadata, **options})


def test_what_is_over_a_senders_limit_waits_and_others_come_in(world: World) -> None:
    limit(world, sender_per_hour=3)
    spellings = ["pat@customer.test", "PAT@customer.test", "Pat <pat@Customer.TEST>", "pat@customer.test."]
    found = [take(world, mail(n, spellings[n % 4])).event.status for n in range(200)]
    assert found == ["processed"] * 3 + ["quarantined"] * 197
    assert take(world, mail(999, "other@customer.test")).event.status == "processed"
    with tenant_context(world.acme.pk):
        assert Conversation.objects.count() == 4
        held = InboundEvent.objects.filter(status="quarantined")
        assert set(held.values_list("detail", flat=True)) == {"More than 3 mails of this sender within an hour."}
        assert all(bytes(one.payload or b"") for one in held)
        assert Notification.objects.filter(type="inbound_held").count() == 1
        assert AuditEvent.objects.filter(kind="inbound.held").count() == 197


def test_what_is_over_a_channels_limit_waits_whoever_sends_it(world: World) -> None:
    limit(world, mails_per_hour=5)
    found = [take(world, mail(n, f"sender{n}@customer.test")).event.status for n in range(8)]
    assert found == ["processed"] * 5 + ["quarantined"] * 3


def test_one_bounce_comes_in_over_every_limit_and_a_flood_of_bounces_does_not(world: World) -> None:
    """Whoever got one reply of ours knows its id and its return path, and can name themselves as the recipient."""
    first = take(world, mail(1)).message
    assert first is not None
    delivery = factories.approved(factories.draft(first), world.ada)
    with tenant_context(world.acme.pk):
        for status in ("queued", "sending", "sent"):
            Delivery.objects.filter(pk=delivery.pk).update(
                status=status, lease_until=Now() + timedelta(minutes=1), sent_at=Now()
            )
    limit(world, sender_per_hour=1, mails_per_hour=1)
    bounces = [
        b"From: MAILER-DAEMON@mx.test\r\nTo: %b\r\nSubject: Undelivered mail, %d\r\nX-Failed-Recipients: pat@customer.test\r\n"
        b"Message-ID: <b%d@mx.test>\r\n\r\nGone.\r\nMessage-ID: %b\r\n"
        % (delivery.return_path.encode(), number, number, delivery.idempotency_key.encode())
        for number in range(5)
    ]
    found = [take(world, raw, recipient=delivery.return_path) for raw in bounces]
    assert [one.event.status for one in found] == ["processed"] + ["quarantined"] * 4
    with tenant_context(world.acme.pk):
        assert Delivery.objects.get().status == "bounced"
        assert Message.objects.filter(is_automatic=True, conversation=first.conversation).count() == 1


def test_an_hour_later_mail_comes_in_again(world: World) -> None:
    limit(world, sender_per_hour=1)
    take(world, mail(1))
    assert take(world, mail(2)).event.status == "quarantined"
    with tenant_context(world.acme.pk):
        InboundEvent.objects.update(received_at=Now() - timedelta(minutes=61))
    assert take(world, mail(3)).event.status == "processed"


def test_readers_at_once_do_not_let_more_in_than_the_limit(committed_world: World, in_threads: Any) -> None:
    world = committed_world
    limit(world, sender_per_hour=2)
    calls = [lambda number=number: take(world, mail(number)) for number in range(8)]
    found = in_threads(calls)
    assert sorted(one.event.status for one in found) == ["processed"] * 2 + ["quarantined"] * 6


def test_the_same_bytes_are_one_event_and_one_message(world: World) -> None:
    first, second = take(world), take(world)
    assert (first.is_new, second.is_new, first.event.pk) == (True, False, second.event.pk)
    with tenant_context(world.acme.pk):
        assert (InboundEvent.objects.count(), Message.objects.count(), Account.objects.count()) == (1, 1, 1)
