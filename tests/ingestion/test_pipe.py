"""`receive_mail` as a mail server runs it: what it understands is the exit code, and one line that may end in a bounce."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config.postgres import Cluster, embedded
from conversations.models import Channel, Message
from conversations.tenancy import tenant_context
from ingestion.models import InboundEvent
from tests import factories
from tests.conftest import World

MAIL = (
    b"From: Pat <pat@customer.test>\r\nTo: support@acme.test\r\nMessage-ID: <1@customer.test>\r\n\r\nDoes it fit?\r\n"
)


def environment(socket_dir: Path, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": f"postgres:///{socket_dir}/countersign_test",
        "PGUSER": "app_rw",
        "COUNTERSIGN_LOCAL_DIR": str(folder),
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_ENCRYPTION_KEYS": "Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy1rZXk=",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


class Pipe:
    def __init__(self, socket_dir: Path, folder: Path) -> None:
        self.env = environment(socket_dir, folder)

    def __call__(self, *words: str, raw: bytes = MAIL, **env: str) -> tuple[int, str]:
        """Exit code and standard error, which is never more than one line."""
        done = subprocess.run(
            [sys.executable, "manage.py", "receive_mail", *words],
            cwd=settings.BASE_DIR, input=raw, capture_output=True, env={**self.env, **env}, timeout=120, check=False,
        )  # fmt: skip
        said = done.stderr.decode()
        assert said.count("\n") == (1 if said else 0), said
        assert "Traceback" not in said
        return done.returncode, said


@pytest.fixture
def pipe(committed_world: World, cluster: Cluster, tmp_path: Path) -> Pipe:
    return Pipe(cluster.socket_dir, tmp_path)


def stored(world: World) -> int:
    with tenant_context(world.acme.pk):
        return InboundEvent.objects.count()


ADDRESS = ("--channel", "support@acme.test")


def test_it_is_0_and_silent_once_the_bytes_are_stored(committed_world: World, pipe: Pipe) -> None:
    assert pipe(*ADDRESS, "-") == (os.EX_OK, "")
    assert pipe(*ADDRESS, "-") == (os.EX_OK, "")
    assert pipe("--channel", "Support+sales@ACME.test", "-", raw=MAIL + b"more") == (os.EX_OK, "")
    with tenant_context(committed_world.acme.pk):
        assert Message.objects.count() == 2
        assert set(InboundEvent.objects.values_list("recipient", flat=True)) == {
            "support@acme.test",
            "Support+sales@ACME.test",
        }


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), os.EX_USAGE, "are required"),
        ((*ADDRESS, "--colour", "red", "-"), os.EX_USAGE, "--colour"),
        ((*ADDRESS, "/nowhere/x.eml"), os.EX_NOINPUT, "cannot be read"),
    ],
)
def test_wrong_use_has_its_own_codes(
    committed_world: World, pipe: Pipe, words: tuple[str, ...], code: int, said: str
) -> None:
    found, line = pipe(*words)
    assert (found, said in line) == (code, True), line
    assert stored(committed_world) == 0


def test_a_mail_that_can_never_be_stored_is_65(committed_world: World, pipe: Pipe, tmp_path: Path) -> None:
    assert pipe(*ADDRESS, "-", raw=b"")[0] == os.EX_DATAERR
    code, line = pipe(*ADDRESS, "-", MAIL_MAX_BYTES="10")
    assert (code, "are allowed (MAIL_MAX_BYTES)" in line) == (os.EX_DATAERR, True)
    good = tmp_path / "good.eml"
    good.write_bytes(MAIL)
    # One that is refused stops no other.
    assert pipe(*ADDRESS, "/nowhere/x.eml", str(good))[0] == os.EX_NOINPUT
    assert stored(committed_world) == 1


@pytest.mark.parametrize("address", ["nobody@acme.test", "Acme mail"])
def test_an_unknown_address_passes_and_bounces_nothing(committed_world: World, pipe: Pipe, address: str) -> None:
    code, line = pipe("--channel", address, "-")
    assert (code, "No active channel receives mail for" in line) == (os.EX_TEMPFAIL, True)
    assert stored(committed_world) == 0


def test_another_tenants_channel_of_that_name_changes_nothing(committed_world: World, pipe: Pipe) -> None:
    """It made both tenants' mail fail."""
    factories.channel(committed_world.globex, external_id="x@globex.test", name="support@acme.test")
    assert pipe(*ADDRESS, "-") == (os.EX_OK, "")
    with tenant_context(committed_world.acme.pk):
        Channel.objects.update(is_active=False)
    assert pipe(*ADDRESS, "-")[0] == os.EX_TEMPFAIL
    with tenant_context(committed_world.globex.pk):
        assert not Message.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"SECRET_KEY": ""},
        {"DATABASE_URL": "nonsense"},
        {"DJANGO_SETTINGS_MODULE": "config.nothing"},
        {"DATABASE_URL": "postgres://app_rw@127.0.0.1:9/countersign_test"},
    ],
)
def test_wrong_settings_pass_in_one_line(committed_world: World, pipe: Pipe, wrong: dict[str, str]) -> None:
    code, line = pipe(*ADDRESS, "-", **wrong)
    assert (code, bool(line)) == (os.EX_TEMPFAIL, True)
    assert stored(committed_world) == 0


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="countersign-pipe-"))
    folder.chmod(0o755)
    found = embedded(folder / "data")
    found.start("fsync=off")
    yield found
    found.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_server_that_was_stopped_passes_in_one_line(own_cluster: Cluster, tmp_path: Path) -> None:
    pipe = Pipe(own_cluster.socket_dir, tmp_path)
    # It runs and has no such database, then it is stopped: the socket is gone.
    assert pipe(*ADDRESS, "-")[0] == os.EX_TEMPFAIL
    own_cluster.stop()
    code, line = pipe(*ADDRESS, "-")
    assert (code, line.startswith("receive_mail: OperationalError")) == (os.EX_TEMPFAIL, True)


