"""How a customer's record goes: with the last of what they wrote, or when they ask for it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q

from conversations import audit
from conversations.channels.addresses import normal_address
from conversations.models import AddressMove, Conversation, Customer, CustomerAddress, Message


def let_go(conversation_ids: list[uuid.UUID]) -> None:
    """Nothing in these conversations is anybody's any more; whoever wrote nowhere else is forgotten. In the caller's transaction."""
    conversations = Conversation.objects.filter(pk__in=conversation_ids)
    messages = Message.objects.filter(conversation_id__in=conversation_ids)
    found = {
        *conversations.values_list("customer_address", flat=True).distinct(),
        *messages.values_list("writer", flat=True).distinct(),
    }
    conversations.update(customer_address=None)
    messages.update(writer=None)
    forget_unused(one for one in found if one)


def addresses_of(*, address: str = "", customer_id: uuid.UUID | None = None) -> list[CustomerAddress]:
    """Every address of the customer who has this one, or of this customer; none for somebody whom nobody knows."""
    whose = Q(customer=customer_id)
    if customer_id is None:
        named = CustomerAddress.objects.filter(address__in={normal_address(address), address} - {""})
        whose = Q(customer__in=named.values("customer"))
    return list(CustomerAddress.objects.filter(whose).order_by("pk"))


def forget_unused(address_ids: Iterable[uuid.UUID]) -> None:
    """Those of these addresses that nothing is of, and the customers who have no address any more."""
    named = Conversation.objects.filter(customer_address=OuterRef("pk"))
    wrote = Message.objects.filter(writer=OuterRef("pk"))
    unused = CustomerAddress.objects.filter(~Exists(named), ~Exists(wrote), pk__in=list(address_ids))
    rows = list(unused.select_for_update(of=("self",)).order_by("pk"))
    # Whoever heard of one of them meanwhile was waited for, and is seen by a statement of its own alone.
    still = set(unused.values_list("pk", flat=True))
    rows = [row for row in rows if row.pk in still]
    moves = AddressMove.objects.filter(address__in=rows)
    whose = {row.customer_id for row in rows} | {
        pk for pair in moves.values_list("came_from", "went_to") for pk in pair
    }
    moves.delete()
    CustomerAddress.objects.filter(pk__in=[row.pk for row in rows]).delete()
    kept = CustomerAddress.objects.filter(customer=OuterRef("pk"))
    moved = AddressMove.objects.filter(Q(came_from=OuterRef("pk")) | Q(went_to=OuterRef("pk")))
    gone = list(Customer.objects.filter(~Exists(kept), ~Exists(moved), pk__in=whose))
    audit.forget_about(gone)
    Customer.objects.filter(pk__in=[one.pk for one in gone]).delete()
