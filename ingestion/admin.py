from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin

from conversations.admin_pages.site import ReadOnlyAdmin, TenantModelAdmin
from ingestion.knowledge.addresses import tidy
from ingestion.knowledge.fetch import FetchError
from ingestion.models import InboundEvent, JobRun, Site, SourceDocument


class SiteForm(forms.ModelForm):
    class Meta:
        model = Site
        fields = ("url", "name", "max_pages", "every_hours", "allow_private", "is_active")

    def clean_url(self) -> str:
        try:
            return tidy(self.cleaned_data["url"])
        except FetchError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        found = dict(super().clean() or {})
        if Site.objects.filter(url=found.get("url", "")).exclude(pk=self.instance.pk).exists():
            self.add_error("url", "This address is a site already.")
        return found


@admin.register(Site)
class SiteAdmin(TenantModelAdmin):
    """What the crawler reads. A site that is switched off keeps its pages; they are no longer refreshed."""

    list_display = ("url", "name", "max_pages", "every_hours", "allow_private", "is_active", "crawled_at")
    list_filter = ("is_active",)
    form = SiteForm
    helps: ClassVar = {
        "name": "How your team calls it. Empty: its address.",
        "max_pages": "The crawl stops there, so that a site without end does not fill your sources.",
        "is_active": "Off: its pages stay as they are and are no longer refreshed.",
    }


@admin.register(InboundEvent)
class InboundEventAdmin(ReadOnlyAdmin):
    list_display = ("external_id", "channel", "status", "received_at", "size_bytes", "detail")
    list_filter = ("status", "channel")
    list_select_related = ("channel",)
    ordering = ("-received_at",)


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    list_display = (
        "type",
        "status",
        "done",
        "total",
        "unit",
        "started_by_name",
        "attempts",
        "started_at",
        "finished_at",
        "error",
    )
    list_filter = ("type", "status")
    ordering = ("-created_at",)


@admin.register(SourceDocument)
class SourceDocumentAdmin(ReadOnlyAdmin):
    list_display = ("title", "source_url", "kind", "status", "indexed_at", "next_refresh_at", "error")
    list_filter = ("status", "kind")
    search_fields = ("title", "source_url")
