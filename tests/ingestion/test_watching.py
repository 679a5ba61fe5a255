"""A mail rings at a real IMAP server, and its round is asked for within two seconds."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as conf
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels.base import ChannelError
from conversations.channels.email import imap
from conversations.tenancy import tenant_context
from ingestion import mailboxes, watching
from ingestion.models import Mailbox
from tests import factories
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


def test_a_server_that_cannot_ring_is_asked_now_and_then(
    world: World, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "ASKED_EVERY", 0.3)
    with dovecot.running(more="imap_capability = IMAP4rev1 UIDPLUS\n") as old:
        user = connect(world.mail, old)
        fetch(world)
        ProcrastinateJob.objects.filter(task_name=mailboxes.TASK).update(status="succeeded")
        timer = threading.Timer(1, old.put, args=(user, mail(1)))
        timer.start()
        began = time.monotonic()
        assert watched(world, seconds=20)
        assert 1 <= time.monotonic() - began < 5
        assert asked() == 1
        timer.join()


# --- all of them ---------------------------------------------------------------------------------------------------
def jobs_of(mailbox: Mailbox) -> int:
    return ProcrastinateJob.objects.filter(task_name=mailboxes.TASK, args__mailbox_id=str(mailbox.pk)).count()


def becomes(true: Callable[[], bool], *, within: float) -> float:
    """After how many seconds something was so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within, "it did not come to be"
        time.sleep(0.05)
    return time.monotonic() - began


@contextlib.contextmanager
def everybody_watched() -> Iterator[threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=watching.watch_all, kwargs={"stop": stop})
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def boxes(world: World) -> dict[Any, Mailbox]:
    with tenant_context(world.acme.pk):
        found = {mailbox.channel_id: mailbox for mailbox in Mailbox.objects.all()}
    ProcrastinateJob.objects.filter(task_name=mailboxes.TASK).delete()
    return found


def test_one_process_watches_many_and_a_dead_server_keeps_nobody_from_ringing(
    committed_world: World, server: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = committed_world
    monkeypatch.setattr(watching, "LOOK", 0.5)
    monkeypatch.setattr(watching, "FIRST_WAIT", 0.5)
    channels = [world.mail, *(factories.channel(world.acme, external_id=f"desk{at}@acme.test") for at in range(4))]
    users = [connect(channel, server) for channel in channels]
    fetch(world)
    connect(channels[0], server, imap_port=1)
    found = boxes(world)
    with everybody_watched():
        time.sleep(2)  # all stand there
        for user in users[1:3]:
            server.put(user, mail(1))
        took = becomes(lambda: all(jobs_of(found[channel.pk]) for channel in channels[1:3]), within=10)
        print(f"rang after {took:.1f} s")
        assert took < 2
        assert not any(jobs_of(found[channel.pk]) for channel in (channels[0], *channels[3:]))
        # One that is set up later is found as well.
        connect(channels[0], server, users[0])
        server.put(users[0], mail(2))
        becomes(lambda: jobs_of(found[channels[0].pk]) == 1, within=10)


def test_a_server_that_comes_back_is_stood_at_again(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = committed_world
    monkeypatch.setattr(watching, "FIRST_WAIT", 0.3)
    monkeypatch.setattr(watching, "LONGEST_WAIT", 0.6)
    with dovecot.running() as restarted:
        user = connect(world.mail, restarted)
        fetch(world)
        mailbox = boxes(world)[world.mail.pk]
        with everybody_watched():
            time.sleep(1.5)
            restarted.stop()
            time.sleep(1.5)
            assert jobs_of(mailbox) == 0
            restarted.start()
            restarted.put(user, mail(1))
            becomes(lambda: jobs_of(mailbox) == 1, within=10)


COMMAND = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from django.conf import settings
settings.DATABASES["default"].update(HOST=sys.argv[1], NAME="countersign_test", USER="app_rw")
from django.core.management import call_command
call_command("watch_mail")
"""


def test_the_command_ends_cleanly_on_sigterm(committed_world: World, cluster: Any, server: Dovecot) -> None:
    world = committed_world
    user = connect(world.mail, server)
    fetch(world)
    mailbox = boxes(world)[world.mail.pk]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(cluster.socket_dir)],
        cwd=conf.BASE_DIR, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        server.put(user, mail(1))
        becomes(lambda: jobs_of(mailbox) == 1, within=60)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Nobody watches any more" in said
