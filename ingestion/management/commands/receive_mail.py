from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations.errors import Refusal
from conversations.models import Channel
from conversations.tenancy import channels_named, tenant_context
from ingestion.receive import receive_mail


class Command(BaseCommand):
    help = "Take one raw mail (RFC 5322 bytes) from files or standard input into a channel, as a mail server would pipe it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a file with one mail, or - for standard input")
        parser.add_argument("--channel", required=True, help="the channel's address, name or id")
        parser.add_argument("--account", default="", help="the account's short name, if several have such a channel")

    def handle(self, *args: Any, **options: Any) -> None:
        entry = self._channel(options["channel"], options["account"])
        failed = 0
        for name in options["files"]:
            try:
                raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            except OSError as error:
                raise CommandError(f"{name} cannot be read: {error.strerror}. Nothing of it was stored.") from error
            failed += not self._receive(entry, name, raw)
        if failed:
            raise CommandError(
                f"{failed} of {len(options['files'])} mails were not put into a conversation; see above."
            )

    def _receive(self, entry: dict[str, Any], name: str, raw: bytes) -> bool:
        with tenant_context(entry["account_id"]):
            try:
                channel = Channel.objects.get(pk=entry["channel_id"])
                event, message, created = receive_mail(channel=channel, raw=raw)
            except Refusal as refusal:
                self.stderr.write(f"{name}: {refusal}")
                return False
            if message is None:
                self.stderr.write(f"{name}: kept as event {event.pk}, but not readable: {event.detail}")
                return False
            conversation = message.conversation
            word = "new" if created else "received before"
            self.stdout.write(
                f"{name}: {word}, message {message.seq} of conversation #{conversation.number} ({conversation.subject})"
            )
        return True

    def _channel(self, name: str, account: str) -> dict[str, Any]:
        found = [entry for entry in channels_named(name) if not account or entry["slug"] == account]
        if not found:
            raise CommandError(f"There is no active channel {name!r}. Name it by its address, name or id.")
        if len(found) > 1:
            slugs = ", ".join(sorted(entry["slug"] for entry in found))
            raise CommandError(f"Several accounts have a channel {name!r} ({slugs}). Add --account.")
        return found[0]
