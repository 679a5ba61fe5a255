"""What is measured: a throw-away cluster with a seeded product, its web server, and the floor app where it is present."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.postgres import Cluster, embedded
from tests.bench.measure import Server, children_cpu

ROOT = Path(__file__).resolve().parents[2]
FLOOR = ROOT.parent / "shared" / "bench"
PRODUCT, FLOOR_DATABASE = "countersign", "floor"
OVERRIDDEN = ("DATABASE_URL", "DATABASE_OWNER_URL", "CHROMA_URL", "SMTP_OVERRIDE", "DRAFTER", "DEBUG", "HTTPS")
THREAD = 200
FLOOR_SETTINGS = """
from floor import *
TEMPLATES = TEMPLATES[:1]
DATABASES["default"] |= {{"HOST": "{socket}", "PORT": "", "USER": "postgres", "NAME": "floor"}}
"""
FLOOR_APPS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "floor_here"
from django.core.{kind} import get_{kind}_application
application = get_{kind}_application()
"""
FLOOR_COOKIE = """
import django; django.setup()
from django.contrib.auth.models import User
from django.test import Client
user, _ = User.objects.get_or_create(username="op")
client = Client(); client.force_login(user)
print(client.cookies["sessionid"].value)
"""


@contextlib.contextmanager
def throw_away_cluster() -> Iterator[Cluster]:
    """A cluster of this run in a folder of this run; the environment is set so that settings and servers use it."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-bench-"))
    folder.chmod(0o755)
    for name in OVERRIDDEN:
        os.environ.pop(name, None)
    os.environ.update(
        COUNTERSIGN_LOCAL_DIR=str(folder), DEMO="true", DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR"
    )
    cluster = embedded(folder / "postgres")
    try:
        # As in production, commits wait for the disk; only the background work that would blur slices is off.
        cluster.start("autovacuum=off", "max_wal_size=4GB", "checkpoint_timeout=1h")
        cluster.create_database(PRODUCT)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    from config.demo.__main__ import free_port

    return free_port()


@contextlib.contextmanager
def serving(cluster: Cluster, database: str, interface: str, app: str, path: str, **env: str) -> Iterator[Server]:
    """A granian worker, in a session of its own so that the scheduler gives it a share of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        str(Path(sys.executable).parent / "granian"), "--interface", interface, "--host", "127.0.0.1",
        "--port", str(port), "--no-ws", app,
    ]  # fmt: skip
    child = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(f"{url}{path}", child)
        yield Server(url, child.pid, lambda: backends(cluster, database))
    finally:
        child.terminate()
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(url: str, child: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if child.poll() is not None:
            raise SystemExit(f"The server for {url} stopped with code {child.returncode}; nothing was measured.")
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} did not answer within a minute; nothing was measured.")


def backends(cluster: Cluster, database: str) -> list[int]:
    """The server processes of everybody who uses this database, but for this question's and this process's own."""
    from django.db import connection

    own = connection.connection.info.backend_pid if connection.connection else 0
    with cluster.connect() as server:
        found = server.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'", [database]
        ).fetchall()
    return [pid for (pid,) in found if pid != own]


