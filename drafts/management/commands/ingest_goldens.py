"""A CSV or JSON lines file of approved answers becomes goldens of an account."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations import audit
from conversations.errors import Refusal
from conversations.tenancy import account_directory, tenant_context
from drafts.answers import golden_files
from ingestion import jobs
from ingestion.models import JobRun


class Command(BaseCommand):
    help = f"Import approved answers: {', '.join(golden_files.ENDINGS)} with {', '.join(golden_files.COLUMNS)}."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--account", required=True, help="the account's short name")
        parser.add_argument("--dry-run", action="store_true", help="check and count, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        entry = next((e for e in account_directory() if e["slug"] == options["account"]), None)
        if entry is None:
            raise CommandError(f"There is no account {options['account']!r}. Nothing was changed.")
        file: Path = options["file"]
        try:
            rows = golden_files.read(file.name, file.read_bytes())
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}. Nothing was imported.") from error
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        counts = golden_files.Counts(dry_run=options["dry_run"])
        if counts.dry_run:
            golden_files.apply(account_id=entry["id"], rows=rows, actor=audit.SYSTEM, counts=counts)
        else:
            self._import(entry, file.name, rows, counts)
        self.stdout.write(
            f"{'would import' if counts.dry_run else 'imported'} {counts.rows} answers: {counts.new} new, "
            f"{counts.changed} changed, {counts.unchanged} unchanged, {counts.left} left as people decided"
        )

    def _import(
        self, entry: dict[str, Any], name: str, rows: list[golden_files.Row], counts: golden_files.Counts
    ) -> None:
        with tenant_context(entry["id"]):
            job = jobs.start_job(
                account_id=entry["id"], type=JobRun.Type.INGEST_GOLDENS, total=len(rows), unit="answers"
            )
        try:
            for start in range(0, len(rows), golden_files.BATCH):
                page = rows[start : start + golden_files.BATCH]
                golden_files.apply(account_id=entry["id"], rows=page, actor=audit.SYSTEM, counts=counts)
                with tenant_context(entry["id"]):
                    if not jobs.progress(job, done=counts.rows):
                        raise CommandError(f"Somebody cancelled the job after {counts.rows} answers; those stay.")
        except Exception as error:
            with tenant_context(entry["id"]):
                jobs.fail_job(job, error=f"{type(error).__name__}: {error}")
            raise
        with tenant_context(entry["id"]):
            golden_files.record_import(job, name, counts, audit.SYSTEM)
            jobs.finish_job(job, metrics=asdict(counts))
