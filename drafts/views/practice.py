"""Practice pages: the scenarios, a talk with a customer whom the assistant plays, its score. All of it works without a script."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from conversations.errors import Refusal
from conversations.models import AssistantSession, Message
from conversations.models.base import new_id
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.asking import request_id
from conversations.views.links import see_other
from conversations.views.words import clock_for, mood_of, plural
from drafts.assistant import waiting
from drafts.models import PracticeTurn, Scenario, ScoreCard
from drafts.models.practice import MOST_ANSWERS
from drafts.models.rubric import Rubric
from drafts.practice import progress, talks
from drafts.views import practice_present as present

LAST_SCORES = 3
MOST = 200  # scenarios in the list


@require_safe
@signed_in
@require(Verb.ASSIST)
def page(request: HttpRequest) -> HttpResponse:
    """What there is to practise, how one does, and for who manages the account how the team does."""
    tenant, user = require_tenant(request), person(request)
    manages = may(tenant, Verb.MANAGE)
    found = Scenario.objects.kept() if manages else Scenario.objects.kept().ready()
    found = found.order_by("-updated_at")[:MOST]
    shown = request.GET.get("status", "") if manages else ""
    counts = {status: sum(one.status == status for one in found) for status, _ in Scenario.Status.choices}
    mine = AssistantSession.objects.of(user.pk).kept().open().filter(context_type="practice")
    open_ones = {one.scenario_id: one.pk for one in mine}
    runs, cards = progress.runs(), progress.own_cards(user)
    best = {card.scenario_id: card.total for card in cards if card.total is not None}
    context = {
        "nav": "assistant",
        "to_sign": waiting.to_sign(user, tenant.account_id),
        "manages": manages,
        "rows": [
            present.ScenarioRow.of(one, runs=runs.get(one.pk, 0), last=best.get(one.pk), open_one=open_ones.get(one.pk))
            for one in found
            if not shown or one.status == shown
        ],
        "chips": [
            ("All", "", sum(counts.values()), not shown),
            *(
                (label, f"?status={status}", counts[status], shown == status)
                for status, label in Scenario.Status.choices
            ),
        ],
        "lines": [present.ProgressLine.of(line) for line in progress.by_criterion(cards)],
        "cards": [present.CardRow.of(card, clock_for(request)) for card in reversed(cards[-progress.LAST :])],
        "team": progress.of_team() if manages else [],
        "needed": progress.NEEDED,
    }
    return render(request, "practice/list.html", context)


@require_POST
@signed_in
@require(Verb.ASSIST)
def start(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    tenant = require_tenant(request)
    try:
        session, _ = talks.start_practice(actor=person(request), account_id=tenant.account_id, scenario_id=pk)
    except Scenario.DoesNotExist:
        raise Http404("There is no such scenario to practise.") from None
    return see_other(reverse("drafts:practise", args=[session.pk]))


@require_safe
@signed_in
@require(Verb.ASSIST)
def talk(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The talk as it stands; `do=edit` opens the draft for editing. One that has ended leads to its score."""
    session = _own(request, pk)
    if not session.is_open:
        return see_other(reverse("drafts:practice-score", args=[pk]))
    return _talk(request, session, editing=request.GET.get("do") == "edit")


