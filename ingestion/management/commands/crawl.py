"""Crawl a site of an account here and now, as a worker would."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations import audit
from conversations.errors import Refusal
from conversations.tenancy import account_directory, tenant_context
from ingestion import jobs
from ingestion.models import JobRun, Site


class Command(BaseCommand):
    help = "Crawl the sites of an account, or the one with this address; they are added in the desk, under Sources."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, help="the account's short name")
        parser.add_argument("--url", default="", help="only the site with this address")

    def handle(self, *args: Any, **options: Any) -> None:
        entry = next((e for e in account_directory() if e["slug"] == options["account"]), None)
        if entry is None:
            raise CommandError(f"There is no account {options['account']!r}. Nothing was changed.")
        with tenant_context(entry["id"]):
            sites = [s for s in Site.objects.order_by("url") if options["url"] in ("", s.url)]
        if not sites:
            raise CommandError("There is no such site in this account. Nothing was changed.")
        failed = 0
        for site in sites:
            try:
                with tenant_context(entry["id"]):
                    job = jobs.queue_job(
                        account_id=entry["id"],
                        type=JobRun.Type.CRAWL,
                        params={"site": str(site.pk)},
                        actor=audit.SYSTEM,
                    )
            except Refusal as refusal:
                raise CommandError(f"{site.url}: {refusal}") from refusal
            jobs.run_job(account_id=entry["id"], job_id=job.pk)
            with tenant_context(entry["id"]):
                job.refresh_from_db()
            failed += job.status != JobRun.Status.SUCCEEDED
            facts = ", ".join(f"{value} {name}" for name, value in job.metrics.items() if isinstance(value, int))
            self.stdout.write(f"{site.url}: {job.status}: {job.error or facts}")
            for problem in job.metrics.get("problems", []):
                self.stderr.write(f"  {problem}")
        if failed:
            raise CommandError(f"{failed} of {len(sites)} crawls did not succeed; see above.")
