"""The world of the tests: a throw-away PostgreSQL migrated by app_owner and used as app_rw, two tenants, six people.

ada (reviewer), bo (auditor), cy (agent) and dan (admin) work at Acme; eve (reviewer) at Globex; root runs the platform.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import Client
from django.test.testcases import TestCase, TransactionTestCase
from xdist.scheduler import LoadScopeScheduling

from config.postgres import SUPERUSER, Cluster, embedded
from conversations.database import database_time
from conversations.models import Account, Channel, User
from conversations.tenancy import tenant_context
from tests import factories, ready_cluster

CORPORA = Path(settings.BASE_DIR).parent / "shared" / "corpora"
needs_corpora = pytest.mark.skipif(
    not CORPORA.exists(), reason="the shared mail corpora are not beside this checkout (they are in CI)"
)

#: What their tests begin with is dear and made once a file, so one process runs all of each. (xdist_group marks do nothing from
#: pytest 9.2 on, silently: pytest-xdist issue 1386.)
TOGETHER = {
    "tests/drafts/test_offline_drafter.py",  # the demo's drafts
    "tests/ingestion/test_mailboxes.py",  # Dovecot
    "tests/schema/test_migrations.py",  # the whole schema down and up again
}


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Each test by itself to whoever is free, but for those of TOGETHER, which come first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


# --- the database --------------------------------------------------------------------------------------------------
def _point_at(cluster: Cluster) -> None:
    """From here on the product's connections go to this cluster, as app_rw and as app_owner."""
    for alias, user in (("default", "app_rw"), ("owner", "app_owner")):
        connections[alias].close()
        for target in (connections[alias].settings_dict, settings.DATABASES[alias]):
            target.update(NAME="countersign_test", HOST=str(cluster.socket_dir), USER=user, PASSWORD="", PORT="")


def _migrate(cluster: Cluster) -> None:
    cluster.create_database("countersign_test")
    _point_at(cluster)
    call_command("migrate", database="owner", verbosity=0, interactive=False)
    connections["owner"].close()


@pytest.fixture(autouse=True)
def _time_is_known() -> None:
    """As in any process that has asked a database for anything: it need not be asked by tests that have none, whatever ran
    before them. Cluster and tests share this machine's clock."""
    database_time.learn(datetime.now(UTC), asked=database_time.timer())


@pytest.fixture(scope="session")
def cluster(worker_id: str, django_db_blocker: Any) -> Iterator[Cluster]:
    """One cluster a test process, under a folder that the server may reach whoever runs the tests.

    A fork that tries a mutant uses the one of its parent.
    """
    if running := os.environ.get("COUNTERSIGN_TEST_CLUSTER"):
        yield embedded(Path(running))
        return
    folder = Path(tempfile.mkdtemp(prefix=f"countersign-pg-{worker_id}-"))
    with django_db_blocker.unblock():
        found = ready_cluster.start(folder, _migrate)
    yield found
    connections.close_all()
    found.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def worker_id() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def django_db_setup(cluster: Cluster) -> None:
    """Migrated as app_owner; from then on the tests are app_rw, which row-level security binds."""
    _point_at(cluster)


MANY_BYTES = 250_000  # of a table: what is deleted stays in its file until it is vacuumed


def empty_database(cluster: Cluster, *, whole: bool = False) -> None:
    """After a test that committed: every table but the migrations' own is emptied, by a superuser, triggers off.

    What holds rows is deleted from: a tenth of what it takes to truncate them all. After many rows, or where pages are going
    to be counted (`whole`), they are truncated.
    """
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        tables = server.execute(
            "SELECT quote_ident(relname), pg_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL(%s)",
            [["django_migrations", "django_content_type", "auth_permission"]],
        ).fetchall()
        names = [name for name, _ in tables]
        # A browser's last request may still hold a row of one table and want another: it wins, we try again.
        for left in range(10, -1, -1):
            try:
                with server.transaction():
                    server.execute(
                        f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE"
                    )  # a late request ends first
                    # What the last test's rows taught the planner is wrong for the next one's.
                    server.execute(
                        "DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relrowsecurity)"
                    )
                    if whole or max(size for _, size in tables) > MANY_BYTES:
                        server.execute(f"TRUNCATE {', '.join(names)} CASCADE")
                        return
                    held = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in names)
                    for (name,) in server.execute(held).fetchall():
                        server.execute(f"DELETE FROM {name}")
                return
            except psycopg.errors.DeadlockDetected:
                if not left:
                    raise
                time.sleep(0.3)


