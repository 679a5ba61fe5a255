"""`python -m config.demo`: the whole product on this machine, until Ctrl-C.

Starts the embedded PostgreSQL (unless DATABASE_URL names a server), the Chroma server, a local SMTP sink, the web
server, a worker and a mail server that customers write to; migrates, seeds, prints where to go, and stops everything in the reverse order.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "countersign-demo"

WELCOME = """
  Countersign is running:   {url}

    reviewer   tess@hotrodan.example     approves, edits, rejects (start here)
    agent      joel@hotrodan.example     approves what is fully sourced
    admin      mina@hotrodan.example     also {url}/admin/
    auditor    ava@hotrodan.example      reads everything, changes nothing
    platform   root@countersign.example  creates tenants in {url}/admin/
    password   {password}

  Mail that leaves is kept in {mail} and shown at {url}/demo/mail/
  Be a customer, with a mail client: outgoing server 127.0.0.1, port {door}, no encryption, no password; write to
  support@hotrodan.example. Or from a second terminal:

    {customer}

  Slack, Intercom, Zoho Desk and the shop of the demo are at {vendors}: replies arrive there, there you can be a customer.

  Internal API: {url}/internal/docs   Ctrl-C stops everything; the data stays for the next `make demo`.
"""

MAIL = (
    "From: Pat Doe <pat@example.com>\\nTo: support@hotrodan.example\\nSubject: E85 hose\\n"
    "Message-ID: <%s@example.com>\\n\\nHi, is PTFE hose safe with E85 on the return line?\\n"
)


def manage(command: str, *, local: Path) -> str:
    """A command line for this very demo, wherever it is typed: this checkout, and the folder that its data are in."""
    local = local.resolve()
    where = "" if local == ROOT / ".local" else f"COUNTERSIGN_LOCAL_DIR={shlex.quote(str(local))} "
    return f"{where}{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'manage.py'))} {command}"


def customer(*, local: Path) -> str:
    """What a person types to be a customer. A server that DATABASE_URL names has to be named there, too."""
    receive = manage("receive_mail --channel support@hotrodan.example -", local=local)
    return f"printf '{MAIL}' $(date +%s) | {receive}"


def free_port(wanted: int = 0) -> int:
    """`wanted` if nobody has it, else one that is free."""
    for port in dict.fromkeys((wanted, 0)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise SystemExit("No free port on 127.0.0.1.")


def wait_for(url: str, process: subprocess.Popen[bytes], name: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(
                f"{name} stopped with code {process.returncode} while starting; see {name}.log among its logs"
            )
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=2):  # noqa: S310
            return
        time.sleep(0.1)
    raise SystemExit(f"{name} did not answer within {seconds:.0f} s; see {name}.log among its logs")


def _die_with_parent() -> None:
    """Even a supervisor that is killed leaves nothing running (Linux: prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@dataclass
class Child:
    name: str
    command: tuple[str, ...]
    env: dict[str, str]
    process: subprocess.Popen[bytes]
    deaths: list[float] = field(default_factory=list)


class Supervisor:
    """Children, started in order and stopped in reverse. One that dies is started again; one that keeps dying ends all.

    A web server gives up by itself when its workers die as soon as they are started (granian: a crash loop), and a
    killed child is gone: somebody has to bring it back.
    """

    MAX_DEATHS, WITHIN_SECONDS = 5, 60.0

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.children: list[Child] = []
        self.stopping = threading.Event()
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *command: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
        child = Child(name, command, env, self._spawn(name, command, env))
        self.children.append(child)
        return child.process

    def _spawn(self, name: str, command: tuple[str, ...], env: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.logs / f"{name}.log").open("ab") as log:
            # A session of its own: Ctrl-C reaches the supervisor alone, which then stops the children in order.
            return subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True, preexec_fn=_die_with_parent
            )

    def watch(self) -> None:
        """Until somebody stops it, or a child dies `MAX_DEATHS` times within `WITHIN_SECONDS`."""
        while not self.stopping.wait(0.5):
            for child in self.children:
                if child.process.poll() is not None and not self._bring_back(child):
                    return

    def _bring_back(self, child: Child) -> bool:
        code, now = child.process.returncode, time.monotonic()
        child.deaths = [*(at for at in child.deaths if now - at < self.WITHIN_SECONDS), now]
        if len(child.deaths) >= self.MAX_DEATHS:
            print(f"\n  {child.name} keeps stopping (code {code}); see {self.logs / child.name}.log")
            return False
        print(f"\n  {child.name} stopped by itself (code {code}) and is started again", flush=True)
        child.process = self._spawn(child.name, child.command, child.env)
        return True

    def stop(self) -> None:
        for name, child in reversed([(child.name, child.process) for child in self.children]):
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    print(f"  {name} did not stop in 15 s and is killed")
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
                    child.wait()


