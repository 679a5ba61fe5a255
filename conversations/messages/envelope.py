"""To whom a reply would go, under which subject and with which files: frozen and hashed before anybody decides."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conversations.channels.addresses import is_same, normal_address
from conversations.channels.lines import one_line
from conversations.models import Channel, Conversation, Message

#: More copies than these are nobody's circle: none is kept by itself, and a person chooses.
MOST_COPIES = 20

#: A subject that says already that it answers, in the languages of mail programs: one more "Re:" would only grow it.
_ANSWER = re.compile(
    r"(?:re|r|res|resp|rép|réf|aw|antw|antwort|sv|vs|vá|rif|odp|odpov[eě]ď|ynt|yan|atb|bls|hb|tl|απ|απάντ|σχετ|отв|ответ|відп|"
    r"השב|תשובה|رد|回复|回覆|答复|答覆|返信|답장|회신)(?:\[\d+\]|\(\d+\)|\^\d+)?\s?[:：]",
    re.IGNORECASE,
)


def reply_envelope(
    conversation: Conversation,
    channel: Channel,
    base: Message | None,
    files: Sequence[Mapping[str, Any]] = (),
    *,
    to_forwarded: bool = False,
    recipients: Mapping[str, list[dict[str, str]]] | None = None,
    subject: str = "",
    signature: str = "",
    is_formatted: bool = False,
) -> dict[str, Any]:
    """The envelope of a reply to `base`: its sender (or all of its Reply-To) is addressed. With `to_forwarded` it is who wrote
    the mail that `base` passes on, and nobody else. `recipients` says of "to", "cc" and "bcc" what differs from that, and
    `subject` is what a mail that answers nothing (no `base`) is about, `signature` what stands below the text, else the channel's. `files` are rows of name, sha256, key, type, size.

    What came in is wider than what can go out: ids that no mail can carry are left out, names and subjects are one line.
    """
    recipients, sender = recipients or {}, channel.sends_as
    to = recipients.get("to")
    if to is None and base is not None:
        to = addressees(conversation, base, own=sender, to_forwarded=to_forwarded)
    return {
        # Only where they are used: what stands here is in the digest that open pages have.
        **({"bcc": recipients["bcc"]} if recipients.get("bcc") else {}),
        **({"signature": signed} if (signed := signature or channel.options.signature) else {}),
        **({"format": "markdown"} if is_formatted else {}),
        **_thread(conversation, channel, base, one_line(subject)),
        "sender": {"address": sender, "name": channel.options.sender_name},
        "to": to or [],
        "cc": [] if to_forwarded and "to" not in recipients else recipients.get("cc", []),
        "files": [dict(file) for file in files],
    }


def _thread(conversation: Conversation, channel: Channel, base: Message | None, subject: str) -> dict[str, Any]:
    """What makes it the answer to `base`, or something new."""
    if base is None:
        return {"subject": subject, "in_reply_to": "", "references": []}
    ids = {"thread_id": conversation.external_id, "answers": base.external_id} if channel.provided_by.threads else {}
    as_named = channel.provided_by.ids.as_named
    references = [as_named(one) for one in [*reversed(base.details.source.get("references", [])), base.external_id]]
    subject = subject or one_line(base.subject or conversation.subject)
    return {
        **ids,
        "subject": subject if _ANSWER.match(subject) else f"Re: {subject}".strip(),
        "in_reply_to": references[-1],
        "references": list(dict.fromkeys(filter(None, references)))[-20:],
    }


def copies(base: Message, to: Iterable[Mapping[str, str]], *, own: Iterable[str]) -> list[dict[str, str]]:
    """Who else was written to (To and Cc of `base`) and is answered with a copy: neither we (`own`) nor who is answered
    anyway. Where none of our addresses stands in them, To is an alias that leads here, and only Cc is other people. Nobody
    where they are more than `MOST_COPIES`, or where the sender is not proved to be who it says."""
    details = base.details
    if base.is_automatic or details.authentication.verdict == "fail":
        return []
    ours = {normal_address(one) for one in (*own, details.recipient)}
    named = bool(ours & {normal_address(one) for one in (*details.to, *details.cc)})
    wanted = {normal_address(one): one.strip() for one in ((*details.to, *details.cc) if named else details.cc)}
    known = {"", *ours, normal_address(details.sender), *(normal_address(party["address"]) for party in to)}
    found = [written for address, written in wanted.items() if address not in known]
    return [{"address": one, "name": ""} for one in found] if len(found) <= MOST_COPIES else []


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
    """The name to greet: that of whoever is answered, from this mail or from an earlier one of theirs, never of whoever opened
    the thread. Without one it is the sender's, unless a website's form sent it for them."""
    details = base.details
    to = addressees(conversation, base, own="", to_forwarded=to_forwarded)
    named = next((party["name"] for party in to if party["name"]), "")
    if named or (to_forwarded and details.forwarded):
        return named
    if base.writer and is_same(base.writer.address, to[0]["address"]) and base.writer.name:
        return one_line(base.writer.name)
    is_customers = not details.sender or is_same(details.sender, conversation.customer_email)
    was_sent_for_them = not is_customers and is_same(to[0]["address"], conversation.customer_email)
    return conversation.customer_name if is_customers or was_sent_for_them else details.sender_name


def digest(envelope: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON (RFC 8785 in spirit: sorted keys, no spaces, UTF-8)."""
    text = json.dumps(envelope, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
