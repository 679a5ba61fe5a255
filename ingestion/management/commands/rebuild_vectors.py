"""Make the vectors of one account, or of all, anew from the passages in the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.tenancy import account_directory
from ingestion.knowledge.embed import EmbedderDown
from ingestion.knowledge.index import rebuild_vectors, repair_vectors
from ingestion.knowledge.vectors import VectorStoreDown


class Command(BaseCommand):
    help = "Makes the vectors anew: after the vector store was lost, or EMBEDDINGS_* changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="the short name of one account; without it, all accounts")
        parser.add_argument(
            "--resume", action="store_true", help="make only what is missing: after this command was cut off"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = [entry for entry in account_directory() if options["account"] in (None, entry["slug"])]
        if not accounts:
            raise CommandError(f"There is no account {options['account']!r}. Nothing was changed.")
        make = repair_vectors if options["resume"] else rebuild_vectors
        for entry in accounts:
            try:
                done = make(entry["id"], say=self._progress(entry["slug"]))
            except (EmbedderDown, VectorStoreDown) as error:
                raise CommandError(
                    f"{entry['slug']}: {error} Accounts named above are done; go on with --resume."
                ) from error
            self.stdout.write(f"{entry['slug']}: {done} vectors")

    def _progress(self, slug: str) -> Callable[[int, int], None]:
        """A line about every ten seconds, on the error stream."""
        began = said = time.monotonic()

        def say(done: int, total: int) -> None:
            nonlocal said
            now = time.monotonic()
            if now - said >= 10:
                said = now
                rate = done / (now - began)
                left = (total - done) / rate / 60
                self.stderr.write(
                    f"{slug}: {done:,} of {total:,} passages, {rate:.0f} a second, {left:.0f} minutes left"
                )

        return say
