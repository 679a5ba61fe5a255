from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from conversations.people.proofs import own_addresses, prove_address
from drafts.api import router
from drafts.assistant_api import router as personal
from drafts.config_api import router as configuration
from ingestion.api import api

api.add_router("", router)
api.add_router("", configuration)
api.add_router("", personal)
handler500 = "conversations.web.outage.server_error"
urlpatterns: list[URLPattern | URLResolver] = [
    # Before allauth's own, which they replace under the same names.
    path("accounts/email/", own_addresses, name="account_email"),
    path("accounts/confirm-email/", prove_address, name="account_email_verification_sent"),
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
