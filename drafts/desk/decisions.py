"""The decisions on a draft: approve (with or without an edit), reject, regenerate, undo, answered elsewhere.

Every verb locks the conversation and then the draft, checks, changes, records, and enqueues in one transaction. A
decision names what the person saw (`Seen`); if any of it differs under the lock, it is refused and nothing is written.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from django.db import transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.failpoints import failpoint, failpoint_after_commit
from conversations.jobs import wake
from conversations.messages import outbox, owing
from conversations.messages.envelope import digest
from conversations.messages.owing import Promise
from conversations.models import Conversation, Delivery, User
from conversations.people.roles import Verb
from conversations.webhooks.emit import News, emit
from drafts.desk import check_drafts, four_eyes
from drafts.desk.check_drafts import WRITE_TASK, ask_for_another
from drafts.desk.scene import (
    UNRECORDED,
    AlreadyDecided,
    Attention,
    Changed,
    LeftOut,
    NeedsSecondPress,
    Scene,
    Seen,
    Stale,
    decided,
    envelope_of,
    let_go,
    lock,
    repeat_of,
    still_open,
)
from drafts.desk.signing import act, sign
from drafts.desk.text import Text, checks_anew, current_text, edited_text, not_answered, statements_to_json
from drafts.learning import samples
from drafts.models import BY_A_PERSON, Draft, DraftAction, DraftRevision
from drafts.writing.acts import Act

__all__ = [
    "AlreadyDecided",
    "Attention",
    "Changed",
    "NeedsSecondPress",
    "Seen",
    "Stale",
    "answered_elsewhere",
    "approve",
    "envelope_of",
    "regenerate",
    "reject",
    "undo",
]

Status = Draft.Status
Type = DraftAction.Type
REASONS = ("unsupported_claim", "missing_detail", "tone", "wrong_product", "policy")


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
    promise: Promise | None = None,
    unless: Callable[[Scene, Text], str] | None = None,
) -> DraftAction:
    """Sign for a draft; `final_text` given is edit-and-approve. The reply waits in the outbox for the undo window.

    A holding reply leaves something owed: `promise` says by when and by whom, else by the account's time and by whoever comes.
    `unless` is asked under the locks about a draft that waits, with its text; a reason that it gives leaves the draft out.
    Raises PermissionDenied (403), Draft.DoesNotExist (404), Stale, Changed, AlreadyDecided, LeftOut (409), Locked (423),
    NeedsSecondPress or Invalid (422). Repeating one's own decision (same request id) returns its first outcome.
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor, request_id=request_id)
        if repeated := repeat_of(scene, {Type.APPROVE, Type.EDIT}):
            return repeated
        conversation, draft = scene.conversation, scene.draft
        now_text = current_text(draft)
        if unless and draft.status == Status.PENDING and (why_not := unless(scene, now_text)):
            raise LeftOut(why_not)
        text = (
            now_text if final_text is None or _same(final_text, now_text.text) else edited_text(draft, tidy(final_text))
        )
        answer = scene.permit(Verb.APPROVE, text.kind)
        still_open(scene, seen)
        if not text.text.strip():
            raise Invalid("There is no text to send. Write the reply, then approve it.")
        if draft.is_canary:
            return check_drafts.decide(scene, actor, seen, attention, request_id, final=text.text)
        if (doubts := _doubts(text, scene)) and not attention.pressed_twice:
            raise NeedsSecondPress(_second_press(doubts), unsourced=text.unsourced)
        if answer.four_eyes:
            four_eyes.refuse_own_work(draft, actor, is_edited=text is not now_text)
        if text is not now_text:
            add_revision(draft, text, actor)
        envelope = envelope_of(conversation, draft)
        if digest(envelope) != seen.envelope:
            raise Changed("The recipients or files changed while you were reading. Nothing was sent; look again.")
        action = sign(
            conversation=conversation,
            draft=draft,
            text=text,
            envelope=envelope,
            actor=actor,
            hold_seconds=hold_seconds(actor, conversation),
            promise=promise,
            seen=seen,
            attention=attention,
            reasons=_known(reasons),
            notes=notes,
            request_id=request_id,
        )
        let_go(scene)
        failpoint("approve.before_commit")
        failpoint_after_commit("approve.after_commit")
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
    """Say no, with a reason. Nothing is sent, and the customer is owed an answer still; `drafts.desk.after` says what follows.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), Stale, Changed or AlreadyDecided (409: not what was
    seen any more), Locked (423: somebody else holds it), Invalid (422: no reason given).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor, request_id=request_id)
        if repeated := repeat_of(scene, {Type.REJECT}):
            return repeated
        return reject_here(
            scene, actor=actor, seen=seen, reasons=reasons, notes=notes, attention=attention, request_id=request_id
        )


def reject_here(
    scene: Scene,
    *,
    actor: User,
    seen: Seen,
    reasons: Sequence[str],
    notes: str = "",
    attention: Attention = UNRECORDED,
    request_id: str = "",
) -> DraftAction:
    """The rest of `reject`, in the caller's transaction and under its locks. Raises what it raises."""
    scene.permit(Verb.REJECT)
    conversation, draft = scene.conversation, scene.draft
    still_open(scene, seen)
    known = _known(reasons)
    if not known and not notes.strip():
        raise Invalid("Say why: pick a reason or write a note. The draft was not rejected.")
    draft.status = Status.REJECTED
    draft.save(update_fields=["status", "updated_at"])
    owing.draft_rejected(conversation, another_follows=draft.is_canary)
    conversation.save(update_fields=owing.FIELDS)
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
    let_go(scene)
    if draft.is_canary:
        ask_for_another(draft)
        check_drafts.record(draft, action, actor, "caught")
    audit.record(
        audit.Kind.DRAFT_REJECTED,
        actor=actor,
        about=draft,
        conversation_id=conversation.pk,
        data={"version": draft.version, "reasons": ", ".join(known) or "see the note", "action": str(action.pk)},
        commit={"notes": notes},
        act_id=action.pk,
    )
    emit(News.DRAFT_DECIDED, draft, conversation_id=conversation.pk, decision="rejected")
    return action