@contextlib.contextmanager
def database() -> Iterator[None]:
    from config import env

    if env.is_set("DATABASE_URL"):
        yield
        return
    from config.postgres import embedded
    from config.settings import LOCAL_DIR

    cluster = embedded(LOCAL_DIR / "postgres")
    with cluster.in_use():
        cluster.create_database("countersign")
        yield


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    web_port, sink_port, door_port = free_port(int(os.environ.get("PORT", "8000"))), free_port(8025), free_port(8026)
    vendors_port = free_port(8027)
    url = f"http://127.0.0.1:{web_port}"
    os.environ.update({"DEMO": "true", "SMTP_OVERRIDE": f"127.0.0.1:{sink_port}", "SITE_URL": url})
    os.environ["VENDOR_OVERRIDE"] = f"127.0.0.1:{vendors_port}"
    # The product's own mail (invitations, codes, resets) goes to the same sink, whatever the environment says.
    os.environ.update(
        {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(sink_port), "EMAIL_USE_TLS": "false", "EMAIL_HOST_USER": ""}
    )
    from config.settings import DEMO_MAIL_DIR, LOCAL_DIR

    supervisor = Supervisor(LOCAL_DIR / "logs")

    def stop(number: int, frame: FrameType | None) -> None:
        # Once is enough: a second signal (make and the terminal both send one) must not cut the stopping short.
        for repeated in (signal.SIGTERM, signal.SIGINT):
            signal.signal(repeated, signal.SIG_IGN)
        supervisor.stopping.set()
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        with database():
            run(supervisor, url, Ports(web_port, sink_port, door_port, vendors_port), DEMO_MAIL_DIR, LOCAL_DIR)
    except KeyboardInterrupt:
        pass
    print("  Countersign has stopped.")


@dataclass(frozen=True)
class Ports:
    web: int
    sink: int
    door: int
    vendors: int


def run(supervisor: Supervisor, url: str, ports: Ports, mail: Path, local: Path) -> None:
    python, env = sys.executable, dict(os.environ)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode every process compiles every import again
    try:
        chroma_env = env | {"ANONYMIZED_TELEMETRY": "False"}
        if not env.get("CHROMA_URL") and (chroma := shutil.which("chroma", path=str(Path(python).parent))):
            port = free_port(8020)
            env["CHROMA_URL"] = f"http://127.0.0.1:{port}"
            vectors = supervisor.start(
                "chroma", chroma, "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(local / "chroma"),
                env=chroma_env,
            )  # fmt: skip
        else:
            vectors = None
        supervisor.start(
            "mail-sink", python, "-m", "config.demo.sink", "--host", "127.0.0.1", "--port", str(ports.sink),
            "--folder", str(mail), env=env,
        )  # fmt: skip
        subprocess.run(
            [python, "manage.py", "migrate", "--database", "owner", "--verbosity", "0"], cwd=ROOT, env=env, check=True
        )
        if vectors is not None:
            wait_for(env["CHROMA_URL"] + "/api/v2/heartbeat", vectors, "chroma")
        web = supervisor.start(
            "web", str(Path(python).parent / "granian"), "--interface", "asginl", "--host", "127.0.0.1",
            "--port", str(ports.web), "--no-ws", "--respawn-failed-workers", "config.asgi:application", env=env | {"MALLOC_ARENA_MAX": "2"},
        )  # fmt: skip
        subprocess.run([python, "manage.py", "seed", "--password", PASSWORD], cwd=ROOT, env=env, check=True)
        supervisor.start(
            "worker", python, "manage.py", "procrastinate", "worker", "--concurrency", "4",
            "--fetch-job-polling-interval", "1", "--delete-jobs", "successful", env=env,
        )  # fmt: skip
        supervisor.start("mail-in", python, "-m", "config.demo.door", "--port", str(ports.door), env=env)
        supervisor.start(
            "vendors", python, "-m", "config.demo.vendors", "--port", str(ports.vendors), "--desk", url, env=env
        )
        wait_for(url + "/readyz", web, "web")
        words = {"url": url, "password": PASSWORD, "mail": mail, "door": ports.door, "customer": customer(local=local)}
        words["vendors"] = f"http://127.0.0.1:{ports.vendors}/"
        print(WELCOME.format(**words), flush=True)
        supervisor.watch()
    finally:
        print("\n  Stopping ...", flush=True)
        supervisor.stop()


if __name__ == "__main__":
    main()
