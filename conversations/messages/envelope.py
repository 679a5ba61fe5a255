"""To whom a reply would go, under which subject and with which files: frozen and hashed before anybody decides."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from conversations.channels.addresses import is_same
from conversations.channels.lines import one_line
from conversations.models import Attachment, Channel, Conversation, Message

#: A subject that says already that it answers, in the languages of mail programs: one more "Re:" would only grow it.
_ANSWER = re.compile(
    r"(?:re|r|res|resp|rép|réf|aw|antw|antwort|sv|vs|vá|rif|odp|odpov[eě]ď|ynt|yan|atb|bls|hb|tl|απ|απάντ|σχετ|отв|ответ|відп|"
    r"השב|תשובה|رد|回复|回覆|答复|答覆|返信|답장|회신)(?:\[\d+\]|\(\d+\)|\^\d+)?\s?[:：]",
    re.IGNORECASE,
)


def reply_envelope(
    conversation: Conversation,
    channel: Channel,
    base: Message,
    attachments: Sequence[Attachment] = (),
    *,
    to_forwarded: bool = False,
) -> dict[str, Any]:
    """The envelope of a reply to `base`: only its sender (or all of its Reply-To) is addressed, never a silent copy. With
    `to_forwarded` it is who wrote the mail that `base` passes on, and nobody else.

    What came in is wider than what can go out: ids that no mail can carry are left out, names and subjects are one line.
    """
    details = base.details
    as_named = channel.provided_by.ids.as_named
    references = [as_named(one) for one in [*reversed(details.source.get("references", [])), base.external_id]]
    subject = one_line(base.subject or conversation.subject)
    sender = channel.sends_as
    # Only where they are used: what stands here is in the digest that open pages have.
    thread = {"thread_id": conversation.external_id, "answers": base.external_id} if channel.provided_by.threads else {}
    return {
        **thread,
        "sender": {"address": sender, "name": channel.options.sender_name},
        "to": addressees(conversation, base, own=sender, to_forwarded=to_forwarded),
        "cc": [],
        "subject": subject if _ANSWER.match(subject) else f"Re: {subject}".strip(),
        "in_reply_to": references[-1],
        "references": list(dict.fromkeys(filter(None, references)))[-20:],
        "files": [{"name": file.file_name, "sha256": file.sha256, "key": file.storage_key} for file in attachments],
    }


def addressees(
    conversation: Conversation, base: Message, *, own: str, to_forwarded: bool = False
) -> list[dict[str, str]]:
    """Who is answered: everybody in Reply-To (RFC 5322 section 3.6.2) but ourselves, else the sender, else the customer. The
    name beside an address is that address's own: never another's, which would make a stranger look like the customer."""
    details = base.details
    if to_forwarded and details.forwarded:
        return [{"address": details.forwarded.address, "name": one_line(details.forwarded.name)}]
    asked = [(party.address, party.name) for party in details.answer_to] or [(details.reply_to, "")]
    wanted = [(address, name) for address, name in asked if address and not is_same(address, own)]
    wanted = wanted or [(details.sender or conversation.customer_email, "")]
    names = [(details.sender, details.sender_name), (conversation.customer_email, conversation.customer_name)]
    return [
        {
            "address": address,
            "name": one_line(name)
            or next((one_line(known) for one, known in names if known and is_same(one, address)), ""),
        }
        for address, name in dict(wanted).items()
    ]


def writer_name(conversation: Conversation, base: Message, *, to_forwarded: bool = False) -> str:
    """The name to greet: the answered person's own, else the sender's, else the customer's if nobody else wrote."""
    details = base.details
    named = next(
        (party["name"] for party in addressees(conversation, base, own="", to_forwarded=to_forwarded) if party["name"]),
        "",
    )
    if to_forwarded and details.forwarded:
        return named
    is_customers = not details.sender or is_same(details.sender, conversation.customer_email)
    return named or details.sender_name or (conversation.customer_name if is_customers else "")


def digest(envelope: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON (RFC 8785 in spirit: sorted keys, no spaces, UTF-8)."""
    text = json.dumps(envelope, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
