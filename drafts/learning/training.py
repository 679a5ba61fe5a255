"""What people signed, as JSON lines that trainers read: conversations for fine-tuning, pairs for preference training.

Layouts: "conversational" language modelling (`messages`) and "conversational" explicit-prompt preference (`prompt`, `chosen`,
`rejected`), as TRL's dataset formats name them; OpenAI's fine-tuning API reads the first as well. Lines come in a fixed
order and hold no time of export: the same rows give the same bytes. A conversation is in one split only, and no
line of one split is a line of the other. Personal data is replaced, and counted in the report (`redaction`).
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from django.db.models import OuterRef, Q, Subquery

from conversations.models import Account
from drafts.learning import samples
from drafts.learning.prompts import BUILT_IN_TEXT
from drafts.learning.redaction import Known, redact
from drafts.models import Draft, DraftAction, Golden, PromptVersion

Layout = Literal["sft", "dpo"]
Turns = list[dict[str, str]]
MAX_NAMES, MAX_ANSWERS = 5_000, 2_000


def lines(
    *, account_id: uuid.UUID, since: datetime, layout: Layout, split: str, report: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Signed replies decided at or after `since`; `split` is "train", "validation" or "all". Fills `report` as it goes.

    "sft" gives every reply that a person approved, edited or not; "dpo" those they changed, with the draft as the rejected
    side. Approvals without a person, check drafts, erased texts and what was taken back are left out.
    """
    held_back = set()
    if split in ("all", "train"):  # a line that validates must not have been learned
        found = _lines(account_id=account_id, since=since, layout=layout, split="validation", report=Counter())
        held_back = {_digest(line) for _, line in found}
    for side, line in _lines(account_id=account_id, since=since, layout=layout, split=split, report=report):
        if side == "train" and _digest(line) in held_back:
            report["train lines left out: they validate"] += 1
            continue
        report["lines"] += 1
        report[side] += 1
        yield line


def _digest(line: dict[str, Any]) -> bytes:
    """Of what a trainer sees of a line, however it is spaced."""
    return hashlib.sha256(" ".join(json.dumps(line, sort_keys=True).split()).encode()).digest()


def _lines(
    *, account_id: uuid.UUID, since: datetime, layout: Layout, split: str, report: Counter[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
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
            draft__base_message__isnull=False,
            draft__base_message__erased_at=None,
            pk=Subquery(last.values("pk")[:1]),
        )
        .exclude(final_text=None)
        .exclude(final_text="")
        .select_related("draft__base_message", "conversation")
        .order_by("created_at", "id")
    )
    people, vocabulary = colleagues(), own_words(account_id)
    for action in signed.iterator(chunk_size=200):
        side = samples.split_of(action.conversation_id)
        if split not in ("all", side):
            continue
        draft, question = action.draft, action.draft.base_message
        assert question is not None
        sender = question.details.sender_name
        known = Known((*people, action.conversation.customer_name, sender), vocabulary)
        clean = {
            name: redact(text, report, known)
            for name, text in (
                ("question", question.body_new or question.body_text),
                ("final", action.final_text or ""),
                ("draft", draft.suggested_text),
            )
        }
        if layout == "dpo" and clean["final"] == clean["draft"]:
            continue
        asked: Turns = [
            {"role": "system", "content": prompts.get(draft.prompt_label, BUILT_IN_TEXT)},
            {"role": "user", "content": clean["question"]},
        ]
        if layout == "sft":
            yield str(side), {"messages": [*asked, {"role": "assistant", "content": clean["final"]}]}
        else:
            yield (
                str(side),
                {
                    "prompt": asked,
                    "chosen": [{"role": "assistant", "content": clean["final"]}],
                    "rejected": [{"role": "assistant", "content": clean["draft"]}],
                },
            )


def colleagues() -> tuple[str, ...]:
    """The names of whoever decided drafts here, as the acts keep them."""
    return tuple(DraftAction.objects.order_by().values_list("user_name", flat=True).distinct()[:MAX_NAMES])


def own_words(account_id: uuid.UUID) -> frozenset[str]:
    """The words of the account's name and its approved answers: products, brands and places that are no customer's."""
    answers = Golden.objects.in_use().order_by("-created_at").values_list("question", "answer")[:MAX_ANSWERS]
    texts = [Account.objects.get(pk=account_id).name, *(text for pair in answers for text in pair)]
    return frozenset(word.casefold() for text in texts for word in re.findall(r"[\w'’-]+", text))
