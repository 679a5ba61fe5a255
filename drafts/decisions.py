"""The decisions on a draft: approve (with or without an edit), reject, regenerate, undo, answered elsewhere.

Every verb locks the conversation and then the draft, checks, changes, records, and enqueues in one transaction. A
decision names what the person saw (`Seen`); if any of it differs under the lock, it is refused and nothing is written.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from conversations import audit, outbox
from conversations.envelope import digest, reply_envelope
from conversations.errors import Conflict, Invalid, Locked, Refusal
from conversations.failpoints import failpoint
from conversations.jobs import wake
from conversations.models import Conversation, Delivery, Message, User
from conversations.roles import Verb, check
from drafts import assess, learning
from drafts.diffing import diff_ops
from drafts.models import Claim, Draft, DraftAction, DraftRevision

Status = Draft.Status
Type = DraftAction.Type
WRITE_TASK = "drafts.write"
REASONS = ("unsupported_claim", "missing_detail", "tone", "wrong_product", "policy")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was on the screen: the draft's version, the newest inbound, and the digest of recipients and files."""

    version: int
    last_inbound: uuid.UUID
    envelope: str

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "last_inbound": str(self.last_inbound)}


@dataclass(frozen=True, slots=True)
class Attention:
    """How the person read before deciding; stored, never judged here."""

    viewed_ms: int | None = None
    sources_opened: int = 0
    pressed_twice: bool = False


UNRECORDED = Attention()


class Stale(Conflict):
    """The customer wrote again: the draft answers an older message."""


class Changed(Conflict):
    """The text, the recipients or the files are not those that were on the screen."""


class AlreadyDecided(Conflict):
    """Somebody was first; `facts["action"]` is what they did."""


class NeedsSecondPress(Refusal):
    """A statement has no source (or money is promised): say so, and ask once more."""

    status = 422


def lock(draft_id: uuid.UUID) -> tuple[Conversation, Draft]:
    """Conversation first, then draft: the order of every verb. Raises Draft.DoesNotExist (404), also for foreign ids."""
    conversation_id = Draft.objects.values_list("conversation_id", flat=True).get(pk=draft_id)
    conversation = Conversation.objects.select_for_update(of=("self",)).get(pk=conversation_id)
    return conversation, Draft.objects.select_for_update(of=("self",)).get(pk=draft_id)


def envelope_of(conversation: Conversation, draft: Draft) -> dict[str, Any]:
    """Where an approval of this draft would go, as things stand."""
    return reply_envelope(conversation, outbox.channel_of(conversation), Message.objects.get(pk=draft.base_message_id))


