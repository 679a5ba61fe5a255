"""What a conversation's page says of its state, and what can be done in it: always the same acts, each with its reason if it
cannot be pressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from conversations.models import Conversation, Membership, Role, User
from conversations.people.roles import Verb, may
from conversations.tenancy import Tenant
from conversations.views.words import Clock, span

Owed, Status, Outcome = Conversation.Owed, Conversation.Status, Conversation.Outcome
#: What a person may say when they close while something is owed, in the order of the form.
REASONS = (Outcome.ANSWERED_ELSEWHERE, Outcome.NOT_NEEDED, Outcome.GOES_ON, Outcome.OTHER)


@dataclass(frozen=True, slots=True)
class State:
    """A chip: one word, its class, and what stands beside it."""

    word: str
    css: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    label: str
    url: str
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Life:
    state: State
    banner: str  # what is owed, in a sentence; "" if nothing, or a draft waits
    late: bool
    owner: str
    owners: list[tuple[str, str, bool]]  # id, name, chosen
    write: Act | None
    forward: Act | None
    elsewhere: Act | None
    close: Act | None
    reopen: Act | None
    snooze: Act | None
    owe: Act | None
    assign: Act | None
    note: Act | None
    tag: Act | None
    merge: Act | None
    unmerge: Act | None
    watch: Act | None
    spam: Act | None
    unblock: Act | None
    reasons: list[tuple[str, str]]  # why it is closed; none are asked for where nothing is owed
    snoozes: list[tuple[str, str]]
    dues: list[tuple[str, str]]
    last_inbound: str


def state_of(row: Mapping[str, Any], clock: Clock) -> State:
    """The one word for where a conversation stands, the same in lists, on pages and in counts. `row` has `status`, `owed`,
    `owed_note`, `snoozed_until`, `due_at`, `outcome`, `has_draft`."""
    if row["outcome"] == Conversation.Outcome.MERGED:
        return State("Merged", "state--merged", "into another conversation")
    if row["status"] == Status.CLOSED:
        return State("Closed", "state--closed", Conversation.Outcome(row["outcome"]).label if row["outcome"] else "")
    if row["status"] == Status.PENDING:
        return State("Waiting", "state--waiting")
    if row["snoozed_until"] and row["snoozed_until"] > clock.now:
        return State("Snoozed", "state--snoozed", f"until {clock.stamp(row['snoozed_until'])}")
    reason = Owed(row["owed"])
    late = row["due_at"] is not None and row["due_at"] < clock.now
    if row["has_draft"]:
        lasting = reason.label if reason in {Owed.PROMISED, Owed.NOTE} else ""
        return State("To answer", "state--answer", lasting)
    if reason == Owed.LEAVING and not late:
        return State("Waiting", "state--waiting", reason.label)
    words = f"{reason.label}: {row['owed_note']}" if row["owed_note"] else reason.label
    return State("Owed", "state--late" if late else "state--owed", words)


def due_words(row: Mapping[str, Any], clock: Clock) -> tuple[str, bool]:
    """Until when something is due, or how late it is; nothing for who waits for nobody."""
    if row["due_at"] is None or row["status"] != Status.OPEN:
        return "", False
    if state_of(row, clock).css == "state--waiting":
        return "", False  # our answer is on its way
    left = row["due_at"] - clock.now
    return (f"{span(-left)} late", True) if left < timedelta(0) else (f"due in {span(left)}", False)


def life_of(
    conversation: Conversation, tenant: Tenant, user: User, clock: Clock, *, has_draft: bool, is_blocked: bool = False
) -> Life:
    """What the page of this conversation offers this person. The verbs ask again."""
    row = {
        **{
            name: getattr(conversation, name)
            for name in ("status", "owed", "owed_note", "snoozed_until", "due_at", "outcome")
        },
        "has_draft": has_draft,
    }
    is_open, gone = conversation.status == Status.OPEN, conversation.archived_at is not None
    gone_words = "Its texts were removed under the retention rules."

    def act(verb: Verb, name: str, label: str, why_not: str = "", *, merged: bool = False) -> Act | None:
        """What is merged is gone on with in the other one: there is nothing to press but to take it out again."""
        if bool(conversation.merged_into_id) != merged or not may(tenant, verb):
            return None
        return Act(label, reverse(f"drafts:{name}", args=[conversation.pk]), why_not)

    nobody_wrote = "" if conversation.last_inbound_message_id else "Nobody wrote here yet."
    leaving = conversation.owed in {"", Owed.LEAVING, Owed.WRITING}
    reasons = [] if leaving else [(one.value, one.label) for one in REASONS]
    due, late = due_words(row, clock)
    may_assign = may(tenant, Verb.ASSIGN)
    return Life(
        state=state_of(row, clock),
        banner="" if has_draft or not is_open else _sentence(conversation, clock, due),
        late=late,
        owner=conversation.owner.name if conversation.owner else "",
        owners=_owners(conversation, user) if may_assign else [],
        write=None
        if has_draft
        else act(Verb.EDIT, "write", "Write a reply", gone_words if gone and not is_open else nobody_wrote),
        forward=act(Verb.EDIT, "forward", "Forward", gone_words if gone else ""),
        elsewhere=act(Verb.ANSWER_ELSEWHERE, "answered", "Answered elsewhere") if is_open and not has_draft else None,
        close=act(Verb.CLOSE, "close", "Close") if conversation.status != Status.CLOSED else None,
        reopen=None if is_open else act(Verb.CLOSE, "reopen-conversation", "Reopen", gone_words if gone else ""),
        snooze=act(Verb.SNOOZE, "snooze-conversation", "Snooze") if is_open else None,
        owe=act(
            Verb.ASSIGN, "owe", "Change the promise" if conversation.owed == Owed.PROMISED else "Note what is owed"
        ),
        assign=act(Verb.ASSIGN, "assign", "Assign"),
        note=None if gone and conversation.status == Status.CLOSED else act(Verb.NOTE, "note", "Internal note"),
        tag=None if gone and conversation.status == Status.CLOSED else act(Verb.TAG, "tag", "Tag"),
        merge=None if gone else act(Verb.MERGE, "merge", "Merge with another"),
        unmerge=None if gone else act(Verb.MERGE, "unmerge", "Take them apart", merged=True),
        watch=act(Verb.WATCH, "watch", "Watch"),
        spam=None if conversation.outcome == Outcome.SPAM else act(Verb.BLOCK, "spam", "Spam"),
        unblock=act(Verb.BLOCK, "unblock", "Unblock") if is_blocked else None,
        reasons=reasons,
        snoozes=moments(clock, short=True),
        dues=moments(clock, short=False),
        last_inbound=str(conversation.last_inbound_message_id or ""),
    )


def _sentence(conversation: Conversation, clock: Clock, due: str) -> str:
    """You promised a colleague's answer by tomorrow 10:00."""
    if conversation.due_at is None:
        return ""
    by = f"by {clock.stamp(conversation.due_at)}"
    words = {
        Owed.PROMISED: f"You promised a colleague's answer {by}",
        Owed.NOTE: f"To do {by}",
        Owed.REJECTED: f"The draft was rejected and nobody answered yet. Due {by.removeprefix('by ')}",
        Owed.DRAFT: f"A draft waits. Due {by.removeprefix('by ')}",
        Owed.MESSAGE: f"No reply and no draft yet. Due {by.removeprefix('by ')}",
        Owed.LEAVING: "The reply is on its way",
        Owed.UNSENT: "A reply was approved and waits until somebody presses Send",
        Owed.WRITING: "A reply was begun here",
        Owed.REOPENED: f"Reopened; an answer is due {by}",
        Owed.FAILED: f"The reply could not be sent. Due {by.removeprefix('by ')}",
        Owed.UNCERTAIN: f"Nobody knows whether the reply was sent. Due {by.removeprefix('by ')}",
        Owed.BOUNCED: f"The reply came back. Due {by.removeprefix('by ')}",
    }[Owed(conversation.owed)]
    late = f" It is {due}." if due.endswith("late") else ""
    note = f" {conversation.owed_note}" if conversation.owed_note else ""
    return f"{words}.{note}{late}"


