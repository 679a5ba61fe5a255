"""The admin of one tenant: who may enter, what a row belongs to, and where its history is written.

Row-level security filters every query here as everywhere; the classes below decide only who may change what.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from conversations import audit, database_time
from conversations.models import Account, Role, User
from conversations.tenancy import GRANT_KEY, SESSION_KEY, Tenant, account_directory, tenant_context

MOST_MINUTES = 60


def tenant_of(request: HttpRequest) -> Tenant | None:
    return getattr(request, "tenant", None)


def is_tenant_admin(request: HttpRequest) -> bool:
    tenant = tenant_of(request)
    return tenant is not None and tenant.role == Role.ADMIN


def is_platform(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)  # type: ignore[union-attr]


class EnterForm(forms.Form):
    account = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(max_length=200, min_length=5, help_text="Kept in that account's audit trail.")
    minutes = forms.IntegerField(min_value=1, max_value=MOST_MINUTES, initial=15)


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
        own: list[URLPattern | URLResolver] = [path("tenants/", self.admin_view(self.tenants), name="tenants")]
        return own + super().get_urls()  # type: ignore[operator]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "is_platform": is_platform(request)}

    def tenants(self, request: HttpRequest) -> HttpResponse:
        return tenants_page(request, self)


@require_http_methods(["GET", "POST"])
def tenants_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The platform's list of tenants; entering one takes a reason, a limit, and leaves a trace there."""
    if not is_platform(request):
        raise PermissionDenied("Only platform operators see the list of tenants.")
    form = EnterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        entry = next((e for e in account_directory() if e["id"] == form.cleaned_data["account"]), None)
        if entry is not None:
            _enter(request, entry, form.cleaned_data["reason"], form.cleaned_data["minutes"])
            return HttpResponseRedirect(reverse("admin:index"))
        form.add_error(None, "That account does not exist any more. Nothing was changed.")
    context = {**site.each_context(request), "title": "Tenants", "accounts": account_directory(), "form": form}
    return TemplateResponse(request, "admin/tenants.html", context, status=422 if form.errors else 200)


def _enter(request: HttpRequest, entry: dict[str, Any], reason: str, minutes: int) -> None:
    assert isinstance(request.user, User)
    with tenant_context(entry["id"]):
        audit.record(
            audit.Kind.PLATFORM_ENTERED,
            actor=request.user,
            about=Account.objects.get(pk=entry["id"]),
            account=entry["id"],
            data={"reason": reason, "minutes": minutes},
        )
    until = database_time.now() + timedelta(minutes=minutes)
    request.session[SESSION_KEY] = str(entry["id"])
    request.session[GRANT_KEY] = {"account_id": str(entry["id"]), "until": until.isoformat()}
    messages.warning(request, f"You read {entry['name']} until {until:%H:%M} UTC. The account's trail says so.")


class TenantModelAdmin(admin.ModelAdmin):
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
