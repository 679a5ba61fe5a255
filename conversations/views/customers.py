"""A customer's page, and what stands of a customer beside a conversation."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from conversations.channels.addresses import normal_address
from conversations.customers import known, merging
from conversations.errors import Invalid, Refusal
from conversations.models import AddressMove, Conversation, Customer, CustomerAddress
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.life import State, due_words, state_of
from conversations.views.links import below, see_other
from conversations.views.words import MONTHS, Clock, clock_for, initials, plural
from conversations.visible import Visible

PAGE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """A conversation in one line: what it is about, where it stands, and what came of it."""

    title: str
    url: str
    state: State
    hint: str
    at: str

    @classmethod
    def of(cls, row: Mapping[str, Any], clock: Clock) -> Line:
        row = {**row, **{name: _moment(row[name]) for name in ("snoozed_until", "due_at", "last_message_at")}}
        return cls(
            title=row["subject"] or row["title"] or "No subject",
            url=f"{below('conversations:detail')}{row['id']}/",
            state=state_of(row, clock),
            hint=_outcome(row, clock),
            at=clock.stamp(row["last_message_at"]),
        )


@dataclass(frozen=True, slots=True)
class Beside:
    """A customer beside one of their conversations (`conversations/_customer.html`)."""

    name: str
    initials: str
    url: str
    since: str
    addresses: list[str]
    tags: list[str]  # of the other conversations
    open: list[Line]
    open_count: str
    closed: list[Line]
    closed_count: str
    first: str  # what is said where there is no other conversation

    @classmethod
    def of(cls, found: Mapping[str, Any] | None, clock: Clock, *, messages: int) -> Beside | None:
        """From the JSON of `known.beside`; None for who has no record. `messages` stand in the conversation that it is beside."""
        if not found:
            return None
        name = found["name"] or next(iter(found["addresses"]), "") or "Customer"
        return cls(
            name=name,
            initials=initials(name),
            url=f"{below('conversations:customer')}{found['id']}/",
            since=_since(_moment(found["since"]), clock),
            addresses=found["addresses"],
            tags=found["tags"],
            open=[Line.of(row, clock) for row in found["open"]],
            open_count=_counted(found["open_count"]),
            closed=[Line.of(row, clock) for row in found["closed"]],
            closed_count=_counted(found["closed_count"]),
            first=""
            if found["open"] or found["closed"]
            else "They have not written yet."
            if not messages
            else "Their first message."
            if messages == 1
            else "Their first conversation.",
        )


def beside(conversation: Conversation, channels: Visible, clock: Clock) -> Beside | None:
    """The customer of this conversation, for its page: one statement."""
    found = Conversation.objects.filter(pk=conversation.pk).values_list(
        Subquery(known.beside(OuterRef("customer_address"), "pk", channels)[:1]), flat=True
    )
    return Beside.of(found.first(), clock, messages=conversation.message_count)


def _moment(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _since(at: datetime, clock: Clock) -> str:
    local = clock.local(at)
    return f"Since {MONTHS[local.month - 1]} {local.year}"


def _counted(count: int) -> str:
    return f"{known.COUNTED}+" if count > known.COUNTED else str(count or "")


def _outcome(row: Mapping[str, Any], clock: Clock) -> str:
    """What came of a closed conversation; of another one what is owed and until when."""
    if row["status"] != Conversation.Status.CLOSED:
        more = " · ".join(filter(None, (state_of(row, clock).more, due_words(row, clock)[0])))
        return more[:1].upper() + more[1:] or ("Answered" if row["answered"] else "")
    if row["outcome"]:
        return Conversation.Outcome(row["outcome"]).label
    return "Answered" if row["answered"] else "Closed without a reply"


@dataclass(frozen=True, slots=True)
class AddressView:
    id: str
    address: str
    icon: str
    hint: str
    is_main: bool


def get_customer_for(request: HttpRequest, pk: uuid.UUID) -> tuple[Customer, list[CustomerAddress]]:
    """The tenant's customer, who wrote on one of the person's own channels; foreign and absent ids get the same 404."""
    found = known.find(pk, require_tenant(request).channels)
    if found is None:
        raise Http404("There is no such customer in this account.")
    return found


@require_safe
@signed_in
@require(Verb.READ)
def customer_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Who they are and all that they wrote, the newest first; one that was merged leads to whom it was merged into."""
    customer, addresses = get_customer_for(request, pk)
    if customer.pk != pk:
        return see_other(reverse("conversations:customer", args=[customer.pk]))
    return shown(request, customer, addresses)


