from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class CountersignAdminConfig(AdminConfig):
    default_site = "conversations.admin_pages.site.TenantAdminSite"
