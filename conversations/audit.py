"""The audit trail: kinds of events, writing them and reading them. That nobody changed them is proved by `conversations.trail`.

An event stores ids, states and numbers in `data`. What a person wrote, and what a customer is called, is never copied into
it: `commit` stores only sha256(salt || content). The sentence is made when it is read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, models

from conversations.models import Account, AuditEvent, AuditSalt, ServiceToken, User
from conversations.models.base import insert, new_id
from conversations.web.bidi import isolated


class Kind(models.TextChoices):
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    PLATFORM_ENTERED = "platform.entered"
    MEMBER_CHANGED = "member.changed"
    MEMBER_CHANNELS_SET = "member.channels_set"
    INVITATION_SENT = "invitation.sent"
    INVITATION_RESENT = "invitation.resent"
    INVITATION_REVOKED = "invitation.revoked"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_DECLINED = "invitation.declined"
    TOKEN_ISSUED = "token.issued"
    TOKEN_REVOKED = "token.revoked"
    FACTOR_REQUIRED = "factor.required"
    FACTOR_LOST = "factor.lost"
    CHANNEL_CHANGED = "channel.changed"
    CHANNEL_TESTED = "channel.tested"
    POLICY_CHANGED = "policy.changed"
    ADMIN_CHANGED = "admin.changed"
    CONVERSATION_OPENED = "conversation.opened"
    CONVERSATION_CLOSED = "conversation.closed"
    CONVERSATION_REOPENED = "conversation.reopened"
    CONVERSATION_OWED = "conversation.owed"
    CONVERSATION_ASSIGNED = "conversation.assigned"
    CONVERSATION_SNOOZED = "conversation.snoozed"
    CONVERSATION_ANSWERED = "conversation.answered"
    MESSAGE_RECEIVED = "message.received"
    MESSAGE_BY_A_PERSON = "message.by_a_person"
    MESSAGE_ERASED = "message.erased"
    DRAFT_WRITTEN = "draft.written"
    DRAFT_BEGUN = "draft.begun"
    DRAFT_FAILED = "draft.failed"
    DRAFT_RETIRED = "draft.retired"
    DRAFT_CLAIMED = "draft.claimed"
    DRAFT_RELEASED = "draft.released"
    DRAFT_HANDED_OVER = "draft.handed_over"
    DRAFT_ASKED_FOR = "draft.asked_for"
    DRAFT_HELD_ON = "draft.held_on"
    DRAFT_EDITED = "draft.edited"
    DRAFT_APPROVED = "draft.approved"
    DRAFT_REJECTED = "draft.rejected"
    DRAFT_REGENERATED = "draft.regenerated"
    DRAFT_KEPT = "draft.kept"
    DRAFT_SNOOZED = "draft.snoozed"
    DRAFT_READDRESSED = "draft.readdressed"
    DRAFT_UNDONE = "draft.undone"
    DRAFT_ANSWERED_ELSEWHERE = "draft.answered_elsewhere"
    DELIVERY_RELEASED = "delivery.released"
    DELIVERY_CANCELLED = "delivery.cancelled"
    DELIVERY_SENT = "delivery.sent"
    DELIVERY_RETRIED = "delivery.retried"
    DELIVERY_FAILED = "delivery.failed"
    DELIVERY_UNCERTAIN = "delivery.uncertain"
    DELIVERY_RESOLVED = "delivery.resolved"
    DELIVERY_BOUNCED = "delivery.bounced"
    CHECK_DECIDED = "check.decided"
    LANE_OPENED = "lane.opened"
    LANE_SHUT = "lane.shut"
    DRAFT_SOURCES_CHANGED = "draft.sources_changed"
    SOURCE_REMOVED = "source.removed"
    SOURCE_BROUGHT_BACK = "source.brought_back"
    SITE_CHANGED = "site.changed"
    SITE_REMOVED = "site.removed"
    GOLDEN_PROPOSED = "golden.proposed"
    GOLDEN_DECIDED = "golden.decided"
    GOLDENS_IMPORTED = "goldens.imported"
    JOB_ASKED = "job.asked"
    JOB_RETRIED = "job.retried"
    JOB_FINISHED = "job.finished"
    RETENTION_APPLIED = "retention.applied"
    EXPORT_MADE = "export.made"
    INBOUND_HELD = "inbound.held"
    INBOUND_RETRIED = "inbound.retried"
    INBOUND_SET_ASIDE = "inbound.set_aside"
    ADDRESS_GIVEN = "address.given"
    ADDRESS_RELEASED = "address.released"
    CONVERSATION_RELATED = "conversation.related"


#: One sentence a kind, filled from `data` when read. `{actor}` is the name as it was then.
SENTENCES: dict[Kind, str] = {
    Kind.ACCOUNT_CREATED: "{actor} created the account {name}",
    Kind.ACCOUNT_CHANGED: "{actor} changed the account: {fields}",
    Kind.PLATFORM_ENTERED: "{actor} entered this account for {minutes} minutes: {reason}",
    Kind.MEMBER_CHANGED: "{actor} set {person} to {role}",
    Kind.MEMBER_CHANNELS_SET: "{actor} lets {person} see {channels}",
    Kind.INVITATION_SENT: "{actor} invited {address} as {role}",
    Kind.INVITATION_RESENT: "{actor} sent the invitation of {address} again",
    Kind.INVITATION_REVOKED: "{actor} withdrew the invitation of {address}",
    Kind.INVITATION_ACCEPTED: "{actor} accepted the invitation of {address} as {role}",
    Kind.INVITATION_DECLINED: "{actor} declined the invitation",
    Kind.TOKEN_ISSUED: "{actor} issued the service token {name}",
    Kind.TOKEN_REVOKED: "{actor} revoked the service token {name}",
    Kind.FACTOR_REQUIRED: "{actor} decided that the account {rule}",
    Kind.FACTOR_LOST: "{actor} lost their second factor: {what}",
    Kind.CHANNEL_CHANGED: "{actor} changed the channel {name}: {fields}",
    Kind.CHANNEL_TESTED: "{actor} sent a test through the channel {name}: {outcome}",
    Kind.POLICY_CHANGED: "{actor} changed the policy: {rule}",
    Kind.ADMIN_CHANGED: "{actor} changed {what}: {fields}",
    Kind.CONVERSATION_OPENED: "{actor} opened the conversation on {channel}",
    Kind.CONVERSATION_CLOSED: "{actor} closed the conversation",
    Kind.CONVERSATION_REOPENED: "{actor} reopened the conversation",
    Kind.CONVERSATION_OWED: "{actor} noted what is owed, until {until}, for {to}",
    Kind.CONVERSATION_ASSIGNED: "{actor} made {to} the owner",
    Kind.CONVERSATION_ANSWERED: "{actor} marked it as answered elsewhere",
    Kind.CONVERSATION_SNOOZED: "{actor} snoozed the conversation until {until}",
    Kind.MESSAGE_RECEIVED: "{actor} wrote",
    Kind.MESSAGE_BY_A_PERSON: "{actor} said that a person wrote message {seq}, which had passed for automatic",
    Kind.MESSAGE_ERASED: "{actor} removed the text of {count} messages ({rule})",
    Kind.DRAFT_BEGUN: "{actor} began a reply",
    Kind.DRAFT_WRITTEN: "{actor} wrote a draft with {sources} sources, {unsourced} statements without one",
    Kind.DRAFT_FAILED: "{actor} could not write a draft",
    Kind.DRAFT_RETIRED: "{actor} retired the draft ({status}): {reason}",
    Kind.DRAFT_CLAIMED: "{actor} took the conversation",
    Kind.DRAFT_RELEASED: "{actor} let the conversation go",
    Kind.DRAFT_HANDED_OVER: "{actor} handed the conversation over to {to}",
    Kind.DRAFT_ASKED_FOR: "{actor} asked {holder} for the conversation",
    Kind.DRAFT_HELD_ON: "{actor} kept the conversation although {asker} asked for it",
    Kind.DRAFT_EDITED: "{actor} saved revision {version}",
    Kind.DRAFT_APPROVED: "{actor} approved version {version}",
    Kind.DRAFT_REJECTED: "{actor} rejected the draft: {reasons}",
    Kind.DRAFT_REGENERATED: "{actor} asked for another draft",
    Kind.DRAFT_KEPT: "{actor} kept the draft although the customer wrote again",
    Kind.DRAFT_READDRESSED: "{actor} addressed the reply to {to}",
    Kind.DRAFT_SNOOZED: "{actor} snoozed the draft until {until}",
    Kind.DRAFT_UNDONE: "{actor} took the approval back; nothing was sent",
    Kind.DRAFT_ANSWERED_ELSEWHERE: "{actor} marked it as answered elsewhere",
    Kind.DELIVERY_RELEASED: "{actor} let the reply go",
    Kind.DELIVERY_CANCELLED: "{actor} stopped the delivery: {reason}",
    Kind.DELIVERY_SENT: "{actor} delivered the reply on attempt {attempt}",
    Kind.DELIVERY_RETRIED: "{actor} will try again: {error}",
    Kind.DELIVERY_FAILED: "{actor} could not deliver: {error}",
    Kind.DELIVERY_UNCERTAIN: "{actor} cannot tell whether the reply was delivered: {error}",
    Kind.DELIVERY_RESOLVED: "{actor} settled the uncertain delivery: {outcome}",
    Kind.DELIVERY_BOUNCED: "{actor} reported that the reply bounced",
    Kind.CHECK_DECIDED: "{actor} decided a check draft: {outcome}",
    Kind.LANE_OPENED: "{actor} opened automatic approval for {lane}: {unchanged} of {reviewed} were sent unchanged",
    Kind.LANE_SHUT: "{actor} shut automatic approval for {lane}: {reason}",
    Kind.DRAFT_SOURCES_CHANGED: "{actor} marked the draft: {count} of the passages that it cites changed or went",
    Kind.SOURCE_REMOVED: "{actor} took the document {title} out of use",
    Kind.SOURCE_BROUGHT_BACK: "{actor} lets the page {title} be read again",
    Kind.SITE_CHANGED: "{actor} changed the site {name}: {fields}",
    Kind.SITE_REMOVED: "{actor} removed the site {name} and took its {documents} documents out of use",
    Kind.GOLDEN_PROPOSED: "{actor} proposed an approved answer ({origin})",
    Kind.GOLDEN_DECIDED: "{actor} set an approved answer to {status}",
    Kind.GOLDENS_IMPORTED: "{actor} imported approved answers from {name}: {new} new, {changed} changed",
    Kind.JOB_ASKED: "{actor} asked for the job {type}",
    Kind.JOB_RETRIED: "{actor} started the job {type} again",
    Kind.JOB_FINISHED: "{actor} finished the job {type}: {status}",
    Kind.RETENTION_APPLIED: "{actor} applied retention: {counts}",
    Kind.EXPORT_MADE: "{actor} exported {what}: {rows} rows",
    Kind.INBOUND_HELD: "{actor} kept a mail on {channel} back: {reason}",
    Kind.INBOUND_RETRIED: "{actor} let a mail on {channel} in",
    Kind.INBOUND_SET_ASIDE: "{actor} set a mail on {channel} aside",
    Kind.ADDRESS_GIVEN: "{actor} gave this account the address {address}: {reason}",
    Kind.ADDRESS_RELEASED: "{actor} took the address {address} from this account: {reason}",
    Kind.CONVERSATION_RELATED: "{actor} noted that #{number} may be related: {reason}",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted. Never empty: the system and a model are actors too. `bound` is a name that is committed to, not stored."""

    type: AuditEvent.ActorType
    name: str
    id: str = ""
    user: User | None = None
    bound: str = ""


