"""django-helpdesk, measured in the same run: from its package, one gunicorn worker, 10,000 tickets and ten times as many."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.postgres import Cluster
from tests.bench import world
from tests.bench.measure import Request, Server

PACKAGES = ("django-helpdesk==2.6.1", "gunicorn", "psycopg[binary]")
SCRIPTS = world.FLOOR / "peers"
DATABASES = {"10k": "helpdesk", "100k": "helpdesk_large"}
TICKETS = 10_000
#: Its list of open tickets, as its own page asks for it (base64 of filter and sorting), fifty rows.
ROWS = (
    "/datatables_ticket_list/eyJmaWx0ZXJpbmciOiB7InN0YXR1c19faW4iOiBbMSwgMl19LCAic29ydGluZyI6ICJjcmVhdGVkIiwgInNlYXJjaF9z"
    "dHJpbmciOiAiIiwgInNvcnRyZXZlcnNlIjogZmFsc2V9?draw=1&start=0&length=50&order[0][column]=5&order[0][dir]=asc"
)
FOLLOW_UP = "comment=Thanks+for+writing&new_status=1&public=1&title=abc&owner=0&priority=3&queue=1&csrfmiddlewaretoken="
SETTINGS = """
import runpy, os
globals().update(runpy.run_path("{original}"))
DATABASES["default"] |= {{"HOST": "{socket}", "PORT": "", "NAME": os.environ["DB"]}}
"""


@dataclass(frozen=True)
class Peer:
    python: Path
    env: dict[str, str]
    headers: dict[str, str]
    long_ticket: int


def prepare(cluster: Cluster, local: Path) -> Peer | None:
    """Install and fill it; None, with the reason said, where that cannot be done (no network, no scripts)."""
    if not SCRIPTS.exists():
        return None
    kept = world.ROOT / ".local" / "peers" / "helpdesk"  # so that the next run need not fetch it
    uv = [str(Path(sys.executable).parent / "uv")]
    try:
        _run([*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(kept)])
        _run([*uv, "pip", "install", "--quiet", "--python", str(kept / "bin" / "python"), *PACKAGES])
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"  helpdesk could not be installed, its recorded figures are used: {error}")
        return None
    python = kept / "bin" / "python"
    (local / "hd_settings.py").write_text(
        SETTINGS.format(original=SCRIPTS / "hd_settings.py", socket=cluster.socket_dir)
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
    env = {**own, "PYTHONPATH": os.pathsep.join([str(local), str(SCRIPTS)]), "DJANGO_SETTINGS_MODULE": "hd_settings"}
    env |= {"DB": DATABASES["10k"]}
    with cluster.connect() as server:
        server.execute(f"CREATE DATABASE {DATABASES['10k']} OWNER postgres")
    _run([str(python), "-m", "django", "migrate", "-v0"], env=env)
    told = _run([str(python), "-P", str(SCRIPTS / "hd_load.py"), str(TICKETS)], env=env)
    cookie = _run([str(python), "-P", str(SCRIPTS / "hd_cookie.py")], env=env).strip()
    with cluster.connect() as server:
        server.execute(f"CREATE DATABASE {DATABASES['100k']} TEMPLATE {DATABASES['10k']} OWNER postgres")
    connect = ["-q", "-h", str(cluster.socket_dir), "-U", "postgres", "-d", DATABASES["100k"]]
    _run([str(cluster.bin / "psql"), *connect, "-f", str(SCRIPTS / "x10.sql")])
    token = "a" * 32
    headers = {"Cookie": f"sessionid={cookie}; csrftoken={token}", "X-CSRFToken": token}
    return Peer(python, env, headers, int(told.split("long ticket")[1]))


def _run(command: list[str], *, env: dict[str, str] | None = None) -> str:
    """Its output. It may print to either stream; a failure brings its last words along."""
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr[-500:])
    done.check_returncode()
    return done.stdout


@contextlib.contextmanager
def serving(cluster: Cluster, peer: Peer) -> Iterator[list[Request]]:
    with contextlib.ExitStack() as servers:
        small, large = (servers.enter_context(_server(cluster, peer, database)) for database in DATABASES.values())
        number = iter(range(1000, 9000))

        def follow_up() -> tuple[str, str, dict[str, str], str]:
            headers = {**peer.headers, "Content-Type": "application/x-www-form-urlencoded"}
            return "POST", f"/tickets/{next(number)}/update/", headers, FOLLOW_UP + "a" * 32

        yield [
            Request("helpdesk, list, 10k", small, lambda: ("GET", ROWS, peer.headers, None), each=3),
            Request("helpdesk, list, 100k", large, lambda: ("GET", ROWS, peer.headers, None), each=2),
            Request("helpdesk, follow-up", small, follow_up, expects=302, each=4),
            Request("helpdesk, long ticket", small, lambda: ("GET", f"/tickets/{peer.long_ticket}/", peer.headers, None), each=2),
        ]  # fmt: skip


@contextlib.contextmanager
def _server(cluster: Cluster, peer: Peer, database: str) -> Iterator[Server]:
    port = world.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(peer.python), "-m", "gunicorn", "--workers", "1", "--keep-alive", "60", "--timeout", "120"]
    child = subprocess.Popen(
        [*command, "--bind", f"127.0.0.1:{port}", "hd_wsgi:application"],
        env={**peer.env, "DB": database}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        world.wait_for(f"{url}/login/", child)
        yield Server(url, child.pid, lambda: world.backends(cluster, database))
    finally:
        child.terminate()
        child.wait(timeout=20)