# --- the product -----------------------------------------------------------------------------------------------------
@dataclass
class Product:
    """A seeded desk. `thread` is the long conversation; the iterators give fresh work, never the same twice."""

    account: Any
    reviewer: Any
    thread: uuid.UUID
    short_thread: uuid.UUID
    token: str
    headers: dict[str, str]
    _drafts: Iterator[Any]
    _conversations: Iterator[uuid.UUID]
    _number: Iterator[int]

    def queue(self) -> tuple[str, str, Mapping[str, str], None]:
        return "GET", "/queue/", self.headers, None

    def timeline(self) -> tuple[str, str, Mapping[str, str], None]:
        return "GET", f"/conversations/{self.thread}/timeline/", self.headers, None

    def conversation(self) -> tuple[str, str, Mapping[str, str], None]:
        return "GET", f"/conversations/{self.short_thread}/", self.headers, None

    def pulse(self) -> tuple[str, str, Mapping[str, str], None]:
        """What an open page asks when nothing happened."""
        from conversations.models import AuditHead
        from conversations.tenancy import tenant_context

        with tenant_context(self.account.pk):
            since = AuditHead.objects.values_list("seq", flat=True).get(account=self.account)
        return "GET", f"/queue/pulse/?since={since}&room=", {**self.headers, "HX-Request": "true"}, None

    def bell(self) -> tuple[str, str, Mapping[str, str], None]:
        """The emptiest view of the product that asks who it is: one number."""
        return "GET", "/notifications/bell/", {**self.headers, "HX-Request": "true"}, None

    def edit(self) -> tuple[str, str, Mapping[str, str], str]:
        return self.approve(" Write again if anything is unclear.")

    def approve(self, added: str = "") -> tuple[str, str, Mapping[str, str], str]:
        from urllib.parse import urlencode

        draft, seen = self.next_draft()
        form = {**seen.as_json(), "request_id": uuid.uuid4().hex, "have": "1", "want": ""}
        if added:
            form |= {"final_text": draft.suggested_text + added, "pressed_twice": "1", "reason": "tone"}
        headers = {**self.headers, "HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}
        return "POST", f"/drafts/{draft.pk}/approve/", headers, urlencode(form)

    def next_draft(self) -> tuple[Any, Any]:
        """A draft that waits, and what a person who has it open sees."""
        from tests import factories

        draft = next(self._drafts)
        return draft, factories.seen(draft)

    def ingest(self) -> tuple[str, str, Mapping[str, str], str]:
        return self._post(next(self._conversations), next(self._number))

    def ingest_again(self) -> tuple[str, str, Mapping[str, str], str]:
        if not hasattr(self, "_known"):
            self._known = next(self._conversations), next(self._number)
        return self._post(*self._known)

    def _post(self, conversation: uuid.UUID, number: int) -> tuple[str, str, Mapping[str, str], str]:
        text = "Does the hose work with E85, and which ends do I need for it? " * 8
        body = f'{{"external_id": "bench-{number}", "body_text": "{text}"}}'
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return "POST", f"/internal/conversations/{conversation}/messages", headers, body


def seed(cluster: Cluster, size: int) -> Product:
    """`size` conversations in bulk (a tenth waits), a small neighbour, and one long thread by the product's verbs."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.test import Client

    from conversations import audit
    from conversations.models import Conversation
    from conversations.people import tokens
    from conversations.tenancy import tenant_context
    from drafts.demo.bulk import add_conversations
    from drafts.models import Draft
    from tests import factories

    call_command("migrate", database="owner", verbosity=0, interactive=False)
    acme, globex = factories.account("Acme", "acme"), factories.account("Globex", "globex")
    reviewer = factories.person("ada", acme, "reviewer")
    mail, other = factories.channel(acme), factories.channel(globex)
    for part in (size // 50, *[size * 49 // 200] * 4):
        add_conversations(account_id=globex.pk, channel_id=other.pk, size=max(1, part // 10))
        add_conversations(account_id=acme.pk, channel_id=mail.pk, size=part)
        # Triggers keep the plan of their first rows; one that was made without statistics reads the whole tenant a row.
        analyze(cluster, PRODUCT)
    thread = long_thread(mail, reviewer)
    with tenant_context(acme.pk):
        _, token = tokens.issue(
            account=acme, name="bench", scopes=[scope.value for scope in tokens.Scope], actor=audit.SYSTEM
        )
        closed = list(Conversation.objects.filter(status="closed").values_list("pk", flat=True)[:3000])
        # From the end of the queue, so that its first page stays the same throughout.
        waiting = list(Draft.objects.pending().order_by("-due_at")[:900])
    analyze(cluster, PRODUCT)
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(reviewer, backend=settings.AUTHENTICATION_BACKENDS[0])
    assert client.get("/queue/").status_code == 200
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    headers = {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "X-CSRFToken": cookies.get("csrftoken", ""),
    }
    return Product(
        acme, reviewer, thread, closed[-1], token, headers, iter(waiting), iter(closed[:-1]), itertools.count(1)
    )


def long_thread(mail: Any, reviewer: Any) -> uuid.UUID:
    """200 inbound messages, 40 drafts and 80 decisions (each draft is sent back once and then rejected)."""
    from conversations.tenancy import tenant_context
    from drafts.desk import decisions
    from tests import factories

    first = last = factories.message(mail, "Message 1")
    for number in range(2, THREAD + 1):
        last = factories.reply_to(first, f"Message {number}: and what about the return side of the tank?")
        if number % 5 == 0:
            draft = factories.draft(last)
            seen = factories.seen(draft)
            with tenant_context(mail.account_id):
                decisions.regenerate(draft_id=draft.pk, actor=reviewer, seen=seen, instruction="Shorter, please")
                decisions.reject(draft_id=draft.pk, actor=reviewer, seen=seen, reasons=["tone"])
    return uuid.UUID(str(first.conversation_id))


def url_of(cluster: Cluster, database: str) -> dict[str, str]:
    """The environment of a process that uses this database of the cluster, and does not look after the cluster."""
    from django.conf import settings

    return {
        "DATABASE_URL": f"postgres:///{cluster.socket_dir}/{database}",
        "PGUSER": "app_rw",
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_ENCRYPTION_KEYS": ",".join(settings.FIELD_ENCRYPTION_KEYS),
    }


def quiet(cluster: Cluster) -> None:
    """Nobody is connected to the product's database, so that it can be copied."""
    with cluster.connect() as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [PRODUCT],
        )


