"""A turn of the assistant, from its question to its stored answer: what a worker does, once, however often it is woken."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured, PermissionDenied

from conversations.answer_shapes import Step
from conversations.chats import turns
from conversations.chats.turns import Answer, LateWorker, Status
from conversations.database import database_time
from conversations.errors import Refusal
from conversations.failpoints import failpoint
from conversations.hours import zone_of
from conversations.metadata import AccountSettings, MessageMetadata, SessionContext
from conversations.models import (
    Account,
    AssistantSession,
    AssistantTurn,
    Conversation,
    Membership,
    Message,
    ProposedAction,
    Tag,
    User,
)
from conversations.people.roles import Policy, Verb, check, role_of
from conversations.tenancy import tenant_context
from drafts.assistant.actions import PROPOSED, propose, scope_of
from drafts.assistant.port import Assistant, Case, CaseMessage, Failed, Proposed, Reply, Request, Setting, Shown, Spoken
from drafts.assistant.registry import get_assistant
from drafts.assistant.slots import Colleague
from drafts.assistant.toolbox import Library
from drafts.models import Draft
from drafts.sentiment import measure_message
from ingestion.knowledge.embed import get_remembering_embedder

logger = logging.getLogger(__name__)

EARLIER, EARLIER_CHARS = 24, 24_000
CASE_MESSAGES = 60
ENDED = "This chat has ended, so nothing is proposed in it."
OUTCOMES = {
    ProposedAction.Status.CONFIRMED: "The person confirmed it; a second person has to sign. Nothing has happened yet.",
    ProposedAction.Status.EXECUTED: "The person confirmed it, and it was done.",
    ProposedAction.Status.FAILED: "The person confirmed it, and it failed. Nothing was changed.",
    ProposedAction.Status.REJECTED: "The person refused it. Nothing was changed.",
    ProposedAction.Status.EXPIRED: "It expired before it was done. Nothing was changed.",
}
OUT_OF_SIGHT = "You do not see this conversation any more. Nothing was looked up."


@dataclass(frozen=True, slots=True)
class _Task:
    request: Request
    person: User
    case_id: uuid.UUID | None


def answer(
    *, account_id: uuid.UUID, person_id: uuid.UUID, turn_id: uuid.UUID, assistant: Assistant | None = None
) -> str:
    """Answer one queued question; returns the turn's state afterwards. Harmless when it runs twice, early or late."""
    with tenant_context(account_id, person=person_id, durable=True):
        turn = turns.claim(turn_id=turn_id)
    if turn is None:
        return "nothing to answer"
    failpoint("turn.claimed")
    began = time.monotonic()
    try:
        try:
            reply = _work(turn, assistant)
        except Failed as failed:
            stored = Answer(
                "", Status.FAILED, error=str(failed), reason=failed.reason,
                tokens=failed.tokens, is_estimated=bool(failed.tokens),
            )  # fmt: skip
            return _store_failure(turn, replace(stored, latency_ms=_since(began)))
        failpoint("turn.written")
        return _store(turn, reply, _since(began))
    except LateWorker:
        return "another worker has it"


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _work(turn: AssistantTurn, assistant: Assistant | None) -> Reply:
    try:
        with tenant_context(turn.account_id, person=turn.private_to_id, read_only=True):
            task = _read(turn)
    except Conversation.DoesNotExist as error:
        raise Failed(OUT_OF_SIGHT, reason="its conversation is out of sight") from error
    except PermissionDenied as error:
        raise Failed("Your role may not use the assistant any more.", reason="its person may not ask") from error
    library = Library(
        turn.account_id, task.person, task.request.context, task.case_id, task.request.zone, get_remembering_embedder()
    )

    def tell(text: str, steps: Sequence[Step]) -> bool:
        with tenant_context(turn.account_id, person=turn.private_to_id, durable=True):
            shown = [step.model_dump() for step in steps]
            return turns.tell(turn_id=turn.pk, fence=turn.fence, text=text, steps=shown)

    try:
        assistant = assistant or get_assistant(turn.engine)
    except ImproperlyConfigured as error:
        raise Failed("The model of this installation is not set up.", reason="no model is set up") from error
    return assistant.turn(task.request, library, tell=tell)


