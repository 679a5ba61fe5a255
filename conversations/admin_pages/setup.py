"""The first steps of a new account, and where the administration begins."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from conversations.admin_pages.rights import is_platform, is_tenant_admin, tenant_of
from conversations.models import Account
from conversations.setup.steps import Link, finish, steps_of
from conversations.tenancy import require_tenant

PAGES = {
    "channels": "admin:channels",
    "channel-add": "admin:conversations_channel_add",
    "channel": "admin:conversations_channel_change",
    "people": "admin:people",
    "setup": "admin:setup",
    "sources": "ingestion:sources",
    "queue": "drafts:queue",
}
APPROVE = {
    "none": "Reviewers, admins",
    "sourced": "Agents what is sourced, others all",
    "all": "Everybody but auditors",
}


@require_safe
def begin(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The platform's operators begin with their tenants, admins with what is still to do, else with their channels."""
    if not is_tenant_admin(request):
        tenant = tenant_of(request)
        page = "tenants" if is_platform(request) and tenant is None else "index"
        return HttpResponseRedirect(reverse(f"admin:{page}"))
    account = Account.objects.get(pk=require_tenant(request).account_id)
    return HttpResponseRedirect(reverse("admin:channels" if account.set_up_at else "admin:setup"))


@require_safe
def setup_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    if not is_tenant_admin(request):
        raise PermissionDenied("Only an admin of this account sets it up.")
    account = Account.objects.get(pk=require_tenant(request).account_id)
    steps = steps_of(account)
    if finish(account, steps):
        messages.success(request, f"{account.name} is set up. This list leaves the menu; it stays under Settings.")
        account.refresh_from_db()
    rows = [{**_plain(step), "ways": [(link.text, _url(link)) for link in step.links]} for step in steps]
    options = account.options
    context = {
        **site.each_context(request),
        "title": "Set-up",
        "nav": "admin",
        "side": "setup",
        "account": account,
        "steps": rows,
        "now": next((row for row in rows if not row["is_done"] and not row["waits_for"]), None),
        "done": sum(step.is_done for step in steps),
        "facts": [
            ("Replies are held", f"{options.hold_seconds} s, then sent"),
            ("Who approves", APPROVE[options.agent_approval]),
            ("Sent by itself", "What lanes allow" if options.lanes else "Nothing"),
            ("Answer due after", f"{options.due_minutes} minutes"),
            ("Time zone", account.timezone),
        ],
    }
    return TemplateResponse(request, "console/setup.html", context)


def _plain(step: object) -> dict[str, object]:
    return {name: getattr(step, name) for name in step.__slots__}  # type: ignore[attr-defined]


def _url(link: Link) -> str:
    return reverse(PAGES[link.page], args=[link.channel.pk] if link.channel else [])
