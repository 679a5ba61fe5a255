from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations.tenancy import account_directory, tenant_context
from drafts import retention
from ingestion import jobs
from ingestion.models import JobRun


class Command(BaseCommand):
    help = "Empty what each account's retention policy says is due. The audit skeleton stays. Try --dry-run first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")
        parser.add_argument("--account", default="", help="only this account (its short name)")
        parser.add_argument(
            "--erase-customer",
            default="",
            metavar="ADDRESS",
            help="forget this person, by one of their addresses (needs --account)",
        )
        parser.add_argument(
            "--erase-person", default="", metavar="EMAIL", help="empty this colleague's chats (needs --account)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run = options["dry_run"]
        accounts = [entry for entry in account_directory() if options["account"] in ("", entry["slug"])]
        if not accounts:
            raise CommandError(f"There is no account {options['account']!r}. Nothing was changed.")
        if (options["erase_customer"] or options["erase_person"]) and not options["account"]:
            raise CommandError("Say in which account: --account SHORT-NAME. Nothing was changed.")
        for entry in accounts:
            if options["erase_customer"]:
                done = retention.erase_customer(
                    account_id=entry["id"], email=options["erase_customer"], dry_run=dry_run
                )
            elif options["erase_person"]:
                done = retention.erase_person(account_id=entry["id"], email=options["erase_person"], dry_run=dry_run)
            else:
                done = self._apply(entry, dry_run)
            found = ", ".join(f"{number} {name}" for name, number in done.items() if number) or "nothing due"
            self.stdout.write(f"{entry['slug']}: {'would empty ' if dry_run else 'emptied '}{found}")

    def _apply(self, entry: dict[str, Any], dry_run: bool) -> Any:
        if dry_run:
            return retention.apply(account_id=entry["id"], dry_run=True)
        with tenant_context(entry["id"]):
            job = jobs.start_job(account_id=entry["id"], type=JobRun.Type.RETENTION, unit="conversations")
        try:
            done = retention.apply(account_id=entry["id"], dry_run=False)
        except Exception as error:
            with tenant_context(entry["id"]):
                jobs.fail_job(job, error=f"{type(error).__name__}: {error}")
            raise
        with tenant_context(entry["id"]):
            jobs.finish_job(job, metrics=dict(done))
        return done
