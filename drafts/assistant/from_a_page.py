"""A proposal that a person makes by a button of a page: a line in their own chat about the desk, with its card."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from conversations.chats import sessions
from conversations.models import ProposedAction, User
from conversations.models.actions import UNDECIDED
from drafts.assistant.actions import propose
from drafts.assistant.deciding import is_over
from drafts.assistant.tools import Context


def propose_on_the_desk(
    *, account_id: uuid.UUID, actor: User, tool: str, arguments: Mapping[str, Any], words: str
) -> ProposedAction:
    """The card, or the same one where it waits already. Raises what `start_session` and `propose` raise; nothing is left then."""
    with transaction.atomic():
        same = ProposedAction.objects.filter(
            account_id=account_id, owner=actor, tool=tool, arguments=dict(arguments), status__in=UNDECIDED
        )
        for waiting in same.order_by("-pk"):
            if not is_over(waiting):
                return waiting
        session, _ = sessions.start_session(actor=actor, account_id=account_id, context=Context.INFRASTRUCTURE)
        message, _ = sessions.post(session_id=session.pk, actor=actor, text=words, request_id="")
        return propose(session=session, message=message, actor=actor, tool=tool, arguments=arguments)