def approve(
    *,
    draft_id: uuid.UUID,
    actor: User,
    seen: Seen,
    final_text: str | None = None,
    reasons: Sequence[str] = (),
    notes: str = "",
    attention: Attention = UNRECORDED,
    request_id: str = "",
) -> DraftAction:
    """Sign for a draft; `final_text` given is edit-and-approve. The reply waits in the outbox for the undo window.

    Raises PermissionDenied (403), Draft.DoesNotExist (404), Stale, Changed, AlreadyDecided (409), Locked (423),
    NeedsSecondPress or Invalid (422). Repeating one's own decision (same request id) returns its first outcome.
    """
    with transaction.atomic():
        if repeated := _repeated(actor, request_id, draft_id, {Type.APPROVE, Type.EDIT}):
            return repeated
        conversation, draft = lock(draft_id)
        if repeated := _repeated(actor, request_id, draft_id, {Type.APPROVE, Type.EDIT}):
            return repeated
        now_text = assess.current(draft)
        text = (
            now_text
            if final_text is None or _same(final_text, now_text.text)
            else assess.edited(draft, tidy(final_text))
        )
        answer = check(actor, Verb.APPROVE, account_id=draft.account_id, kind=text.kind)
        _open(draft, conversation, actor, seen)
        if not text.text.strip():
            raise Invalid("There is no text to send. Write the reply, then approve it.")
        if draft.is_canary:
            return _caught_nothing(draft, actor, seen, attention, request_id)
        if (text.unsourced or text.is_about_money) and not attention.pressed_twice:
            raise NeedsSecondPress(_second_press(text), unsourced=text.unsourced)
        if answer.four_eyes and (text is not now_text or _wrote(draft, actor)):
            raise PermissionDenied(
                "Another person has to approve what you wrote. Your text is saved; nothing was sent."
            )
        if text is not now_text:
            add_revision(draft, text, actor)
        envelope = envelope_of(conversation, draft)
        if digest(envelope) != seen.envelope:
            raise Changed("The recipients or files changed while you were reading. Nothing was sent; look again.")
        delivery = outbox.queue_outbound(
            conversation=conversation,
            envelope=envelope,
            body_text=text.text,
            actor=actor,
            hold_seconds=hold_seconds(actor, conversation),
            draft_id=draft.pk,
        )
        draft.status = Status.APPROVED
        draft.save(update_fields=["status", "updated_at"])
        changed = text.text != draft.suggested_text
        action = act(
            Type.EDIT if changed else Type.APPROVE,
            draft,
            actor,
            seen=seen,
            version=draft.version,
            final_text=text.text,
            reasons=_known(reasons),
            notes=notes,
            diff=diff_ops(draft.suggested_text, text.text) if changed else None,
            attention=attention,
            request_id=request_id,
            message=delivery.message,
        )
        if changed:
            learning.keep_sample(draft=draft, action=action)
        Claim.objects.filter(conversation=conversation).delete()
        audit.record(
            audit.Kind.DRAFT_APPROVED,
            actor=actor,
            about=draft,
            conversation_id=conversation.pk,
            data={
                "version": draft.version,
                "edited": changed,
                "unsourced": text.unsourced,
                "delivery": str(delivery.pk),
                "envelope": seen.envelope,
                "action": str(action.pk),
            },
            commit={"text": text.text},
            act_id=action.pk,
        )
        failpoint("approve.before_commit")
    failpoint("approve.after_commit")
    return action


def reject(
    *,
    draft_id: uuid.UUID,
    actor: User,
    seen: Seen,
    reasons: Sequence[str],
    notes: str = "",
    attention: Attention = UNRECORDED,
    request_id: str = "",
) -> DraftAction:
    """Say no, with a reason. The conversation stays open; nothing is sent."""
    with transaction.atomic():
        if repeated := _repeated(actor, request_id, draft_id, {Type.REJECT}):
            return repeated
        conversation, draft = lock(draft_id)
        check(actor, Verb.REJECT, account_id=draft.account_id)
        _open(draft, conversation, actor, seen)
        known = _known(reasons)
        if not known and not notes.strip():
            raise Invalid("Say why: pick a reason or write a note. The draft was not rejected.")
        draft.status = Status.REJECTED
        draft.save(update_fields=["status", "updated_at"])
        action = act(
            Type.REJECT,
            draft,
            actor,
            seen=seen,
            version=draft.version,
            reasons=known,
            notes=notes,
            attention=attention,
            request_id=request_id,
        )
        Claim.objects.filter(conversation=conversation).delete()
        audit.record(
            audit.Kind.DRAFT_REJECTED,
            actor=actor,
            about=draft,
            conversation_id=conversation.pk,
            data={"version": draft.version, "reasons": ", ".join(known) or "see the note", "action": str(action.pk)},
            commit={"notes": notes},
            act_id=action.pk,
        )
    return action


def regenerate(
    *, draft_id: uuid.UUID, actor: User, seen: Seen, instruction: str = "", request_id: str = ""
) -> DraftAction:
    """Ask for another draft. This one stays until the new one is ready and supersedes it."""
    with transaction.atomic():
        if repeated := _repeated(actor, request_id, draft_id, {Type.REGENERATE}):
            return repeated
        conversation, draft = lock(draft_id)
        check(actor, Verb.REGENERATE, account_id=draft.account_id)
        if draft.status not in {Status.PENDING, Status.REJECTED, Status.STALE}:
            raise decided(draft)
        action = act(
            Type.REGENERATE,
            draft,
            actor,
            seen=seen,
            version=draft.version,
            notes=instruction[:1000],
            request_id=request_id,
        )
        audit.record(
            audit.Kind.DRAFT_REGENERATED,
            actor=actor,
            about=draft,
            conversation_id=conversation.pk,
            data={"version": draft.version},
            commit={"instruction": instruction},
            act_id=action.pk,
        )
        wake(
            WRITE_TASK, queue="drafts", account_id=draft.account_id, conversation_id=conversation.pk, asked_by=action.pk
        )
    return action


