"""A real IMAP server for tests: Debian's dovecot, in a folder of its own, with the static password `secret`.

Mail goes in as files of a Maildir, and a new UIDVALIDITY is what is left when its index files are removed. Tokens are asked
of an introspection endpoint here, which knows those in `tokens`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from config.demo.__main__ import free_port
from tests.servers import in_background

PROGRAM = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
PASSWORD = "secret"
#: Empty where it can be run.
WHY_NOT = "dovecot-imapd is not installed" if PROGRAM is None else "dovecot needs root here" if os.getuid() else ""

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
passdb {{
  driver = static
  args = password={password}
  mechanisms = plain login
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/home/%u
}}
"""
#: More of it: a folder that is marked as that of sent mail (RFC 6154).
WITH_SENT = """
namespace inbox {
  inbox = yes
  mailbox Sent {
    auto = create
    special_use = \\Sent
  }
}
"""
INTROSPECTION = """
introspection_url = http://127.0.0.1:{port}/introspect
introspection_mode = post
username_attribute = username
active_attribute = active
active_value = true
"""


class Dovecot:
    """One server. Its users are whoever is named; `tokens` maps an access token to the user it is good for."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder, self.port = folder, free_port()
        self.tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._introspection = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        in_background(self._introspection)
        for name in ("run", "state", "mail", "home"):
            (folder / name).mkdir()
            shutil.chown(folder / name, "nobody", "nogroup")
        values = {"folder": folder, "port": self.port, "password": PASSWORD}
        self._conf = folder / "dovecot.conf"
        self._conf.write_text(CONFIGURATION.format(**values) + more)
        (folder / "oauth2.conf").write_text(INTROSPECTION.format(port=self._introspection.server_port))
        self.start()

    def start(self) -> None:
        assert PROGRAM is not None
        subprocess.run([PROGRAM, "-c", self._conf], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                if sock.recv(4) == b"* OK":
                    return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            master = int((self.folder / "run" / "master.pid").read_text())
            self.wakes()
            os.kill(master, signal.SIGTERM)
            for _ in range(100):
                time.sleep(0.05)
                os.kill(master, 0)

    def close(self) -> None:
        self.stop()
        self._introspection.shutdown()
        self._introspection.server_close()

    # --- mail ------------------------------------------------------------------------------------------------------
    def put(self, user: str, content: bytes, *, at: float | None = None, folder: str = "") -> Path:
        """One mail arrives for a user, at a time of the server's (seconds since 1970), in the inbox or another folder."""
        maildir = self._maildir(user, f".{folder}" if folder else "")
        name = f"{int(at or time.time())}.M{next(self._numbers):08d}.test"
        arriving, path = maildir / "tmp" / name, maildir / "new" / name
        arriving.write_bytes(content)
        shutil.chown(arriving, "nobody", "nogroup")
        os.utime(arriving, (at or time.time(),) * 2)
        return arriving.rename(path)  # whole or not at all: whoever watches the mailbox reads at once

    def files(self, user: str) -> set[str]:
        """The names under which a user's mails lie: a flag that is set stands in them."""
        return {path.name.partition(",")[2] for path in self._maildir(user).glob("*/*") if path.parent.name != "tmp"}

    def new_numbers(self, user: str) -> None:
        """Forget all numbers: what is there gets a new UIDVALIDITY."""
        time.sleep(1.1)  # it is a time in seconds
        for path in self._maildir(user).glob("dovecot*"):
            path.unlink(missing_ok=True)

    def _maildir(self, user: str, folder: str = "") -> Path:
        if folder:
            self._maildir(user)
        maildir = self.folder / "mail" / user / folder
        for name in ("new", "cur", "tmp"):
            (maildir / name).mkdir(parents=True, exist_ok=True)
        # Not what Dovecot put there itself: its locks are gone again between a list of them and a look at one.
        for path in (maildir, *(maildir / name for name in ("new", "cur", "tmp"))):
            shutil.chown(path, "nobody", "nogroup")
        return maildir

    # --- faults ----------------------------------------------------------------------------------------------------
    def sleeps(self) -> None:
        """Every process stands still; connections are still taken by the kernel."""
        self._signal(signal.SIGSTOP)

    def wakes(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        master = int((self.folder / "run" / "master.pid").read_text())
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        for pid in (master, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tokens = self.tokens

        class Introspection(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                given = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                user = tokens.get(given.get("token", [""])[0], "")
                answer = {"active": "true", "username": user} if user else {"active": "false"}
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        return Introspection


@contextlib.contextmanager
def running(more: str = "") -> Iterator[Dovecot]:
    """`more` are lines of its configuration."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-dovecot-"))
    folder.chmod(0o755)
    server = Dovecot(folder, more)
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
