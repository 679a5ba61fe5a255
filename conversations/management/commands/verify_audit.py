from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations import audit
from conversations.models import AuditHead
from conversations.tenancy import account_directory, tenant_context


class Command(BaseCommand):
    help = "Walk every tenant's audit chain and name the first broken event. Exits 1 if one is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", default="", help="only this account (its short name)")
        parser.add_argument("--checkpoint", action="store_true", help="sign the newest event of each intact chain")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = [entry for entry in account_directory() if options["account"] in ("", entry["slug"])]
        if not accounts:
            raise CommandError(f"There is no account {options['account']!r}.")
        broken = 0
        for entry in accounts:
            with tenant_context(entry["id"]):
                found = audit.verify(entry["id"])
                head = AuditHead.objects.filter(account_id=entry["id"]).first()
                if found is None and options["checkpoint"]:
                    audit.checkpoint(entry["id"])
            if found:
                broken += 1
                self.stdout.write(f"{entry['slug']}: broken at event {found.seq}: {found.reason}")
            else:
                self.stdout.write(
                    f"{entry['slug']}: intact, {head.seq if head else 0} events, head {head.hash[:16] if head else '-'}"
                )
        if broken:
            raise CommandError(
                f"{broken} of {len(accounts)} chains are broken. Compare with your last backup and checkpoint."
            )
