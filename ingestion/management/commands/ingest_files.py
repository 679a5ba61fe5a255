"""Files or folders of Markdown, HTML, PDF and DOCX become documents of an account."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations.tenancy import account_directory, tenant_context
from ingestion import jobs
from ingestion.knowledge.extract import KINDS
from ingestion.knowledge.files import Counts, ingest_file
from ingestion.models import JobRun


class Command(BaseCommand):
    help = "Index Markdown, HTML, PDF and DOCX files. A folder is read with its subfolders; run it again after changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder")
        parser.add_argument("--account", required=True, help="the account's short name")

    def handle(self, *args: Any, **options: Any) -> None:
        entry = next((e for e in account_directory() if e["slug"] == options["account"]), None)
        if entry is None:
            raise CommandError(f"There is no account {options['account']!r}. Nothing was changed.")
        found = list(self._found(options["paths"]))
        if not found:
            raise CommandError(f"There are no {', '.join(sorted(KINDS))} files there. Nothing was changed.")
        counts = Counts()
        with tenant_context(entry["id"]):
            job = jobs.start_job(account_id=entry["id"], type=JobRun.Type.INGEST_FILES, total=len(found), unit="files")
        try:
            for number, (name, path) in enumerate(found, 1):
                ingest_file(account_id=entry["id"], name=name, read=path.read_bytes, counts=counts)
                with tenant_context(entry["id"]):
                    if not jobs.progress(job, done=number):
                        raise CommandError(f"Somebody cancelled the job after {number} files; those stay indexed.")
        except Exception as error:
            with tenant_context(entry["id"]):
                jobs.fail_job(job, error=f"{type(error).__name__}: {error}")
            raise
        with tenant_context(entry["id"]):
            jobs.finish_job(job, metrics=asdict(counts))
        for problem in counts.problems:
            self.stderr.write(f"not read: {problem}")
        self.stdout.write(
            f"{counts.files} files: {counts.new} new, {counts.changed} changed, {counts.unchanged} unchanged, "
            f"{counts.refused} not read"
        )
        if counts.refused:
            raise CommandError(f"{counts.refused} of {counts.files} files could not be read; see above.")

    def _found(self, paths: list[Path]) -> Iterator[tuple[str, Path]]:
        """(name, path): a file's own name, below a folder the way to it from there."""
        for path in paths:
            if path.is_dir():
                for each in sorted(path.rglob("*")):
                    if each.is_file() and each.suffix.lower() in KINDS:
                        yield each.relative_to(path).as_posix(), each
            elif path.is_file():
                yield path.name, path
            else:
                raise CommandError(f"There is no {path}. Nothing was changed.")
