"""Providers that have no adapter yet: their messages come by the internal API, drafts are written, nothing can be sent.

One that gets an adapter moves into a folder of its own.
"""

from __future__ import annotations

from conversations.channels.provider import ChannelType, Limits, Provider

_LIMITS = Limits(text=0)  # nothing can be sent

PROVIDERS = (
    Provider("intercom", ChannelType.CHAT, "Chat", "chat", _LIMITS, threads=True),
    Provider("shopify", ChannelType.SHOPIFY, "Shopify", "bag", _LIMITS, threads=True),
    Provider("slack", ChannelType.SLACK, "Slack", "hash", _LIMITS, threads=True),
)
