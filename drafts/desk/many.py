"""One act on many conversations: close, assign, put off or tag what is ticked in a list, each by its own verb."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from django.core.exceptions import PermissionDenied
from django.db import OperationalError

from conversations.errors import Invalid, Refusal
from conversations.models import Conversation, User
from conversations.tenancy import tenant_context

MAX_CONVERSATIONS = 100
#: What is done with one conversation, given by its id and the newest message that the person saw in the list.
Act = Callable[[uuid.UUID, uuid.UUID | None], object]
Chosen = Sequence[tuple[uuid.UUID, uuid.UUID | None]]


@dataclass(frozen=True, slots=True)
class Left:
    """One that was left as it is, and why."""

    conversation_id: uuid.UUID
    why: str


def check_size(count: int) -> None:
    """Raises Invalid (422) for nothing and for more than a page shows."""
    if not count:
        raise Invalid("Tick at least one conversation. Nothing was changed.")
    if count > MAX_CONVERSATIONS:
        raise Invalid(f"At most {MAX_CONVERSATIONS} conversations at once; these are {count}. Nothing was changed.")


def each(*, account_id: uuid.UUID, actor: User, chosen: Chosen, act: Act) -> list[Left]:
    """Do it with every chosen conversation in a transaction of its own; the others go on. Returns those that were left.

    To be called outside of any transaction. What a verb refuses for one stands in its reason. Raises Invalid (422: none
    chosen, or too many).
    """
    check_size(len(chosen))
    left = []
    for conversation_id, last_inbound in chosen:
        do = partial(act, conversation_id, last_inbound)
        try:
            with tenant_context(account_id, person=actor.pk, durable=True):
                do()
        except (Refusal, PermissionDenied) as refusal:
            left.append(Left(conversation_id, str(refusal)))
        except OperationalError:  # a deadlock, or a lock that took too long: this one is undone, the others are not
            left.append(Left(conversation_id, "It was busy just then. Try it again."))
        except Conversation.DoesNotExist:
            left.append(Left(conversation_id, "There is no such conversation in this account."))
    return left