SYSTEM = Actor(AuditEvent.ActorType.SYSTEM, "Countersign")
#: The actor id of every customer.
CUSTOMER = "customer"


def actor_of(who: User | ServiceToken | Actor) -> Actor:
    """The actor that a person, a service token or an actor stands for."""
    if isinstance(who, Actor):
        return who
    if isinstance(who, User):
        return Actor(AuditEvent.ActorType.USER, who.name, str(who.pk), who)
    return Actor(AuditEvent.ActorType.SERVICE, who.name, str(who.pk))


def model_actor(name: str) -> Actor:
    """A model by its key, or a lane by its name, which has a topic and a channel in it: neither column has room for all."""
    return Actor(AuditEvent.ActorType.MODEL, name[:120] or "model", name[:64])


def customer_actor(name: str) -> Actor:
    """The customer acts through a channel, and the system vouches for the receipt. The trail outlives an erasure, so it
    says "Customer" and binds the name; who reads takes the name from where an erasure finds it."""
    return Actor(AuditEvent.ActorType.SYSTEM, "Customer", CUSTOMER, bound=name)


_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+")


def masked(text: str) -> str:
    """A server's words as they may stand in the trail: without the addresses that servers repeat."""
    return _ADDRESS.sub("(address)", text)


def commitment(salt: str, content: str) -> str:
    return hashlib.sha256((salt + content).encode()).hexdigest()


