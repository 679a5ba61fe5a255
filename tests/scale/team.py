"""Web and worker processes that are killed and come back: what systemd's Restart=always does, in one thread."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
from django.conf import settings

from config.demo.__main__ import free_port
from tests.faults.ground import LEASE, TIMEOUT, wait_until

RESTART_SECONDS = 0.3


def environment(folder: Path, **env: str) -> dict[str, str]:
    """Of a process of the product, as this process sees its database; DATABASE_URL is the caller's."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PGUSER": "app_rw",
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_ENCRYPTION_KEYS": ",".join(settings.FIELD_ENCRYPTION_KEYS),
        "MESSAGE_ID_KEY": settings.MESSAGE_ID_KEY.decode(),
        "MAIL_DOMAIN": settings.MAIL_DOMAIN,
        "COUNTERSIGN_LOCAL_DIR": str(folder),
        "DELIVERY_LEASE_SECONDS": str(LEASE),
        "SMTP_TIMEOUT_SECONDS": str(TIMEOUT),
        "LOG_LEVEL": "WARNING",
        "DEMO": "true",
        **env,
    }


class Kept:
    """A process that is started again whenever it ends, until `stop`."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], log: Path) -> None:
        self.name, self.starts, self.log = name, 0, log / f"{name}.log"
        self._command, self._env, self._over = command, env, threading.Event()
        self.process = self._spawn()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command, cwd=settings.BASE_DIR, env=self._env, stdout=log, stderr=log, start_new_session=True
            )

    def _keep(self) -> None:
        while not self._over.wait(0.1):
            if self.process.poll() is not None and not self._over.wait(RESTART_SECONDS):
                self.process = self._spawn()

    def kill(self) -> None:
        """SIGKILL to the main process alone: what becomes of its children is the product's to say."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Web(Kept):
    def __init__(self, name: str, env: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [
            str(Path(sys.executable).parent / "granian"),
            "--respawn-failed-workers",
            "--respawn-interval",
            "0.2",
        ]
        command += ["--interface", "asginl", "--no-ws", "--host", "127.0.0.1", "--port", str(self.port)]
        super().__init__(name, [*command, "config.asgi:application"], env, log)

    def answers(self, seconds: float = 60) -> bool:
        def ask() -> bool:
            with contextlib.suppress(httpx2.HTTPError):
                return bool(httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200)
            return False

        return wait_until(ask, seconds)


class Worker(Kept):
    """Asks for jobs only when it is told of them, or after `poll` seconds."""

    def __init__(self, name: str, env: dict[str, str], log: Path, *, poll: float = 5.0) -> None:
        command = [sys.executable, "manage.py", "procrastinate", "worker", "--concurrency", "4"]
        super().__init__(name, [*command, "--fetch-job-polling-interval", str(poll)], env, log)


@contextlib.contextmanager
def at_work(*members: Kept) -> Iterator[None]:
    try:
        yield
    finally:
        for member in members:
            member.stop()


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False
