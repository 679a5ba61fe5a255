"""Promise 10 by another way: what is owed, asked of messages, deliveries and acts alone; and random lives to compare it on."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import connection

from conversations.channels.base import ChannelError, Failure, Party, Receipt
from conversations.database import database_time
from conversations.errors import Refusal
from conversations.messages import elsewhere, outbox, outcomes
from conversations.models import AuditEvent, Conversation, Delivery, Message, User
from drafts.desk import after, decisions, editing, life, merging, spam
from drafts.flow import drafting
from drafts.models import Draft
from drafts.writing.statements import PASSED_ON
from tests import factories

LISTS = ("to_answer", "owed", "snoozed", "waiting", "closed")
GOOD = ("held", "queued", "sending", "sent", "delivered")
HOLDING = f"Hi Marcus,\n\n{PASSED_ON}\n\nBest regards"
NEXT_DAY = timedelta(days=1)


def lists_of(conversation: Conversation) -> list[str]:
    """In which lists it stands."""
    one = Conversation.objects.filter(pk=conversation.pk)
    return [name for name in LISTS if getattr(one, name)().exists()]


def owes(conversation: Conversation) -> str:
    """Why we owe something here, from what happened; "" if nothing. Ids are in the order of time (UUIDv7)."""
    if conversation.merged_into_id:
        return ""  # all of it is the other one's
    events = AuditEvent.objects.filter(conversation_id=conversation.pk)
    settled = [
        event.pk
        for event in events.filter(
            kind__in=["conversation.closed", "draft.answered_elsewhere", "conversation.answered"]
        )
        if event.kind != "conversation.closed" or event.data["reason"]
    ]
    last_settled = max(settled, default=None)
    shown = list(Message.objects.filter(conversation=conversation).shown().order_by("seq"))
    state = dict(Delivery.objects.filter(conversation=conversation).values_list("message_id", "status"))
    out = [message for message in shown if message.direction == "outbound"]
    good = [message for message in out if state.get(message.pk, "sent") in GOOD]
    real = [message for message in good if PASSED_ON not in message.body_text]

    def after_it(moment: Any, messages: list[Message]) -> bool:
        return any(message.pk > moment for message in messages)

    asked = [m for m in shown if m.direction == "inbound" and not m.is_automatic]
    if asked and not after_it(asked[-1].pk, good) and not (last_settled and last_settled > asked[-1].pk):
        return "no answer to the newest message"
    if out and state.get(out[-1].pk) in {"failed", "uncertain", "bounced"}:
        broken = events.filter(
            kind__in=["delivery.failed", "delivery.uncertain", "delivery.bounced"], object_id__in=_deliveries(out[-1])
        )
        if not (last_settled and last_settled > max(event.pk for event in broken)):
            return "its newest reply did not arrive"
    promised = max((m.pk for m in good if PASSED_ON in m.body_text), default=None)
    if promised and not after_it(promised, real) and not (last_settled and last_settled > promised):
        return "a person was promised"
    noted = [e.pk for e in events.filter(kind__in=["conversation.owed", "conversation.reopened"])]
    noted += [e.pk for e in events.filter(kind="conversation.merged") if e.data.get("owed")]
    noted += [e.pk for e in events.filter(kind="conversation.unmerged", data__what__startswith="this out of")]
    noted += _bounced_while_merged(conversation)
    if noted and not after_it(max(noted), real) and not (last_settled and last_settled > max(noted)):
        return "somebody said so"
    return ""


def _older_broke(conversation: Conversation) -> bool:
    """A reply before the newest message did not arrive: somebody is told of it, whether or not it matters any more."""
    broken = Delivery.objects.filter(conversation=conversation, status=conversation.owed)
    return conversation.owed in {"failed", "uncertain", "bounced"} and broken.exists()


def _bounced_while_merged(conversation: Conversation) -> list[Any]:
    """Bounces of other conversations, of the time in which those were merged into this one."""
    found = []
    for into in AuditEvent.objects.filter(kind="conversation.merged", data__what=f"this into #{conversation.number}"):
        of_it = AuditEvent.objects.filter(conversation_id=into.conversation_id, pk__gt=into.pk)
        out = of_it.filter(kind="conversation.unmerged", data__what__startswith="this out of").order_by("pk").first()
        bounced = of_it.filter(kind="delivery.bounced")
        found += [event.pk for event in (bounced.filter(pk__lt=out.pk) if out else bounced)]
    return found


def _deliveries(message: Message) -> list[str]:
    return [str(pk) for pk in Delivery.objects.filter(message=message).values_list("pk", flat=True)]


def compare(conversation: Conversation) -> None:
    """The lists say what the record says; and the database's own rules hold at the end of this act."""
    connection.check_constraints()
    found = Conversation.objects.get(pk=conversation.pk)
    [in_list] = lists_of(found)
    why = owes(found)
    waits = Draft.objects.filter(conversation=found).pending().exists()
    if why:
        assert in_list in {"to_answer", "owed", "snoozed"}, (why, in_list, found.owed)
        assert found.due_at is not None
    elif not waits and found.owed != "writing" and not _older_broke(found):
        assert in_list in {"waiting", "closed"}, (in_list, found.owed)
    if waits:
        assert in_list in {"to_answer", "snoozed"}