@pytest.fixture(autouse=True, scope="session")
def _own_flush() -> None:
    """Django flushes by TRUNCATE as the connected role, which app_rw rightly may not; `committed` does it instead."""
    TransactionTestCase._fixture_teardown = lambda self: None  # type: ignore[method-assign]
    TestCase._fixture_teardown = TestCase.__dict__.get("_original_teardown", _test_case_teardown)  # type: ignore[attr-defined]


def _test_case_teardown(self: TestCase) -> None:
    for alias in reversed(list(self._databases_names())):  # type: ignore[attr-defined]
        if self.atomics and alias in self.atomics:  # type: ignore[attr-defined]
            transaction.set_rollback(True, using=alias)
            self.atomics[alias].__exit__(None, None, None)  # type: ignore[attr-defined]


@pytest.fixture
def committed(transactional_db: None, cluster: Cluster) -> Iterator[None]:
    """Real commits, seen by other connections; the database is emptied afterwards."""
    yield
    connections["default"].close()
    empty_database(cluster)


# --- the world -----------------------------------------------------------------------------------------------------
class World:
    """Two tenants and their people. Attributes are made on first use, inside the right tenant."""

    def __init__(self) -> None:
        self.acme = factories.account("Acme", "acme")
        self.globex = factories.account("Globex", "globex")
        self.ada = factories.person("ada", self.acme, "reviewer")
        self.bo = factories.person("bo", self.acme, "auditor")
        self.cy = factories.person("cy", self.acme, "agent")
        self.dan = factories.person("dan", self.acme, "admin")
        self.eve = factories.person("eve", self.globex, "reviewer")
        self.mail = factories.channel(self.acme)
        self.other_mail = factories.channel(self.globex)

    def people(self) -> list[User]:
        return [self.ada, self.bo, self.cy, self.dan, self.eve]


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def committed_world(committed: None) -> World:
    return World()


@pytest.fixture
def unbound(committed_world: World) -> Iterator[World]:
    """The product's connection as a superuser, whom row-level security does not bind: only what a question asks by itself
    still keeps the tenants apart."""
    ours = connections["default"]
    ours.close()
    bound, ours.settings_dict["USER"] = ours.settings_dict["USER"], SUPERUSER
    yield committed_world
    ours.close()
    ours.settings_dict["USER"] = bound


@pytest.fixture
def acme(world: World) -> Iterator[Account]:
    """Inside Acme for the whole test. Its transaction is the test's own, as Django's is: what promises a commit
    (`durable=True`) may run inside it."""
    with tenant_context(world.acme.pk):
        connection.atomic_blocks[-1]._from_testcase = True
        yield world.acme


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A browser of this person, past the log-in page."""

    def open_browser(user: User, **headers: Any) -> Client:
        client = Client(**headers)
        client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
        return client

    return open_browser


@pytest.fixture
def in_threads() -> Callable[..., list[Any]]:
    """Run each callable in a thread of its own, with a connection of its own, all let go at once."""

    def run(calls: list[Callable[[], Any]], within: float = 120) -> list[Any]:
        results: list[Any] = [None] * len(calls)
        gate = threading.Barrier(len(calls))

        def one(index: int, call: Callable[[], Any]) -> None:
            try:
                gate.wait(timeout=30)
                results[index] = call()
            except Exception as error:
                results[index] = error
            finally:
                connection.close()

        threads = [threading.Thread(target=one, args=(i, call), daemon=True) for i, call in enumerate(calls)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + within
        for thread in threads:
            thread.join(timeout=max(0.0, end - time.monotonic()))
        late = [at for at, thread in enumerate(threads) if thread.is_alive()]
        assert not late, f"after {within} s still at work: {late}"  # a deadlock, or more work than its time
        return results

    return run


@pytest.fixture
def attachments_dir(tmp_path: Path, settings: Any) -> Path:
    settings.STORAGES = {
        **settings.STORAGES,
        "attachments": {
            "BACKEND": "conversations.storage.WholeFiles",
            "OPTIONS": {"location": str(tmp_path / "attachments"), "base_url": None},
        },
    }
    return tmp_path / "attachments"


def some_id() -> uuid.UUID:
    return uuid.uuid4()


__all__ = ["Channel", "World", "needs_corpora"]


@pytest.fixture
def worker_turn() -> Callable[[], None]:
    """A real worker that does what is due and ends. In a thread of its own: a browser's test leaves this one's event loop
    running."""
    from procrastinate.contrib.django import app

    def work() -> None:
        with app.replace_connector(app.connector.get_worker_connector()):  # type: ignore[attr-defined]
            app.run_worker(wait=False, install_signal_handlers=False, listen_notify=False)
        connections.close_all()

    def turn() -> None:
        with ThreadPoolExecutor(max_workers=1) as own:
            own.submit(work).result()

    return turn
