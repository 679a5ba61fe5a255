"""The lines of a copy outside, byte by byte: what a crash leaves, what is read back, and in which order they are added."""

from __future__ import annotations

import os
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.postgres import SUPERUSER, Cluster
from conversations.models import AuditCheckpoint
from conversations.tenancy import tenant_context
from conversations.trail import anchors, checkpoints
from conversations.trail.anchors import Line
from tests import factories
from tests.conftest import World

ACCOUNT, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
AT = datetime(2026, 1, 31, 12, 0, 1, 5, tzinfo=UTC)


def line(number: int = 1, account: uuid.UUID = ACCOUNT, previous: str = "p" * 64) -> Line:
    return Line(AT + timedelta(hours=number), account, number, "h" * 64, 10 * number, previous, "s" * 43)


@pytest.fixture
def folder(tmp_path: Path) -> anchors.Folder:
    return anchors.Folder(str(tmp_path / "deep" / "anchors"))


def file_of(folder: anchors.Folder) -> Path:
    folder.path.mkdir(parents=True, exist_ok=True)
    return folder.path / f"{ACCOUNT}.anchors"


# --- a line ------------------------------------------------------------------------------------------------------------
def test_a_line_is_read_back_as_it_was_written() -> None:
    assert Line.read(str(line())) == line()
    assert str(line()) == f"2026-01-31T13:00:01.000005+00:00 {ACCOUNT} 1 {'h' * 64} 10 {'p' * 64} {'s' * 43}"


@pytest.mark.parametrize(("kept", "written"), [("", "-"), ("p" * 64, "p" * 64)])
def test_a_checkpoint_without_a_link_has_a_dash_for_it(kept: str, written: str) -> None:
    values = {"account_id": ACCOUNT, "created_at": AT, "number": 3, "seq": 30, "hash": "h" * 64}
    point = AuditCheckpoint(**values, previous=kept, signature="s" * 43)
    assert Line.of(point) == Line(AT, ACCOUNT, 3, "h" * 64, 30, written, "s" * 43)
    back = Line.of(point).as_point()
    assert {name: getattr(back, name) for name in values} == values
    assert (back.previous, back.signature) == (kept, "s" * 43)


# --- a folder ------------------------------------------------------------------------------------------------------------
def test_lines_are_added_and_the_newest_is_the_last(folder: anchors.Folder) -> None:
    assert (folder.newest(ACCOUNT), folder.lines_of(ACCOUNT)) == (None, [])
    folder.add([line(1), line(2), line(1, OTHER)])
    folder.add([line(3)])
    assert folder.lines_of(ACCOUNT) == [line(1), line(2), line(3)]
    assert (folder.newest(ACCOUNT), folder.newest(OTHER)) == (line(3), line(1, OTHER))
    assert file_of(folder).read_text() == f"{line(1)}\n{line(2)}\n{line(3)}\n"
    assert file_of(folder).stat().st_mode & 0o137 == 0, "nobody but the owner and the group reads it"


