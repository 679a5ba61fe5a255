"""A customer is forgotten from their page: what would go is shown first."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views import customers
from conversations.views.access import signed_in
from conversations.views.links import see_other
from drafts import retention


@require_POST
@signed_in
@require(Verb.MANAGE)
def erase_customer(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Without `sure` a dry run, which stands on the page; with it the erasure itself."""
    customer, addresses = customers.get_customer_for(request, pk)
    is_sure = request.POST.get("sure") == "yes"
    done = retention.erase_customer(
        account_id=require_tenant(request).account_id, customer_id=customer.pk, dry_run=not is_sure
    )
    if done == retention.HELD:
        words = "This account is under a legal hold: nothing is removed. Nothing was changed."
        return customers.shown(request, customer, addresses, problem=words, status=409)
    counted = [(name, number) for name, number in done.items() if number]
    if not is_sure:
        return customers.shown(request, customer, addresses, dry_run=counted)
    messages.success(request, "Erased: " + ", ".join(f"{number} {name}" for name, number in counted) + ".")
    return see_other(reverse("conversations:list"))
