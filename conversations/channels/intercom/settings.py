"""What an admin sets of an Intercom channel."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from conversations.channels.provider import ChannelSettings

#: Where a workspace is kept decides whom to ask (developers.intercom.com, "REST APIs", regional hosting).
HOSTS = {"us": "api.intercom.io", "eu": "api.eu.intercom.io", "au": "api.au.intercom.io"}


class IntercomSettings(ChannelSettings):
    region: Literal["us", "eu", "au"] = Field(
        default="us",
        title="Where the workspace is kept",
        description="Stands in Intercom under “Settings”, “Workspace”, “General”: United States, Europe or Australia.",
        json_schema_extra={"choices": {"us": "United States", "eu": "Europe", "au": "Australia"}},
    )
    admin_id: str = Field(
        default="",
        max_length=32,
        pattern=r"^[0-9]*$",
        title="The teammate who answers",
        description="Replies appear in this person's name. The id is the number at the end of the address of their page.",
    )

    @property
    def host(self) -> str:
        return HOSTS[self.region]
