from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations.tenancy import account_directory, tenant_context
from conversations.trail import anchors, checkpoints, report


class Command(BaseCommand):
    help = (
        "Check every tenant's audit trail: its chain, its checkpoints, the texts that it binds and the copies outside. "
        "Says what does not hold and what cannot be known. Exits 1 if anything does not hold."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", default="", help="only this account (its short name)")
        parser.add_argument("--checkpoint", action="store_true", help="sign the newest event of each intact trail")
        parser.add_argument(
            "--anchor", action="append", default=[], metavar="FILE", help="compare with this copy of checkpoints, too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = [entry for entry in account_directory() if options["account"] in ("", entry["slug"])]
        if not accounts:
            raise CommandError(f"There is no account {options['account']!r}.")
        try:
            given = [anchors.File(path) for path in options["anchor"]]
        except (OSError, ValueError) as error:
            raise CommandError(f"The copy cannot be read: {error}") from error
        copies: list[anchors.Copy] = [*anchors.configured(), *given]
        broken = 0
        for entry in accounts:
            with tenant_context(entry["id"]):
                found = report.examine(entry["id"], copies=copies)
                if not found.breaks and options["checkpoint"]:
                    checkpoints.checkpoint(entry["id"])
            broken += bool(found.breaks)
            for line in _lines(entry["slug"], found):
                self.stdout.write(line)
        if not options["account"]:
            known = {entry["id"] for entry in accounts}
            for copy in given:
                for account_id in sorted(copy.accounts() - known):
                    broken += 1
                    self.stdout.write(f"{account_id}: broken: {copy.name} holds its checkpoints, and it is not here")
        if broken:
            raise CommandError(
                f"{broken} of {len(accounts)} trails do not hold. Keep the database as it is, and compare with your last "
                "backup and your copies of checkpoints (docs/audit.md)."
            )


def _lines(name: str, found: report.Report) -> Iterator[str]:
    if not found.breaks:
        yield f"{name}: intact, {found.events} events, head {found.head[:16] or '-'}"
    for each in found.breaks:
        yield f"{name}: broken{f' at event {each.seq}' if each.seq else ''}: {each.reason}"
    for checked in found.checked:
        yield f"  checked: {checked}"
    for unknown in found.unknown:
        yield f"  not known: {unknown}"
