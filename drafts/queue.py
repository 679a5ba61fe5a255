"""Every question the queue page asks: which drafts wait, how many, what was just decided, what is next.

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

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, FilteredRelation, Func, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject, Left, Now, NullIf

from conversations.compiled import Compiled
from conversations.models import Account, Attachment, AuditHead, Channel, Delivery, Message, PolicyRule, Role, User
from conversations.roles import Answer, Policy
from drafts.models import Claim, Draft, DraftAction, DraftRevision

PAGE = 50
COUNT_CAP = 100
THREAD = 30  # newest messages shown with a draft; the rest are on the conversation's page

SHOWS = {"": "All", "mine": "Mine", "care": "Needs care", "snoozed": "Snoozed"}
SORTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": ("Due first", ("due_at", "id")),
    "oldest": ("Oldest first", ("id",)),
    "sourced": ("Well sourced first", ("unsourced_count", "due_at", "id")),
}


Channels = Mapping[str, tuple[str, str]]  # by id: type and name
Within = Sequence[uuid.UUID]  # the channels that a person is kept to; none: all


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


def waiting(filters: Filters, user_id: uuid.UUID | None, within: Within = ()) -> QuerySet[Draft]:
    """The drafts that the filters show this person, in their order. Only "mine" asks who it is."""
    drafts = (
        Draft.objects.pending().filter(snoozed_until__gt=Now())
        if filters.show == "snoozed"
        else Draft.objects.in_queue()
    )
    if filters.show == "mine" and user_id:
        mine = Claim.objects.filter(conversation=OuterRef("conversation"), user_id=user_id, lease_until__gt=Now())
        drafts = drafts.filter(Exists(mine))
    elif filters.show == "care":
        drafts = drafts.needing_care()
    if filters.channel:
        drafts = drafts.filter(conversation__channel__type=filters.channel)
    return drafts.within(within).order_by(*SORTS[filters.sort][1])


def _whose(filters: Filters, user: User, within: Within) -> dict[str, Any]:
    """What of the person changes the statement: most are kept to no channel, and theirs stays as it is."""
    return {**({"user": user.pk} if filters.show == "mine" else {}), **_kept(within)}


def _kept(within: Within) -> dict[str, Any]:
    return {"within": list(within)} if within else {}


def _waiting(given: Any, filters: Filters) -> QuerySet[Draft]:
    return waiting(filters, getattr(given, "user", None), getattr(given, "within", ()))


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
    filters: Filters, user: User, channels: Channels, *, within: Within = (), after: str = "", limit: int = PAGE
) -> tuple[list[dict[str, Any]], str]:
    """One page of rows as plain dicts, and the cursor of the next page ("" at the end). A damaged cursor: page one.

    `channels` are the summary's: an account has few, so that joining them to each row would be the dearer way.
    """
    pages = -(-limit // PAGE)  # whole pages, so that few lengths are ever compiled
    rows = _feed(filters, pages, **_whose(filters, user, within), **_place(after, filters.sort))
    for row in rows:
        row["channel_type"], row["channel_name"] = channels.get(str(row["conversation__channel_id"]), ("", ""))
    if len(rows) <= limit:
        return rows, ""
    rows = rows[:limit]
    return rows, _cursor(filters.sort, rows[-1])


@Compiled
def _feed(given: Any, filters: Filters, pages: int) -> Any:
    fields = SORTS[filters.sort][1]
    page = _waiting(given, filters)
    if hasattr(given, "id"):
        page = page.filter(_beyond(fields, [getattr(given, field) for field in fields]))
    return (
        Draft.objects.filter(pk__in=page.values("pk")[: pages * PAGE + 1])
        .annotate(
            claim=FilteredRelation("conversation__claims", condition=Q(conversation__claims__lease_until__gt=Now())),
            claimed_name=F("claim__user__display_name"),
            claimed_email=F("claim__user__email"),
            snippet=Left(Coalesce(NullIf("base_message__body_new", Value("")), "base_message__body_text"), 160),
        )
        .order_by(*fields)
        .values(*ROW_FIELDS, "claimed_name", "claimed_email", "snippet")
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


def neighbour(
    filters: Filters, user: User, draft_id: uuid.UUID, *, back: bool, within: Within = ()
) -> uuid.UUID | None:
    """The draft after (or before) this one in the queue's order, whether or not it is still in it."""
    fields = SORTS[filters.sort][1]
    place = Draft.objects.within(within).filter(pk=draft_id).values_list(*fields).first()
    if place is None:
        return None
    page = waiting(filters, user.pk, within)
    page = page.reverse().filter(_beyond(fields, place, "lt")) if back else page.filter(_beyond(fields, place))
    return page.values_list("pk", flat=True).first()


