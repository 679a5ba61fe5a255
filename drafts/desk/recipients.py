"""Who a reply goes to, compared with who the customer is, and how far the mail server vouches for who wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conversations.channels.addresses import is_same
from conversations.messages.envelope import addressees, copies, writer_name
from conversations.models import Channel, Conversation, Message, RelatedConversation
from drafts.models import Draft

#: The drafter's `needs_human` code for a mail that may not be from whom it says: never a lane, never in a batch.
UNPROVED = "sender"


def is_answered_elsewhere(message: Message) -> bool:
    """Whether the mail asks for answers at an address that it did not come from."""
    details = message.details
    asked = [party.address for party in details.answer_to] or [details.reply_to]
    return any(one and not is_same(one, details.sender) for one in asked)


def is_suspicious(message: Message) -> bool:
    """The sender is not proved, and the answer is wanted somewhere else: how a thread is taken over."""
    return message.details.authentication.verdict == "fail" and is_answered_elsewhere(message)


def foreign_thread(conversation: Conversation) -> int | None:
    """The number of the thread that this conversation's sender named without being part of it."""
    found = RelatedConversation.objects.filter(
        conversation=conversation, reason=RelatedConversation.Reason.NOT_A_PARTICIPANT
    )
    return found.values_list("other__number", flat=True).first()


def cautions(conversation: Conversation, base: Message) -> list[str]:
    """The `needs_human` codes that a mail itself gives its draft."""
    return [UNPROVED] if is_suspicious(base) or foreign_thread(conversation) else []


def checks(conversation: Conversation, base: Message | None, envelope: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines under a draft about its recipients, compared with the conversation's customer and with who is in the mail."""
    if base is None:
        return []
    return [{**line, "about": "recipients"} for line in _checks(conversation, base, envelope)]


def _checks(conversation: Conversation, base: Message, envelope: Mapping[str, Any]) -> list[dict[str, Any]]:
    customer = conversation.customer_email
    strangers = [party["address"] for party in envelope["to"] if not is_same(party["address"], customer)]
    if not customer:
        strangers = []
    found: list[dict[str, Any]] = [
        {"ok": False, "text": f"Goes to {_listed(strangers)}; the customer is {customer}"[:300]}
        if strangers
        else {"ok": True, "text": "Goes to the customer"}
    ]
    details = base.details
    mails = [details.sender, *details.to, *details.cc]
    for name, words in (("cc", "Copy to"), ("bcc", "Hidden copy to")):
        got = [party["address"] for party in envelope.get(name, ())]
        new = [one for one in got if not any(is_same(one, known) for known in mails)]
        if new:
            found.append({"ok": False, "text": f"{words} {_listed(new)}, who was not in the mail"[:300]})
        elif got:
            found.append({"ok": True, "text": f"{words} {_listed(got)}, as in the mail"[:300]})
    if is_answered_elsewhere(base):
        asked = [party.address for party in details.answer_to] or [details.reply_to]
        words = f"{details.sender} asks for the answer at {_listed(asked)} (Reply-To)"
        found.append({"ok": False, "text": words[:300]})
    if number := foreign_thread(conversation):
        found.append(
            {"ok": False, "text": f"It answers a message of #{number}, and its sender is not part of that thread"}
        )
    if words := details.authentication.words:
        found.append({"ok": details.authentication.verdict == "pass", "text": words[:300]})
    return found


def checks_anew(conversation: Conversation, draft: Draft, envelope: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines under a draft whose recipients were changed."""
    others = [line for line in draft.checks if line.get("about") != "recipients"]
    if len(others) == len(draft.checks):  # written before the lines said what they are about: the first is about it
        others = others[1:]
    return [*checks(conversation, draft.base_message, envelope), *others]


def own_addresses() -> list[str]:
    """What this account's channels write as: nobody gets a copy of what we say to ourselves. One statement."""
    channels = Channel.objects.only("type", "provider", "external_id", "metadata")
    return [address for one in channels for address in one.options.own_addresses(one.external_id)]


def asked_for(conversation: Conversation, base: Message, *, to_forwarded: bool = False) -> dict[str, Any]:
    """`Draft.recipients` of a reply that nobody changed yet: the copies that the mail asks for, if any."""
    if to_forwarded or len(base.details.to) + len(base.details.cc) < 2:
        return {}
    to = addressees(conversation, base, own="")
    found = copies(base, to, own=own_addresses())
    return {"cc": found} if found else {}


def proved_address(conversation: Conversation, channel: Channel, base: Message) -> str:
    """The customer's address if it is proved that they wrote `base`, else "": the mail came from the customer's own address
    and the trusted server vouches for it. Without a word of that server nothing is proved, unless it refuses what it cannot
    authenticate (`refuses_unproved`)."""
    details = base.details
    if not is_same(details.sender, conversation.customer_email):
        return ""
    verdict = details.authentication.verdict
    trusted = verdict == "pass" or (verdict == "none" and channel.options.refuses_unproved)
    return conversation.customer_email if trusted else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom a reply could be addressed to instead; `value` is what a press sends."""

    value: str
    label: str


def who_is_answered(draft: Draft) -> str:
    """Whom a draft's reply is to, in words: the writer of the message that it answers, not who opened the thread."""
    conversation, base, to_forwarded = draft.conversation, draft.base_message, draft.to_forwarded
    if base is None or base.erased_at:
        return conversation.customer
    to = addressees(conversation, base, own="", to_forwarded=to_forwarded)
    return writer_name(conversation, base, to_forwarded=to_forwarded) or to[0]["address"] or conversation.customer


def other_recipient(draft: Draft) -> Choice | None:
    """The other one of the two whom a mail that was passed on can be answered to; None for every other mail."""
    forwarded = draft.base_message.details.forwarded if draft.base_message else None
    if forwarded is None or draft.base_message is None:
        return None
    if draft.to_forwarded:
        return Choice("writer", draft.base_message.details.sender_name or draft.base_message.details.sender)
    return Choice("forwarded", forwarded.name or forwarded.address)


def _listed(addresses: Sequence[str]) -> str:
    return ", ".join(addresses[:3]) + (f" and {len(addresses) - 3} more" if len(addresses) > 3 else "")
