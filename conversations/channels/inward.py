"""Providers that have no adapter yet: their messages come by the internal API, drafts are written, nothing can be sent.

One that gets an adapter moves into a folder of its own.
"""

from __future__ import annotations

from conversations.channels.provider import ChannelType, Limits, Provider

_LIMITS = Limits(text=0)  # nothing can be sent


def _inward(key: str, type_: ChannelType, label: str, icon: str, about: str) -> Provider:
    return Provider(
        key,
        type_,
        label,
        icon,
        _LIMITS,
        threads=True,
        about=f"{about} Drafts are written; replies are given there, for nothing can be sent from here yet.",
        needs="an API token for the service that hands the messages over",
        external=("Its id there", "What your service names when it hands a message over."),
    )


PROVIDERS = (_inward("intercom", ChannelType.CHAT, "Chat", "chat", "Conversations of your chat."),)
