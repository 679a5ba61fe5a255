from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations.errors import Refusal
from conversations.messages import routing


class Command(BaseCommand):
    help = (
        "Whose mail an address brings in: list the claims, release one, or give one to an account. For the operator of "
        "the installation, who has looked at who owns the address; it needs the owner's database role."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("list", help="every claimed mailbox and its account")
        for name, words in (("release", "nobody has it any more"), ("give", "this account has it from now on")):
            act = acts.add_parser(name, help=words)
            act.add_argument("address")
            act.add_argument("--reason", required=True, help="kept in the accounts' audit trails")
            if name == "give":
                act.add_argument("--account", required=True, help="the account's short name")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "list":
            for mailbox, slug in routing.claims():
                self.stdout.write(f"{mailbox}: {slug or 'contested, brings nothing in'}")
            return
        try:
            if options["act"] == "give":
                routing.give(address=options["address"], slug=options["account"], reason=options["reason"])
                self.stdout.write(f"{options['address']} is {options['account']}'s.")
            else:
                routing.release(address=options["address"], reason=options["reason"])
                self.stdout.write(f"{options['address']} is nobody's.")
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
