"""What an admin keeps for the whole team: its list of tags, and whose mail it does not want."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from conversations.admin_pages.site import ReadOnlyAdmin, TenantModelAdmin
from conversations.messages import blocking
from conversations.models import BlockedSender, Tag, User


class TagForm(forms.ModelForm):
    class Meta:
        model = Tag
        fields = ("name", "colour", "is_retired")

    def clean_name(self) -> str:
        """One name is one tag, however it is written."""
        name = " ".join(str(self.cleaned_data["name"]).split())
        if Tag.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("There is a tag of this name already.")
        return name


class TagAdmin(TenantModelAdmin):
    list_display = ("name", "colour", "is_retired")
    list_filter = ("is_retired",)
    search_fields = ("name",)
    ordering = ("name",)
    form = TagForm


class BlockedSenderAdmin(ReadOnlyAdmin):
    """Senders are blocked from their conversation; here is the list of them, and the way back."""

    list_display = ("address", "blocked_by_name", "created_at")
    search_fields = ("address",)
    ordering = ("-created_at",)
    actions = ("unblock",)

    def has_change_permission(self, request: HttpRequest, obj: BlockedSender | None = None) -> bool:
        # The list offers its action; a row itself is never edited.
        return obj is None and TenantModelAdmin.has_change_permission(self, request, obj)

    @admin.action(description="Unblock the selected senders")
    def unblock(self, request: HttpRequest, queryset: QuerySet[BlockedSender]) -> None:
        assert isinstance(request.user, User)
        with transaction.atomic():
            for blocked in queryset.select_for_update(of=("self",)):
                blocking.unblock(blocked=blocked, actor=request.user)
        messages.success(request, "Unblocked. What was set aside waits in the quarantine for somebody to let it in.")
