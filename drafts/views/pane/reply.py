"""The reply of a draft: as it would be sent, as the person edits it, and what travels with a decision on it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import mark_safe

from conversations.messages import outgoing
from conversations.messages.envelope import digest
from conversations.messages.formatted import to_html
from conversations.views.words import Clock
from drafts import diffing
from drafts.desk.scene import envelope_of
from drafts.desk.text import not_answered, promises_a_person
from drafts.models import BY_A_PERSON, Draft
from drafts.queue import moment
from drafts.views.pane.desk import Desk
from drafts.views.pane.sending import Sending
from drafts.views.present import REASONS, Change, Choice, shortened
from drafts.views.prose import Block, blocks


@dataclass(frozen=True, slots=True)
class Check:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the mail: "open", "answered" with the statement's words and the numbers of its sources, or "yours": the
    statement went when a person edited, and their own words may answer it."""

    text: str
    state: str
    answer: str = ""
    sources: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """Every statement of the text with its source, to whom it goes, and what was looked at."""

    title: str
    written: str
    missing: str  # why there is no text; "" when there is one
    text: str
    blocks: list[Block]
    html: str  # as it would be sent, where it is formatted
    act: str  # what it does, while it is as suggested
    told: list[str]  # what the mail tells: numbers, sizes, dates
    statements: int
    unsourced: int
    questions: list[Question]
    not_answered: int
    envelope: dict[str, Any]
    problems: list[str]  # why it cannot be sent as it is
    checks: list[Check]
    promises: bool  # a holding reply: approving it leaves something owed

    @classmethod
    def of(cls, draft: Draft, desk: Desk, *, editing: bool) -> Reply:
        conversation, channel = draft.conversation, draft.conversation.channel
        open_ = draft.status == Draft.Status.PENDING
        revision = _revision(draft)
        text = revision["text"] if revision else draft.suggested_text
        statements = revision["statements"] if revision else draft.statements
        numbers = {str(entry.get("passage")): n for n, entry in enumerate(draft.top_sources, 1)}
        envelope = envelope_of(conversation, draft) if channel else {"to": [], "cc": [], "files": []}
        # Of a text that is being edited nobody can say anything yet.
        said = "" if editing else text
        problems = outgoing.problems(channel, envelope, body_text=said) if channel and open_ else []
        by_hand = draft.model_key == BY_A_PERSON
        failed = (
            "Nothing is written yet."
            if by_hand
            else f"{draft.error or 'No text came out.'} Write the reply yourself, or ask for another draft."
        )
        return cls(
            title="Your own reply"
            if by_hand and open_
            else "Draft reply"
            if open_
            else f"Draft reply, {draft.get_status_display().lower()}",
            written=_written(draft, revision, desk.clock),
            missing="" if text or draft.erased_at is not None else failed,
            text=text,
            blocks=blocks(text, statements, numbers),
            html=mark_safe(to_html(text)) if draft.is_formatted else "",
            act="" if draft.version else draft.get_act_display(),
            told=[fact["text"] for fact in draft.facts],
            statements=len(statements),
            unsourced=sum(1 for one in statements if not any(str(s) in numbers for s in one.get("sources", ()))),
            questions=_questions(draft, text, statements, numbers),
            not_answered=not_answered(draft, text) if open_ else 0,
            envelope=envelope,
            promises=open_ and promises_a_person(text),
            problems=problems,
            checks=[
                *([Check("bad", _away(draft.away, desk.clock))] if open_ and draft.away else []),  # type: ignore[attr-defined]
                *([Check("warn", PUBLIC)] if open_ and is_public(draft) else []),
                *(Check("warn", problem) for problem in problems),
                *(
                    Check(entry.get("kind") or ("ok" if entry["ok"] else "warn"), entry["text"])
                    for entry in draft.checks
                ),
            ],
        )


#: Stands at every reply that everybody will be able to read.
PUBLIC = "This reply is public: everybody who reads the page sees it. Approving asks for a second press."


def _away(health: Mapping[str, str], clock: Clock) -> str:
    """Its channel is away: a decision need not wait for it."""
    since = clock.time(moment(health["since"]))
    problem = health["problem"]
    return f"Not sending since {since}: {problem} Nothing is lost: what you approve goes when the channel is back."


