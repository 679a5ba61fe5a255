"""Blocking a sender: their further mail is set aside as it comes, kept, and can be let in. Nothing is undone silently: only
unblocking ends it, a reply of ours does not."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from conversations import audit
from conversations.channels.addresses import normal_address
from conversations.errors import Invalid
from conversations.models import BlockedSender, Channel, User


def is_blocked(addresses: Iterable[str]) -> bool:
    """Whether mail of one of these addresses is unwanted. The caller is in the tenant."""
    wanted = {normal_address(address) for address in addresses} - {""}
    return bool(wanted) and BlockedSender.objects.filter(address__in=wanted).exists()


def block(*, account_id: uuid.UUID, address: str, actor: User, conversation_id: uuid.UUID) -> BlockedSender:
    """In the caller's transaction; twice is once. Raises Invalid (422) for no address, and for one of our own."""
    normal = normal_address(address)
    if not normal:
        raise Invalid("There is no address here that could be blocked. Nothing was changed.")
    channels = Channel.objects.filter(account_id=account_id)
    if any(normal in channel.options.own_addresses(channel.external_id) for channel in channels):
        raise Invalid("This is an address of our own. Nothing was changed.")
    found, is_new = BlockedSender.objects.get_or_create(
        account_id=account_id, address=normal, defaults={"blocked_by_name": actor.name}
    )
    if is_new:
        _record(audit.Kind.SENDER_BLOCKED, found, actor, conversation_id)
    return found


def unblock(*, blocked: BlockedSender, actor: User, conversation_id: uuid.UUID | None = None) -> None:
    """In the caller's transaction. What was set aside stays so until somebody lets it in."""
    _record(audit.Kind.SENDER_UNBLOCKED, blocked, actor, conversation_id)
    blocked.delete()


def _record(kind: audit.Kind, blocked: BlockedSender, actor: User, conversation_id: uuid.UUID | None) -> None:
    """The trail outlives the address: it is bound, not stored."""
    audit.record(kind, actor=actor, about=blocked, conversation_id=conversation_id, commit={"address": blocked.address})
