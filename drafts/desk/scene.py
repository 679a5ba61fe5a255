"""What a decision is made on: what the person saw, and what is there under the locks; and how the two can differ."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject, Now

from conversations.database.compiled import Compiled
from conversations.errors import Conflict, Invalid, Locked, Refusal
from conversations.messages import outbox
from conversations.messages.envelope import reply_envelope
from conversations.models import Conversation, Membership, PolicyRule, Role, User
from conversations.people.roles import RULE_COLUMNS, Answer, Policy, Verb
from conversations.web.bidi import isolated
from drafts.desk.sources import cites_expired
from drafts.models import BY_A_PERSON, Draft, DraftAction, Hold
from drafts.models.files import files_of, own_files


@dataclass(frozen=True, slots=True)
class Seen:
    """What was on the screen: the draft's version, the newest inbound (None: nobody wrote yet), and the digest of recipients
    and files."""

    version: int
    last_inbound: uuid.UUID | None
    envelope: str

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "last_inbound": str(self.last_inbound or "")}


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


class LeftOut(Conflict):
    """The caller approves only what needs no look of its own, and under the locks this does (`approve`'s `unless`)."""


class NeedsSecondPress(Refusal):
    """A statement has no source (or money is promised): say so, and ask once more."""

    status = 422


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a decision looks at, read under the locks. `holder` is who else is working on it, if anybody."""

    conversation: Conversation
    draft: Draft
    role: Role | None
    policy: Policy
    repeated: uuid.UUID | None
    holder: str
    is_held: bool
    cites_expired: bool

    def permit(self, verb: Verb, kind: PolicyRule.Kind = PolicyRule.Kind.ANY) -> Answer:
        return self.policy.permit(self.role, verb, kind)


def lock(draft_id: uuid.UUID, *, actor: User | None, request_id: str = "") -> Scene:
    """Lock conversation first, then draft: the order of every verb. Two statements. No `actor` is no person, such as a
    lane: without a role, and everybody's hold is somebody else's.

    The second begins after the first has its lock, so that what it reads along (role, rules, hold, an earlier act with
    this request id) is what the winner before us left. Raises Draft.DoesNotExist (404), also for foreign ids and
    for a channel that the actor does not see, and Conflict (409) where the conversation is merged.
    """
    found = _conversation(draft=draft_id)
    if not found:
        raise Draft.DoesNotExist
    conversation: Conversation = found[0]
    if conversation.merged_into_id:
        raise Conflict("This conversation is merged with another. Nothing was changed; go on there.")
    draft: Any = _draft(
        draft=draft_id, channel=conversation.channel_id, actor=actor.pk if actor else None, request=request_id or None
    )[0]
    if draft.actor_role and not draft.actor_sees:
        raise Draft.DoesNotExist
    return Scene(
        conversation=conversation,
        draft=draft,
        role=Role(draft.actor_role) if draft.actor_role else None,
        policy=Policy.of(conversation.account, draft.rules),
        repeated=draft.repeated,
        holder=isolated(draft.holder_name or (draft.holder_email or "").partition("@")[0]),
        is_held=draft.is_held,
        # Once the draft is marked, its page says so.
        cites_expired=draft.cites_expired and draft.sources_changed_at is None,
    )


@Compiled
def _conversation(given: Any) -> QuerySet[Conversation]:
    of_draft = Draft.objects.filter(pk=given.draft).values("conversation_id")[:1]
    locked = Conversation.objects.select_for_update(of=("self",)).select_related("account", "channel")
    return locked.filter(pk=Subquery(of_draft))


@Compiled
def _draft(given: Any) -> QuerySet[Draft]:
    holds = Hold.objects.filter(conversation_id=OuterRef("conversation_id"))
    mine = Membership.objects.filter(account_id=OuterRef("account_id"), user=given.actor, is_active=True)
    rules = PolicyRule.objects.filter(account_id=OuterRef("account_id"))
    others = holds.filter(lease_until__gt=Now()).exclude(user=given.actor)
    acts = DraftAction.objects.filter(user=given.actor, request_id=given.request)
    return (
        Draft.objects.select_for_update(of=("self",))
        .select_related("base_message", "author_user")
        .annotate(
            actor_role=Subquery(mine.values("role")[:1]),
            rules=ArraySubquery(rules.values(row=JSONObject(**{name: name for name in RULE_COLUMNS}))),
            repeated=Subquery(acts.values("pk")[:1]),
            holder_name=Subquery(others.values("user__display_name")[:1]),
            holder_email=Subquery(others.values("user__email")[:1]),
            is_held=Exists(holds),
            cites_expired=cites_expired(),
            own_files=own_files(),
            actor_sees=Exists(mine.seeing(given.channel)),
        )
        .filter(pk=given.draft)
    )


def envelope_of(conversation: Conversation, draft: Draft) -> dict[str, Any]:
    """Where an approval of this draft would go, as things stand."""
    by_hand = draft.model_key == BY_A_PERSON
    return reply_envelope(
        conversation,
        outbox.channel_of(conversation),
        draft.base_message,
        files_of(draft),
        to_forwarded=draft.to_forwarded,
        recipients=draft.recipients,
        subject=draft.subject,
        is_formatted=draft.is_formatted,
        signature=draft.author_user.choices.signature if by_hand and draft.author_user else "",
    )


def let_go(scene: Scene) -> None:
    """A decision ends whatever hold there was on the conversation."""
    if scene.is_held:
        Hold.objects.filter(conversation=scene.conversation).delete()


def still_open(scene: Scene, seen: Seen) -> None:
    """Still pending, still answering the newest message, still what was seen, and not in somebody else's hands."""
    draft, conversation = scene.draft, scene.conversation
    if draft.status == Draft.Status.STALE or (
        draft.status == Draft.Status.PENDING and draft.base_message_id != conversation.last_inbound_message_id
    ):
        raise Stale(
            "The customer wrote again after this draft was written. Nothing was sent; read the new message first."
        )
    if draft.status != Draft.Status.PENDING:
        raise decided(draft)
    if seen.last_inbound != conversation.last_inbound_message_id:
        raise Stale("The customer wrote again while you were reading. Nothing was sent; read the new message first.")
    if seen.version != draft.version:
        raise Changed(f"The text was changed while you were reading (now version {draft.version}). Nothing was sent.")
    if scene.holder:
        raise Locked(f"{scene.holder} is working on this conversation. Nothing was changed; ask them, or take it over.")


def decided(draft: Draft) -> Conflict:
    last = (
        DraftAction.objects.filter(draft=draft)
        .exclude(type__in=[DraftAction.Type.CLAIM, DraftAction.Type.RELEASE])
        .order_by("-id")
        .first()
    )
    if last is None or draft.status in {Draft.Status.SUPERSEDED, Draft.Status.STALE}:
        return AlreadyDecided(f"This draft is {draft.get_status_display().lower()}. Yours was not carried out.")
    return AlreadyDecided(
        f"{last.user_name} was first: {last.get_type_display().lower()} at {last.created_at:%H:%M:%S} UTC. "
        "Yours was not carried out.",
        action=last,
    )


def repeat_of(scene: Scene, types: set[DraftAction.Type]) -> DraftAction | None:
    """The person's own act with this request id: its repeat is answered with its first outcome."""
    if scene.repeated is None:
        return None
    found = DraftAction.objects.get(pk=scene.repeated)
    if found.draft_id != scene.draft.pk or found.type not in types:
        raise Invalid("This request id was used for another decision. Reload the page; nothing was changed.")
    return found
