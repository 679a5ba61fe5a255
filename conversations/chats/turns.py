"""A question and its answer: asked, worked on by one worker at a time, stopped, answered in one transaction, found again.

The row is the truth and the job a wake-up. A worker holds a turn by a lease and writes by its fence: one that comes late,
after its lease went to another, stores nothing. The caller's transaction names the person, as in `chats.sessions`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from conversations import audit, hours
from conversations.chats import sessions
from conversations.database import database_time
from conversations.errors import Conflict, TooMuch
from conversations.jobs import wake
from conversations.metadata import MessageMetadata, SessionContext
from conversations.models import Account, AssistantSession, AssistantTurn, Conversation, Message, User
from conversations.people.roles import Verb, check
from conversations.tenancy import tenant_context

Status, Engine = AssistantTurn.Status, AssistantTurn.Engine
TASK = "drafts.answer"
TURNS_A_MINUTE = 10
LEASE_SECONDS = 60
TRIES = 3  # a question that killed its worker that often is not asked again
TURN_TOKENS = 16_000  # what one answer of a model may take: it is held to that (`drafts.assistant.model`)
UNHEARD_SECONDS = 30  # a queued turn whose job is lost is woken again after this
MAX_TEXT = 20_000
WRITING = "An answer is still being written. Wait for it, or stop it. What you typed is kept."
LOST = "Whoever wrote the answer was lost three times. Your question is kept; nothing was changed."


class LateWorker(Exception):
    """The turn is another worker's by now, or nobody's any more: what this one wrote is not stored."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a turn came to. Without text nothing is said in the chat, and `error` tells why."""

    text: str
    status: AssistantTurn.Status = Status.DONE
    metadata: MessageMetadata = field(default_factory=MessageMetadata)
    intent: str = ""
    confidence: float | None = None
    model: str = ""
    tokens: int = 0
    is_estimated: bool = False
    cost_micros: int | None = None
    latency_ms: int = 0
    error: str = ""
    reason: str = ""  # of a failure, one of our own words, for the trail
    mind: SessionContext | None = None  # what the session has in mind from now on


def post(
    *,
    session_id: uuid.UUID,
    actor: User,
    text: str,
    request_id: str,
    engine: AssistantTurn.Engine = Engine.CONFIGURED,
) -> tuple[AssistantTurn, bool]:
    """Store what the person says and ask for an answer; the same `request_id` again is the same turn, and False.

    Raises Conflict (409) while an answer is being written or when the session has ended, TooMuch (429) at a cap,
    Invalid (422), PermissionDenied (403), AssistantSession.DoesNotExist (404). Nothing is stored then.
    """
    session = sessions.locked(session_id, actor)
    check(actor, Verb.ASSIST, account_id=session.account_id)
    known = _asked_before(session, request_id)
    if known is not None:
        return known, False
    set_aside = _room_for_one(session, engine)
    message, _ = sessions.post(session_id=session_id, actor=actor, text=text, request_id=request_id)
    return _ask(session, message, engine, set_aside), True


def ask_again(*, turn_id: uuid.UUID, actor: User, engine: AssistantTurn.Engine = Engine.CONFIGURED) -> AssistantTurn:
    """Another try at a question that got no answer. Raises Conflict (409) if it has one, or another is being written."""
    turn = turn_of(turn_id, actor)
    session = sessions.locked(turn.session_id, actor)
    check(actor, Verb.ASSIST, account_id=session.account_id)
    if not session.is_open:
        raise Conflict("This chat has ended. Begin a new one with the question.")
    set_aside = _room_for_one(session, engine)
    if AssistantTurn.objects.filter(question=turn.question_id, status=Status.DONE).exists():
        raise Conflict("This question has its answer. Nothing was asked again.")
    return _ask(session, turn.question, engine, set_aside)


def _asked_before(session: AssistantSession, request_id: str) -> AssistantTurn | None:
    if not request_id:
        return None
    return (
        AssistantTurn.objects.filter(session=session, question__external_id=request_id).order_by("created_at").first()
    )


def _room_for_one(session: AssistantSession, engine: AssistantTurn.Engine) -> int:
    """Whether one more may be asked, and the tokens to set aside for it: they count as used until the answer is there.

    The account's lock makes those who ask at once ask one after another.
    """
    if AssistantTurn.objects.filter(session=session).live().exists():
        raise Conflict(WRITING)
    account = Account.objects.get(pk=session.account_id)
    set_aside = 0 if engine == Engine.OFFLINE or settings.DRAFTER == "offline" else TURN_TOKENS
    now = database_time.now()
    midnight = now.astimezone(hours.zone_of(account.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"assistant {account.pk}"])
        cursor.execute("SELECT * FROM assistant_used(%s, %s)", [midnight, now - timedelta(minutes=1)])
        own, everybody, lately = cursor.fetchone()
    if lately >= TURNS_A_MINUTE:
        raise TooMuch(f"That were {TURNS_A_MINUTE} questions within a minute. Wait a moment; what you typed is kept.")
    if set_aside:
        for used, most, whose in (
            (own, account.options.assistant_tokens_a_day, "Your"),
            (everybody, account.options.assistant_tokens_of_all, "The account's"),
        ):
            if used + set_aside > most:
                raise TooMuch(f"{whose} {most:,} tokens for today are used. Again from 00:00. What you typed is kept.")
    return set_aside


