"""Promise 2 under kill -9: the worker dies at every step of a delivery, against a real server.

Three times each; `make faults` (F2) kills twenty times at each step, and at any moment.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.conf import settings
from django.utils import timezone

from config.demo.__main__ import free_port
from conversations.messages import outbox
from conversations.models import Channel, Delivery
from conversations.tenancy import tenant_context
from drafts.models import Draft
from tests import factories
from tests.conftest import World

TIMES = 3
HARMLESS = ["deliver.leased", "smtp.before_connect", "smtp.connected"]
IN_DOUBT = ["smtp.handing_over", "smtp.written", "smtp.answered", "deliver.answered"]
POINTS = [*HARMLESS, *IN_DOUBT, "deliver.recorded"]


class Zygote:
    def __init__(self, host: str) -> None:
        command = [sys.executable, "-m", "tests.crash_zygote", host, "countersign_test"]
        self.process = subprocess.Popen(
            command, cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def deliver(self, delivery: Delivery, failpoint: str = "") -> int:
        return self.run(failpoint=failpoint, account=str(delivery.account_id), delivery=str(delivery.pk))

    def run(self, **command: str) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(command), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@pytest.fixture
def zygote(cluster) -> Iterator[Zygote]:
    found = Zygote(str(cluster.socket_dir))
    yield found
    found.process.kill()
    found.process.wait()


class Keeper:
    def __init__(self) -> None:
        self.ids: Counter[str] = Counter()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        found = re.search(rb"(?m)^Message-ID: (\S+)", envelope.content)
        assert found
        self.ids[found[1].decode()] += 1
        return "250 kept"


@pytest.fixture
def keeper() -> Iterator[tuple[Keeper, int]]:
    handler, port = Keeper(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


@pytest.mark.parametrize("failpoint", POINTS)
def test_a_killed_worker_sends_nothing_twice(
    committed_world: World, zygote: Zygote, keeper: tuple[Keeper, int], failpoint: str
) -> None:
    world, (server, port) = committed_world, keeper
    with tenant_context(world.acme.pk):
        smtp = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
        Channel.objects.filter(pk=world.mail.pk).update(metadata=smtp)
    deliveries = [factories.approved(factories.draft(factories.message(world.mail)), world.ada) for _ in range(TIMES)]
    with tenant_context(world.acme.pk):
        Delivery.objects.update(hold_until=timezone.now(), next_attempt_at=timezone.now())

    for delivery in deliveries:
        assert zygote.deliver(delivery, failpoint) == signal.SIGKILL

    late = timezone.now() + timedelta(minutes=5)
    outbox.sweep(account_id=world.acme.pk, now=late)
    for delivery in deliveries:  # the next worker
        with tenant_context(world.acme.pk):
            Delivery.objects.filter(pk=delivery.pk, status="queued").update(next_attempt_at=timezone.now())
        assert zygote.deliver(delivery) == 0

    with tenant_context(world.acme.pk):
        states = Counter(Delivery.objects.values_list("status", flat=True))
        sent = set(Delivery.objects.filter(status="sent").values_list("idempotency_key", flat=True))
        uncertain = set(Delivery.objects.filter(status="uncertain").values_list("idempotency_key", flat=True))
        drafts = Counter(Draft.objects.values_list("status", flat=True))
    assert max(server.ids.values(), default=0) <= 1, "a mail was sent twice"
    assert sent <= set(server.ids), "something is called sent that the server never took"
    assert set(server.ids) <= sent | uncertain
    expected = "uncertain" if failpoint in IN_DOUBT else "sent"
    assert states == {expected: TIMES}
    assert drafts == {"sent" if expected == "sent" else "approved": TIMES}
    taken = {"smtp.handing_over": 0}.get(failpoint, TIMES)
    if failpoint != "smtp.written":  # killed between the dot and the answer: the server decides whether it counts
        assert len(server.ids) == taken
