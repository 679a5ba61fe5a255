"""Behind a real PgBouncer in transaction mode: two tenants share two server connections and never see one another."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings

from config.demo.__main__ import free_port
from config.postgres import Cluster
from conversations.models import Delivery
from conversations.tenancy import tenant_context
from drafts.models import Draft
from tests import factories
from tests.asgi import Server, serving, session_of
from tests.conftest import World
from tests.factories import seen

BOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
pytestmark = pytest.mark.skipif(BOUNCER is None, reason="no pgbouncer on this machine (CI installs it)")

CONFIG = """
[databases]
countersign_test = host={host} port=5432 dbname=countersign_test user=app_rw pool_size=2
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
ignore_startup_parameters = options
server_login_retry = 1
"""


@pytest.fixture
def bouncer(cluster: Cluster) -> Iterator[str]:
    """The address of a PgBouncer before the tests' database, as `docs/deployment.md` says to set it up."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-bouncer-"))
    folder.chmod(0o755)
    port = free_port()
    (folder / "pgbouncer.ini").write_text(CONFIG.format(host=cluster.socket_dir, port=port))
    identity: dict[str, Any] = {}
    if cluster.user:  # it refuses to run as root, as PostgreSQL does
        identity = {"user": cluster.user.pw_uid, "group": cluster.user.pw_gid, "extra_groups": []}
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        [str(BOUNCER), str(folder / "pgbouncer.ini")], cwd="/", stdout=log, stderr=log, **identity
    )
    try:
        _wait(port, server, folder / "log")
        yield f"postgres://app_rw@127.0.0.1:{port}/countersign_test"
    finally:
        server.terminate()
        server.wait(timeout=10)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_two_tenants_share_two_connections_and_never_see_one_another(
    committed_world: World, cluster: Cluster, bouncer: str, in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    world = committed_world
    marks = {world.acme.pk: "acme-only-hose", world.globex.pk: "globex-only-pump"}
    drafts = {}
    for account, channel in ((world.acme, world.mail), (world.globex, world.other_mail)):
        drafts[account.pk] = [
            factories.draft(factories.message(channel, f"About {marks[account.pk]} {n}", subject=marks[account.pk]))
            for n in range(6)
        ]
    direct = f"postgres:///{cluster.socket_dir}/countersign_test"
    # Django's pool is off: PgBouncer is the pool.
    with serving(cluster, DATABASE_URL=bouncer, LISTEN_DATABASE_URL=direct) as server:

        def reads(person: Any, own: str, foreign: str) -> Callable[[], str]:
            cookie = f"{settings.SESSION_COOKIE_NAME}={session_of(person)}"

            def run() -> str:
                for _ in range(15):
                    for path in ("/queue/", "/conversations/", "/sources/"):
                        page = _get(server, path, cookie)
                        assert foreign not in page, path
                        assert path == "/sources/" or own in page, path
                return "well"

            return run

        acme, globex = marks[world.acme.pk], marks[world.globex.pk]
        readers = [reads(world.ada, acme, globex), reads(world.eve, globex, acme)] * 2
        assert in_threads(readers) == ["well"] * 4

        # A decision, its lock and its audit event hold over the pooled connections too.
        for account, person in ((world.acme, world.ada), (world.globex, world.eve)):
            _approve(server, drafts[account.pk][0], session_of(person))
            with tenant_context(account.pk):
                assert Delivery.objects.count() == 1
                assert Draft.objects.filter(status="approved").count() == 1


def _get(server: Server, path: str, cookie: str) -> str:
    request = urllib.request.Request(server.url + path, headers={"Cookie": cookie})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def _approve(server: Server, draft: Draft, session: str) -> None:
    with tenant_context(draft.account_id):
        was = seen(draft)
    token = "a" * 32
    body = {
        "version": was.version,
        "last_inbound": was.last_inbound,
        "envelope": was.envelope,
        "request_id": uuid.uuid4().hex,
        "csrfmiddlewaretoken": token,
    }
    request = urllib.request.Request(
        f"{server.url}/drafts/{draft.pk}/approve/",
        data=urlencode(body).encode(),
        headers={
            "Cookie": f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={token}",
            "HX-Request": "true",
            "Referer": server.url,
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
