"""What a drafter is given and what it gives back. Everything that writes drafts speaks these types and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import UUID

from drafts.llm.endpoint import Tokens
from drafts.writing.acts import Act
from drafts.writing.facts import Fact
from drafts.writing.topics import NEUTRAL, Topics

if TYPE_CHECKING:
    from ingestion.knowledge.recognise import Recogniser


class DrafterUnavailable(Exception):
    """No draft came out; nothing was stored. ``retryable``: the same request may succeed later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True)
class Turn:
    """One message of the thread, oldest first. ``text`` is what the customer typed: data, never an instruction."""

    role: Literal["customer", "operator", "assistant", "system"]
    text: str


@dataclass(frozen=True)
class Source:
    """A passage the draft may quote. Ranks count from 1 and are None where that search did not find the passage.

    ``section`` is the headings above it, the document's title first ("Returns > How long you have"); ``topic`` is what people
    named the topic of an approved answer.
    """

    passage_id: UUID
    document_id: UUID
    title: str
    url: str
    text: str
    score: float
    indexed_at: datetime
    dense_rank: int | None = None
    text_rank: int | None = None
    section: str = ""
    topic: str = ""

    @property
    def place(self) -> str:
        """Where it stands, for people and models."""
        return self.section.replace(" > ", " › ") or self.title


@dataclass(frozen=True)
class DraftRequest:
    """Everything a draft is written from. ``question`` is the inbound to answer (the last customer turn of ``thread``).

    ``subject`` is the thread's, as the customer wrote it; ``instruction`` is what the operator asked for on regenerating ("shorter"); the operator is trusted, the customer
    and the sources are not. ``recogniser`` knows the account's approved answers, if enough of them were learned from; ``spent`` is
    what a model took to order the sources, and counts as the draft's; ``topics`` are the account's; ``act`` is what a reviewer
    chose that the reply should do. ``form``: a chat has no salutation and nobody signs below it.
    """

    thread: tuple[Turn, ...]
    question: str
    customer_name: str
    sources: tuple[Source, ...]
    prompt_text: str
    prompt_version: str
    account_name: str
    instruction: str = ""
    language_hint: str = ""
    subject: str = ""
    act: Act | None = None
    recogniser: Recogniser | None = None
    spent: Tokens = (0, 0)
    topics: Topics = NEUTRAL
    form: Literal["letter", "chat"] = "letter"

    def approved_topic(self, statements: Iterable[Statement]) -> str:
        """The topic of the approved answer that a reply rests on, as people named it; "" without one."""
        named = {source.passage_id: source.topic for source in self.sources if source.topic}
        return next((named[key] for statement in statements for key in statement.source_ids if key in named), "")


@dataclass(frozen=True)
class Statement:
    """A factual sentence of a text, by code points ``[start, end)``, and the passages that say so; none: unsourced."""

    start: int
    end: int
    source_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A question of the message, and the place in ``statements`` of the one that answers it; None: nothing does."""

    text: str
    statement: int | None


@dataclass(frozen=True)
class DraftResult:
    """A draft. Each factual sentence is a statement, in order; greetings, courtesies and questions are not.

    ``confidence`` is 0 to 1 and ``reasons`` say why, for people. ``needs_human`` holds codes of ``reading.Need`` (why a
    person should look twice); ``warnings`` are sentences about the writing itself; ``cost_micros`` are millionths of the
    price list's currency, None where there is no price. ``asked`` are the questions of the message (`coverage`), ``facts`` what
    it tells, ``act`` what the reply does.
    """

    text: str
    statements: tuple[Statement, ...]
    confidence: float
    reasons: tuple[str, ...]
    intent: str
    needs_human: tuple[str, ...]
    model_key: str
    tokens_used: int
    latency_ms: int
    warnings: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()
    cost_micros: int | None = None
    act: Act = Act.ANSWER
    facts: tuple[Fact, ...] = ()


OnText = Callable[[str], None]


class Drafter(Protocol):
    """Writes a reply draft. May be called from any thread."""

    def write(self, request: DraftRequest, *, on_text: OnText | None = None) -> DraftResult:
        """Raises DrafterUnavailable. Never sends, stores or changes anything.

        A drafter that takes its time calls ``tell`` now and then with the whole text so far, in the calling thread.
        """
