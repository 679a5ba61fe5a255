"""Make the vectors of one account, or of all, anew from the passages in the database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.tenancy import account_directory
from ingestion.knowledge.embed import EmbedderDown
from ingestion.knowledge.index import rebuild_vectors
from ingestion.knowledge.vectors import VectorStoreDown


class Command(BaseCommand):
    help = "Makes the vectors anew: after the vector store was lost, or EMBEDDINGS_* changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="the short name of one account; without it, all accounts")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = [entry for entry in account_directory() if options["account"] in (None, entry["slug"])]
        if not accounts:
            raise CommandError(f"There is no account {options['account']!r}. Nothing was changed.")
        for entry in accounts:
            try:
                done = rebuild_vectors(entry["id"])
            except (EmbedderDown, VectorStoreDown) as error:
                raise CommandError(f"{entry['slug']}: {error} Accounts named above are done; run it again.") from error
            self.stdout.write(f"{entry['slug']}: {done} vectors")
