"""What an admin of a tenant manages: the account, its people, channels, policy and tokens; and looks at: its history."""

from __future__ import annotations

import zoneinfo
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from conversations import audit, people, routing, tokens
from conversations.admin.shapes import ShapeForm, shape_form
from conversations.admin_site import ReadOnlyAdmin, TenantModelAdmin, is_platform, tenant_of
from conversations.channels.addresses import normal_address
from conversations.errors import Conflict
from conversations.metadata import AccountSettings, ChannelSettings
from conversations.models import (
    Account,
    AuditEvent,
    Channel,
    Conversation,
    Delivery,
    DeliveryAttempt,
    Membership,
    PolicyRule,
    Role,
    ServiceToken,
    User,
)
from conversations.roles import Verb
from conversations.tenancy import account_directory, address_is_usable, create_account, tenant_context


def invitation(request: HttpRequest, user: User) -> str:
    """A link, good once, with which an invited person chooses a password."""
    key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
    uid, _, token = key.partition("-")
    return request.build_absolute_uri(reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": token}))


def show_invitation(request: HttpRequest, user: User) -> None:
    if not user.has_usable_password():
        link = invitation(request, user)
        messages.info(request, format_html("Give {} this link to choose a password: <code>{}</code>", user.email, link))


def time_zone(value: str) -> None:
    if value not in zoneinfo.available_timezones():
        raise ValidationError("That is not a time zone. Use a name such as Europe/Berlin.")


_ACCOUNT = [
    "name",
    "timezone",
    "archive_bodies_after_days",
    "purge_after_days",
    "expire_sessions_after_days",
    "legal_hold",
]
AccountForm = shape_form(Account, AccountSettings, "settings", _ACCOUNT)


class NewAccountForm(forms.ModelForm):
    admin_email = forms.EmailField(help_text="The first admin of the account. They are sent nothing; you get a link.")
    admin_name = forms.CharField(max_length=120)

    class Meta:
        model = Account
        fields = ("name", "slug", "timezone")

    def clean_timezone(self) -> str:
        time_zone(self.cleaned_data["timezone"])
        return str(self.cleaned_data["timezone"])

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if any(entry["slug"] == slug for entry in account_directory()):
            raise ValidationError("Another account has this short name. Choose another.")
        return slug


@admin.register(Account)
class AccountAdmin(TenantModelAdmin):
    list_display = ("name", "slug", "timezone", "legal_hold", "is_active")
    audit_kind = audit.Kind.ACCOUNT_CHANGED

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return NewAccountForm if obj is None else AccountForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(self.get_form(request, obj).base_fields)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_platform(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_platform(request) or super().has_view_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if is_platform(request) and tenant_of(request) is None:
            return redirect("admin:tenants")
        return super().changelist_view(request, extra_context)

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        assert isinstance(request.user, User)
        created = create_account(name=obj.name, slug=obj.slug, timezone=obj.timezone, actor=request.user)
        obj.pk = created.pk
        with tenant_context(created.pk):
            user = people.invite(email=form.cleaned_data["admin_email"], name=form.cleaned_data["admin_name"])
            people.set_role(account_id=created.pk, user=user, role=Role.ADMIN, actor=request.user)
        show_invitation(request, user)

    def response_add(self, request: HttpRequest, obj: Account, post_url_continue: Any = None) -> HttpResponse:
        messages.success(request, f"The account {obj.name} was created.")
        return redirect("admin:tenants")


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


class MembershipForm(OwnChannelsForm):
    email = forms.EmailField(help_text="Somebody new gets a link to choose a password, shown to you once.")
    display_name = forms.CharField(max_length=120, required=False)

    class Meta:
        model = Membership
        fields = ("role", "is_active")


@admin.register(Membership)
class MembershipAdmin(TenantModelAdmin):
    list_display = ("user", "email", "role", "is_active", "created_at")
    list_filter = ("role", "is_active")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__display_name")

    @admin.display(description="e-mail", ordering="user__email")
    def email(self, obj: Membership) -> str:
        return obj.user.email

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return MembershipForm if obj is None else OwnChannelsForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["email", "display_name", "role", "channels"] if obj is None else ["role", "is_active", "channels"]

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        tenant = tenant_of(request)
        assert tenant is not None and isinstance(request.user, User)
        if change:
            user, active = obj.user, obj.is_active
        else:
            user = people.invite(email=form.cleaned_data["email"], name=form.cleaned_data["display_name"])
            active = True
        saved = people.set_role(
            account_id=tenant.account_id, user=user, role=Role(obj.role), actor=request.user, is_active=active
        )
        obj.pk, obj.user = saved.pk, user
        chosen = [channel.pk for channel in form.cleaned_data["channels"]]
        people.set_channels(account_id=tenant.account_id, user=user, channels=chosen, actor=request.user)
        if not change:
            show_invitation(request, user)


@admin.register(PolicyRule)
class PolicyRuleAdmin(TenantModelAdmin):
    list_display = ("role", "verb", "kind", "allowed", "four_eyes")
    list_filter = ("role", "verb")
    fields = ("role", "verb", "kind", "allowed", "four_eyes")
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


class ChannelFormBase(ShapeForm):
    def clean_credentials(self) -> str:
        """An empty box keeps the stored secret: it is never shown, so it cannot be sent back."""
        return self.cleaned_data["credentials"] or (self.instance.credentials if self.instance.pk else "")

    def clean(self) -> dict[str, Any]:
        """Addresses in the one form that mail is routed by. The trigger `channel_claims` has the last word."""
        cleaned = super().clean()
        if cleaned.get("type") != Channel.Type.EMAIL:
            return cleaned
        for name in ("external_id", "address"):
            if "@" in str(cleaned.get(name) or ""):
                self._address(name, str(cleaned[name]), is_active=bool(cleaned.get("is_active")))
        return cleaned

    def _address(self, name: str, written: str, *, is_active: bool) -> None:
        normal = normal_address(written)
        if not normal:
            self.add_error(name, "This is not a mail address. Nothing was saved.")
        elif is_active and not address_is_usable(normal):
            self.add_error(name, routing.UNUSABLE)
        elif name == "external_id":
            self.cleaned_data[name] = normal
        else:
            self.instance.metadata = {**self.instance.metadata, "address": normal}


_CHANNEL = ["type", "provider", "external_id", "name", "is_active", "credentials"]
_secret = forms.CharField(
    required=False,
    widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
    help_text="The SMTP password or token. Stored encrypted, never shown; leave empty to keep it.",
)
ChannelForm: Any = type(
    "ChannelForm",
    (ChannelFormBase, shape_form(Channel, ChannelSettings, "metadata", _CHANNEL, credentials=_secret)),
    {"credentials": _secret},
)


@admin.register(Channel)
class ChannelAdmin(TenantModelAdmin):
    list_display = ("name", "type", "provider", "external_id", "is_active")
    list_filter = ("type", "is_active")
    form = ChannelForm
    audit_kind = audit.Kind.CHANNEL_CHANGED

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        try:
            with transaction.atomic():
                super().save_model(request, obj, form, change)
        except IntegrityError as error:
            # Somebody was first between the form's look and the database's.
            if "channel_claims" not in str(error) and "cannot be used" not in str(error):
                raise
            raise Conflict(routing.UNUSABLE) from error


@admin.register(ServiceToken)
class ServiceTokenAdmin(TenantModelAdmin):
    list_display = ("name", "key", "scopes", "last_used_at", "expires_at", "revoked_at")
    actions = ("revoke",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        scopes = forms.MultipleChoiceField(choices=tokens.Scope.choices, widget=forms.CheckboxSelectMultiple)
        meta = type("Meta", (), {"model": ServiceToken, "fields": ("name", "expires_at")})
        return type("TokenForm", (forms.ModelForm,), {"scopes": scopes, "Meta": meta})

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
class UserAdmin(admin.ModelAdmin):
    """People across accounts: for the platform alone. A tenant's admin works with memberships."""

    list_display = ("email", "display_name", "is_active", "is_superuser", "last_login")
    search_fields = ("email", "display_name")
    fields = ("email", "display_name", "is_active", "is_superuser", "is_staff", "auth_provider", "auth_subject")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ("number", "subject", "status", "channel", "message_count", "last_message_at")
    list_filter = ("status", "channel")
    list_select_related = ("channel",)
    ordering = ("-last_message_at",)


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
