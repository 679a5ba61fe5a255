"""A practice: begun, answered, ended, scored. It is the trainee's own chat; nothing of it is a draft or leaves the desk.

As in `chats.sessions`, the caller's transaction names the person.
"""

from __future__ import annotations

import uuid

from conversations import audit
from conversations.chats import sessions
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.jobs import wake
from conversations.models import AssistantSession, Conversation, Message, User
from conversations.people.roles import Verb, check
from drafts.diffing import diff_ops, similarity
from drafts.models import PracticeTurn, Scenario, ScoreCard
from drafts.models.rubric import phrases_of
from drafts.practice import persona, scoring

TASK = "drafts.practise"
SAME = 0.2  # below this likeness to the draft, a reply was written anew
ALREADY = "You have answered this message. Nothing was changed."
#: How a practice ended, in the summary of its chat.
ENDS = {"resolved": "content", "impatient": "gave up", "ended": "ended by the trainee"}
NOT_WRITTEN = "The draft is still being written. What you typed is kept."


def start_practice(*, actor: User, account_id: uuid.UUID, scenario_id: uuid.UUID) -> tuple[AssistantSession, bool]:
    """The person's open practice of this scenario, or a new one with the customer's first message; the second value: is it new.

    Raises Scenario.DoesNotExist (404) for one that is not ready, PermissionDenied (403).
    """
    check(actor, Verb.ASSIST, account_id=account_id)
    scenario = Scenario.objects.ready().kept().get(pk=scenario_id, account_id=account_id)
    mine = AssistantSession.objects.of(actor.pk).kept().open().filter(scenario_id=scenario.pk)
    if found := mine.order_by("-created_at").first():
        return found, False
    session = sessions.begin_practice(
        actor=actor, account_id=account_id, scenario_id=scenario.pk, title=scenario.title, subject=scenario.subject
    )
    _persona_says(session, scenario.opening, number=1, told=(), patience=scenario.patience)
    return session, True


def answer(
    *, turn_id: uuid.UUID, actor: User, text: str, request_id: str = "", viewed_ms: int | None = None
) -> PracticeTurn:
    """Give the persona this reply, and let them answer. Where that ends the talk it is scored.

    The same `request_id` again changes nothing. Raises Conflict (409) when the message is answered, the draft is not there yet
    or the practice has ended, Invalid (422) for no or too much text, PracticeTurn.DoesNotExist (404).
    """
    found = PracticeTurn.objects.get(pk=turn_id, private_to=actor)
    session = sessions.locked(found.session_id, actor)
    check(actor, Verb.ASSIST, account_id=session.account_id)
    turn = PracticeTurn.objects.select_related("answer").get(pk=turn_id)
    if turn.answer is not None:
        if request_id and turn.answer.external_id == request_id:
            return turn
        raise Conflict(ALREADY)
    text = sessions.readable(text.replace("\r\n", "\n"))
    if not session.is_open:
        raise Conflict("This practice has ended. What you typed is kept.")
    if turn.status != PracticeTurn.Status.WAITING:
        raise Conflict(NOT_WRITTEN)
    message = Message.objects.create(
        account_id=session.account_id,
        conversation=session.conversation,
        private_to_id=session.private_to_id,
        external_id=request_id,
        direction=Message.Direction.OUTBOUND,
        role=Message.Role.USER,
        body_text=text,
    )
    turn.operations = diff_ops(turn.suggested_text, text)
    turn.status, turn.final_text, turn.answer = PracticeTurn.Status.ANSWERED, text, message
    turn.decision = _decision(turn)
    turn.viewed_ms, turn.answered_at = viewed_ms, database_time.now()
    turn.save(update_fields=["status", "final_text", "operations", "answer", "decision", "viewed_ms", "answered_at"])
    _goes_on(session, turn, actor)
    return turn


def end_practice(*, session_id: uuid.UUID, actor: User) -> ScoreCard | None:
    """End it now and score what was answered; without an answer there is no score. Ending one that ended changes nothing."""
    session = sessions.locked(session_id, actor)
    _only_practice(session)
    check(actor, Verb.ASSIST, account_id=session.account_id)
    if not session.is_open:
        return ScoreCard.objects.filter(session=session).first()
    return _end(session, actor, "ended")


