"""Who writes to an account: people, and the addresses that they write from."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from conversations.database.guards import SameAccount, same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow


class Customer(TenantRow):
    """One person, as far as we know: whoever writes from an address that we have not seen is a new one.

    What they wrote hangs on the address (`Conversation.customer_address`, `Message.writer`), so that two customers who turn out
    to be one, or one who turns out to be two, are put right by moving addresses alone. A customer without addresses was merged. An
    erasure deletes the rows (`customers.forgetting`).
    """

    name = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints: ClassVar = [*tenant_guards("customer")]
        indexes: ClassVar = [
            models.Index(fields=["account", "name"], name="idx_customer_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name or "Customer"


class CustomerAddress(TenantRow):
    """Where a customer writes from: a mail address, the same on every channel, or what one channel calls them.

    `address` is in its normal form (`channels.addresses`).
    """

    customer = TenantForeignKey(Customer, related_name="addresses", db_index=False)
    channel = TenantForeignKey(
        "conversations.Channel",
        null=True,
        related_name="+",
        db_index=False,
        help_text="The one whose name for them this is; none for a mail address.",
    )
    address = models.CharField(max_length=320)
    name = models.CharField(max_length=200, blank=True, default="", help_text="As it first stood beside the address.")

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("customeraddress"),
            models.UniqueConstraint(
                fields=["account", "address", "channel"], nulls_distinct=False, name="customeraddress_once"
            ),
            models.CheckConstraint(condition=~Q(address=""), name="customeraddress_is_some"),
            *same_account("customeraddress", "customer", "channel"),
        ]
        indexes: ClassVar = [models.Index(fields=["customer"], name="idx_customeraddress_customer")]

    def __str__(self) -> str:
        return self.address


class AddressMove(TenantRow):
    """An address was taken from one customer and given to another, in a merge or a split. Rows are never changed, and are how
    either is undone; `act_id` is the same for all of one act."""

    address = TenantForeignKey(CustomerAddress, related_name="moves", db_index=False)
    came_from = TenantForeignKey(Customer, related_name="+", db_index=False)
    went_to = TenantForeignKey(Customer, related_name="+", db_index=False)
    act_id = models.UUIDField()
    by_name = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("addressmove", grants=("SELECT", "INSERT", "DELETE")),
            models.CheckConstraint(condition=~Q(came_from=F("went_to")), name="addressmove_of_two"),
            *same_account("addressmove", "address"),
            SameAccount(field="came_from", name="addressmove_from_same_account"),
            SameAccount(field="went_to", name="addressmove_to_same_account"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["address", "-id"], name="idx_addressmove_address"),
            models.Index(fields=["came_from", "-id"], name="idx_addressmove_from"),
            models.Index(fields=["went_to", "-id"], name="idx_addressmove_to"),
        ]

    def __str__(self) -> str:
        return f"{self.came_from_id} > {self.went_to_id}"