def regenerate(
    *, draft_id: uuid.UUID, actor: User, seen: Seen, instruction: str = "", wished: str = "", request_id: str = ""
) -> DraftAction:
    """Ask for another draft, which does what is `wished` ("hold") if anything is. This one stays until the new one is ready
    and supersedes it.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), AlreadyDecided (409), Invalid (422: the request id is
    another act's, or no reply can do that).
    """
    if wished and wished not in set(map(str, Act)):
        raise Invalid("A reply cannot do that. Nothing was changed.")
    with transaction.atomic():
        scene = lock(draft_id, actor=actor, request_id=request_id)
        if repeated := repeat_of(scene, {Type.REGENERATE}):
            return repeated
        scene.permit(Verb.REGENERATE)
        conversation, draft = scene.conversation, scene.draft
        if draft.status not in {Status.PENDING, Status.REJECTED, Status.STALE}:
            raise decided(draft)
        if conversation.last_inbound_message_id is None:
            raise Invalid("Nobody wrote here yet, so there is nothing that a drafter could answer.")
        if conversation.status != Conversation.Status.OPEN:
            owing.begin(conversation)
            conversation.save(update_fields=owing.FIELDS)
        action = act(
            Type.REGENERATE,
            draft,
            actor,
            seen=seen,
            version=draft.version,
            notes=instruction[:1000],
            wished_act=wished,
            request_id=request_id,
        )
        audit.record(
            audit.Kind.DRAFT_REGENERATED,
            actor=actor,
            about=draft,
            conversation_id=conversation.pk,
            data={"version": draft.version, **({"act": wished, "act_before": draft.act} if wished else {})},
            commit={"instruction": action.notes},
            act_id=action.pk,
        )
        if draft.is_canary:
            check_drafts.record(draft, action, actor, "caught")
        wake(
            WRITE_TASK, queue="drafts", account_id=draft.account_id, conversation_id=conversation.pk, asked_by=action.pk
        )
    return action


