"""How Shopify is called: at the shop's own address, with the token of its custom app."""

from __future__ import annotations

from typing import Any

from conversations.channels.base import ChannelError, Failure, SignInRefused
from conversations.channels.http import Vendor
from conversations.channels.shopify.facts import GRAPHQL
from conversations.channels.shopify.settings import ShopifySettings


def shop(settings: ShopifySettings, token: str) -> Vendor:
    return Vendor("Shopify", settings.host, {"X-Shopify-Access-Token": token})


def ask(settings: ShopifySettings, token: str, question: str, **variables: Any) -> dict[str, Any]:
    """What a GraphQL query answers. Raises ChannelError; its errors come with status 200."""
    answer = shop(settings, token).ask(GRAPHQL, {"query": question, "variables": variables})
    found = answer.data()
    errors = [one for one in found.get("errors") or () if isinstance(one, dict)]
    data = found.get("data")
    if not errors and isinstance(data, dict):
        return data
    codes = {str((one.get("extensions") or {}).get("code") or "") for one in errors}
    response = "; ".join(str(one.get("message") or "") for one in errors)[:300] or answer.words()
    if "ACCESS_DENIED" in codes:
        raise SignInRefused("Shopify does not allow that to this token.", response=response)
    raise ChannelError(Failure.TRANSIENT, "Shopify did not answer the question.", response=response, channel_fault=True)


def number_of(gid: Any) -> int:
    """Of "gid://shopify/Comment/512". Raises ValueError."""
    return int(str(gid).rpartition("/")[2])
