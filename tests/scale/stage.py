"""What the proof stands on: a pair of servers that sync to the disk, PgBouncer, three webs, three workers, a postbox."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection, connections

from conversations import audit
from conversations.models import Account, Channel, User
from conversations.people import tokens
from conversations.tenancy import tenant_context
from tests import ready_cluster
from tests.asgi import session_of
from tests.conftest import World, _migrate, _point_at
from tests.faults.ground import DATABASE
from tests.faults.postbox import Postbox
from tests.scale.bouncer import Bouncer
from tests.scale.pair import Pair
from tests.scale.team import Kept, Web, Worker, environment

WEBS = WORKERS = 3


class Stage:
    def __init__(self, folder: Path, pair: Pair, bouncer: Bouncer, *, share: float, seed: int) -> None:
        self.folder, self.pair, self.bouncer, self.share = folder, pair, bouncer, share
        self.chance = random.Random(seed)
        self.postbox = Postbox()
        self.webs: list[Web] = []
        self.workers: list[Worker] = []

    def furnish(self) -> None:
        """Two tenants whose mail goes to the postbox at once, their tokens and the sessions of those who approve."""
        self.world = World()
        self.accounts: list[Account] = [self.world.acme, self.world.globex]
        self.channels: list[Channel] = [self.world.mail, self.world.other_mail]
        self.tokens: dict[object, str] = {}
        for account, channel in zip(self.accounts, self.channels, strict=True):
            smtp = {"smtp_host": "127.0.0.1", "smtp_port": self.postbox.port, "smtp_security": "none"}
            with tenant_context(account.pk):
                Channel.objects.filter(pk=channel.pk).update(metadata={**channel.metadata, **smtp})
                Account.objects.filter(pk=account.pk).update(settings={**account.settings, "hold_seconds": 0})
                scopes = tokens.Scope.values
                self.tokens[account.pk] = tokens.issue(account=account, name="Load", scopes=scopes, actor=audit.SYSTEM)[
                    1
                ]
        #: Two of one tenant, who want the same drafts, and one of the other.
        people = (self.world.ada, self.world.dan, self.world.eve)
        self.approvers: list[tuple[User, Account, dict[str, str]]] = [
            (who, account, {settings.SESSION_COOKIE_NAME: session_of(who)})
            for who, account in zip(people, (self.accounts[0], *self.accounts), strict=True)
        ]

    def open(self) -> None:
        logs = self.folder / "logs"
        logs.mkdir()
        direct = self.pair.url(DATABASE)
        web = environment(self.folder, DATABASE_URL=self.bouncer.url, LISTEN_DATABASE_URL=direct)
        worker = environment(self.folder, DATABASE_URL=direct)
        for number in range(1, WEBS + 1):
            self.webs.append(Web(f"web-{number}", web, logs))
        for number in range(1, WORKERS + 1):
            self.workers.append(Worker(f"worker-{number}", worker, logs))
        for each in self.webs:
            assert each.answers(), each.log.read_text()

    @property
    def members(self) -> list[Kept]:
        return [*self.webs, *self.workers]

    def superuser(self, sql: str) -> None:
        """For a control: break by hand what the product forbids."""
        with self.pair.primary.connect(DATABASE) as server:
            server.execute("SET session_replication_role = replica")
            server.execute(sql)

    def close(self) -> None:
        for member in self.members:
            member.stop()
        self.postbox.stop()


@contextlib.contextmanager
def staged(*, share: float, seed: int) -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="countersign-scale-"))
    folder.chmod(0o755)
    primary = ready_cluster.start(folder, _migrate)  # the pair starts it anew, with commits that reach the disk
    _point_at(primary)
    pair = Pair(primary, folder)
    bouncer = Bouncer(folder, DATABASE)
    stage = Stage(folder, pair, bouncer, share=share, seed=seed)
    try:
        pair.start()
        target = connection.settings_dict
        target.update(HOST=pair.hosts, OPTIONS={**target["OPTIONS"], "target_session_attrs": "read-write"})
        bouncer.start(pair.primary)
        stage.furnish()
        connection.close()
        stage.open()
        yield stage
    finally:
        stage.close()
        bouncer.stop()
        connections.close_all()
        pair.stop()
        shutil.rmtree(folder, ignore_errors=True)
