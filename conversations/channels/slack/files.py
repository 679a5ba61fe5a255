"""A file that stands in Slack: its private address, with the bot's token (docs.slack.dev, "Working with files": `files:read`)."""

from __future__ import annotations

from conversations.channels.base import ChannelError, Failure, FileThere
from conversations.channels.fetching import fetch
from conversations.channels.slack.settings import SlackSettings

HOSTS = frozenset({"slack.com", "files.slack.com"})


def fetch_file(settings: SlackSettings, token: str, there: FileThere) -> bytes:
    """Raises ChannelError. Whom Slack does not let read gets the page on which people sign in, with 200."""
    found = fetch("Slack", there.address, is_theirs=HOSTS.__contains__, headers={"Authorization": f"Bearer {token}"})
    is_page = found[:200].lstrip().lower().startswith(b"<!doctype html")
    if is_page and not there.name.lower().endswith((".html", ".htm")):
        words = "Slack showed the page to sign in on: give the app the scope files:read, and install it again."
        raise ChannelError(Failure.PERMANENT, words)
    return found
