from __future__ import annotations

from django.urls import path

from drafts.views import batch, decide, deliveries, desk, exports, goldens, quality, saved, timeline, training

app_name = "drafts"
urlpatterns = [
    path("", desk.queue_page, name="home"),
    path("queue/", desk.queue_page, name="queue"),
    path("queue/pulse/", desk.pulse, name="pulse"),
    path("queue/batch/", batch.batch, name="batch"),
    path("queue/batch/done/", batch.done, name="batch-done"),
    path("views/", saved.views, name="views"),
    path("views/<uuid:pk>/remove/", saved.remove, name="remove-view"),
    path("quality/", quality.page, name="quality"),
    path("quality/training/", training.page, name="training"),
    path("quality/training/prompts/", training.add_prompt, name="add-prompt"),
    path("quality/training/prompts/<uuid:pk>/<slug:act>/", training.decide_prompt, name="decide-prompt"),
    path("quality/training/lanes/", training.open_lane, name="open-lane"),
    path("quality/training/lanes/<uuid:pk>/shut/", training.shut_lane, name="shut-lane"),
    path("quality/export.corrections.jsonl", exports.corrections, name="export-corrections"),
    path("quality/export.trail.jsonl", exports.trail, name="export-trail"),
    path("sources/answers/", goldens.page, name="goldens"),
    path("sources/answers/add/", goldens.add, name="add-golden"),
    path("sources/answers/<uuid:pk>/edit/", goldens.edit, name="edit-golden"),
    path("sources/answers/<uuid:pk>/<slug:act>/", goldens.decide, name="decide-golden"),
    path("drafts/<uuid:pk>/", desk.detail, name="detail"),
    path("drafts/<uuid:pk>/approve/", decide.approve, name="approve"),
    path("drafts/<uuid:pk>/reject/", decide.reject, name="reject"),
    path("drafts/<uuid:pk>/edit/", decide.edit, name="edit"),
    path("drafts/<uuid:pk>/regenerate/", decide.regenerate, name="regenerate"),
    path("drafts/<uuid:pk>/progress/", desk.progress, name="progress"),
    path("drafts/<uuid:pk>/snooze/", decide.snooze, name="snooze"),
    path("drafts/<uuid:pk>/claim/", decide.claim, name="claim"),
    path("drafts/<uuid:pk>/release/", decide.release, name="release"),
    path("drafts/<uuid:pk>/handover/", decide.handover, name="handover"),
    path("drafts/<uuid:pk>/ask/", decide.ask, name="ask"),
    path("drafts/<uuid:pk>/give/", decide.give, name="give"),
    path("drafts/<uuid:pk>/keep-claim/", decide.hold_on, name="hold-on"),
    path("drafts/<uuid:pk>/keep/", decide.keep, name="keep"),
    path("drafts/<uuid:pk>/reopen/", decide.reopen, name="reopen"),
    path("drafts/<uuid:pk>/answered-elsewhere/", decide.answered_elsewhere, name="answered-elsewhere"),
    path("deliveries/<uuid:pk>/undo/", deliveries.undo, name="undo"),
    path("deliveries/<uuid:pk>/release/", deliveries.release, name="release-delivery"),
    path("deliveries/<uuid:pk>/resolve/<slug:outcome>/", deliveries.resolve, name="resolve-delivery"),
    path("conversations/<uuid:pk>/timeline/", timeline.timeline, name="timeline"),
    path("conversations/<uuid:pk>/timeline/export.<slug:form>", timeline.export, name="timeline-export"),
]
