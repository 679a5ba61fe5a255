"""What a channel adapter takes and gives: plain data, no models, no database.

An adapter turns a provider's bytes into `Inbound` and an `Outbound` into a provider's call. Everything that decides
(deduplication, threading, retries, holds) lives in `conversations.messages.inbox` and `conversations.messages.outbox`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Party:
    """A mailbox or chat identity: `address` as the provider names it, `name` as shown to people (may be empty)."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class FileThere:
    """A file that stands at the vendor, and is fetched from this address once its message is recorded."""

    name: str
    address: str = field(repr=False)


def handed_out(vendor: str, files: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Of an `Inbound`: what can be fetched of these files, by name and address, and in words what has no address."""
    missing = [name for name, address in files if not address]
    return {
        "there": tuple(FileThere(*one) for one in files if one[1]),
        "problems": (f"Files that {vendor} does not hand out: {', '.join(missing)}.",) if missing else (),
    }


@dataclass(frozen=True, slots=True)
class File:
    """One attachment. `content_id` is set for parts that the HTML body refers to by `cid:`."""

    file_name: str
    mime_type: str
    content: bytes
    content_id: str = ""
    inline: bool = False


class Automatic(enum.StrEnum):
    """Why no person wrote this message, so nobody should be drafted an answer (RFC 3834, RFC 3464)."""

    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    BULK = "bulk"
    OWN = "own"
    HISTORY = "history"  # it was there before the channel was: nobody waits for an answer to it here


@dataclass(frozen=True, slots=True)
class Authentication:
    """What a trusted mail server found about the sender (RFC 8601): `verdict` is "pass" when the domain in From vouches for
    the mail, "fail" when it was looked at and does not, "none" when nothing was decided. The rest is as the server said."""

    verdict: str
    server: str = ""
    spf: str = ""
    dkim: str = ""
    dmarc: str = ""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message as a provider delivered it, decoded and bounded, nothing dropped.

    `body_text` is the whole text; `body_new` is what the sender wrote this time (quoted history and signature cut), a
    view on it. `body_html` is unsanitised. `references` are the message ids it answers, nearest first. `problems` says
    in words what could not be decoded; the raw bytes are kept by the caller. `answer_to` are all parties of Reply-To
    (RFC 5322 section 3.6.2), `recipient` is the address that the mail was delivered to, where the channel knows it. `forwarded` is who
    wrote the mail that this one passes on, as it says there: nobody vouches for it. `customer` is whom a machine sent it for.
    """

    external_id: str
    sender: Party
    body_text: str
    body_new: str
    subject: str = ""
    body_html: str = ""
    thread_id: str = ""
    reply_to: Party | None = None
    answer_to: tuple[Party, ...] = ()
    forwarded: Party | None = None
    customer: Party | None = None
    recipient: str = ""
    authentication: Authentication | None = None
    to: tuple[Party, ...] = ()
    cc: tuple[Party, ...] = ()
    sent_at: datetime | None = None
    references: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    there: tuple[FileThere, ...] = ()
    automatic: Automatic | None = None
    automatic_reason: str = ""
    bounced_message_id: str = ""
    bounced_addresses: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outbound:
    """One approved reply, frozen at approval. `message_id` is deterministic: it is also the idempotency key.

    `bcc` get it, and nobody reads of them in it. `return_path` is where bounces go, `reply_to` where answers go ("": to the sender); `automatic` says that no person approved it. `thread_id` and
    `answers` are the provider's own ids of the thread and of the message that is answered, where it has threads. `begun` is the
    provider's own id of this very reply, from an earlier try.
    """

    message_id: str
    sender: Party
    to: tuple[Party, ...]
    subject: str
    body_text: str
    body_html: str = ""
    cc: tuple[Party, ...] = ()
    bcc: tuple[Party, ...] = ()
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    return_path: str = ""
    reply_to: str = ""
    automatic: bool = False
    thread_id: str = ""
    answers: str = ""
    begun: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider answered when it took the message over; `provider_id` is its own id of the message. `is_pending`: it has
    it and has not sent it yet."""

    provider_id: str = ""
    response: str = ""
    is_pending: bool = False


class Failure(enum.StrEnum):
    """How sure we are that a failed send did not happen, which decides what may be done next."""

    PERMANENT = "permanent"  # refused for good: never retried by itself
    TRANSIENT = "transient"  # provably not taken: safe to send again
    UNCERTAIN = "uncertain"  # may or may not have been taken: a person decides


class ChannelError(Exception):
    """The provider did not confirm the message; `failure` says what is known.

    `channel_fault`: the channel itself did not work (nobody answers, the sign-in is refused, too many calls), whatever the
    message: nothing else is handed to it for a while, and the message loses no try. `retry_at` is when the provider wants
    to be asked again, where it says so. Only what was provably not taken can be the channel's fault.
    """

    def __init__(
        self,
        failure: Failure,
        detail: str,
        *,
        response: str = "",
        channel_fault: bool = False,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(detail)
        self.failure = failure
        self.response = response[:500]
        self.channel_fault = channel_fault and failure == Failure.TRANSIENT
        self.retry_at = retry_at


class SignInRefused(ChannelError):
    """The provider did not take the user and the secret, or the token. Nothing was handed over."""

    def __init__(self, detail: str, *, response: str = "") -> None:
        super().__init__(Failure.TRANSIENT, detail, response=response, channel_fault=True)


@dataclass(frozen=True, slots=True)
class Raw:
    """One message as a folder holds it: its number there, its bytes, and when the server received it."""

    number: int
    content: bytes
    at: datetime | None = None


class Folder(Protocol):
    """A place where messages lie in the order of their numbers, open for reading; nothing in it is changed.

    `generation`: with another one the numbers mean other messages. `newest` is the highest number that was given so far.
    Each call raises `ChannelError` when the provider does not answer.
    """

    generation: int
    newest: int

    def after(self, number: int) -> list[int]: ...

    def since(self, day: date) -> list[int]: ...

    def sizes(self, numbers: Sequence[int]) -> dict[int, int]: ...

    def read(self, numbers: Sequence[int]) -> list[Raw]: ...

    def heads(self, numbers: Sequence[int]) -> list[Raw]: ...


@runtime_checkable
class Rings(Protocol):
    """A folder that can be waited at until something comes into it."""

    newest: int

    def wait(self, seconds: float, *, should_stop: Callable[[], bool]) -> bool:
        """Whether the provider said within `seconds` that something changed. Raises `ChannelError`."""
        ...


@runtime_checkable
class Marks(Protocol):
    """A folder in which what was kept can be marked as read, if the channel wants that."""

    marks: bool

    def mark(self, numbers: Sequence[int]) -> None:
        """Mark these as read. Raises `ChannelError`."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A channel that can be asked for what was sent by it."""

    def find(self, message_id: str) -> str:
        """Where a message of that id stands among what was sent, in words; "" if it does not. Raises `ChannelError`."""
        ...


@dataclass(frozen=True, slots=True)
class HookRequest:
    """What a vendor posted, byte for byte as it signed it. Names of headers are in small letters."""

    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Verified:
    """A vendor's own post. `key` is its id of the event, "" for one that only wants the answer (a challenge, a ping)."""

    key: str
    answer: str = ""


class Refused(Exception):
    """Not the vendor's: the signature is wrong or too old, or there is none."""


class EventKind(enum.StrEnum):
    MESSAGE = "message"
    EDITED = "edited"
    DELETED = "deleted"
    FAILED = "failed"  # what was to be sent did not go out after all
    CLOSED = "closed"  # the thread, there; `provider_id` is the thread's
    OPENED = "opened"  # it is open again there
    PRIVACY = "privacy"  # a customer's right that a person has to see to; `detail` says what
    OTHER = "other"  # nothing that the desk does anything about


class Author(enum.StrEnum):
    """Who acted at the vendor. `US` is the account that our own replies are sent as, so it may be an echo. Of a thread that was
    closed: `CUSTOMER` also where no person of ours is known to have done it."""

    CUSTOMER = "customer"
    TEAM = "team"
    US = "us"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at the vendor. `provider_id` is its own id of the message, the same for an edit of it and for
    its end; `mark` is our name of the delivery (`Outbound.message_id`) where the vendor carries it back to us. `is_pending`: the
    vendor has it and has not sent it yet. `detail` says why something failed, in words. `among`: an answer of ours that names no
    thread belongs to one whose id begins so."""

    kind: EventKind
    provider_id: str = ""
    author: Author = Author.CUSTOMER
    inbound: Inbound | None = None
    mark: str = ""
    at: datetime | None = None
    is_pending: bool = False
    detail: str = ""
    among: str = ""


class Polls(Protocol):
    """The receiving half of a channel that is asked for messages. `folder` names the place, as its provider does."""

    @property
    def folder(self) -> str: ...

    def open(self) -> AbstractContextManager[Folder]: ...


@runtime_checkable
class ReadsSent(Protocol):
    """A channel whose folder of sent mail is read as well, for what people wrote elsewhere."""

    def sent_mail(self) -> Polls | None:
        """That folder; None where it is not to be read. Calls nobody."""
        ...


@runtime_checkable
class FindsSent(Protocol):
    """A sending half that can ask its provider what became of a reply."""

    def find(self, outbound: Outbound) -> Receipt | None:
        """What the provider has of it; None where it does not have it, or has it and was never told to send it.

        Raises `ChannelError`: PERMANENT where the provider says that it could not send it.
        """
        ...


class Sends(Protocol):
    """The sending half of a channel."""

    def problems(self, outbound: Outbound) -> Sequence[str]:
        """Why this reply cannot be sent as it stands, in words for the person who decides; asked before anybody approves.

        Nothing is called and the secret may be missing. Where this is empty, `send` does not refuse the reply itself.
        """
        ...

    def send(self, outbound: Outbound, *, before_handover: Callable[..., None]) -> Receipt:
        """Hand `outbound` over once.

        `before_handover` is called right before the byte with which the provider may take the message; it may raise,
        and then nothing has been sent. Where the provider has given the reply an id by then, it is told (`begun="..."`): it
        stands beside the reply whatever happens, and comes back in `Outbound.begun`. Raises `ChannelError`.
        """
        ...