def practice_of(session_id: uuid.UUID, actor: User) -> AssistantSession:
    """Raises AssistantSession.DoesNotExist (404) also for a chat that is none."""
    session = sessions.session_of(session_id, actor)
    _only_practice(session)
    return session


def scenario_of(session: AssistantSession) -> Scenario:
    assert session.scenario_id is not None  # a CHECK of the session
    return Scenario.objects.get(pk=session.scenario_id)


def _only_practice(session: AssistantSession) -> None:
    if session.context_type != AssistantSession.Context.PRACTICE:
        raise AssistantSession.DoesNotExist


def _decision(turn: PracticeTurn) -> str:
    if not turn.suggested_text:
        return PracticeTurn.Decision.REPLACED
    if turn.final_text.strip() == turn.suggested_text.strip():
        return PracticeTurn.Decision.APPROVED
    alike = similarity(turn.operations or {})
    return PracticeTurn.Decision.EDITED if alike >= SAME else PracticeTurn.Decision.REPLACED


def _goes_on(session: AssistantSession, turn: PracticeTurn, actor: User) -> None:
    who = persona.Persona.of(scenario_of(session))
    answered = PracticeTurn.objects.of(session.pk).answered()
    replies = [one.final_text for one in answered]
    said = persona.answer(who, replies, told=turn.told, patience=turn.patience)
    if said.outcome:
        _say(session, said.text)
        _end(session, actor, said.outcome)
        _wake(turn)  # nothing is drafted any more; how the trainee sounded is measured
    else:
        _persona_says(session, said.text, number=turn.number + 1, told=said.told, patience=said.patience)


def _persona_says(session: AssistantSession, text: str, *, number: int, told: tuple[str, ...], patience: int) -> None:
    """A message of the persona, and the turn that waits for the drafter's draft."""
    turn = PracticeTurn.objects.create(
        account_id=session.account_id,
        session=session,
        private_to_id=session.private_to_id,
        number=number,
        persona_message=_say(session, text),
        told=list(told),
        patience=patience,
    )
    _wake(turn)


def _wake(turn: PracticeTurn) -> None:
    wake(TASK, queue="drafts", account_id=turn.account_id, person_id=turn.private_to_id, turn_id=turn.pk)


def _say(session: AssistantSession, text: str) -> Message:
    return Message.objects.create(
        account_id=session.account_id,
        conversation_id=session.conversation_id,
        private_to_id=session.private_to_id,
        direction=Message.Direction.INBOUND,
        role=Message.Role.ASSISTANT,
        body_text=text,
    )


def _end(session: AssistantSession, actor: User, outcome: scoring.Ended) -> ScoreCard | None:
    sessions.end(session, AssistantSession.Status.COMPLETED, actor=actor, reason=outcome)
    turns = list(PracticeTurn.objects.of(session.pk).answered())
    scenario = scenario_of(session)
    answers = "1 answer" if len(turns) == 1 else f"{len(turns)} answers"
    Conversation.objects.filter(pk=session.conversation_id).update(
        summary=f"{scenario.persona_name}: {ENDS[outcome]} after {answers}.", key_topics=phrases_of(scenario.goal)
    )
    if not turns:
        return None
    found = scoring.score(scenario, turns, outcome)
    card = ScoreCard.objects.create(
        account_id=session.account_id,
        session=session,
        private_to_id=session.private_to_id,
        scenario=scenario,
        rubric_version=scenario.version,
        criteria=[one.model_dump(mode="json") for one in found.grades],
        points_met=found.met,
        points_decided=found.decided,
        total=found.total,
        answers=len(turns),
        outcome=outcome,
        scored_by=scoring.SCORED_BY,
    )
    # The trail is the account's, the points are the trainee's: that it was scored, and no more.
    audit.record(
        audit.Kind.PRACTICE_SCORED,
        actor=actor,
        about=session,
        conversation_id=session.conversation_id,
        data={"answers": len(turns)},
    )
    return card
