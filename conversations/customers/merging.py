"""Two customers who are one person, and one who is two: addresses move, what was written on them stays where it is.

Each move is a row, so that either can be undone: an address that is split off goes back to whom it came from.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from django.db import transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import AddressMove, Customer, CustomerAddress, User
from conversations.models.base import new_id
from conversations.people.roles import Verb, check


def merge(*, customer_id: uuid.UUID, into_id: uuid.UUID, actor: User) -> uuid.UUID:
    """All addresses of one customer are the other's from now on. Returns the act's id, for `undo`.

    Raises Customer.DoesNotExist (404), PermissionDenied (403), Invalid (422: one and the same), Conflict (409: it has no address
    any more, so somebody else merged it).
    """
    if customer_id == into_id:
        raise Invalid("This is the same customer. Nothing was changed.")
    with transaction.atomic():
        customers = _locked([customer_id, into_id], actor)
        addresses = list(CustomerAddress.objects.filter(customer=customer_id).order_by("pk"))
        if not addresses or not CustomerAddress.objects.filter(customer=into_id).exists():
            raise Conflict("One of the two was merged meanwhile. Nothing was changed.")
        return _move(dict.fromkeys(addresses, into_id), audit.Kind.CUSTOMERS_MERGED, customers[into_id], actor)


def split(*, address_id: uuid.UUID, actor: User) -> uuid.UUID:
    """This address is another person's: whose it was before a merge, else a new customer's. Returns whose it is now.

    Raises CustomerAddress.DoesNotExist (404), PermissionDenied (403), Invalid (422: it is the customer's only one).
    """
    with transaction.atomic():
        customer_id = CustomerAddress.objects.values_list("customer", flat=True).get(pk=address_id)
        before = _came_from(address_id, customer_id)
        customer = _locked([customer_id, *([before] if before else [])], actor)[customer_id]
        address = CustomerAddress.objects.filter(customer=customer).get(pk=address_id)
        if not CustomerAddress.objects.filter(customer=customer).exclude(pk=address_id).exists():
            raise Invalid("It is the only address of this customer. Nothing was changed.")
        other = before or Customer.objects.create(account_id=customer.account_id, name=address.name).pk
        _move({address: other}, audit.Kind.CUSTOMERS_SPLIT, customer, actor)
        return other


def undo(*, act_id: uuid.UUID, customer_id: uuid.UUID, actor: User) -> None:
    """What a merge or a split moved to this customer, or from them, goes back, as far as nobody has moved it on since. The caller
    has looked whether the actor sees the customer: nobody takes back what others of the account did elsewhere.

    Raises AddressMove.DoesNotExist (404), PermissionDenied (403), Conflict (409: nothing is left to move back).
    """
    with transaction.atomic():
        moves = list(AddressMove.objects.filter(act_id=act_id).order_by("pk"))
        if not any(customer_id in {move.came_from_id, move.went_to_id} for move in moves):
            raise AddressMove.DoesNotExist
        customers = _locked({pk for move in moves for pk in (move.came_from_id, move.went_to_id)}, actor)
        there = {one.pk: one for one in CustomerAddress.objects.filter(pk__in=[move.address_id for move in moves])}
        back = {
            there[move.address_id]: move.came_from_id
            for move in moves
            if there[move.address_id].customer_id == move.went_to_id
        }
        if not back:
            raise Conflict("These addresses were moved on meanwhile. Nothing was changed.")
        _move(back, audit.Kind.CUSTOMERS_SPLIT, customers[moves[0].went_to_id], actor)


def stands_in(customer_id: uuid.UUID) -> uuid.UUID | None:
    """Whose page shows what a merged customer wrote: the one that its last address went to."""
    return AddressMove.objects.filter(came_from=customer_id).order_by("-pk").values_list("went_to", flat=True).first()


def _came_from(address_id: uuid.UUID, customer_id: uuid.UUID) -> uuid.UUID | None:
    moved_here = AddressMove.objects.filter(address=address_id, went_to=customer_id).order_by("-pk")
    return moved_here.values_list("came_from", flat=True).first()


def _locked(customer_ids: Iterable[uuid.UUID], actor: User) -> Mapping[uuid.UUID, Customer]:
    """All of them, in one order, so that two people who move the same addresses wait and do not block each other."""
    wanted = set(customer_ids)
    rows = Customer.objects.select_for_update(of=("self",)).filter(pk__in=wanted).order_by("pk")
    found = {one.pk: one for one in rows}
    if len(found) != len(wanted):
        raise Customer.DoesNotExist
    check(actor, Verb.ASSIGN, account_id=next(iter(found.values())).account_id)
    return found


def _move(to: Mapping[CustomerAddress, uuid.UUID], kind: audit.Kind, about: Customer, actor: User) -> uuid.UUID:
    act_id = new_id()
    AddressMove.objects.bulk_create(
        AddressMove(
            account_id=address.account_id,
            address=address,
            came_from_id=address.customer_id,
            went_to_id=customer_id,
            act_id=act_id,
            by_name=actor.name[:200],
        )
        for address, customer_id in to.items()
    )
    for address, customer_id in to.items():
        address.customer_id = customer_id
    CustomerAddress.objects.bulk_update(to, ["customer"])
    whose = sorted({str(pk) for pk in to.values()})
    audit.record(kind, actor=actor, about=about, data={"addresses": len(to), "to": whose}, act_id=act_id)
    return act_id
