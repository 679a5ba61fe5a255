"""What an admin of a tenant manages: the account, its people, channels, policy and tokens; and looks at: its history."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html

from conversations import audit, factors
from conversations.admin.channels import ChannelAdmin
from conversations.admin.team import BlockedSenderAdmin, TagAdmin
from conversations.admin_pages.account_form import AccountForm
from conversations.admin_pages.rights import is_platform, is_tenant_admin, tenant_of
from conversations.admin_pages.site import Explained, ReadOnlyAdmin, TenantModelAdmin
from conversations.metadata import AccountSettings
from conversations.models import (
    Account,
    AuditEvent,
    BlockedSender,
    Channel,
    Conversation,
    Delivery,
    DeliveryAttempt,
    Membership,
    PolicyRule,
    Role,
    ServiceToken,
    Tag,
    User,
)
from conversations.people import members, tokens
from conversations.people.roles import Verb


@admin.register(Account)
class AccountAdmin(TenantModelAdmin):
    list_display = ("name", "slug", "timezone", "legal_hold", "is_active")
    audit_kind = audit.Kind.ACCOUNT_CHANGED

    form = AccountForm
    change_form_template = "console/account.html"

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return AccountForm  # as it is: the admin's own boxes and buttons are not of this page

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        form = context["adminform"].form
        wrong = [form[name] for name in form.errors if name in form.fields]
        status = 422 if form.errors else 200
        context.update(side="settings", nav="admin", form=form, wrong=wrong, may_change=is_tenant_admin(request))
        response = super().render_change_form(request, context, *args, **kwargs)
        response.status_code = status
        return response

    def response_change(self, request: HttpRequest, obj: Account) -> HttpResponse:
        messages.success(request, "Saved. It counts from now on, and stands in the audit trail.")
        return redirect("admin:conversations_account_change", obj.pk)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # made on the tenants page, with the invitation of its first admin

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_platform(request) or super().has_view_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if is_platform(request) and tenant_of(request) is None:
            return redirect("admin:tenants")
        return super().changelist_view(request, extra_context)

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        assert isinstance(request.user, User)
        wanted, had = obj.options.second_factor, Account.objects.get(pk=obj.pk).options.second_factor
        settings = {**obj.settings, "second_factor": had}
        obj.settings = AccountSettings.model_validate(settings).model_dump(exclude_defaults=True)
        super().save_model(request, obj, form, change)
        factors.require_second_factor(account_id=obj.pk, required=wanted, actor=request.user)


class OwnChannelsForm(forms.ModelForm):
    """A membership's role, and the channels that an agent is kept to."""

    channels = forms.ModelMultipleChoiceField(
        queryset=Channel.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Only for agents: the channels that they see. None chosen: all of them.",
    )

    class Meta:
        model = Membership
        fields = ("role", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["channels"]
        field.queryset = Channel.objects.order_by("name")  # of the tenant: row security
        if not self.instance._state.adding:
            field.initial = list(self.instance.own_channels.values_list("channel_id", flat=True))


@admin.register(Membership)
class MembershipAdmin(TenantModelAdmin):
    """One member's role and channels. The list, and inviting somebody, is the page of the account's people."""

    form = OwnChannelsForm
    fields = ("role", "is_active", "channels")
    helps: ClassVar = {
        "role": "What they may do here. Another admin changes yours.",
        "is_active": "Off: they see nothing of this account from now on. Their name stays in the trail.",
    }

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # nobody is put into an account: they are invited, and accept

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("admin:people") if is_tenant_admin(request) else super().changelist_view(request, extra_context)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        tenant = tenant_of(request)
        assert tenant is not None and isinstance(request.user, User)
        members.set_role(
            account_id=tenant.account_id,
            user=obj.user,
            role=Role(obj.role),
            actor=request.user,
            is_active=obj.is_active,
        )
        chosen = [channel.pk for channel in form.cleaned_data["channels"]]
        members.set_channels(account_id=tenant.account_id, user=obj.user, channels=chosen, actor=request.user)


@admin.register(PolicyRule)
class PolicyRuleAdmin(TenantModelAdmin):
    list_display = ("role", "verb", "kind", "allowed", "four_eyes")
    list_filter = ("role", "verb")
    fields = ("role", "verb", "kind", "allowed", "four_eyes")
    helps: ClassVar = {
        "role": "Whom the rule is for.",
        "verb": "The act that it allows or forbids, over what comes with the role.",
        "kind": "For approving: which drafts. Proposed: what an assistant proposed and a person confirms. Any: everything else.",
        "allowed": "Ticked: they may. Not ticked: they may not.",
    }
    audit_kind = audit.Kind.POLICY_CHANGED

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "verb":
            return forms.ChoiceField(choices=Verb.choices)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def facts(self, obj: Any, form: Any) -> dict[str, Any]:
        return {"rule": str(obj)}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)  # a rule removed is the default again

    def delete_model(self, request: HttpRequest, obj: PolicyRule) -> None:
        audit.record(self.audit_kind, actor=request.user, about=obj, data={"rule": f"removed: {obj}"})  # type: ignore[arg-type]
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PolicyRule]) -> None:
        for rule in queryset:
            self.delete_model(request, rule)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None


