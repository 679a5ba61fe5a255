"""Which drafts wait, in which order, a page at a time.

No OFFSET and no unbounded count: pages go by keyset, counts stop at a hundred. The picked page is fenced in a
sub-select, so that stale statistics cannot turn the plan around.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db.models import F, FilteredRelation, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Left, Now, NullIf

from conversations.database.arrays import any_of
from conversations.database.compiled import Compiled
from conversations.models import Channel, Conversation, User
from conversations.visible import ALL, Visible, kept_to
from drafts.models import Draft, Hold

PAGE = 50

SHOWS = {"": "All", "mine": "Mine", "care": "Needs care", "snoozed": "Snoozed"}
SORTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": ("Due first", ("due_at", "id")),
    "oldest": ("Oldest first", ("id",)),
    "sourced": ("Well sourced first", ("unsourced_count", "due_at", "id")),
}


Channels = Mapping[str, tuple[str, str]]  # by id: type and name


@dataclass(frozen=True, slots=True)
class Filters:
    """What of the queue is asked for. Unknown words in a URL mean "all"."""

    show: str = ""
    channel: str = ""
    sort: str = ""

    @classmethod
    def read(cls, data: Any) -> Filters:
        def one_of(name: str, known: Iterable[str]) -> str:
            value = str(data.get(name, ""))
            return value if value in known else ""

        return cls(one_of("show", SHOWS), one_of("channel", Channel.Type.values), one_of("sort", SORTS))

    @classmethod
    def of_query(cls, query: str) -> Filters:
        """Back from `query`, as it travels in forms."""
        return cls.read(dict(parse_qsl(query[:200])))

    @property
    def query(self) -> str:
        """The filters as a query string, without the empty ones."""
        return urlencode({k: v for k, v in (("show", self.show), ("channel", self.channel), ("sort", self.sort)) if v})

    def showing(self, show: str) -> str:
        """The query string of the same filters with another chip chosen."""
        return replace(self, show=show).query


def waiting(filters: Filters, user_id: uuid.UUID | None, within: Visible) -> QuerySet[Draft]:
    """The drafts that the filters show this person, in their order. Only "mine" asks who it is."""
    drafts = (
        Draft.objects.pending().filter(snoozed_until__gt=Now())
        if filters.show == "snoozed"
        else Draft.objects.in_queue()
    )
    if filters.show == "mine" and user_id:
        # Two small lists put together: OR would look at every draft that waits.
        held = Hold.objects.filter(user_id=user_id, lease_until__gt=Now()).values("conversation_id")
        owned = Conversation.objects.of_owner(user_id).values("pk")
        drafts = drafts.filter(conversation_id__in=held.union(owned, all=True))
    elif filters.show == "care":
        drafts = drafts.needing_care()
    if filters.channel:
        drafts = drafts.filter(conversation__channel__type=filters.channel)
    return drafts.within(within).order_by(*SORTS[filters.sort][1])


def person_values(filters: Filters, user: User, within: Visible) -> dict[str, Any]:
    """What of the person changes the statement: most are kept to no channel, and theirs stays as it is."""
    return {**({"user": user.pk} if filters.show == "mine" else {}), **visible_values(within)}


def visible_values(within: Visible) -> dict[str, Any]:
    """`within` as a value of a compiled statement, which `visible_of` reads there; always given, or compiling fails."""
    return {"within": within.ids}


def visible_of(given: Any) -> Visible:
    return ALL if given.within is None else kept_to(given.within)


def waiting_for(given: Any, filters: Filters) -> QuerySet[Draft]:
    """`waiting`, inside of a compiled statement."""
    return waiting(filters, getattr(given, "user", None), visible_of(given))


ROW_FIELDS = (
    "id",
    "due_at",
    "created_at",
    "unsourced_count",
    "is_about_money",
    "needs_human",
    "snoozed_until",
    "conversation__subject",
    "conversation__title",
    "conversation__customer_name",
    "conversation__customer_email",
    "conversation__channel_id",
)


def feed(
    filters: Filters, user: User, channels: Channels, *, within: Visible, after: str = "", limit: int = PAGE
) -> tuple[list[dict[str, Any]], str]:
    """One page of rows as plain dicts, and the cursor of the next page ("" at the end). A damaged cursor: page one.

    `channels` are the summary's: an account has few, so that joining them to each row would be the dearer way.
    """
    pages = -(-limit // PAGE)  # whole pages, so that few lengths are ever compiled
    rows = _feed(filters, pages, **person_values(filters, user, within), **_place(after, filters.sort))
    for row in rows:
        row["channel_type"], row["channel_name"] = channels.get(str(row["conversation__channel_id"]), ("", ""))
    if len(rows) <= limit:
        return rows, ""
    rows = rows[:limit]
    return rows, _cursor(filters.sort, rows[-1])


@Compiled
def _feed(given: Any, filters: Filters, pages: int) -> Any:
    fields = SORTS[filters.sort][1]
    page = waiting_for(given, filters)
    if hasattr(given, "id"):
        page = page.filter(_beyond(fields, [getattr(given, field) for field in fields]))
    return (
        Draft.objects.filter(any_of("pk", page.values("pk")[: pages * PAGE + 1]))
        .annotate(
            hold=FilteredRelation("conversation__holds", condition=Q(conversation__holds__lease_until__gt=Now())),
            holder_name=F("hold__user__display_name"),
            holder_email=F("hold__user__email"),
            snippet=Left(Coalesce(NullIf("base_message__body_new", Value("")), "base_message__body_text"), 160),
        )
        .order_by(*fields)
        .values(*ROW_FIELDS, "holder_name", "holder_email", "snippet")
    )


def _cursor(sort: str, row: dict[str, Any]) -> str:
    values = [row[name].isoformat() if isinstance(row[name], datetime) else str(row[name]) for name in SORTS[sort][1]]
    return base64.urlsafe_b64encode("~".join([sort, *values]).encode()).decode().rstrip("=")


def _place(cursor: str, sort: str) -> dict[str, Any]:
    """The values of the sort's fields where a page begins; empty for page one and for a damaged cursor."""
    readers: dict[str, Any] = {"due_at": datetime.fromisoformat, "id": uuid.UUID, "unsourced_count": int}
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        name, *values = base64.urlsafe_b64decode(padded.encode()).decode().split("~")
        fields = SORTS[sort][1]
        if name != sort or len(values) != len(fields):
            return {}
        place = {field: readers[field](value) for field, value in zip(fields, values, strict=True)}
    except (ValueError, binascii.Error, UnicodeError, OverflowError):
        return {}
    return place if all(not isinstance(v, datetime) or v.tzinfo for v in place.values()) else {}


def _beyond(fields: Sequence[str], place: Sequence[Any], way: str = "gt") -> Q:
    """Row comparison (a, b, c) > (x, y, z), spelled out: the ORM has no tuples."""
    wanted = Q()
    for at, field in enumerate(fields):
        same = dict(zip(fields[:at], place[:at], strict=True))
        wanted |= Q(**same, **{f"{field}__{way}": place[at]})
    # The first field alone bounds the index scan.
    return Q(**{f"{fields[0]}__{way}e": place[0]}) & wanted


def neighbour(filters: Filters, user: User, draft_id: uuid.UUID, *, back: bool, within: Visible) -> uuid.UUID | None:
    """The draft after (or before) this one in the queue's order, whether or not it is still in it."""
    fields = SORTS[filters.sort][1]
    place = Draft.objects.within(within).filter(pk=draft_id).values_list(*fields).first()
    if place is None:
        return None
    page = waiting(filters, user.pk, within)
    page = page.reverse().filter(_beyond(fields, place, "lt")) if back else page.filter(_beyond(fields, place))
    return page.values_list("pk", flat=True).first()
