"""What stands around the list: counts, the account's policy, what this person just decided."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Func, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject

from conversations.database.compiled import Compiled
from conversations.models import Account, AuditHead, Channel, Conversation, Delivery, PolicyRule, Role, User
from conversations.people.roles import Answer, Policy
from conversations.visible import Visible
from drafts.models import DraftAction
from drafts.queue.rows import SHOWS, Channels, Filters, visible_of, visible_values, waiting_for

COUNT_CAP = 100


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
    owed: int  # conversations in which we owe something and no draft waits
    oldest: datetime | None
    policy: Policy
    hold_seconds: int
    since: int
    channels: Channels
    decided: list[Decided]


def _capped(drafts: QuerySet[Any]) -> Func:
    """How many, up to the cap. In an order that has an index: the planner would else read the table from its start."""
    inner = ArraySubquery(drafts.values("pk")[: COUNT_CAP + 1])
    return Func(inner, function="cardinality", output_field=IntegerField())


def summary(account_id: uuid.UUID, user: User, role: Role | None, within: Visible) -> Summary:
    """Counts (capped), the account's policy, and what this person just decided: one statement."""
    [found] = _summary(account=account_id, user=user.pk, role=str(role or ""), **visible_values(within))
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
        owed=found.owed_count,
        oldest=found.oldest,
        policy=Policy(options.agent_approval, rules),
        hold_seconds=options.hold_seconds if own is None else own,
        since=found.since or 0,
        channels={each["id"]: (each["type"], each["name"]) for each in found.channels},
        decided=_newest_per_draft(found.decided),
    )


@Compiled
def _summary(given: Any) -> QuerySet[Account]:
    shown = {show or "all": waiting_for(given, Filters(show)) for show in SHOWS}
    shown["snoozed"] = shown["snoozed"].order_by("snoozed_until")
    rules = PolicyRule.objects.filter(role=given.role).values(
        json=JSONObject(verb="verb", kind="kind", allowed="allowed", four_eyes="four_eyes")
    )
    return Account.objects.filter(pk=given.account).annotate(
        **{f"{show}_count": _capped(drafts) for show, drafts in shown.items()},
        owed_count=_capped(Conversation.objects.of_customers().within(visible_of(given)).owed().order_by("due_at")),
        oldest=Subquery(waiting_for(given, Filters(sort="oldest")).values("created_at")[:1]),
        since=Subquery(AuditHead.objects.filter(account_id=given.account).values("seq")[:1]),
        rules=ArraySubquery(rules),
        channels=ArraySubquery(Channel.objects.values(json=JSONObject(id="id", type="type", name="name"))),
        decided=ArraySubquery(_decided(given.user, visible_of(given))),
    )


def _decided(user_id: uuid.UUID, within: Visible) -> QuerySet[DraftAction, Any]:
    kinds = [
        DraftAction.Type.APPROVE,
        DraftAction.Type.EDIT,
        DraftAction.Type.REJECT,
        DraftAction.Type.ANSWER_ELSEWHERE,
        DraftAction.Type.UNDO,
    ]
    delivery = Delivery.objects.filter(message=OuterRef("message")).order_by("-id")
    return (
        DraftAction.objects.filter(user_id=user_id, type__in=kinds, **within.where("conversation__channel_id"))
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
