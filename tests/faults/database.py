"""F7 and F14: the database stops at any moment and comes back; a dump is restored on another database."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from conversations.models import Message
from conversations.tenancy import tenant_context
from drafts.models import DraftAction
from tests.faults.ground import DATABASE, Ground, Outcome, noticed, wait_until
from tests.faults.killed import form

SOON, BACK = 2.5, 5.0  # seconds until a page says that the database is away, and until it works again


def f07_the_database_stops_and_starts(ground: Ground) -> Outcome:
    """PostgreSQL is stopped at once, without a checkpoint, under messages and approvals, and started again."""
    out = Outcome(trials=ground.count(10, 2))
    acked: list[str] = []
    approved: list[uuid.UUID] = []
    slowest, longest = 0.0, 0.0
    answers: Counter[int] = Counter()
    token, cookies = ground.token(), ground.cookie(ground.world.ada)
    conversation = ground.drafts(1)[0].conversation_id
    stop = threading.Event()
    drafts = ground.drafts(out.trials * 12)
    connection.close()

    with ground.serving() as server:
        own = httpx2.Client(base_url=server.url, cookies=cookies)
        pane = [form(own, draft) for draft in drafts]

        def messages() -> None:
            with httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as service:
                number = 0
                while not stop.is_set():
                    number += 1
                    body = {"external_id": f"m-{number}", "body_text": f"Message {number}"}
                    status = ask(
                        lambda b=body: service.post(f"/internal/conversations/{conversation}/messages", json=b)
                    )  # type: ignore[misc]
                    if status in {200, 201}:
                        acked.append(str(body["external_id"]))
                    time.sleep(0.1)

        def approvals() -> None:
            for draft, (url, fields) in zip(drafts, pane, strict=True):
                if stop.is_set():
                    return
                if ask(lambda u=url, f=fields: own.post(u, data=f, headers={"HX-Request": "true"})) == 200:  # type: ignore[misc]
                    approved.append(draft.pk)
                time.sleep(0.1)

        def ask(call: Callable[[], Any]) -> int:
            nonlocal slowest
            began = time.monotonic()
            try:
                status = int(call().status_code)
            except httpx2.HTTPError as error:
                out.violations.append(f"no answer: {error!r}")
                return 0
            answers[status] += 1
            if status == 503:
                slowest = max(slowest, time.monotonic() - began)
            return status

        crowd = [threading.Thread(target=work) for work in (messages, approvals)]
        for thread in crowd:
            thread.start()
        with httpx2.Client(base_url=server.url, cookies=cookies, timeout=20) as browser:
            for _ in range(out.trials):
                time.sleep(ground.chance.uniform(0.5, 1.5))
                ground.cluster._run("pg_ctl", "-D", str(ground.cluster.data), "-m", "immediate", "-w", "stop")
                time.sleep(ground.chance.uniform(0.2, 3))
                ground.cluster.start()
                began = time.monotonic()
                well = wait_until(lambda: browser.get("/queue/").status_code == 200, 20, 0.05)
                longest = max(longest, time.monotonic() - began)
                out.must(well, "the server did not come back")
        stop.set()
        for thread in crowd:
            thread.join()
        own.close()
    unexpected = {status: n for status, n in answers.items() if status >= 500 and status != 503}
    out.must(not unexpected, f"answers {unexpected}")
    out.must(slowest <= SOON, f"a page took {slowest:.1f} s to say that the database is away")
    out.must(longest <= BACK, f"it took {longest:.1f} s to come back")

    def check(found: Outcome) -> None:
        with tenant_context(ground.world.acme.pk):
            there = set(Message.objects.filter(external_id__in=acked).values_list("external_id", flat=True))
            decided = set(DraftAction.objects.filter(type="approve").values_list("draft_id", flat=True))
        found.must(set(acked) <= there, f"{len(set(acked) - there)} messages were acknowledged and are not there")
        found.must(
            set(approved) <= decided, f"{len(set(approved) - decided)} approvals were acknowledged and are not there"
        )
        ground.check_trail(found)

    check(out)
    out.figures = f"{len(acked)} messages, {len(approved)} approvals; 503 after {slowest:.2f} s at most, back after {longest:.2f} s"

    def lost(planted: Outcome) -> None:
        ground.superuser(f"DELETE FROM conversations_message WHERE external_id = '{acked[-1]}'")
        check(planted)

    out.control = noticed(lost, what="one row removed") if acked else ""
    return out


def f14_restored(ground: Ground) -> Outcome:
    """A dump by the documented command, restored into another database: rows, chains, rights and row security are the same."""
    out = Outcome(trials=1)
    ground.approved(ground.count(50, 5))
    restored = f"restored_{uuid.uuid4().hex[:8]}"
    dump = ground.folder / "countersign.dump"
    began = time.monotonic()
    _tool(ground, "pg_dump", "-U", "app_owner", "-d", DATABASE, "--enable-row-security", "-Fc", "-f", str(dump))
    dumped = time.monotonic() - began
    began = time.monotonic()
    _restore(ground, restored, dump)
    took = time.monotonic() - began

    def compare(found: Outcome, other: str) -> None:
        here, there = _counts(ground, DATABASE), _counts(ground, other)
        found.must(here == there, f"rows differ: {[n for n in here if here[n] != there.get(n)]}")
        with ground.cluster.connect(other) as server:
            open_tables = server.execute(
                "SELECT relname FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                " AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'account_id')"
                " AND relname ~ '^(conversations|drafts|ingestion)_' AND NOT (relrowsecurity AND relforcerowsecurity)"
            ).fetchall()
            found.must(not open_tables, f"row security is off on {open_tables}")
        with ground.cluster.connect(other, "app_rw") as server:
            seen = server.execute("SELECT count(*) FROM conversations_message").fetchone()[0]
            found.must(seen == 0, f"without a tenant {seen} messages are seen")
            delete = server.execute(
                "SELECT has_table_privilege('app_rw', 'conversations_auditevent', 'DELETE')"
            ).fetchone()[0]
            found.must(not delete, "app_rw may delete from the trail")

    compare(out, restored)
    before = connection.settings_dict["NAME"]
    try:
        for target in (connections["default"].settings_dict,):
            connection.close()
            target["NAME"] = restored
        ground.check_trail(out)
        call_command("verify_audit", verbosity=0, stdout=open(os.devnull, "w"))  # noqa: SIM115
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before
    out.figures = (
        f"dump {dumped:.1f} s, restore {took:.1f} s, {dump.stat().st_size / 1e6:.1f} MB; RPO: the dump's moment"
    )

    def as_the_wrong_role(planted: Outcome) -> None:
        other, empty = f"wrong_{uuid.uuid4().hex[:8]}", ground.folder / "empty.dump"
        _tool(
            ground,
            "pg_dump",
            "-U",
            "app_rw",
            "-d",
            DATABASE,
            "--enable-row-security",
            "-Fc",
            "-f",
            str(empty),
            check=False,
        )
        if empty.exists() and empty.stat().st_size:
            _restore(ground, other, empty, check=False)
            compare(planted, other)
        else:
            planted.violations.append("pg_dump as app_rw made nothing")

    out.control = noticed(as_the_wrong_role, what="a dump by app_rw")
    return out


def _restore(ground: Ground, name: str, dump: Path, *, check: bool = True) -> None:
    with ground.cluster.connect() as server:
        server.execute(f'CREATE DATABASE "{name}" OWNER app_owner TEMPLATE template0')
    _tool(ground, "pg_restore", "-U", "app_owner", "-d", name, "--exit-on-error", str(dump), check=check)
    with ground.cluster.connect(name) as server:
        server.execute((Path(settings.BASE_DIR) / "deploy" / "roles.sql").read_text())


def _tool(ground: Ground, name: str, *args: str, check: bool = True) -> None:
    env = {**os.environ, "PGHOST": str(ground.cluster.socket_dir)}
    found = subprocess.run(
        [str(ground.cluster.bin / name), *args], env=env, capture_output=True, text=True, check=False
    )
    if check and found.returncode:
        raise RuntimeError(f"{name}: {found.stderr[-500:]}")


def _counts(ground: Ground, database: str) -> dict[str, tuple[int, str]]:
    with ground.cluster.connect(database) as server:
        tables = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            name: server.execute(
                f"SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{name}\" t"
            ).fetchone()
            for (name,) in tables
        }
