from __future__ import annotations

from django.urls import path

from ingestion.views import hooks, inbound, runs, sources

app_name = "ingestion"
urlpatterns = [
    path("hooks/<str:token>/", hooks.hook, name="hook"),
    path("inbound/", inbound.page, name="inbound"),
    path("inbound/all/", inbound.act_on_all, name="all-inbound"),
    path("inbound/<uuid:pk>/make/", inbound.make, name="make-inbound"),
    path("inbound/<uuid:pk>/retry/", inbound.retry, name="retry-inbound"),
    path("inbound/<uuid:pk>/set-aside/", inbound.set_aside, name="set-aside-inbound"),
    path("inbound/<uuid:pk>/original/", inbound.original, name="inbound-original"),
    path("sources/", sources.page, name="sources"),
    path("sources/upload/", sources.upload, name="upload"),
    path("sources/sites/", sources.add, name="add-site"),
    path("sources/sites/<uuid:pk>/crawl/", sources.crawl, name="crawl"),
    path("sources/sites/<uuid:pk>/change/", sources.change, name="change-site"),
    path("sources/sites/<uuid:pk>/remove/", sources.remove, name="remove-site"),
    path("sources/documents/<uuid:pk>/", sources.document, name="document"),
    path("sources/documents/<uuid:pk>/<slug:act>/", sources.decide, name="decide-document"),
    path("sources/jobs/", runs.cards, name="jobs"),
    path("sources/jobs/<uuid:pk>/", runs.detail, name="job"),
    path("sources/jobs/<uuid:pk>/cancel/", runs.cancel, name="cancel-job"),
    path("sources/jobs/<uuid:pk>/retry/", runs.retry, name="retry-job"),
    path("sources/run/corrections/", runs.corrections, name="run-corrections"),
]
