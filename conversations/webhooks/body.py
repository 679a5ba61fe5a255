"""What an endpoint is sent: kind, time, number, ids and a link. Texts only where an admin switched them on, as they stand now."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.urls import reverse

from conversations import hooks
from conversations.models import Delivery, Message, WebhookEndpoint, WebhookEvent
from conversations.people.letters import address_of

#: A body is a notice and not an archive.
MOST = 20_000


def body_of(event: WebhookEvent, endpoint: WebhookEndpoint) -> bytes:
    """The bytes of now. In the account's transaction: a text that was erased meanwhile is not in it."""
    data: dict[str, Any] = dict(event.data)
    if conversation := data.get("conversation"):
        data["link"] = address_of(reverse("conversations:detail", args=[conversation]))
    if endpoint.with_text and (text := _text_of(event)) is not None:
        data["text"] = text[:MOST]
    said = {"type": event.kind, "timestamp": event.created_at.isoformat(), "seq": event.seq, "data": data}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _text_of(event: WebhookEvent) -> str | None:
    """None where the event is about no text, or nothing is left of what it is about."""
    about = event.kind.partition(".")[0]
    named = event.data.get(about)
    if about == "message":
        return Message.objects.filter(pk=named).values_list("body_text", flat=True).first()
    if about == "delivery":
        return Delivery.objects.filter(pk=named).values_list("body_text", flat=True).first()
    if about == "draft" and hooks.text_of_draft is not None:
        return hooks.text_of_draft(uuid.UUID(named))
    return None
