"""From an inbound message to a draft in the queue: read, retrieve, write, store.

Reading and storing are short transactions; the drafter works between them. If the customer wrote again meanwhile, what
was written is thrown away and the newest message is answered instead.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from conversations import audit, tracing
from conversations.channels.email.reading.language import detect
from conversations.database import database_time
from conversations.messages import owing
from conversations.messages.envelope import reply_envelope, writer_name
from conversations.messages.outbox import channel_of
from conversations.models import Account, Conversation, Message, Notification
from conversations.tenancy import tenant_context
from conversations.webhooks.emit import News, emit
from drafts.desk import files, findings, recipients, sources
from drafts.desk.editing import retire
from drafts.desk.text import Text, statements_to_json, text_checks
from drafts.evidence import calibration, canaries, rates
from drafts.flow import progress
from drafts.learning import prompts
from drafts.models import Draft, DraftAction, PromptVersion, Topic
from drafts.sentiment import measure_message
from drafts.writing.acts import Act
from drafts.writing.markdown import Kind, lines_of, plain_text
from drafts.writing.port import Drafter, DrafterUnavailable, DraftRequest, DraftResult, Source, Turn
from drafts.writing.registry import get_drafter
from drafts.writing.retrieval import find_sources
from drafts.writing.topics import own_topics

logger = logging.getLogger(__name__)

THREAD_TURNS = 20
QUOTE = 320
ROLES = {"user": "customer", "operator": "operator", "assistant": "assistant", "system": "system"}


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be answered, read in one transaction."""

    conversation_id: uuid.UUID
    base: Message
    request: DraftRequest
    prompt: PromptVersion | None
    degraded: str = ""  # why the search found less than it could, in words


def write_draft(
    *,
    account_id: uuid.UUID,
    conversation_id: uuid.UUID,
    asked_by: uuid.UUID | None = None,
    drafter: Drafter | None = None,
) -> Draft | None:
    """Write the draft that the conversation's newest inbound asks for; None if there is nothing to write.

    `asked_by` is the regenerate action that asked for another one, with its instruction. Raises DrafterUnavailable if
    the drafter may work later; otherwise a draft without text says why, so that a person sees the conversation.
    """
    drafter = drafter or get_drafter()
    for _ in range(5):
        with tenant_context(account_id):
            task = _read(account_id, conversation_id, asked_by)
        if task is None:
            return None
        # Outside any transaction: retrieval and drafting wait for the network and for models.
        asked = f"{task.request.subject}\n{task.request.question}"
        with tracing.span("retrieve"):
            found, findings, spent = find_sources(
                account_id=account_id, text=asked, language=task.request.language_hint
            )
        request = replace(task.request, sources=found, recogniser=findings.recogniser, spent=spent)
        task = replace(task, request=request, degraded=findings.degraded)
        # Somebody looks on while another draft is written; the first one is nobody's until it is there.
        publish = progress.publisher(account_id=account_id, conversation_id=conversation_id) if asked_by else None
        try:
            with tracing.span("model"):
                result = drafter.write(task.request, on_text=publish)
        except DrafterUnavailable as error:
            if error.retryable:
                raise
            with tenant_context(account_id):
                return store_failure(account_id=account_id, conversation_id=conversation_id, reason=str(error))
        finally:
            if publish:
                progress.ended(account_id=account_id, conversation_id=conversation_id)
        with tenant_context(account_id):
            draft = _store(account_id, task, result, asked_by)
        if draft is not None:
            return draft
    logger.warning("conversation %s: the customer writes faster than drafts are written", conversation_id)
    return None


def _newest_first(conversation: Conversation) -> QuerySet[Message]:
    """All that was written here, and in what is merged with it: one matter."""
    family = Conversation.objects.family(conversation)
    written = Message.objects.shown().filter(conversation__in=family)
    return written.order_by("-seq") if len(family) == 1 else written.order_by("-received_at", "-seq")


