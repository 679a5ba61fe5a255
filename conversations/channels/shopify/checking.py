"""Whether the shop takes us: its name and its comments are readable. Nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence

from conversations.channels.base import ChannelError, SignInRefused
from conversations.channels.provider import Finding
from conversations.channels.shopify.api import ask
from conversations.channels.shopify.facts import CHECK
from conversations.channels.shopify.settings import ShopifySettings


def missing(settings: ShopifySettings, secret: str) -> Sequence[str]:
    """The fields without which nothing comes in and nothing leaves. A channel of before, whose messages a service hands
    over, has none of them and stays as it is."""
    if not (settings.shop or secret):
        return []
    found = [name for name in ("shop", "author", "address") if not getattr(settings, name)]
    return found if secret else [*found, "credentials"]


def check(settings: ShopifySettings, secret: str) -> Sequence[Finding]:
    if not settings.shop:
        return [
            Finding("bad", "Which shop it is has to be entered", remedy="The first part of its myshopify.com address.")
        ]
    try:
        found = ask(settings, secret, CHECK)
    except ChannelError as error:
        remedy = "Look at the shop's name."
        if isinstance(error, SignInRefused):
            remedy = "Enter the token of the custom app. It needs read_content and write_content."
        return [Finding("bad", "Comments cannot be read", f"{error} {error.response}".strip(), remedy)]
    name = str((found.get("shop") or {}).get("name") or settings.host)
    public = "Whatever is approved here stands below the article for everybody."
    return [
        Finding("ok", "Comments can be read", f"{name}, {settings.host}"),
        Finding("warn", "Replies are public", public),
    ]
