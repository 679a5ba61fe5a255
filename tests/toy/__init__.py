"""A whole channel in one folder, as small as one can be: messages come in as JSON, replies go into a list.

A new channel begins as a copy of this (docs/architecture.md, "How to add a channel").
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from conversations.channels.base import (
    Author,
    ChannelError,
    Event,
    EventKind,
    Failure,
    HookRequest,
    Inbound,
    Outbound,
    Party,
    Receipt,
    Refused,
    Verified,
)
from conversations.channels.provider import Arrival, ChannelSettings, ChannelType, Hooks, Limits, Provider

#: What arrived at the vendor: (room, text, thread, message that is answered).
SENT: list[tuple[str, str, str, str]] = []


class ToySettings(ChannelSettings):
    room: str = ""


@dataclass(frozen=True, slots=True)
class ToyAdapter:
    room: str
    token: str

    def problems(self, outbound: Outbound) -> Sequence[str]:
        return ["The toy does not shout."] if outbound.body_text.isupper() else []

    def send(self, outbound: Outbound, *, before_handover: Callable[[], None]) -> Receipt:
        if self.token != "sesame":
            raise ChannelError(Failure.TRANSIENT, "The toy does not know this token. Nothing was sent.")
        before_handover()
        SENT.append((self.room, outbound.body_text, outbound.thread_id, outbound.answers))
        return Receipt(provider_id=f"toy-{len(SENT)}", response="thanks")


def read(arrival: Arrival, settings: ToySettings) -> Inbound:
    data = json.loads(arrival.raw)
    return Inbound(
        external_id=data["id"],
        thread_id=data["thread"],
        sender=Party(data["from"], data["name"]),
        subject=data["text"][:60],
        body_text=data["text"],
        body_new=data["text"],
    )


def signed(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """The headers that the toy's vendor sends with a body."""
    moment = str(int(at.timestamp()))
    return {"Toy-Time": moment, "Toy-Signature": _signature(secret, moment, body)}


def _signature(secret: str, moment: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def verify(request: HookRequest, secrets: Sequence[str]) -> Verified:
    moment, given = request.headers.get("toy-time", ""), request.headers.get("toy-signature", "")
    right = [_signature(secret, moment, request.body) for secret in secrets]
    if not any(hmac.compare_digest(one.encode(), given.encode()) for one in right):
        raise Refused
    if abs(request.received_at.timestamp() - int(moment)) > timedelta(minutes=5).total_seconds():
        raise Refused
    data = json.loads(request.body)
    if data.get("type") == "challenge":
        return Verified("", answer=data["challenge"])
    return Verified(data["event"])


def parse(raw: bytes, settings: ToySettings) -> Sequence[Event]:
    data = json.loads(raw)
    return [_event(one) for one in data.get("all") or [data]]


def _event(data: dict[str, Any]) -> Event:
    kind = EventKind(data["type"])
    text = data.get("text")
    inbound = None
    if text is not None:
        inbound = Inbound(
            external_id=data["id"],
            thread_id=data["thread"],
            sender=Party(data["from"], data.get("name", "")),
            subject=text[:60],
            body_text=text,
            body_new=text,
        )
    return Event(
        kind,
        provider_id=data["id"],
        author=Author(data.get("by", "customer")),
        inbound=inbound,
        mark=data.get("mark", ""),
        at=datetime.fromisoformat(data["at"]) if data.get("at") else None,
    )


TOY = Provider(
    key="toy",
    type=ChannelType.CHAT,
    label="Toy",
    icon="hash",
    limits=Limits(text=2000),
    settings=ToySettings,
    secrets=("the toy's token",),
    open=lambda settings, secret: ToyAdapter(settings.room, secret),
    read=read,
    threads=True,
    hooks=Hooks(asks_for="the toy's signing secret", verify=verify, parse=parse),
)
