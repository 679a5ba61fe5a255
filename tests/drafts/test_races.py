"""Promises 3 and 4 with real connections: one winner, and never a stale send."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta

from django.db import connection

from conversations.channels.base import Party
from conversations.database import database_time
from conversations.errors import Refusal
from conversations.messages.envelope import digest, reply_envelope
from conversations.messages.inbox import record_inbound
from conversations.models import AuditEvent, Conversation, Delivery, Message
from conversations.tenancy import tenant_context
from drafts.demo import bulk
from drafts.desk import decisions, life
from drafts.models import Draft, DraftAction
from tests import factories
from tests.conftest import World
from tests.drafts.life_model import compare


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


class Meetings:
    """An approval and a newer inbound of one conversation, in two threads and in random order, many at a time."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.outcomes = {"approved first": 0, "refused": 0}
        self.errors: list[Exception] = []

    def hold(self, size: int) -> None:
        with tenant_context(self.world.acme.pk):
            known = set(Draft.objects.values_list("pk", flat=True))
            bulk.add_conversations(
                account_id=self.world.acme.pk, channel_id=self.world.mail.pk, size=size, pending_every=1
            )
            drafts = Draft.objects.exclude(pk__in=known).select_related("conversation", "base_message")
            seen = [(draft, self._seen(draft)) for draft in drafts]
        order = [(kind, *one) for one in seen for kind in (self._approve, self._write_again)]
        self.chance.shuffle(order)
        threads = [threading.Thread(target=self._work, args=(half,)) for half in (order[0::2], order[1::2])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _seen(self, draft: Draft) -> decisions.Seen:
        envelope = digest(reply_envelope(draft.conversation, self.world.mail, draft.base_message))
        return decisions.Seen(0, draft.base_message_id, envelope)

    def _work(self, steps: list[tuple[Callable[[Draft, decisions.Seen], None], Draft, decisions.Seen]]) -> None:
        try:
            for step, draft, seen in steps:
                with tenant_context(self.world.acme.pk):
                    step(draft, seen)
        except Exception as error:
            self.errors.append(error)
        finally:
            connection.close()

    def _approve(self, draft: Draft, seen: decisions.Seen) -> None:
        try:
            decisions.approve(draft_id=draft.pk, actor=self.world.ada, seen=seen)
            self.outcomes["approved first"] += 1
        except decisions.Stale:
            self.outcomes["refused"] += 1

    def _write_again(self, draft: Draft, seen: decisions.Seen) -> None:
        references = (draft.base_message.external_id,)
        again = factories.inbound(
            f"again {draft.pk}", sender=Party(draft.conversation.customer_email), references=references
        )
        record_inbound(channel=self.world.mail, inbound=again)

    def wrong(self) -> list[str]:
        """Either the reply was on its way and the inbound took it back, or it was refused; nothing else may be."""
        with tenant_context(self.world.acme.pk):
            alive = Delivery.objects.filter(status__in=["held", "queued", "sending", "sent"])
            latest = dict(Conversation.objects.values_list("pk", "last_inbound_message"))
            based = dict(Draft.objects.values_list("pk", "base_message"))
            stale = [one for one in alive if based[one.draft_id] != latest[one.conversation_id]]
            taken_back = Delivery.objects.filter(status="cancelled").count()
        found = [f"{error!r}" for error in self.errors]
        found += [f"a reply is {one.status} that does not answer the newest message" for one in stale]
        if taken_back != self.outcomes["approved first"]:
            found.append(f"{self.outcomes} but {taken_back} replies taken back")
        return found


def test_a_stale_approval_never_leaves_in_two_hundred_interleavings(committed_world: World) -> None:
    """`make faults` (F17) tries two thousand."""
    meetings = Meetings(committed_world, random.Random(7))
    for _ in range(2):
        meetings.hold(100)
    assert meetings.wrong() == []
    assert min(meetings.outcomes.values()) > 20, meetings.outcomes


def test_fifty_acts_on_one_conversation_lose_no_message_and_leave_one_outcome(
    committed_world: World, in_threads: Callable[[list[Callable[[], object]]], list[object]]
) -> None:
    """Closing, owning and noting meet approvals and newer messages: whatever wins, the lists and the trail are whole."""
    world, chance = committed_world, random.Random(7)
    message = factories.message(world.mail)
    draft = factories.draft(message)
    seen, pk = factories.seen(draft), message.conversation_id

    def inside(act: Callable[[int], object], number: int) -> Callable[[], object]:
        def call() -> object:
            with tenant_context(world.acme.pk):
                return act(number)

        return call

    people = [world.ada, world.dan]
    acts: list[Callable[[int], object]] = [
        lambda n: life.close(conversation_id=pk, actor=people[n % 2], reason="other"),
        lambda n: life.assign(conversation_id=pk, actor=people[n % 2], to=people[n % 2].pk),
        lambda n: life.owe(
            conversation_id=pk, actor=people[n % 2], due_at=database_time.now() + timedelta(hours=1), note=f"note {n}"
        ),
        lambda n: decisions.approve(draft_id=draft.pk, actor=people[n % 2], seen=seen),
        lambda n: record_inbound(
            channel=world.mail, inbound=factories.inbound(f"And {n}?", references=(message.external_id,))
        ),
    ]
    calls = [inside(acts[n % 5], n) for n in range(50)]
    chance.shuffle(calls)
    results = in_threads(calls)
    unexpected = [each for each in results if isinstance(each, Exception) and not isinstance(each, Refusal)]
    assert unexpected == []
    with tenant_context(world.acme.pk):
        compare(Conversation.objects.get(pk=pk))
        assert Message.objects.filter(conversation=pk, direction="inbound").count() == 11
        assert Delivery.objects.exclude(status="cancelled").count() <= 1
        assert AuditEvent.objects.filter(conversation_id=pk, kind="message.received").count() == 11
        assert AuditEvent.objects.filter(conversation_id=pk, kind="conversation.owed").count() == 10
