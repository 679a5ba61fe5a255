"""A channel in the admin: its list and its form are pages of our own (`conversations.admin_pages.channels`)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from conversations.admin_pages import channels
from conversations.admin_pages.site import TenantModelAdmin


class ChannelAdmin(TenantModelAdmin):
    """Registered for its rights and addresses; saving is the verb's, in `conversations.setup.channels`."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("admin:channels")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return channels.channel_page(request, site=admin.site)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return channels.channel_page(request, site=admin.site, pk=object_id)