def analyze(cluster: Cluster, database: str) -> None:
    with cluster.connect(database) as server:
        server.execute("VACUUM ANALYZE")
        server.execute("CHECKPOINT")


# --- the floor -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Floor:
    env: dict[str, str]
    headers: dict[str, str]


def prepare_floor(cluster: Cluster, local: Path) -> Floor | None:
    """The smallest Django app that shows fifty rows to a signed-in person; None where its scripts are missing."""
    if not (FLOOR / "floor").exists():
        return None
    cluster.create_database(FLOOR_DATABASE)
    run = {"cwd": FLOOR, "check": True, "capture_output": True, "text": True}
    dsn = f"host={cluster.socket_dir} user=postgres dbname={FLOOR_DATABASE}"
    subprocess.run([sys.executable, "generate.py", dsn, "2000", "400"], **run)  # type: ignore[call-overload]
    (local / "floor_here.py").write_text(FLOOR_SETTINGS.format(socket=cluster.socket_dir))
    for kind in ("asgi", "wsgi"):
        (local / f"floor_{kind}_here.py").write_text(FLOOR_APPS.format(kind=kind))
    env = {
        "PYTHONPATH": os.pathsep.join([str(local), str(FLOOR / "floor"), str(FLOOR)]),
        "DJANGO_SETTINGS_MODULE": "floor_here",
    }
    run["env"] = {**os.environ, **env}
    subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], **run)  # type: ignore[call-overload]
    made = subprocess.run([sys.executable, "-c", FLOOR_COOKIE], **run)  # type: ignore[call-overload]
    analyze(cluster, FLOOR_DATABASE)
    return Floor(env, {"Cookie": f"sessionid={made.stdout.strip()}"})


@dataclass(frozen=True)
class Transactions:
    """pgbench's cost of one transaction, in milliseconds."""

    server: float
    client: float


def pgbench(cluster: Cluster, script: str, local: Path, *, rounds: int = 3, count: int = 1500) -> Transactions | None:
    """One client, prepared, the median of `rounds`; None without pgbench or without the floor's scripts."""
    program = cluster.bin / "pgbench"
    if not program.exists() or not (FLOOR / script).exists():
        return None
    connect = ["-h", str(cluster.socket_dir), "-U", "postgres"]
    text = re.sub(r"^(:rls|\\set nd .*|\\set n .*)$\n?", "", (FLOOR / script).read_text(), flags=re.M)
    (local / script).write_text(text)
    postmaster = int((cluster.data / "postmaster.pid").read_text().split()[0])
    found = []
    for _ in range(rounds):
        if script == "approve.sql":
            refill = ["-q", "-v", f"nd={count}", "-d", FLOOR_DATABASE, "-f", str(FLOOR / "refill.sql")]
            subprocess.run([str(cluster.bin / "psql"), *connect, *refill], check=True, capture_output=True)
            analyze(cluster, FLOOR_DATABASE)
        before, own = children_cpu(postmaster), os.times()
        options = ["--no-vacuum", "--protocol=prepared", "--client=1", f"--transactions={count}"]
        command = [str(program), *connect, *options, f"--file={local / script}"]
        done = subprocess.run([*command, FLOOR_DATABASE], capture_output=True, text=True)
        if done.returncode:
            print(f"  pgbench {script} failed, the recorded figure is used: {done.stderr.strip()[-200:]}")
            return None
        time.sleep(0.1)
        after, done_at = children_cpu(postmaster), os.times()
        client = done_at.children_user + done_at.children_system - own.children_user - own.children_system
        found.append(((after - before) / count, client * 1e3 / count))
    found.sort()
    return Transactions(*found[len(found) // 2])
