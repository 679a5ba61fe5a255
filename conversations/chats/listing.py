"""A person's own chats as a list: newest first, a page by keyset in both directions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, Func, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Left, NullIf

from conversations.chats.finding import Said
from conversations.models import Account, Conversation, Message, User
from conversations.models.threads import ConversationQuerySet

PAGE = 50
PINNED = 10
HIT_CHARS = 200
COUNTED = 100  # a count stops here
Place = tuple[datetime, uuid.UUID]
#: By the word in the address. What is archived stands in its own list, what is a favourite in every one.
LISTS: dict[str, Callable[[ConversationQuerySet], ConversationQuerySet]] = {
    "": lambda chats: chats.filter(is_archived=False),
    "favourites": lambda chats: chats.filter(is_favorited=True),
    "archived": lambda chats: chats.filter(is_archived=True),
}
FIELDS = (
    "id", "session", "context", "state", "title", "tags", "message_count", "last_message_at", "is_pinned", "is_favorited",
    "is_archived", "last_line",
)  # fmt: skip
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """`older` and `newer` are where the neighbouring pages begin; None: there is none."""

    rows: list[Row]
    older: Place | None = None
    newer: Place | None = None


def chats_of(person: User, account_id: uuid.UUID) -> ConversationQuerySet:
    """All that a person may still open. One in which nothing was said is in no list."""
    mine = Conversation.objects.filter(account_id=account_id, kind=Conversation.Kind.ASSISTANT, private_to=person)
    return mine.filter(deleted_at__isnull=True, last_message_at__isnull=False)


def page_of(
    chats: ConversationQuerySet, *, after: Place | None = None, before: Place | None = None, size: int = PAGE
) -> Page:
    """The newest, those after a place, or those before one: these are read from the place on, and turned round."""
    if before and not after:
        found = list(_rows(chats.filter(_newer_than(before)).order_by("last_message_at", "id"))[: size + 1])
        there_is_more, rows = len(found) > size, found[:size][::-1]
        return Page(rows, older=_place(rows[-1]) if rows else None, newer=_place(rows[0]) if there_is_more else None)
    listed = chats.filter(_older_than(after)) if after else chats
    found = list(_rows(listed.newest_first())[: size + 1])
    rows = found[:size]
    older = _place(rows[-1]) if len(found) > size else None
    return Page(rows, older=older, newer=_place(rows[0]) if after and rows else None)


def pinned(chats: ConversationQuerySet) -> list[Row]:
    """Those that stand on top, the last pinned first. They also stand in their place: a pin moves nothing."""
    return list(_rows(chats.filter(is_pinned=True).order_by("-pinned_at"))[:PINNED])


def counts(chats: ConversationQuerySet, account_id: uuid.UUID) -> dict[str, int]:
    """How many there are in each list, up to one more than `COUNTED`, in one statement."""

    def up_to(name: str) -> Func:
        inner = ArraySubquery(LISTS[name](chats).order_by().values("pk")[: COUNTED + 1])
        return Func(inner, function="cardinality", output_field=IntegerField())

    counted = Account.objects.filter(pk=account_id).values_list(*(up_to(name) for name in LISTS)).get()
    return dict(zip(LISTS, counted, strict=True))


def these(chats: ConversationQuerySet, said: Sequence[Said], *, size: int = PAGE) -> list[Row]:
    """The chats in which that was said, newest first; each with the line that holds it, if it is not the title."""
    newest = {one.conversation: one.message for one in reversed(said) if one.message}
    rows = list(_rows(chats.filter(pk__in={one.conversation for one in said}).newest_first())[:size])
    lines = Message.objects.filter(pk__in=[newest[row["id"]] for row in rows if row["id"] in newest])
    told = dict(lines.values_list("conversation_id", Left("body_text", HIT_CHARS)))
    return [{**row, "last_line": told.get(row["id"], row["last_line"])} for row in rows]


def _rows(chats: QuerySet[Conversation]) -> QuerySet[Conversation, Row]:
    newest = Message.objects.filter(account_id=OuterRef("account_id"), conversation=OuterRef("pk")).order_by("-seq")
    line = newest.values(short=Left(Coalesce(NullIf("body_new", Value("")), "body_text"), 120))[:1]
    about = {"session": F("sessions__id"), "context": F("sessions__context_type"), "state": F("sessions__status")}
    told = chats.filter(sessions__account_id=F("account_id")).annotate(**about, last_line=Subquery(line))
    return cast("QuerySet[Conversation, Row]", told.values(*FIELDS))


def _place(row: Row) -> Place:
    return row["last_message_at"], row["id"]


def _older_than(place: Place) -> Q:
    at, pk = place
    return Q(last_message_at__lte=at) & (Q(last_message_at__lt=at) | Q(last_message_at=at, pk__lt=pk))


def _newer_than(place: Place) -> Q:
    at, pk = place
    return Q(last_message_at__gte=at) & (Q(last_message_at__gt=at) | Q(last_message_at=at, pk__gt=pk))
