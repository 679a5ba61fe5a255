"""The audit trail: events are written and read here. Which there are is `conversations.events`; that nobody changed them is
proved by `conversations.trail`.

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

from conversations.events import SENTENCES
from conversations.events import Kind as Kind
from conversations.models import Account, AuditEvent, AuditSalt, ServiceToken, User
from conversations.models.base import insert, new_id
from conversations.web.bidi import isolated


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
