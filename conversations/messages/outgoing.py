"""An approved reply as its channel's adapter gets it, and why it could not be sent: asked before anybody approves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from conversations.channels.base import File, Outbound, Party, Sends
from conversations.channels.provider import Limits
from conversations.messages import access, scanning
from conversations.messages.files import read_whole
from conversations.messages.formatted import with_signature
from conversations.models import Channel, Delivery

#: Stands for the delivery that there will be, where only the form of its name matters.
NO_DELIVERY = uuid.UUID(int=0)


def problems(channel: Channel, envelope: Mapping[str, Any], *, body_text: str, body_html: str = "") -> list[str]:
    """Why this reply cannot be sent as it stands, in words for whoever decides; empty when it can. Calls nobody."""
    provider, options = channel.provided_by, channel.options
    if provider.open is None:
        return [
            f"{channel.name} cannot send yet: there is no sending half for {provider.label} channels. "
            "Answer there and mark the draft as answered elsewhere."
        ]
    if not provider.by_address and channel.missing:  # mail may leave by the installation's own server
        return [f"{channel.name} cannot send yet: an entry of its settings is missing. An admin can put that right."]
    if not envelope["to"] or not envelope["to"][0]["address"]:
        return ["The customer's address is unknown, so there is nobody to send to."]
    sender = str(envelope["sender"]["address"])
    try:
        outbound = _outbound(
            envelope,
            read=lambda file: b"" if "size" in file else read_whole(file["key"], file["sha256"]),
            body_text=body_text,
            body_html=body_html,
            message_id=provider.ids.make(NO_DELIVERY),
            return_path=provider.ids.return_path(NO_DELIVERY, sender=sender, settings=options),
        )
    except OSError as error:
        return [f"A file that is to be sent cannot be read: {error}"]
    held = (
        scanning.shut(channel.account_id, [file["sha256"] for file in envelope["files"]]) if envelope["files"] else {}
    )
    if held:
        return [f"{file['name']}: {held[file['sha256']]}" for file in envelope["files"] if file["sha256"] in held]
    size = sum(file.get("size", 0) for file in envelope["files"]) + sum(len(file.content) for file in outbound.files)
    # No secret is needed to look at a reply.
    return [*over_limits(outbound, provider.limits, size), *provider.open(options, "").problems(outbound)]


def over_limits(outbound: Outbound, limits: Limits, size: int) -> list[str]:
    """What of a reply is more than its provider takes. `size`: of all its files, in bytes."""
    found = [
        ("The reply has {:,} characters; {:,} can be sent.", len(outbound.body_text), limits.text),
        ("{:,} files are attached; {:,} can be sent.", len(outbound.files), limits.files),
        ("The files have {:,} bytes; {:,} can be sent.", size, limits.file_bytes),
    ]
    return [words.format(count, most) for words, count, most in found if count > most]


def outbound_of(delivery: Delivery) -> Outbound:
    """What was approved, with the files' bytes as their digests say. Raises OSError for a file that is gone or changed, or that the scanner does not let out."""
    return _outbound(
        delivery.envelope,
        read=lambda file: scanning.read_checked(delivery.account_id, file["key"], file["sha256"]),
        body_text=delivery.body_text,
        body_html=delivery.body_html,
        message_id=delivery.idempotency_key,
        return_path=delivery.return_path,
        reply_to=delivery.channel.provided_by.ids.reply_to(
            delivery.pk, sender=str(delivery.envelope["sender"]["address"]), settings=delivery.channel.options
        ),
        automatic=delivery.is_automatic,
        begun=delivery.provider_id,
    )


def adapter_of(channel: Channel) -> Sends:
    """The sending half of a channel. Raises LookupError where there is none, ValueError for
    settings that are not valid, ChannelError if its token cannot be renewed."""
    provider = channel.provided_by
    if provider.open is None:
        raise LookupError(f"There is no way to send on {provider.label} channels yet.")
    return provider.open(channel.options, access.sending_secret(channel))


def _outbound(
    envelope: Mapping[str, Any],
    *,
    read: Callable[[Mapping[str, Any]], bytes],
    body_text: str,
    body_html: str,
    **facts: Any,
) -> Outbound:
    """The text as it leaves: with the signature below a line that mail programs know it by (RFC 3676 section 4.3)."""
    signature = envelope.get("signature", "")
    attached = [
        File(file["name"], file.get("type", "application/octet-stream"), read(file)) for file in envelope["files"]
    ]
    return Outbound(
        sender=Party(**envelope["sender"]),
        to=tuple(Party(**party) for party in envelope["to"]),
        cc=tuple(Party(**party) for party in envelope["cc"]),
        bcc=tuple(Party(**party) for party in envelope.get("bcc", ())),
        subject=envelope["subject"],
        in_reply_to=envelope["in_reply_to"],
        references=tuple(envelope["references"]),
        files=tuple(attached),
        thread_id=envelope.get("thread_id", ""),
        answers=envelope.get("answers", ""),
        body_html=with_signature(body_html, signature),
        body_text=text_as_sent(body_text, signature),
        **facts,
    )


def text_as_sent(body_text: str, signature: str) -> str:
    """The text with the signature below it."""
    return f"{body_text.rstrip()}\n\n-- \n{signature}" if signature else body_text
