"""What becomes of chats by themselves: ended when nobody writes, put away, emptied; or emptied because their person goes.

Nobody may look into a chat, so this is done as each person in turn, by states and times alone. A dry run asks the questions
of the run, in its order. The caller has looked whether a legal hold forbids it; one that begins meanwhile ends the run.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Coalesce

from conversations import audit
from conversations.chats import sessions
from conversations.chats.overview import session_owners
from conversations.legal_hold import is_held
from conversations.models import AssistantSession, Conversation, Message
from conversations.models.chats import OPEN
from conversations.tenancy import tenant_context

ARCHIVE_DAYS, DELETED_DAYS, PURGE_DAYS = 30, 30, 365
BATCH = 200
Step = Callable[[Sequence[AssistantSession]], None]


def apply(*, account_id: uuid.UUID, expire_days: int, now: datetime, dry_run: bool) -> Counter[str]:
    """All three, the emptying first: what it takes is not also put away or ended. A batch of one person's a transaction."""
    gone = _deleted_before(now - timedelta(days=DELETED_DAYS)) | _idle_since(now - timedelta(days=PURGE_DAYS))
    done = purge_sessions(account_id=account_id, due=gone, rule=f"after {PURGE_DAYS} days", dry_run=dry_run)
    done += archive_old(account_id=account_id, before=now - timedelta(days=ARCHIVE_DAYS), but=gone, dry_run=dry_run)
    if expire_days:
        before = now - timedelta(days=expire_days)
        done += expire_idle(account_id=account_id, before=before, but=gone, dry_run=dry_run)
    return done


def purge_sessions(
    *, account_id: uuid.UUID, due: Q, rule: str, dry_run: bool, persons: list[uuid.UUID] | None = None
) -> Counter[str]:
    """Texts, titles, tags and vectors go; rows, counts and the trail stay."""
    done: Counter[str] = Counter()

    def empty(found: Sequence[AssistantSession]) -> None:
        done.update(_emptied(account_id, found, rule, dry_run))

    due &= Q(conversation__forgotten_at__isnull=True)
    done["chats emptied"] = _each(account_id, due, empty, persons=persons)
    return +done


def archive_old(*, account_id: uuid.UUID, before: datetime, but: Q, dry_run: bool) -> Counter[str]:
    """Put away what nobody wrote in for long, unless it is a favourite. It stays in search, and its order stays."""
    old = Q(conversation__is_archived=False, conversation__is_favorited=False, conversation__deleted_at__isnull=True)

    def put_away(found: Sequence[AssistantSession]) -> None:
        if not dry_run:
            chats = Conversation.objects.filter(pk__in=[session.conversation_id for session in found])
            chats.update(is_archived=True)

    return +Counter({"chats put away": _each(account_id, old & _idle_since(before) & ~but, put_away)})


def expire_idle(*, account_id: uuid.UUID, before: datetime, but: Q, dry_run: bool) -> Counter[str]:
    """End open sessions that nobody wrote in since `before`."""
    idle = Q(status__in=OPEN) & _idle_since(before) & ~but

    def expire(found: Sequence[AssistantSession]) -> None:
        if not dry_run:
            for session in found:
                sessions.end(session, sessions.Status.EXPIRED, actor=audit.SYSTEM, reason="idle")

    return +Counter({"chats ended": _each(account_id, idle, expire)})


def erase_person(*, account_id: uuid.UUID, person_id: uuid.UUID, dry_run: bool) -> Counter[str]:
    """A person of the team asked for it: all their chats here are emptied, also those that they deleted."""
    return purge_sessions(
        account_id=account_id, due=Q(), rule="asked by the person", dry_run=dry_run, persons=[person_id]
    )


def _idle_since(moment: datetime) -> Q:
    return Q(said_last__lt=moment)


def _deleted_before(moment: datetime) -> Q:
    return Q(conversation__deleted_at__lt=moment)


def _each(account_id: uuid.UUID, due: Q, step: Step, *, persons: list[uuid.UUID] | None = None) -> int:
    """Call `step` with what is due of each person, locked, a batch a transaction; returns how many there were."""
    if persons is None:
        with tenant_context(account_id):
            persons = session_owners()
    return sum(_each_of(account_id, person, due, step) for person in persons)


def _each_of(account_id: uuid.UUID, person: uuid.UUID, due: Q, step: Step) -> int:
    done, last = 0, uuid.UUID(int=0)
    while True:
        with tenant_context(account_id, person=person):
            if is_held(account_id):
                return done
            mine = AssistantSession.objects.of(person).filter(account_id=account_id, pk__gt=last)
            mine = mine.annotate(said_last=Coalesce("conversation__last_message_at", "conversation__created_at"))
            ids = list(mine.filter(due).order_by("pk").values_list("pk", flat=True)[:BATCH])
            if not ids:
                return done
            chats = Conversation.objects.select_for_update(of=("self",)).filter(sessions__in=ids)
            list(chats.order_by("pk"))
            found = list(mine.filter(due, pk__in=ids).select_related("conversation").order_by("pk"))
            step(found)
            done += len(found)
            last = ids[-1]


def _emptied(account_id: uuid.UUID, found: Sequence[AssistantSession], rule: str, dry_run: bool) -> Counter[str]:
    chats = [session.conversation_id for session in found]
    if dry_run:
        left = Message.objects.filter(account_id=account_id, conversation_id__in=chats, erased_at__isnull=True)
        return Counter({"messages of chats": left.count()})
    with connection.cursor() as cursor:
        cursor.execute("SELECT empty_chats(%s, %s)", [account_id, chats])
        emptied = cursor.fetchone()[0]
    for session in found:
        audit.record(
            audit.Kind.SESSION_ERASED,
            actor=audit.SYSTEM,
            about=session,
            conversation_id=session.conversation_id,
            data={"messages": session.conversation.message_count, "rule": rule},
        )
    return Counter({"messages of chats": emptied})
