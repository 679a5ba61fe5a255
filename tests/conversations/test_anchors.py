"""Copies of checkpoints outside the database: what is written, where it goes on, what differs, and what the command says."""

from __future__ import annotations

import io
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

from config.postgres import SUPERUSER, Cluster
from conversations import tasks
from conversations.models import AuditCheckpoint, AuditEvent
from conversations.tenancy import tenant_context
from conversations.trail import anchors, checkpoints, report
from tests import factories
from tests.conftest import World


@pytest.fixture
def signed(committed_world: World) -> World:
    """Two checkpoints at Acme."""
    for _ in range(2):
        factories.message(committed_world.mail)
        with tenant_context(committed_world.acme.pk):
            assert checkpoints.checkpoint(committed_world.acme.pk) is not None
    return committed_world


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> anchors.Folder:
    settings.AUDIT_ANCHORS = [f"file:{tmp_path}/anchors"]
    [found] = anchors.configured()
    assert isinstance(found, anchors.Folder)
    return found


@pytest.fixture
def second_database(cluster: Cluster) -> Iterator[anchors.Database]:
    """Made by deploy/anchors.sql, used by its role."""
    with cluster.connect("postgres", SUPERUSER) as server:
        server.execute("CREATE DATABASE anchors")
    try:
        with cluster.connect("anchors", SUPERUSER) as server:
            server.execute((Path(django_settings.BASE_DIR) / "deploy" / "anchors.sql").read_text())
        found = anchors.open_anchor(f"postgresql://countersign_anchor@/anchors?host={cluster.socket_dir}")
        assert isinstance(found, anchors.Database)
        yield found
    finally:
        with cluster.connect("postgres", SUPERUSER) as server:
            server.execute("DROP DATABASE anchors")
            server.execute("DROP ROLE countersign_anchor")


def points(world: World) -> list[AuditCheckpoint]:
    with tenant_context(world.acme.pk):
        return list(AuditCheckpoint.objects.order_by("number"))


def verified(*options: str) -> str:
    out = io.StringIO()
    call_command("verify_audit", *options, stdout=out)
    return out.getvalue()


def test_a_line_says_when_who_which_head_and_how_many_and_is_read_back(signed: World, folder: anchors.Folder) -> None:
    assert anchors.anchor(signed.acme.pk, to=folder) == 2
    text = (folder.path / f"{signed.acme.pk}.anchors").read_text()
    first, second = points(signed)
    assert text.splitlines() == [
        f"{point.created_at.isoformat()} {signed.acme.pk} {number} {point.hash} {point.seq} {point.previous} {point.signature}"
        for number, point in ((1, first), (2, second))
    ]
    assert [line.as_point().signature for line in folder.lines_of(signed.acme.pk)] == [
        first.signature,
        second.signature,
    ]
    assert all(checkpoints.is_signed(line.as_point()) for line in anchors.read_lines(text))


def test_a_line_that_a_full_disk_tore_is_written_again_and_passed_over(signed: World, folder: anchors.Folder) -> None:
    anchors.anchor(signed.acme.pk, to=folder)
    path = folder.path / f"{signed.acme.pk}.anchors"
    whole = path.read_text()
    path.write_text(whole[:-40])
    assert [line.number for line in folder.lines_of(signed.acme.pk)] == [1]
    assert anchors.anchor(signed.acme.pk, to=folder) == 1
    assert [line.number for line in folder.lines_of(signed.acme.pk)] == [1, 2]
    assert path.read_text().endswith(f"{whole[:-40]}\n{whole.splitlines()[1]}\n")
    path.write_text("garbage\n" + whole)
    with pytest.raises(ValueError, match="Line 1 is no anchor"):
        folder.lines_of(signed.acme.pk)


