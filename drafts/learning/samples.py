"""What an edit teaches: samples whose operations replay, and their export."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from conversations.models import User
from conversations.visible import Visible
from drafts.diffing import apply_ops, diff_ops, similarity
from drafts.evidence.sampling import bucket
from drafts.learning import redaction
from drafts.models import Draft, DraftAction, LearningSample


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def split_of(conversation_id: uuid.UUID) -> str:
    """Train or validation, by the conversation's hash: a conversation is never on both sides. One in ten validates."""
    held_back = bucket(conversation_id, "split") < 0.1
    return LearningSample.Split.VALIDATION if held_back else LearningSample.Split.TRAIN


def holds_personal_data(text: str) -> bool:
    """Whether a text looks as if it told of one person: more than a name or a number of something."""
    return bool(redaction.found(text).keys() - {"name", "number"})


def keep_sample(*, draft: Draft, action: DraftAction) -> LearningSample:
    """Store what a person changed, in the decision's own transaction. Raises ReplayError if it would not replay."""
    final = action.final_text or ""
    operations = action.diff or diff_ops(draft.suggested_text, final)
    apply_ops(draft.suggested_text, operations)
    assert draft.base_message is not None, "only a person begins a conversation, and that teaches nothing"
    question = draft.base_message.body_new
    return LearningSample.objects.create(
        account_id=draft.account_id,
        draft=draft,
        action=action,
        conversation_id=draft.conversation_id,
        question=question,
        original=draft.suggested_text,
        final=final,
        operations=operations,
        reasons=action.reasons,
        similarity=similarity(operations),
        model_key=draft.model_key,
        prompt_label=draft.prompt_label,
        split=split_of(draft.conversation_id),
    )


def drop_samples(*, draft: Draft) -> int:
    """An approval that was taken back teaches nothing."""
    return LearningSample.objects.filter(draft=draft).delete()[0]


def exported(
    *,
    account_id: uuid.UUID,
    within: Visible,
    since: datetime | None = None,
    user: User | None = None,
) -> QuerySet[LearningSample]:
    """The samples of an export: at or after `since`, of `user`'s own decisions, of the channels `within`; erased ones never."""
    rows = LearningSample.objects.filter(account_id=account_id, erased_at__isnull=True)
    if since:
        rows = rows.filter(created_at__gte=since)
    if user:
        rows = rows.filter(action__user=user)
    return rows.filter(**within.where("conversation__channel_id"))


def export(
    *,
    account_id: uuid.UUID,
    within: Visible,
    since: datetime | None = None,
    user: User | None = None,
) -> Iterator[dict[str, Any]]:
    """`exported`, oldest first, as plain data for JSON lines.

    Personal data is found, counted and reported, never silently changed: the operations must replay on these texts.
    """
    rows = exported(account_id=account_id, since=since, user=user, within=within)
    for sample in rows.order_by("created_at", "id").iterator(chunk_size=200):
        yield {
            "id": str(sample.pk),
            "created_at": sample.created_at.isoformat(),
            "conversation": str(sample.conversation_id),
            "draft": str(sample.draft_id),
            "action": str(sample.action_id),
            "question": sample.question,
            "original": sample.original,
            "final": sample.final,
            "operations": sample.operations,
            "reasons": sample.reasons,
            "similarity": sample.similarity,
            "model": sample.model_key,
            "prompt": sample.prompt_label,
            "split": sample.split,
            "personal_data_found": redaction.found(f"{sample.question}\n{sample.final}"),
        }
