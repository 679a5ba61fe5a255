"""Zoho Desk, as far as its description tells: tickets with threads and comments, drafts that can be sent once, and
posts that are signed with a key of its own."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.contracts import openapi
from tests.servers.vendor import Asked, Said, VendorServer

SPEC = json.loads((Path(__file__).parent.parent / "contracts" / "zoho_desk.json").read_text())
TOKEN, ORGANISATION, WEBHOOK = "1000.token.of.tests", "2389290", "903000000000777"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(key: rsa.RSAPrivateKey, name: str) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    n, e = (_coded(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.n, numbers.e))
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, "n": n, "e": e}


def token(
    *, key: rsa.RSAPrivateKey = KEY, kid: str = "k-1", header: dict[str, Any] | None = None, **claims: Any
) -> str:
    """What stands in X-ZDesk-JWT. A claim that is None is left out."""
    now = int(time.time())
    said = {"iss": f"orgId:{ORGANISATION}", "aud": f"webhookId:{WEBHOOK}", "iat": now, "exp": now + 600, **claims}
    parts = [
        {"alg": "RS256", "typ": "JWT", "kid": kid, **(header or {})},
        {k: v for k, v in said.items() if v is not None},
    ]
    signed = ".".join(_coded(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_coded(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


class Zoho(VendorServer):
    """`sent` are the replies that left for the customer: (thread, content). `sends_as` is what a thread's status is
    then."""

    def __init__(self) -> None:
        self.tickets: dict[str, dict[str, Any]] = {}
        self.threads: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, dict[str, Any]] = {}
        self.keys = [jwk(KEY, "k-1")]
        self.sent: list[tuple[str, str]] = []
        self.sends_as = "SUCCESS"
        self._ids = count(319397)
        super().__init__()

    def check(self, asked: Asked) -> list[str]:
        return openapi.problems(SPEC, asked.method, asked.path, asked.query, asked.headers, asked.body)

    # --- what people do there
    def ticket(self, **changes: Any) -> str:
        name = self._id()
        said = {
            "id": name,
            "ticketNumber": name[-4:],
            "subject": "Hose for E85",
            "email": "kim@customer.test",
            "departmentId": "9",
            "customerResponseTime": None,
        }
        self.tickets[name] = {**said, **changes}
        return name

    def thread(self, ticket: str, content: str = "<div>Does PTFE hose work with E85?</div>", **changes: Any) -> str:
        name = self._id()
        who = {"id": "77", "name": "Kim Tran", "email": "kim@customer.test", "type": "END_USER"}
        self.threads[name] = {
            "id": name, "ticketId": ticket, "content": content, "contentType": "text/html", "direction": "in",
            "status": "SUCCESS", "visibility": "public", "channel": "EMAIL", "author": who, "isForward": False,
            "fromEmailAddress": "Kim Tran <kim@customer.test>", "to": "support@acme.test", "createdTime": _moment(),
            "isContentTruncated": False, "attachments": [], **changes,
        }  # fmt: skip
        if self.threads[name]["direction"] == "in":
            self.tickets[ticket]["customerResponseTime"] = self.threads[name]["createdTime"]
        return name

    def answers(self, ticket: str, content: str = "<div>Yes, it does.</div>", **changes: Any) -> str:
        """A colleague's own reply, typed there."""
        who = {"id": "5", "name": "Lou Agent", "email": "lou@acme.test", "type": "AGENT"}
        own = {"direction": "out", "author": who, "fromEmailAddress": "support@acme.test", "to": "kim@customer.test"}
        return self.thread(ticket, content, **{**own, **changes})

    def post(self, kind: str, thing: dict[str, Any], **changes: Any) -> bytes:
        """The body of a post; it has a summary and not the words."""
        payload = {name: value for name, value in thing.items() if name != "content"}
        return json.dumps(
            [{"eventType": kind, "payload": payload, "orgId": ORGANISATION, "eventTime": "1", **changes}]
        ).encode()

    # --- its API
    def answer(self, asked: Asked) -> Said:
        if asked.path == "/.well-known/jwks.json":
            return 200, {"keys": self.keys}
        if asked.headers.get("authorization") != f"Zoho-oauthtoken {TOKEN}":
            return 401, {"errorCode": "INVALID_OAUTH", "message": "The OAuth token is invalid."}
        if asked.headers.get("orgid") != ORGANISATION:
            return 403, {"errorCode": "OAUTH_ORG_MISMATCH"}
        found = re.fullmatch(r"/api/v1/tickets(?:/(\d+)(?:/(\w+)(?:/(\d+)(/fullContent)?)?)?)?", asked.path)
        if found is None:
            return 404, {"errorCode": "URL_NOT_FOUND"}
        ticket, what, name, whole = found.groups()
        if ticket is None:
            found = list(self.tickets.values())
            if asked.query.get("sortBy") == "-customerResponseTime":
                found.sort(key=lambda one: str(one["customerResponseTime"] or ""), reverse=True)
            first = int(asked.query.get("from", 1)) - 1
            return 200, {"data": found[first : first + int(asked.query.get("limit", 10))]}
        if ticket not in self.tickets:
            return 404, {"errorCode": "URL_NOT_FOUND"}
        if asked.method == "POST":
            return (
                self._draft(ticket, asked.data()) if what == "draftReply" else self._send(asked.query["draftThreadId"])
            )
        if what is None:
            return 200, self.tickets[ticket]
        things = self.comments if what == "comments" else self.threads
        if name is None:
            mine = [one for one in things.values() if one["ticketId"] == ticket]
            return 200, {"data": [{**one, "content": None, "summary": "..."} for one in reversed(mine)]}
        thing = things.get(name)
        if thing is None:
            return 404, {"errorCode": "URL_NOT_FOUND"}
        return 200, self._cut(thing) if thing.get("isContentTruncated") and not whole else thing

    def _cut(self, thing: dict[str, Any]) -> dict[str, Any]:
        return {**thing, "content": str(thing["content"])[:20]}

    def _draft(self, ticket: str, data: dict[str, Any]) -> Said:
        who = {"id": "1", "name": "Countersign", "email": "desk@acme.test", "type": "AGENT"}
        own = {"direction": "out", "status": "DRAFT", "author": who, "fromEmailAddress": data["fromEmailAddress"]}
        return 200, self.threads[self.thread(ticket, data["content"], **own, to=data.get("to"))]

    def _send(self, name: str) -> Said:
        thread = self.threads.get(name)
        if thread is None or thread["status"] != "DRAFT":
            return 422, {"errorCode": "UNPROCESSABLE_ENTITY", "message": "The thread is no draft."}
        thread["status"] = self.sends_as
        self.sent.append((name, thread["content"]))
        return 200, thread

    def _id(self) -> str:
        return f"903000000{next(self._ids):06d}"


def _moment() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


@contextmanager
def running() -> Iterator[Zoho]:
    server = Zoho()
    try:
        yield server
    finally:
        server.close()
