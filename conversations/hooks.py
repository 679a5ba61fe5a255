"""What the apps above ask to be told, in the teller's own transaction. Filled once, in their `apps.py`.

Not Django signals: the list is typed, ordered and short, and an error in a handler fails the act it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable

from conversations.models import Conversation, Delivery, Message

InboundHandler = Callable[[Conversation, Message], None]
DeliveryHandler = Callable[[Delivery], None]

#: A customer wrote; the conversation is locked. Called for automatic messages too (`message.is_automatic`).
on_inbound: list[InboundHandler] = []
#: A delivery moved to `sent`, `failed`, `uncertain`, `cancelled` or `bounced`.
on_delivery: list[DeliveryHandler] = []
#: How many documents drafts of this transaction's account may cite.
documents_read: list[Callable[[], int]] = []
