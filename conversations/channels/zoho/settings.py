"""What an admin sets of a Zoho Desk channel."""

from __future__ import annotations

import re

from pydantic import Field

from conversations.channels.provider import ChannelSettings, Grant
from conversations.channels.zoho.facts import HOSTS, NAMES, SCOPE, Region


class ZohoSettings(ChannelSettings):
    region: Region = Field(
        default="com",
        title="Data centre",
        description="How the address of your Zoho Desk ends in a browser.",
        json_schema_extra={"choices": dict(NAMES)},
    )
    organisation: str = Field(
        default="",
        pattern=r"^[0-9]{0,20}$",
        title="Organisation id",
        description="In Zoho Desk: Setup, Developer Space, API, at the bottom. Digits alone.",
    )
    webhook: str = Field(
        default="",
        pattern=r"^[0-9]{0,20}$",
        title="Webhook id",
        description="Of the webhook that posts here: only its posts are taken. Empty: any webhook’s of the organisation.",
    )
    departments: str = Field(
        default="",
        max_length=1000,
        title="Only these departments",
        description="Their ids, with commas between. Empty: tickets of every department.",
        json_schema_extra={"width": "full"},
    )
    client_id: str = Field(
        default="",
        max_length=300,
        pattern=r"^[!-~]*$",
        title="Client id",
        description="Of the self client in Zoho's API console. Tokens are renewed with it.",
    )

    @property
    def host(self) -> str:
        return HOSTS[self.region][0]

    @property
    def listened_to(self) -> frozenset[str]:
        return frozenset(re.findall(r"[0-9]+", self.departments))

    @property
    def grant(self) -> Grant | None:
        """Zoho's tokens are good for an hour, so there is no other sign-in."""
        return Grant(f"https://{HOSTS[self.region][1]}/oauth/v2/token", self.client_id, SCOPE)
