"""Whether Zoho Desk takes us: signed in, and the organisation's tickets are readable. Nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence

from conversations.channels.base import ChannelError, SignInRefused
from conversations.channels.provider import Finding
from conversations.channels.zoho.api import desk
from conversations.channels.zoho.keys import fetch
from conversations.channels.zoho.settings import ZohoSettings


def missing(settings: ZohoSettings, secret: str) -> Sequence[str]:
    """The fields without which nothing comes in and nothing leaves."""
    return [name for name in ("organisation", "client_id") if not getattr(settings, name)]


def check(settings: ZohoSettings, secret: str) -> Sequence[Finding]:
    """Two lines: the tickets with the token, and the keys that Zoho's posts are signed with."""
    try:
        desk(settings, secret).read("/api/v1/tickets", {"limit": "1"})
        found = [Finding("ok", "Tickets can be read", f"Organisation {settings.organisation} at {settings.host}")]
    except ChannelError as error:
        remedy = (
            "Look at the data centre and the organisation's id. The token needs the scopes Desk.tickets.READ and "
            "Desk.tickets.UPDATE."
            if isinstance(error, SignInRefused)
            else "Look at the data centre and the organisation's id."
        )
        return [
            Finding("bad", "Tickets cannot be read", f"{error} {error.response}".strip(), remedy),
            Finding("no", "Keys of its posts", "Not tried."),
        ]
    try:
        count = len(fetch(settings.host))
    except ChannelError as error:
        remedy = "Without them no post of Zoho Desk can be believed."
        return [*found, Finding("bad", "Keys of its posts cannot be fetched", str(error), remedy)]
    if not count:
        return [*found, Finding("bad", "No key of its posts was found", settings.host, "Look at the data centre.")]
    return [*found, Finding("ok", "Keys of its posts are known", f"{count} at {settings.host}")]
