"""The evidence beside a draft: how far its sources carry it, who asks, and how it was written."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from conversations.models import Channel
from conversations.views.customers import Beside
from conversations.views.present import related_words
from conversations.views.words import Clock, plural, span
from drafts.evidence.rates import NOTHING
from drafts.models import Draft
from drafts.queue import moment
from drafts.views.pane.desk import Desk
from drafts.views.pane.reply import Question, Reply
from drafts.views.present import NEEDS
from drafts.writing.topics import in_words

OLD_SOURCE = timedelta(days=30)
#: The reason that `support` says too, and says of the text as it now is.
_COUNTED = re.compile(r"\d+ of \d+ statements? ha(s|ve) a source")


@dataclass(frozen=True, slots=True)
class Source:
    n: int
    title: str
    quote: str
    url: str
    age: str
    old: bool
    cited: bool

    @classmethod
    def of(cls, n: int, entry: Mapping[str, Any], clock: Clock) -> Source:
        indexed = entry.get("indexed_at")
        age = clock.now - moment(indexed) if indexed else None
        url = str(entry.get("url") or "")
        return cls(
            n=n,
            title=str(entry.get("title") or "Untitled"),
            quote=str(entry.get("quote") or ""),
            cited=bool(entry.get("cited", True)),
            url=url if url.startswith(("https://", "http://")) else "",
            age=f"Indexed {span(age)} ago" if age is not None else "",
            old=age is not None and age > OLD_SOURCE,
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    questions: list[Question]
    told: list[str]
    support: str
    notes: list[str]
    meter: list[bool]  # one for each statement, those with a source first
    figure: str
    sources: list[Source]
    customer: Beside | None  # who wrote, what else is theirs; None for who has no address
    facts: list[tuple[str, str]]
    related: list[tuple[str, str]]
    merged: list[tuple[str, str]]  # what is part of this conversation and not shown beside the draft
    provenance: list[tuple[str, str, bool]]  # a fact's name, what it says, and whether it is set like code

    @classmethod
    def of(cls, draft: Draft, desk: Desk, reply: Reply) -> Evidence:
        support = _support(reply)
        sourced = reply.statements - reply.unsourced
        figure = desk.rates.get((draft.intent, draft.prompt_label), NOTHING).words
        return cls(
            questions=reply.questions,
            told=reply.told,
            support=support,
            notes=[str(reason) for reason in draft.confidence_reasons if not _COUNTED.match(str(reason))],
            meter=[True] * sourced + [False] * reply.unsourced,
            figure=figure if draft.status == Draft.Status.PENDING else "",
            sources=[Source.of(n, entry, desk.clock) for n, entry in enumerate(draft.top_sources, 1)],
            customer=Beside.of(_known(draft), desk.clock, messages=draft.conversation.message_count),
            facts=_facts(draft),
            merged=[
                (f"#{one['number']}, on the page of both", f"{desk.conversations_url}{draft.conversation_id}/")
                for one in draft.merged  # type: ignore[attr-defined]
            ],
            related=[
                (related_words(one["number"], one["reason"]), f"{desk.conversations_url}{one['id']}/")
                for one in draft.related  # type: ignore[attr-defined]
                if uuid.UUID(str(one["channel"])) in desk.within
            ],
            provenance=_provenance(draft),
        )


def _support(reply: Reply) -> str:
    if not reply.statements:
        return "It states no facts"
    sourced, verb = reply.statements - reply.unsourced, "has" if reply.statements == 1 else "have"
    return f"{sourced} of {plural(reply.statements, 'statement')} {verb} a source"


def _known(draft: Draft) -> Mapping[str, Any] | None:
    """The customer, as `queue.panes` reads them with the draft."""
    found: Mapping[str, Any] | None = draft.known  # type: ignore[attr-defined]
    return found


def _facts(draft: Draft) -> list[tuple[str, str]]:
    conversation = draft.conversation
    facts = [("Messages", str(conversation.message_count)), ("Answer within", _target(conversation.channel))]
    if not _known(draft):
        facts = [("Name", conversation.customer), ("Address", conversation.customer_email), *facts]
    facts = [(name, value) for name, value in facts if value]
    if draft.needs_human:
        facts.append(("Needs", ", ".join(NEEDS[code][0] for code in draft.needs_human if code in NEEDS)))
    return facts


def _target(channel: Channel | None) -> str:
    """The channel's own answering time; "" when it follows the account."""
    minutes = channel.options.due_minutes if channel else None
    return span(timedelta(minutes=minutes)) if minutes else ""


def _provenance(draft: Draft) -> list[tuple[str, str, bool]]:
    facts = [("Model", draft.model_key, True)]
    if draft.prompt_label:
        facts.append(("Prompt", draft.prompt_label, True))
    if draft.confidence is not None:
        facts.append(("Confidence", f"{draft.confidence:.0%}", False))
    if draft.intent:
        facts.append(("Topic", in_words(draft.intent), False))
    if draft.latency_ms is not None:
        facts.append(("Took", f"{draft.latency_ms / 1000:.1f} s", False))
    facts.append(("Draft version", str(draft.version), False))
    return facts
