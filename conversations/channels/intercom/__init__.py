"""Intercom: its posts are read (`events.py`), replies are given in the name of a teammate (`sending.py`)."""

from __future__ import annotations

from conversations.channels.intercom.checking import check_intercom, missing
from conversations.channels.intercom.events import parse
from conversations.channels.intercom.files import fetch_file
from conversations.channels.intercom.sending import MOST_FILE_BYTES, MOST_FILES, MOST_TEXT, open_intercom
from conversations.channels.intercom.settings import IntercomSettings
from conversations.channels.intercom.signature import verify
from conversations.channels.provider import ChannelType, Hooks, Limits, Provider, Section

INTERCOM = Provider(
    key="intercom",
    type=ChannelType.CHAT,
    label="Intercom",
    icon="chat",
    limits=Limits(text=MOST_TEXT, files=MOST_FILES, file_bytes=MOST_FILE_BYTES, per_second=5.0, burst=10),
    settings=IntercomSettings,
    secrets=("the access token",),
    fetch_file=fetch_file,
    open=open_intercom,
    threads=True,
    form="chat",
    about="Conversations of your Intercom workspace. Replies are given in the name of one of your teammates.",
    needs="an app of your own in the workspace, its access token and its client secret",
    external=("The workspace's id", "Stands in the address of your Intercom inbox, behind /apps/."),
    sections=(
        Section(
            "app",
            "Your Intercom app",
            "Both stand in Intercom's Developer Hub: the access token under “Authentication”, the client secret under "
            "“Basic information”. Intercom signs with it what it posts to this channel's own address.",
            ("region", "credentials", "incoming_credentials"),
        ),
        Section("replies", "Replies", "Short, as in a chat.", ("admin_id",)),
    ),
    connection=("region", "admin_id"),
    missing=missing,
    check=check_intercom,
    hooks=Hooks(asks_for="the client secret", verify=verify, parse=parse),
)