def test_what_is_added_is_on_the_disk_before_the_next_line(folder: anchors.Folder, monkeypatch: Any) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(anchors.os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    folder.add([line(1), line(2)])
    size = len(str(line(1))) + 1
    assert sizes == [size, 2 * size]


@pytest.mark.parametrize("torn", [b"2026-01", b"2026-\xff\xfe"])
def test_what_a_crash_tore_is_not_read_and_does_not_join_the_next_line(folder: anchors.Folder, torn: bytes) -> None:
    file_of(folder).write_bytes(torn)
    assert (folder.newest(ACCOUNT), folder.lines_of(ACCOUNT)) == (None, [])
    file_of(folder).write_bytes(f"{line(1)}\n".encode() + torn)
    assert (folder.newest(ACCOUNT), folder.lines_of(ACCOUNT)) == (line(1), [line(1)])
    folder.add([line(2), line(3)])
    assert file_of(folder).read_bytes() == f"{line(1)}\n".encode() + torn + f"\n{line(2)}\n{line(3)}\n".encode()
    assert folder.newest(ACCOUNT) == line(3)


def test_an_empty_file_is_added_to_from_its_start(folder: anchors.Folder) -> None:
    file_of(folder).touch()
    assert (folder.newest(ACCOUNT), folder.lines_of(ACCOUNT)) == (None, [])
    folder.add([line(1)])
    assert file_of(folder).read_text() == f"{line(1)}\n"


def test_the_newest_is_found_at_the_end_of_a_long_file(folder: anchors.Folder) -> None:
    folder.add([line(number) for number in range(1, 60)])
    assert file_of(folder).stat().st_size > 2 * folder.TAIL
    assert folder.newest(ACCOUNT) == line(59)
    assert len(folder.lines_of(ACCOUNT)) == 59


# --- lines of a file ---------------------------------------------------------------------------------------------------
def test_a_torn_line_is_passed_over_if_it_was_written_whole_right_after() -> None:
    first, second = str(line(1)), str(line(2))
    assert list(anchors.read_lines(f"{first[:50]}\n{first}\n\n{second}\n")) == [line(1), line(2)]
    assert list(anchors.read_lines(f"{first}\n{first}\n")) == [line(1), line(1)], "a line that is there twice is whole"
    for text, number in (
        (f"{first}\n{second[:50]}", 2),
        (f"{first[:50]}\n{second}\n{first}", 1),
        (f"{first}\n{'x' * 200}\n{second}", 2),
    ):
        with pytest.raises(ValueError, match=rf"^Line {number} is no anchor: '.{{1,80}}'$"):
            list(anchors.read_lines(text))


def test_ones_own_file_may_hold_several_accounts(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_text("".join(f"{each}\n" for each in (line(1), line(1, OTHER), line(2))))
    found = anchors.File(str(path))
    assert (found.lines_of(ACCOUNT), found.lines_of(OTHER)) == ([line(1), line(2)], [line(1, OTHER)])
    assert found.accounts() == {ACCOUNT, OTHER}
    assert found.name == str(path)


def test_each_kind_of_address_opens_its_kind_of_anchor() -> None:
    folder = anchors.open_anchor("file:/var/anchors")
    assert isinstance(folder, anchors.Folder)
    assert (folder.path, folder.name) == (Path("/var/anchors"), "file:/var/anchors")
    for scheme in ("postgresql", "postgres"):
        found = anchors.open_anchor(f"{scheme}://me:secret@there/anchors")
        assert isinstance(found, anchors.Database)
        assert (found.url, found.name) == (f"{scheme}://me:secret@there/anchors", "postgresql://there/anchors")


def test_a_database_that_does_not_answer_is_not_waited_for_long(monkeypatch: Any) -> None:
    asked: list[dict[str, Any]] = []

    def refuse(url: str, **given: Any) -> None:
        asked.append(given)
        raise TimeoutError

    monkeypatch.setattr(anchors.psycopg, "connect", refuse)
    database = anchors.Database("postgresql://there/anchors")
    for act in (lambda: database.newest(ACCOUNT), lambda: database.add([line()])):
        with pytest.raises(TimeoutError):
            act()
    assert asked == [{"connect_timeout": 10}] * 2


# --- with the trail ------------------------------------------------------------------------------------------------------
@pytest.fixture
def signed(unbound: World) -> World:
    """Three checkpoints at Acme and one at Globex; row-level security is off, and the first was stored anew since."""
    for channel in (unbound.mail, unbound.mail, unbound.other_mail, unbound.mail):
        factories.message(channel)
        with tenant_context(channel.account_id):
            assert checkpoints.checkpoint(channel.account_id)
    return unbound


def points(account_id: uuid.UUID) -> list[Line]:
    with tenant_context(account_id):
        return [Line.of(each) for each in AuditCheckpoint.objects.filter(account_id=account_id).order_by("number")]


def test_an_accounts_checkpoints_are_added_in_their_order(
    signed: World, folder: anchors.Folder, cluster: Cluster
) -> None:
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute("UPDATE conversations_auditcheckpoint SET seq = seq WHERE number = 1")
    for account, count in ((signed.acme, 3), (signed.globex, 1)):
        assert anchors.anchor(account.pk, to=folder) == count
        assert folder.lines_of(account.pk) == points(account.pk)
        assert anchors.anchor(account.pk, to=folder) == 0


def test_a_copy_that_holds_what_the_database_holds_is_no_break(signed: World, folder: anchors.Folder) -> None:
    assert anchors.compare(signed.acme.pk, folder) == (None, f"0 checkpoints in {folder.name}")
    for account in (signed.acme, signed.globex):
        anchors.anchor(account.pk, to=folder)
    newest = points(signed.acme.pk)[-1].at
    assert anchors.compare(signed.acme.pk, folder) == (
        None,
        f"3 checkpoints in {folder.name}, the newest of {newest:%Y-%m-%d %H:%M:%S} UTC",
    )
    assert anchors.compare(signed.globex.pk, folder)[0] is None


class Copied:
    name = "a copy"

    def __init__(self, *lines: Line) -> None:
        self.lines = lines

    def lines_of(self, account_id: uuid.UUID) -> tuple[Line, ...]:
        return self.lines


def test_each_way_to_differ_is_told_apart(signed: World, cluster: Cluster) -> None:
    acme = signed.acme.pk
    first, second, third = points(acme)
    found, words = anchors.compare(acme, Copied(first, replace(second, signature="forged"), third))
    assert (found, words) == (anchors.Break(second.count, "line 2 of a copy does not bear our signature"), "")
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute("DELETE FROM conversations_auditcheckpoint WHERE number = 2")
    found, words = anchors.compare(acme, Copied(first, second, third))
    assert (found, words) == (
        anchors.Break(second.count, "checkpoint 2 is missing or another one; a copy holds it"),
        "",
    )
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute("UPDATE conversations_auditevent SET hash = repeat('0', 64) WHERE seq = %s", [third.count])
    found, words = anchors.compare(acme, Copied(first, third))
    reason = f"the chain was rewritten or cut: a copy holds another head of {third.at}"
    assert (found, words) == (anchors.Break(third.count, reason), "")
