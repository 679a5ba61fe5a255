"""A scanner of files for tests: Debian's clamd with one signature, that of the EICAR test file; and one that misbehaves."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers import in_background

PROGRAM = shutil.which("clamd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
#: Empty where it can be run.
WHY_NOT = "" if PROGRAM else "clamav-daemon is not installed"
#: Harmless, and found by every scanner (eicar.org). In two halves, so that this file is not.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
#: The digest, the size and the name of what is looked for: clamd's own form of a signature (.hdb).
SIGNATURE = "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature\n"
CONFIGURATION = """
LocalSocket {folder}/socket
DatabaseDirectory {folder}/signatures
LogFile {folder}/log
Foreground yes
StreamMaxLength 1M
MaxThreads 2
"""


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The path of its socket. It ends a stream that is longer than 1 MB."""
    assert PROGRAM is not None
    folder = Path(tempfile.mkdtemp(prefix="countersign-clamd-"))
    folder.chmod(0o755)
    (folder / "signatures").mkdir()
    (folder / "signatures" / "test.hdb").write_text(SIGNATURE)
    (folder / "clamd.conf").write_text(CONFIGURATION.format(folder=folder))
    process = subprocess.Popen(
        [PROGRAM, f"--config-file={folder / 'clamd.conf'}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(folder / "socket"))
                sock.sendall(b"zPING\0")
                if sock.recv(10).startswith(b"PONG"):
                    break
            time.sleep(0.1)
        else:
            raise RuntimeError((folder / "log").read_text())
        yield str(folder / "socket")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


class Speaks:
    """A server of the INSTREAM command that says `answer`, or hangs (None), and keeps what it was sent."""

    def __init__(self, answer: bytes | None = b"stream: OK\0") -> None:
        self.answer, self.got = answer, b""
        keeper = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                stream = self.request.makefile("rb")
                assert stream.read(10) == b"zINSTREAM\0"
                keeper.got = b""
                while size := struct.unpack("!L", stream.read(4))[0]:
                    keeper.got += stream.read(size)
                if keeper.answer is None:
                    time.sleep(2)
                else:
                    self.request.sendall(keeper.answer)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        in_background(self.server)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