def _store(turn: AssistantTurn, reply: Reply, latency_ms: int) -> str:
    """The answer with its cards, in one transaction. What cannot be proposed any more is said instead."""
    for _ in range(len(reply.proposals) + 1):
        try:
            with tenant_context(turn.account_id, person=turn.private_to_id, durable=True):
                message = turns.finish_turn(turn_id=turn.pk, fence=turn.fence, answer=_answer_of(reply, latency_ms))
                measure_message(turn.question, turn.question.body_text)
                for at, proposal in enumerate(reply.proposals if message else ()):
                    _propose(turn, message, proposal, at, is_tainted=reply.is_tainted)  # type: ignore[arg-type]
                failpoint("turn.before_commit")
        except _NotPossible as refused:
            kept = [one for one in reply.proposals if one is not refused.proposal]
            reply = replace(reply, proposals=kept, text=f"{reply.text}\n{refused}" if kept else str(refused))
            continue
        break
    failpoint("turn.stored")
    return Status.STOPPED if reply.is_stopped else Status.DONE


class _NotPossible(Exception):
    def __init__(self, proposal: Proposed, why: str) -> None:
        super().__init__(why)
        self.proposal = proposal


def _propose(turn: AssistantTurn, message: Message, proposal: Proposed, at: int, *, is_tainted: bool) -> None:
    session = AssistantSession.objects.get(
        pk=turn.session_id
    )  # its chat is locked; it may have ended since the question
    if not session.is_open:
        raise _NotPossible(proposal, ENDED)
    try:
        propose(
            session=session,
            message=message,
            actor=User.objects.get(pk=turn.private_to_id),
            tool=proposal.tool,
            arguments=proposal.arguments,
            tainted=is_tainted,
            call_id=f"{turn.pk}:{at}",
        )
    except (Refusal, PermissionDenied) as error:
        raise _NotPossible(proposal, str(error)) from error
    except Conversation.DoesNotExist as error:
        raise _NotPossible(proposal, OUT_OF_SIGHT) from error


def _answer_of(reply: Reply, latency_ms: int) -> Answer:
    metadata = MessageMetadata(
        sources=list(reply.sources), claims=list(reply.claims), steps=list(reply.steps), choices=list(reply.choices),
        tainted=reply.is_tainted, configReferences=list(reply.references) or None,
        documentationLinks=list(reply.links) or None, suggestions=list(reply.suggestions) or None,
        comparisonResults=reply.comparison,
    )  # fmt: skip
    return Answer(
        reply.text,
        Status.STOPPED if reply.is_stopped else Status.DONE,
        metadata=metadata,
        intent=reply.intent,
        confidence=reply.confidence,
        model=reply.model,
        tokens=reply.tokens,
        is_estimated=reply.is_estimated,
        cost_micros=reply.cost_micros,
        latency_ms=latency_ms,
        mind=reply.mind,
    )


def _store_failure(turn: AssistantTurn, failed: Answer) -> str:
    with tenant_context(turn.account_id, person=turn.private_to_id, durable=True):
        turns.finish_turn(turn_id=turn.pk, fence=turn.fence, answer=failed)
    return Status.FAILED


# --- what is known before anything is looked up -------------------------------------------------------------------------
def _read(turn: AssistantTurn) -> _Task:
    """Raises PermissionDenied, and Conversation.DoesNotExist for a case that the person does not see any more."""
    person, session = User.objects.get(pk=turn.private_to_id), turn.session
    check(person, Verb.ASSIST, account_id=turn.account_id)
    scope = scope_of(actor=person, account_id=turn.account_id, case_id=session.case_id)
    zone = zone_of(person.choices.time_zone or scope.account.timezone)
    now = database_time.now()
    members = Membership.objects.filter(account_id=turn.account_id, is_active=True).exclude(role="auditor")
    colleagues = [Colleague(str(one.user_id), one.user.name) for one in members.select_related("user").order_by("user__display_name")]  # fmt: skip
    policy = Policy.of(scope.account)
    proposes = policy.answer(role_of(person, turn.account_id), Verb.PROPOSE, PROPOSED).allowed
    tags = Tag.objects.filter(account_id=turn.account_id, is_retired=False).order_by("name")
    request = Request(
        text=turn.question.body_text,
        context=session.context_type,
        now=now,
        zone=zone,
        person=Colleague(str(person.pk), person.name),
        earlier=_earlier(turn),
        mind=SessionContext.model_validate(session.context),
        case=_case(scope.conversation, zone, now) if scope.case else None,
        colleagues=colleagues,
        tags=list(tags.values_list("name", flat=True)),
        settings=_settings(scope.account) if proposes else (),
    )
    return _Task(request, person, session.case_id)


