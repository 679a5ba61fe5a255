"""Slack: messages come by the Events API (`events.py`), replies are posted into their thread (`sending.py`)."""

from __future__ import annotations

from conversations.channels.provider import ChannelType, Hooks, Limits, Provider, Section, Trial
from conversations.channels.slack.checking import check_slack, missing, places, send_test
from conversations.channels.slack.events import parse
from conversations.channels.slack.files import fetch_file
from conversations.channels.slack.sending import MOST_TEXT, open_slack
from conversations.channels.slack.settings import SlackSettings
from conversations.channels.slack.signature import verify

SLACK = Provider(
    key="slack",
    type=ChannelType.SLACK,
    label="Slack",
    icon="hash",
    limits=Limits(text=MOST_TEXT, per_second=1.0, burst=3),
    settings=SlackSettings,
    secrets=("the bot token",),
    fetch_file=fetch_file,
    open=open_slack,
    threads=True,
    form="chat",
    about="Messages of your workspace. Replies are posted into their thread.",
    needs="an app of your own in the workspace, its bot token and its signing secret",
    external=("The workspace's id", "Begins with T; it stands in the address of your workspace in a browser."),
    sections=(
        Section(
            "app",
            "Your Slack app",
            "Slack posts what happens to this channel's own address. The signing secret stands under “Basic "
            "Information”, the bot token, which begins with xoxb-, under “OAuth & Permissions”.",
            ("credentials", "incoming_credentials"),
        ),
        Section(
            "where",
            "Where it listens",
            "Only where the app was invited to does Slack say anything at all.",
            ("rooms", "people"),
        ),
        Section("replies", "Replies", "Always in the thread, of up to 4,000 characters, without files.", ("previews",)),
    ),
    missing=missing,
    check=check_slack,
    hooks=Hooks(asks_for="the signing secret", verify=verify, parse=parse),
    trial=Trial("One message, marked as a test. In a channel its members see it.", places, send_test),
)
