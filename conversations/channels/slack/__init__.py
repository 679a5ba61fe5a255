"""Slack: messages come by the Events API. Nothing can be sent from here yet."""

from __future__ import annotations

from conversations.channels.provider import ChannelType, Hooks, Limits, Provider, Section
from conversations.channels.slack.events import parse
from conversations.channels.slack.settings import SlackSettings
from conversations.channels.slack.signature import verify

SLACK = Provider(
    key="slack",
    type=ChannelType.SLACK,
    label="Slack",
    icon="hash",
    limits=Limits(text=0),  # nothing can be sent
    settings=SlackSettings,
    threads=True,
    about="Messages of your workspace. Drafts are written; replies are given there, for nothing can be sent from here yet.",
    needs="an app of your own in the workspace, and its signing secret",
    external=("The workspace's id", "Begins with T; it stands in the address of your workspace in a browser."),
    sections=(
        Section(
            "app",
            "Your Slack app",
            "Slack posts what happens to this channel's own address. The secret stands under “Basic Information”.",
            ("incoming_credentials",),
        ),
        Section(
            "where",
            "Where it listens",
            "Only where the app was invited to does Slack say anything at all.",
            ("rooms", "people"),
        ),
    ),
    hooks=Hooks(asks_for="the signing secret", verify=verify, parse=parse),
)