def _ask(session: AssistantSession, question: Message, engine: AssistantTurn.Engine, set_aside: int) -> AssistantTurn:
    turn = AssistantTurn.objects.create(
        account_id=session.account_id,
        session=session,
        conversation_id=session.conversation_id,
        private_to_id=session.private_to_id,
        question=question,
        engine=engine,
        tokens=set_aside,
    )
    _wake(turn)
    return turn


def _wake(turn: AssistantTurn) -> None:
    wake(
        TASK,
        once=f"answer {turn.pk}",
        queue="drafts",
        account_id=turn.account_id,
        person_id=turn.private_to_id,
        turn_id=turn.pk,
    )


def turn_of(turn_id: uuid.UUID, actor: User) -> AssistantTurn:
    """The person's own, unless its chat was deleted. Raises AssistantTurn.DoesNotExist (404)."""
    mine = AssistantTurn.objects.filter(private_to=actor, conversation__deleted_at__isnull=True)
    return mine.select_related("question", "answer", "session").get(pk=turn_id)


def newest_turns(session: AssistantSession, questions: Sequence[uuid.UUID]) -> dict[uuid.UUID, AssistantTurn]:
    """By question, the newest turn that asked it: what a page shows below it."""
    found = AssistantTurn.objects.filter(session=session, question__in=questions).order_by("created_at", "id")
    return {turn.question_id: turn for turn in found}


def claim(*, turn_id: uuid.UUID) -> AssistantTurn | None:
    """Take a queued turn to work on it, with a lease; None if there is nothing to do, or somebody is at it. Commit it."""
    queued = AssistantTurn.objects.filter(pk=turn_id, status=Status.QUEUED)
    turn = queued.select_for_update(of=("self",), skip_locked=True).select_related("question", "session").first()
    if turn is None:
        return None
    if _is_gone(turn):
        _end(turn, Answer("", Status.STOPPED), None)
        return None
    turn.status, turn.fence, turn.text, turn.steps = Status.RUNNING, turn.fence + 1, "", []
    turn.lease_until = database_time.now() + timedelta(seconds=LEASE_SECONDS)
    turn.save(update_fields=["status", "fence", "lease_until", "text", "steps"])
    return turn


def tell(*, turn_id: uuid.UUID, fence: int, text: str, steps: list[dict[str, Any]]) -> bool:
    """Show what is written so far and keep the lease; whether the worker should go on. Raises LateWorker.

    No row is locked first: an UPDATE by the fence either finds the turn as this worker's or finds nothing.
    """
    mine = AssistantTurn.objects.filter(pk=turn_id, status=Status.RUNNING, fence=fence)
    until = database_time.now() + timedelta(seconds=LEASE_SECONDS)
    if not mine.update(text=_clean(text), steps=steps, lease_until=until):
        raise LateWorker
    return not mine.filter(stop_asked_at__isnull=False).exists()


def stop(*, turn_id: uuid.UUID, actor: User) -> AssistantTurn:
    """End an answer that is being written: what was written stays. One that has ended is left as it is."""
    turn = turn_of(turn_id, actor)
    sessions.locked(turn.session_id, actor)
    turn = AssistantTurn.objects.select_for_update(of=("self",)).get(pk=turn_id)
    if not turn.is_live or turn.stop_asked_at is not None:
        return turn
    turn.stop_asked_at = database_time.now()
    turn.save(update_fields=["stop_asked_at"])
    if turn.status == Status.QUEUED:  # nobody works on it, so nobody would come to end it
        _end(turn, Answer("", Status.STOPPED), None)
    return turn


def finish_turn(*, turn_id: uuid.UUID, fence: int, answer: Answer) -> Message | None:
    """Store an answer, if the turn is still this worker's; returns what is said in the chat, if anything is.

    One transaction, the caller's, holds the answer, its usage, what the session has in mind and whatever the caller adds
    (proposals). Raises LateWorker, and nothing is stored.
    """
    found = AssistantTurn.objects.filter(pk=turn_id).first()
    if found is None:
        raise LateWorker
    chat = Conversation.objects.select_for_update(of=("self",)).get(pk=found.conversation_id)
    turn = AssistantTurn.objects.select_for_update(of=("self",)).get(pk=turn_id)
    if turn.status != Status.RUNNING or turn.fence != fence or chat.deleted_at or chat.forgotten_at:
        raise LateWorker  # to a chat that is gone nothing is added
    message = _said(chat, answer) if answer.text.strip() else None
    _end(turn, answer, message)
    return message