def test_only_what_is_new_is_added(signed: World, folder: anchors.Folder) -> None:
    anchors.anchor(signed.acme.pk, to=folder)
    assert anchors.anchor(signed.acme.pk, to=folder) == 0
    factories.message(signed.mail)
    with tenant_context(signed.acme.pk):
        checkpoints.checkpoint(signed.acme.pk)
    assert anchors.anchor(signed.acme.pk, to=folder) == 1
    assert [line.number for line in folder.lines_of(signed.acme.pk)] == [1, 2, 3]
    assert folder.lines_of(signed.globex.pk) == []


def test_a_long_file_is_read_from_its_end(signed: World, folder: anchors.Folder, monkeypatch: Any) -> None:
    anchors.anchor(signed.acme.pk, to=folder)
    monkeypatch.setattr(anchors.Folder, "TAIL", len(str(folder.lines_of(signed.acme.pk)[-1])) + 20)
    newest = folder.newest(signed.acme.pk)
    assert newest == folder.lines_of(signed.acme.pk)[-1]
    assert folder.newest(signed.globex.pk) is None


def test_a_copy_with_another_checkpoint_gets_nothing_more(
    signed: World, folder: anchors.Folder, cluster: Cluster
) -> None:
    anchors.anchor(signed.acme.pk, to=folder)
    before = folder.lines_of(signed.acme.pk)
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("UPDATE conversations_auditcheckpoint SET hash = repeat('0', 64) WHERE number = 2")
    with pytest.raises(anchors.Differs, match="checkpoint 2"):
        anchors.anchor(signed.acme.pk, to=folder)
    assert folder.lines_of(signed.acme.pk) == before


def test_a_second_database_is_added_to_and_read_and_never_changed(
    signed: World, second_database: anchors.Database
) -> None:
    assert second_database.newest(signed.acme.pk) is None
    assert anchors.anchor(signed.acme.pk, to=second_database) == 2
    assert anchors.anchor(signed.acme.pk, to=second_database) == 0
    assert second_database.lines_of(signed.acme.pk) == [anchors.Line.of(point) for point in points(signed)]
    assert second_database.newest(signed.acme.pk) == second_database.lines_of(signed.acme.pk)[-1]
    second_database.add(second_database.lines_of(signed.acme.pk))  # a worker that died after it added them
    assert len(second_database.lines_of(signed.acme.pk)) == 2
    with tenant_context(signed.acme.pk):
        found = report.examine(signed.acme.pk, copies=[second_database])
    assert found.breaks == []
    assert any("2 checkpoints in postgresql://" in line for line in found.checked)
    for forbidden in (
        "UPDATE countersign_anchor SET head = ''",
        "DELETE FROM countersign_anchor",
        "TRUNCATE countersign_anchor",
    ):
        with psycopg.connect(second_database.url) as server, pytest.raises(psycopg.Error, match="permission denied"):
            server.execute(forbidden)


def test_the_password_of_a_second_database_is_shown_nowhere() -> None:
    assert anchors.Database("postgresql://anchor:secret@other/anchors").name == "postgresql://other/anchors"