def answered_elsewhere(*, draft_id: uuid.UUID, actor: User, seen: Seen, request_id: str = "") -> DraftAction:
    """The customer has their answer by other means: nothing is sent, the conversation waits for them.

    Raises Draft.DoesNotExist (404), PermissionDenied (403), Stale, Changed or AlreadyDecided (409: not what was
    seen any more), Locked (423: somebody else holds it).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor, request_id=request_id)
        if repeated := repeat_of(scene, {Type.ANSWER_ELSEWHERE}):
            return repeated
        scene.permit(Verb.ANSWER_ELSEWHERE)
        conversation, draft = scene.conversation, scene.draft
        still_open(scene, seen)
        draft.status = Status.ANSWERED_ELSEWHERE
        draft.save(update_fields=["status", "updated_at"])
        owing.settle(conversation)
        conversation.save(update_fields=owing.FIELDS)
        action = act(Type.ANSWER_ELSEWHERE, draft, actor, seen=seen, version=draft.version, request_id=request_id)
        let_go(scene)
        if draft.is_canary:
            check_drafts.record(draft, action, actor, "answered elsewhere")
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

    Refused once sending began. If the customer wrote meanwhile, their message already took the approval back.

    Raises Delivery.DoesNotExist (404), PermissionDenied (403), Conflict (409: sending began), Invalid (422: not
    from a draft).
    """
    with transaction.atomic():
        draft_id = Delivery.objects.values_list("draft_id", flat=True).get(pk=delivery_id)
        if draft_id is None:
            raise Invalid("This reply was not written from a draft. Stop it in the outbox instead.")
        scene = lock(draft_id, actor=actor, request_id=request_id)
        if repeated := repeat_of(scene, {Type.UNDO}):
            return repeated
        scene.permit(Verb.UNDO)
        draft = scene.draft
        delivery = Delivery.objects.select_for_update(of=("self",)).select_related("message").get(pk=delivery_id)
        delivery.conversation = conversation = scene.conversation
        if Draft.objects.filter(conversation=conversation).pending().exists():
            raise Conflict("Another reply was begun since. Decide or discard that one first; this one goes on its way.")
        outbox.cancel(delivery=delivery, actor=actor, reason="undone")
        owing.begin(conversation)  # it may have followed up on what was answered, or was closed since
        owing.draft_waits(conversation)
        conversation.save(update_fields=owing.FIELDS)
        draft.status, draft.snoozed_until = Status.PENDING, conversation.snoozed_until
        draft.save(update_fields=["status", "snoozed_until", "updated_at"])
        samples.drop_samples(draft=draft)
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


def add_revision(draft: Draft, text: Text, actor: User) -> DraftRevision:
    """Store `text` as the draft's next version, under the lock. The caller saves the draft (`signing.REVISED`)."""
    draft.version += 1
    draft.unsourced_count, draft.is_about_money = text.unsourced, text.is_about_money
    draft.checks = checks_anew(draft, text)
    return DraftRevision.objects.create(
        account_id=draft.account_id,
        draft=draft,
        number=draft.version,
        text=text.text,
        statements=statements_to_json(text.statements),
        author=actor,
        author_name=actor.name,
        sha256=samples.sha256(text.text),
    )


def _doubts(text: Text, scene: Scene) -> list[str]:
    """What a person has to see before it goes."""
    parts = []
    if text.unsourced and scene.draft.model_key != BY_A_PERSON:
        parts.append(f"{text.unsourced} statement{'s have' if text.unsourced > 1 else ' has'} no source")
    if text.is_about_money:
        parts.append("it speaks of money")
    if count := not_answered(scene.draft, text.text):
        parts.append(f"{count} question{'s are' if count > 1 else ' is'} not answered")
    if outbox.channel_of(scene.conversation).provided_by.public:
        parts.append("everybody can read it there")
    if scene.cites_expired:
        parts.append("the time of an approved answer that it cites is over")
    return parts


def _second_press(parts: list[str]) -> str:
    return f"{' and '.join(parts).capitalize()}. Approve again to send it anyway; nothing was sent yet."


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
