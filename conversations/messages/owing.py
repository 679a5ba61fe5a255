"""What we owe in a conversation: set and settled on the locked row, by whatever changes it, in that thing's own transaction.

`owed` says why, `due_at` until when, `owner` who. The database holds that an open conversation owes something, and only an
open one (`conversation_open_iff_owed`); which list it stands in is asked of `Conversation.objects`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conversations.database import database_time
from conversations.models import Conversation, Delivery, Message

Owed = Conversation.Owed
Status = Conversation.Status
#: What these functions change; the caller may add more and saves once.
FIELDS = (
    "status", "owed", "owed_note", "owner", "due_at", "snoozed_until", "completed_at", "outcome", "answered_seq", "updated_at",
)  # fmt: skip
#: Kept when the customer writes again: an answer to the new message does not do what was promised by itself.
_LASTING = {Owed.PROMISED, Owed.NOTE}
UNDER_WAY = (Delivery.Status.HELD, Delivery.Status.QUEUED, Delivery.Status.SENDING)
#: A reply that leaves settles these, and no other: anything else came up after it was approved.
_SETTLED_BY_SENDING = {Owed.LEAVING, Owed.UNSENT, Owed.FAILED, Owed.UNCERTAIN}


@dataclass(frozen=True, slots=True)
class Promise:
    """What a holding reply promises: that somebody (nobody: whoever comes first) answers by then."""

    due_at: datetime
    owner_id: uuid.UUID | None = None


def due_from(conversation: Conversation, moment: datetime) -> datetime:
    """When an answer to what came at `moment` is due: the channel's minutes or the account's, of its business hours."""
    channel, account = conversation.channel, conversation.account
    minutes = (channel.options.due_minutes if channel else None) or account.options.due_minutes
    return account.hours.add(moment, minutes)


def owe(conversation: Conversation, why: Owed, *, due_at: datetime | None = None, note: str = "") -> None:
    """We owe something, for this reason. Without `due_at` what stands stays, or the time for an answer begins now."""
    conversation.status, conversation.owed, conversation.owed_note = Status.OPEN, why, note[:200]
    conversation.due_at = due_at or conversation.due_at or due_from(conversation, database_time.now())
    conversation.completed_at, conversation.outcome = None, ""
    if why in _LASTING and conversation.snoozed_until and conversation.snoozed_until > conversation.due_at:
        conversation.snoozed_until = None


def living(conversation: Conversation) -> Conversation:
    """The conversation, or the one that it is merged into, under its lock: where mail, bounces and debts belong. The caller
    holds the first one's lock."""
    while conversation.merged_into_id:
        locked = Conversation.objects.select_for_update(of=("self",)).select_related("account", "channel")
        conversation = locked.get(pk=conversation.merged_into_id)
    return conversation


def draft_waits(conversation: Conversation) -> None:
    """A draft answers the message that had none."""
    if conversation.owed in {Owed.MESSAGE, Owed.REJECTED}:
        owe(conversation, Owed.DRAFT)


def draft_rejected(conversation: Conversation, *, another_follows: bool) -> None:
    """The message has no draft again. What else is owed keeps its name."""
    if conversation.owed in {Owed.MESSAGE, Owed.DRAFT}:
        owe(conversation, Owed.MESSAGE if another_follows else Owed.REJECTED)


def draft_given_up(conversation: Conversation) -> None:
    """A person's own begun reply went: only what was owed beside it stays. Where nobody wrote a word yet, nobody is waited for."""
    if conversation.owed == Owed.WRITING:
        settle(conversation, Status.PENDING if conversation.message_count else Status.CLOSED)
    elif conversation.owed == Owed.DRAFT:
        owe(conversation, Owed.MESSAGE)


def begin(conversation: Conversation) -> None:
    """A reply is begun or wanted: where nothing is owed, it is owed from now on."""
    if conversation.status != Status.OPEN:
        owe(conversation, Owed.WRITING)


def settle(conversation: Conversation, status: Status = Status.PENDING, *, outcome: str = "") -> None:
    """Nothing is owed any more: the customer is next, or it is closed. Closed without a reason, as while a reply leaves, it
    is answered by that reply alone."""
    conversation.status, conversation.owed, conversation.owed_note = status, "", ""
    conversation.due_at = conversation.snoozed_until = None
    if status != Status.CLOSED or outcome:
        conversation.answered_seq = conversation.last_seq
    conversation.completed_at = database_time.now() if status == Status.CLOSED else None
    conversation.outcome = outcome


