"""Workers' tasks of what comes in."""

from __future__ import annotations

import logging

from procrastinate.contrib.django import app

from conversations.tenancy import account_directory
from ingestion.knowledge.embed import EmbedderDown
from ingestion.knowledge.index import rebuild_vectors, vectors_missing
from ingestion.knowledge.vectors import VectorStoreDown

logger = logging.getLogger(__name__)


@app.periodic(cron="*/10 * * * *")
@app.task(name="ingestion.repair_vectors", queue="knowledge", queueing_lock="repair_vectors")
def repair_vectors(timestamp: int) -> None:
    """Passages that were indexed while the vector store was down get their vectors."""
    for account in account_directory():
        try:
            if vectors_missing(account["id"]):
                rebuild_vectors(account["id"])
        except (VectorStoreDown, EmbedderDown) as error:
            logger.warning("account %s: vectors not repaired yet: %s", account["slug"], error)