class Life:
    """Two conversations, and acts by two people, their customers and workers: on the one, then perhaps on the other. Each act
    returns or refuses."""

    def __init__(self, world: Any, choose: random.Random) -> None:
        self.world, self.choose = world, choose
        self.first = factories.message(world.mail)
        self.pk = self.first.conversation_id
        self.other = factories.message(world.mail, "Another", sender=Party("luis@customer.test", "Luis"))
        self.acts: list[Callable[[], Any]] = [
            self.customer_writes, self.machine_writes, self.drafter_writes, self.drafter_writes, self.drafter_fails,
            self.approve, self.approve, self.approve, self.undo, self.send, self.send, self.break_, self.settle, self.bounce,
            self.reject, self.close, self.reopen, self.snooze, self.owe, self.assign, self.write, self.type, self.discard,
            self.elsewhere, self.echo, self.reopen_draft, self.keep, self.regenerate, self.release,
            self.spam, self.turn, self.turn, self.merge, self.merge, self.unmerge,
        ]  # fmt: skip

    @property
    def conversation(self) -> Conversation:
        return Conversation.objects.get(pk=self.pk)

    @property
    def both(self) -> list[Conversation]:
        return list(Conversation.objects.filter(pk__in=[self.pk, self.other.conversation_id]))

    def step(self) -> str:
        act = self.choose.choice(self.acts)
        with contextlib.suppress(Refusal, PermissionDenied, ObjectDoesNotExist):
            act()
        return act.__name__

    def someone(self) -> User:
        return self.choose.choice([self.world.ada, self.world.dan])

    def draft(self, *statuses: str) -> Draft:
        return Draft.objects.filter(conversation=self.pk, status__in=statuses).order_by("-id")[:1].get()

    def delivery(self, *statuses: str) -> Delivery:
        found = list(Delivery.objects.filter(conversation=self.pk, status__in=statuses))
        if not found:
            raise ObjectDoesNotExist
        return self.choose.choice(found)

    def seen(self, draft: Draft) -> decisions.Seen:
        return factories.seen(draft)

    # --- the customer and machines
    def customer_writes(self) -> None:
        factories.reply_to(self.first, "And now?")

    def machine_writes(self) -> None:
        factories.reply_to(self.first, "I am away.", automatic="away")

    def drafter_writes(self) -> None:
        conversation = self.conversation
        if conversation.status != "open" or Draft.objects.filter(conversation=self.pk).pending().exists():
            return
        base = conversation.last_inbound_message
        text = self.choose.choice([HOLDING, None])
        values = {"due_at": conversation.due_at, "snoozed_until": conversation.snoozed_until}
        factories.draft(base, text, **values) if text else factories.draft(base, **values)

    def drafter_fails(self) -> None:
        drafting.store_failure(account_id=self.world.acme.pk, conversation_id=self.pk, reason="no model")

    def send(self) -> None:
        delivery, attempt = self._claimed()
        outbox._record_sent(delivery.pk, attempt, Receipt("250 ok"))

    def break_(self) -> None:
        delivery, attempt = self._claimed()
        failure = self.choose.choice(list(Failure))
        outbox._record_failure(delivery.pk, attempt, ChannelError(failure, "no"))

    def _claimed(self) -> tuple[Delivery, int]:
        delivery = self.delivery("held", "queued")
        past = database_time.now() - timedelta(seconds=1)
        Delivery.objects.filter(pk=delivery.pk).update(hold_until=past, next_attempt_at=past)
        claimed = outbox._claim(delivery.pk)
        if claimed is None:
            raise ObjectDoesNotExist
        return claimed[0], claimed[0].attempt_count

    def bounce(self) -> None:
        outcomes.record_bounce(delivery_id=self.delivery("sent").pk, detail="unknown user")

    # --- people
    def approve(self) -> None:
        draft = self.draft("pending")
        text = self.choose.choice([None, "Dear Marcus,\n\nYes."]) if draft.suggested_text else "Hello,\n\nIt is mine."
        attention = decisions.Attention(pressed_twice=True)
        decisions.approve(
            draft_id=draft.pk, actor=self.someone(), seen=self.seen(draft), final_text=text, attention=attention
        )

    def undo(self) -> None:
        decisions.undo(delivery_id=self.delivery("held", "queued").pk, actor=self.someone())

    def release(self) -> None:
        outbox.release(delivery_id=self.delivery("held").pk, actor=self.someone())

    def settle(self) -> None:
        outcome = self.choose.choice(["sent", "send_again", "give_up"])
        outcomes.resolve(delivery_id=self.delivery("failed", "uncertain").pk, actor=self.someone(), outcome=outcome)

    def reject(self) -> None:
        draft = self.draft("pending")
        then = self.choose.choice(list(after.Then))
        follows = after.Next(then, reason="not_needed" if self.choose.random() < 0.8 else "")
        after.reject(draft_id=draft.pk, actor=self.someone(), seen=self.seen(draft), reasons=["tone"], follows=follows)

    def close(self) -> None:
        reason = self.choose.choice(["", *life.REASONS])
        life.close(conversation_id=self.pk, actor=self.someone(), reason=reason)

    def spam(self) -> None:
        spam.mark(conversation_id=self.pk, actor=self.someone(), block=False)

    def reopen(self) -> None:
        life.reopen(conversation_id=self.pk, actor=self.someone())

    def snooze(self) -> None:
        until = database_time.now() + timedelta(minutes=self.choose.choice([10, 10_000]))
        life.snooze(conversation_id=self.pk, actor=self.someone(), until=until)

    def owe(self) -> None:
        due = database_time.now() + self.choose.choice([timedelta(hours=1), NEXT_DAY])
        life.owe(conversation_id=self.pk, actor=self.someone(), due_at=due, note="call back")

    def assign(self) -> None:
        to = self.choose.choice([None, self.world.ada.pk, self.world.dan.pk])
        life.assign(conversation_id=self.pk, actor=self.someone(), to=to)

    def write(self) -> None:
        life.write(conversation_id=self.pk, actor=self.someone())

    def type(self) -> None:
        draft = self.draft("pending")
        editing.save_revision(draft_id=draft.pk, actor=self.someone(), version=draft.version, text="Something else.")

    def discard(self) -> None:
        life.discard(draft_id=self.draft("pending").pk, actor=self.someone())

    def elsewhere(self) -> None:
        if self.choose.random() < 0.5:
            life.answered_elsewhere(conversation_id=self.pk, actor=self.someone())
            return
        draft = self.draft("pending")
        decisions.answered_elsewhere(draft_id=draft.pk, actor=self.someone(), seen=self.seen(draft))

    def echo(self) -> None:
        elsewhere.record_answer(
            conversation=self.conversation, external_id="", body_text="From my phone.", actor=self.world.ada
        )

    def reopen_draft(self) -> None:
        editing.reopen(draft_id=self.draft("rejected").pk, actor=self.someone())

    def keep(self) -> None:
        last = self.conversation.last_inbound_message_id
        assert last is not None
        editing.keep(draft_id=self.draft("stale").pk, actor=self.someone(), last_inbound=last)

    def turn(self) -> None:
        """From now on the other one."""
        self.first, self.other = self.other, self.first
        self.pk = self.first.conversation_id

    def merge(self) -> None:
        merging.merge(conversation_id=self.pk, into=self.other.conversation_id, actor=self.someone())

    def unmerge(self) -> None:
        merging.unmerge(conversation_id=self.pk, actor=self.someone())

    def regenerate(self) -> None:
        draft = self.draft("pending", "rejected", "stale")
        decisions.regenerate(draft_id=draft.pk, actor=self.someone(), seen=self.seen(draft))


def live(world: Any, seed: int, *, steps: int = 14) -> None:
    """One random life, compared after each act. Raises AssertionError with the acts that led there."""
    one = Life(world, random.Random(seed))
    done: list[str] = []
    for _ in range(steps):
        done.append(one.step())
        try:
            for conversation in one.both:
                compare(conversation)
        except Exception as error:
            raise AssertionError(f"life {seed}, after {', '.join(done)}: {error}") from error
