"""Practice, to read: what there is to practise, and a person's own practices with their scores. It is done at the desk."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Schema
from ninja.errors import HttpError
from pydantic import Field

from conversations.chats import sessions
from conversations.models import AssistantSession
from conversations.people.own_tokens import OwnScope
from drafts.assistant_api.persons import ANSWERS, NOT_FOUND, account_of, as_person, person_of, router
from drafts.models import PracticeTurn, Scenario, ScoreCard
from drafts.models.rubric import NAMES, Grades
from drafts.practice import progress
from ingestion.api import PAGE

Limit = Annotated[int, Query(ge=1, le=PAGE)]


class ScenarioOut(Schema):
    id: uuid.UUID
    title: str
    version: int
    language: str
    persona_name: str
    persona: str
    subject: str
    opening: str


class SpanOut(Schema):
    turn: int
    start: int
    end: int
    of: str = Field(description="`reply`, or `draft`: the draft that it was made of.")


class GradeOut(Schema):
    kind: str
    name: str
    weight: int
    outcome: str = Field(description="met, not_met or undecided; what is undecided does not count.")
    evidence: list[SpanOut] = Field(description="Where in your answers: the number of one, and code points.")


class ScoreOut(Schema):
    session_id: uuid.UUID
    scenario_id: uuid.UUID
    scenario: str
    rubric_version: int
    total: int | None = Field(description="Of 100; null where nothing was decided.")
    points_met: int
    points_decided: int
    outcome: str
    answers: int
    criteria: list[GradeOut]
    scored_at: datetime


class PracticeOut(Schema):
    id: uuid.UUID
    scenario_id: uuid.UUID | None
    status: str
    answers: int
    total: int | None
    created_at: datetime
    closed_at: datetime | None


class PracticePage(Schema):
    practices: list[PracticeOut]
    next: uuid.UUID | None = Field(description="Pass as `before` for the next page; null at the end.")


class LineOut(Schema):
    kind: str
    name: str
    shares: list[int | None] = Field(description="Of its points, in each of the last practices, oldest first.")


@router.get("/assistant/scenarios", response={200: list[ScenarioOut], **ANSWERS}, summary="What there is to practise")
@as_person(OwnScope.PRACTICE)
def list_scenarios(request: HttpRequest, limit: Limit = 50) -> Any:
    """What the persona knows and wants, and how it is scored, is not told: that would be the answer."""
    ready = Scenario.objects.ready().kept().filter(account_id=account_of(request))
    return [*ready.order_by("-updated_at", "-pk")[:limit]]


@router.get("/assistant/practices", response={200: PracticePage, **ANSWERS}, summary="Your practices, newest first")
@as_person(OwnScope.PRACTICE)
def list_practices(request: HttpRequest, limit: Limit = 50, before: uuid.UUID | None = None) -> Any:
    mine = AssistantSession.objects.of(person_of(request).pk).kept().filter(context_type="practice")
    if before is not None:
        mine = mine.filter(pk__lt=before)
    found = [*mine.order_by("-pk")[: limit + 1]]
    shown = found[:limit]
    totals = dict(ScoreCard.objects.filter(session__in=shown).values_list("session_id", "total"))
    turns = PracticeTurn.objects.answered().filter(session__in=shown).values_list("session_id", flat=True)
    answers = [*turns]
    return {
        "practices": [
            {
                **{name: getattr(one, name) for name in ("id", "scenario_id", "status", "created_at", "closed_at")},
                "answers": answers.count(one.pk),
                "total": totals.get(one.pk),
            }
            for one in shown
        ],
        "next": shown[-1].pk if len(found) > limit else None,
    }


@router.get(
    "/assistant/sessions/{session_id}/score", response={200: ScoreOut, **ANSWERS}, summary="The score of a practice"
)
@as_person(OwnScope.PRACTICE)
def read_score(request: HttpRequest, session_id: uuid.UUID) -> Any:
    """404 where it goes on, or ended without an answer."""
    session = sessions.session_of(session_id, person_of(request))
    card = ScoreCard.objects.filter(session=session, private_to=person_of(request)).select_related("scenario").first()
    if card is None:
        raise HttpError(404, NOT_FOUND)
    names = (
        "session_id",
        "scenario_id",
        "rubric_version",
        "total",
        "points_met",
        "points_decided",
        "outcome",
        "answers",
    )
    return {
        **{name: getattr(card, name) for name in (*names, "scored_at")},
        "scenario": card.scenario.title,
        "criteria": [
            {**one.model_dump(), "name": NAMES[one.kind]} for one in Grades.model_validate(card.criteria).root
        ],
    }


@router.get("/assistant/practices/progress", response={200: list[LineOut], **ANSWERS}, summary="How you do")
@as_person(OwnScope.PRACTICE)
def read_progress(request: HttpRequest) -> Any:
    """By kind of criterion, in your last practices."""
    return [*progress.by_criterion(progress.own_cards(person_of(request)))]
