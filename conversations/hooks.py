"""What the apps above ask to be told, in the teller's own transaction. Filled once, in their `apps.py`.

Not Django signals: the list is typed, ordered and short, and an error in a handler fails the act it belongs to.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from django.http import HttpRequest
from django.utils.safestring import SafeString

from conversations.channels.base import Event
from conversations.models import Conversation, Delivery, Message, ProposedAction, User

InboundHandler = Callable[[Conversation, Message], None]
DeliveryHandler = Callable[[Delivery], None]
ConversationHandler = Callable[[Conversation], None]
StatusHandler = Callable[[Conversation, Event], str]
TextOfDraft = Callable[[uuid.UUID], str | None]


class DrawCards(Protocol):
    def __call__(self, request: HttpRequest, actions: Sequence[ProposedAction]) -> list[SafeString]: ...


class CountSignatures(Protocol):
    def __call__(self, actor: User, account_id: uuid.UUID) -> int: ...


class ClosingPreview(Protocol):
    def __call__(self, *, account_id: uuid.UUID, days: int) -> int: ...


class RetentionPreview(Protocol):
    def __call__(self, *, account_id: uuid.UUID) -> Mapping[str, int]: ...


#: The cards of proposals, in their order, as they are now for whoever looks.
draw_cards: DrawCards | None = None
#: How many proposals of colleagues wait for this person's signature.
count_signatures: CountSignatures | None = None
#: A customer wrote; the conversation is locked. Called for automatic messages too (`message.is_automatic`).
on_inbound: list[InboundHandler] = []
#: A delivery moved to `sent`, `failed`, `uncertain`, `cancelled` or `bounced`.
on_delivery: list[DeliveryHandler] = []
#: Somebody answered outside of this desk; the conversation is locked.
on_answered_elsewhere: list[ConversationHandler] = []
#: The vendor says that a thread is closed or open again there; the conversation is locked. What came of it, in words.
on_status_there: list[StatusHandler] = []
#: The text of a draft as it stands, for an endpoint that is told texts; None for one that is gone.
text_of_draft: TextOfDraft | None = None
#: How many documents drafts of this transaction's account may cite.
documents_read: list[Callable[[], int]] = []
#: How many conversations would close by themselves if so many quiet days were enough.
closing_previews: list[ClosingPreview] = []
#: What the next run of retention would empty of this account, as its row stands in this transaction: words -> how many.
retention_previews: list[RetentionPreview] = []
