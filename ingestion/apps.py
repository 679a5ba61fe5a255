from __future__ import annotations

from django.apps import AppConfig


class IngestionConfig(AppConfig):
    name = "ingestion"
    verbose_name = "Incoming"

    def ready(self) -> None:
        from conversations import hooks
        from ingestion import documents, jobs
        from ingestion.knowledge import crawl, files
        from ingestion.models import JobRun

        jobs.add_runner(JobRun.Type.CRAWL, crawl.KIND)
        jobs.add_runner(JobRun.Type.INGEST_FILES, files.KIND)
        hooks.documents_read.append(documents.count_usable)