def test_the_worker_signs_and_copies_and_one_place_that_is_away_stops_no_other(
    committed_world: World, folder: anchors.Folder, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    factories.message(committed_world.mail)
    settings.AUDIT_ANCHORS = ["postgresql://nobody@127.0.0.1:9/anchors", *settings.AUDIT_ANCHORS]
    with caplog.at_level(logging.ERROR):
        tasks.checkpoint_audit(0)
    assert "were not copied to postgresql://127.0.0.1:9/anchors" in caplog.text
    assert [line.number for line in folder.lines_of(committed_world.acme.pk)] == [1]
    assert [line.number for line in folder.lines_of(committed_world.globex.pk)] == [1]


def test_a_trail_that_does_not_hold_gets_no_signature_and_the_others_theirs(
    signed: World, folder: anchors.Folder, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    event = factories.message(signed.mail)
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute("UPDATE conversations_auditevent SET actor_name = 'Eve' WHERE object_id = %s", [str(event.pk)])
    with caplog.at_level(logging.CRITICAL):
        tasks.checkpoint_audit(0)
    assert "the audit trail of acme does not hold and was not signed" in caplog.text
    assert "its content was changed" in caplog.text
    assert len(points(signed)) == 2
    assert folder.lines_of(signed.acme.pk) == []
    assert [line.number for line in folder.lines_of(signed.globex.pk)] == [1]


def test_the_command_says_what_it_checked_and_what_it_cannot_know(signed: World, folder: anchors.Folder) -> None:
    anchors.anchor(signed.acme.pk, to=folder)
    factories.approved(factories.draft(factories.message(signed.mail)), signed.ada)
    with tenant_context(signed.acme.pk):
        events, head = AuditEvent.objects.count(), AuditEvent.objects.order_by("-seq")[0].hash
        younger = events - AuditCheckpoint.objects.order_by("-number")[0].seq
    newest = points(signed)[-1].created_at
    assert verified("--account", "acme").splitlines() == [
        f"acme: intact, {events} events, head {head[:16]}",
        f"  checked: {events} events, each numbered and bound to the one before it",
        "  checked: 2 checkpoints, each numbered, signed and bound to the one before it",
        "  checked: 9 texts and names, each the one that its event bound",
        "  checked: 1 decisions, each with its event",
        f"  checked: 2 checkpoints in {folder.name}, the newest of {newest:%Y-%m-%d %H:%M:%S} UTC",
        f"  not known: {younger} events are younger than the newest checkpoint; "
        "a superuser of the database could rewrite those and the rows that they tell of",
        "  not known: whether what the application recorded was true when it recorded it",
    ]


def test_without_a_copy_the_command_says_who_could_rewrite_everything(signed: World, settings: Any) -> None:
    settings.AUDIT_ANCHORS = []
    assert "no copy outside was compared; a superuser of the database could remove all checkpoints" in verified()


def test_ones_own_copy_is_compared_and_an_account_that_is_gone_is_named(
    signed: World, folder: anchors.Folder, tmp_path: Path, settings: Any
) -> None:
    anchors.anchor(signed.acme.pk, to=folder)
    settings.AUDIT_ANCHORS = []
    mine = tmp_path / "copy.anchors"
    text = (folder.path / f"{signed.acme.pk}.anchors").read_text()
    mine.write_text(text)
    assert f"2 checkpoints in {mine}" in verified("--anchor", str(mine))
    gone = uuid.uuid4()
    mine.write_text(text + text.replace(str(signed.acme.pk), str(gone)))
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 2 trails do not hold"):
        call_command("verify_audit", "--anchor", str(mine), stdout=out)
    assert f"{gone}: broken: {mine} holds its checkpoints, and it is not here" in out.getvalue()
    mine.write_text(text.replace(" 2 ", " 3 "))
    with pytest.raises(CommandError):
        call_command("verify_audit", "--anchor", str(mine), stdout=out)
    assert "does not bear our signature" in out.getvalue()


@pytest.mark.parametrize("content", ["no anchor at all", None])
def test_a_copy_that_cannot_be_read_is_named(world: World, tmp_path: Path, content: str | None) -> None:
    copy = tmp_path / "copy.anchors"
    if content:
        copy.write_text(f"\n{content}\n")
    with pytest.raises(CommandError, match=r"Line 2 is no anchor: 'no anchor at all'" if content else "No such file"):
        verified("--anchor", str(copy))


def test_a_wrong_address_is_an_error_before_anything_runs(settings: Any) -> None:
    settings.AUDIT_ANCHORS = ["s3://bucket", "file:relative", "file:/right"]
    assert [found.id for found in run_checks() if found.id == "countersign.E006"] == ["countersign.E006"] * 2
    for wrong in settings.AUDIT_ANCHORS[:2]:
        with pytest.raises(ValueError, match="no kind of anchor"):
            anchors.open_anchor(wrong)
