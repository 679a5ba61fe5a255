"""The admin of one tenant: who may enter, what a row belongs to, and where its history is written.

Row-level security filters every query here as everywhere; the classes below decide only who may change what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.http import urlencode

from conversations import audit
from conversations.admin_pages import channels as admin_channels
from conversations.admin_pages import people as admin_people
from conversations.admin_pages import policy as admin_policy
from conversations.admin_pages import setup as admin_setup
from conversations.admin_pages import tenants as admin_tenants
from conversations.admin_pages import webhooks as admin_webhooks
from conversations.admin_pages.rights import is_platform, is_tenant_admin, tenant_of
from conversations.models import Account, User

__all__ = [
    "Explained",
    "ReadOnlyAdmin",
    "TenantAdminSite",
    "TenantModelAdmin",
    "is_platform",
    "is_tenant_admin",
    "tenant_of",
]

OURS = ("conversations", "ingestion", "drafts", "procrastinate")


class TenantAdminSite(AdminSite):
    site_header = site_title = "Countersign"
    index_title = "Administration"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        if not (request.user.is_authenticated and request.user.is_active):
            return False
        return is_platform(request) or is_tenant_admin(request)

    @login_not_required
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Log-in is allauth's, with its rate limits and second factor; a signed-in stranger is told, not looped."""
        if request.user.is_authenticated:
            raise PermissionDenied("The administration is for an account's admins. Ask one of them.")
        wanted = urlencode({"next": request.GET.get("next") or reverse("admin:index")})
        return redirect(f"{reverse('account_login')}?{wanted}")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Pages of our own, behind the same door; each asks by itself whether it is for this person."""

        def own(view: Callable[..., HttpResponse]) -> Any:
            return self.admin_view(partial(view, site=self))  # type: ignore[type-var]

        pages: list[URLPattern | URLResolver] = [
            path("begin/", own(admin_setup.begin), name="begin"),
            path("setup/", own(admin_setup.setup_page), name="setup"),
            path("channels/", own(admin_channels.channels_page), name="channels"),
            path("channels/<uuid:pk>/test/", own(admin_channels.send_test), name="channel-test"),
            path("channels/<uuid:pk>/try/", own(admin_channels.try_now), name="channel-try"),
            path("channels/<uuid:pk>/address/", own(admin_channels.hook), name="channel-hook"),
            path("webhooks/", own(admin_webhooks.webhooks_page), name="webhooks"),
            path("webhooks/add/", own(admin_webhooks.webhook_add), name="webhook-add"),
            path("webhooks/<uuid:pk>/", own(admin_webhooks.webhook_page), name="webhook"),
            path(
                "webhooks/<uuid:pk>/deliveries/<uuid:delivery>/",
                own(admin_webhooks.webhook_delivery),
                name="webhook-delivery",
            ),
            path("webhooks/<uuid:pk>/<slug:act>/", own(admin_webhooks.webhook_act), name="webhook-act"),
            path("people/", own(admin_people.people_page), name="people"),
            path("people/<uuid:pk>/send/", own(admin_people.resend), name="invite-again"),
            path("people/<uuid:pk>/withdraw/", own(admin_people.withdraw), name="withdraw-invitation"),
            path("policy/", own(admin_policy.policy_page), name="policy"),
            path("tenants/", own(admin_tenants.tenants_page), name="tenants"),
            path("tenants/<uuid:pk>/invite/", own(admin_tenants.invite_again), name="invite-first-admin"),
        ]
        return pages + super().get_urls()  # type: ignore[operator]

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Our own models only. What the apps that we use would bring here (addresses and whether they are proven, second
        factors, provider's accounts, sessions) are people's credentials: nobody's to edit (docs/decisions/0020)."""
        models_ = model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]
        ours = [model for model in models_ if model._meta.app_label in OURS]
        if ours:
            super().register(ours, admin_class, **options)

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """Django's list names models; the pages of our own are none, so they are named before it to whom they are for."""
        own = {
            "setup": ("Set-up", is_tenant_admin),
            "people": ("People", is_tenant_admin),
            "policy": ("Who may do what", is_tenant_admin),
            "tenants": ("Tenants", is_platform),
        }
        pages = [(name, reverse(f"admin:{page}")) for page, (name, is_theirs) in own.items() if is_theirs(request)]
        return super().index(request, {"own_pages": pages, **(extra_context or {})})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        tenant = tenant_of(request)
        is_new = False
        if tenant is not None and is_tenant_admin(request):
            is_new = Account.objects.filter(pk=tenant.account_id, set_up_at=None).exists()
        return {**super().each_context(request), "is_platform": is_platform(request), "to_set_up": is_new}


class Explained(admin.ModelAdmin):
    """Every field that somebody fills in says in words what it does: by its model's help, or by `helps` here."""

    helps: ClassVar[Mapping[str, str]] = {}

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return self.explained(super().get_form(request, obj, change=change, **kwargs))

    def explained(self, form: Any) -> Any:
        for name, words in self.helps.items():
            if name in form.base_fields:
                form.base_fields[name].help_text = words
        return form


class TenantModelAdmin(Explained):
    """A tenant's rows: its admins change them, the platform with a grant reads them. Changes go to the audit trail."""

    show_full_result_count = False  # no COUNT(*) over the whole table
    list_per_page = 50
    audit_kind = audit.Kind.ADMIN_CHANGED

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        tenant = tenant_of(request)
        return is_tenant_admin(request) or (
            is_platform(request) and tenant is not None and tenant.granted_until is not None
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_tenant_admin(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_tenant_admin(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # history stays; things are switched off instead

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        tenant = tenant_of(request)
        assert tenant is not None and isinstance(request.user, User)
        if not change:
            obj.account_id = tenant.account_id
        super().save_model(request, obj, form, change)
        audit.record(
            self.audit_kind, actor=request.user, about=obj, account=tenant.account_id, data=self.facts(obj, form)
        )

    def facts(self, obj: Any, form: Any) -> dict[str, Any]:
        """What the trail keeps of a change: which fields, never their values (they may be secrets or personal)."""
        return {
            "what": f"{obj._meta.verbose_name} {obj}"[:120],
            "name": str(obj)[:120],
            "fields": ", ".join(form.changed_data),
        }

    # Django's own LogEntry table has no tenant: what it would say is in the audit trail.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        wanted = urlencode({"object_id": object_id})
        return redirect(f"{reverse('admin:conversations_auditevent_changelist')}?{wanted}")


class ReadOnlyAdmin(TenantModelAdmin):
    """History and work in progress: looked at here, changed only by the verbs."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        hidden = {field.name for field in self.model._meta.concrete_fields if isinstance(field, models.BinaryField)}
        return [field.name for field in self.model._meta.concrete_fields if field.name not in hidden | {"account"}]
