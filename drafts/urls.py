from __future__ import annotations

from django.urls import path

from drafts.views import decide, deliveries, desk, timeline

app_name = "drafts"
urlpatterns = [
    path("", desk.queue_page, name="home"),
    path("queue/", desk.queue_page, name="queue"),
    path("queue/pulse/", desk.pulse, name="pulse"),
    path("drafts/<uuid:pk>/", desk.detail, name="detail"),
    path("drafts/<uuid:pk>/approve/", decide.approve, name="approve"),
    path("drafts/<uuid:pk>/reject/", decide.reject, name="reject"),
    path("drafts/<uuid:pk>/edit/", decide.edit, name="edit"),
    path("drafts/<uuid:pk>/regenerate/", decide.regenerate, name="regenerate"),
    path("drafts/<uuid:pk>/snooze/", decide.snooze, name="snooze"),
    path("drafts/<uuid:pk>/claim/", decide.claim, name="claim"),
    path("drafts/<uuid:pk>/release/", decide.release, name="release"),
    path("drafts/<uuid:pk>/keep/", decide.keep, name="keep"),
    path("drafts/<uuid:pk>/reopen/", decide.reopen, name="reopen"),
    path("drafts/<uuid:pk>/answered-elsewhere/", decide.answered_elsewhere, name="answered-elsewhere"),
    path("deliveries/<uuid:pk>/undo/", deliveries.undo, name="undo"),
    path("deliveries/<uuid:pk>/release/", deliveries.release, name="release-delivery"),
    path("deliveries/<uuid:pk>/resolve/<slug:outcome>/", deliveries.resolve, name="resolve-delivery"),
    path("conversations/<uuid:pk>/timeline/", timeline.timeline, name="timeline"),
    path("conversations/<uuid:pk>/timeline/export.jsonl", timeline.export, name="timeline-export"),
]
