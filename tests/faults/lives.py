"""F18: random lives of conversations; after each act the lists say what messages, deliveries and acts say."""

from __future__ import annotations

import random

from django.db import transaction

from conversations.models import Conversation
from conversations.tenancy import tenant_context
from tests.drafts.life_model import Life, compare, live
from tests.faults.ground import Ground, Outcome, noticed


class _Undo(Exception):
    """Ends a life: nothing of it stays."""


def f18_nobody_is_forgotten(ground: Ground) -> Outcome:
    """Two people, a customer and workers act at random on a conversation: what is owed is in exactly one list (promise 10)."""
    out = Outcome(trials=ground.count(5000, 100))
    for number in range(out.trials):
        try:
            with tenant_context(ground.world.acme.pk), transaction.atomic():
                live(ground.world, ground.seed + number)
                raise _Undo
        except _Undo:
            continue
        except AssertionError as error:
            out.violations.append(str(error)[:400])

    def forgotten(planted: Outcome) -> None:
        with tenant_context(ground.world.acme.pk), transaction.atomic():
            one = Life(ground.world, random.Random(1))
            Conversation.objects.filter(pk=one.pk).update(status="pending", owed="", due_at=None)
            try:
                compare(one.conversation)
            except AssertionError as error:
                planted.violations.append(str(error))
            transaction.set_rollback(True)

    out.control = noticed(forgotten, what="a conversation that was let go in silence")
    return out
