"""What people changed in drafts becomes proposed answers, here and now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations import audit
from conversations.errors import Refusal
from conversations.tenancy import account_directory, tenant_context
from ingestion import jobs
from ingestion.models import JobRun


class Command(BaseCommand):
    help = (
        "Group like corrections into proposed answers, and write new ones to CORRECTIONS_DIR. Runs nightly by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", default="", help="only this account (its short name)")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = [entry for entry in account_directory() if options["account"] in ("", entry["slug"])]
        if not accounts:
            raise CommandError(f"There is no account {options['account']!r}. Nothing was changed.")
        failed = 0
        for entry in accounts:
            try:
                with tenant_context(entry["id"]):
                    job = jobs.queue_job(
                        account_id=entry["id"], type=JobRun.Type.CORRECTIONS_SYNC, params={}, actor=audit.SYSTEM
                    )
            except Refusal as refusal:
                raise CommandError(f"{entry['slug']}: {refusal}") from refusal
            jobs.run_job(account_id=entry["id"], job_id=job.pk)
            with tenant_context(entry["id"]):
                job.refresh_from_db()
            if job.status != JobRun.Status.SUCCEEDED:
                failed += 1
                self.stderr.write(f"{entry['slug']}: {job.status}: {job.error}")
                continue
            found = job.metrics
            self.stdout.write(
                f"{entry['slug']}: {found['samples']} corrections, {found['groups']} patterns, {found['proposed']} proposed, "
                f"{found['known']} proposed before, {found['exported']} written"
            )
        if failed:
            raise CommandError(f"{failed} of {len(accounts)} accounts failed; see above.")
