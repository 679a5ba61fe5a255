"""A reply of unknown fate is looked for in the Sent folder of a real IMAP server before anybody is asked, or it goes again."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from procrastinate.contrib.django.models import ProcrastinateJob

from config.demo.__main__ import free_port
from conversations.database import database_time
from conversations.messages import outbox, outcomes, reconcile
from conversations.models import AuditEvent, Channel, Delivery, Notification
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import World
from tests.conversations.test_crash import Zygote
from tests.servers import dovecot
from tests.servers.dovecot import Dovecot

pytestmark = [
    pytest.mark.skipif(bool(dovecot.WHY_NOT), reason=dovecot.WHY_NOT or "runs"),
    pytest.mark.xdist_group("dovecot"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot.running(more=dovecot.WITH_SENT) as found:
        yield found


class Vanishes:
    """An SMTP server that takes every mail, keeps it in Sent if it is to, and is gone before it says so."""

    def __init__(self, server: Dovecot) -> None:
        self.server, self.keeps, self.answers = server, True, False
        self.ids: list[str] = []

    async def handle_DATA(self, smtp: Any, session: Any, envelope: Any) -> str:
        found = re.search(rb"(?m)^Message-ID: (\S+)", envelope.content)
        assert found
        self.ids.append(found[1].decode())
        if self.keeps:
            self.server.put("desk", envelope.content, folder="Sent")
        if not self.answers:
            smtp.transport.abort()
        return "250 kept"


@pytest.fixture
def smtp(server: Dovecot) -> Iterator[Vanishes]:
    handler = Vanishes(server)
    handler.port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port)
    controller.start()
    yield handler
    controller.stop()


@pytest.fixture
def channel(committed_world: World, server: Dovecot, smtp: Vanishes) -> Channel:
    world = committed_world
    with tenant_context(world.acme.pk):
        settings = {
            "smtp_host": "127.0.0.1", "smtp_port": smtp.port, "smtp_security": "none",
            "imap_host": "127.0.0.1", "imap_port": server.port, "imap_security": "none", "imap_user": "desk",
        }  # fmt: skip
        Channel.objects.filter(pk=world.mail.pk).update(metadata=settings, incoming_credentials=dovecot.PASSWORD)
        return Channel.objects.get(pk=world.mail.pk)


def reply(world: World) -> Delivery:
    found = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    due(world)
    return found


def due(world: World) -> None:
    with tenant_context(world.acme.pk):
        past = database_time.now() - timedelta(seconds=1)  # another look at the database's clock may say a little less
        Delivery.objects.filter(status__in=["held", "queued"]).update(hold_until=past, next_attempt_at=past)


def deliver(world: World, delivery: Delivery) -> str:
    return outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk)


def looks() -> list[dict[str, str]]:
    """The looks that are asked for, first to last; asked for no more."""
    jobs = ProcrastinateJob.objects.filter(task_name=outbox.LOOK_TASK, status="todo").order_by("id")
    found = list(jobs.values_list("args", flat=True))
    jobs.delete()
    return found


def told(world: World) -> int:
    with tenant_context(world.acme.pk):
        return Notification.objects.filter(type="send_uncertain").count()


def test_what_stands_in_sent_was_sent_and_nobody_is_troubled(
    committed_world: World, channel: Channel, smtp: Vanishes
) -> None:
    world = committed_world
    delivery = reply(world)
    assert deliver(world, delivery) == "uncertain"
    assert told(world) == 0
    (job,) = looks()
    assert reconcile.look(account_id=world.acme.pk, delivery_id=delivery.pk, number=int(job["number"])) == "sent"
    with tenant_context(world.acme.pk):
        delivery.refresh_from_db()
        assert "Found in the folder Sent" in delivery.receipt
        assert delivery.error == ""
        event = AuditEvent.objects.get(kind="delivery.sent")
        assert "Found in the folder Sent" in event.data["response"]
        delivery.conversation.refresh_from_db()
        assert delivery.conversation.owed != "uncertain"
    assert (told(world), looks(), len(smtp.ids)) == (0, [], 1)


def test_what_is_not_there_is_looked_for_three_times_and_then_a_person_is_told(
    committed_world: World, channel: Channel, smtp: Vanishes
) -> None:
    world, smtp.keeps = committed_world, False
    delivery = reply(world)
    deliver(world, delivery)
    for number in (1, 2, 3):
        (job,) = looks()
        assert job["number"] == str(number)
        assert told(world) == 0
        assert reconcile.look(account_id=world.acme.pk, delivery_id=delivery.pk, number=number) == "uncertain"
    with tenant_context(world.acme.pk):
        delivery.refresh_from_db()
    assert "not among what was sent, looked for 3 times" in delivery.error
    assert (told(world), looks(), len(smtp.ids)) == (1, [], 1)  # nothing is sent again by itself


def test_a_server_that_is_away_proves_nothing(committed_world: World, channel: Channel, smtp: Vanishes) -> None:
    world = committed_world
    delivery = reply(world)
    deliver(world, delivery)
    with tenant_context(world.acme.pk):
        Channel.objects.update(metadata={**channel.metadata, "imap_port": 1})
    for number in (1, 2, 3):
        assert reconcile.look(account_id=world.acme.pk, delivery_id=delivery.pk, number=number) == "uncertain"
    with tenant_context(world.acme.pk):
        delivery.refresh_from_db()
    assert "The last look failed" in delivery.error
    assert told(world) == 1


def test_send_again_does_not_send_what_stands_there(committed_world: World, channel: Channel, smtp: Vanishes) -> None:
    world = committed_world
    delivery = reply(world)
    deliver(world, delivery)
    with tenant_context(world.acme.pk):
        outcomes.resolve(delivery_id=delivery.pk, actor=world.ada, outcome="send_again")
    smtp.answers = True
    due(world)
    assert deliver(world, delivery) == "sent"
    assert len(smtp.ids) == 1
    # The control: one that stands nowhere goes again.
    smtp.answers, smtp.keeps = False, False
    other = reply(world)
    deliver(world, other)
    with tenant_context(world.acme.pk):
        outcomes.resolve(delivery_id=other.pk, actor=world.ada, outcome="send_again")
    smtp.answers = True
    due(world)
    assert deliver(world, other) == "sent"
    assert len(smtp.ids) == 3


def test_a_person_who_settled_it_is_not_overruled(
    committed_world: World, channel: Channel, smtp: Vanishes, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = committed_world
    delivery = reply(world)
    deliver(world, delivery)
    find = reconcile.sent_mail.find

    def slowly(*given: Any) -> str:
        found = find(*given)

        def settle() -> None:  # another connection
            with tenant_context(world.acme.pk):
                outcomes.resolve(delivery_id=delivery.pk, actor=world.ada, outcome="give_up")

        person = threading.Thread(target=settle)
        person.start()
        person.join()
        return found

    monkeypatch.setattr(reconcile.sent_mail, "find", slowly)
    assert reconcile.look(account_id=world.acme.pk, delivery_id=delivery.pk, number=1) == "cancelled"


def test_a_worker_that_is_killed_after_the_last_byte_sends_nothing_twice_and_asks_nobody(
    committed_world: World, channel: Channel, smtp: Vanishes, cluster: Any
) -> None:
    world, zygote, smtp.answers = committed_world, Zygote(str(cluster.socket_dir)), True
    delivery = reply(world)
    try:
        assert zygote.deliver(delivery, "deliver.answered") == signal.SIGKILL
    finally:
        zygote.process.kill()
        zygote.process.wait()
    with tenant_context(world.acme.pk):
        Delivery.objects.update(lease_until=database_time.now())
    assert outbox.sweep(account_id=world.acme.pk)["uncertain"] == 1
    assert reconcile.look(account_id=world.acme.pk, delivery_id=delivery.pk, number=1) == "sent"
    assert (len(smtp.ids), told(world)) == (1, 0)
