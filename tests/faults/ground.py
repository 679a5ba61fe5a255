"""What the trials stand on: a cluster that syncs to the disk, the product's servers and workers as processes, a postbox.

Nothing is faked but what lies outside of the product: the customer's mail server is ours, and can misbehave.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from config.postgres import Cluster, embedded
from conversations import audit
from conversations.models import Channel, Delivery, User
from conversations.people import tokens
from conversations.tenancy import tenant_context
from conversations.trail import report
from drafts.models import Draft
from tests import factories
from tests.asgi import Server, session_of
from tests.conftest import World, empty_database
from tests.faults.postbox import Postbox

LEASE, TIMEOUT = 2.0, 2.0  # seconds of a delivery's lease and of one hand-over, in the trials
DATABASE = "countersign_test"


@dataclass
class Outcome:
    """What a trial found. `control` says how the planted violation was noticed; empty: it was not, so nothing is proved."""

    trials: int = 0
    violations: list[str] = field(default_factory=list)
    control: str = ""
    figures: str = ""
    skipped: str = ""

    def must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)


class Ground:
    """One run's cluster and everything on it. `count` shrinks a number of trials in a small run."""

    def __init__(self, cluster: Cluster, folder: Path, *, share: float, seed: int) -> None:
        self.cluster, self.folder, self.share, self.seed = cluster, folder, share, seed
        self.chance = random.Random(seed)
        self.postbox = Postbox()
        self.world: World

    def count(self, full: int, least: int = 3) -> int:
        return max(least, round(full * self.share))

    def fresh(self) -> None:
        """An empty database and a new world in it, whose mail goes to the postbox."""
        connection.close()
        empty_database(self.cluster)
        self.world = World()
        self.postbox.reset()
        for channel in (self.world.mail, self.world.other_mail):
            self.at(channel, self.postbox.port)

    def at(self, channel: Channel, port: int) -> None:
        with tenant_context(channel.account_id):
            smtp = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
            Channel.objects.filter(pk=channel.pk).update(metadata={**channel.metadata, **smtp})

    def environment(self, **env: str) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": f"postgres:///{self.cluster.socket_dir}/{DATABASE}",
            "PGUSER": "app_rw",
            "SECRET_KEY": settings.SECRET_KEY,
            "MESSAGE_ID_KEY": settings.MESSAGE_ID_KEY.decode(),
            "MAIL_DOMAIN": settings.MAIL_DOMAIN,
            "COUNTERSIGN_LOCAL_DIR": str(self.folder),
            "DELIVERY_LEASE_SECONDS": str(LEASE),
            "SMTP_TIMEOUT_SECONDS": str(TIMEOUT),
            "LOG_LEVEL": "ERROR",
            "DEMO": "true",
            **env,
        }

    @contextlib.contextmanager
    def serving(self, **env: str) -> Iterator[Server]:
        server = Server(self.cluster, output=subprocess.DEVNULL, **self.environment(**env))
        server.start()
        try:
            yield server
        finally:
            if server.is_up:
                server.stop()

    @contextlib.contextmanager
    def working(self, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process; killed at the end if it still lives."""
        child = self.worker(**env)
        try:
            yield child
        finally:
            kill(child)

    def worker(self, **env: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "manage.py", "procrastinate", "worker", "--concurrency", "4"]
        return subprocess.Popen(
            [*command, "--fetch-job-polling-interval", "0.5"],
            cwd=settings.BASE_DIR,
            env=self.environment(**env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    # --- people, drafts and replies ---------------------------------------------------------------------------------
    def drafts(self, number: int, channel: Channel | None = None) -> list[Draft]:
        return [factories.draft(factories.message(channel or self.world.mail)) for _ in range(number)]

    def approved(self, number: int, channel: Channel | None = None, who: User | None = None) -> list[Delivery]:
        """Replies that were approved and are due now."""
        found = [factories.approved(draft, who or self.world.ada) for draft in self.drafts(number, channel)]
        self.due()
        return found

    def due(self) -> None:
        """End every hold, every wait for another try and every pause of a channel."""
        for account in (self.world.acme, self.world.globex):
            with tenant_context(account.pk), connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE conversations_delivery SET next_attempt_at = clock_timestamp() - interval '1 second',"
                    " hold_until = least(hold_until, clock_timestamp() - interval '1 second')"
                    " WHERE status IN ('held', 'queued')"
                )
                cursor.execute(
                    "UPDATE conversations_channelhealth SET paused_until = clock_timestamp() - interval '1 second'"
                    " WHERE faults > 0"
                )

    def cookie(self, user: User) -> dict[str, str]:
        return {settings.SESSION_COOKIE_NAME: session_of(user)}

    def token(self) -> str:
        with tenant_context(self.world.acme.pk):
            return tokens.issue(account=self.world.acme, name="Trial", scopes=tokens.Scope.values, actor=audit.SYSTEM)[
                1
            ]

    # --- what must hold whatever happened ---------------------------------------------------------------------------
    def check_sent(self, outcome: Outcome, *, settled: bool = True) -> None:
        """At most once for each approval; what is called sent was taken; what was taken is sent or asks a person."""
        with tenant_context(self.world.acme.pk):
            rows = list(Delivery.objects.values_list("idempotency_key", "status", "draft_id"))
        taken, keys = self.postbox.taken, {key for key, _, _ in rows}
        for key, times in taken.items():
            outcome.must(times <= 1, f"{key} was taken {times} times")
            outcome.must(key in keys, f"{key} was sent without an approval")
        for key, status, _ in rows:
            if status == "sent":
                outcome.must(taken[key] == 1, f"{key} is called sent and was taken {taken[key]} times")
            elif taken[key]:
                outcome.must(status in {"uncertain", "sending"}, f"{key} was taken and is {status}")
            if settled:
                outcome.must(status not in {"queued", "sending", "held"}, f"{key} is stuck as {status}")
        live = [draft for _, status, draft in rows if status != "cancelled"]
        outcome.must(len(live) == len(set(live)), "a draft has two deliveries")

    def check_trail(self, outcome: Outcome) -> None:
        with tenant_context(self.world.acme.pk):
            found = report.verify(self.world.acme.pk)
        outcome.must(found is None, f"the trail is broken: {found}")

    def superuser(self, sql: str) -> None:
        """For a control: break by hand what the product forbids."""
        with self.cluster.connect(DATABASE) as server:
            server.execute("SET session_replication_role = replica")
            server.execute(sql)


def noticed(check: Callable[[Outcome], None], *, what: str) -> str:
    """Run a check after a violation was planted; what it said, or "" if it said nothing."""
    planted = Outcome()
    check(planted)
    return f"{what}: {planted.violations[0]}" if planted.violations else ""


def kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def wait_until(holds: Callable[[], bool], seconds: float, pause: float = 0.2) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(pause)
    return True


def statuses(account_id: Any) -> list[str]:
    with tenant_context(account_id):
        return list(Delivery.objects.values_list("status", flat=True))


@contextlib.contextmanager
def standing(*, share: float, seed: int) -> Iterator[Ground]:
    """A cluster with durable commits, migrated by app_owner; this process is app_rw in it."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-faults-"))
    folder.chmod(0o755)
    cluster = embedded(folder / "postgres")
    ground = Ground(cluster, folder, share=share, seed=seed)
    try:
        cluster.start()
        migrated(cluster)
        yield ground
    finally:
        ground.postbox.stop()
        connections.close_all()
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def migrated(cluster: Cluster) -> None:
    cluster.create_database(DATABASE)
    for alias, user in (("default", "app_rw"), ("owner", "app_owner")):
        connections[alias].close()
        for target in (connections[alias].settings_dict, settings.DATABASES[alias]):
            target.update(NAME=DATABASE, HOST=str(cluster.socket_dir), USER=user, PASSWORD="", PORT="")
    call_command("migrate", database="owner", verbosity=0, interactive=False)
    connections["owner"].close()
