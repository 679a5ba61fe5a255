"""Who somebody is to the administration: an admin of the tenant, or the platform."""

from __future__ import annotations

from django.http import HttpRequest

from conversations.models import Role
from conversations.tenancy import Tenant


def tenant_of(request: HttpRequest) -> Tenant | None:
    return getattr(request, "tenant", None)


def is_tenant_admin(request: HttpRequest) -> bool:
    tenant = tenant_of(request)
    return tenant is not None and tenant.role == Role.ADMIN


def is_platform(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)  # type: ignore[union-attr]