def _said(chat: Conversation, answer: Answer) -> Message:
    metadata = answer.metadata.model_copy(update={"stopped": answer.status == Status.STOPPED})
    return Message.objects.create(
        account_id=chat.account_id,
        conversation=chat,
        private_to_id=chat.private_to_id,
        direction=Message.Direction.OUTBOUND,
        role=Message.Role.ASSISTANT,
        body_text=_clean(answer.text),
        metadata=metadata.model_dump(mode="json", exclude_defaults=True),
        intent=answer.intent[:100],
        confidence=answer.confidence,
        tokens_used=answer.tokens,
        model_used=answer.model[:100],
        latency_ms=answer.latency_ms,
    )


def _end(turn: AssistantTurn, answer: Answer, message: Message | None) -> None:
    """Move a locked live turn to its end, and tell the trail if it has no whole answer."""
    turn.status, turn.answer, turn.ended_at = answer.status, message, database_time.now()
    turn.text, turn.steps, turn.lease_until = "", [], None
    turn.model_used, turn.latency_ms, turn.error = answer.model[:100], answer.latency_ms, _clean(answer.error)[:500]
    turn.tokens, turn.is_estimated, turn.cost_micros = answer.tokens, answer.is_estimated, answer.cost_micros
    turn.save()
    changes: dict[str, Any] = {"updated_at": database_time.now()}
    if answer.mind is not None:
        changes["context"] = answer.mind.model_dump(exclude_defaults=True)
    AssistantSession.objects.filter(pk=turn.session_id).update(**changes)
    about: dict[str, Any] = {"about": turn, "conversation_id": turn.conversation_id}
    if answer.status == Status.STOPPED:
        who = User.objects.get(pk=turn.private_to_id)
        audit.record(audit.Kind.TURN_STOPPED, actor=who, data={"written": len(answer.text)}, **about)
    elif answer.status == Status.FAILED:
        audit.record(audit.Kind.TURN_FAILED, actor=audit.SYSTEM, data={"reason": answer.reason or "failed"}, **about)
    if message is not None:
        sessions.read_again(turn.account_id, turn.private_to_id)


def sweep(*, account_id: uuid.UUID) -> int:
    """Find the turns of an account that lost their worker or their job; returns how many were seen to."""
    now = database_time.now()
    with tenant_context(account_id), connection.cursor() as cursor:
        cursor.execute("SELECT id, person_id FROM lost_turns(%s, %s)", [now - timedelta(seconds=UNHEARD_SECONDS), now])
        lost = cursor.fetchall()
    for turn_id, person_id in lost:
        with tenant_context(account_id, person=person_id):
            _put_back(turn_id, now)
    return len(lost)


def _put_back(turn_id: uuid.UUID, now: datetime) -> None:
    live = AssistantTurn.objects.select_for_update(of=("self",), skip_locked=True).live()
    turn = live.filter(pk=turn_id).first()
    if turn is None or (turn.lease_until and turn.lease_until >= now):
        return  # somebody answered it, or goes on, since it was looked for
    if turn.stop_asked_at is not None or _is_gone(turn):
        _end(turn, Answer("", Status.STOPPED, **_unknown(turn)), None)
    elif turn.status == Status.RUNNING and turn.fence >= TRIES:
        _end(turn, Answer("", Status.FAILED, error=LOST, reason="its worker was lost", **_unknown(turn)), None)
    else:
        if turn.status == Status.RUNNING:
            turn.status, turn.lease_until, turn.text, turn.steps = Status.QUEUED, None, "", []
            turn.save(update_fields=["status", "lease_until", "text", "steps"])
        _wake(turn)


def _is_gone(turn: AssistantTurn) -> bool:
    """Whether its chat was deleted or emptied meanwhile: nobody waits for the answer, and it could not be stored."""
    chats = Conversation.objects.filter(pk=turn.conversation_id)
    return not chats.filter(deleted_at__isnull=True, forgotten_at__isnull=True).exists()


def _unknown(turn: AssistantTurn) -> dict[str, Any]:
    """What a lost worker used, nobody knows: at most what was set aside."""
    return {"tokens": turn.tokens, "is_estimated": bool(turn.tokens)}


def storable(text: str) -> str:
    """A text that an endpoint sent, as the database can keep it: a character that came in two halves is joined again, a lone
    half is marked, and a zero byte is left out."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")


def _clean(text: str) -> str:
    return storable(text)[:MAX_TEXT]