def answered_elsewhere(*, draft_id: uuid.UUID, actor: User, seen: Seen, request_id: str = "") -> DraftAction:
    """The customer has their answer by other means: nothing is sent, the conversation waits for them."""
    with transaction.atomic():
        if repeated := _repeated(actor, request_id, draft_id, {Type.ANSWER_ELSEWHERE}):
            return repeated
        conversation, draft = lock(draft_id)
        check(actor, Verb.ANSWER_ELSEWHERE, account_id=draft.account_id)
        _open(draft, conversation, actor, seen)
        draft.status = Status.ANSWERED_ELSEWHERE
        draft.save(update_fields=["status", "updated_at"])
        conversation.status, conversation.due_at = Conversation.Status.PENDING, None
        conversation.save(update_fields=["status", "due_at", "updated_at"])
        action = act(Type.ANSWER_ELSEWHERE, draft, actor, seen=seen, version=draft.version, request_id=request_id)
        Claim.objects.filter(conversation=conversation).delete()
        audit.record(
            audit.Kind.DRAFT_ANSWERED_ELSEWHERE,
            actor=actor,
            about=draft,
            conversation_id=conversation.pk,
            act_id=action.pk,
        )
    return action


def undo(*, delivery_id: uuid.UUID, actor: User, request_id: str = "") -> DraftAction:
    """Take an approval back while it has not left. The draft returns to the queue; nothing was sent.

    Conflict once sending began. If the customer wrote meanwhile the reaction to that already brought it back.
    """
    with transaction.atomic():
        delivery = outbox.lock_delivery(delivery_id)
        if delivery.draft_id is None:
            raise Invalid("This reply was not written from a draft. Stop it in the outbox instead.")
        if repeated := _repeated(actor, request_id, delivery.draft_id, {Type.UNDO}):
            return repeated
        check(actor, Verb.UNDO, account_id=delivery.account_id)
        draft = Draft.objects.select_for_update(of=("self",)).get(pk=delivery.draft_id)
        outbox.cancel(delivery=delivery, actor=actor, reason="undone")
        draft.status = Status.PENDING
        draft.save(update_fields=["status", "updated_at"])
        learning.drop_samples(draft=draft)
        action = act(Type.UNDO, draft, actor, version=draft.version, request_id=request_id, message=delivery.message)
        audit.record(
            audit.Kind.DRAFT_UNDONE,
            actor=actor,
            about=draft,
            conversation_id=draft.conversation_id,
            data={"delivery": str(delivery.pk)},
            act_id=action.pk,
        )
    return action


def hold_seconds(actor: User, conversation: Conversation) -> int:
    """The person's own undo window, else the account's."""
    own = actor.choices.hold_seconds
    return own if own is not None else conversation.account.options.hold_seconds


def add_revision(draft: Draft, text: assess.Text, actor: User) -> DraftRevision:
    """Store `text` as the draft's next version, under the lock."""
    draft.version += 1
    draft.unsourced_count, draft.is_about_money = text.unsourced, text.is_about_money
    draft.save(update_fields=["version", "unsourced_count", "is_about_money", "updated_at"])
    return DraftRevision.objects.create(
        account_id=draft.account_id,
        draft=draft,
        number=draft.version,
        text=text.text,
        claims=assess.claims_to_json(text.claims),
        author=actor,
        author_name=actor.name,
        sha256=learning.sha256(text.text),
    )