def customer_wrote(conversation: Conversation, message: Message) -> None:
    """They are owed an answer: by the time of the first message that has none, or of what was promised if that is sooner."""
    lasting = conversation.owed in _LASTING
    note = conversation.owed_note if lasting else ""
    due = due_from(conversation, message.received_at)
    due = min(due, conversation.due_at) if conversation.due_at else due
    conversation.snoozed_until = None
    owe(conversation, Owed(conversation.owed) if lasting else Owed.MESSAGE, due_at=due, note=note)


def reply_approved(conversation: Conversation, *, waits_for_send: bool, promise: Promise | None) -> dict[str, Any]:
    """A reply stands in the outbox. It settles what is owed when it has left; a holding reply never does. Returns what was
    owed before, for `taken_back`."""
    before = {
        "owed": conversation.owed,
        "note": conversation.owed_note,
        "owner": str(conversation.owner_id or ""),
        "due_at": conversation.due_at.isoformat() if conversation.due_at else "",
    }
    if promise:
        conversation.owner_id = promise.owner_id
        owe(conversation, Owed.PROMISED, due_at=promise.due_at)
    else:
        owe(conversation, Owed.UNSENT if waits_for_send else Owed.LEAVING)
    conversation.snoozed_until = None
    return before


def reply_left(conversation: Conversation) -> bool:
    """Whether a reply that left changed anything here: not if they wrote meanwhile, or something was promised."""
    if conversation.owed not in _SETTLED_BY_SENDING:
        return False
    settle(conversation)
    if _under_way(conversation):
        owe(conversation, Owed.LEAVING)
    return True


def taken_back(conversation: Conversation, before: Mapping[str, Any], *, seq: int) -> None:
    """A reply did not leave and will not: what was owed `before` it was approved is owed again, but for what came up or was
    settled since. `seq` is its message's."""
    closed_on_it = conversation.status == Status.CLOSED and not conversation.outcome
    if conversation.owed not in {*_SETTLED_BY_SENDING, Owed.PROMISED} and not closed_on_it:
        return
    if newer := _newer_reply(conversation, seq):  # that one is what counts now, and stands on what this one stood on
        if newer.owed_before.get("owed") in _SETTLED_BY_SENDING:
            newer.owed_before = dict(before)
            newer.save(update_fields=["owed_before", "updated_at"])
        return
    why = before.get("owed", "") if seq > conversation.answered_seq else ""
    why = Owed.MESSAGE if why == Owed.DRAFT else why
    if why in {*_SETTLED_BY_SENDING, Owed.WRITING}:  # that was about another reply: what became of it?
        why = _other_reply(conversation)
    if not why:
        settle(conversation)
        return
    conversation.owner_id = uuid.UUID(before["owner"]) if before.get("owner") else None
    due = datetime.fromisoformat(before["due_at"]) if before.get("due_at") else None
    owe(conversation, Owed(why), due_at=due, note=before.get("note", ""))


def _newer_reply(conversation: Conversation, seq: int) -> Delivery | None:
    """The next reply after that message of which nobody has said that it arrived."""
    unsettled = (*UNDER_WAY, Delivery.Status.FAILED, Delivery.Status.UNCERTAIN)
    later = Delivery.objects.filter(conversation=conversation, status__in=unsettled, message__seq__gt=seq)
    return later.order_by("message__seq").first()


def _under_way(conversation: Conversation) -> bool:
    return Delivery.objects.filter(conversation=conversation, status__in=UNDER_WAY).exists()


def _other_reply(conversation: Conversation) -> str:
    """What the newest other reply leaves owed: nothing if it arrived, or none was sent."""
    if _under_way(conversation):
        return Owed.LEAVING
    of_it = Delivery.objects.filter(conversation=conversation).exclude(status=Delivery.Status.CANCELLED)
    newest = of_it.order_by("-id").values_list("status", flat=True).first()
    return {"failed": Owed.FAILED, "uncertain": Owed.UNCERTAIN, "bounced": Owed.BOUNCED}.get(newest or "", "")
