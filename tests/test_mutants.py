"""`make mutants` judges the tests; this judges it: what it puts in, what it leaves alone, and that all it names exists."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.mutants.__main__ import explained
from tests.mutants.operators import mutants
from tests.mutants.runner import ROOT
from tests.mutants.targets import NOT_YET, TARGETS


def changes(source: str) -> list[str]:
    return [mutant.now for mutant in mutants("x.py", source)]


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("return a == b", ["return a != b", "return None"]),
        ("return a < b", ["return a <= b", "return None"]),
        ("return a and b", ["return b", "return a", "return None"]),
        ("return not a", ["return a", "return None"]),
        ("return rows.filter(a=1)", ["return rows", "return rows.filter()", "return rows.filter(a=2)", "return None"]),
        ("write(a)", ["pass"]),
        ("raise Refused('No.')", ["pass"]),
        ("a.status = b", ["pass"]),
        ("return a[:20]", ["return a", "return a[:21]", "return None"]),
    ],
)
def test_these_faults_are_put_in(line: str, faults: list[str]) -> None:
    assert sorted(changes(f"def f(a, b, rows):\n    {line}\n")) == sorted(faults)


def test_a_check_is_made_to_hold_always_and_never() -> None:
    found = changes("def f(a):\n    if a:\n        g()\n")
    assert {"if True:", "if False:", "pass"} == set(found)


@pytest.mark.parametrize(
    "source",
    ['def f(a: int | None = 1) -> int | str:\n    """A word == another."""\n', "__all__ = ['a', 'b']\n", "x: int\n"],
)
def test_what_decides_nothing_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_all_that_the_tables_name_exists() -> None:
    assert set(NOT_YET) <= set(TARGETS)
    for path, files in TARGETS.items():
        assert (ROOT / path).is_file(), path
        assert files
        for name in files:
            assert (ROOT / f"tests/{name}.py").is_file(), name


def test_every_mutant_that_is_explained_is_still_one_and_has_its_reason() -> None:
    known = explained()
    assert known
    there = {
        each.key for path in {key.split(" ")[0] for key in known} for each in mutants(path, (ROOT / path).read_text())
    }
    for key, reason in known.items():
        assert key in there, f"no longer a mutant: {key}"
        assert len(reason) > 20, key


def test_a_run_that_is_told_to_stop_leaves_no_server_and_no_folder_behind() -> None:
    """Its forks and its PostgreSQL are processes of their own: nobody else would end them."""
    with tempfile.TemporaryDirectory(prefix="countersign-stopped-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        run = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants", "--module", "conversations/database/encryption.py", "--jobs", "1"],
            cwd=ROOT, env={**os.environ, "TMPDIR": name}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 120
        while not (first := list(folder.glob("countersign-mutants-*/said-0"))):  # the server runs, and a fork on it
            assert run.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        server = int((first[0].parent / "0" / "data" / "postmaster.pid").read_text().split()[0])
        assert _runs(server)
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=60) != 0
        assert not list(folder.glob("countersign-mutants-*"))
        until = time.monotonic() + 10
        while _runs(server):
            assert time.monotonic() < until
            time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether the process still works; one that ended and that nobody has asked for yet does not."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