def _questions(
    draft: Draft, text: str, statements: Sequence[Mapping[str, Any]], numbers: Mapping[str, int]
) -> list[Question]:
    """The questions of the mail, those without an answer first."""
    said = {text[one["start"] : one["end"]]: one["sources"] for one in statements}
    found = []
    for one in draft.questions:
        answer = one["answer"]
        if answer and answer in said:
            cited = tuple(numbers[str(key)] for key in said[answer] if str(key) in numbers)
            found.append(Question(one["text"], "answered", answer, cited))
        else:
            found.append(Question(one["text"], "yours" if draft.version else "open"))
    return sorted(found, key=lambda one: one.state == "answered")


def _revision(draft: Draft) -> Mapping[str, Any] | None:
    """What was last saved; None while the text is as suggested."""
    return draft.revision if draft.version else None  # type: ignore[attr-defined]


def _written(draft: Draft, revision: Mapping[str, Any] | None, clock: Clock) -> str:
    if revision:
        return f"Version {draft.version}, saved {clock.time(moment(revision['at']))} by {revision['author']}"
    return f"Written {clock.stamp(draft.created_at)}"


@dataclass(frozen=True, slots=True)
class Edit:
    """The person's own text: in the box, how it differs from what was suggested, and shown where no box is open."""

    text: str
    original: str
    saved: str
    reasons: list[Choice]
    changes: list[Change]
    counts: str
    kept: list[Block]

    @classmethod
    def of(cls, draft: Draft, desk: Desk, reply: Reply, *, editing: bool, typed: str, reasons: Sequence[str]) -> Edit:
        revision, original, text = _revision(draft), draft.suggested_text, typed if editing and typed else reply.text
        ops = diffing.diff_ops(original, text) if editing and text != original else None
        return cls(
            text=text,
            original=original,
            saved=f"Saved {desk.clock.time(moment(revision['at']))}" if revision else "",
            reasons=[Choice(value, label, value in reasons) for value, label in REASONS.items()],
            changes=shortened(diffing.render_ops(ops, original)) if ops else [],
            counts="{} words out, {} in".format(*diffing.word_counts(ops)) if ops else "",
            kept=blocks(typed) if typed and not editing and typed.strip() != reply.text.strip() else [],
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """What the person saw: it travels with every decision, and the verb compares."""

    hidden: list[tuple[str, str]]
    second: str  # what a second press is asked for
    stamp: str  # whose text of which draft the browser keeps

    @classmethod
    def of(cls, draft: Draft, desk: Desk, reply: Reply, sending: Sending, *, confirm: bool) -> Signed:
        return cls(
            hidden=[
                ("version", str(draft.version)),
                ("last_inbound", str(draft.conversation.last_inbound_message_id or "")),
                ("envelope", digest(reply.envelope)),
                ("request_id", uuid.uuid4().hex),
                ("filter", desk.filters.query),
                ("pressed_twice", "1" if confirm else ""),
                # Who was shown: what stands in the fields may differ by then, and a decision is made with that.
                *(
                    [("lines", "\n".join([*(text for *_, text in sending.lines), sending.subject]))]
                    if sending.lines
                    else []
                ),
            ],
            second=""
            if confirm
            else second_press(
                0 if draft.model_key == BY_A_PERSON else reply.unsourced,
                draft.is_about_money,
                reply.not_answered,
                public=is_public(draft),
            ),
            stamp=f"{desk.user.pk.hex}.{draft.pk.hex}",
        )


def is_public(draft: Draft) -> bool:
    """Whether everybody can read the reply where it goes."""
    channel = draft.conversation.channel
    return channel is not None and channel.provided_by.public


def second_press(unsourced: int, money: bool, open_questions: int = 0, *, public: bool = False) -> str:
    """What a second press of Approve is asked for; "" when one press is enough."""
    parts = ["public"] if public else []
    parts += [f"{unsourced} unsourced"] if unsourced else []
    parts += ["money"] if money else []
    return ", ".join([*parts, *([f"{open_questions} not answered"] if open_questions else [])])