def record(
    kind: Kind,
    *,
    actor: User | ServiceToken | Actor,
    about: models.Model,
    account: Account | uuid.UUID | None = None,
    conversation_id: uuid.UUID | None = None,
    data: Mapping[str, Any] | None = None,
    commit: Mapping[str, str] | None = None,
    act_id: uuid.UUID | None = None,
) -> AuditEvent:
    """Add one event, in the caller's transaction. `commit` maps names to texts that are bound but not stored."""
    kind = Kind(kind)
    who = actor_of(actor)
    account_id = account.pk if isinstance(account, Account) else account or about.account_id  # type: ignore[attr-defined]
    salt = secrets.token_hex(16)
    bound = {**(commit or {}), **({"actor": who.bound} if who.bound else {})}
    event = AuditEvent(
        account_id=account_id,
        kind=kind,
        actor_type=who.type,
        actor_id=who.id,
        actor_name=who.name[:120],
        object_type=about._meta.model_name or "",
        object_id=str(about.pk),
        conversation_id=conversation_id,
        act_id=act_id or new_id(),
        data=dict(data or {}),
        commitments={name: commitment(salt, content) for name, content in bound.items()},
    )
    if bound:
        insert(event, AuditSalt(account_id=account_id, event=event, conversation_id=conversation_id, value=salt))
    else:
        insert(event)
    return event


