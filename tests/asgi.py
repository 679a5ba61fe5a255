"""The product under a real ASGI server, on the test database: what a live page needs and Django's live server lacks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.test import Client

from config.demo.__main__ import free_port
from config.postgres import Cluster
from conversations.models import User
from conversations.tenancy import SESSION_KEY, memberships_of


class Server:
    """A granian worker on a port of its own. It can be stopped and started again there."""

    def __init__(self, cluster: Cluster, output: int | None = None, **env: str) -> None:
        self.port = free_port()
        self._output = output
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": f"postgres:///{cluster.socket_dir}/countersign_test",
            "PGUSER": "app_rw",
            "SECRET_KEY": settings.SECRET_KEY,
            "DEMO": "true",
            "LOG_LEVEL": "WARNING",
            **env,
        }
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        granian = str(Path(sys.executable).parent / "granian")
        command = [granian, "--respawn-failed-workers", "--respawn-interval", "0.2"]
        command += ["--interface", "asginl", "--no-ws", "--host", "127.0.0.1", "--port", str(self.port)]
        self._child = subprocess.Popen(
            [*command, "config.asgi:application"],
            cwd=settings.BASE_DIR,
            env=self._env,
            start_new_session=True,
            stdout=self._output,
            stderr=self._output,
        )
        for _ in range(600):
            assert self._child.poll() is None, "the server did not start"
            with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(f"{self.url}/healthz"):
                return
            time.sleep(0.1)
        raise AssertionError("the server did not answer within a minute")

    def revive(self) -> None:
        """Start it again if it gave up, as a supervisor does (deploy/countersign-web.service: Restart=always)."""
        if self._child is not None and self._child.poll() is not None:
            self.start()

    def stop(self) -> float:
        """Ask it to stop; the seconds that it took."""
        assert self._child is not None
        began = time.monotonic()
        self._child.terminate()
        try:
            self._child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None
        return time.monotonic() - began

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def is_up(self) -> bool:
        return self._child is not None


@contextlib.contextmanager
def serving(cluster: Cluster, **env: str) -> Iterator[Server]:
    server = Server(cluster, **env)
    server.start()
    try:
        yield server
    finally:
        if server.is_up:
            server.stop()


def session_of(user: User) -> str:
    """The cookie of a person who has signed in, in their first account."""
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    session = client.session
    session[SESSION_KEY] = str(memberships_of(user)[0]["account_id"])
    session.save()
    return client.cookies[settings.SESSION_COOKIE_NAME].value
