"""F19: a vendor posts what happens, again and again, while web servers and workers die."""

from __future__ import annotations

import contextlib
import json
import statistics
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2
from django.db import connection
from django.db.models.functions import Now

from conversations.channels.slack.signature import sign
from conversations.models import Message
from conversations.setup import hooks
from conversations.tenancy import tenant_context
from ingestion import receive
from ingestion.models import InboundEvent
from tests import factories
from tests.asgi import Server
from tests.bench.measure import tree_of
from tests.faults.ground import Ground, Outcome, kill, noticed, wait_until
from tests.faults.killed import _sigkill

SECRET, RATE, DEATHS = "8f742231b10e8888abcd99yyyzzz85a5", 20, 5  # posts a second; deaths of each kind


def f19_posts_while_processes_die(ground: Ground) -> Outcome:
    """Slack's posts, each some times and shuffled, while web servers and workers are killed: each message once, no 5xx."""
    number = ground.count(700, 60)
    posts = _posts(ground, number)
    out = Outcome(trials=len(posts))
    channel = factories.channel(
        ground.world.acme, type="slack", provider="slack", external_id="T1", name="Slack", incoming_credentials=SECRET,
        metadata={"sender_per_hour": 100_000, "mails_per_hour": 1_000_000},
    )  # fmt: skip
    with tenant_context(ground.world.acme.pk):
        address = hooks.make_hook(channel_id=channel.pk, actor=ground.world.dan)
    connection.close()
    waits: list[float] = []
    answers: Counter[int] = Counter()
    ended, supervised = threading.Event(), threading.Lock()
    with ground.serving() as server:
        killers = [
            threading.Thread(target=_kill_the_web, args=(ground, server, ended)),
            threading.Thread(target=_kill_workers, args=(ground, ended)),
        ]
        for killer in killers:
            killer.start()
        started = time.monotonic()
        with (
            httpx2.Client(base_url=server.url, timeout=20) as slack,
            ThreadPoolExecutor(max_workers=8) as crowd,
        ):

            def post(at: int) -> None:
                """As Slack does: a post that nobody answered comes again."""
                time.sleep(max(0.0, started + at / RATE - time.monotonic()))
                body = posts[at]
                until = time.monotonic() + 60
                while time.monotonic() < until:
                    moment = str(int(time.time()))
                    headers = {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": sign(SECRET, moment, body)}
                    began = time.monotonic()
                    try:
                        status = slack.post(f"/hooks/{address}/", content=body, headers=headers).status_code
                    except httpx2.HTTPError:
                        with supervised, contextlib.suppress(AssertionError):  # killed again while it started
                            server.revive()
                        time.sleep(0.2)
                        continue
                    waits.append(time.monotonic() - began)
                    answers[status] += 1
                    return
                out.violations.append("a post was never answered")

            list(crowd.map(post, range(len(posts))))
        ended.set()
        for killer in killers:
            killer.join()
        with tenant_context(ground.world.acme.pk):  # five minutes later the leases of the dead are over
            InboundEvent.objects.filter(lease_until__isnull=False).update(lease_until=Now() - timedelta(seconds=1))
        receive.sweep(account_id=ground.world.acme.pk)
        connection.close()
        with ground.working():
            settled = wait_until(lambda: not _unread(ground), 120, 0.5)
    out.must(settled, f"{_unread(ground)} posts were never read")
    out.must(set(answers) == {200}, f"answers {dict(answers)}")

    def check(found: Outcome) -> None:
        with tenant_context(ground.world.acme.pk):
            stored = Counter(Message.objects.filter(channel=channel).values_list("body_text", flat=True))
        wanted = {f"Message {n}" for n in range(number)}
        found.must(set(stored) >= wanted, f"{len(wanted - set(stored))} messages are missing")
        found.must(set(stored) <= wanted, f"{len(set(stored) - wanted)} messages are nobody's")
        found.must(max(stored.values(), default=0) <= 1, "a message was stored twice")

    check(out)
    ground.check_trail(out)
    # How quick it is without deaths is F8's; here a twentieth of the posts meets a server that has just begun.
    p95 = statistics.quantiles(waits, n=20)[-1]
    out.figures = f"p95 {p95 * 1e3:.0f} ms at {RATE} a second, {len(waits)} answers"

    def twice(planted: Outcome) -> None:
        ground.superuser("UPDATE conversations_message SET body_text = 'Message 1' WHERE body_text = 'Message 2'")
        check(planted)

    out.control = noticed(twice, what="one message planted twice")
    return out


def _posts(ground: Ground, number: int) -> list[bytes]:
    """Each message as an event, a third of them again as the same event, a tenth again under an id of its own; shuffled."""
    every = []
    for n in range(number):
        said = {"type": "message", "channel": "C1", "user": f"U{n % 40}", "text": f"Message {n}", "ts": f"{1796000000 + n}.0001"}  # fmt: skip
        every.append({"type": "event_callback", "event_id": f"Ev{n}", "team_id": "T1", "event": said})
    again = ground.chance.sample(every, number // 3)
    anew = [{**one, "event_id": f"{one['event_id']}b"} for one in ground.chance.sample(every, number // 10)]
    posts = [json.dumps(one).encode() for one in (*every, *again, *anew)]
    ground.chance.shuffle(posts)
    return posts


def _kill_the_web(ground: Ground, server: Server, ended: threading.Event) -> None:
    for _ in range(ground.count(DEATHS * 4, DEATHS)):
        if ended.wait(ground.chance.uniform(0.3, 1.5)):
            return
        for pid in tree_of(server.pid):
            if pid != server.pid:
                _sigkill(pid)


def _kill_workers(ground: Ground, ended: threading.Event) -> None:
    for _ in range(ground.count(DEATHS * 4, DEATHS)):
        if ended.is_set():
            return
        child = ground.worker()
        ended.wait(ground.chance.uniform(2, 6))
        kill(child)


def _unread(ground: Ground) -> Any:
    with tenant_context(ground.world.acme.pk):
        return InboundEvent.objects.filter(status="received").count()
