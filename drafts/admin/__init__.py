from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Max, QuerySet
from django.http import HttpRequest

from conversations.admin_site import ReadOnlyAdmin, TenantModelAdmin
from conversations.models import User
from drafts import prompts
from drafts.models import Draft, DraftAction, LearningSample, PromptVersion


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
    """A version's text never changes: adding makes the next version, activating is an action."""

    list_display = ("label", "status", "created_at")
    fields = ("key", "text")
    actions = ("activate",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: PromptVersion, form: Any, change: bool) -> None:
        newest = PromptVersion.objects.filter(key=obj.key).aggregate(newest=Max("version"))["newest"]
        obj.version = (newest or 0) + 1
        obj.created_by = request.user if isinstance(request.user, User) else None
        super().save_model(request, obj, form, change)

    @admin.action(description="Make the selected version the one that drafts are written with")
    def activate(self, request: HttpRequest, queryset: QuerySet[PromptVersion]) -> None:
        chosen = list(queryset[:2])
        if len(chosen) != 1 or not isinstance(request.user, User):
            messages.error(request, "Select one version. Nothing was changed.")
            return
        prompts.activate(version_id=chosen[0].pk, actor=request.user)
        messages.success(request, f"Drafts are written with {chosen[0].label} from now on.")
