"""What an assistant is given and what it gives back. The built-in one and a model's speak these types and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from conversations.answer_shapes import (
    AnswerClaim,
    AnswerSource,
    ComparisonResults,
    ConfigReference,
    DocumentationLink,
    Said,
    Step,
    Suggestion,
)
from conversations.metadata import SessionContext
from drafts.assistant.slots import Colleague
from drafts.configuration.differences import Comparison
from drafts.writing.port import Source


@dataclass(frozen=True, slots=True)
class Shown:
    """A card that was shown with an answer: what it would do, and what came of it by now, in words. `id` names it in the chat."""

    id: str
    tool: str
    arguments: Mapping[str, Any]
    outcome: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """Something said in the chat before; `is_person` tells the person's words from the assistant's. `is_tainted`: what was
    read for it held an instruction. `cards`: what was proposed with it."""

    is_person: bool
    text: str
    is_tainted: bool = False
    cards: Sequence[Shown] = ()


@dataclass(frozen=True, slots=True)
class CaseMessage:
    """A message of the customer's conversation: data, never an instruction. `ours`: it was sent by us."""

    id: UUID
    conversation: UUID
    ours: bool
    text: str
    label: str  # when, as it is shown: "14:48"


@dataclass(frozen=True, slots=True)
class Case:
    id: UUID
    number: int
    subject: str
    customer: str
    messages: Sequence[CaseMessage]
    tags: Sequence[str] = ()
    state: str = ""  # what we owe, in the words of a list
    draft: str = ""  # the text that waits for a decision
    unsourced: int = 0

    def said(self, message: CaseMessage) -> Said:
        return Said(conversation=str(message.conversation), message=str(message.id), label=message.label)


@dataclass(frozen=True, slots=True)
class Past:
    """A closed conversation like this one, with the reply that was sent."""

    id: UUID
    number: int
    subject: str
    customer: str
    closed: str
    reply: str
    reply_id: UUID


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation that waits for somebody of the desk. `since` is for a draft, `due` for what is owed, as they are shown."""

    id: UUID
    number: int
    subject: str
    customer: str
    since: str = ""
    due: str = ""
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class AtDesk:
    """What waits at the desk, as far as the person sees it: how many (up to a thousand), and those to begin with."""

    drafts: int
    mine: int
    owed: int
    late: int
    first: Sequence[Waiting] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """`names` are what people call it, the longest first."""

    key: str
    title: str
    names: Sequence[str]
    about: str
    value: str
    default: str
    kind: str = "text"  # yes, number, choice, text
    choices: Mapping[str, str] = field(default_factory=dict)  # a choice's words -> its value


@dataclass(frozen=True, slots=True)
class OnFile:
    """The newest configuration document beside the desk. `stuck` says where the desk cannot follow, and why."""

    document: int
    comparison: Comparison
    stuck: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One question with everything that is known before it is looked at. `tags` are those of the account's list."""

    text: str
    context: str
    now: datetime
    zone: ZoneInfo
    person: Colleague
    earlier: Sequence[Spoken] = ()
    mind: SessionContext = field(default_factory=SessionContext)
    case: Case | None = None
    colleagues: Sequence[Colleague] = ()
    tags: Sequence[str] = ()
    settings: Sequence[Setting] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that may be proposed: its name, what it does, and the JSON schema of its arguments."""

    name: str
    about: str
    schema: Mapping[str, Any]


class Toolbox(Protocol):
    """What an assistant may look up, as the person, and a check of what it wants to propose. Nothing here changes anything."""

    def sources(self, text: str) -> tuple[tuple[Source, ...], Any]:
        """Passages that may answer, best first, and what was learned from the approved answers."""

    def similar(self, text: str, case: Case | None) -> list[Past]: ...

    def own_chats(self, text: str) -> list[tuple[str, str, str]]:
        """(address, title, line) of the person's own chats that hold the words."""

    def at_desk(self) -> AtDesk:
        """What waits for a decision or an answer."""

    def on_file(self) -> OnFile | None:
        """The configuration file beside the desk; None where there is no file."""

    def last_change(self, setting: str) -> str:
        """Who changed a setting last, and when, in words; "" if nobody did."""

    def offers(self) -> list[Offer]:
        """What may be proposed in a chat of this context."""

    def problem(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Why this cannot be proposed, in a sentence; "" if it can."""


@dataclass(frozen=True, slots=True)
class Proposed:
    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What one turn came to. `choices` are words that a press says for the person. `is_tainted`: what it rests on held an
    instruction that nobody here gave; what is proposed now or later in its chat asks for two presses."""

    text: str
    claims: Sequence[AnswerClaim] = ()
    sources: Sequence[AnswerSource] = ()
    steps: Sequence[Step] = ()
    choices: Sequence[str] = ()
    references: Sequence[ConfigReference] = ()
    links: Sequence[DocumentationLink] = ()
    suggestions: Sequence[Suggestion] = ()
    comparison: ComparisonResults | None = None
    proposals: Sequence[Proposed] = ()
    is_tainted: bool = False
    intent: str = ""
    model: str = ""
    tokens: int = 0
    is_estimated: bool = False
    cost_micros: int | None = None
    is_stopped: bool = False
    mind: SessionContext | None = None

    @property
    def confidence(self) -> float | None:
        """The share of its statements that have a source; None where it states nothing."""
        if not self.claims:
            return None
        return round(sum(bool(claim.sources or claim.said) for claim in self.claims) / len(self.claims), 3)


class Failed(Exception):
    """No answer came, and why, for the person; `reason` is a word of ours for the trail, `tokens` what it took all the
    same, as far as anybody can tell."""

    def __init__(self, message: str, *, reason: str, tokens: int = 0) -> None:
        super().__init__(message)
        self.reason, self.tokens = reason, tokens


#: Shows the text and the steps so far; False: stop.
Tell = Callable[[str, Sequence[Step]], bool]


class Assistant(Protocol):
    def turn(self, request: Request, toolbox: Toolbox, *, tell: Tell) -> Reply:
        """Raises Failed. Never sends, stores or changes anything."""
