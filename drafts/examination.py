"""What `manage.py doctor` looks at: whether this installation can do its work, and what to do where it cannot.

Every examination asks, and changes nothing that stays. One that cannot be made is a finding too.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.files.base import ContentFile
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from conversations.database.guards import TenantIsolation
from conversations.messages import files
from conversations.models import Channel, WebhookEndpoint
from conversations.people.letters import can_send
from conversations.setup.health import health_of
from conversations.tenancy import account_directory, tenant_context
from conversations.web.health import QUEUE_AGE_SQL
from ingestion.knowledge.embed import get_embedder
from ingestion.knowledge.vectors import get_vector_store

#: A worker says that it is alive every ten seconds.
ALIVE_SECONDS = 60
#: So late a job may begin before somebody should look; so far two clocks may differ, as a remark and as a fault.
LATE_SECONDS, CLOCK_WARN, CLOCK_BAD = 300, 2.0, 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. "warn" works and should be looked at."""

    about: str
    state: Literal["ok", "warn", "bad"]
    said: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Everything, in the order in which one depends on another; an examination that breaks does not end the others."""
    found: list[Finding] = []
    for about, look in EXAMINATIONS.items():
        try:
            found += look() or [Finding(about, "ok", "Nothing to remark.")]
        except Exception as error:  # whatever is wrong with an installation, the rest is still looked at
            remedy = REMEDIES.get(about, "Look at the log.")
            found.append(Finding(about, "bad", f"It could not be looked at: {type(error).__name__}", remedy))
            if not connection.in_atomic_block:
                connection.close()  # a broken one is not the next one's
    return found


def _settings() -> list[Finding]:
    return _checked("settings", checks.run_checks())


def _deployment() -> list[Finding]:
    """What `check --deploy` says beyond the settings; of a demo or a desk of one's own it is advice."""
    known = {one.id for one in checks.run_checks()}
    found = checks.run_checks(include_deployment_checks=True, tags=[checks.Tags.security])
    own = settings.DEMO or settings.DEBUG
    lines = _checked("deployment", [one for one in found if one.id not in known])
    return [Finding(one.about, "warn" if own else one.state, one.said, one.remedy) for one in lines]


def _rights() -> list[Finding]:
    """The role of DATABASE_URL, what it was granted, and whether every table of a tenant forces row-level security."""
    tags = [checks.Tags.database]
    found = checks.run_checks(include_deployment_checks=True, tags=tags, databases=["default"])
    lines = _checked("database rights", found)
    for table in _unforced():
        remedy = f'As app_owner: ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY. See docs/deployment.md, restore.'
        lines.append(Finding("database rights", "bad", f"{table} does not force row-level security.", remedy))
    return lines


def _unforced() -> list[str]:
    guarded = {
        model._meta.db_table
        for model in apps.get_models()
        if any(isinstance(guard, TenantIsolation) for guard in model._meta.constraints)
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relrowsecurity AND relforcerowsecurity",
            [sorted(guarded)],
        )
        return sorted(guarded - {row[0] for row in cursor.fetchall()})


def _migrations() -> list[Finding]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return []
    first = f"{plan[0][0].app_label}.{plan[0][0].name}"
    return [Finding("migrations", "bad", f"{len(plan)} are not in, the first is {first}.", "Run manage.py migrate.")]


def _clock() -> list[Finding]:
    """This machine's clock against the database's, which alone counts."""
    began = time.time()  # noqa: TID251 - it is this clock that is looked at
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        there = float(cursor.fetchone()[0])
    apart = abs(there - (began + time.time()) / 2)  # noqa: TID251
    if apart < CLOCK_WARN:
        return [Finding("clock", "ok", f"{apart:.2f} s from the database's.")]
    said = f"This machine's clock is {apart:.0f} s from the database's."
    return [Finding("clock", "bad" if apart >= CLOCK_BAD else "warn", said, "Let both machines follow one NTP server.")]


def _workers() -> list[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %s)",
            [ALIVE_SECONDS],
        )
        alive = cursor.fetchone()[0]
        cursor.execute(QUEUE_AGE_SQL)
        late = round(float(cursor.fetchone()[0]))
    found = []
    if not alive:
        remedy = "Start one: manage.py procrastinate worker (deploy/countersign-worker.service)."
        found.append(Finding("workers", "bad", "None is alive: nothing is drafted, fetched or sent.", remedy))
    if late > LATE_SECONDS:
        remedy = "Start more workers, or look in the log for what keeps them; docs/scaling.md names the queues."
        found.append(Finding("workers", "bad", f"The oldest job that is due waits for {late} s.", remedy))
    return found or [Finding("workers", "ok", f"{alive} alive, the oldest job that is due waits for {late} s.")]


