"""Approving many drafts at once: only the safe ones, each by `decisions.approve` on what was seen of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, F, OuterRef, QuerySet

from conversations.database import database_time
from conversations.errors import Invalid, Refusal
from conversations.messages import outgoing
from conversations.messages.envelope import digest
from conversations.models import Attachment, Conversation, User
from conversations.models.base import new_id
from conversations.people.roles import Verb, check
from conversations.tenancy import tenant_context
from conversations.visible import Visible
from conversations.web.bidi import isolated
from drafts import queue
from drafts.desk import decisions, recipients
from drafts.desk.decisions import Attention, Seen
from drafts.desk.scene import envelope_of
from drafts.desk.text import Text, statements_from_json
from drafts.models import Draft, DraftRevision, Hold
from drafts.models.files import files_of, own_files
from drafts.queue import Filters

MAX_DRAFTS = 25


@dataclass(frozen=True, slots=True)
class Candidate:
    """One draft of a batch as it stands: its text, what a decision on it has to name, why it is left out (""), and who gets it."""

    draft: Draft
    text: Text
    seen: Seen
    why_not: str
    goes_to: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one draft: approved (`action` is the decision), or left as it is because of `why_not`."""

    draft_id: uuid.UUID
    why_not: str = ""
    action: uuid.UUID | None = None


def safe_ones(filters: Filters, user: User, within: Visible) -> list[uuid.UUID]:
    """The first drafts of the queue, in its order, that a batch takes; at most `MAX_DRAFTS`."""
    held = _held_by_another(user)
    found = (
        queue.waiting(filters, user.pk, within)
        .filter(unsourced_count=0, is_about_money=False, needs_human=[], sources_changed_at__isnull=True)
        .exclude(statements=[])
        .filter(base_message=F("conversation__last_inbound_message"))
        .exclude(Exists(held) | Exists(Attachment.objects.filter(draft_id=OuterRef("pk"))))
    )
    return list(found.values_list("pk", flat=True)[:MAX_DRAFTS])


def _held_by_another(user: User) -> QuerySet[Hold]:
    live = Hold.objects.filter(conversation=OuterRef("conversation"), lease_until__gt=database_time.now())
    return live.exclude(user=user)


def candidates(draft_ids: Sequence[uuid.UUID], user: User, within: Visible) -> list[Candidate]:
    """The drafts in the order asked for, at most `MAX_DRAFTS`; unknown and foreign ids are not there. Three statements."""
    wanted = list(dict.fromkeys(draft_ids))[:MAX_DRAFTS]
    held = _held_by_another(user)
    found = {
        draft.pk: draft
        for draft in Draft.objects.within(within)
        .filter(pk__in=wanted)
        .select_related("conversation__channel", "base_message", "author_user")
        .annotate(
            own_files=own_files(),
            holder_name=held.values("user__display_name")[:1],
            holder_email=held.values("user__email")[:1],
        )
    }
    revisions = {
        row.draft_id: row for row in DraftRevision.objects.filter(draft__in=wanted, number=F("draft__version"))
    }
    return [_candidate(found[pk], revisions.get(pk)) for pk in wanted if pk in found]


def _candidate(draft: Draft, revision: DraftRevision | None) -> Candidate:
    conversation = draft.conversation
    saved = revision if draft.version else None
    text = (
        Text(saved.text, statements_from_json(saved.statements))
        if saved
        else Text(draft.suggested_text, statements_from_json(draft.statements))
    )
    channel = conversation.channel
    envelope = envelope_of(conversation, draft) if channel else {}
    last_inbound = conversation.last_inbound_message_id
    why_not = _why_not(draft, conversation, text)
    if channel and not why_not:  # at the press the outbox asks the same
        why_not = " ".join(outgoing.problems(channel, envelope, body_text=text.text))
    seen = Seen(draft.version, last_inbound, digest(envelope) if channel else "")
    return Candidate(draft, text, seen, why_not, _goes_to(envelope))


def _goes_to(envelope: Mapping[str, Any]) -> str:
    """In words: a customer's mail can bring in somebody who then gets our answer, and nobody approves that unseen."""
    lists = [
        (words, [party["address"] for party in envelope.get(name, ())])
        for name, words in (("to", "To"), ("cc", "copy to"), ("bcc", "hidden copy to"))
    ]
    return ", ".join(f"{words} {', '.join(addresses)}" for words, addresses in lists if addresses)


def _why_not(draft: Draft, conversation: Conversation, text: Text) -> str:
    holder = isolated(draft.holder_name or (draft.holder_email or "").partition("@")[0])  # type: ignore[attr-defined]
    if draft.status != Draft.Status.PENDING:
        return f"Not waiting any more: it is {draft.get_status_display().lower()}"
    if draft.base_message_id != conversation.last_inbound_message_id:
        return "The customer wrote again"
    if not text.text.strip():
        return "It has no text"
    if conversation.channel and conversation.channel.provided_by.public:
        return "Everybody can read it there"
    if text.unsourced:
        return f"{text.unsourced} without a source"
    if not text.statements:
        return "It states nothing from a source"
    if text.is_about_money:
        return "It speaks of money"
    if draft.base_message is None or recipients.is_suspicious(draft.base_message):
        return "Its sender is not proved, and it asks for the answer elsewhere"
    if draft.needs_human:
        return "It needs care"
    if draft.is_formatted:
        return "Somebody formatted it"
    if files_of(draft):
        return "Somebody attached a file"
    if draft.is_readdressed:
        return "Somebody chose who gets it"
    if draft.sources_changed_at:
        return "A source changed"
    return f"{holder} is working on it" if holder else ""


def check_size(count: int) -> None:
    """Raises Invalid (422) for nothing and for more than a person can have read."""
    if not count:
        raise Invalid("Choose at least one draft. Nothing was approved.")
    if count > MAX_DRAFTS:
        raise Invalid(f"At most {MAX_DRAFTS} drafts at once; these are {count}. Nothing was approved.")


def approve_each(*, account_id: uuid.UUID, actor: User, chosen: Sequence[tuple[uuid.UUID, Seen, str]]) -> list[Result]:
    """Approve every chosen draft (id, what was seen, request id) in a transaction of its own; the others go on.

    To be called outside of any transaction, after `check(actor, BATCH_APPROVE)`. Whatever is not safe under the
    transaction's own look is left out with its reason; nothing is pressed twice here.

    Raises Invalid (422: none chosen, or too many); what one draft is refused for stands in its Result.
    """
    check_size(len(chosen))
    out = []
    for draft_id, seen, request_id in chosen:
        try:
            with tenant_context(account_id, durable=True):
                check(actor, Verb.BATCH_APPROVE, account_id=account_id)
                out.append(_approve(draft_id, actor, seen, request_id))
        except (Refusal, PermissionDenied) as error:
            out.append(Result(draft_id, why_not=str(error)))
        except Draft.DoesNotExist:
            out.append(Result(draft_id, why_not="There is no such draft in this account"))
    return out


def _approve(draft_id: uuid.UUID, actor: User, seen: Seen, request_id: str) -> Result:
    action = decisions.approve(
        draft_id=draft_id,
        actor=actor,
        seen=seen,
        attention=Attention(viewed_ms=None),
        request_id=request_id,
        # What was safe on the page may not be any more, and approve alone lets care and changes pass.
        unless=lambda scene, text: _why_not(scene.draft, scene.conversation, text),
    )
    return Result(draft_id, action=action.pk)


def new_request_id() -> str:
    return f"batch-{new_id().hex}"