admin.site.register(Channel, ChannelAdmin)
admin.site.register(Tag, TagAdmin)
admin.site.register(BlockedSender, BlockedSenderAdmin)


@admin.register(ServiceToken)
class ServiceTokenAdmin(TenantModelAdmin):
    list_display = ("name", "user", "key", "scopes", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("user",)
    actions = ("revoke",)
    helps: ClassVar = {
        "name": "Which service uses it: it stands in the audit trail as who acted.",
        "scopes": "What it may do. Give it no more than it needs.",
        "expires_at": "It opens nothing after that. Empty: it ends when you revoke it.",
    }

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        scopes = forms.MultipleChoiceField(choices=tokens.Scope.choices, widget=forms.CheckboxSelectMultiple)
        meta = type("Meta", (), {"model": ServiceToken, "fields": ("name", "expires_at")})
        return self.explained(type("TokenForm", (forms.ModelForm,), {"scopes": scopes, "Meta": meta}))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["name", "scopes", "expires_at"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The list offers its revoke action; a token itself is never edited.
        return obj is None and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: ServiceToken, form: Any, change: bool) -> None:
        tenant = tenant_of(request)
        assert tenant is not None and isinstance(request.user, User)
        token, plain = tokens.issue(
            account=Account.objects.get(pk=tenant.account_id),
            name=obj.name,
            scopes=form.cleaned_data["scopes"],
            expires_at=obj.expires_at,
            actor=request.user,
        )
        obj.pk = token.pk
        messages.warning(request, format_html("Copy the token now, it is shown this once: <code>{}</code>", plain))

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ServiceToken]) -> None:
        assert isinstance(request.user, User)
        for token in queryset:
            tokens.revoke(token=token, actor=request.user)
        messages.success(request, "Revoked. They open nothing from now on.")


@admin.register(User)
class UserAdmin(Explained):
    """People across accounts: for the platform alone. A tenant's admin works with memberships."""

    helps: ClassVar = {
        "display_name": "As others see them. They change it themselves, too.",
        "is_active": "Off: they sign in nowhere.",
        "is_superuser": "A platform operator: creates tenants, and looks inside with a reason.",
        "is_staff": "Whether the menu offers them the administration.",
    }

    list_display = ("email", "display_name", "is_active", "is_superuser", "last_login")
    search_fields = ("email", "display_name")
    fields = ("email", "display_name", "is_active", "is_superuser", "is_staff", "auth_provider", "auth_subject")
    readonly_fields = ("email", "auth_provider", "auth_subject")  # who somebody is, is theirs to prove

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ("number", "subject", "status", "channel", "message_count", "last_message_at")
    list_filter = ("status", "channel")
    list_select_related = ("channel",)
    ordering = ("-last_message_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).filter(kind=Conversation.Kind.CUSTOMER)


class AttemptInline(admin.TabularInline):
    model = DeliveryAttempt
    extra = 0
    can_delete = False
    fields = readonly_fields = ("number", "started_at", "finished_at", "outcome", "response")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("idempotency_key", "status", "approved_by_name", "attempt_count", "created_at", "sent_at")
    list_filter = ("status",)
    ordering = ("-created_at",)
    inlines = (AttemptInline,)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("seq", "at", "kind", "what", "actor_type", "object_type")
    list_filter = ("kind", "actor_type")
    search_fields = ("object_id", "actor_name")
    ordering = ("-id",)

    @admin.display(description="what happened")
    def what(self, obj: AuditEvent) -> str:
        return audit.sentence(obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "object_id" or super().lookup_allowed(lookup, value, request)
