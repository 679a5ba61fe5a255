"""The list of providers. To add a channel: a folder beside this file with its `Provider`, and one line here."""

from __future__ import annotations

from conversations.channels import email, intercom, shopify, slack, zoho
from conversations.channels.provider import ChannelType, Provider

#: The first of a type stands for rows of that type whose provider is not known.
PROVIDERS: tuple[Provider, ...] = (
    email.SMTP,
    intercom.INTERCOM,
    slack.SLACK,
    shopify.SHOPIFY,
    zoho.ZOHO,
)


def provider_of(key: str, type_: str) -> Provider:
    """A channel's provider. A key that is not in the list, or not of that type, means the first provider of the type: older
    code of a rolling upgrade writes what it likes there. Raises LookupError for a type without providers."""
    of_type = [provider for provider in PROVIDERS if provider.type == type_]
    found = next((provider for provider in of_type if provider.key == key), next(iter(of_type), None))
    if found is None:
        raise LookupError(f"There is no provider of {type_} channels.")
    return found


def icon_of(key: str | None, type_: str | None) -> str:
    """The icon of a conversation's channel; one without a channel is with the assistant."""
    return provider_of(key or "", type_).icon if type_ else "assist"


def types_by_address() -> list[ChannelType]:
    """The types of channels that messages are routed to by a mail address."""
    return list(dict.fromkeys(provider.type for provider in PROVIDERS if provider.by_address))
