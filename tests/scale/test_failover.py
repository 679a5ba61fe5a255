"""The primary is killed and its standby promoted: web, workers and open pages find the new one by themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.conf import settings
from django.db import DatabaseError, connection

from config import env
from conversations.models import Channel, Delivery, Message
from conversations.people import tokens
from conversations.tenancy import tenant_context
from tests import factories
from tests.asgi import session_of
from tests.conftest import World
from tests.faults.ground import wait_until
from tests.faults.postbox import Postbox
from tests.scale.pair import Pair
from tests.scale.team import Web, Worker, at_work, children_of, environment, is_alive

BACK_SECONDS = 30  # acceptance 37 of the design
ORPHAN_SECONDS = 12


def test_of_several_hosts_the_one_that_takes_writes_is_meant() -> None:
    several = env.database("DATABASE_URL", "postgres://app_rw:secret@one:5432,two:5433/desk")
    assert (several["HOST"], several["PORT"]) == ("one,two", "5432,5433")
    assert several["OPTIONS"] == {"target_session_attrs": "read-write"}
    named = env.database("DATABASE_URL", "postgres://app_rw@one,two/desk?target_session_attrs=any")
    assert named["OPTIONS"] == {"target_session_attrs": "any"}
    assert "OPTIONS" not in env.database("DATABASE_URL", "postgres://app_rw@one/desk")


def test_what_the_url_says_of_the_connection_reaches_every_connection() -> None:
    ask = "import json; from config import settings; print(json.dumps([settings.DATABASES, settings.LISTEN_DATABASE]))"
    given = {
        **os.environ,
        "DATABASE_URL": "postgres://app_rw@one,two/desk?sslmode=require&connect_timeout=7",
        "DATABASE_OWNER_URL": "postgres://app_owner@one/desk?sslmode=verify-full",
        "LISTEN_DATABASE_URL": "postgres://app_rw@one,two/desk",
    }
    said = subprocess.run(
        [sys.executable, "-c", ask], cwd=settings.BASE_DIR, env=given, capture_output=True, check=True
    )
    databases, listen = json.loads(said.stdout)
    wanted = {"target_session_attrs": "read-write", "sslmode": "require", "connect_timeout": 7}
    assert wanted.items() <= databases["default"]["OPTIONS"].items()
    assert databases["default"]["OPTIONS"]["tcp_user_timeout"] == 2000
    assert databases["owner"]["OPTIONS"] == {"application_name": "countersign-owner", "sslmode": "verify-full"}
    assert listen["OPTIONS"]["target_session_attrs"] == "read-write"


def test_a_connection_to_both_ends_at_the_primary_and_after_it_at_the_standby(pair: Pair, paired_world: World) -> None:
    def is_standby() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            return bool(cursor.fetchone()[0])

    assert not is_standby()
    pair.fail_over()
    with pytest.raises(DatabaseError):
        is_standby()
    connection.close()
    assert not is_standby()
    with tenant_context(paired_world.acme.pk):  # committed on both before it was told
        assert Channel.objects.filter(pk=paired_world.mail.pk).exists()


class Page:
    """An open page: what it was told, whichever connection it was told by."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        self.told: list[float] = []
        self._url, self._cookies, self._over = url, cookies, threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                with httpx2.stream("GET", f"{self._url}/live/", cookies=self._cookies, timeout=30) as answer:
                    for line in answer.iter_lines():
                        if line.startswith("data:"):
                            self.told.append(time.monotonic())
                        if self._over.is_set():
                            return
            except httpx2.HTTPError:
                self._over.wait(0.5)


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    found = Postbox()
    yield found
    found.stop()