def holds(event: AuditEvent, name: str, content: str) -> bool | None:
    """Whether `content` is what the event committed to; None once an erasure removed the salt."""
    salt = AuditSalt.objects.filter(event=event).values_list("value", flat=True).first()
    if salt is None:
        return None
    return hmac.compare_digest(event.commitments.get(name, ""), commitment(salt, content))


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "-"


def sentence(event: AuditEvent) -> str:
    """What happened, in words. A missing detail reads as a dash, an unknown kind is an error."""
    facts = {**event.data, "actor": event.actor_name}
    return SENTENCES[Kind(event.kind)].format_map(
        _Known({name: isolated(value) if isinstance(value, str) else value for name, value in facts.items()})
    )


def timeline(conversation_id: uuid.UUID, *, before: uuid.UUID | None = None, limit: int = 200) -> list[AuditEvent]:
    """A conversation's newest `limit` events, oldest first; `before` is the id of the oldest one already shown."""
    events = AuditEvent.objects.filter(conversation_id=conversation_id)
    if before:
        events = events.filter(id__lt=before)
    return sorted(events.order_by("-id")[:limit], key=lambda event: event.pk)


def forget(conversation_ids: list[uuid.UUID]) -> int:
    """Delete the salts of these conversations: their commitments can no longer be tied to any text or name.

    Events of before names were bound hold them, and what servers said: the database takes that out (`audit_forget`).
    """
    gone = AuditSalt.objects.filter(conversation_id__in=conversation_ids).delete()[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_forget(%s)", [conversation_ids])
    return gone


def forget_about(objects: Sequence[models.Model]) -> int:
    """Delete the salts of events about these rows, which are of one kind."""
    if not objects:
        return 0
    about = {
        "event__object_type": objects[0]._meta.model_name,
        "event__object_id__in": [str(row.pk) for row in objects],
    }
    return AuditSalt.objects.filter(**about).delete()[0]


def record_export(
    *,
    account_id: uuid.UUID,
    actor: User | Actor,
    what: str,
    rows: int,
    about: models.Model | None = None,
    conversation_id: uuid.UUID | None = None,
) -> AuditEvent:
    """Who takes what out of the system, and how much of it. Of the content nothing is kept."""
    return record(
        Kind.EXPORT_MADE,
        actor=actor,
        about=about or Account.objects.get(pk=account_id),
        account=account_id,
        conversation_id=conversation_id,
        data={"what": what, "rows": rows},
    )


def export(account_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    """Every event, oldest first, as plain data (for JSON lines)."""
    fields = [field.attname for field in AuditEvent._meta.concrete_fields]
    for event in AuditEvent.objects.filter(account_id=account_id).order_by("seq").iterator(chunk_size=500):
        yield {name: getattr(event, name) for name in fields}
