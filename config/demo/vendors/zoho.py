"""Zoho Desk, as far as the desk's channel speaks to it: tickets and their threads are read, a draft is laid into one and sent."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from html import escape
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from config.demo.vendors.stand_in import Answer, Channel, Request, Said, StandIn, Talk
from conversations.channels.zoho.events import THREAD, TICKET
from conversations.channels.zoho.facts import HOSTS, JWKS

ORGANISATION, WEBHOOK, TOKEN = "2389290", "903000000000777", "zoho-demo-token"
TEAMMATE = "Hot Rod AN"


@cache
def _key() -> rsa.RSAPrivateKey:
    """What this run's posts are signed with."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Zoho(StandIn):
    key, label, hosts = "zoho", "Zoho Desk", frozenset(host for both in HOSTS.values() for host in both)
    begins = "Write a ticket to the shop"
    customer_prefix = "customer-"

    def __init__(self, channel: Channel, talks: list[Talk]) -> None:
        super().__init__(channel, talks)
        self._drafts: dict[str, tuple[Talk, str]] = {}
        self._leaving = ""  # the draft that is sent keeps its id

    def call(self, asked: Request) -> Answer:
        if asked.path == JWKS:
            return 200, {"keys": [_published()]}, {}
        if asked.path == "/oauth/v2/token":
            return 200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}, {}
        if asked.headers.get("authorization") != f"Zoho-oauthtoken {TOKEN}":
            return 401, {"errorCode": "INVALID_OAUTH", "message": "The OAuth token is invalid."}, {}
        ticket, what, name = [*asked.path.removeprefix("/api/v1/tickets").strip("/").split("/"), "", ""][:3]
        with self.lock:
            if not ticket:
                newest = sorted(self.talks, key=_last_of_the_customer, reverse=True)
                first = int(asked.query.get("from", 1)) - 1
                wanted = newest[first : first + int(asked.query.get("limit", 10))]
                return 200, {"data": [self._ticket(talk) for talk in wanted]}, {}
            talk = self.talk(ticket)
            if talk is None:
                return 404, {"errorCode": "URL_NOT_FOUND", "message": "There is no such ticket."}, {}
            if asked.method == "POST":
                return self._write(talk, what, asked)
            return self._read(talk, what, name)

    def _write(self, talk: Talk, what: str, asked: Request) -> Answer:
        from conversations.channels.email.reading.html_text import html_to_text

        if what == "draftReply":
            name = str(self.moment())
            self._drafts[name] = (talk, html_to_text(str(json.loads(asked.body).get("content") or "")).strip())
            return 200, {"id": name, "ticketId": talk.id, "status": "DRAFT", "direction": "out"}, {}
        name = asked.query.get("draftThreadId", "")
        if what != "sendDraft" or name not in self._drafts:
            return 404, {"errorCode": "URL_NOT_FOUND", "message": "There is no such draft."}, {}
        _, text = self._drafts.pop(name)
        self._leaving = name
        said = self.add(talk, "desk", TEAMMATE, text)
        self._leaving = ""
        return 200, self._thread(talk, said), {}

    def _read(self, talk: Talk, what: str, name: str) -> Answer:
        if not what:
            return 200, self._ticket(talk), {}
        if not name:
            return 200, {"data": [{**self._thread(talk, one), "content": None} for one in reversed(talk.said)]}, {}
        if name in self._drafts:
            return 200, {"id": name, "ticketId": talk.id, "status": "DRAFT", "direction": "out"}, {}
        said = next((one for one in talk.said if one.id == name), None)
        if said is None:
            return 404, {"errorCode": "URL_NOT_FOUND", "message": "There is no such thread."}, {}
        return 200, self._thread(talk, said), {}

    def new_talk(self) -> str:
        return str(self.moment())

    def new_message(self, talk: Talk) -> str:
        return self._leaving or str(self.moment())

    def event(self, talk: Talk, said: Said) -> bytes:
        """It names what happened; its words have to be asked for."""
        payload: dict[str, Any] = {"id": said.id, "ticketId": talk.id, "createdTime": _moment(said.at)}
        if len(talk.said) == 1:
            payload = {"id": talk.id, "firstThread": {"id": said.id, "createdTime": _moment(said.at)}}
        kind = TICKET if len(talk.said) == 1 else THREAD
        return json.dumps([{"eventType": kind, "payload": payload, "orgId": ORGANISATION}]).encode()

    def signed(self, body: bytes) -> Mapping[str, str]:
        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "kid": _published()["kid"]}
        claims = {"iss": f"orgId:{ORGANISATION}", "aud": f"webhookId:{WEBHOOK}", "iat": now, "exp": now + 600}
        signed = ".".join(_coded(json.dumps(part).encode()) for part in (head, claims))
        return {"X-ZDesk-JWT": f"{signed}.{_coded(_key().sign(signed.encode(), PKCS1v15(), SHA256()))}"}

    def _ticket(self, talk: Talk) -> dict[str, Any]:
        last = _last_of_the_customer(talk)
        return {
            "id": talk.id, "ticketNumber": talk.id[-4:], "subject": talk.title, "email": _address(talk),
            "departmentId": "9", "customerResponseTime": _moment(last) if last else None,
        }  # fmt: skip

    def _thread(self, talk: Talk, said: Said) -> dict[str, Any]:
        is_in = said.who == "customer"
        address = _address(talk) if is_in else self.channel.external_id
        who = "END_USER" if is_in else "AGENT"
        return {
            "id": said.id, "ticketId": talk.id, "contentType": "text/html", "direction": "in" if is_in else "out",
            "content": "".join(f"<div>{escape(line) or '<br>'}</div>" for line in said.text.splitlines()),
            "status": "SUCCESS", "visibility": "public", "channel": "EMAIL", "isForward": False, "attachments": [],
            "author": {"id": "1", "name": said.name, "email": address, "type": who},
            "fromEmailAddress": address, "createdTime": _moment(said.at), "isContentTruncated": False,
        }  # fmt: skip


def _published() -> dict[str, str]:
    """The key as RFC 7517 writes it."""
    numbers = _key().public_key().public_numbers()
    n, e = (_coded(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.n, numbers.e))
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": f"demo-{n[:12]}", "n": n, "e": e}


def _coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _address(talk: Talk) -> str:
    return talk.customer if "@" in talk.customer else f"{talk.customer}@customers.example"


def _last_of_the_customer(talk: Talk) -> float:
    return max((one.at for one in talk.said if one.who == "customer"), default=0.0)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
