"""A PostgreSQL primary and its synchronous standby, on sockets of their own: what commits is on both, or is not told."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from urllib.parse import quote

from config.postgres import Cluster, embedded

NAME = "s1"
#: Beside what `Cluster.start` says. A standby refuses to follow a primary with more of these than it has itself.
SENDS = ("wal_level=replica", "max_wal_senders=6", "hot_standby=on")
#: Nobody confirms what a lone server commits: with the name of its old standby it would wait for ever.
ALONE = "synchronous_standby_names="


class Pair:
    """`primary` takes writes and `standby` follows; after `fail_over` the other one does."""

    def __init__(self, primary: Cluster, folder: Path, *settings: str) -> None:
        self.primary, self.standby = primary, embedded(folder / "standby")
        self.both = (self.primary, self.standby)
        self._settings = (*settings, *SENDS)

    def start(self) -> None:
        """The primary started anew with a standby that confirms each commit."""
        self.primary.stop()
        self.primary.start(*self._settings)
        self.standby._folder(self.standby.data)
        if not self.standby.bin.exists():
            self.standby._copy_binaries()
        where = f"host={self.primary.socket_dir} user=postgres application_name={NAME}"
        options = ("-D", str(self.standby.data), "-R", "-X", "stream", "-c", "fast")
        self.standby._run("pg_basebackup", "-d", where, *options)
        for lock in self.standby.data.glob(".s.PGSQL.*"):
            lock.unlink()  # of the primary's socket, if that is among its data
        self.standby.start(*self._settings, ALONE)
        with self.primary.connect() as server:
            server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
            server.execute("SELECT pg_reload_conf()")
            until = time.monotonic() + 30
            while not server.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone():
                assert time.monotonic() < until, "the standby does not follow"
                time.sleep(0.1)

    @property
    def hosts(self) -> str:
        return ",".join(str(one.socket_dir) for one in (self.standby, self.primary))

    def url(self, database: str) -> str:
        """For DATABASE_URL: both servers, the one that only reads first, and libpq finds the other."""
        return f"postgres:///{quote(self.hosts, safe='')}/{database}"

    def fail_over(self) -> float:
        """The primary's machine is gone, all processes at once; the standby is promoted. How long that took."""
        began = time.monotonic()
        kill_server(self.primary)
        self.standby._run("pg_ctl", "-D", str(self.standby.data), "-w", "promote")
        self.primary, self.standby = self.standby, self.primary
        return time.monotonic() - began

    def stop(self) -> None:
        for one in self.both:
            if (one.data / "PG_VERSION").exists():
                one.stop()


def kill_server(cluster: Cluster) -> None:
    """SIGKILL to the postmaster and to each child of it, by their numbers."""
    main = int((cluster.data / "postmaster.pid").read_text().split()[0])
    children = [pid for pid, parent in _parents() if parent == main]
    for pid in (main, *children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _parents() -> list[tuple[int, int]]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = stat.read_text().partition(" (")
            found.append((int(pid), int(rest.rpartition(") ")[2].split()[1])))
    return found
