"""A file that stands in Zoho Desk: the address that its API gives with the thread, asked with the token."""

from __future__ import annotations

from conversations.channels.base import FileThere
from conversations.channels.fetching import fetch
from conversations.channels.zoho.api import desk
from conversations.channels.zoho.settings import ZohoSettings


def fetch_file(settings: ZohoSettings, token: str, there: FileThere) -> bytes:
    """Raises ChannelError. The host is that of the organisation's own data centre, and no other gets the token."""
    headers = desk(settings, token).headers
    return fetch("Zoho Desk", there.address, is_theirs=lambda host: host == settings.host, headers=headers)
