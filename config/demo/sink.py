"""A mail server for the demo that keeps what it is given: every accepted mail becomes one .eml file.

`python -m config.demo.sink --host 127.0.0.1 --port 8025 --folder .local/mail`. It speaks real SMTP, so the desk sends
to it exactly as it sends to the world.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_MAIL_BYTES = 50 * 1024 * 1024


class FolderHandler:
    """Stores mails in `folder`, each under a name that sorts by its time of arrival (UTC)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content
        try:
            name = store(self.folder, content if isinstance(content, bytes) else str(content or "").encode())
        except OSError as error:
            print(f"A mail could not be stored and was refused: {error}", file=sys.stderr, flush=True)
            return "452 4.3.1 The mail could not be stored, try again later"
        return f"250 2.0.0 OK: stored as {name}"


def store(folder: Path, content: bytes) -> str:
    """Write one mail so that a reader of the folder sees it whole or not at all; return the file's name."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}.eml"
    unfinished = folder / f".{name}.part"
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / name)
    return name


def run_sink(host: str, port: int, folder: Path) -> None:
    """Serve until SIGTERM or SIGINT; `port` 0 takes a free one, which is printed. Raises OSError if it cannot listen."""
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_serve(host, port, folder))


async def _serve(host: str, port: int, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    handler = FolderHandler(folder)

    def connected() -> SMTP:
        return SMTP(handler, hostname="mail-sink", data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, loop=loop)

    server = await loop.create_server(connected, host=host, port=port)
    address = server.sockets[0].getsockname()
    print(f"The mail sink listens on {address[0]}:{address[1]} and keeps mail in {folder}", flush=True)
    await stopped.wait()
    server.close()
    await server.wait_closed()


def main() -> None:
    parser = argparse.ArgumentParser(description="An SMTP server that keeps every mail as a file.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8025)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    try:
        run_sink(options.host, options.port, options.folder)
    except OSError as error:
        raise SystemExit(f"The mail sink cannot listen on {options.host}:{options.port}: {error}") from error


if __name__ == "__main__":
    main()
