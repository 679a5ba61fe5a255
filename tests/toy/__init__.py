"""A whole channel in one folder, as small as one can be: messages come in as JSON, replies go into a list.

A new channel begins as a copy of this (docs/architecture.md, "How to add a channel").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conversations.channels.base import ChannelError, Failure, Inbound, Outbound, Party, Receipt
from conversations.channels.provider import Arrival, ChannelSettings, ChannelType, Limits, Provider

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
)
