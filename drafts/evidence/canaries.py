"""Check drafts: a draft with a planted error that can never be sent. They measure whether people read before they sign.

An account chooses the share (`canary_share`, off by default). Only a fully sourced draft is used, because that is where
one press is enough; the planted sentence claims the source of the sentence before it, as a model's mistake would.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from conversations.models import Account, Message
from drafts.diffing import diff_ops
from drafts.evidence.sampling import bucket
from drafts.models import Draft
from drafts.writing.port import DraftResult, Statement

#: Statements that no source of any tenant makes; each is long enough to be seen by somebody who reads.
PLANTED = (
    "This applies only to orders that were placed on the last Sunday of a month.",
    "You have to send us a signed paper form within three days, otherwise we cannot help.",
    "For this we need the name and date of birth of the person who delivered the parcel.",
    "Our office answers such questions on Tuesdays between four and five in the morning only.",
)


def plant(*, account: Account, base: Message, result: DraftResult) -> tuple[DraftResult, str] | None:
    """The result with an error in it and what the error is; None for all drafts but the chosen share.

    Which ones is decided by the message's hash: writing the same draft again does not change it, and a message has its
    check draft once.
    """
    share = account.options.canary_share
    if not share or bucket(base.pk, "check draft") >= share or result.needs_human or not result.statements:
        return None
    if any(not statement.source_ids for statement in result.statements):
        return None
    if Draft.objects.filter(base_message=base, is_canary=True).exists():
        return None
    sentence = one_of(base.pk)
    return with_error(result, sentence), f"No source says: {sentence}"


def one_of(key: uuid.UUID) -> str:
    """The planted statement of this message: always the same."""
    return PLANTED[int(bucket(key, "sentence") * len(PLANTED))]


def with_error(result: DraftResult, sentence: str) -> DraftResult:
    """The result with a sentence more, behind its last statement and with the source of that."""
    last = result.statements[-1]
    start = last.end + 1
    text = f"{result.text[: last.end]} {sentence}{result.text[last.end :]}"
    statements = (*result.statements, Statement(start, start + len(sentence), last.source_ids))
    return replace(result, text=text, statements=statements)


def holds(draft: Draft, text: str) -> bool:
    """Whether a check draft's planted statement is still in the text that a person made of it."""
    return still_says(draft.canary_defect.removeprefix("No source says: "), draft.suggested_text, text)


def still_says(planted: str, suggested: str, text: str) -> bool:
    """Whether a statement of a draft is still in the text: as it was planted, or with more than half of it left standing.

    What counts is what became of that statement in the edit; its words elsewhere in the text do not, and a word or two put
    otherwise in it do not make it true.
    """
    start = suggested.find(planted) if planted else -1
    if start < 0 or planted in text:
        return start >= 0
    at = kept = 0
    for kind, value in diff_ops(suggested, text)["ops"]:
        length = 0 if kind == "+" else value if kind == "=" else len(value)
        if kind == "=":
            kept += max(0, min(at + length, start + len(planted)) - max(at, start))
        at += length
    return kept > len(planted) / 2
