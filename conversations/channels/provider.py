"""What the desk has to know about a channel's provider: one `Provider`, which lives in the channel's own folder.

`registry.PROVIDERS` lists them, and nothing else in the product names a provider or a type of channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.db.models import TextChoices
from pydantic import Field

from conversations.channels.base import Inbound, Sends
from conversations.shapes import Shape


class ChannelType(TextChoices):
    """What a channel is to a person, whoever provides it. Another type needs a migration, another provider none."""

    EMAIL = "email"
    CHAT = "chat"
    SHOPIFY = "shopify"
    SLACK = "slack"


class ChannelSettings(Shape):
    """What an admin sets of every channel; a provider adds its own. Secrets are in `Channel.credentials`.

    `address` is what replies are sent as, if that is not the channel's own id. `sender_per_hour`, `mails_per_hour`: how
    many messages of one sender, and in all, come in within an hour; what is over waits in quarantine.
    """

    address: str = ""
    sender_name: str = ""
    due_minutes: int | None = Field(default=None, ge=1)
    sender_per_hour: int = Field(default=30, ge=1, le=100_000)
    mails_per_hour: int = Field(default=600, ge=1, le=1_000_000)

    @property
    def refuses_unproved(self) -> bool:
        """Whether nothing comes in whose sender was not proved, so that silence about a sender is proof."""
        return False

    def own_addresses(self, external_id: str) -> frozenset[str]:
        """What the channel itself writes as: a message from there is our own."""
        return frozenset({self.address, external_id} - {""})


@dataclass(frozen=True, slots=True)
class Limits:
    """What the provider takes of one reply: characters of text, files, and bytes of all files together."""

    text: int
    files: int = 0
    file_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it arrived, with what is known beside its bytes: where it was delivered to, and what we write as."""

    raw: bytes
    recipient: str = ""
    own_addresses: frozenset[str] = frozenset()


class Ids(Protocol):
    """How deliveries are named on a channel, so that what answers them, or bounces, finds its way back."""

    def make(self, delivery_id: UUID) -> str:
        """The delivery's name: always the same for the same delivery."""
        ...

    def read(self, written: str) -> UUID | None:
        """The delivery that a name belongs to; None for what we did not make. Whoever is read may join its thread."""
        ...

    def return_path(self, delivery_id: UUID, *, sender: str, settings: Any) -> str:
        """Where the provider returns what it could not deliver; "" where nothing is returned."""
        ...

    def read_return_path(self, address: str) -> UUID | None:
        """The delivery whose return path an address is."""
        ...

    def as_named(self, external_id: str) -> str:
        """A message's id as a reply names what it answers; "" where a reply cannot name it."""
        ...

    def is_worldwide(self, external_id: str) -> bool:
        """Whether the same id on another channel of this type is the same message."""
        ...


class PlainIds:
    """For providers with threads of their own: their thread id joins, no name of ours does."""

    def make(self, delivery_id: UUID) -> str:
        return str(delivery_id)

    def read(self, written: str) -> UUID | None:
        return None

    def return_path(self, delivery_id: UUID, *, sender: str, settings: Any) -> str:
        return ""

    def read_return_path(self, address: str) -> UUID | None:
        return None

    def as_named(self, external_id: str) -> str:
        return ""

    def is_worldwide(self, external_id: str) -> bool:
        return False


PLAIN_IDS = PlainIds()
SettingsShape = type[ChannelSettings]


@dataclass(frozen=True, slots=True)
class Provider:
    """One way in and out. `settings` and `secrets` (what is secret, in words) are what an admin fills in.

    `open(settings, secret)` gives the sending half; None: messages come in and drafts are written, and people are told
    before they decide that nothing can be sent. `read(arrival, settings)` turns bytes into a message; None: messages come
    by the internal API alone. `threads`: the provider groups messages by a thread id of its own, which a reply has to
    name. `by_address`: messages are routed to the channel by its mail address, which one account alone may claim.
    """

    key: str
    type: ChannelType
    label: str
    icon: str
    limits: Limits
    settings: SettingsShape = ChannelSettings
    secrets: tuple[str, ...] = ()
    open: Callable[[Any, str], Sends] | None = None
    read: Callable[[Arrival, Any], Inbound] | None = None
    ids: Ids = PLAIN_IDS
    threads: bool = False
    by_address: bool = False
