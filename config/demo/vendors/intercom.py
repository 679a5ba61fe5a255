"""Intercom, as far as the desk's channel speaks to it: a reply is given, conversations are read, and each part is told of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from config.demo.vendors.stand_in import Answer, Request, Said, StandIn, Talk
from conversations.channels.intercom.events import text_of
from conversations.channels.intercom.sending import as_html
from conversations.channels.intercom.settings import HOSTS
from conversations.channels.intercom.signature import sign

#: The teammate in whose name the desk answers, and one who answers in Intercom itself.
ADMIN, COLLEAGUE = "4711", "4712"
TEAMMATE = "Hot Rod AN"


class Intercom(StandIn):
    key, label, hosts = "intercom", "Intercom", frozenset(HOSTS.values())
    begins = "Open a chat as a visitor of the shop"

    def call(self, asked: Request) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {self.channel.secret}":
            return 401, {"type": "error.list", "errors": [{"code": "unauthorized"}]}, {}
        kind, number, act = [*asked.path.strip("/").split("/"), "", ""][:3]
        if kind == "me":
            app = {"type": "app", "id_code": self.channel.external_id, "name": TEAMMATE, "region": "US"}
            return 200, {"type": "admin", "id": ADMIN, "app": app}, {}
        if kind == "admins" and number == ADMIN:
            return 200, {"type": "admin", "id": ADMIN, "name": TEAMMATE}, {}
        talk = self.talk(number) if kind == "conversations" else None
        if talk is None:
            return 404, {"type": "error.list", "errors": [{"code": "not_found"}]}, {}
        with self.lock:
            if act != "reply":
                return 200, self._conversation(talk, talk.said), {}
            given = json.loads(asked.body)
            said = self.add(talk, "desk", TEAMMATE, text_of({"body": given.get("body")})[0].strip())
            return 200, self._conversation(talk, [said]), {}

    def new_talk(self) -> str:
        return str(self.moment())

    def new_message(self, talk: Talk) -> str:
        return f"{talk.id}:{self.moment()}" if talk.said else f"{talk.id}:source"

    def event(self, talk: Talk, said: Said) -> bytes:
        first = said.id.endswith(":source")
        topic = "user.created" if first else "user.replied" if said.who == "customer" else "admin.replied"
        happened = {
            "type": "notification_event", "app_id": self.channel.external_id, "id": f"notif_{self.moment()}",
            "topic": f"conversation.{topic}",
            "data": {"type": "notification_event_data", "item": self._conversation(talk, [] if first else [said])},
        }  # fmt: skip
        return json.dumps(happened).encode()

    def signed(self, body: bytes) -> Mapping[str, str]:
        return {"X-Hub-Signature": sign(self.channel.incoming_secret, body)}

    def _conversation(self, talk: Talk, said: list[Said]) -> dict[str, Any]:
        parts = [self._part(talk, one) for one in said if not one.id.endswith(":source")]
        return {
            "type": "conversation", "id": talk.id, "created_at": int(talk.said[0].at),
            "source": {"type": "conversation", "subject": "", **self._part(talk, talk.said[0])},
            "conversation_parts": {"type": "conversation_part.list", "conversation_parts": parts, "total_count": len(parts)},
        }  # fmt: skip

    def _part(self, talk: Talk, said: Said) -> dict[str, Any]:
        by = {"customer": talk.customer, "desk": ADMIN, "colleague": COLLEAGUE}[said.who]
        kind = "user" if said.who == "customer" else "admin"
        return {
            "type": "conversation_part", "id": said.id.rpartition(":")[2], "part_type": "comment",
            "body": as_html(said.text), "created_at": int(said.at), "attachments": [],
            "author": {"type": kind, "id": by, "name": said.name},
        }  # fmt: skip
