"""The largest mail that is taken, stored and read by a process of its own: how much memory that takes at most."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.conftest import World
from tests.ingestion.test_mail_wrapped import in_pieces
from tests.ingestion.test_receive import Pipe

MOST_MIB = 400
#: The process says itself what it took at most: getrusage counts what its parent had as well.
RECEIVE = """
import sys
from config.pipe import run

code = run(["manage.py", "receive_mail", "--channel", "support@acme.test", sys.argv[1]])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
sys.exit(code)
"""
HEAD = (
    b"From: Pat <pat@customer.test>\r\nTo: support@acme.test\r\nMessage-ID: <1@customer.test>\r\nMIME-Version: 1.0\r\n"
)
MIXED = HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nLook at the pictures.\r\n'
FILE = b'--b\r\nContent-Type: image/jpeg; name="pump.jpg"\r\nContent-Transfer-Encoding: base64\r\n\r\n'


def one_file(size: int) -> bytes:
    return MIXED + FILE + base64.encodebytes(os.urandom(size * 73 // 100)) + b"--b--\r\n"


def html(size: int) -> bytes:
    body = b"<p>Which <b>pump</b> do=20I need?</p>\r\n"
    return (
        HEAD
        + b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        + body * (size // len(body))
    )


def signed(size: int) -> bytes:
    content = base64.encodebytes(in_pieces(one_file(size * 65 // 100), 120))
    return HEAD + b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n" + content


@pytest.fixture
def pipe(committed_world: World, cluster: Any, tmp_path: Path, attachments_dir: Path) -> Iterator[Pipe]:
    found = Pipe(cluster.socket_dir, tmp_path)
    found.environment["ATTACHMENTS_DIR"] = str(attachments_dir)
    yield found


@pytest.mark.parametrize("shape", [one_file, html, signed])
def test_the_largest_mail_is_received_in_little_memory(pipe: Pipe, tmp_path: Path, shape: Any) -> None:
    mail = shape(settings.MAIL_MAX_BYTES - 100_000)
    assert settings.MAIL_MAX_BYTES * 0.8 < len(mail) <= settings.MAIL_MAX_BYTES
    stored = tmp_path / "mail.eml"
    stored.write_bytes(mail)
    done = subprocess.run(
        [sys.executable, "-c", RECEIVE, str(stored)],
        cwd=settings.BASE_DIR,
        env=pipe.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said, _, peak = done.stdout.strip().rpartition("\n")
    assert "new, message 1" in said
    assert int(peak) / 1024 < MOST_MIB
