"""A mail rings at a real IMAP server, and its round is asked for within two seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels.base import ChannelError
from conversations.tenancy import tenant_context
from ingestion import mailboxes, watching
from ingestion.models import Mailbox
from tests.conftest import World
from tests.ingestion.test_mailboxes import connect, fetch, mail
from tests.servers import dovecot
from tests.servers.dovecot import Dovecot

pytestmark = [
    pytest.mark.skipif(bool(dovecot.WHY_NOT), reason=dovecot.WHY_NOT or "runs"),
    pytest.mark.xdist_group("dovecot"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot.running() as found:
        yield found


def asked() -> int:
    return ProcrastinateJob.objects.filter(task_name=mailboxes.TASK, status="todo").count()


def watched(world: World, **changes: Any) -> bool:
    with tenant_context(world.acme.pk):
        pk = Mailbox.objects.get().pk
    return watching.watch_once(account_id=world.acme.pk, mailbox_id=pk, **{"should_stop": lambda: False, **changes})


def test_a_mail_that_comes_asks_for_a_round_within_two_seconds(world: World, acme: Any, server: Dovecot) -> None:
    user = connect(world.mail, server)
    fetch(world)
    ProcrastinateJob.objects.filter(task_name=mailboxes.TASK).update(status="succeeded")
    put: list[float] = []

    def later() -> None:
        put.append(time.monotonic())
        server.put(user, mail(1))

    threading.Timer(1, later).start()
    assert watched(world, seconds=20)
    assert time.monotonic() - put[0] < 2
    assert asked() == 1
    assert fetch(world) == 1


def test_what_came_while_nobody_stood_there_rings_at_once(world: World, acme: Any, server: Dovecot) -> None:
    user = connect(world.mail, server)
    fetch(world)
    ProcrastinateJob.objects.filter(task_name=mailboxes.TASK).update(status="succeeded")
    server.put(user, mail(1))
    began = time.monotonic()
    assert watched(world, seconds=0.5)
    assert time.monotonic() - began < 2
    assert asked() == 1


def test_silence_asks_for_nothing_and_a_stop_is_heeded(world: World, acme: Any, server: Dovecot) -> None:
    connect(world.mail, server)
    fetch(world)
    ProcrastinateJob.objects.filter(task_name=mailboxes.TASK).update(status="succeeded")
    began = time.monotonic()
    assert watched(world, seconds=1)
    assert watched(world, seconds=60, should_stop=lambda: True)
    assert time.monotonic() - began < 5
    assert asked() == 0


def test_a_server_that_stands_still_is_noticed(world: World, acme: Any, server: Dovecot, settings: Any) -> None:
    settings.IMAP_TIMEOUT_SECONDS = 2
    connect(world.mail, server)
    fetch(world)
    timer = threading.Timer(0.7, server.sleeps)
    timer.start()
    try:
        with pytest.raises(ChannelError):
            watched(world, seconds=2)
    finally:
        timer.join()
        server.wakes()
