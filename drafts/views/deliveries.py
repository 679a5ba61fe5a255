"""What can still be done about a reply on its way out: take it back, let it go, settle what is in doubt."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import reswap

from conversations.errors import Refusal
from conversations.messages import outbox, outcomes
from conversations.models import Delivery
from conversations.people.roles import Verb, check, require
from conversations.tenancy import require_tenant
from conversations.views.access import is_fragment, person, signed_in
from conversations.views.links import address, see_other
from drafts.desk import decisions
from drafts.views import answers
from drafts.views.present import DeskFilters

UNDONE = "Undone. Nothing was sent."


def get_delivery_for(request: HttpRequest, pk: uuid.UUID) -> Delivery:
    """The tenant's delivery, of the person's own channels; a foreign id and an absent one get the same 404."""
    found = Delivery.objects.within(require_tenant(request).channels).filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such delivery in this account.")
    return found


@require_POST
@signed_in
@require(Verb.READ)
def undo(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take an approval back before it left. The draft returns to the queue; nothing was sent."""
    delivery = get_delivery_for(request, pk)
    filters = DeskFilters.of_query(request.POST.get("filter", ""))
    try:
        decisions.undo(delivery_id=pk, actor=person(request))
    except answers.REFUSED as error:
        return _too_late(request, delivery, error, filters)
    draft_id = delivery.draft_id
    if is_fragment(request) and draft_id:
        return answers.changed(request, filters=filters, gone=[], restored=draft_id, spoken=UNDONE)
    messages.success(request, UNDONE)
    return see_other(reverse("drafts:detail", args=[draft_id]) if draft_id else address("drafts:queue"))


@require_POST
@signed_in
@require(Verb.READ)
def release(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """End the hold now."""
    delivery = get_delivery_for(request, pk)
    return _settle(request, delivery, lambda: _released(request, delivery), "It leaves now.")


def _released(request: HttpRequest, delivery: Delivery) -> None:
    check(person(request), Verb.UNDO, account_id=delivery.account_id)
    outbox.release(delivery_id=delivery.pk, actor=person(request))


@require_POST
@signed_in
@require(Verb.READ)
def resolve(request: HttpRequest, pk: uuid.UUID, outcome: str) -> HttpResponse:
    """Settle an uncertain or failed delivery: `sent`, `send_again` or `give_up`."""
    delivery = get_delivery_for(request, pk)
    words = {"sent": "Marked as sent.", "send_again": "It is sent again.", "give_up": "Given up; it will not be sent."}

    def verb() -> None:
        check(person(request), Verb.RESOLVE_DELIVERY, account_id=delivery.account_id)
        outcomes.resolve(delivery_id=delivery.pk, actor=person(request), outcome=outcome)

    return _settle(request, delivery, verb, words.get(outcome, "Settled."))


def _settle(request: HttpRequest, delivery: Delivery, verb: Callable[[], Any], words: str) -> HttpResponse:
    filters = DeskFilters.of_query(request.POST.get("filter", ""))
    try:
        verb()
    except answers.REFUSED as error:
        return _too_late(request, delivery, error, filters)
    if is_fragment(request):
        return answers.changed(request, filters=filters, gone=[], spoken=words)
    messages.success(request, words)
    return see_other(reverse("conversations:detail", args=[delivery.conversation_id]))


def _too_late(request: HttpRequest, delivery: Delivery, error: Exception, filters: DeskFilters) -> HttpResponse:
    """The strip as it now stands, and why the press did nothing."""
    status = error.status if isinstance(error, Refusal) else 403
    if not is_fragment(request):
        return render(request, "409.html" if status != 403 else "403.html", {"reason": str(error)}, status=status)
    desk, summary = answers.desk_of(request, filters)
    context = {**answers.counts_context(summary, desk), "words": str(error)}
    return reswap(render(request, "drafts/too_late.html", context, status=status), "none")
