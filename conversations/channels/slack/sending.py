"""Slack's Web API: a reply is posted into its thread once, and is looked for there when nobody knows what became of it.

`metadata` names our delivery in the message, so that whoever reads the thread finds it (docs.slack.dev, "Message
metadata").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conversations.channels.base import ChannelError, Failure, Outbound, Receipt, SignInRefused
from conversations.channels.http import Answer, Vendor
from conversations.channels.slack.events import EVENT_TYPE, mark_of
from conversations.channels.slack.settings import SlackSettings

HOST = "slack.com"
#: What Slack advises for one message; what is far over it is cut there without a word.
MOST_TEXT = 4000
#: A thread is read in pages; nothing of ours stands behind so many messages that came after the one it answers.
PAGE, MOST_PAGES = 200, 10
_THREAD = re.compile(r"(?P<room>[A-Z0-9]{2,32}):(?P<ts>[0-9]{1,12}\.[0-9]{1,9})", re.ASCII)

#: Slack's words (docs.slack.dev, "chat.postMessage", errors) by what they mean. What stands in none of these is a
#: refusal.
SIGNED_OUT = frozenset(
    {
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
        "no_permission", "not_allowed_token_type", "org_login_required", "two_factor_setup_required", "team_access_not_granted",
        "ekm_access_denied", "enterprise_is_restricted", "invalid_token",
    }
)  # fmt: skip
NOT_NOW = frozenset(
    {
        "ratelimited", "rate_limited", "message_limit_exceeded", "service_unavailable", "request_timeout",
        "accesslimited", "team_added_to_org",
    }
)  # fmt: skip
NOBODY_KNOWS = frozenset({"internal_error", "fatal_error"})
IN_WORDS = {
    "not_in_channel": "The app is not in this Slack channel: invite it there, then send again.",
    "channel_not_found": "Slack knows no such channel, or the app may not see it.",
    "is_archived": "The Slack channel is archived.",
    "msg_too_long": "Slack takes no message of this length.",
    "thread_not_found": "The thread is not in Slack any more.",
    "restricted_action": "The workspace does not let apps write there.",
}


@dataclass(frozen=True, slots=True)
class SlackAdapter:
    token: str = field(repr=False)
    previews: bool = False

    def problems(self, outbound: Outbound) -> Sequence[str]:
        """Why it cannot be posted. Nobody is called."""
        found = []
        if not _THREAD.fullmatch(outbound.thread_id):
            found.append("The conversation names no thread of Slack, so there is no place to answer in.")
        if outbound.files:
            found.append("Files cannot be sent to Slack from here: put a link into the text instead.")
        if not outbound.body_text.strip():
            found.append("The reply has no text.")
        return found

    def send(self, outbound: Outbound, *, before_handover: Callable[[], None]) -> Receipt:
        """Post it into its thread, once. Raises `ChannelError`."""
        place = _THREAD.fullmatch(outbound.thread_id)
        if place is None or outbound.files:
            raise ChannelError(Failure.PERMANENT, " ".join(self.problems(outbound)))
        message = {"channel": place["room"], "thread_ts": place["ts"], **self._message(outbound.body_text)}
        message["metadata"] = {"event_type": EVENT_TYPE, "event_payload": {"delivery": outbound.message_id}}
        return self._post(message, before_handover)

    def try_at(self, place: str, text: str) -> Receipt:
        """A test, as a message of its own: in a channel, or to a person. Raises `ChannelError`."""
        return self._post({"channel": place, **self._message(text)}, lambda: None)

    def find(self, outbound: Outbound) -> Receipt | None:
        """The reply in its thread, known by our name of it."""
        place = _THREAD.fullmatch(outbound.thread_id)
        if place is None:
            return None
        asked = {"channel": place["room"], "ts": place["ts"], "limit": str(PAGE), "include_all_metadata": "true"}
        if (answers := _THREAD.fullmatch(outbound.answers)) and answers["room"] == place["room"]:
            asked |= {"oldest": answers["ts"]}
        for _ in range(MOST_PAGES):
            said = self._ask("conversations.replies", asked)
            for message in _list(said.get("messages")):
                if message.get("ts") and mark_of(message) == outbound.message_id:
                    where = f"{place['room']}:{message['ts']}"
                    return Receipt(where, f"It stands in the thread in Slack, as {where}.")
            more = said.get("response_metadata")
            cursor = more.get("next_cursor") if isinstance(more, dict) else None
            if not cursor:
                return None
            asked["cursor"] = str(cursor)
        return None

    def whose(self) -> tuple[dict[str, Any], frozenset[str]]:
        """Whom the token is of, and what it may. Raises `ChannelError`."""
        answer = self._vendor.read("/api/auth.test")
        scopes = frozenset(re.findall(r"[a-z_.:]+", answer.headers.get("x-oauth-scopes", "")))
        return self._said(answer), scopes

    def is_in(self, room: str) -> bool:
        """Whether the app may read there, and so is a member. Raises `ChannelError`."""
        said = self._vendor.read("/api/conversations.history", {"channel": room, "limit": "1"}).data()
        if said.get("ok") is True:
            return True
        if said.get("error") in {"not_in_channel", "channel_not_found"}:
            return False
        raise _refusal(said, is_write=False)

    @property
    def _vendor(self) -> Vendor:
        if not self.token:
            raise SignInRefused("No bot token is entered, so nothing can be sent to Slack.")
        return Vendor("Slack", HOST, {"Authorization": f"Bearer {self.token}"})

    def _message(self, text: str) -> dict[str, Any]:
        """The text so that Slack shows it as it was approved: no sign of it calls a person or a whole channel."""
        return {"text": escaped(text), "unfurl_links": self.previews, "unfurl_media": self.previews}

    def _post(self, message: Mapping[str, Any], before_handover: Callable[[], None]) -> Receipt:
        answer = self._vendor.write("POST", "/api/chat.postMessage", message, before_handover=before_handover)
        said = answer.data()
        room, ts = said.get("channel"), said.get("ts")
        if said.get("ok") is True and isinstance(room, str) and isinstance(ts, str) and room and ts:
            return Receipt(f"{room}:{ts}", f"ok, {room}:{ts}")
        if said.get("ok") is False:
            raise _refusal(said, is_write=True)
        detail = "Slack took the message and answered what makes no sense. It may or may not stand there."
        raise ChannelError(Failure.UNCERTAIN, detail)

    def _ask(self, method: str, query: Mapping[str, str]) -> dict[str, Any]:
        return self._said(self._vendor.read(f"/api/{method}", query))

    def _said(self, answer: Answer) -> dict[str, Any]:
        said = answer.data()
        if said.get("ok") is not True:
            raise _refusal(said, is_write=False)
        return said


def open_slack(settings: SlackSettings, secret: str) -> SlackAdapter:
    """The sending half of a channel with its bot token."""
    return SlackAdapter(secret.strip(), settings.previews)


def escaped(text: str) -> str:
    """Slack's three signs (docs.slack.dev, "Formatting message text"): without them `<!channel>` would ring
    everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _list(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _refusal(said: Mapping[str, Any], *, is_write: bool) -> ChannelError:
    """What a "no" of Slack's means (it comes with 200)."""
    code = str(said.get("error") or "no reason")[:100]
    response = " ".join(filter(None, [code, f"needs {said['needed']}"[:200] if said.get("needed") else ""]))
    if code in SIGNED_OUT:
        return SignInRefused("Slack does not take the token, or not for this.", response=response)
    if code in NOT_NOW or (not is_write and code not in IN_WORDS):
        detail = "Slack does not do it now."
        return ChannelError(Failure.TRANSIENT, detail, response=response, channel_fault=True)
    if code in NOBODY_KNOWS:
        detail = "Slack says that it failed on its own side, maybe after a part of it was done."
        return ChannelError(Failure.UNCERTAIN, detail, response=response)
    return ChannelError(
        Failure.PERMANENT, f"{IN_WORDS.get(code, 'Slack refused it.')} Nothing was sent.", response=response
    )
