"""The drafter's real draft for what the persona said, kept with the practice. Now and then an error is planted in it.

The same drafter, sources and prompt as for a customer; the result is a column of `PracticeTurn`, never a `Draft`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import connection

from conversations.channels.email.reading.language import detect
from conversations.database import database_time
from conversations.jobs import wake
from conversations.models import Account, AssistantSession, Message
from conversations.tenancy import tenant_context
from drafts.desk.text import statements_to_json
from drafts.evidence import canaries
from drafts.evidence.sampling import bucket
from drafts.flow.drafting import sources_to_json
from drafts.learning import prompts
from drafts.models import PracticeTurn, Scenario, Topic
from drafts.models.rubric import Rubric
from drafts.practice.talks import TASK, scenario_of
from drafts.sentiment import measure_message
from drafts.writing.port import Drafter, DrafterUnavailable, DraftRequest, DraftResult, Turn
from drafts.writing.registry import get_drafter
from drafts.writing.retrieval import find_sources
from drafts.writing.topics import own_topics

UNHEARD_SECONDS = 30
PLANTED_BY = 2  # a planted error is in one of the first answers: most talks have that many


@dataclass(frozen=True, slots=True)
class _Task:
    request: DraftRequest
    message_id: uuid.UUID
    planted: str  # the error to put into it; "": none


def write(
    *,
    account_id: uuid.UUID,
    person_id: uuid.UUID,
    turn_id: uuid.UUID,
    drafter: Drafter | None = None,
    last_try: bool = True,
) -> str:
    """Write the draft that a turn waits for; returns its state afterwards. Harmless when it runs twice or late.

    Raises DrafterUnavailable if another try may help and this is not the last one; else the trainee writes without a draft.
    """
    drafter = drafter or get_drafter()
    with tenant_context(account_id, person=person_id):
        _measure(turn_id)
        task = _read(turn_id)
    if task is None:
        return "nothing to write"
    request = task.request
    asked = f"{request.subject}\n{request.question}"
    found, findings, spent = find_sources(account_id=account_id, text=asked, language=request.language_hint)
    request = replace(request, sources=found, recogniser=findings.recogniser, spent=spent)
    try:
        result = drafter.write(request)
    except DrafterUnavailable as error:
        if error.retryable and not last_try:
            raise
        return _store(account_id, person_id, turn_id, error=str(error) or "The drafter gave no answer.")
    planted = task.planted if result.statements else ""
    result = canaries.with_error(result, planted) if planted else result
    return _store(account_id, person_id, turn_id, result=result, request=request, planted=planted)


def sweep(*, account_id: uuid.UUID) -> int:
    """Wake the turns of an account whose job is lost; returns how many."""
    with tenant_context(account_id), connection.cursor() as cursor:
        before = database_time.now() - timedelta(seconds=UNHEARD_SECONDS)
        cursor.execute("SELECT id, person_id FROM lost_practice(%s)", [before])
        lost = cursor.fetchall()
        for turn_id, person_id in lost:
            once = f"practise {turn_id}"
            wake(TASK, queue="drafts", once=once, account_id=account_id, person_id=person_id, turn_id=turn_id)
    return len(lost)


def _measure(turn_id: uuid.UUID) -> None:
    """How the trainee sounded so far. What they are played is no one's mood."""
    turn = PracticeTurn.objects.select_related("session").filter(pk=turn_id).first()
    if turn is not None:
        for one in Message.objects.filter(
            conversation_id=turn.session.conversation_id, role=Message.Role.USER, sentiment=None, erased_at=None
        ):
            measure_message(one, one.body_text)


def _read(turn_id: uuid.UUID) -> _Task | None:
    turn = PracticeTurn.objects.select_related("session", "persona_message").filter(pk=turn_id).first()
    if turn is None or turn.status != PracticeTurn.Status.WRITING or not turn.session.is_open:
        return None
    scenario = scenario_of(turn.session)
    said = Message.objects.filter(conversation_id=turn.session.conversation_id, seq__lte=turn.persona_message.seq)
    thread = tuple(
        Turn("operator" if one.role == Message.Role.USER else "customer", one.body_text) for one in said.order_by("seq")
    )
    account = Account.objects.get(pk=turn.account_id)
    prompt = prompts.choose(turn.session.conversation_id)
    question = turn.persona_message.body_text
    request = DraftRequest(
        thread=thread,
        question=question,
        subject=scenario.subject,
        customer_name=scenario.persona_name,
        sources=(),
        prompt_text=prompt.text if prompt else prompts.BUILT_IN_TEXT,
        prompt_version=prompt.label if prompt else prompts.BUILT_IN_LABEL,
        account_name=account.options.reply_name or account.name,
        language_hint=detect(question) or scenario.language,
        topics=own_topics(Topic.objects.words()),
    )
    return _Task(request, turn.persona_message_id, _error_for(turn, scenario))


def _error_for(turn: PracticeTurn, scenario: Scenario) -> str:
    """What to plant into this turn's draft: once in a practice whose rubric asks to catch errors, at a place that its id says."""
    if not any(one.kind == "catches" for one in Rubric.model_validate(scenario.rubric).root):
        return ""
    session: AssistantSession = turn.session
    due = 1 + int(bucket(session.pk, "practice error") * PLANTED_BY)
    earlier = PracticeTurn.objects.filter(session=session, number__lt=turn.number).exclude(planted="")
    return canaries.one_of(session.pk) if turn.number >= due and not earlier.exists() else ""


def _store(
    account_id: uuid.UUID,
    person_id: uuid.UUID,
    turn_id: uuid.UUID,
    *,
    result: DraftResult | None = None,
    request: DraftRequest | None = None,
    planted: str = "",
    error: str = "",
) -> str:
    drafted: dict[str, object] = {"error": error[:500]}
    if result is not None and request is not None:
        drafted = {
            "suggested_text": result.text,
            "statements": statements_to_json(result.statements),
            "sources": sources_to_json(request.sources, result),
            "planted": planted,
            "model_key": result.model_key,
            "latency_ms": result.latency_ms,
        }
    with tenant_context(account_id, person=person_id):
        stored = PracticeTurn.objects.filter(pk=turn_id, status=PracticeTurn.Status.WRITING).update(
            status=PracticeTurn.Status.WAITING, drafted_at=database_time.now(), **drafted
        )
    return "waiting" if stored else "nothing to write"