def test_web_workers_and_open_pages_follow_without_a_restart_by_hand(
    pair: Pair, paired_world: World, postbox: Postbox, tmp_path: Path
) -> None:
    world = paired_world
    with tenant_context(world.acme.pk):
        smtp = {"smtp_host": "127.0.0.1", "smtp_port": postbox.port, "smtp_security": "none"}
        Channel.objects.filter(pk=world.mail.pk).update(metadata={**world.mail.metadata, **smtp})
        token = tokens.issue(account=world.acme, name="Load", scopes=tokens.Scope.values, actor=world.dan)[1]
    cookies = {settings.SESSION_COOKIE_NAME: session_of(world.ada)}
    message = factories.message(world.mail)
    url = f"/internal/conversations/{message.conversation_id}/messages"
    headers = {"Authorization": f"Bearer {token}"}
    given = environment(tmp_path, DATABASE_URL=pair.url("countersign_test"))
    web, worker = Web("web", given, tmp_path), Worker("worker", given, tmp_path, poll=120)
    with at_work(web, worker), httpx2.Client(base_url=web.url, cookies=cookies, timeout=10) as browser:
        assert web.answers()
        page = Page(web.url, cookies)
        assert wait_until(lambda: bool(page.told), 15), "nobody listens at the primary"
        first = browser.post(url, json={"external_id": "m-1", "body_text": "Before"}, headers=headers)
        assert first.status_code == 201
        assert _delivered(world, postbox, 1), worker.log.read_text()
        serving = web.process.pid

        pair.fail_over()
        began = time.monotonic()
        connection.close()

        def asked(number: int) -> bool:
            body = {"external_id": f"m-{number}", "body_text": "After"}
            answer: Any = browser.post(url, json=body, headers=headers)
            assert answer.status_code in {200, 201, 503}, answer.text
            return bool(answer.status_code != 503)

        assert wait_until(lambda: asked(2), BACK_SECONDS), web.log.read_text()
        back = time.monotonic() - began
        assert web.process.pid == serving
        # The worker polls every two minutes: it can only have been told, over a new LISTEN connection.
        assert _delivered(world, postbox, 2), worker.log.read_text()
        told = time.monotonic()
        assert asked(3)
        assert wait_until(lambda: any(at > told for at in page.told), 15), web.log.read_text()
        with tenant_context(world.acme.pk):
            assert Message.objects.filter(external_id__in=["m-1", "m-2", "m-3"]).count() == 3
    assert max(postbox.taken.values()) == 1
    print(f"written again after {back:.1f} s; the worker was started {worker.starts} times")


def _delivered(world: World, postbox: Postbox, number: int) -> bool:
    """A reply is approved now and has left."""
    factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with tenant_context(world.acme.pk), connection.cursor() as cursor:
        Delivery.objects.count()
        cursor.execute("UPDATE conversations_delivery SET hold_until = now() WHERE status = 'held'")
    return wait_until(lambda: len(postbox.taken) >= number, 45)


def test_children_of_a_killed_web_server_end_and_the_next_one_has_the_port(
    committed_world: World, cluster: Any, tmp_path: Path
) -> None:
    address = f"postgres:///{cluster.socket_dir}/countersign_test"
    web = Web("web", environment(tmp_path, DATABASE_URL=address), tmp_path)
    with at_work(web):
        assert web.answers()
        first = web.process.pid
        orphans = children_of(first)
        assert orphans
        web.kill()
        assert wait_until(lambda: not any(is_alive(pid) for pid in orphans), ORPHAN_SECONDS)
        assert web.answers()
        assert web.process.pid != first


def test_a_child_whose_server_is_killed_while_it_starts_ends_too(
    committed_world: World, cluster: Any, tmp_path: Path
) -> None:
    """Left over by a proof that killed servers at any moment: it looked who its parent was when that was gone already."""
    address = f"postgres:///{cluster.socket_dir}/countersign_test"
    web = Web("web", environment(tmp_path, DATABASE_URL=address), tmp_path)
    with at_work(web):
        assert wait_until(lambda: bool(children_of(web.process.pid)), 30, 0.01)
        orphans = children_of(web.process.pid)
        web.kill()
        assert wait_until(lambda: not any(is_alive(pid) for pid in orphans), 30)