def _open(draft: Draft, conversation: Conversation, actor: User, seen: Seen) -> None:
    """Still pending, still answering the newest message, still what was seen, and not in somebody else's hands."""
    if draft.status == Status.STALE or (
        draft.status == Status.PENDING and draft.base_message_id != conversation.last_inbound_message_id
    ):
        raise Stale(
            "The customer wrote again after this draft was written. Nothing was sent; read the new message first."
        )
    if draft.status != Status.PENDING:
        raise decided(draft)
    if seen.last_inbound != conversation.last_inbound_message_id:
        raise Stale("The customer wrote again while you were reading. Nothing was sent; read the new message first.")
    if seen.version != draft.version:
        raise Changed(f"The text was changed while you were reading (now version {draft.version}). Nothing was sent.")
    held = Claim.objects.filter(conversation=conversation, lease_until__gt=timezone.now()).exclude(user=actor).first()
    if held:
        raise Locked(
            f"{held.user.name} is working on this conversation. Nothing was changed; ask them, or take it over."
        )


def decided(draft: Draft) -> Conflict:
    last = DraftAction.objects.filter(draft=draft).exclude(type__in=[Type.CLAIM, Type.RELEASE]).order_by("-id").first()
    if last is None or draft.status in {Status.SUPERSEDED, Status.STALE}:
        return AlreadyDecided(f"This draft is {draft.get_status_display().lower()}. Yours was not carried out.")
    return AlreadyDecided(
        f"{last.user_name} was first: {last.get_type_display().lower()} at {last.created_at:%H:%M:%S} UTC. "
        "Yours was not carried out.",
        action=last,
    )


def _second_press(text: assess.Text) -> str:
    parts = []
    if text.unsourced:
        parts.append(f"{text.unsourced} statement{'s have' if text.unsourced > 1 else ' has'} no source")
    if text.is_about_money:
        parts.append("it speaks of money")
    return f"{' and '.join(parts).capitalize()}. Approve again to send it anyway; nothing was sent yet."


def _repeated(actor: User, request_id: str, draft_id: uuid.UUID, types: set[Type]) -> DraftAction | None:
    if not request_id:
        return None
    found = DraftAction.objects.filter(user=actor, request_id=request_id).first()
    if found is not None and (found.draft_id != draft_id or found.type not in types):
        raise Invalid("This request id was used for another decision. Reload the page; nothing was changed.")
    return found


def act(type_: Type, draft: Draft, actor: User, *, seen: Seen | None = None, attention: Attention = UNRECORDED, **facts: Any) -> DraftAction:  # fmt: skip
    return DraftAction.objects.create(
        account_id=draft.account_id,
        draft=draft,
        conversation_id=draft.conversation_id,
        user=actor,
        user_name=actor.name,
        type=type_,
        seen=seen.as_json() if seen else {},
        **asdict(attention),
        **facts,
    )


def _caught_nothing(draft: Draft, actor: User, seen: Seen, attention: Attention, request_id: str) -> DraftAction:
    """A check draft was approved: it is recorded, shown as what it is, and can never leave."""
    draft.status = Status.REJECTED
    draft.save(update_fields=["status", "updated_at"])
    return act(Type.APPROVE, draft, actor, seen=seen, version=draft.version, attention=attention, request_id=request_id)


def _wrote(draft: Draft, actor: User) -> bool:
    return draft.author_user_id == actor.pk or DraftRevision.objects.filter(draft=draft, author=actor).exists()


def _known(reasons: Sequence[str]) -> list[str]:
    unknown = [reason for reason in reasons if reason not in REASONS]
    if unknown:
        raise Invalid(f"Unknown reason: {', '.join(unknown)}. Known are: {', '.join(REASONS)}. Nothing was changed.")
    return list(dict.fromkeys(reasons))


def tidy(text: str) -> str:
    """What a browser's textarea sends, as plain text: CRLF becomes LF (HTML, form submission), no NUL."""
    return text.replace("\r\n", "\n").replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _same(typed: str, text: str) -> bool:
    return tidy(typed).strip() == text.strip()


def delivery_of(action: DraftAction) -> Delivery | None:
    return Delivery.objects.filter(message_id=action.message_id).first() if action.message_id else None


def seen_from(values: Mapping[str, str]) -> Seen:
    """Read what a form or an API call says was seen. Raises Invalid (422) naming what is missing."""
    try:
        return Seen(int(values["version"]), uuid.UUID(values["last_inbound"]), values["envelope"])
    except (KeyError, ValueError) as error:
        raise Invalid(f"The form does not say what you saw ({error}). Reload the page; nothing was changed.") from error