def _read(account_id: uuid.UUID, conversation_id: uuid.UUID, asked_by: uuid.UUID | None) -> Task | None:
    conversation = Conversation.objects.filter(pk=conversation_id).first()
    if conversation is None or conversation.last_inbound_message_id is None:
        return None
    if conversation.status != Conversation.Status.OPEN and asked_by is None:
        return None  # nothing is owed here any more
    base = Message.objects.select_related("writer").get(pk=conversation.last_inbound_message_id)
    if base.erased_at:
        return None
    live = Draft.objects.filter(conversation=conversation, base_message=base).exclude(status=Draft.Status.SUPERSEDED)
    # A check draft that was decided answered nobody: the real one follows it.
    if asked_by is None and live.exclude(is_canary=True, status=Draft.Status.REJECTED).exists():
        return None
    if Message.objects.filter(conversation=conversation, seq__gt=base.seq, direction="outbound").shown().exists():
        return None  # it was answered already
    instruction, wished = "", ""
    if asked_by:
        action = DraftAction.objects.filter(pk=asked_by).first()
        instruction, wished = (action.notes, action.wished_act) if action else ("", "")
        newer = (
            Draft.objects.filter(conversation=conversation, created_at__gt=action.created_at)
            if action
            else Draft.objects.none()
        )
        if newer.exists():
            return None  # this request was carried out by an earlier run
    recent = _newest_first(conversation)[:THREAD_TURNS]
    thread = tuple(Turn(ROLES[m.role], m.body_new or m.body_text) for m in reversed(recent))  # type: ignore[arg-type]
    account = Account.objects.get(pk=account_id)
    prompt = prompts.choose(conversation.pk)
    question, before = base.body_new or base.body_text, _before(conversation, base)
    request = DraftRequest(
        thread=thread,
        question=question,
        subject=conversation.subject,
        customer_name=writer_name(conversation, base, to_forwarded=before is not None and before.to_forwarded),
        sources=(),
        prompt_text=prompt.text if prompt else prompts.BUILT_IN_TEXT,
        prompt_version=prompt.label if prompt else prompts.BUILT_IN_LABEL,
        account_name=account.options.reply_name or account.name,
        instruction=instruction,
        act=Act(wished) if wished else None,
        language_hint=detect(question),
        topics=own_topics(Topic.objects.words()),
        form=channel_of(conversation).provided_by.form,
    )
    return Task(conversation_id, base, request, prompt)


def _store(account_id: uuid.UUID, task: Task, result: DraftResult, asked_by: uuid.UUID | None) -> Draft | None:
    """Put the draft into the queue; None if it would already be stale."""
    locked = Conversation.objects.select_for_update(of=("self",)).select_related("account", "channel")
    conversation = locked.get(pk=task.conversation_id)
    if conversation.last_inbound_message_id != task.base.pk or _is_erased(conversation, task.base):
        return None
    if conversation.status != Conversation.Status.OPEN:
        if asked_by is None or conversation.merged_into_id:
            return None
        owing.begin(conversation)
    owing.draft_waits(conversation)
    conversation.save(update_fields=owing.FIELDS)
    measure_message(task.base, task.request.question)
    before = _before(conversation, task.base)
    to_forwarded = before is not None and before.to_forwarded
    chosen = before.recipients if before else recipients.asked_for(conversation, task.base)
    for other in Draft.objects.filter(conversation=conversation).pending():
        retire(other, Draft.Status.SUPERSEDED, reason="a newer draft took its place")
    questions = [{"text": one.text, "answer": _words(result, one.statement)} for one in result.asked]
    planted = canaries.plant(account=conversation.account, base=task.base, result=result)
    result, defect = planted or (result, "")
    text, top_sources = Text(result.text, result.statements), sources_to_json(task.request.sources, result)
    envelope = reply_envelope(
        conversation, channel_of(conversation), task.base, to_forwarded=to_forwarded, recipients=chosen
    )
    share, fared = rates.history(rates.topic_rates(account_id), result.intent[:100])
    raw = round(max(0.0, min(1.0, result.confidence)) * share, 3)
    sure, calibrated = calibration.curve_of(account_id, result.intent[:100]).apply(raw)
    draft = Draft.objects.create(
        account_id=account_id,
        is_canary=bool(defect),
        canary_defect=defect,
        language=task.request.language_hint,
        cost_micros=result.cost_micros,
        conversation=conversation,
        base_message=task.base,
        trigger_message=task.base,
        to_forwarded=to_forwarded,
        recipients=chosen,
        model_key=result.model_key,
        prompt_version=task.prompt,
        prompt_label=task.request.prompt_version,
        suggested_text=result.text,
        top_sources=top_sources,
        statements=statements_to_json(result.statements),
        checks=[
            *recipients.checks(conversation, task.base, envelope),
            *text_checks(text, top_sources),
            *({"ok": False, "text": warning[:300]} for warning in (*result.warnings, task.degraded) if warning),
        ],
        unsourced_count=text.unsourced,
        is_about_money=text.is_about_money,
        confidence=sure,
        raw_confidence=raw,
        confidence_reasons=[*result.reasons, *([fared] if fared else []), calibrated],
        intent=result.intent[:100],
        questions=questions,
        act=result.act,
        facts=[{"kind": fact.kind, "text": fact.text[:200]} for fact in result.facts],
        needs_human=[*recipients.cautions(conversation, task.base), *result.needs_human],
        tokens_used=result.tokens_used,
        latency_ms=result.latency_ms,
        due_at=conversation.due_at or database_time.now(),
        snoozed_until=conversation.snoozed_until,
    )
    if before:
        files.move(before, draft)
    audit.record(
        audit.Kind.DRAFT_WRITTEN,
        actor=audit.model_actor(result.model_key),
        about=draft,
        conversation_id=conversation.pk,
        data={
            "prompt": draft.prompt_label,
            "sources": len(draft.top_sources),
            "unsourced": text.unsourced,
            "confidence": round(draft.confidence or 0.0, 3),
            "channel": channel_of(conversation).name,
            "asked_by": str(asked_by or ""),
        },
        commit={"text": result.text},
    )
    emit(News.DRAFT_READY, draft, conversation_id=conversation.pk)
    # A source may have changed while the draft was written.
    sources.mark_if_gone(draft)
    return draft


