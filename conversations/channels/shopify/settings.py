"""What an admin sets of a channel of Shopify comments."""

from __future__ import annotations

from ipaddress import IPv4Address

from pydantic import Field

from conversations.channels.provider import ChannelSettings


class ShopifySettings(ChannelSettings):
    shop: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9-]{0,59})?$",
        title="Shop",
        description="The first part of its myshopify.com address: acme for acme.myshopify.com.",
    )
    author: str = Field(
        default="",
        max_length=100,
        title="Name that comments are signed with",
        description="Everybody reads it above the reply. By it our own comments are told from customers'.",
    )
    ip: IPv4Address = Field(
        default=IPv4Address("127.0.0.1"),
        title="Address that comments come from",
        description="Shopify asks for one beside each comment. This installation's own, or as it stands.",
    )

    people: str = Field(
        default="",
        max_length=4000,
        title="People of your own",
        description="Their mail addresses, with commas between. What they write is an answer, never a question.",
        json_schema_extra={"lines": 2, "width": "full"},
    )

    @property
    def colleagues(self) -> frozenset[str]:
        return frozenset(self.people.lower().replace(",", " ").split())

    @property
    def host(self) -> str:
        return f"{self.shop}.myshopify.com"
