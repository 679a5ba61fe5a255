"""`manage.py verify_address ADDRESS`: whoever has this installation's shell vouches for an address."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.errors import Conflict
from conversations.people import addresses


class Command(BaseCommand):
    help = "Mark an address as proven for the person who names it: where no mail can be sent, or after an upgrade."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--person", type=uuid.UUID, help="whose it is, where several people name it: their id")

    def handle(self, *args: Any, **options: Any) -> None:
        address = addresses.fold(options["address"])
        found = [p for p in addresses.namesakes(address) if options["person"] in (None, p.pk)]
        if not found:
            raise CommandError(f"Nobody names {address} as theirs. Nothing was changed.")
        if len(found) > 1:
            lines = "\n".join(f"  --person {p.pk}  {p.name}, since {p.created_at:%Y-%m-%d}" for p in found)
            raise CommandError(f"{len(found)} people name {address}. Say whose it is; nothing was changed.\n{lines}")
        try:
            addresses.prove(found[0], address)
        except Conflict as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{address} is proven to be {found[0].name}'s ({found[0].pk}).")
