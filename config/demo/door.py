"""The demo's way in: `python -m config.demo.door --port 8026` speaks real SMTP, so that a mail client can be a customer.

On this machine alone, for channels that there are and nobody else, and only where DEMO is on. What comes is stored and read
as any mail is (`ingestion.receive`); a draft follows.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"
#: Of one mail; and mails that are stored and read at once, the others wait.
MOST_RECIPIENTS, AT_ONCE = 10, 2
SECONDS = 60


class Door:
    """Takes a mail for each channel that it names, and answers once its bytes are committed."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return f"452 4.5.3 At most {MOST_RECIPIENTS} recipients"
        try:
            found = await asyncio.to_thread(_channels, address)
        except Exception as error:  # the database is away
            print(f"Nobody could look up {address!r}: {error}", file=sys.stderr, flush=True)
            return "451 4.3.0 Try again later"
        if len(found) != 1:
            return "550 5.1.1 No channel of this desk receives mail at this address; nothing is passed on"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        raw = content if isinstance(content, bytes) else str(content or "").encode()
        async with self._turns:
            return await asyncio.to_thread(_receive, raw, list(dict.fromkeys(envelope.rcpt_tos)))


def _channels(address: str) -> list[dict[str, Any]]:
    from django.db import connection

    from conversations.tenancy import channels_at

    try:
        return channels_at(address)
    finally:
        connection.close()


def _receive(raw: bytes, addresses: list[str]) -> str:
    """Stored for each, then read. What is stored is kept, whatever the reading comes to."""
    from django.db import connection

    from conversations.errors import Invalid
    from ingestion.receive import read_event, store_mail

    try:
        stored = []
        for address in addresses:
            for found in _channels(address):
                where = {"account_id": found["account_id"], "channel_id": found["channel_id"]}
                stored.append((found["account_id"], store_mail(**where, raw=raw, recipient=address)))
    except Invalid as error:
        return f"554 5.6.0 {error}"
    except Exception as error:
        print(f"A mail could not be stored and was refused: {error}", file=sys.stderr, flush=True)
        return "451 4.3.0 The mail could not be stored, try again later"
    try:
        for account_id, event_id in stored:
            read_event(account_id=account_id, event_id=event_id)
    except Exception as error:  # the sweep comes back to it
        print(f"A mail is kept and could not be read yet: {error}", file=sys.stderr, flush=True)
    finally:
        connection.close()
    return f"250 2.0.0 OK: kept as {', '.join(str(event_id) for _, event_id in stored)}"


async def serve(port: int, *, stopped: asyncio.Event) -> None:
    """Listen until `stopped`. Raises OSError if it cannot."""
    from django.conf import settings

    door, loop = Door(), asyncio.get_running_loop()

    def connected() -> SMTP:
        size: int = settings.MAIL_MAX_BYTES
        return SMTP(
            door, hostname="countersign-demo", data_size_limit=size, enable_SMTPUTF8=True, timeout=SECONDS, loop=loop
        )

    server = await loop.create_server(connected, host=HOST, port=port)
    print(f"The demo receives mail at {HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    await stopped.wait()
    server.close()


async def _until_a_signal(port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await serve(port, stopped=stopped)


def main() -> None:
    parser = argparse.ArgumentParser(description="An SMTP server of the demo: a mail client can be a customer.")
    parser.add_argument("--port", type=int, default=8026)
    options = parser.parse_args()
    import django  # its settings are named by whoever starts the demo
    from django.conf import settings

    django.setup()
    if not settings.DEMO:
        raise SystemExit("Anybody on this machine can write to it, so it runs only where DEMO is on.")
    try:
        asyncio.run(_until_a_signal(options.port))
    except OSError as error:
        raise SystemExit(f"The demo cannot receive mail at {HOST}:{options.port}: {error}") from error


if __name__ == "__main__":
    main()
