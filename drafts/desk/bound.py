"""Where the texts stand that events about drafts bind; `conversations.trail` hashes them again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from conversations.audit import Kind
from conversations.messages.envelope import digest
from conversations.models import AuditEvent, Delivery
from conversations.trail.chain import Break
from conversations.trail.texts import Place, Witness

_OF_ITS_ACT = "t.id = e.act_id"
_OF_ITS_DELIVERY = "t.id = (e.data ->> 'delivery')::uuid"
_OF_ITS_MESSAGE = (
    "t.id = (SELECT d.message_id FROM conversations_delivery d"
    " WHERE d.account_id = e.account_id AND d.id = (e.data ->> 'delivery')::uuid)"
)
_ITSELF = "t.id = e.object_id::uuid"

APPROVED = (Kind.DRAFT_APPROVED,)
#: `since=2`: before, a longer instruction was bound than is kept, and an erasure left the salts of answers that it deleted.
PLACES = [
    Place("the text of a draft", (Kind.DRAFT_WRITTEN, Kind.DRAFT_KEPT), "text", "drafts_draft", "t.suggested_text", _ITSELF),
    Place("the reason why there is no draft", (Kind.DRAFT_FAILED,), "error", "drafts_draft", "t.error", _ITSELF),
    Place(
        "the text of a saved version",
        (Kind.DRAFT_EDITED, Kind.DRAFT_BROUGHT),
        "text",
        "drafts_draftrevision",
        "t.text",
        "t.draft_id = e.object_id::uuid AND t.number = (e.data ->> 'version')::int",
    ),
    Place("the final text of a decision", (*APPROVED, Kind.CHECK_DECIDED), "text", "drafts_draftaction", "t.final_text", _OF_ITS_ACT),
    Place("the text of a delivery", APPROVED, "text", "conversations_delivery", "t.body_text", _OF_ITS_DELIVERY),
    Place("the text of a reply in its thread", APPROVED, "text", "conversations_message", "t.body_text", _OF_ITS_MESSAGE),
    Place("the note of a decision", (Kind.DRAFT_REJECTED,), "notes", "drafts_draftaction", "t.notes", _OF_ITS_ACT),
    Place("the instruction for another draft", (Kind.DRAFT_REGENERATED,), "instruction", "drafts_draftaction", "t.notes", _OF_ITS_ACT, since=2),
    Place("the note of a hand-over", (Kind.DRAFT_HANDED_OVER,), "note", "drafts_draftaction", "t.notes", _OF_ITS_ACT),
    Place("the question of an approved answer", (Kind.GOLDEN_PROPOSED,), "question", "drafts_golden", "t.question", _ITSELF, since=2),
    Place("the answer of an approved answer", (Kind.GOLDEN_PROPOSED,), "answer", "drafts_golden", "t.answer", _ITSELF, since=2),
]  # fmt: skip
WITNESSES = [Witness("a decision", "drafts_draftaction", "e.act_id = t.id")]


def envelopes(account_id: uuid.UUID) -> Iterator[Break]:
    """To whom an approved reply goes, under which subject and with which files: as whoever approved it saw it."""
    approved = AuditEvent.objects.filter(account_id=account_id, kind=Kind.DRAFT_APPROVED)
    seen = {event.data.get("delivery"): (event.seq or 0, event.data.get("envelope")) for event in approved.iterator()}
    kept = Delivery.objects.filter(account_id=account_id, erased_at__isnull=True)
    for delivery_id, envelope in kept.values_list("pk", "envelope").iterator():
        seq, wanted = seen.get(str(delivery_id), (0, None))
        if wanted and digest(envelope) != wanted:
            yield Break(seq, "the recipients, subject or files of a delivery are not those that were approved")
