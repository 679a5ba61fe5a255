"""Approved answers: a question and an answer that a person stands for.

While one is in use it is a source document, indexed in the transaction that put it in use, so that the very next draft
can cite it. Its words never change: an edit is a new golden in the place of the old one.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import User
from conversations.people.roles import Verb, check
from conversations.tenancy import tenant_context
from drafts.models import Golden
from ingestion.knowledge.chunk import storable
from ingestion.knowledge.index import Origin, index_document, remove_document
from ingestion.models import SourceDocument

Status = Golden.Status
Actor = User | audit.Actor
MAX_QUESTION, MAX_ANSWER, MAX_INTENT, MAX_KEY = 2_000, 20_000, 100, 200


def propose(
    *,
    account_id: uuid.UUID,
    actor: Actor,
    question: str,
    answer: str,
    intent: str = "",
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    origin: Golden.Origin = Golden.Origin.PERSON,
    external_key: str = "",
    samples: Sequence[uuid.UUID] = (),
) -> Golden:
    """A golden that waits for somebody's decision. The caller is in the tenant.

    Raises PermissionDenied (403), Invalid (422), Conflict (409: this external key is taken).
    """
    with transaction.atomic():
        _permit(actor, account_id)
        golden = Golden(
            account_id=account_id,
            question=question,
            answer=answer,
            intent=intent,
            valid_from=valid_from,
            valid_until=valid_until,
            origin=origin,
            external_key=external_key,
            samples=[str(sample) for sample in samples],
        )
        store(golden)
        audit.record(
            audit.Kind.GOLDEN_PROPOSED,
            actor=actor,
            about=golden,
            data={"origin": golden.origin},
            commit={"question": golden.question, "answer": golden.answer},
        )
    return golden


def accept(*, golden_id: uuid.UUID, actor: Actor) -> Golden:
    """Put a proposed, refused or retired golden into use (from its `valid_from` on).

    Raises Golden.DoesNotExist (404), PermissionDenied (403), Conflict (409), Invalid (422: its time is over).
    """
    return _decide(golden_id, actor, Status.ACCEPTED, {Status.PROPOSED, Status.REFUSED, Status.RETIRED})


def refuse(*, golden_id: uuid.UUID, actor: Actor) -> Golden:
    """Decline a proposed golden; the same corrections are not proposed again. Raises as `accept`."""
    return _decide(golden_id, actor, Status.REFUSED, {Status.PROPOSED})


def retire(*, golden_id: uuid.UUID, actor: Actor) -> Golden:
    """Take an accepted golden out of use; waiting drafts that cite it are marked. Raises as `accept`."""
    return _decide(golden_id, actor, Status.RETIRED, {Status.ACCEPTED})


def edit(
    *,
    golden_id: uuid.UUID,
    actor: Actor,
    question: str,
    answer: str,
    intent: str = "",
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> Golden:
    """Other words in the place of a proposed or accepted golden: the new one has its status, the old one is refused or
    retired and keeps its key, so that what it came from does not bring it back. Unchanged words return the old one.

    Raises Golden.DoesNotExist (404), PermissionDenied (403), Conflict (409), Invalid (422).
    """
    with transaction.atomic():
        old = _locked(golden_id, actor)
        if old.status not in (Status.PROPOSED, Status.ACCEPTED):
            raise Conflict(f"This answer is {old.get_status_display().lower()}. Accept it first; nothing was changed.")
        new = Golden(
            account_id=old.account_id,
            question=question,
            answer=answer,
            intent=intent,
            valid_from=valid_from,
            valid_until=valid_until,
            origin=old.origin,
            samples=old.samples,
            status=Status.PROPOSED,
        )
        tidy(new)
        if same(old, new):
            return old
        store(new)
        settle(old, Status.REFUSED if old.status == Status.PROPOSED else Status.RETIRED, actor)
        audit.record(
            audit.Kind.GOLDEN_PROPOSED,
            actor=actor,
            about=new,
            data={"origin": new.origin, "instead_of": str(old.pk)},
            commit={"question": new.question, "answer": new.answer},
        )
        if old.status == Status.RETIRED:
            settle(new, Status.ACCEPTED, actor)
    return new


def sweep(*, account_id: uuid.UUID) -> int:
    """Goldens whose time began come into use, those whose time is over go; returns how many changed."""
    now, changed = database_time.now(), 0
    with tenant_context(account_id):
        dated = Golden.objects.filter(status=Status.ACCEPTED).filter(
            Q(valid_from__isnull=False) | Q(valid_until__isnull=False)
        )
        expired = list(dated.filter(valid_until__lte=now))
        begun = list(Golden.objects.in_use().filter(valid_from__isnull=False))
        used = set(
            SourceDocument.objects.filter(
                source_url__in=[golden.address for golden in [*expired, *begun]], status=SourceDocument.Status.INDEXED
            ).values_list("source_url", flat=True)
        )
    for golden in [g for g in expired if g.address in used] + [g for g in begun if g.address not in used]:
        with tenant_context(account_id):
            fresh = Golden.objects.select_for_update(of=("self",)).get(pk=golden.pk)
            put_in_use(fresh)
        changed += 1
    return changed


def forget(*, account_id: uuid.UUID, samples: Sequence[uuid.UUID]) -> int:
    """An erasure: proposals of these samples' words that nobody accepted are deleted, refused ones too; returns how many.

    The caller is in the tenant. What a person accepted is the account's own text and stays. What is refused is not
    proposed anew: its samples are empty now.
    """
    wanted = Q()
    for sample in samples:
        wanted |= Q(samples__contains=[str(sample)])
    if not samples:
        return 0
    unaccepted = Golden.objects.filter(wanted, account_id=account_id, status__in=[Status.PROPOSED, Status.REFUSED])
    audit.forget_about(list(unaccepted))
    return unaccepted.delete()[0]


def tidy(golden: Golden) -> None:
    """Bring the words into the form that is stored. Raises Invalid (422)."""
    golden.question = " ".join(storable(golden.question).split())
    golden.answer = storable(golden.answer).replace("\r\n", "\n").strip()
    golden.intent, golden.external_key = storable(golden.intent).strip(), storable(golden.external_key).strip()
    for name, value, most in (
        ("question", golden.question, MAX_QUESTION),
        ("answer", golden.answer, MAX_ANSWER),
        ("intent", golden.intent, MAX_INTENT),
        ("key", golden.external_key, MAX_KEY),
    ):
        if len(value) > most:
            raise Invalid(f"The {name} can have {most:,} characters; this one has {len(value):,}. Nothing was changed.")
        if not value and name in ("question", "answer"):
            raise Invalid(f"The {name} is empty. Nothing was changed.")
    if golden.valid_from and golden.valid_until and golden.valid_until <= golden.valid_from:
        raise Invalid("It would be valid until before it is valid from. Nothing was changed.")


def same(one: Golden, other: Golden) -> bool:
    fields = ("question", "answer", "intent", "valid_from", "valid_until")
    return all(getattr(one, field) == getattr(other, field) for field in fields)


def store(golden: Golden) -> None:
    """Insert a new golden. Raises Invalid (422), Conflict (409)."""
    tidy(golden)
    try:
        with transaction.atomic():
            golden.save(force_insert=True)
    except IntegrityError as error:
        if "golden_external_key" in str(error):
            raise Conflict("An answer with this key exists already. Nothing was changed.") from error
        raise


def settle(golden: Golden, status: Golden.Status, actor: Actor, *, recorded: bool = True) -> None:
    """Move a locked golden and bring its document in line; `recorded` False: the caller's own event tells of it.

    Raises Invalid (422: its time is over).
    """
    if status == Status.ACCEPTED and golden.valid_until and golden.valid_until <= database_time.now():
        raise Invalid("The time of this answer is over. Give it a later date, or none; nothing was changed.")
    who = audit.actor_of(actor)
    golden.status, golden.decided_at = status, database_time.now()
    golden.decided_by, golden.decided_name = who.user, who.name[:120]
    golden.save(update_fields=["status", "decided_at", "decided_by", "decided_name", "external_key", "updated_at"])
    put_in_use(golden)
    if recorded:
        audit.record(audit.Kind.GOLDEN_DECIDED, actor=actor, about=golden, data={"status": str(status)})


def put_in_use(golden: Golden) -> None:
    """Index the golden's document if it is in use now, remove it if not."""
    now = database_time.now()
    begun = golden.valid_from is None or golden.valid_from <= now
    expired = golden.valid_until is not None and golden.valid_until <= now
    if golden.status != Status.ACCEPTED or not begun or expired:
        remove_document(account_id=golden.account_id, source_url=golden.address)
        return
    index_document(
        account_id=golden.account_id,
        source_url=golden.address,
        title=golden.question,  # the heading of each passage, so that a question finds the question
        text=golden.answer,
        metadata={"golden": str(golden.pk), "intent": golden.intent},
        origin=Origin(SourceDocument.Kind.GOLDEN, next_refresh_at=golden.valid_until),
    )


def _decide(golden_id: uuid.UUID, actor: Actor, status: Golden.Status, moves: set[Golden.Status]) -> Golden:
    with transaction.atomic():
        golden = _locked(golden_id, actor)
        if golden.status == status:
            return golden  # pressed twice
        if golden.status not in moves:
            raise Conflict(f"This answer is {golden.get_status_display().lower()} already. Nothing was changed.")
        settle(golden, status, actor)
    return golden


def _locked(golden_id: uuid.UUID, actor: Actor) -> Golden:
    golden = Golden.objects.select_for_update(of=("self",)).get(pk=golden_id)
    _permit(actor, golden.account_id)
    return golden


def _permit(actor: Actor, account_id: uuid.UUID) -> None:
    if isinstance(actor, User):
        check(actor, Verb.DECIDE_GOLDENS, account_id=account_id)
