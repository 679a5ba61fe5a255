"""What we know of a customer: their addresses, their conversations and how those ended. Always of the channels that somebody sees."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, Expression, F, Func, IntegerField, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import JSONObject, Lower, Now

from conversations.customers import merging
from conversations.database.arrays import any_of
from conversations.models import AddressMove, Conversation, ConversationTag, Customer, CustomerAddress, Message, Tag
from conversations.models.threads import ConversationQuerySet
from conversations.visible import Visible

BESIDE = 3  # conversations of each kind that stand beside another
COUNTED = 100  # a count beside a conversation stops here
ADDRESSES = 4
TAGS = 6
ALIKE = 3
#: What a line about a conversation needs; `views.life.state_of` reads most of it.
LINE = (
    "id", "subject", "title", "status", "owed", "owed_note", "snoozed_until", "due_at", "outcome", "has_draft", "answered",
    "last_message_at",
)  # fmt: skip


def beside(address: Expression | OuterRef, this: str, within: Visible) -> QuerySet[Customer, Any]:
    """For a Subquery: the customer of an address as one JSON value, with the newest of their other conversations, those that are
    not closed and those that are. `this` is the path to the conversation that it stands beside."""
    theirs = CustomerAddress.objects.filter(customer=OuterRef(OuterRef("pk"))).values("pk")
    others = Conversation.objects.of_customers().within(within).filter(any_of("customer_address", theirs))
    others = others.filter(~Q(pk=OuterRef(OuterRef(this))), last_message_at__isnull=False)
    still_open, closed = others.exclude(status="closed"), others.closed()
    addresses = seen_addresses(within).filter(customer=OuterRef("pk")).order_by("created_at", "pk")
    return Customer.objects.filter(addresses=address).values(
        json=JSONObject(
            id="id",
            name="name",
            since="created_at",
            addresses=ArraySubquery(addresses.values("address")[:ADDRESSES]),
            tags=ArraySubquery(_tags(this, within)),
            open=_lines(still_open),
            open_count=_up_to(still_open),
            closed=_lines(closed),
            closed_count=_up_to(closed),
        )
    )


def _lines(found: ConversationQuerySet) -> ArraySubquery:
    newest = with_outcome(found).order_by("-last_message_at", "-pk")[:BESIDE]
    return ArraySubquery(newest.values(json=JSONObject(**{name: name for name in LINE})))


def _tags(this: str, within: Visible) -> QuerySet[Tag, Any]:
    """The names of the tags of their other conversations; this one's stand at its own head."""
    links = ConversationTag.objects.filter(
        ~Q(conversation=OuterRef(OuterRef(OuterRef(this)))),
        conversation__customer_address__customer=OuterRef(OuterRef("pk")),
        conversation__kind=Conversation.Kind.CUSTOMER,
        **within.where("conversation__channel_id"),
    )
    return Tag.objects.filter(pk__in=links.values("tag")).order_by(Lower("name")).values("name")[:TAGS]


def _up_to(found: ConversationQuerySet) -> Func:
    inner = ArraySubquery(found.values("pk")[: COUNTED + 1])
    return Func(inner, function="cardinality", output_field=IntegerField())


def with_outcome(found: ConversationQuerySet) -> ConversationQuerySet:
    """With `has_draft`, and `answered`: whether a reply of ours stands in it."""
    replies = Message.objects.shown().filter(conversation=OuterRef("pk"), direction="outbound")
    return found.with_draft().annotate(answered=Exists(replies))


def seen_addresses(within: Visible) -> QuerySet[CustomerAddress]:
    """All addresses; for who is kept to channels those that wrote, or were written to, there."""
    if within.is_all:
        return CustomerAddress.objects.all()
    theirs = Conversation.objects.within(within).filter(customer_address=OuterRef("pk"))
    wrote = Message.objects.within(within).filter(writer=OuterRef("pk"))
    return CustomerAddress.objects.filter(Exists(theirs) | Exists(wrote))


def find(customer_id: uuid.UUID, within: Visible) -> tuple[Customer, list[CustomerAddress]] | None:
    """The customer with the addresses that are seen, the first one first; one that was merged is whom it was merged into."""
    seen: set[uuid.UUID] = set()
    at: uuid.UUID | None = customer_id
    while at and at not in seen:
        seen.add(at)
        rows = seen_addresses(within).filter(customer=at).select_related("customer", "channel")
        if addresses := list(rows.order_by("created_at", "pk")):
            return addresses[0].customer, addresses
        at = merging.stands_in(at)
    return None


def conversations_of(addresses: list[CustomerAddress], within: Visible) -> ConversationQuerySet:
    """All that are theirs or that they wrote in."""
    theirs = Conversation.objects.filter(customer_address__in=addresses).values("pk")
    wrote = Message.objects.filter(writer__in=addresses).values("conversation")
    found = Conversation.objects.of_customers().within(within)
    return found.filter(pk__in=theirs.union(wrote, all=True), last_message_at__isnull=False)


def figures(found: ConversationQuerySet) -> dict[str, int]:
    """How many conversations there are, how many of them are open, owed (as in the list of that name) and late: one statement."""
    return found.aggregate(
        all=Count("pk"),
        open=Count("pk", filter=~Q(status="closed")),
        owed=Count("pk", filter=Q(pk__in=found.owed().values("pk"))),
        late=Count("pk", filter=Q(status="open", due_at__lt=Now())),
    )


def by_address(addresses: list[CustomerAddress], within: Visible) -> dict[uuid.UUID, int]:
    """How many conversations each address has opened."""
    found = Conversation.objects.of_customers().within(within).filter(customer_address__in=addresses)
    return dict(found.values_list("customer_address").annotate(count=Count("pk")).order_by())


def joined_by(addresses: list[CustomerAddress]) -> dict[uuid.UUID, tuple[str, Any]]:
    """Who gave an address to the customer whose it is, and when, by address."""
    moves = AddressMove.objects.filter(address__in=addresses, went_to=F("address__customer")).order_by("pk")
    return {pk: (name, at) for pk, name, at in moves.values_list("address", "by_name", "created_at")}


def alike(customer: Customer, within: Visible) -> list[Customer]:
    """Others of the same name, who may be the same person, each with the addresses that are seen."""
    if not customer.name:
        return []
    same = Customer.objects.filter(name=customer.name).exclude(pk=customer.pk)
    seen = seen_addresses(within)
    told = Prefetch("addresses", seen.order_by("created_at", "pk"))
    return list(
        same.filter(Exists(seen.filter(customer=OuterRef("pk")))).prefetch_related(told).order_by("-pk")[:ALIKE]
    )
