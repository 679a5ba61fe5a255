from __future__ import annotations

from django.contrib import admin

from conversations.admin_site import ReadOnlyAdmin
from ingestion.models import InboundEvent, JobRun, SourceDocument


@admin.register(InboundEvent)
class InboundEventAdmin(ReadOnlyAdmin):
    list_display = ("external_id", "channel", "status", "received_at", "size_bytes", "detail")
    list_filter = ("status", "channel")
    list_select_related = ("channel",)
    ordering = ("-received_at",)


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    list_display = ("type", "status", "done", "total", "unit", "started_at", "finished_at", "error")
    list_filter = ("type", "status")
    ordering = ("-created_at",)


@admin.register(SourceDocument)
class SourceDocumentAdmin(ReadOnlyAdmin):
    list_display = ("title", "source_url", "status", "indexed_at", "next_refresh_at")
    list_filter = ("status",)
    search_fields = ("title", "source_url")
