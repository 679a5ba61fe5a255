"""What every stand-in of a vendor has: talks, who says what in them, and posts to the desk that it happened."""

from __future__ import annotations

import sys
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Who = Literal["customer", "colleague", "desk"]
#: JSON with its status and headers.
Answer = tuple[int, Any, dict[str, str]]
COLLEAGUE = "Joel Park"
#: Seconds between the tries to post; then the desk is not told of it, as vendors do it too.
WAITS = (0.3, 1, 3, 10)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """`id` is the vendor's of this message, `mark` the desk's name of the reply that it is."""

    id: str
    who: Who
    name: str
    text: str
    at: float
    mark: str = ""


@dataclass(slots=True)
class Talk:
    """One thread, as the vendor names it. `customer` is the id of whoever began it."""

    id: str
    title: str
    customer: str
    name: str
    said: list[Said] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Channel:
    """What a stand-in knows of the desk's channel: its id at the vendor, its two secrets, and where it is posted to."""

    external_id: str
    secret: str
    incoming_secret: str
    hook: str = ""


class StandIn:
    """`key` stands in addresses, `hosts` are the vendor's own. Everything is in memory; what the desk has of it is read when
    the demo starts."""

    key = ""
    label = ""
    hosts: frozenset[str] = frozenset()
    #: What somebody who begins a talk there is asked for.
    begins = "Say something as a customer"
    #: What the vendor's ids of customers begin with.
    customer_prefix = ""

    def __init__(self, channel: Channel, talks: list[Talk]) -> None:
        self.channel, self.talks, self.lock, self._last = channel, talks, threading.RLock(), 0

    # --- the vendor's API ------------------------------------------------------------------------------------------
    def call(self, asked: Request) -> Answer:
        """Answer one call of the vendor's API."""
        raise NotImplementedError

    # --- people ----------------------------------------------------------------------------------------------------
    def begin(self, name: str, text: str) -> Talk:
        """A customer begins a talk."""
        with self.lock:
            talk = Talk(
                self.new_talk(), text[:80], f"{self.customer_prefix}{zlib.crc32(name.casefold().encode())}", name
            )
            self.talks.append(talk)
            self.add(talk, "customer", name, text)
        return talk

    def say(self, talk: Talk, who: Who, text: str) -> None:
        """The customer, or a colleague of the desk's at the vendor's own page, says something in a talk."""
        with self.lock:
            self.add(talk, who, talk.name if who == "customer" else COLLEAGUE, text)

    def add(self, talk: Talk, who: Who, name: str, text: str, *, mark: str = "") -> Said:
        """Under the lock: it stands there, and the desk is told."""
        said = Said(self.new_message(talk), who, name, text, time.time(), mark)
        talk.said.append(said)
        self.tell(self.event(talk, said))
        return said

    def new_talk(self) -> str:
        raise NotImplementedError

    def new_message(self, talk: Talk) -> str:
        raise NotImplementedError

    def moment(self) -> int:
        """Microseconds since 1970, never twice the same: what ids are made of."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last

    # --- posts -----------------------------------------------------------------------------------------------------
    def signed(self, body: bytes) -> Mapping[str, str]:
        """The headers by which the desk knows whose post it is."""
        return {}

    def event(self, talk: Talk, said: Said) -> bytes:
        """What is posted when something was said; empty where the vendor posts nothing."""
        return b""

    def tell(self, body: bytes) -> None:
        """Post to the desk what happened, in its own time, and a few times if nobody answers."""
        if self.channel.hook and body:
            threading.Thread(target=self._tell, args=(body,), daemon=True).start()

    def _tell(self, body: bytes) -> None:
        for wait in WAITS:
            time.sleep(wait)
            headers = {"Content-Type": "application/json", **self.signed(body)}
            asked = urllib.request.Request(self.channel.hook, body, headers)  # noqa: S310 - the demo's own address
            try:
                with urllib.request.urlopen(asked, timeout=10):  # noqa: S310
                    return
            except OSError as error:
                print(f"{self.label} could not post to the desk: {error}", file=sys.stderr, flush=True)

    def talk(self, key: str) -> Talk | None:
        return next((talk for talk in self.talks if talk.id == key), None)
