"""What the desk has to know about a channel's provider: one `Provider`, which lives in the channel's own folder.

`registry.PROVIDERS` lists them, and nothing else in the product names a provider or a type of channel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

from django.db.models import TextChoices
from pydantic import Field

from conversations.channels.base import Event, FileThere, HookRequest, Inbound, Polls, Receipt, Sends, Verified
from conversations.shapes import Shape


class ChannelType(TextChoices):
    """What a channel is to a person, whoever provides it. Another type needs a migration, another provider none."""

    EMAIL = "email"
    CHAT = "chat"
    ZOHO = "zoho"
    SHOPIFY = "shopify"
    SLACK = "slack"


class ChannelSettings(Shape):
    """What an admin sets of every channel; a provider adds its own. Secrets are in `Channel.credentials`.

    `address` is what replies are sent as, if that is not the channel's own id. `sender_per_hour`, `mails_per_hour`: how
    many messages of one sender, and in all, come in within an hour; what is over waits in quarantine.
    """

    address: str = Field(
        default="",
        title="Replies come from",
        description="Empty: from the address or id that customers write to.",
    )
    sender_name: str = Field(
        default="",
        title="Sender name",
        description="Stands before the address in the customer's inbox. Empty: as in the account's settings.",
    )
    signature: str = Field(
        default="",
        max_length=1000,
        title="Signature",
        description="Below every reply. A person's own stands there instead of it below what they wrote themselves.",
        json_schema_extra={"lines": 4, "width": "full"},
    )
    due_minutes: int | None = Field(
        default=None,
        ge=1,
        title="First answer within",
        description="When an answer counts as late in the lists. Empty: as the account has it.",
        json_schema_extra={"unit": "minutes"},
    )
    in_turn: bool = Field(
        default=False,
        title="Give new conversations to people in turn",
        description="Whoever sees this channel and may decide, the longest without one first. Off: whoever comes first.",
    )
    sender_per_hour: int = Field(
        default=30,
        ge=1,
        le=100_000,
        title="From one sender",
        description="What is more within an hour waits in quarantine until somebody looks at it.",
        json_schema_extra={"unit": "an hour"},
    )
    mails_per_hour: int = Field(
        default=600,
        ge=1,
        le=1_000_000,
        title="From everybody together",
        description="What is more within an hour waits in quarantine, so that a flood does not reach the queue.",
        json_schema_extra={"unit": "an hour"},
    )

    @property
    def refuses_unproved(self) -> bool:
        """Whether nothing comes in whose sender was not proved, so that silence about a sender is proof."""
        return False

    def own_addresses(self, external_id: str) -> frozenset[str]:
        """What the channel itself writes as: a message from there is our own."""
        return frozenset({self.address, external_id} - {""})


@dataclass(frozen=True, slots=True)
class Limits:
    """What the provider takes of one reply: characters of text, files, and bytes of all files together; and how many
    replies of one channel a second, `burst` at once. No `per_second`: as many as there are."""

    text: int
    files: int = 0
    file_bytes: int = 0
    per_second: float = 0.0
    burst: int = 1


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

    def reply_to(self, delivery_id: UUID, *, sender: str, settings: Any) -> str:
        """Where the delivery is answered, so that the address names it; "" where answers need none."""
        ...

    def read_reply_to(self, address: str) -> UUID | None:
        """The delivery that is answered at an address. Whoever is read may join its thread."""
        ...

    def plain(self, address: str) -> str:
        """The address without what names a delivery in it."""
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

    def reply_to(self, delivery_id: UUID, *, sender: str, settings: Any) -> str:
        return ""

    def read_reply_to(self, address: str) -> UUID | None:
        return None

    def plain(self, address: str) -> str:
        return address

    def as_named(self, external_id: str) -> str:
        return ""

    def is_worldwide(self, external_id: str) -> bool:
        return False


PLAIN_IDS = PlainIds()
SettingsShape = type[ChannelSettings]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check: what was tried, how it went, the server's own words, and what helps.

    "warn" works and should be looked at; "no" was not tried because something before it failed.
    """

    state: Literal["ok", "bad", "warn", "no"]
    title: str
    said: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Fields of a form that belong together: of the settings by name, of the channel itself, or "credentials"."""

    key: str
    title: str
    text: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preset:
    """What is the same for everybody at one vendor, filled in: `settings` by name."""

    key: str
    label: str
    about: str
    needs: str
    settings: Mapping[str, Any] = field(default_factory=dict)


#: The first and the last section of every channel's form; the provider's own stand between.
ABOUT = Section(
    "about",
    "What it is",
    "How your team and your customers see it.",
    ("name", "external_id", "sender_name", "address", "signature"),
)
PACE = Section(
    "pace",
    "Pace",
    "When an answer is late, and how much may come in before somebody looks.",
    ("due_minutes", "in_turn", "sender_per_hour", "mails_per_hour"),
)


@dataclass(frozen=True, slots=True)
class Incoming:
    """How a provider is asked for messages, where it does not bring them. All get the settings and the secret for it,
    which `asks_for` calls by its words.

    `open` gives the folder that is read, None where the settings name none; `missing`, `check` and `connection` are as
    those of `Provider`, for this half; the first of `connection` is empty where nothing is fetched. `since(settings)` is the day from which older messages are fetched too.
    `as_sent`: it has no secret of its own, and signs in as for sending. `every`: so often at most.
    """

    asks_for: str
    open: Callable[[Any, str], Polls | None]
    missing: Callable[[Any, str], Sequence[str]]
    check: Callable[[Any, str], Sequence[Finding]]
    connection: tuple[str, ...]
    since: Callable[[Any], date | None] = lambda settings: None
    as_sent: bool = False
    every: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Grant:
    """Where a channel's access tokens are asked for, and for which application. `sends`, `fetches`: which half signs in
    with them; the other has a password."""

    token_url: str
    client_id: str
    scope: str = ""
    sends: bool = True
    fetches: bool = True


@dataclass(frozen=True, slots=True)
class Hooks:
    """How a vendor brings what happens: it posts to an address of the channel's own, signed with a secret, which `asks_for`
    calls by its words.

    `verify(request, secrets)` says whose post it is from its bytes alone, with each secret that stands (after a change the
    older one for a while), and raises `Refused`. `parse(raw, settings)` reads it afterwards, in a worker: what it raises keeps
    the event for a person.

    Where posts are signed with keys of the vendor's own, nobody enters a secret (`asks_for` is ""): `signed_by(settings)` says
    in its stead whose signatures are right, and `verify` raises `ChannelError` while it cannot know. Where a post only says that
    something happened, `ask(raw, settings, secret)` reads it instead of `parse`: it calls the vendor, with what is sent with.
    """

    asks_for: str
    verify: Callable[[HookRequest, Sequence[str]], Verified]
    parse: Callable[[bytes, Any], Sequence[Event]]
    max_bytes: int = 1 << 20
    signed_by: Callable[[Any], Sequence[str]] | None = None
    ask: Callable[[bytes, Any, str], Sequence[Event]] | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """How a test is sent where no mail is: to one of the places that the settings name, and to nobody else.

    `help` says in words who sees it. `send(settings, secret, place, text)` raises `ChannelError`.
    """

    help: str
    places: Callable[[Any], Sequence[str]]
    send: Callable[[Any, str, str, str], Receipt]


@dataclass(frozen=True, slots=True)
class Provider:
    """One way in and out. `settings` and `secrets` (what is secret, in words) are what an admin fills in.

    `open(settings, secret)` gives the sending half; None: messages come in and drafts are written, and people are told
    before they decide that nothing can be sent. `read(arrival, settings)` turns bytes into a message; None: messages come
    by the internal API alone. `threads`: the provider groups messages by a thread id of its own, which a reply has to
    name. `by_address`: messages are routed to the channel by its mail address, which one account alone may claim.

    For the page on which an admin sets it up: `about` and `needs` are one line each, `external` is what its address or id
    is called there, with its help; `sections` group the settings, `presets` fill them in. `missing(settings, secret)` names
    the fields without which it cannot send. `check(settings, secret)` tries the connection and sends nothing; a provider
    that has one is switched on only when it passed, and again when one of the settings in `connection`, or the secret,
    was changed. `incoming`: how messages are fetched, if an admin says from where. `hooks`: how the vendor brings them.
    `public`: everybody can read what is sent, so a person presses twice, and nothing goes without one.
    `trial`: how a test is sent that is no mail. `form`: a chat has no salutation and nobody signs below it.
    `fetch_file(settings, secret, there)`: the bytes of a file that a message left at the vendor; raises `ChannelError`.
    `grant(settings)`: how its tokens are renewed, None where it signs in with what was entered.
    """

    key: str
    type: ChannelType
    label: str
    icon: str
    limits: Limits
    settings: SettingsShape = ChannelSettings
    secrets: tuple[str, ...] = ()
    fetch_file: Callable[[Any, str, FileThere], bytes] | None = None
    open: Callable[[Any, str], Sends] | None = None
    read: Callable[[Arrival, Any], Inbound] | None = None
    ids: Ids = PLAIN_IDS
    threads: bool = False
    by_address: bool = False
    about: str = ""
    needs: str = ""
    external: tuple[str, str] = ("Address or id", "As the provider knows it. Messages are filed here by it.")
    sections: tuple[Section, ...] = ()
    presets: tuple[Preset, ...] = ()
    connection: tuple[str, ...] = ()
    missing: Callable[[Any, str], Sequence[str]] | None = None
    check: Callable[[Any, str], Sequence[Finding]] | None = None
    incoming: Incoming | None = None
    grant: Callable[[Any], Grant | None] | None = None
    hooks: Hooks | None = None
    public: bool = False
    trial: Trial | None = None
    form: Literal["letter", "chat"] = "letter"
