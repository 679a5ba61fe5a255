"""What an admin sets of a Slack channel."""

from __future__ import annotations

import re

from pydantic import Field

from conversations.channels.provider import ChannelSettings


class SlackSettings(ChannelSettings):
    rooms: str = Field(
        default="",
        max_length=2000,
        title="Only these channels",
        description="Their ids, which begin with C, D or G, with commas between. Empty: wherever the app was invited to.",
        json_schema_extra={"width": "full"},
    )
    people: str = Field(
        default="",
        max_length=4000,
        title="People of your own",
        description="Their member ids, which begin with U or W, with commas between. What they write in a thread is an answer, "
        "never a customer's message.",
        json_schema_extra={"lines": 2, "width": "full"},
    )

    previews: bool = Field(
        default=False,
        title="Link previews",
        description="Slack shows pages that a reply links to below it. Off keeps threads short.",
    )

    @property
    def listened_to(self) -> frozenset[str]:
        return frozenset(re.findall(r"[A-Za-z0-9]+", self.rooms.upper()))

    @property
    def colleagues(self) -> frozenset[str]:
        return frozenset(re.findall(r"[A-Za-z0-9]+", self.people.upper()))
