"""What is answered: whose conversation it is, when the answer is due, who has it in hand, and its messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conversations.views.notes import NoteView, among, note_view
from conversations.views.present import MessageView, channel_words, message_view, title_of
from conversations.views.words import initials
from drafts.desk.recipients import who_is_answered
from drafts.models import Draft
from drafts.views.pane.desk import Desk
from drafts.views.present import due_words

MOST_OPEN = 3  # messages that stand open under the head


@dataclass(frozen=True, slots=True)
class Holder:
    """A colleague who has claimed the conversation."""

    name: str
    initials: str

    @classmethod
    def of(cls, draft: Draft, desk: Desk) -> Holder | None:
        found = draft.holder  # type: ignore[attr-defined]
        if not found or str(found["user_id"]) == str(desk.user.pk):
            return None
        name = found["name"] or found["email"]
        return cls(name, initials(name))


@dataclass(frozen=True, slots=True)
class Head:
    title: str
    customer: str
    icon: str
    channel: str
    reference: str
    due: str
    due_class: str
    holder: Holder | None

    @classmethod
    def of(cls, draft: Draft, desk: Desk) -> Head:
        conversation, channel = draft.conversation, draft.conversation.channel
        due, urgency = due_words(draft.due_at, desk.clock)
        return cls(
            title=title_of(conversation.subject, conversation.title),
            customer=who_is_answered(draft),
            icon=channel.provided_by.icon if channel else "mail",
            channel=channel_words(channel.provided_by.label, channel.name) if channel else "",
            reference=f"#{conversation.number}",
            due=f"Reply due in {due}" if urgency != "late" else f"Reply {due}",
            due_class=f" due--{urgency}",
            holder=Holder.of(draft, desk),
        )


@dataclass(frozen=True, slots=True)
class Thread:
    """Messages and notes, oldest first; those that stand open are `latest`: the newest messages, and every note."""

    earlier: list[MessageView]
    latest: list[MessageView | NoteView]

    @classmethod
    def of(cls, draft: Draft, desk: Desk) -> Thread:
        conversation, newest_first = draft.conversation, draft.thread  # type: ignore[attr-defined]
        shown = [
            message_view(
                entry,
                desk.clock,
                customer=conversation.customer,
                account=desk.tenant.name,
                address=conversation.customer_email,
            )
            for entry in reversed(newest_first)
        ]
        cut = len(shown) - _unanswered(newest_first)
        arrived = [datetime.fromisoformat(entry["arrived"]) for entry in reversed(newest_first)]
        notes = [note_view(note, desk.clock) for note in reversed(draft.notes)]  # type: ignore[attr-defined]
        latest = among(zip(arrived[cut:], shown[cut:], strict=True), notes)
        return cls(earlier=shown[:cut], latest=latest)


def _unanswered(newest_first: Sequence[Mapping[str, Any]]) -> int:
    """How many of the newest messages to show open: the customer's last words since anybody answered, at least one."""
    count = 0
    for entry in newest_first:
        if entry["direction"] != "inbound":
            break
        count += 1
    return max(1, min(count, MOST_OPEN))
