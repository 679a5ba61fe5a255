from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from ingestion.api import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("accounts/", include("conversations.account_urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("internal/", api.urls),
    path("", include("conversations.urls")),
    path("", include("ingestion.urls")),
    path("", include("drafts.urls")),
]
if settings.DEMO:
    from config.demo.mailbox import urlpatterns as mailbox

    urlpatterns += mailbox
