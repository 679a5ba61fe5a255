"""A question and its answer: asked, polled or streamed, stopped, asked again."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Header, Schema, Status
from pydantic import Field

from conversations.chats import sessions, turns
from conversations.errors import Conflict
from conversations.models import AssistantTurn, Conversation
from conversations.people.own_tokens import OwnScope
from conversations.views.turn_stream import answer_of
from conversations.views.turns import OUT_OF_SIGHT
from drafts.assistant.actions import scope_of
from drafts.assistant_api.persons import ANSWERS, RequestId, as_person, person_of, router
from ingestion.api import Body, Text

Engine = Annotated[
    Literal["configured", "offline"],
    Field(description="`offline` asks the built-in assistant, whatever is configured."),
]


class QuestionIn(Body):
    text: Text = Field(max_length=sessions.MAX_CHARS)
    request_id: RequestId = ""
    engine: Engine = "configured"


class AgainIn(Body):
    engine: Engine = "configured"


class TurnOut(Schema):
    id: uuid.UUID
    session_id: uuid.UUID
    question_id: uuid.UUID
    answer_id: uuid.UUID | None = Field(description="The message that answers it, once it is there.")
    status: str = Field(description="queued, running, done, stopped or failed; the last three are its end.")
    text: str = Field(description="The answer, or what is written of it so far.")
    steps: list[dict[str, Any]]
    error: str
    model_used: str
    tokens: int
    created_at: datetime
    ended_at: datetime | None


@router.post(
    "/assistant/sessions/{session_id}/messages",
    response={200: TurnOut, 202: TurnOut, **ANSWERS},
    summary="Ask something",
)
@as_person(OwnScope.WRITE)
def ask(request: HttpRequest, session_id: uuid.UUID, body: QuestionIn) -> Any:
    """202 with the turn to poll or to stream; 200 if it was asked before. 409 while an answer is being written, 429 at a cap."""
    turn, is_new = turns.post(
        session_id=session_id,
        actor=person_of(request),
        text=body.text,
        request_id=body.request_id,
        engine=turns.Engine(body.engine),
    )
    return Status(202 if is_new else 200, _told(turn))


@router.get("/assistant/turns/{turn_id}", response={200: TurnOut, **ANSWERS}, summary="How far an answer is")
@as_person(OwnScope.READ)
def read_turn(request: HttpRequest, turn_id: uuid.UUID) -> Any:
    return _told(turns.turn_of(turn_id, person_of(request)))


@router.get(
    "/assistant/turns/{turn_id}/stream",
    response={200: None, 204: None, **ANSWERS},
    summary="An answer as server-sent events",
    openapi_extra={"responses": {200: {"description": "OK", "content": {"text/event-stream": {}}}}},
)
@as_person(OwnScope.READ)
def stream(
    request: HttpRequest, turn_id: uuid.UUID, last: Annotated[str, Header(alias="Last-Event-ID", max_length=100)] = ""
) -> Any:
    """What is new since `Last-Event-ID`: `delta {from, text}`, `step {text}`, then one of `done`, `stopped`, `failed`. Each answer
    ends; come back after its `retry`, until 204."""
    return answer_of(turns.turn_of(turn_id, person_of(request)), last)


@router.post("/assistant/turns/{turn_id}/stop", response={200: TurnOut, **ANSWERS}, summary="Stop an answer")
@as_person(OwnScope.WRITE)
def stop(request: HttpRequest, turn_id: uuid.UUID) -> Any:
    """What is written is kept. Stopping one that has ended changes nothing."""
    turns.stop(turn_id=turn_id, actor=person_of(request))
    return _told(turns.turn_of(turn_id, person_of(request)))


@router.post("/assistant/turns/{turn_id}/again", response={202: TurnOut, **ANSWERS}, summary="Ask a question again")
@as_person(OwnScope.WRITE)
def again(request: HttpRequest, turn_id: uuid.UUID, body: AgainIn) -> Any:
    """One that got no answer. 409 if it has one, or if you do not see the conversation any more."""
    person = person_of(request)
    session = turns.turn_of(turn_id, person).session
    try:
        scope_of(actor=person, account_id=session.account_id, case_id=session.case_id)
    except Conversation.DoesNotExist:
        raise Conflict(OUT_OF_SIGHT) from None
    return Status(202, _told(turns.ask_again(turn_id=turn_id, actor=person, engine=turns.Engine(body.engine))))


def _told(turn: AssistantTurn) -> dict[str, Any]:
    answer = turn.answer
    return {
        **{name: getattr(turn, name) for name in ("id", "session_id", "question_id", "answer_id", "status", "error")},
        **{name: getattr(turn, name) for name in ("model_used", "tokens", "created_at", "ended_at")},
        "text": answer.body_text if answer else turn.text,
        "steps": answer.details.model_dump(mode="json")["steps"] if answer else turn.steps,
    }