def _earlier(turn: AssistantTurn) -> list[Spoken]:
    """The newest that was said before, as much as fits: whole messages only."""
    said = Message.objects.filter(conversation=turn.conversation_id, erased_at__isnull=True, seq__lt=turn.question.seq)
    newest = list(said.shown().order_by("-seq")[:EARLIER])
    cards = _cards([message.pk for message in newest])
    found: list[Spoken] = []
    left = EARLIER_CHARS
    for message in newest:
        shown = cards.get(message.pk, [])
        left -= len(message.body_text) + sum(len(json.dumps(card.arguments)) + len(card.outcome) for card in shown)
        if left < 0:
            break
        is_person = message.role == Message.Role.USER
        found.insert(0, Spoken(is_person, message.body_text, message.details.tainted, shown))
    return found


def _cards(messages: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Shown]]:
    """What was proposed with each of these answers, with what came of it."""
    found: dict[uuid.UUID, list[Shown]] = {}
    for action in ProposedAction.objects.filter(message__in=messages).order_by("id"):
        shown = Shown(f"card_{action.pk.hex}", action.tool, action.arguments, _outcome(action))
        found.setdefault(action.message_id, []).append(shown)
    return found


def _outcome(action: ProposedAction) -> str:
    """For a model, which must neither take a card for done nor propose again what a person refused."""
    words = OUTCOMES.get(ProposedAction.Status(action.status)) or "It waits on a card. Nothing has happened."
    return f"{words} {action.said}".strip()


def _case(conversation: Conversation, zone: ZoneInfo, now: datetime) -> Case:
    parts = Conversation.objects.of_customers().family(conversation)
    messages = Message.objects.filter(conversation__in=[part.pk for part in parts], erased_at__isnull=True).shown()
    newest = list(messages.order_by("-received_at", "-seq")[:CASE_MESSAGES])
    draft = Draft.objects.filter(conversation=conversation).pending().first()
    owed = conversation.get_owed_display() if conversation.owed else conversation.get_status_display()
    return Case(
        id=conversation.pk,
        number=conversation.number or 0,
        subject=conversation.subject,
        customer=conversation.customer,
        messages=[_message(one, zone, now) for one in reversed(newest)],
        tags=list(Tag.objects.filter(links__conversation=conversation).order_by("name").values_list("name", flat=True)),
        state=f"{owed}." if owed else "",
        draft=draft.suggested_text if draft else "",
        unsourced=draft.unsourced_count if draft else 0,
    )


def _message(message: Message, zone: ZoneInfo, now: datetime) -> CaseMessage:
    at, today = message.received_at.astimezone(zone), now.astimezone(zone).date()
    return CaseMessage(
        id=message.pk,
        conversation=message.conversation_id,
        ours=message.direction == Message.Direction.OUTBOUND,
        text=message.body_new or message.body_text,
        label=f"{at:%H:%M}" if at.date() == today else f"{at:%-d %b}",
    )


def _settings(account: Account) -> list[Setting]:
    """Every setting of the account by the words of its page."""
    found = []
    for key, info in AccountSettings.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        choices: dict[str, str] = extra.get("choices", {})  # type: ignore[assignment]

        def shown(value: object, choices: dict[str, str] = choices, extra: object = extra) -> str:
            if isinstance(value, bool):
                return "on" if value else "off"
            unit = extra.get("unit", "") if isinstance(extra, dict) else ""
            return choices.get(str(value)) or f"{value} {unit}".strip() or "not set"

        title = info.title or key
        names = {key.replace("_", " "), title.casefold(), title.split("(")[0].strip().casefold()}
        found.append(
            Setting(
                key=key, title=title, names=sorted(names, key=lambda one: -len(one)), about=info.description or "",
                value=shown(getattr(account.options, key)), default=shown(info.default),
                kind=_kind(info.annotation, choices), choices={words.casefold(): value for value, words in choices.items()},
            )
        )  # fmt: skip
    return found


def _kind(annotation: Any, choices: dict[str, str]) -> str:
    if choices:
        return "choice"
    return {bool: "yes", int: "number", float: "number"}.get(annotation, "text")
