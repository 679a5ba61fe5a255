"""A scanner of files: ClamAV's clamd, by its INSTREAM command. An example for others, and good as it is.

SCAN_FILE=conversations.storage.clamav.scan with CLAMD_ADDRESS: host:port, or the path of its socket. The command and the
answers are those of clamd(8): a chunk is its length in four bytes, big end first, and its bytes; one of no bytes ends the file.
"""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from typing import IO

from django.conf import settings

from conversations.storage.scanner import Verdict

CHUNK = 1 << 16
LONGEST = 1000  # bytes of an answer


def scan(stream: IO[bytes]) -> Verdict:
    """Raises OSError where clamd is away or hangs."""
    with closing(_connect(settings.CLAMD_ADDRESS, settings.CLAMD_TIMEOUT_SECONDS)) as clamd:
        try:
            clamd.sendall(b"zINSTREAM\0")
            while chunk := stream.read(CHUNK):
                clamd.sendall(struct.pack("!L", len(chunk)) + chunk)
            clamd.sendall(struct.pack("!L", 0))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it hung up in the middle, and mostly said why: the file is larger than its StreamMaxLength
        answer = _answer(clamd)
    said = answer.rstrip(b"\0\r\n").decode("ascii", "replace").removeprefix("stream: ")
    if said == "OK":
        return Verdict("clean")
    if said.endswith(" FOUND"):
        return Verdict("infected", said.removesuffix(" FOUND"))
    return Verdict("unknown", said.removesuffix(" ERROR") or "it hung up")


def _answer(clamd: socket.socket) -> bytes:
    answer = b""
    while b"\0" not in answer and len(answer) < LONGEST:
        try:
            more = clamd.recv(LONGEST)
        except ConnectionResetError:
            break
        if not more:
            break
        answer += more
    return answer


def _connect(address: str, timeout: float) -> socket.socket:
    if address.startswith("/"):
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        found.settimeout(timeout)
        try:
            found.connect(address)
        except OSError:
            found.close()
            raise
        return found
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout)
