"""What people signed, as JSON lines that trainers read: conversations for fine-tuning, pairs for preference training.

Layouts: "conversational" language modelling (`messages`) and "conversational" explicit-prompt preference (`prompt`, `chosen`,
`rejected`), as TRL's dataset formats name them; OpenAI's fine-tuning API reads the first as well. Lines come in a fixed
order and hold no time of export: the same rows give the same bytes. A conversation is in one split only. Addresses,
telephone and card numbers are replaced, and counted in the report.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from django.db.models import OuterRef, Q, Subquery

from drafts.learning import samples
from drafts.learning.prompts import BUILT_IN_TEXT
from drafts.models import Draft, DraftAction, PromptVersion

Layout = Literal["sft", "dpo"]
Turns = list[dict[str, str]]


def lines(
    *, account_id: uuid.UUID, since: datetime, layout: Layout, split: str, report: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Signed replies decided at or after `since`; `split` is "train", "validation" or "all". Fills `report` as it goes.

    "sft" gives every reply that a person approved, edited or not; "dpo" those they changed, with the draft as the rejected
    side. Approvals without a person, check drafts, erased texts and what was taken back are left out.
    """
    prompts = {version.label: version.text for version in PromptVersion.objects.filter(account_id=account_id)}
    last = DraftAction.objects.filter(draft=OuterRef("draft"), type__in=["approve", "edit", "reject"]).order_by("-id")
    signed = (
        DraftAction.objects.filter(
            Q(type=DraftAction.Type.EDIT) if layout == "dpo" else Q(type__in=["approve", "edit"]),
            account_id=account_id,
            created_at__gte=since,
            lane=None,
            draft__is_canary=False,
            draft__status__in=[Draft.Status.APPROVED, Draft.Status.SENT, Draft.Status.ARCHIVED],
            draft__erased_at=None,
            draft__base_message__erased_at=None,
            pk=Subquery(last.values("pk")[:1]),
        )
        .exclude(final_text=None)
        .exclude(final_text="")
        .select_related("draft__base_message")
        .order_by("created_at", "id")
    )
    for action in signed.iterator(chunk_size=200):
        side = samples.split_of(action.conversation_id)
        if split not in ("all", side):
            continue
        draft, question = action.draft, action.draft.base_message
        clean = {
            name: redact(text, report)
            for name, text in (
                ("question", question.body_new or question.body_text),
                ("final", action.final_text or ""),
                ("draft", draft.suggested_text),
            )
        }
        if layout == "dpo" and clean["final"] == clean["draft"]:
            continue
        report["lines"] += 1
        report[str(side)] += 1
        asked: Turns = [
            {"role": "system", "content": prompts.get(draft.prompt_label, BUILT_IN_TEXT)},
            {"role": "user", "content": clean["question"]},
        ]
        if layout == "sft":
            yield {"messages": [*asked, {"role": "assistant", "content": clean["final"]}]}
        else:
            yield {
                "prompt": asked,
                "chosen": [{"role": "assistant", "content": clean["final"]}],
                "rejected": [{"role": "assistant", "content": clean["draft"]}],
            }


def redact(text: str, report: Counter[str]) -> str:
    """The text with personal data replaced by its kind in brackets; how many of each kind is added to `report`."""
    for name, pattern in samples.PERSONAL.items():
        text, found = pattern.subn(f"[{name}]", text)
        report[name] += found
    return text
