"""A file that stands in Intercom: its address alone opens it, so no token is sent along."""

from __future__ import annotations

import re

from conversations.channels.base import FileThere
from conversations.channels.fetching import fetch
from conversations.channels.intercom.settings import IntercomSettings

#: Those of its API's description and of its page about content security policies.
_HOST = re.compile(
    r"([a-z0-9-]+\.)*(intercomcdn\.(com|eu)|intercomusercontent\.com|intercom-attachments(-[0-9]+)?\.com|intercom-attachments\.eu)",
    re.ASCII,
)


def is_intercoms(host: str) -> bool:
    return bool(_HOST.fullmatch(host))


def fetch_file(settings: IntercomSettings, token: str, there: FileThere) -> bytes:
    """Raises ChannelError."""
    return fetch("Intercom", there.address, is_theirs=is_intercoms)
