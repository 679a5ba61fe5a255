"""The documented backup and restore, run for real; and the check after it notices each way in which tenants come together."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from config.postgres import Cluster
from conversations.checks import runtime_role_is_bound
from tests import factories
from tests.conftest import World

DEPLOY = Path(settings.BASE_DIR) / "deploy"
ORIGINAL = "countersign_test"


def run(cluster: Cluster, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{cluster.bin}:{os.environ['PATH']}"
    return subprocess.run(
        command, env={**os.environ, "PATH": path, "PGHOST": str(cluster.socket_dir)}, capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.fixture
def dump(committed_world: World, cluster: Cluster, tmp_path: Path) -> Path:
    """As section 7 of docs/deployment.md says: by app_owner, with two tenants' rows in it."""
    for channel in (committed_world.mail, committed_world.other_mail):
        factories.message(channel)
    file = tmp_path / "countersign.dump"
    made = run(
        cluster, "pg_dump", "--username", "app_owner", "--dbname", ORIGINAL, "--enable-row-security", "--format", "custom",
        "--file", str(file),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return file


@pytest.fixture
def name(cluster: Cluster) -> Iterator[str]:
    name = f"restored_{uuid.uuid4().hex[:8]}"
    yield name
    with cluster.connect() as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}"')


def check(cluster: Cluster, name: str) -> subprocess.CompletedProcess[str]:
    return run(cluster, "psql", "-X", "-q", "-U", "postgres", "-d", name, "-f", str(DEPLOY / "restore-check.sql"))


#: What could be wrong after a restore, and the words of the check. The last of each pair puts a cluster-wide change right.
WRONG = [
    ("ALTER TABLE conversations_message NO FORCE ROW LEVEL SECURITY", "not on and forced", ""),
    ("ALTER TABLE drafts_draft DISABLE ROW LEVEL SECURITY", "not on and forced", ""),
    ("DROP POLICY tenant_rw ON conversations_message", "other policies", ""),
    ("CREATE POLICY generous ON conversations_message TO app_rw USING (true)", "other policies", ""),
    (
        "ALTER POLICY tenant_rw ON conversations_message USING (true) WITH CHECK (true)",
        "does not ask for the tenant",
        "",
    ),
    ("GRANT DELETE ON conversations_auditevent TO app_rw", "app_rw may DELETE", ""),
    ("GRANT TRUNCATE ON conversations_message TO app_rw", "app_rw may TRUNCATE", ""),
    ("ALTER TABLE conversations_message OWNER TO app_rw", "belongs to another role", ""),
    ("ALTER TABLE conversations_auditevent DISABLE TRIGGER audit_seal", "audit_seal is off", ""),
    ("GRANT EXECUTE ON FUNCTION memberships_of(uuid) TO PUBLIC", "runs as its owner for everybody", ""),
    ("GRANT EXECUTE ON FUNCTION lo_create(oid) TO app_rw", "large objects", ""),
    ("SELECT lo_create(0)", "there are large objects", ""),
    ("ALTER ROLE app_rw BYPASSRLS", "does not bind this role", "ALTER ROLE app_rw NOBYPASSRLS"),
    ("GRANT app_owner TO app_rw", "member of app_owner", "REVOKE app_owner FROM app_rw"),
]


def test_the_drill_restores_and_the_check_finds_whatever_is_wrong(dump: Path, cluster: Cluster, name: str) -> None:
    drill = run(cluster, str(DEPLOY / "restore-drill.sh"), str(dump), name, ORIGINAL)
    assert drill.returncode == 0, drill.stderr
    assert "Row-level security holds" in drill.stdout
    assert "tables of tenants: row-level security holds" in drill.stderr
    for number, (harm, words, undo) in enumerate(WRONG):
        copy = f"{name}_{number}"
        with cluster.connect() as server:
            server.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
        try:
            assert check(cluster, copy).returncode == 0
            with cluster.connect(copy) as database:
                database.execute(harm)
            found = check(cluster, copy)
            assert found.returncode != 0, harm
            assert words in found.stderr, (harm, found.stderr)
        finally:
            with cluster.connect() as server:
                if undo:
                    server.execute(undo)
                server.execute(f'DROP DATABASE "{copy}"')


def test_the_drill_tells_that_rows_are_missing(dump: Path, cluster: Cluster, name: str, committed_world: World) -> None:
    factories.message(committed_world.mail)  # after the dump
    drill = run(cluster, str(DEPLOY / "restore-drill.sh"), str(dump), name, ORIGINAL)
    assert drill.returncode == 1
    assert "conversations_message" in drill.stderr


def test_roles_before_the_data_is_noticed(dump: Path, cluster: Cluster, name: str) -> None:
    run(cluster, "createdb", "-U", "postgres", "--owner", "app_owner", name)
    run(cluster, "psql", "-X", "-U", "postgres", "-d", name, "-f", str(DEPLOY / "roles.sql"))
    listed = run(cluster, "pg_restore", "--list", str(dump)).stdout.splitlines()
    kept = dump.with_suffix(".list")
    kept.write_text("\n".join(line for line in listed if " ACL pg_catalog " not in line))
    restored = run(
        cluster, "pg_restore", "-U", "app_owner", "-d", name, "--exit-on-error", "--use-list", str(kept), str(dump)
    )
    assert restored.returncode == 0, restored.stderr
    found = check(cluster, name)
    assert found.returncode != 0
    assert "Was roles.sql run before the data?" in found.stderr


def test_an_empty_database_does_not_pass(cluster: Cluster, name: str) -> None:
    run(cluster, "createdb", "-U", "postgres", name)
    assert "no database of Countersign" in check(cluster, name).stderr


def test_the_runtime_role_makes_no_large_object(db: None, cluster: Cluster) -> None:
    for sql in ("SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_creat(-1)", "SELECT lo_unlink(1)"):
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
    assert [problem.id for problem in runtime_role_is_bound(None, databases=["default"])] == []
    with cluster.connect(ORIGINAL) as database:
        database.execute("GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")
        try:
            assert [p.id for p in runtime_role_is_bound(None, databases=["default"])] == ["countersign.E024"]
        finally:
            database.execute("REVOKE EXECUTE ON FUNCTION lo_create(oid) FROM PUBLIC")
