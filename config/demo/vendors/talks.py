"""What the desk has of its channels' talks, so that a stand-in goes on where the demo was stopped."""

from __future__ import annotations

import uuid
from typing import Any

from config.demo.vendors.intercom import Intercom
from config.demo.vendors.shopify import Shopify
from config.demo.vendors.slack import Slack
from config.demo.vendors.stand_in import Channel, Said, StandIn, Talk
from config.demo.vendors.zoho import Zoho

KINDS: dict[str, type[StandIn]] = {"intercom": Intercom, "shopify": Shopify, "slack": Slack, "zoho": Zoho}


def stand_ins(account_id: uuid.UUID, *, desk: str) -> list[StandIn]:
    """One for each channel of the account that has one, with an address of its own at the desk."""
    from conversations import models
    from conversations.setup import hooks
    from conversations.tenancy import tenant_context

    found = []
    with tenant_context(account_id):
        admin = (
            models.User.objects.filter(memberships__account=account_id, memberships__role="admin")
            .order_by("pk")
            .first()
        )
        for channel in models.Channel.objects.filter(provider__in=KINDS).order_by("pk"):
            hook = ""
            if channel.provided_by.hooks is not None and admin is not None:
                hook = f"{desk}/hooks/{hooks.make_hook(channel_id=channel.pk, actor=admin)}/"
            known = Channel(channel.external_id, channel.credentials, channel.incoming_credentials, hook)
            found.append(KINDS[channel.provider](known, _talks(channel)))
    return found


def _talks(channel: Any) -> list[Talk]:
    from conversations.models import Conversation, Message

    found = []
    rows = Conversation.objects.filter(channel=channel).order_by("number")
    for conversation in rows:
        talk = Talk(
            conversation.external_id, conversation.subject, conversation.customer_email, conversation.customer_name
        )
        messages = Message.objects.filter(conversation=conversation, withdrawn_at=None).order_by("seq")
        for message in messages.prefetch_related("deliveries"):
            if said := _said(message, talk):
                talk.said.append(said)
        found.append(talk)
    return found


def _said(message: Any, talk: Talk) -> Said | None:
    at = message.sent_at.timestamp()
    if message.direction == "inbound":
        return Said(message.external_id, "customer", talk.name, message.body_text, at)
    if (delivery := next(iter(message.deliveries.all()), None)) is None:
        name = message.details.sender_name or "A colleague"
        return Said(message.external_id, "colleague", name, message.body_text, at)
    if not delivery.provider_id:
        return None  # it has not left, or never arrived
    return Said(delivery.provider_id, "desk", "Countersign", message.body_text, at, delivery.idempotency_key)