@dataclass(frozen=True, slots=True)
class Decided:
    """One of the newest decisions of a person, with what became of its delivery."""

    draft_id: str
    type: str
    at: datetime
    who: str
    conversation_id: str
    reasons: list[str]
    delivery_id: str = ""
    delivery_status: str = ""
    hold_until: datetime | None = None
    sent_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything around the list, from one statement."""

    counts: dict[str, int]
    oldest: datetime | None
    policy: Policy
    hold_seconds: int
    since: int
    channels: Channels
    decided: list[Decided]


def _capped(drafts: QuerySet[Draft]) -> Func:
    """How many, up to the cap. In an order that has an index: the planner would else read the table from its start."""
    inner = ArraySubquery(drafts.values("pk")[: COUNT_CAP + 1])
    return Func(inner, function="cardinality", output_field=IntegerField())


def summary(account_id: uuid.UUID, user: User, role: Role | None, within: Within = ()) -> Summary:
    """Counts (capped), the account's policy, and what this person just decided: one statement."""
    [found] = _summary(account=account_id, user=user.pk, role=str(role or ""), **_kept(within))
    rules = {
        (str(role), rule["verb"], rule["kind"]): Answer(rule["allowed"], rule["four_eyes"]) for rule in found.rules
    }
    options = found.options
    own = user.choices.hold_seconds
    return Summary(
        counts={
            "": found.all_count,
            "mine": found.mine_count,
            "care": found.care_count,
            "snoozed": found.snoozed_count,
        },
        oldest=found.oldest,
        policy=Policy(options.agent_approval, rules),
        hold_seconds=options.hold_seconds if own is None else own,
        since=found.since or 0,
        channels={each["id"]: (each["type"], each["name"]) for each in found.channels},
        decided=_newest_per_draft(found.decided),
    )


@Compiled
def _summary(given: Any) -> QuerySet[Account]:
    shown = {show or "all": _waiting(given, Filters(show)) for show in SHOWS}
    shown["snoozed"] = shown["snoozed"].order_by("snoozed_until")
    rules = PolicyRule.objects.filter(role=given.role).values(
        json=JSONObject(verb="verb", kind="kind", allowed="allowed", four_eyes="four_eyes")
    )
    return Account.objects.filter(pk=given.account).annotate(
        **{f"{show}_count": _capped(drafts) for show, drafts in shown.items()},
        oldest=Subquery(_waiting(given, Filters(sort="oldest")).values("created_at")[:1]),
        since=Subquery(AuditHead.objects.filter(account_id=given.account).values("seq")[:1]),
        rules=ArraySubquery(rules),
        channels=ArraySubquery(Channel.objects.values(json=JSONObject(id="id", type="type", name="name"))),
        decided=ArraySubquery(_decided(given.user, getattr(given, "within", ()))),
    )


def _decided(user_id: uuid.UUID, within: Within) -> QuerySet[DraftAction, Any]:
    kinds = [
        DraftAction.Type.APPROVE,
        DraftAction.Type.EDIT,
        DraftAction.Type.REJECT,
        DraftAction.Type.ANSWER_ELSEWHERE,
        DraftAction.Type.UNDO,
    ]
    delivery = Delivery.objects.filter(message=OuterRef("message")).order_by("-id")
    kept = {"conversation__channel_id__in": within} if within else {}
    return (
        DraftAction.objects.filter(user_id=user_id, type__in=kinds, **kept)
        .order_by("-created_at")[:9]
        .values(
            json=JSONObject(
                draft_id="draft_id",
                type="type",
                at="created_at",
                conversation_id="conversation_id",
                name="conversation__customer_name",
                email="conversation__customer_email",
                reasons="reasons",
                delivery=Subquery(
                    delivery.values(
                        json=JSONObject(
                            id="id", status="status", hold_until="hold_until", sent_at="sent_at", error="error"
                        )
                    )[:1]
                ),
            )
        )
    )


