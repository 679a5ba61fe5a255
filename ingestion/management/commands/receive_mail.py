from __future__ import annotations

import os
import sys
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations.errors import Invalid
from conversations.models import Channel
from conversations.tenancy import channels_at
from ingestion.receive import Received, read_event, store_mail
from ingestion.stopped import Stopped


class Command(BaseCommand):
    help = (
        "Take one raw mail (RFC 5322 bytes) from files or standard input, as a mail server would pipe it. "
        "Exit code (sysexits.h): 0 once the bytes are stored, 75 for whatever passes (deliver it again), 64 for wrong "
        "use, 65 for an empty or too large mail, 66 for a file that is not there."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a file with one mail, or - for standard input")
        parser.add_argument("--channel", required=True, help="the address that the mail was delivered to")

    def handle(self, *args: Any, **options: Any) -> None:
        address = str(options["channel"])
        account_id, channel_id = self._route(address)
        refused: list[tuple[int, str]] = []
        for number, name in enumerate(options["files"], 1):
            try:
                # The bytes have no name here: while the mail is read they would stand in memory a second time.
                event_id = store_mail(
                    account_id=account_id, channel_id=channel_id, raw=self._bytes(name), recipient=address
                )
            except Invalid as error:
                refused.append((os.EX_DATAERR, f"{name}: {error}"))
                continue
            except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
                refused.append((os.EX_NOINPUT, f"{name} cannot be read: {error.strerror}. Nothing of it was stored."))
                continue
            except Channel.DoesNotExist:
                raise CommandError(unknown(address), returncode=os.EX_TEMPFAIL) from None
            # From here on the mail is kept: nothing that happens may make the sender's server send it again or bounce it.
            try:
                self._say(name, read_event(account_id=account_id, event_id=event_id))
            except Exception as error:
                self.stdout.write(f"{name}: kept as event {event_id}, to be read later: {error}")
            except Stopped:
                if number < len(options["files"]):
                    raise
                self.stdout.write(f"{name}: kept as event {event_id}, to be read later.")
        if refused:
            code = refused[0][0]
            raise CommandError("; ".join(text for _, text in refused), returncode=code)

    def _bytes(self, name: str) -> bytes:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()

    def _say(self, name: str, found: Received) -> None:
        if found.message is None:
            self.stdout.write(f"{name}: kept as event {found.event.pk}, {found.event.status}: {found.event.detail}")
            return
        conversation = found.message.conversation
        word = "new" if found.is_new else "received before"
        self.stdout.write(
            f"{name}: {word}, message {found.message.seq} of conversation #{conversation.number} ({conversation.subject})"
        )

    def _route(self, address: str) -> tuple[uuid.UUID, uuid.UUID]:
        """By the address of one active channel and by nothing else. Unknown and ambiguous pass: an operator can mend both,
        and a bounce would tell the sender about our set-up and lose the mail."""
        found = channels_at(address)
        if len(found) != 1:
            raise CommandError(unknown(address), returncode=os.EX_TEMPFAIL)
        return found[0]["account_id"], found[0]["channel_id"]


def unknown(address: str) -> str:
    return f"No active channel receives mail for {address!r}. Nothing was stored; deliver it again later."