def test_the_database_that_goes_away_half_way_passes(committed_world: World, pipe: Pipe, cluster: Cluster) -> None:
    """The role may not write: what a full disk or a read-only standby answers."""
    with cluster.connect("countersign_test") as server:
        server.execute("REVOKE INSERT ON ingestion_inboundevent FROM app_rw")
        try:
            assert pipe(*ADDRESS, "-")[0] == os.EX_TEMPFAIL
        finally:
            server.execute("GRANT INSERT ON ingestion_inboundevent TO app_rw")
    assert pipe(*ADDRESS, "-") == (os.EX_OK, "")


def test_what_goes_wrong_after_the_bytes_are_stored_is_0(committed_world: World, pipe: Pipe, cluster: Cluster) -> None:
    with cluster.connect("countersign_test") as server:
        server.execute("REVOKE INSERT ON conversations_message FROM app_rw")
        try:
            assert pipe(*ADDRESS, "-") == (os.EX_OK, "")
        finally:
            server.execute("GRANT INSERT ON conversations_message TO app_rw")
    with tenant_context(committed_world.acme.pk):
        assert InboundEvent.objects.get().status == "failed"


def test_a_signal_while_it_waits_for_the_mail_passes(committed_world: World, pipe: Pipe) -> None:
    child = subprocess.Popen(
        [sys.executable, "manage.py", "receive_mail", *ADDRESS, "-"],
        cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=pipe.env,
    )  # fmt: skip
    assert child.stdin and child.stderr
    child.stdin.write(b"From: half a mail")
    child.stdin.flush()
    time.sleep(3)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=30) == os.EX_TEMPFAIL
    assert child.stderr.read().decode().count("\n") == 1
    assert stored(committed_world) == 0


def test_killed_before_the_commit_nothing_is_there_and_killed_after_it_everything(
    committed_world: World, pipe: Pipe
) -> None:
    def killed(name: str) -> Any:
        command = [sys.executable, "manage.py", "receive_mail", *ADDRESS, "-"]
        env = {**pipe.env, "FAILPOINT": name}
        return subprocess.run(command, cwd=settings.BASE_DIR, input=MAIL, env=env, check=False).returncode

    assert killed("mail.stored") == -signal.SIGKILL
    assert stored(committed_world) == 1
    assert pipe(*ADDRESS, "-") == (os.EX_OK, "")  # the mail server delivers it again: still one
    assert stored(committed_world) == 1
    with tenant_context(committed_world.acme.pk):
        assert Message.objects.count() == 1
