"""What a customer is called."""

from __future__ import annotations

import re
import uuid

from django.db import transaction

from conversations import audit
from conversations.errors import Invalid
from conversations.models import Conversation, Customer, User
from conversations.people.roles import Verb
from drafts.desk import life

MAX_NAME = 200


def rename(*, conversation_id: uuid.UUID, actor: User, name: str) -> Conversation:
    """The customer of this conversation is called so from now on, here and on their page. What they wrote stays as it came.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Invalid (422: no name, or too long a one).
    """
    name = re.sub(r"\s+", " ", name.replace("\x00", "")).strip()
    if not name or len(name) > MAX_NAME:
        raise Invalid(f"A name has 1 to {MAX_NAME} characters. The old one was kept.")
    with transaction.atomic():
        place = life.look(conversation_id, actor=actor)
        place.permit(Verb.ASSIGN)
        life.not_gone(place.conversation)
        conversation = place.conversation
        if conversation.customer_address_id:
            customers = Customer.objects.select_for_update(of=("self",))
            customer = customers.get(addresses=conversation.customer_address_id)
            customer.name = name
            customer.save(update_fields=["name"])
        conversation.customer_name = name
        conversation.save(update_fields=["customer_name", "updated_at"])
        audit.record(audit.Kind.CUSTOMER_RENAMED, actor=actor, about=conversation, conversation_id=conversation.pk)
    return conversation
