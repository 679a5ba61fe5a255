"""What an admin sets of a mail channel."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from conversations.channels.provider import ChannelSettings


class MailSettings(ChannelSettings):
    """Where replies are handed over, and what the mail server in front says and does.

    `authserv_id` is the name by which that server signs its Authentication-Results (RFC 8601); without it no such header
    is believed. `server_checks`: it refuses what it cannot authenticate, and says so nowhere.
    `signed_return_path`: what we send names a return path of its own for each delivery (`local+b.TOKEN@domain`), and only
    what comes back there is a bounce; the mail server has to deliver `local+anything@domain` here.
    """

    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_user: str = ""
    authserv_id: str = ""
    server_checks: bool = False
    signed_return_path: bool = False

    @property
    def refuses_unproved(self) -> bool:
        return self.server_checks

    def own_addresses(self, external_id: str) -> frozenset[str]:
        return frozenset(one.lower() for one in (self.address, external_id, self.smtp_user) if "@" in one)