def _is_erased(conversation: Conversation, base: Message) -> bool:
    """Whether an erasure came over it meanwhile. The conversation is locked, so it says so without another question."""
    return conversation.archived_at is not None and base.received_at <= conversation.archived_at


def _words(result: DraftResult, place: int | None) -> str:
    """The statement that answers a question, as it stands in the text; "" where none does."""
    if place is None:
        return ""
    found = result.statements[place]
    return result.text[found.start : found.end][:500]


def _before(conversation: Conversation, base: Message) -> Draft | None:
    """The draft that another one is written to follow: what a person chose of it, recipients and files, stays."""
    return Draft.objects.filter(conversation=conversation, base_message=base).pending().first()


def sources_to_json(sources: tuple[Source, ...], result: DraftResult) -> list[dict[str, Any]]:
    """The sources a person is shown: those that are cited, in order of citation, then the others."""
    cited = list(dict.fromkeys(source for statement in result.statements for source in statement.source_ids))
    ordered = sorted(sources, key=lambda source: cited.index(source.passage_id) if source.passage_id in cited else 99)
    return [
        {
            "passage": str(source.passage_id),
            "document": str(source.document_id),
            "title": source.place[:300],
            "url": source.url[:2000],
            "quote": quote(
                source, [result.text[c.start : c.end] for c in result.statements if source.passage_id in c.source_ids]
            ),
            "score": round(source.score, 4),
            "indexed_at": source.indexed_at.isoformat(),
            "cited": source.passage_id in cited,
            "says": findings.said_in(source.text),
        }
        for source in ordered
    ]


def quote(source: Source, cited: list[str]) -> str:
    """The part of a passage that a person is shown: from the sentence before the first cited one, without its markup."""
    said = [line for line in lines_of(source.text) if line.kind is not Kind.HEADING]
    text = " ".join(f"• {line.text}" if line.kind is Kind.ITEM else line.text for line in said)
    at = min((found for sentence in cited if (found := text.find(plain_text(sentence).strip(". "))) >= 0), default=0)
    before = text.rfind(". ", 0, max(at - 2, 0))
    start = before + 2 if before >= 0 else 0
    shown = text[start : start + QUOTE]
    if start + QUOTE < len(text):
        shown = shown.rpartition(" ")[0]
    return f"{'… ' if start else ''}{shown}{' …' if start + QUOTE < len(text) else ''}"


def store_failure(*, account_id: uuid.UUID, conversation_id: uuid.UUID, reason: str) -> Draft | None:
    """No text came out: put the conversation into the queue all the same, saying why. The caller is in the tenant."""
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update(of=("self",)).get(pk=conversation_id)
        if Draft.objects.filter(conversation=conversation).pending().exists():
            return None
        base = conversation.last_inbound_message
        if base is None or base.erased_at or conversation.status != Conversation.Status.OPEN:
            return None
        owing.draft_waits(conversation)
        conversation.save(update_fields=owing.FIELDS)
        draft = Draft.objects.create(
            account_id=account_id,
            conversation=conversation,
            base_message=base,
            trigger_message=base,
            model_key="none",
            suggested_text="",
            error=reason[:500] or "The drafter gave no answer.",
            due_at=conversation.due_at or database_time.now(),
            snoozed_until=conversation.snoozed_until,
        )
        Notification.objects.create(
            account_id=account_id,
            type=Notification.Type.DRAFT_FAILED,
            payload={"draft": str(draft.pk), "conversation": str(conversation.pk), "customer": conversation.customer},
        )
        audit.record(
            audit.Kind.DRAFT_FAILED,
            actor=audit.SYSTEM,
            about=draft,
            conversation_id=conversation.pk,
            commit={"error": draft.error},
        )
    return draft
