"""Whether Slack takes the bot token, and what it may: asked, and nothing is posted."""

from __future__ import annotations

from collections.abc import Sequence

from conversations.channels.base import ChannelError, Receipt, SignInRefused
from conversations.channels.provider import Finding
from conversations.channels.slack.sending import SlackAdapter, open_slack
from conversations.channels.slack.settings import SlackSettings

#: More rooms than these are not looked into one by one.
MOST_ROOMS = 10
_READS = frozenset({"channels:history", "groups:history", "im:history", "mpim:history"})
_REINSTALL = "Add it under “OAuth & Permissions”, then “Reinstall to Workspace”."


def missing(settings: SlackSettings, secret: str) -> Sequence[str]:
    """The fields without which nothing is posted."""
    return [] if secret else ["credentials"]


def check_slack(settings: SlackSettings, secret: str) -> Sequence[Finding]:
    """Whose the token is, what it may, and whether the app is in each channel that is named."""
    adapter = open_slack(settings, secret)
    try:
        whose, scopes = adapter.whose()
    except ChannelError as error:
        return [_not_taken(error), *(Finding("no", step, "Not tried.") for step in ("May write", "May read"))]
    said = f"Workspace {whose.get('team', '')} ({whose.get('team_id', '')}), as {whose.get('user', '')}"
    found = [Finding("ok", "Token accepted", said[:200])]
    if not scopes:
        found.append(Finding("warn", "What it may do was not said", "Slack named no permissions.", "Send a test."))
        return found
    if "chat:write" in scopes:
        found.append(Finding("ok", "May write", "chat:write"))
    else:
        found.append(Finding("bad", "May not write", "chat:write is missing.", _REINSTALL))
    if not scopes & _READS:
        what = "What became of a reply whose answer was lost cannot be looked up: a person has to."
        found.append(Finding("warn", "One permission is missing", f"channels:history. {what}", _REINSTALL))
        return found
    return [*found, *_rooms(adapter, settings)]


def places(settings: SlackSettings) -> Sequence[str]:
    """Where a test may go: the channels and people that the settings name."""
    return sorted(settings.listened_to) + sorted(settings.colleagues)


def send_test(settings: SlackSettings, secret: str, place: str, text: str) -> Receipt:
    return open_slack(settings, secret).try_at(place, text)


def _rooms(adapter: SlackAdapter, settings: SlackSettings) -> list[Finding]:
    found = []
    for room in sorted(settings.listened_to)[:MOST_ROOMS]:
        try:
            if adapter.is_in(room):
                found.append(Finding("ok", f"Is in {room}"))
            else:
                found.append(
                    Finding(
                        "warn",
                        f"Is not in {room}",
                        "not_in_channel",
                        "In Slack, /invite the app there, then check again.",
                    )
                )
        except ChannelError as error:
            found.append(Finding("warn", f"{room} could not be looked at", error.response or str(error)))
    return found


def _not_taken(error: ChannelError) -> Finding:
    if isinstance(error, SignInRefused):
        remedy = "It begins with xoxb-, under “OAuth & Permissions”. Enter it again."
        return Finding("bad", "Token not accepted", error.response or str(error), remedy)
    return Finding("bad", "Slack did not answer", f"{error} {error.response}".strip()[:300], "Your entries are kept.")
