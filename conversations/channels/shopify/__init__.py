"""Shopify: comments of a shop's blogs are asked for every minute; replies are public comments below the same
article."""

from __future__ import annotations

from conversations.channels.provider import ChannelType, Hooks, Incoming, Limits, Provider, Section
from conversations.channels.shopify.checking import check, missing
from conversations.channels.shopify.comments import Source
from conversations.channels.shopify.facts import MOST_CHARS
from conversations.channels.shopify.privacy import parse, verify
from conversations.channels.shopify.sending import ShopifyAdapter
from conversations.channels.shopify.settings import ShopifySettings

SHOPIFY = Provider(
    key="shopify",
    type=ChannelType.SHOPIFY,
    label="Shopify comments",
    icon="bag",
    limits=Limits(text=MOST_CHARS),
    settings=ShopifySettings,
    secrets=("the Admin API access token",),
    open=ShopifyAdapter,
    threads=True,
    public=True,
    form="chat",
    about="Comments below the articles of your shop. Replies are public, so approving one asks for a second press.",
    needs="a custom app in the shop with its access token",
    external=("The shop's address", "As acme.myshopify.com. Its comments are filed here by it."),
    sections=(
        Section(
            "shop",
            "Your shop",
            "A custom app of your own, made in the shop's administration, with read_content and write_content.",
            ("shop", "credentials", "author", "people", "ip"),
        ),
        Section(
            "privacy",
            "Requests of customers",
            "Shopify passes on who wants to be erased or to know what is stored. It waits in quarantine for an admin.",
            ("incoming_credentials",),
        ),
    ),
    connection=("shop",),
    missing=missing,
    check=check,
    incoming=Incoming(
        asks_for="",
        open=lambda settings, secret: Source(settings, secret) if settings.shop else None,
        missing=lambda settings, secret: [],
        check=lambda settings, secret: [],
        connection=("shop",),
        as_sent=True,
    ),
    hooks=Hooks(asks_for="the app's client secret", verify=verify, parse=parse),
)
