"""Which conversation a message belongs to, and by what right (docs/decisions/0025).

Knowing an id is no right: ids are forwarded, quoted and archived. A mail joins a thread when its sender takes part in it.
Whoever else names one of its messages gets a conversation of their own, which says that the two may be related.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace

from conversations import audit
from conversations.channels.addresses import is_same, normal_address
from conversations.channels.base import Automatic, Inbound
from conversations.models import Channel, Conversation, Delivery, Message, RelatedConversation

Reason = RelatedConversation.Reason
#: A bounce's own words are read this far for the address that it is about.
BOUNCE_CHARS = 64_000


@dataclass(frozen=True, slots=True)
class Place:
    """`conversation` is where the message belongs, None for a new one; `related` is a thread that it names without right."""

    conversation: uuid.UUID | None = None
    related: uuid.UUID | None = None


def find_place(channel: Channel, inbound: Inbound) -> Place:
    """A provider's thread id decides where there is one. A proved bounce belongs to the thread of its delivery. Else a mail
    joins the nearest thread that it names and its sender takes part in. A subject never joins anything."""
    if inbound.thread_id:
        rows = Conversation.objects.filter(account_id=channel.account_id, channel=channel)
        return Place(rows.filter(external_id=inbound.thread_id).values_list("pk", flat=True).first())
    if bounced := bounced_delivery(channel, inbound):
        return Place(bounced.conversation_id)
    named = _named(channel, inbound)
    joined = next((pk for pk in named if takes_part(pk, inbound.sender.address)), None)
    return Place(joined, named[0] if named and joined is None else None)


def _named(channel: Channel, inbound: Inbound) -> list[uuid.UUID]:
    """The conversations whose messages a mail names, nearest first: by the address that it came to or an id, where we signed
    them, else by an id of others."""
    ids = channel.provided_by.ids
    arrived = [inbound.recipient, *(party.address for party in (*inbound.to, *inbound.cc))]
    at = [pk for one in arrived if (pk := ids.read_reply_to(one))]
    answered = (
        list(Delivery.objects.filter(pk__in=at, channel=channel).values_list("conversation_id", flat=True))
        if at
        else []
    )
    if not inbound.references:
        return list(dict.fromkeys(answered))
    read = ids.read
    signed = [read(reference) for reference in inbound.references]
    sent = Delivery.objects.filter(pk__in=[pk for pk in signed if pk], channel=channel) if any(signed) else ()
    by_delivery = {delivery.pk: delivery.conversation_id for delivery in sent}
    received = Message.objects.filter(
        account_id=channel.account_id,
        channel=channel,
        external_id__in=inbound.references,
        direction__in=[Message.Direction.INBOUND, Message.Direction.OUTBOUND],  # ours where a server renamed it
    )
    by_id = dict(received.order_by("seq").values_list("external_id", "conversation_id"))
    found = [
        by_delivery.get(pk) if pk else by_id.get(reference)
        for reference, pk in zip(inbound.references, signed, strict=True)
    ]
    return list(dict.fromkeys(pk for pk in (*found, *answered) if pk))


def answered_by(channel: Channel, sent: Inbound) -> uuid.UUID | None:
    """The conversation that a mail answers which one of us sent: it names one of its messages, and goes to one of its parties."""
    parties = [party.address for party in (*sent.to, *sent.cc)]
    return next((pk for pk in _named(channel, sent) if any(takes_part(pk, one) for one in parties)), None)


def without_signs(channel: Channel, inbound: Inbound) -> Inbound:
    """Where it came to and who got it, without our signs: whoever answers all would else write to ourselves."""
    plain = channel.provided_by.ids.plain
    to, cc = (tuple(replace(one, address=plain(one.address)) for one in part) for part in (inbound.to, inbound.cc))
    return replace(inbound, recipient=plain(inbound.recipient), to=to, cc=cc)


def takes_part(conversation_id: uuid.UUID, address: str) -> bool:
    """Whether an address is part of a thread: its customer's, one that a joined mail came from or asked to be answered at
    (unless that mail's sender was found not to be who it says), or one that we wrote to."""
    wanted = normal_address(address)
    if not wanted:
        return False
    customer = Conversation.objects.filter(pk=conversation_id).values_list("customer_email", flat=True).first()
    if is_same(customer or "", wanted):
        return True
    inbound = Message.objects.filter(conversation_id=conversation_id, direction=Message.Direction.INBOUND)
    for details in inbound.filter(is_automatic=False).values_list("metadata", flat=True).iterator():
        known = [details.get("sender", "")]
        if details.get("authentication", {}).get("verdict") != "fail":
            known += [details.get("reply_to", ""), *(party["address"] for party in details.get("answer_to", ()))]
        if any(is_same(one, wanted) for one in known):
            return True
    sent = Delivery.objects.filter(conversation_id=conversation_id).exclude(status=Delivery.Status.CANCELLED)
    return any(
        is_same(one, wanted) for envelope in sent.values_list("envelope", flat=True) for one in _recipients(envelope)
    )


def _recipients(envelope: dict[str, list[dict[str, str]]]) -> list[str]:
    return [party["address"] for name in ("to", "cc", "bcc") for party in envelope.get(name, ())]


def bounced_delivery(channel: Channel, inbound: Inbound) -> Delivery | None:
    """The delivery that a bounce is about, if it proves it (RFC 3464): it came to the return path that we used for that
    delivery, and it names one of its recipients. A forged one is an ordinary automatic message."""
    if inbound.automatic != Automatic.BOUNCE:
        return None
    arrived = {normal_address(one) for one in (inbound.recipient, *(party.address for party in inbound.to))} - {""}
    ids = channel.provided_by.ids
    signed = next((pk for one in arrived if (pk := ids.read_return_path(one))), None)
    wanted = signed or ids.read(inbound.bounced_message_id)
    delivery = Delivery.objects.filter(pk=wanted, channel=channel).first() if wanted else None
    if delivery is None:
        return None
    used = delivery.return_path or delivery.envelope.get("sender", {}).get("address", "")
    return delivery if normal_address(used) in arrived and _names_a_recipient(inbound, delivery) else None


def _names_a_recipient(inbound: Inbound, delivery: Delivery) -> bool:
    recipients = {normal_address(one) for one in _recipients(delivery.envelope)} - {""}
    if inbound.bounced_addresses:
        return bool(recipients & {normal_address(one) for one in inbound.bounced_addresses})
    # Many servers write prose: then the address has to stand in it.
    text = inbound.body_text[:BOUNCE_CHARS].lower()
    return any(re.search(rf"(?<![\w.+-]){re.escape(one)}(?![\w-])", text) for one in recipients)


def relate(*, conversation: Conversation, other_id: uuid.UUID, reason: Reason) -> None:
    """Say on both that they may be related; in the caller's transaction. Saying it twice is saying it once."""
    if conversation.pk == other_id:
        return
    _, is_new = RelatedConversation.objects.get_or_create(
        account_id=conversation.account_id, conversation=conversation, other_id=other_id, defaults={"reason": reason}
    )
    if not is_new:
        return
    number = Conversation.objects.values_list("number", flat=True).get(pk=other_id)
    for about, other in ((conversation.pk, number), (other_id, conversation.number)):
        audit.record(
            audit.Kind.CONVERSATION_RELATED,
            actor=audit.SYSTEM,
            about=conversation,
            conversation_id=about,
            data={"number": other, "reason": reason.label},
        )


def same_mail_elsewhere(channel: Channel, message: Message) -> list[uuid.UUID]:
    """The conversations of the account's other channels of this type that have this very message too."""
    if not channel.provided_by.ids.is_worldwide(message.external_id):
        return []
    others = Channel.objects.filter(type=channel.type).exclude(pk=channel.pk).values("pk")
    found = Message.objects.filter(
        account_id=channel.account_id,
        channel__in=others,
        external_id=message.external_id,
        content_sha256=message.content_sha256,
    )
    return list(found.values_list("conversation_id", flat=True)[:5])
