"""What a tool of the assistant is: it describes a change, says what that rests on, and calls the verb that a hand would."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, model_validator

from conversations.errors import Refusal
from conversations.models import Account, AssistantSession, Conversation, User
from conversations.people.roles import Verb
from conversations.visible import Visible

Context = AssistantSession.Context
Risk = Literal["low", "money", "config"]


class Wrong(Refusal):
    """What is asked of a tool is not possible as asked (422); the sentence is for a person and for a model."""

    status = 422


class Arguments(BaseModel):
    """What a tool is given: no name that it does not know, no value of another type or that cannot be stored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)

    @model_validator(mode="after")
    def _can_be_stored(self) -> Self:
        if "\x00" in "".join(_texts(list(dict(self).values()))):
            raise ValueError("a text holds a zero byte")
        return self


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


Args = TypeVar("Args", bound=Arguments)


class NoArguments(Arguments):
    """For what needs none: which conversation it is about, its session says."""


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a tool looks and acts, and where. `case` is the conversation that it is about, as it stands now."""

    actor: User
    account: Account
    channels: Visible
    case: Conversation | None = None

    @property
    def conversation(self) -> Conversation:
        """The case of a tool that has no use without one. Raises Wrong (422)."""
        if self.case is None:
            raise Wrong("This is done in a conversation with a customer. Open one, and ask there.")
        return self.case

    def when(self, at: datetime) -> str:
        """A time in the words of a card, which another person may read: with its zone."""
        zone = self.actor.choices.time_zone or self.account.timezone
        return f"{at.astimezone(ZoneInfo(zone)):%a %-d %b %Y, %H:%M} ({zone})"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a decision rests on. `value` is what is compared; `shown` is how a person reads it."""

    name: str
    label: str
    value: Any
    shown: str


Facts = tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Old and new of one thing. Of a set, such as tags, each word comes, goes or stays."""

    label: str
    old: Sequence[str]
    new: Sequence[str]
    is_set: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """What will be: the sentence of the card, what changes, what else to know. `twice` says why one press is not enough, and
    `again` what the second one is called."""

    sentence: str
    changes: Sequence[Change] = ()
    notes: Sequence[str] = ()
    twice: str = ""
    again: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, in words, and what taking it back needs to know."""

    says: str = ""
    kept: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Another action, by its tool."""

    tool: str
    arguments: Mapping[str, Any]


def _the_case(scope: Scope, args: Any) -> tuple[uuid.UUID, ...]:
    return (scope.case.pk,) if scope.case else ()


def _fine(scope: Scope, args: Any) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Generic[Args]):
    """One thing that an assistant can propose. The database is all that a tool may change; what it may read is in `toolbox`.

    `touches` are the conversations that it locks; `facts` what the decision rests on, and nothing else; `check` raises Wrong
    for arguments that are not possible; `run` is an existing verb. `proposed_by` is the right to propose it, where that is
    less than the right to do it: somebody else then has to sign. What is fixed has nothing in it that a person would change.
    """

    name: str
    version: int = 1
    icon: str
    about: str
    args: type[Args]
    contexts: frozenset[Context]
    verb: Verb
    proposed_by: Verb | None = None
    risk: Risk = "low"
    is_fixed: bool = False
    check: Callable[[Scope, Args], None] = _fine
    touches: Callable[[Scope, Args], tuple[uuid.UUID, ...]] = _the_case
    facts: Callable[[Scope, Args], Facts]
    describe: Callable[[Scope, Args, Facts], Effect]
    run: Callable[[Scope, Args], Done]
    revert: Callable[[Args, Mapping[str, Any], Mapping[str, Any]], Proposal | None] | None = None

    @property
    def lasts(self) -> timedelta:
        """How long a proposal stands."""
        return timedelta(hours=1) if self.risk == "config" else timedelta(hours=24)


def values(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Stored facts, as what is compared."""
    return {fact["name"]: fact["value"] for fact in facts}


def stored(facts: Facts) -> list[dict[str, Any]]:
    return [asdict(fact) for fact in facts]


def shown(effect: Effect) -> dict[str, Any]:
    return asdict(effect)


def digest(data: Any) -> str:
    """The SHA-256 of JSON in one form: what a form sends back to say what was on the screen."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
