"""PgBouncer before the pair, in transaction mode as docs/deployment.md says; whoever promotes a standby points it there."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from config.demo.__main__ import free_port
from config.postgres import Cluster

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
CONFIG = """
[databases]
{database} = host={host} port=5432 dbname={database} user=app_rw pool_size=12
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
ignore_startup_parameters = options
server_login_retry = 1
server_connect_timeout = 2
max_client_conn = 200
"""


class Bouncer:
    def __init__(self, folder: Path, database: str) -> None:
        self.port, self._database, self._folder = free_port(), database, folder / "bouncer"
        self._folder.mkdir(mode=0o755)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgres://app_rw@127.0.0.1:{self.port}/{self._database}"

    def start(self, server: Cluster) -> None:
        assert PROGRAM is not None, "pgbouncer is not installed"
        self._write(server)
        identity: dict[str, Any] = {}
        if server.user:  # it refuses to run as root, as PostgreSQL does
            identity = {"user": server.user.pw_uid, "group": server.user.pw_gid, "extra_groups": []}
        with (self._folder / "log").open("wb") as log:
            command = [PROGRAM, str(self._folder / "pgbouncer.ini")]
            self._process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, **identity)
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise AssertionError((self._folder / "log").read_text()) from None
                time.sleep(0.05)

    def point_at(self, server: Cluster) -> None:
        """SIGHUP: connections to the former server are closed as they come free."""
        self._write(server)
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def _write(self, server: Cluster) -> None:
        text = CONFIG.format(host=server.socket_dir, port=self.port, database=self._database)
        (self._folder / "pgbouncer.ini").write_text(text)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
