"""The same desk with many more conversations: how flat pages stay, and what bulk work, search and retention cost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from config.postgres import Cluster
from tests.bench import world
from tests.bench.measure import Request, Server, cpu_of

LARGE = "countersign_large"
PARTS = 10
SCRUBBED = 4_000  # conversations that retention empties
#: What is searched for, by how much of it there is; "dyno" is put into one part in ten.
WORDS = {
    "a common word": "hose",
    "a mid word": "dyno",
    "a rare word": "4242",
    "an absent word": "zeppelin",
    "a name": "customer4242@example.com",
    "a beginning": "custo",
    "two words": "dyno 4242",
}


@contextlib.contextmanager
def connected_to(database: str) -> Iterator[None]:
    """This process's connection goes to another database for a while."""
    from django.db import connection

    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = database
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


@dataclass(frozen=True)
class Rate:
    """How many of something a second of CPU did, here and in the database; the longest transaction in milliseconds."""

    count: int
    web: float
    database: float
    longest: float = 0.0

    @property
    def by_all(self) -> float:
        return self.count / (self.web + self.database) * 1e3

    @property
    def by_database(self) -> float:
        return self.count / self.database * 1e3


@contextlib.contextmanager
def counted_cpu() -> Iterator[list[float]]:
    """CPU of this process and of its backend, in milliseconds, once it ended."""
    from django.db import connection

    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    own, theirs, found = time.process_time(), cpu_of([backend]), [0.0, 0.0]
    yield found
    found[:] = [(time.process_time() - own) * 1e3, cpu_of([backend]) - theirs]


def grow(cluster: Cluster, product: world.Product, size: int) -> Rate:
    """A copy of the measured database with `size` conversations more, by the bulk path of `manage.py seed --size`."""
    from django.db import connection

    from conversations.models import Channel
    from conversations.tenancy import tenant_context
    from drafts.demo import bulk

    connection.close()
    world.quiet(cluster)
    with cluster.connect() as server:
        server.execute(f"CREATE DATABASE {LARGE} TEMPLATE {world.PRODUCT} OWNER app_owner")
    plain, spent = bulk.MESSAGES, [0.0, 0.0]
    with connected_to(LARGE):
        with tenant_context(product.account.pk):
            mail = Channel.objects.values_list("pk", flat=True)[0]
        for part in range(PARTS):
            bulk.MESSAGES = plain.replace("race weekend", "dyno session") if part == 0 else plain
            with counted_cpu() as cpu:
                bulk.add_conversations(account_id=product.account.pk, channel_id=mail, size=size // PARTS)
            spent = [a + b for a, b in zip(spent, cpu, strict=True)]
            world.analyze(cluster, LARGE)
    bulk.MESSAGES = plain
    return Rate(size, *spent)


@contextlib.contextmanager
def serving_large(cluster: Cluster) -> Iterator[Server]:
    env = world.url_of(cluster, LARGE)
    with world.serving(cluster, LARGE, "asginl", "config.asgi:application", "/readyz", **env) as server:
        yield server


def requests(product: world.Product, large: Server) -> list[Request]:
    def search(word: str) -> Request:
        made = "GET", f"/conversations/?q={quote_plus(word)}", product.headers, None
        return Request(f"large, search {word}", large, lambda: made)

    return [
        Request("large, queue page", large, product.queue),
        Request("large, conversation", large, product.conversation),
        Request("large, timeline of 200", large, product.timeline),
        Request("large, approve", large, product.approve),
        Request("large, ingest, new", large, product.ingest, expects=201),
        *map(search, WORDS.values()),
    ]


def scrub(cluster: Cluster, product: world.Product) -> Rate:
    """Retention empties old conversations of the large database, in its own batches."""
    from conversations.models import Account
    from conversations.tenancy import tenant_context
    from drafts import retention

    account = product.account.pk
    with cluster.connect(LARGE) as server:
        server.execute("SET session_replication_role = replica")
        server.execute(
            "UPDATE conversations_conversation SET completed_at = now() - interval '400 days' WHERE id IN (SELECT id FROM "
            "conversations_conversation WHERE status = 'closed' AND account_id = %s LIMIT %s)",
            [account, SCRUBBED],
        )
        server.execute("DELETE FROM procrastinate_jobs")
    world.analyze(cluster, LARGE)
    lengths: list[float] = []
    plain: Any = retention.tenant_context

    @contextlib.contextmanager
    def timed(account_id: Any) -> Iterator[None]:
        began = time.perf_counter()
        with plain(account_id):
            yield
        lengths.append((time.perf_counter() - began) * 1e3)

    with connected_to(LARGE):
        with tenant_context(account):
            Account.objects.update(archive_bodies_after_days=365)
        retention.tenant_context = timed
        try:
            with counted_cpu() as cpu:
                done = retention.apply(account_id=account, dry_run=False)
        finally:
            retention.tenant_context = plain
    emptied = sum(done[rows] for rows in ("conversations", "messages", "drafts", "files"))
    return Rate(emptied, cpu[0], cpu[1], max(lengths))