def _newest_per_draft(found: Iterable[dict[str, Any]]) -> list[Decided]:
    seen: set[str] = set()
    out: list[Decided] = []
    for entry in found:
        if entry["draft_id"] in seen:
            continue
        seen.add(entry["draft_id"])
        if entry["type"] == DraftAction.Type.UNDO:
            continue
        delivery = entry["delivery"] or {}
        out.append(
            Decided(
                draft_id=entry["draft_id"],
                type=entry["type"],
                at=moment(entry["at"]),
                who=entry["name"] or entry["email"] or "Customer",
                conversation_id=entry["conversation_id"],
                reasons=entry["reasons"] or [],
                delivery_id=delivery.get("id") or "",
                delivery_status=delivery.get("status") or "",
                hold_until=moment(delivery["hold_until"]) if delivery.get("hold_until") else None,
                sent_at=moment(delivery["sent_at"]) if delivery.get("sent_at") else None,
                error=delivery.get("error") or "",
            )
        )
    return out[:3]


def moment(value: str | datetime) -> datetime:
    """A time out of a JSON column as an aware datetime."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def panes(draft_ids: Sequence[uuid.UUID | str], within: Within = ()) -> list[Draft]:
    """The drafts, in the order asked for, with all that the review pane shows: one statement for any number of them.

    Each carries `thread` (the newest messages with their files, newest first), `revision` (the person's saved text of
    the draft's version), `own_files`, `holder` (a live claim) and `last_act`, all as plain JSON values.
    """
    wanted = [uuid.UUID(str(pk)) for pk in draft_ids]
    by_id = {draft.pk: draft for draft in _panes(ids=wanted, **_kept(within))} if wanted else {}
    return [by_id[pk] for pk in wanted if pk in by_id]


@Compiled
def _panes(given: Any) -> QuerySet[Draft]:
    attachments = JSONObject(id="id", name="file_name", size="size_bytes", inline="is_inline")
    thread = (
        Message.objects.shown()
        .filter(conversation=OuterRef("conversation"))
        .order_by("-seq")[:THREAD]
        .values(
            json=JSONObject(
                id="id",
                direction="direction",
                role="role",
                text="body_text",
                new="body_new",
                has_html=~Q(body_html=""),
                sent_at="sent_at",
                is_automatic="is_automatic",
                erased_at="erased_at",
                sender=F("metadata__sender"),
                files=ArraySubquery(Attachment.objects.filter(message=OuterRef("pk")).values(json=attachments)),
            )
        )
    )
    revision = DraftRevision.objects.filter(draft=OuterRef("pk"), number=OuterRef("version")).values(
        json=JSONObject(text="text", claims="claims", author="author_name", author_id="author_id", at="created_at")
    )
    holder = Claim.objects.filter(conversation=OuterRef("conversation"), lease_until__gt=Now()).values(
        json=JSONObject(
            user_id="user_id", name="user__display_name", email="user__email", since="created_at", until="lease_until"
        )
    )
    last_act = (
        DraftAction.objects.filter(draft=OuterRef("pk"))
        .order_by("-created_at")
        .values(
            json=JSONObject(
                type="type", by="user_name", user_id="user_id", at="created_at", reasons="reasons", notes="notes"
            )
        )
    )
    return (
        Draft.objects.within(getattr(given, "within", ()))
        .filter(pk__in=given.ids)
        .select_related("conversation__channel", "base_message")
        .annotate(
            thread=ArraySubquery(thread),
            revision=Subquery(revision[:1]),
            own_files=ArraySubquery(Attachment.objects.filter(draft_id=OuterRef("pk")).values(json=attachments)),
            holder=Subquery(holder[:1]),
            last_act=Subquery(last_act[:1]),
        )
    )


def following(
    filters: Filters, user: User, *, skip: Iterable[uuid.UUID], limit: int, within: Within = ()
) -> list[uuid.UUID]:
    """The first drafts of the queue that the page neither shows nor holds nor has already decided."""
    whose = _whose(filters, user, within)
    return _following(filters, limit, **whose, skip=list(dict.fromkeys(skip))) if limit else []


@Compiled
def _following(given: Any, filters: Filters, limit: int) -> QuerySet[Draft, uuid.UUID]:
    return _waiting(given, filters).exclude(pk__in=given.skip).values_list("pk", flat=True)[:limit]
