"""Two customers become one and one becomes two: what moves, what stays, who may, and that both are undone by the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from conversations.channels.base import Party
from conversations.customers import merging
from conversations.errors import Conflict, Invalid
from conversations.models import AddressMove, AuditEvent, Customer, CustomerAddress, Message
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

PAT, KIM, SAM = Party("pat@c.test", "Pat"), Party("kim@c.test", "Kim"), Party("sam@c.test", "Sam")


def known(world: World, *people: Party) -> list[Customer]:
    for who in people:
        factories.message(world.mail, sender=who)
    with tenant_context(world.acme.pk):
        return [Customer.objects.get(addresses__address=who.address) for who in people]


def whose() -> dict[str, str]:
    return dict(CustomerAddress.objects.order_by("address").values_list("address", "customer__name"))


def test_a_merge_moves_the_addresses_and_nothing_else(world: World, acme: Any) -> None:
    pat, kim = known(world, PAT, KIM)
    before = list(Message.objects.order_by("pk").values("pk", "writer", "conversation__customer_address"))
    act = merging.merge(customer_id=kim.pk, into_id=pat.pk, actor=world.ada)
    assert whose() == {"kim@c.test": "Pat", "pat@c.test": "Pat"}
    assert list(Message.objects.order_by("pk").values("pk", "writer", "conversation__customer_address")) == before
    assert Customer.objects.filter(pk=kim.pk).exists()
    assert merging.stands_in(kim.pk) == pat.pk
    event = AuditEvent.objects.get(kind="customer.merged")
    assert (event.object_id, event.act_id, event.data) == (str(pat.pk), act, {"addresses": 1, "to": [str(pat.pk)]})


def test_a_merge_is_undone_as_it_was_also_after_the_two_were_merged_on(world: World, acme: Any) -> None:
    pat, kim, sam = known(world, PAT, KIM, SAM)
    merging.merge(customer_id=kim.pk, into_id=pat.pk, actor=world.ada)
    second = merging.merge(customer_id=pat.pk, into_id=sam.pk, actor=world.ada)
    assert set(whose().values()) == {"Sam"}
    merging.undo(act_id=second, customer_id=sam.pk, actor=world.ada)
    assert whose() == {"kim@c.test": "Pat", "pat@c.test": "Pat", "sam@c.test": "Sam"}
    with assert_nothing_written(), pytest.raises(Conflict):
        merging.undo(act_id=second, customer_id=sam.pk, actor=world.ada)


def test_an_address_that_is_split_off_goes_back_to_whom_it_came_from(world: World, acme: Any) -> None:
    pat, kim = known(world, PAT, KIM)
    merging.merge(customer_id=kim.pk, into_id=pat.pk, actor=world.ada)
    address = CustomerAddress.objects.get(address=KIM.address)
    assert merging.split(address_id=address.pk, actor=world.ada) == kim.pk
    assert whose() == {"kim@c.test": "Kim", "pat@c.test": "Pat"}
    assert AuditEvent.objects.filter(kind="customer.split", object_id=str(pat.pk)).count() == 1


def test_an_address_that_never_was_anothers_becomes_a_new_customers(world: World, acme: Any) -> None:
    pat, kim = known(world, PAT, KIM)
    merging.merge(customer_id=kim.pk, into_id=pat.pk, actor=world.ada)
    own = CustomerAddress.objects.get(address=PAT.address)
    other = merging.split(address_id=own.pk, actor=world.ada)
    assert other not in {pat.pk, kim.pk}
    assert whose() == {"kim@c.test": "Pat", "pat@c.test": "Pat"}, "two customers of one name"
    assert CustomerAddress.objects.values("customer").distinct().count() == 2


def test_what_cannot_be_is_refused_and_writes_nothing(world: World, acme: Any) -> None:
    pat, kim = known(world, PAT, KIM)
    only = CustomerAddress.objects.get(address=PAT.address)
    refused: list[tuple[type[Exception], Callable[[], Any]]] = [
        (Invalid, lambda: merging.merge(customer_id=pat.pk, into_id=pat.pk, actor=world.ada)),
        (Invalid, lambda: merging.split(address_id=only.pk, actor=world.ada)),
        (PermissionDenied, lambda: merging.merge(customer_id=kim.pk, into_id=pat.pk, actor=world.bo)),
        (PermissionDenied, lambda: merging.split(address_id=only.pk, actor=world.bo)),
        (Customer.DoesNotExist, lambda: merging.merge(customer_id=world.acme.pk, into_id=pat.pk, actor=world.ada)),
        (AddressMove.DoesNotExist, lambda: merging.undo(act_id=pat.pk, customer_id=pat.pk, actor=world.ada)),
    ]
    for error, call in refused:
        with assert_nothing_written(), pytest.raises(error):
            call()
    merging.merge(customer_id=kim.pk, into_id=pat.pk, actor=world.ada)
    with assert_nothing_written(), pytest.raises(Conflict):
        merging.merge(customer_id=kim.pk, into_id=pat.pk, actor=world.ada)


def test_two_people_who_merge_two_customers_into_each_other_leave_one(
    committed_world: World, in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    world = committed_world
    pat, kim = known(world, PAT, KIM)

    def merges(one: Customer, other: Customer) -> Callable[[], Any]:
        def call() -> Any:
            with tenant_context(world.acme.pk):
                return merging.merge(customer_id=one.pk, into_id=other.pk, actor=world.ada)

        return call

    results = in_threads([merges(pat, kim), merges(kim, pat)] * 4)
    assert sum(not isinstance(one, Exception) for one in results) == 1
    assert all(isinstance(one, Conflict) for one in results if isinstance(one, Exception)), results
    with tenant_context(world.acme.pk):
        assert len(set(whose().values())) == 1
        assert AddressMove.objects.count() == 1
