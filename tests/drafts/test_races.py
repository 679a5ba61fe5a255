"""Promises 3 and 4 with real connections: one winner, and never a stale send."""

from __future__ import annotations

import random
import threading

from django.db import connection

from conversations.channels.base import Party
from conversations.envelope import digest, reply_envelope
from conversations.inbox import record_inbound
from conversations.models import AuditEvent, Conversation, Delivery, Message
from conversations.tenancy import tenant_context
from drafts.demo import bulk
from drafts.desk import decisions
from drafts.models import Draft, DraftAction
from tests import factories
from tests.conftest import World

INTERLEAVINGS = 2000


def test_fifty_people_decide_one_draft_and_one_wins(committed_world: World, in_threads) -> None:
    world = committed_world
    people = [world.ada, world.dan]
    draft = factories.draft(factories.message(world.mail))
    seen = factories.seen(draft)

    def approve(number: int):
        def call():
            with tenant_context(world.acme.pk):
                return decisions.approve(
                    draft_id=draft.pk, actor=people[number % 2], seen=seen, request_id=f"request-{number}"
                )

        return call

    results = in_threads([approve(number) for number in range(50)])

    won = [result for result in results if isinstance(result, DraftAction)]
    lost = [result for result in results if isinstance(result, decisions.AlreadyDecided)]
    assert (len(won), len(lost)) == (1, 49), [r for r in results if r not in won + lost]
    with tenant_context(world.acme.pk):
        assert DraftAction.objects.get() == won[0]
        assert Delivery.objects.count() == Message.objects.filter(direction="outbound").count() == 1
        assert AuditEvent.objects.filter(kind="draft.approved").count() == 1


def test_eight_people_press_twice_and_their_own_repeat_is_the_same_decision(committed_world: World, in_threads) -> None:
    world = committed_world
    draft = factories.draft(factories.message(world.mail))
    seen = factories.seen(draft)

    def approve():
        with tenant_context(world.acme.pk):
            return decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen, request_id="the same click")

    results = in_threads([approve] * 8)
    assert len({result.pk for result in results}) == 1


def test_a_stale_approval_never_leaves_in_two_thousand_interleavings(committed_world: World) -> None:
    """An approval and a newer inbound meet at a random moment: either the reply left the queue for good, taken back by
    the inbound, or it was refused. No held delivery may answer a message that is not the latest."""
    world, chance = committed_world, random.Random(7)
    outcomes = {"approved first": 0, "refused": 0}
    size = 100
    for number in range(INTERLEAVINGS // size):
        with tenant_context(world.acme.pk):
            known = set(Draft.objects.values_list("pk", flat=True))
            bulk.add_conversations(account_id=world.acme.pk, channel_id=world.mail.pk, size=size, pending_every=1)
            drafts = list(Draft.objects.exclude(pk__in=known).select_related("conversation", "base_message"))
            first = [draft.base_message for draft in drafts]
            seen = [
                decisions.Seen(0, d.base_message_id, digest(reply_envelope(d.conversation, world.mail, d.base_message)))
                for d in drafts
            ]
        order = [(kind, index) for index in range(size) for kind in ("approve", "inbound")]
        chance.shuffle(order)
        half = {"a": order[0::2], "b": order[1::2]}
        errors: list[Exception] = []

        def work(steps, first=first, drafts=drafts, seen=seen, errors=errors, number=number):
            try:
                for kind, index in steps:
                    with tenant_context(world.acme.pk):
                        if kind == "inbound":
                            again = factories.inbound(
                                f"again {number}-{index}",
                                sender=Party(drafts[index].conversation.customer_email),
                                references=(first[index].external_id,),
                            )
                            record_inbound(channel=world.mail, inbound=again)
                        else:
                            try:
                                decisions.approve(draft_id=drafts[index].pk, actor=world.ada, seen=seen[index])
                                outcomes["approved first"] += 1
                            except decisions.Stale:
                                outcomes["refused"] += 1
            except Exception as error:
                errors.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=(steps,)) for steps in half.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
    with tenant_context(world.acme.pk):
        stale = Delivery.objects.filter(status__in=["held", "queued", "sending", "sent"])
        latest = dict(Conversation.objects.values_list("pk", "last_inbound_message"))
        based = dict(Draft.objects.values_list("pk", "base_message"))
        assert [d.pk for d in stale if based[d.draft_id] != latest[d.conversation_id]] == []
        assert Delivery.objects.filter(status="cancelled").count() == outcomes["approved first"]
    assert min(outcomes.values()) > INTERLEAVINGS // 10, outcomes
