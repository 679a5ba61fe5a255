"""Slack, as far as the desk's channel speaks to it: a message is posted, threads are read, and each message is an event."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from config.demo.vendors.stand_in import Answer, Request, Said, StandIn, Talk
from conversations.channels.slack.events import EVENT_TYPE, plain
from conversations.channels.slack.sending import escaped
from conversations.channels.slack.signature import sign

ROOM = "C0DEALERS"
APP, BOT, COLLEAGUE = "A0COUNTERSIGN", "U0DESK", "U0JOEL"
MAY = "chat:write,channels:history"


class Slack(StandIn):
    key, label, hosts = "slack", "Slack", frozenset({"slack.com"})
    begins = "Write into #dealers as a dealer"
    customer_prefix = "U"

    def call(self, asked: Request) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {self.channel.secret}":
            return 200, {"ok": False, "error": "invalid_auth"}, {}
        given = {**asked.query, **(json.loads(asked.body) if asked.body else {})}
        method = asked.path.removeprefix("/api/")
        headers = {"X-OAuth-Scopes": MAY}
        if method == "auth.test":
            whose = {
                "team": "Hot Rod AN dealers",
                "team_id": self.channel.external_id,
                "user": "countersign",
                "user_id": BOT,
            }
            return 200, {"ok": True, **whose}, headers
        if given.get("channel") != ROOM:
            return 200, {"ok": False, "error": "not_in_channel"}, headers
        with self.lock:
            return 200, self._done(method, given), headers

    def _done(self, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
        if method == "chat.postMessage":
            return self._posted(given)
        if method == "conversations.replies":
            talk = self.talk(f"{ROOM}:{given.get('ts')}")
            if talk is None:
                return {"ok": False, "error": "thread_not_found"}
            return {"ok": True, "messages": [self._message(talk, one) for one in talk.said], "has_more": False}
        if method == "conversations.history":
            firsts = [self._message(talk, talk.said[0]) for talk in self.talks if talk.said]
            return {"ok": True, "messages": firsts[-int(given.get("limit", 100)) :], "has_more": False}
        return {"ok": False, "error": "unknown_method"}

    def _posted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        mark = ((given.get("metadata") or {}).get("event_payload") or {}).get("delivery", "")
        text, thread = plain(str(given.get("text", ""))), given.get("thread_ts")
        talk = self.talk(f"{ROOM}:{thread}") if thread else None
        if thread and talk is None:
            return {"ok": False, "error": "thread_not_found"}
        if talk is None:  # a test: a message of its own
            talk = Talk(self.new_talk(), text[:80], BOT, "Countersign")
            self.talks.append(talk)
        said = self.add(talk, "desk", "Countersign", text, mark=str(mark))
        return {"ok": True, "channel": ROOM, "ts": said.id.partition(":")[2], "message": self._message(talk, said)}

    def new_talk(self) -> str:
        """A thread goes by its first message: its channel and its `ts`, which is unique there."""
        moment = self.moment()
        return f"{ROOM}:{moment // 10**6}.{moment % 10**6:06d}"

    def new_message(self, talk: Talk) -> str:
        return self.new_talk() if talk.said else talk.id

    def _message(self, talk: Talk, said: Said) -> dict[str, Any]:
        user = {"customer": talk.customer, "colleague": COLLEAGUE, "desk": BOT}[said.who]
        message = {
            "type": "message", "channel": ROOM, "user": user, "text": escaped(said.text), "ts": said.id.partition(":")[2],
            "thread_ts": talk.id.partition(":")[2], "user_profile": {"real_name": said.name},
        }  # fmt: skip
        if said.who == "desk":
            message |= {"bot_id": "B0DESK", "app_id": APP}
        if said.mark:
            message["metadata"] = {"event_type": EVENT_TYPE, "event_payload": {"delivery": said.mark}}
        return message

    def event(self, talk: Talk, said: Said) -> bytes:
        happened = {
            "type": "event_callback", "team_id": self.channel.external_id, "api_app_id": APP,
            "event_id": f"Ev{said.id.replace(':', '').replace('.', '')}", "event_time": int(said.at),
            "authorizations": [{"team_id": self.channel.external_id, "user_id": BOT, "is_bot": True}],
            "event": self._message(talk, said),
        }  # fmt: skip
        return json.dumps(happened).encode()

    def signed(self, body: bytes) -> Mapping[str, str]:
        moment = str(int(time.time()))
        signature = sign(self.channel.incoming_secret, moment, body)
        return {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": signature}