def shown(
    request: HttpRequest,
    customer: Customer,
    addresses: list[CustomerAddress],
    *,
    problem: str = "",
    typed: str = "",
    dry_run: Sequence[tuple[str, int]] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page; `problem` is why something pressed on it was not done, `typed` the address in that press, `dry_run` what an erasure would empty."""
    tenant, clock = require_tenant(request), clock_for(request)
    everything = known.conversations_of(addresses, tenant.channels)
    only_open = request.GET.get("list") == "open"
    listed = everything.exclude(status="closed") if only_open else everything
    page = request.GET.get("page", "1")
    number = max(1, int(page)) if page.isdecimal() and len(page) < 6 else 1
    rows = known.with_outcome(listed).select_related("owner").order_by("-last_message_at", "-pk")
    found = list(rows[(number - 1) * PAGE : number * PAGE + 1])
    figures = known.figures(everything)
    counts, joined = known.by_address(addresses, tenant.channels), known.joined_by(addresses)
    name = customer.name or addresses[0].address
    asked = {"list": "open"} if only_open else {}
    context = {
        "nav": "history",
        "problem": problem,
        "typed": typed,
        "customer": {
            "id": customer.pk,
            "name": name,
            "initials": initials(name),
            "since": _since(customer.created_at, clock),
        },
        "figures": figures,
        "rows": [
            (Line.of({field: getattr(row, field) for field in known.LINE}, clock), row.owner) for row in found[:PAGE]
        ],
        "has_owners": any(row.owner for row in found[:PAGE]),
        "only_open": only_open,
        "newer_url": f"?{urlencode({**asked, 'page': number - 1})}" if number > 1 else "",
        "older_url": f"?{urlencode({**asked, 'page': number + 1})}" if len(found) > PAGE else "",
        "addresses": [
            AddressView(
                id=str(one.pk),
                address=one.address,
                icon=one.channel.provided_by.icon if one.channel else "mail",
                hint=_about(one, counts.get(one.pk, 0), joined.get(one.pk), clock),
                is_main=number_of == 0,
            )
            for number_of, one in enumerate(addresses)
        ],
        "alike": [
            {"id": one.pk, "name": one.name, "addresses": [each.address for each in one.addresses.all()[:3]]}
            for one in known.alike(customer, tenant.channels)
        ],
        "may_merge": may(tenant, Verb.ASSIGN),
        "may_erase": may(tenant, Verb.MANAGE),
        "dry_run": dry_run,
        "merged": request.GET.get("merged", ""),
    }
    return render(request, "conversations/customer.html", context, status=status)


def _about(address: CustomerAddress, count: int, joined: tuple[str, datetime] | None, clock: Clock) -> str:
    words = [plural(count, "conversation")]
    if address.channel:
        words.insert(0, address.channel.name)
    if joined:
        words.append(f"joined by {joined[0]}, {clock.stamp(joined[1])}")
    return ", ".join(words)


@require_POST
@signed_in
@require(Verb.READ)
def merge(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Another customer (`other`, or whoever writes from `address`) is this one."""
    customer, addresses = get_customer_for(request, pk)
    typed = request.POST.get("address", "")
    try:
        other, _ = get_customer_for(request, _other(request))
        act_id = merging.merge(customer_id=other.pk, into_id=customer.pk, actor=person(request))
    except Refusal as refusal:
        return shown(request, customer, addresses, problem=str(refusal), typed=typed, status=refusal.status)
    except PermissionDenied as refusal:
        return shown(request, customer, addresses, problem=str(refusal), typed=typed, status=403)
    return see_other(f"{reverse('conversations:customer', args=[customer.pk])}?merged={act_id}")


def _other(request: HttpRequest) -> uuid.UUID:
    """Raises Invalid for words that name nobody whom this person sees."""
    if value := request.POST.get("other", ""):
        try:
            return uuid.UUID(value)
        except ValueError:
            raise Invalid("There is no such customer. Nothing was changed.") from None
    written = request.POST.get("address", "").replace("\x00", "").strip()[:320]
    seen = known.seen_addresses(require_tenant(request).channels)
    found = seen.filter(address=normal_address(written) or written, channel=None).values_list("customer", flat=True)
    if (customer := found.first()) is None:
        raise Invalid(f"Nobody wrote from {written or 'an empty address'} yet. Nothing was changed.")
    return customer


@require_POST
@signed_in
@require(Verb.READ)
def split(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One `address` is another person's, or a merge is taken back (`act`)."""
    customer, addresses = get_customer_for(request, pk)
    try:
        if act := request.POST.get("act"):
            merging.undo(act_id=_id(act), customer_id=customer.pk, actor=person(request))
        else:
            mine = next((one.pk for one in addresses if str(one.pk) == request.POST.get("address")), None)
            if mine is None:
                raise Invalid("This address is no longer this customer's. Nothing was changed.")
            merging.split(address_id=mine, actor=person(request))
    except (AddressMove.DoesNotExist, Customer.DoesNotExist, CustomerAddress.DoesNotExist):
        raise Http404("There is no such customer in this account.") from None
    except Refusal as refusal:
        return shown(request, customer, addresses, problem=str(refusal), status=refusal.status)
    except PermissionDenied as refusal:
        return shown(request, customer, addresses, problem=str(refusal), status=403)
    messages.success(request, "Split. They are two customers now.")
    return see_other(reverse("conversations:customer", args=[pk]))


def _id(value: str) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except ValueError:
        raise Http404("There is no such act.") from None