@require_POST
@signed_in
@require(Verb.ASSIST)
def answer(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The reply to the persona's newest message: the draft as it is, or what was typed."""
    session, text = _own(request, pk), request.POST.get("final_text", "")
    try:
        turn_id = uuid.UUID(request.POST.get("turn", ""))
        with transaction.atomic():
            turn = PracticeTurn.objects.get(pk=turn_id, session=session)
            if "final_text" not in request.POST:
                text = turn.suggested_text
            talks.answer(turn_id=turn.pk, actor=person(request), text=text, request_id=request_id(request))
    except (ValueError, PracticeTurn.DoesNotExist):
        raise Http404("There is no such message to answer.") from None
    except Refusal as refusal:
        session = _own(request, pk)
        return _talk(request, session, editing=True, problem=str(refusal), typed=text, status=refusal.status)
    return see_other(f"{reverse('drafts:practise', args=[pk])}#newest")


@require_POST
@signed_in
@require(Verb.ASSIST)
def end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    _own(request, pk)
    card = talks.end_practice(session_id=pk, actor=person(request))
    return see_other(reverse("drafts:practice-score", args=[pk]) if card else reverse("drafts:practice"))


@require_safe
@signed_in
@require(Verb.ASSIST)
def score(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What the practice came to, each criterion with the places in the texts that say so."""
    session, user = _own(request, pk), person(request)
    if session.is_open:
        return see_other(reverse("drafts:practise", args=[pk]))
    scenario = talks.scenario_of(session)
    card = ScoreCard.objects.filter(session=session).first()
    turns = list(PracticeTurn.objects.of(session.pk).answered())
    cards = progress.own_cards(user)
    clock = clock_for(request)
    graded = present.grades(card, scenario, turns) if card else []
    chat = session.conversation
    context = {
        "nav": "assistant",
        "session": session,
        "scenario": scenario,
        "card": card,
        "erased": scenario.erased_at is not None or chat.forgotten_at is not None,
        "outcome": present.outcome_words(session.reason, scenario),
        "took": present.took(turns, clock),
        "compared": present.compared(cards, card) if card else "",
        "chart": present.chart(cards),
        "grades": graded,
        "answers": [present.AnsweredView.of(turn, graded, clock) for turn in turns],
        "lines": [present.ProgressLine.of(line) for line in progress.by_criterion(cards)],
        "mood": mood_of(chat.average_sentiment, chat.sentiment_count, chat.user_message_count),
        "may_again": scenario.status == Scenario.Status.READY,
    }
    return render(request, "practice/score.html", context)


def _own(request: HttpRequest, pk: uuid.UUID) -> AssistantSession:
    require_tenant(request)
    try:
        return talks.practice_of(pk, person(request))
    except AssistantSession.DoesNotExist:
        raise Http404("You have no such practice.") from None


def _talk(
    request: HttpRequest,
    session: AssistantSession,
    *,
    editing: bool,
    problem: str = "",
    typed: str = "",
    status: int = 200,
) -> HttpResponse:
    user, clock, scenario = person(request), clock_for(request), talks.scenario_of(session)
    turns = list(PracticeTurn.objects.of(session.pk))
    newest = turns[-1]
    by_answer = {turn.answer_id: turn for turn in turns if turn.answer_id}
    messages = Message.objects.filter(conversation_id=session.conversation_id).order_by("seq")
    waiting = newest.status == PracticeTurn.Status.WAITING
    reply = present.PracticeReply.of(newest) if waiting else None
    cards = progress.own_cards(user, most=LAST_SCORES)
    criteria = Rubric.model_validate(scenario.rubric).root if scenario.rubric else []
    context: dict[str, Any] = {
        "nav": "assistant",
        "session": session,
        "scenario": scenario,
        "criteria": criteria,
        "points": sum(one.weight for one in criteria),
        "thread": [present.message_of(one, by_answer.get(one.pk), scenario, user, clock) for one in messages],
        "turn": newest,
        "waiting": waiting,
        "writing": newest.status == PracticeTurn.Status.WRITING,
        "reply": reply,
        "evidence": present.evidence_of(newest, reply, scenario, clock) if reply else None,
        "editing": waiting and (editing or not newest.suggested_text),
        "text": typed or newest.suggested_text,
        "problem": problem,
        "request_id": new_id().hex,
        "most": MOST_ANSWERS,
        "patience": [n < newest.patience for n in range(scenario.patience)],
        "so_far": [
            ("Your answers", str(len(by_answer))),
            *(
                [("Your last scores", ", ".join(str(card.total) for card in cards if card.total is not None))]
                if cards
                else []
            ),
        ],
        "answers": plural(len(by_answer), "answer"),
    }
    return render(request, "practice/talk.html", context, status=status)
