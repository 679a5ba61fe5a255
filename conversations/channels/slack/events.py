"""What Slack's Events API says happened (docs.slack.dev, "message event"): one event a post.

A message is named by its channel and its `ts`, a thread by its channel and its first message's. `Event.mark` is our delivery
in the message's metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from conversations.channels.base import Author, Event, EventKind, Inbound, Party, handed_out
from conversations.channels.slack.settings import SlackSettings

#: Kinds of messages that somebody wrote; others say that somebody joined, that a topic changed and the like.
WRITTEN = frozenset({"", "file_share", "thread_broadcast", "me_message", "bot_message"})
#: Ours in `metadata` of what we send.
EVENT_TYPE = "countersign_reply"
NOTHING = Event(EventKind.OTHER)
_LINK = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")


def parse(raw: bytes, settings: SlackSettings) -> Sequence[Event]:
    """Raises ValueError, KeyError or TypeError for what is none of Slack's posts."""
    data = json.loads(raw)
    happened = data.get("event") if data.get("type") == "event_callback" else None
    if happened is None or happened.get("type") != "message":
        return [NOTHING]
    room = str(happened["channel"])
    if settings.listened_to and room.upper() not in settings.listened_to:
        return [NOTHING]
    subtype = happened.get("subtype") or ""
    if subtype == "message_deleted":
        return [Event(EventKind.DELETED, provider_id=f"{room}:{happened['deleted_ts']}")]
    if subtype == "message_changed":
        return [_changed(data, happened, room, settings)]
    if subtype not in WRITTEN:
        return [NOTHING]
    return [_written(EventKind.MESSAGE, data, happened, room, settings)]


def _changed(data: Mapping[str, Any], happened: Mapping[str, Any], room: str, settings: SlackSettings) -> Event:
    """Also said when only a preview of a link was added, and when the first message of a thread was deleted."""
    message, before = happened["message"], happened.get("previous_message") or {}
    ts = message.get("ts") or before["ts"]
    if message.get("subtype") == "tombstone":
        return Event(EventKind.DELETED, provider_id=f"{room}:{ts}")
    if (message.get("subtype") or "") not in WRITTEN or message.get("text") == before.get("text"):
        return NOTHING
    return _written(EventKind.EDITED, data, {**message, "ts": ts}, room, settings)


def _written(
    kind: EventKind, data: Mapping[str, Any], message: Mapping[str, Any], room: str, settings: SlackSettings
) -> Event:
    ts, user = str(message["ts"]), str(message.get("user") or message.get("bot_id") or "")
    author = _author(data, message, user, settings)
    if author is None:
        return NOTHING
    text = plain(str(message.get("text") or ""))
    files = [file for file in message.get("files") or () if isinstance(file, dict)]
    names = [str(file.get("name") or file.get("id") or "a file") for file in files]
    # A file that is only linked to, and one that was removed, have no such address.
    there = [str(file.get("url_private_download") or file.get("url_private") or "") for file in files]
    name = f"{room}:{ts}"
    return Event(
        kind,
        provider_id=name,
        author=author,
        inbound=Inbound(
            external_id=name,
            thread_id=f"{room}:{message.get('thread_ts') or ts}",
            sender=Party(user, str((message.get("user_profile") or {}).get("real_name") or "")),
            subject=" ".join(text.split())[:80],
            body_text=text or " ".join(names),
            body_new=text or " ".join(names),
            **handed_out("Slack", list(zip(names, there, strict=True))),
        ),
        mark=mark_of(message),
        at=datetime.fromtimestamp(float(ts), UTC),
    )


def _author(data: Mapping[str, Any], message: Mapping[str, Any], user: str, settings: SlackSettings) -> Author | None:
    """None for another app: it is nobody who waits for an answer."""
    ours = {str(one["user_id"]) for one in data.get("authorizations") or () if one.get("is_bot") and one.get("user_id")}
    apps = {message.get("app_id"), (message.get("bot_profile") or {}).get("app_id")} - {None}
    if user in ours or data.get("api_app_id") in apps:
        return Author.US
    if message.get("bot_id") or not user:
        return None
    return Author.TEAM if user.upper() in settings.colleagues else Author.CUSTOMER


def mark_of(message: Mapping[str, Any]) -> str:
    """The delivery of ours that a message says it is, "" for any other."""
    metadata = message.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
        return ""
    payload = metadata.get("event_payload")
    return str(payload.get("delivery") or "") if isinstance(payload, dict) else ""


def plain(text: str) -> str:
    """Slack's text as people read it: links and names written out, its three escaped signs as they are."""

    def written_out(found: re.Match[str]) -> str:
        target, label = found[1], found[2] or ""
        if target[0] in "@#!":
            sign = "#" if target[0] == "#" else "@"
            return f"{sign}{label.lstrip('@#') or target[1:].split('^')[0]}"
        target = target.removeprefix("mailto:")
        return f"{label} ({target})" if label and label != target else target

    return _LINK.sub(written_out, text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
