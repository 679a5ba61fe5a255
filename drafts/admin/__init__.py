from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from conversations.admin_pages.site import ReadOnlyAdmin, TenantModelAdmin
from conversations.errors import Refusal
from conversations.models import User
from drafts.learning import evaluation, prompts
from drafts.models import Draft, DraftAction, EvalRun, Lane, LearningSample, PromptVersion, Topic


@admin.register(Draft)
class DraftAdmin(ReadOnlyAdmin):
    list_display = ("id", "conversation", "status", "version", "intent", "confidence", "model_key", "created_at")
    list_filter = ("status", "model_key")
    list_select_related = ("conversation",)
    ordering = ("-created_at",)


@admin.register(DraftAction)
class DraftActionAdmin(ReadOnlyAdmin):
    list_display = ("type", "user_name", "conversation", "version", "pressed_twice", "viewed_ms", "created_at")
    list_filter = ("type",)
    list_select_related = ("conversation",)
    ordering = ("-created_at",)


@admin.register(LearningSample)
class LearningSampleAdmin(ReadOnlyAdmin):
    list_display = ("conversation", "similarity", "reasons", "split", "model_key", "created_at")
    list_select_related = ("conversation",)
    ordering = ("-created_at",)


@admin.register(PromptVersion)
class PromptVersionAdmin(TenantModelAdmin):
    """A version's text never changes: adding makes the next version; measuring, trying and activating are actions."""

    list_display = ("label", "status", "trial_share", "note", "evaluated", "created_at")
    fields = ("key", "text", "note")
    helps: ClassVar = {
        "key": 'Which prompt it is a version of; there is one, "reply".',
        "text": "What the model is told before it writes. It never changes: another text is another version.",
    }
    actions = ("evaluate", "try_on_a_tenth", "end_trial", "activate")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: PromptVersion, form: Any, change: bool) -> None:
        assert isinstance(request.user, User)
        added = prompts.add(
            account_id=obj.account_id, actor=request.user, text=obj.text, note=obj.note, key=obj.key or prompts.KEY
        )
        obj.pk, obj.version, obj._state.adding = added.pk, added.version, False

    @admin.display(description="evaluation")
    def evaluated(self, version: PromptVersion) -> str:
        run = EvalRun.objects.filter(prompt_version=version).order_by("-created_at").first()
        if run is None:
            return "none yet"
        return f"{run.status}: {run.metrics.get('passed', 0)} of {run.metrics.get('cases', 0)}"

    @admin.action(description="Evaluate the selected version on the approved answers")
    def evaluate(self, request: HttpRequest, queryset: QuerySet[PromptVersion]) -> None:
        one(self, request, queryset, evaluation.start, "is being evaluated; its result appears in this list.")

    @admin.action(description="Try the selected version on a tenth of the conversations")
    def try_on_a_tenth(self, request: HttpRequest, queryset: QuerySet[PromptVersion]) -> None:
        one(
            self,
            request,
            queryset,
            partial(prompts.try_out, share=0.1),
            "writes the drafts of a tenth of the conversations.",
        )

    @admin.action(description="End the trial of the selected version")
    def end_trial(self, request: HttpRequest, queryset: QuerySet[PromptVersion]) -> None:
        one(self, request, queryset, partial(prompts.try_out, share=0.0), "is not on trial any more.")

    @admin.action(description="Make the selected version the one that drafts are written with")
    def activate(self, request: HttpRequest, queryset: QuerySet[PromptVersion]) -> None:
        one(self, request, queryset, prompts.activate, "is what drafts are written with from now on.")


def one(
    view: TenantModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[PromptVersion],
    verb: Callable[..., object],
    words: str,
) -> None:
    """Carry out a verb on the one version that was selected, and say what came of it."""
    chosen = list(queryset[:2])
    if len(chosen) != 1 or not isinstance(request.user, User):
        messages.error(request, "Select one version. Nothing was changed.")
        return
    try:
        verb(version_id=chosen[0].pk, actor=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return
    messages.success(request, f"{chosen[0].label} {words}")


@admin.register(EvalRun)
class EvalRunAdmin(ReadOnlyAdmin):
    list_display = ("prompt_version", "status", "finished_at")
    list_select_related = ("prompt_version",)
    ordering = ("-created_at",)


@admin.register(Lane)
class LaneAdmin(ReadOnlyAdmin):
    """Lanes are opened and shut on the quality page, where their evidence stands."""

    list_display = ("intent", "channel", "prompt_label", "model_key", "state", "reason", "opened_by_name", "opened_at")
    list_select_related = ("channel",)
    ordering = ("intent",)


@admin.register(Topic)
class TopicAdmin(TenantModelAdmin):
    list_display = ("name", "words")
    search_fields = ("name",)
