"""Spam: a conversation that owes nobody anything, and if wanted a sender whose further mail is set aside."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations.channels.addresses import is_same, normal_address
from conversations.errors import Conflict, Invalid
from conversations.messages import blocking
from conversations.models import BlockedSender, Conversation, Message, User
from conversations.people.roles import Verb
from drafts.desk import life

LOOKED_AT = 50  # of the messages of a conversation that is blocked, the newest


def mark(*, conversation_id: uuid.UUID, actor: User, block: bool) -> Conversation:
    """It is closed as spam, its waiting draft expires, and with `block` the sender is blocked. Reopening undoes the closing.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Conflict (409: it is spam already), Locked (423), Invalid
    (422: no address that could be blocked, or that of a customer in whose name somebody else may have written).
    """
    with transaction.atomic():
        place = life.look(conversation_id, actor=actor)
        place.permit(Verb.BLOCK)
        place.nobody_else()
        conversation = place.conversation
        if conversation.outcome == life.Outcome.SPAM and not block:
            raise Conflict("This is spam already. Nothing was changed.")
        if conversation.outcome != life.Outcome.SPAM:
            life.close_here(conversation, place.draft, actor=actor, reason=life.Outcome.SPAM)
        if block:
            _refuse_in_anothers_name(conversation)
            blocking.block(
                account_id=conversation.account_id,
                address=conversation.customer_email,
                actor=actor,
                conversation_id=conversation_id,
            )
    return conversation


def unblock(*, conversation_id: uuid.UUID, actor: User) -> None:
    """The customer's mail comes in again. Raises Conversation.DoesNotExist (404), PermissionDenied (403), Conflict (409: nobody
    is blocked)."""
    with transaction.atomic():
        place = life.look(conversation_id, actor=actor, merged_too=True)
        place.permit(Verb.BLOCK)
        address = normal_address(place.conversation.customer_email)
        blocked = BlockedSender.objects.select_for_update(of=("self",)).filter(address=address).first()
        if blocked is None:
            raise Conflict("This sender is not blocked. Nothing was changed.")
        blocking.unblock(blocked=blocked, actor=actor, conversation_id=conversation_id)


def _refuse_in_anothers_name(conversation: Conversation) -> None:
    """Anybody can write a customer's address into From, or into Reply-To of what looks like a form: blocking it would have that
    customer's own mail set aside. Who wrote nothing else but spam is no such customer. Raises Invalid (422)."""
    address = normal_address(conversation.customer_email)
    received = Message.objects.filter(conversation=conversation, direction=Message.Direction.INBOUND)
    for message in received.only("metadata").order_by("-seq")[:LOOKED_AT]:
        details = message.details
        if is_same(details.sender, address) and details.authentication.verdict != "fail":
            return
    others = Conversation.objects.of_customers().filter(customer_address__address=address)
    if others.exclude(pk=conversation.pk).exclude(outcome=life.Outcome.SPAM).exists():
        raise Invalid(
            f"This mail is not proved to be from {address}, who has other conversations here: their mail would be set"
            " aside. Mark it as spam without blocking. Nothing was changed."
        )