def _storage() -> list[Finding]:
    """A file is written, read and removed again."""
    store, content = files.storage(), secrets.token_bytes(64)
    name = store.save(f"doctor/{secrets.token_hex(8)}", ContentFile(content))
    try:
        with store.open(name) as kept:
            same = kept.read() == content
    finally:
        store.delete(name)
    if same:
        return []
    return [Finding("storage", "bad", "What was read is not what was written.", REMEDIES["storage"])]


def _vectors() -> list[Finding]:
    if not settings.CHROMA_URL:
        words = "CHROMA_URL is not set: search is by words alone."
        return [Finding("vectors", "warn", words, "Run a Chroma server and set CHROMA_URL (docs/knowledge.md).")]
    store = get_vector_store(get_embedder().name)
    if store is not None and store.is_up():
        return []
    return [
        Finding("vectors", "bad", "The vector store does not answer: search is by words alone.", REMEDIES["vectors"])
    ]


def _mail() -> list[Finding]:
    if can_send():
        return []
    words = "EMAIL_HOST is not set: invitations, codes and resets cannot be mailed."
    return [Finding("own mail", "warn", words, "Set EMAIL_HOST and the settings beside it.")]


def _channels() -> list[Finding]:
    """As the page of channels says it, of every account."""
    found, count = [], 0
    for account, one in _of_accounts(lambda: health_of(list(Channel.objects.filter(is_active=True).order_by("name")))):
        count += 1
        words, state = one.state
        if state in {"bad", "warn"}:
            said = f"{account}, {one.channel.name}: {words}."
            remedy = "Open the channel in the administration; its page says what helps."
            found.append(Finding("channels", "bad" if state == "bad" else "warn", said, remedy))
    return found or [Finding("channels", "ok", f"{count} are on, none needs anybody.")]


def _webhooks() -> list[Finding]:
    found = []
    failing = lambda: list(WebhookEndpoint.objects.exclude(state="off").exclude(state="on", failing_since=None))  # noqa: E731
    for account, one in _of_accounts(failing):
        words = "fails" if one.state == "on" else "was switched off by itself"
        remedy = "Open Outgoing webhooks in the account's administration: it shows what was answered."
        found.append(Finding("webhooks", "warn", f"{account}: an endpoint {words}.", remedy))
    return found


def _of_accounts(rows: Callable[[], list[Any]]) -> Iterator[tuple[str, Any]]:
    for account in account_directory():
        with tenant_context(account["id"]):
            for row in rows():
                yield account["slug"], row


def _checked(about: str, found: list[checks.CheckMessage]) -> list[Finding]:
    return [
        Finding(
            about,
            "bad" if one.level >= checks.ERROR else "warn",
            f"{one.msg} ({one.id})",
            one.hint or "See manage.py check --deploy, and docs/deployment.md.",
        )
        for one in found
        if one.level >= checks.WARNING and not one.is_silenced()
    ]


EXAMINATIONS: dict[str, Callable[[], list[Finding]]] = {
    "settings": _settings,
    "deployment": _deployment,
    "database rights": _rights,
    "migrations": _migrations,
    "clock": _clock,
    "workers": _workers,
    "storage": _storage,
    "vectors": _vectors,
    "own mail": _mail,
    "channels": _channels,
    "webhooks": _webhooks,
}
#: What helps where an examination could not even be made.
REMEDIES = {
    "database rights": "Look at DATABASE_URL, and whether PostgreSQL answers.",
    "migrations": "Look at DATABASE_URL, and whether PostgreSQL answers.",
    "clock": "Look at DATABASE_URL, and whether PostgreSQL answers.",
    "workers": "Look at DATABASE_URL, and whether PostgreSQL answers.",
    "storage": "Look at ATTACHMENTS_DIR: whether it is there, has room, and this user may write in it. Of a bucket: ATTACHMENTS_ENDPOINT and the key.",
    "vectors": "Look at CHROMA_URL, and whether the server runs.",
    "channels": "Look at DATABASE_URL, and whether PostgreSQL answers.",
    "webhooks": "Look at DATABASE_URL, and whether PostgreSQL answers.",
}
