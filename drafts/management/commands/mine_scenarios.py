from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations import audit
from conversations.models import AuditEvent
from conversations.tenancy import account_directory, tenant_context
from drafts.practice import mining

OPERATOR = audit.Actor(AuditEvent.ActorType.SYSTEM, "mine_scenarios, on the server")


class Command(BaseCommand):
    help = (
        "Make drafts of practice scenarios from closed conversations that were answered, with personal data replaced as in the "
        "training export. A person looks through each and sets it ready."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", default="", help="only this account (its short name)")
        parser.add_argument("--most", type=int, default=10, help="at most so many of an account (10)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be made, make nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = [entry for entry in account_directory() if options["account"] in ("", entry["slug"])]
        if not accounts:
            raise CommandError(f"There is no account {options['account']!r}. Nothing was made.")
        for entry in accounts:
            with tenant_context(entry["id"]):
                found = mining.mine(
                    account_id=entry["id"], actor=OPERATOR, most=options["most"], dry_run=options["dry_run"]
                )
            made = found.pop("mined", 0)
            replaced = found.pop("details replaced", 0)
            would = "would be drafts" if options["dry_run"] else "are drafts"
            self.stdout.write(f"{entry['slug']}: {made} scenarios {would} now, {replaced} personal details replaced")
            for why, count in sorted(found.items()):
                self.stdout.write(f"  left out: {count} {why}")