def _owners(conversation: Conversation, user: User) -> list[tuple[str, str, bool]]:
    """Who could see to it, and who does; no agent who is kept to other channels."""
    members = Membership.objects.seeing(conversation.channel_id)
    found = colleagues(members.filter(account_id=conversation.account_id), user)
    return [(pk, name, pk == str(conversation.owner_id)) for pk, name in found]


def colleagues(members: QuerySet[Membership], user: User) -> list[tuple[str, str]]:
    """The ids and names of those of `members` who could see to something: oneself first, then by name; not auditors."""
    able = members.filter(is_active=True, user__is_active=True).exclude(role=Role.AUDITOR).select_related("user")
    people = sorted((row.user for row in able), key=lambda one: (one.pk != user.pk, one.name.lower()))
    return [(str(one.pk), f"{one.name} (me)" if one.pk == user.pk else one.name) for one in people]


def moments(clock: Clock, *, short: bool) -> list[tuple[str, str]]:
    """Times to choose from, as values of a form and in words."""
    local = clock.local(clock.now)
    morning = (local + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    first: list[tuple[str, datetime]] = [
        ("In 1 hour", clock.now + timedelta(hours=1)),
        ("In 4 hours", clock.now + timedelta(hours=4)),
    ]
    later = [
        ("Tomorrow 9:00", morning),
        ("In 3 days", morning + timedelta(days=2)),
        ("In a week", morning + timedelta(days=6)),
    ]
    return [(at.isoformat(timespec="minutes"), label) for label, at in [*(first if short else first[1:]), *later]]
