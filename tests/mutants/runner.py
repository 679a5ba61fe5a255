"""Run tests against mutants: one process imports and collects everything once, then a fork of it tries each mutant.

A fork starts in milliseconds. Each of the forks that run side by side has a cluster of its own, which is used again: its tests
roll back or empty what they wrote. The first fork tries no mutant; it notes which test runs which lines, and how long it takes.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from pytest_django.plugin import blocking_manager_key

from config.postgres import embedded
from conversations.database.compiled import Compiled
from tests import ready_cluster
from tests.mutants.operators import Mutant
from tests.mutants.swap import DoesNotFit, functions_of, put_in

ROOT = Path(__file__).resolve().parent.parent.parent
KILLED, SURVIVED, NOT_PUT_IN, BROKEN = 1, 0, 3, 4


def _stop(number: int, frame: Any) -> None:
    """What Ctrl-C does by itself, for the signals that would end the process on the spot."""
    raise KeyboardInterrupt


@dataclass
class Outcome:
    mutant: Mutant
    result: int
    by: str = ""  # the test that noticed, or why there is nothing to say


@dataclass
class Trials:
    """The plugin that takes the place of pytest's loop."""

    mutants: list[Mutant]
    tests: dict[str, list[str]]  # path of a module: the test files that judge it
    jobs: int
    outcomes: list[Outcome] = field(default_factory=list)
    _lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)
    _killers: dict[str, int] = field(default_factory=dict)
    _forks: set[int] = field(default_factory=set)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        self._session = session
        session.config._tmp_path_factory.getbasetemp()  # one for all forks
        from django.db import connections

        connections.close_all()
        self._live = functions_of({mutant.path for mutant in self.mutants})
        self._compiled = [each for each in gc.get_objects() if type(each) is Compiled]
        gc.freeze()  # what is there stays: a fork that looked through it would copy it
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGHUP, _stop)
        self._work = Path(tempfile.mkdtemp(prefix="countersign-mutants-"))
        try:
            self._work.chmod(0o755)
            for slot in range(self.jobs):
                self._start_cluster(slot)
            self._look()
            self._try_all()
        finally:
            self._clean_up()
        return True

    def _start_cluster(self, slot: int) -> None:
        from tests.conftest import _migrate

        folder = self._work / str(slot)
        folder.mkdir()
        with self._session.config.stash[blocking_manager_key].unblock():  # to migrate, where no copy is kept yet
            ready_cluster.start(folder, _migrate)

    def _clean_up(self) -> None:
        """Leave no process and no folder behind, whatever ended the run. A second signal does not cut this short."""
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        for pid in self._forks:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        for slot in range(self.jobs):  # by its folder: one whose start was interrupted runs already
            embedded(self._work / str(slot) / "data").stop()
        shutil.rmtree(self._work, ignore_errors=True)

    # --- the first fork ------------------------------------------------------------------------------------------------
    def _look(self) -> None:
        """Run every test once without a fault. One that fails so can judge nothing: that ends the run."""
        note = self._work / "seen.json"
        pid = self._fork(0, lambda: self._note_lines(note))
        os.waitpid(pid, 0)
        self._forks.discard(pid)
        if not note.exists():
            raise pytest.UsageError("the tests did not come through without a fault")
        seen = json.loads(note.read_text())
        if seen["failed"]:
            said = (self._work / "said-0").read_text()[-3000:]
            raise pytest.UsageError(f"fails without any fault: {', '.join(seen['failed'])}\n{said}")
        self._seconds = seen["seconds"]
        self._lines = {path: {int(line): ids for line, ids in lines.items()} for path, lines in seen["lines"].items()}

    def _note_lines(self, note: Path) -> int:
        import coverage

        paths = sorted({mutant.path for mutant in self.mutants})
        measured = coverage.Coverage(data_file=None, include=[str(ROOT / path) for path in paths], config_file=False)
        measured.start()
        failed, seconds = [], {}
        names = list(self._items)
        measured.switch_context(names[0])
        began = time.monotonic()
        for (name, has_failed), following in zip(self._run(names), [*names[1:], ""], strict=True):
            failed += [name] * has_failed
            seconds[name] = time.monotonic() - began
            measured.switch_context(following)
            for each in self._compiled:  # built once a process: else only the first test would pass through its lines
                each._plans.clear()
            began = time.monotonic()
        measured.stop()
        data = measured.get_data()
        lines = {path: data.contexts_by_lineno(str(ROOT / path)) for path in paths}
        note.write_text(json.dumps({"failed": failed, "seconds": seconds, "lines": lines}))
        return 0

    # --- the mutants' forks --------------------------------------------------------------------------------------------
    def _chosen(self, mutant: Mutant) -> list[str]:
        """The tests that run the mutant's lines: first those that noticed others, then the quick ones."""
        prefixes = tuple(f"tests/{name}.py" for name in self.tests[mutant.path])
        lines = self._lines.get(mutant.path, {})
        is_head = not mutant.where or mutant.where.rpartition(".")[2][0].isupper()  # of the module, or of a class
        wanted = lines if is_head else range(mutant.lines[0], mutant.lines[1] + 1)
        names = {name for line in wanted for name in lines.get(line, ()) if name.startswith(prefixes)}
        if is_head and not names:
            names = {name for name in self._items if name.startswith(prefixes)}
        return sorted(names, key=lambda name: (self._seconds[name] / (1 + self._killers.get(name, 0)), name))

    def _try_all(self) -> None:
        waiting = list(self.mutants)
        running: dict[int, tuple[int, Mutant, float, Path]] = {}
        slots = list(range(self.jobs))
        while waiting or running:
            while waiting and slots:
                mutant = waiting.pop(0)
                names = self._chosen(mutant)
                if not names:
                    self._done(mutant, SURVIVED, "no test runs it")
                    continue
                slot = slots.pop()
                note = self._work / f"killer-{slot}"
                note.unlink(missing_ok=True)
                limit = time.monotonic() + 30 + 8 * sum(self._seconds[name] for name in names)
                pid = self._fork(slot, lambda mutant=mutant, names=names, note=note: self._try(mutant, names, note))
                running[pid] = (slot, mutant, limit, note)
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                for late, (_, _, limit, note) in running.items():
                    if time.monotonic() > limit:
                        note.write_text("ran out of time")
                        os.kill(late, signal.SIGKILL)
                time.sleep(0.02)
                continue
            if pid not in running:
                continue
            self._forks.discard(pid)
            slot, mutant, _, note = running.pop(pid)
            slots.append(slot)
            said = note.read_text() if note.exists() else ""
            self._killers[said] = self._killers.get(said, 0) + 1
            self._done(mutant, os.WEXITSTATUS(status) if os.WIFEXITED(status) else KILLED, said)

    def _done(self, mutant: Mutant, result: int, by: str) -> None:
        self.outcomes.append(Outcome(mutant, result, by))
        if result != KILLED:
            word = {SURVIVED: "survived", NOT_PUT_IN: "not tried"}.get(result, "broken")
            print(f"{word}: {mutant.key}" + (f"  ({by})" if by else ""), file=sys.stderr, flush=True)

    def _try(self, mutant: Mutant, names: list[str], note: Path) -> int:
        try:
            put_in(mutant, ROOT, self._live)
        except DoesNotFit as why:
            note.write_text(str(why))
            return NOT_PUT_IN
        except Exception as error:  # a table that cannot even be made is noticed by everybody
            note.write_text(f"{error!r}")
            return KILLED
        for name, has_failed in self._run(names):
            if has_failed:
                note.write_text(name)
                return KILLED
        return SURVIVED

    def _run(self, names: list[str]) -> Iterator[tuple[str, bool]]:
        """Run the tests in this order; each one's name and whether it failed."""
        from _pytest.runner import runtestprotocol

        items = [self._items[name] for name in names]
        for item, following in zip(items, [*items[1:], None], strict=True):
            if item.nodeid in self._seconds:  # one that a fault makes endless: the fork ends, and that is noticed
                signal.alarm(30 + ceil(8 * self._seconds[item.nodeid]))
            reports = runtestprotocol(item, nextitem=following, log=False)
            failed = [report for report in reports if report.failed]
            if failed:
                print(failed[0].longreprtext)
            yield item.nodeid, bool(failed)

    def _fork(self, slot: int, work: Any) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            self._forks.add(pid)
            return pid
        result = BROKEN
        try:
            for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the parent cleans up, a fork only ends
                signal.signal(ending, signal.SIG_DFL)
            quiet = os.open(self._work / f"said-{slot}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os.environ["COUNTERSIGN_TEST_CLUSTER"] = str(self._work / str(slot) / "data")
            result = work()
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(result)
