"""What each verb of the outbox leaves behind, to the last column: the delivery, its attempt, the message, the event, the
notice and the job. The provider is a stand-in here; `test_deliver.py` speaks to a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations import audit, hooks
from conversations.channels.base import ChannelError, Failure, Outbound, Receipt
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.messages import moves, outbox, outcomes, outgoing
from conversations.models import AuditEvent, Channel, Conversation, Delivery, DeliveryAttempt, Message, Notification
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World


class Provider:
    """Hands over and answers, or fails as it is told."""

    def __init__(self) -> None:
        self.answer: Receipt | ChannelError = Receipt("p-1", "250 kept")
        self.meanwhile: Callable[[], Any] = lambda: None
        self.sent: list[Outbound] = []

    def send(self, outbound: Outbound, *, before_handover: Callable[[], None]) -> Receipt:
        before_handover()
        self.sent.append(outbound)
        self.meanwhile()
        if isinstance(self.answer, ChannelError):
            raise self.answer
        return self.answer


@pytest.fixture
def provider(monkeypatch: Any) -> Provider:
    found = Provider()
    monkeypatch.setattr(outgoing, "adapter_of", lambda channel: found)
    return found


@pytest.fixture
def told(monkeypatch: Any) -> Iterator[list[str]]:
    """The statuses that the apps above are told."""
    found: list[str] = []
    monkeypatch.setattr(hooks, "on_delivery", [lambda delivery: found.append(delivery.status)])
    return found


@pytest.fixture(autouse=True)
def _another(world: World, acme: Any) -> Iterator[None]:
    """Another channel's reply that is due as well, and its attempt: no verb may touch them."""
    other = factories.channel(world.acme, external_id="other@acme.test", name="Other")
    found = factories.approved(factories.draft(factories.message(other)), world.cy)
    past = timezone.now() - timedelta(minutes=5)
    Delivery.objects.filter(pk=found.pk).update(hold_until=past, next_attempt_at=timezone.now())
    found.refresh_from_db()
    attempt = DeliveryAttempt.objects.create(account_id=found.account_id, delivery=found, number=1)

    def rows() -> list[dict[str, Any]]:
        return [
            Delivery.objects.values().get(pk=found.pk),
            Conversation.objects.values("status", "due_at", "updated_at").get(pk=found.conversation_id),
        ]

    before = rows()
    yield
    assert rows() == before
    assert DeliveryAttempt.objects.get(pk=attempt.pk).outcome == ""


@pytest.fixture
def held(world: World, acme: Any) -> Delivery:
    return factories.approved(factories.draft(factories.message(world.mail)), world.ada)


@pytest.fixture
def due(held: Delivery) -> Delivery:
    """One whose hold is over."""
    past = timezone.now() - timedelta(minutes=1)
    Delivery.objects.filter(pk=held.pk).update(hold_until=past, next_attempt_at=past)
    ProcrastinateJob.objects.all().delete()
    return held


def deliver(delivery: Delivery) -> str:
    status = outbox.deliver(account_id=delivery.account_id, delivery_id=delivery.pk)
    delivery.refresh_from_db()
    return status


def at(delivery: Delivery, status: str, **changes: Any) -> Delivery:
    """The delivery in a later state, by way of those that the database asks for."""
    ways = {
        "queued": ["queued"],
        "sending": ["queued", "sending"],
        "sent": ["queued", "sending", "sent"],
        "delivered": ["queued", "sending", "sent", "delivered"],
        "failed": ["queued", "sending", "failed"],
        "uncertain": ["queued", "sending", "uncertain"],
    }
    values = {"lease_until": timezone.now(), **({"sent_at": timezone.now()} if "sent" in ways[status] else {})}
    for step in ways[status]:
        Delivery.objects.filter(pk=delivery.pk).update(status=step, **values)
    Delivery.objects.filter(pk=delivery.pk).update(attempt_count=1, **changes)
    ProcrastinateJob.objects.all().delete()
    delivery.refresh_from_db()
    return delivery


def job() -> tuple[Any, ...]:
    """The one wake-up that waits."""
    found = ProcrastinateJob.objects.get(status="todo", task_name=moves.TASK)
    return found.queue_name, found.args, found.scheduled_at, found.queueing_lock


def wake_up(delivery: Delivery, *, once: str | None = None, scheduled: bool = True) -> tuple[Any, ...]:
    ids = {"account_id": str(delivery.account_id), "delivery_id": str(delivery.pk)}
    return "outbox", ids, delivery.next_attempt_at if scheduled else None, once


def event(kind: str) -> tuple[Any, ...]:
    found = AuditEvent.objects.get(kind=kind)
    return found.actor_name, found.object_id, found.conversation_id, found.data


def assert_told_the_approver(world: World, delivery: Delivery, kind: str) -> None:
    notice = Notification.objects.get()
    assert (notice.user, notice.type) == (world.ada, kind)
    assert notice.payload == {"delivery": str(delivery.pk), "conversation": str(delivery.conversation_id)}


def attempt_of(delivery: Delivery) -> DeliveryAttempt:
    return DeliveryAttempt.objects.get(delivery=delivery)


def recent(moment: Any) -> bool:
    return abs(moment - timezone.now()) < timedelta(seconds=30)


# --- into the outbox -------------------------------------------------------------------------------------------------
def test_an_approved_reply_is_copied_whole_and_waits_for_its_hold(world: World, acme: Any) -> None:
    Channel.objects.update(metadata={**world.mail.metadata, "signed_return_path": True})
    draft = factories.draft(factories.message(world.mail))
    ProcrastinateJob.objects.all().delete()
    conversation = Conversation.objects.get(pk=draft.conversation_id)
    envelope = {**factories.decisions.envelope_of(conversation, draft), "subject": "S" * 998}
    before = database_time.now()
    found = outbox.queue_outbound(
        conversation=conversation, envelope=envelope, body_text="Hello", body_html="<p>Hello</p>",
        actor=world.ada, hold_seconds=20, draft_id=draft.pk,
    )  # fmt: skip
    found.refresh_from_db()
    assert (found.conversation, found.channel, found.draft_id) == (conversation, world.mail, draft.pk)
    assert (found.approved_by, found.approved_by_name, found.is_automatic) == (world.ada, "Ada", False)
    assert (found.body_text, found.body_html) == ("Hello", "<p>Hello</p>")
    assert found.content_sha256 == "185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969"
    assert found.envelope == envelope
    assert str(found.pk).replace("-", "") in found.idempotency_key.replace("-", "")
    assert found.return_path.startswith("support+b.")
    assert (found.status, found.hold_until) == ("held", found.next_attempt_at)
    assert found.hold_until - before < timedelta(seconds=25)
    assert found.hold_until - before >= timedelta(seconds=20)
    message = found.message
    assert (message.direction, message.role, message.conversation) == ("outbound", "operator", conversation)
    assert (message.subject, message.body_text, message.body_html) == ("S" * 998, "Hello", "<p>Hello</p>")
    assert message.sent_at == found.hold_until - timedelta(seconds=20)
    assert job() == wake_up(found)


@pytest.mark.parametrize(("seconds", "days"), [(outbox.UNTIL_RELEASED - 1, 0), (outbox.UNTIL_RELEASED, 365)])
def test_until_i_press_send_is_a_year(held: Delivery, seconds: int, days: int) -> None:
    outbox.cancel(delivery=moves.lock_delivery(held.pk), actor=audit.SYSTEM, reason="again")
    found = outbox.queue_outbound(
        conversation=held.conversation, envelope=held.envelope, body_text="Hello", actor=held.approved_by, hold_seconds=seconds
    )  # fmt: skip
    waits = found.hold_until - found.message.sent_at
    assert waits == (timedelta(days=days) if days else timedelta(seconds=seconds))


def test_what_cannot_be_sent_as_it_stands_is_not_put_in(held: Delivery) -> None:
    envelope = {**held.envelope, "to": []}
    with assert_nothing_written(), pytest.raises(Invalid, match=r"nobody to send to\. Nothing was sent"):
        outbox.queue_outbound(
            conversation=held.conversation, envelope=envelope, body_text="Hello", actor=held.approved_by, hold_seconds=0
        )


def test_what_no_person_approved_says_so(held: Delivery) -> None:
    outbox.cancel(delivery=moves.lock_delivery(held.pk), actor=audit.SYSTEM, reason="again")
    lane = audit.model_actor("lane orders")
    found = outbox.queue_outbound(
        conversation=held.conversation, envelope=held.envelope, body_text="Hello", actor=lane, hold_seconds=0
    )
    assert (found.is_automatic, found.approved_by, found.approved_by_name) == (True, None, lane.name)


def test_the_conversation_is_locked_before_its_delivery(held: Delivery) -> None:
    with counted() as queries:
        moves.lock_delivery(held.pk)
    locks = [query["sql"].rpartition("FOR UPDATE OF ")[2] for query in queries if "FOR UPDATE" in query["sql"]]
    assert locks == ['"conversations_conversation"', '"conversations_delivery"']


# --- release and cancel ----------------------------------------------------------------------------------------------
def test_release_makes_it_due_now_and_wakes_a_worker(world: World, held: Delivery) -> None:
    ProcrastinateJob.objects.all().delete()
    before = held.updated_at
    found = outbox.release(delivery_id=held.pk, actor=world.ada)
    held.refresh_from_db()
    assert (found, held.status) == (held, "held")
    assert held.updated_at > before
    assert recent(held.hold_until) and held.hold_until <= database_time.now()
    assert recent(held.next_attempt_at) and held.next_attempt_at <= database_time.now()
    assert job() == wake_up(held)
    assert event("delivery.released") == ("Ada", str(held.pk), held.conversation_id, {})


def test_only_what_is_held_is_released(world: World, held: Delivery) -> None:
    at(held, "queued")
    with assert_nothing_written(), pytest.raises(Conflict, match="it is queued"):
        outbox.release(delivery_id=held.pk, actor=world.ada)


@pytest.mark.parametrize("status", ["held", "queued", "failed"])
def test_what_has_not_left_is_taken_back_with_its_message(world: World, held: Delivery, told: list[str], status: str) -> None:  # fmt: skip
    if status != "held":
        at(held, status)
    found = outbox.cancel(delivery=moves.lock_delivery(held.pk), actor=world.ada, reason="undone")
    held.refresh_from_db()
    assert (found, held.status, told) == (held, "cancelled", ["cancelled"])
    withdrawn = Message.objects.get(pk=held.message_id).withdrawn_at
    assert withdrawn is not None and recent(withdrawn)
    assert not Message.objects.filter(direction="inbound", withdrawn_at__isnull=False).exists()
    assert event("delivery.cancelled") == ("Ada", str(held.pk), held.conversation_id, {"reason": "undone"})


def test_too_late_says_since_when(world: World, held: Delivery) -> None:
    at(held, "sending")
    with pytest.raises(Conflict, match=r"this reply is sending\.$"):
        outbox.cancel(delivery=moves.lock_delivery(held.pk), actor=world.ada, reason="undone")
    Delivery.objects.filter(pk=held.pk).update(status="sent", sent_at="2026-03-01T09:08:07Z")
    with pytest.raises(Conflict, match=r"this reply is sent at 09:08:07\.$"):
        outbox.cancel(delivery=moves.lock_delivery(held.pk), actor=world.ada, reason="undone")


# --- one attempt -----------------------------------------------------------------------------------------------------
def test_a_sent_reply_is_settled_everywhere(due: Delivery, provider: Provider, told: list[str]) -> None:
    provider.answer = Receipt("p" * 300, "2" * 600)
    provider.meanwhile = lambda: Delivery.objects.filter(pk=due.pk).update(error="an older error")
    assert deliver(due) == "sent"
    assert (due.status, due.error, due.lease_until, due.attempt_count) == ("sent", "", None, 1)
    assert (due.receipt, due.provider_id) == ("2" * 500, "p" * 255)
    assert due.sent_at is not None and recent(due.sent_at)
    assert Message.objects.get(pk=due.message_id).sent_at == due.sent_at
    assert Message.objects.get(conversation=due.conversation_id, direction="inbound").sent_at != due.sent_at
    conversation = Conversation.objects.get(pk=due.conversation_id)
    assert (conversation.due_at, conversation.status) == (None, "pending")
    attempt = attempt_of(due)
    assert (attempt.delivery, attempt.number, attempt.outcome, attempt.response) == (due, 1, "sent", "2" * 500)
    assert recent(attempt.started_at) and attempt.finished_at and recent(attempt.finished_at)
    assert event("delivery.sent") == (
        audit.SYSTEM.name, str(due.pk), due.conversation_id, {"attempt": 1, "response": "2" * 200},
    )  # fmt: skip
    assert told == ["sent"]


def test_a_worker_that_is_not_due_says_where_the_delivery_stands(held: Delivery, provider: Provider) -> None:
    assert deliver(held) == "held"
    at(held, "queued", next_attempt_at=timezone.now() + timedelta(minutes=1))
    assert deliver(held) == "queued"
    assert outbox.deliver(account_id=held.account_id, delivery_id=held.account_id) == "gone"
    assert provider.sent == []


def test_a_passing_failure_waits_longer_each_time_and_wakes_itself(
    due: Delivery, provider: Provider, told: list[str], settings: Any
) -> None:
    settings.DELIVERY_MAX_ATTEMPTS = 8
    provider.answer = ChannelError(Failure.TRANSIENT, "later", response="4" * 700)
    for attempt, seconds in enumerate([5, 30, 120, 600, 1800, 1800], 1):
        Delivery.objects.filter(pk=due.pk).update(
            next_attempt_at=timezone.now() - timedelta(seconds=1), attempt_count=attempt - 1
        )
        ProcrastinateJob.objects.all().delete()
        assert deliver(due) == "queued"
        wait = (due.next_attempt_at - database_time.now()).total_seconds()
        assert seconds - 4 < wait <= seconds
    assert (due.error, due.lease_until) == (f"later {'4' * 494}", None)
    assert job() == wake_up(due)
    assert told == []
    last = AuditEvent.objects.filter(kind="delivery.retried").order_by("-id")[0]
    assert last.data == {"attempt": 6, "error": f"later {'4' * 194}"}
    assert (last.actor_name, last.conversation_id) == (audit.SYSTEM.name, due.conversation_id)
    assert set(due.attempts.values_list("outcome", "response")) == {("transient", f"later {'4' * 494}")}


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [(Failure.PERMANENT, "failed", "failed"), (Failure.UNCERTAIN, "uncertain", "uncertain"), (Failure.TRANSIENT, "failed", "failed")],
)  # fmt: skip
def test_a_failure_that_ends_it_is_told_to_the_approver(
    world: World, due: Delivery, provider: Provider, told: list[str], settings: Any, failure: Failure, status: str, kind: str
) -> None:  # fmt: skip
    settings.DELIVERY_MAX_ATTEMPTS = 1
    provider.answer = ChannelError(failure, "no", response="5" * 700)
    assert deliver(due) == status
    assert (due.status, due.error, due.lease_until) == (status, f"no {'5' * 497}", None)
    assert attempt_of(due).outcome == failure.value
    assert told == [status]
    assert_told_the_approver(world, due, f"send_{kind}")
    data = {"attempt": 1, "error": f"no {'5' * 197}"}
    assert event(f"delivery.{kind}") == (audit.SYSTEM.name, str(due.pk), due.conversation_id, data)
    assert not ProcrastinateJob.objects.filter(task_name=moves.TASK).exists()


@pytest.mark.parametrize("error", [LookupError("no way"), OSError("no way"), ValueError("no way")])
def test_what_cannot_even_be_put_together_has_failed(due: Delivery, monkeypatch: Any, error: Exception) -> None:
    def breaks(channel: Channel) -> None:
        raise error

    monkeypatch.setattr(outgoing, "adapter_of", breaks)
    assert deliver(due) == "failed"
    assert due.error == "no way"
    assert attempt_of(due).outcome == "permanent"


def test_no_step_is_part_of_somebody_elses_transaction(due: Delivery, provider: Provider, monkeypatch: Any) -> None:
    """A rollback would take back that it was claimed or handed over, and it would be sent again."""
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        deliver(due)

    def inside(outbound: Outbound, *, before_handover: Callable[[], None]) -> Receipt:
        with transaction.atomic():
            before_handover()
        return Receipt("p-1", "250 kept")

    monkeypatch.setattr(provider, "send", inside)
    with pytest.raises(RuntimeError, match="durable"):
        deliver(due)


# --- an attempt that was given up meanwhile ---------------------------------------------------------------------------
@pytest.mark.parametrize("attempt", [1, 2])
def test_a_late_answer_settles_what_the_sweep_left_open_for_its_own_attempt(
    due: Delivery, provider: Provider, attempt: int
) -> None:
    provider.meanwhile = lambda: Delivery.objects.filter(pk=due.pk).update(status="uncertain", attempt_count=attempt)
    assert deliver(due) == ("sent" if attempt == 1 else "uncertain")


@pytest.mark.parametrize("failure", [Failure.TRANSIENT, Failure.PERMANENT])
def test_a_late_failure_leaves_it_in_doubt(due: Delivery, provider: Provider, failure: Failure) -> None:
    provider.answer = ChannelError(failure, "no")
    provider.meanwhile = lambda: Delivery.objects.filter(pk=due.pk).update(status="uncertain")
    assert deliver(due) == "uncertain"
    assert due.error == ""


def test_an_answer_for_an_attempt_that_lost_the_delivery_changes_nothing(due: Delivery, provider: Provider) -> None:
    for answer in (Receipt("p-1", "250 kept"), ChannelError(Failure.PERMANENT, "no")):
        provider.answer = answer
        provider.meanwhile = lambda: Delivery.objects.filter(pk=due.pk).update(status="queued", error="another's", next_attempt_at=due.next_attempt_at)  # fmt: skip
        assert deliver(due) == "queued"
        assert (due.error, due.sent_at) == ("another's", None)


def test_an_attempt_that_was_written_off_keeps_its_outcome(due: Delivery, provider: Provider) -> None:
    def given_up() -> None:
        DeliveryAttempt.objects.filter(delivery=due).update(outcome="crashed", response="given up")
        Delivery.objects.filter(pk=due.pk).update(status="uncertain")

    provider.meanwhile = given_up
    assert deliver(due) == "sent"
    assert DeliveryAttempt.objects.filter(delivery=due).values_list("outcome", "response").get() == (
        "crashed",
        "given up",
    )


# --- the sweep -------------------------------------------------------------------------------------------------------
def test_the_sweep_wakes_what_has_waited_for_five_seconds_and_asks_once(held: Delivery) -> None:
    def swept(seconds: float, **changes: Any) -> int:
        now = timezone.now()
        Delivery.objects.filter(pk=held.pk).update(next_attempt_at=now - timedelta(seconds=seconds), **changes)
        ProcrastinateJob.objects.all().delete()
        return outbox.sweep(account_id=held.account_id, now=now)["woken"]

    past = timezone.now() - timedelta(minutes=1)
    assert swept(5, hold_until=past) == 0
    assert swept(6, hold_until=timezone.now() + timedelta(minutes=1)) == 0
    assert swept(6, hold_until=past) == 1
    assert job() == wake_up(held, once=f"deliver:{held.pk}", scheduled=False)
    assert outbox.sweep(account_id=held.account_id) == {"recovered": 0, "uncertain": 0, "failed": 0, "woken": 1}
    assert job()
    assert swept(6, status="queued") == 1
    assert swept(6, status="cancelled") == 0


def lost(delivery: Delivery, **changes: Any) -> None:
    at(delivery, "sending", lease_until=timezone.now() - timedelta(seconds=1), **changes)
    DeliveryAttempt.objects.create(account_id=delivery.account_id, delivery=delivery, number=1)


def test_a_lost_worker_before_the_hand_over_is_followed_by_another(held: Delivery, told: list[str]) -> None:
    lost(held)
    DeliveryAttempt.objects.create(account_id=held.account_id, delivery=held, number=2)
    now = timezone.now()
    assert outbox.sweep(account_id=held.account_id, now=now) == {
        "recovered": 1,
        "uncertain": 0,
        "failed": 0,
        "woken": 0,
    }
    held.refresh_from_db()
    assert (held.status, held.next_attempt_at, held.lease_until) == ("queued", now, None)
    attempts = held.attempts.order_by("number").values_list("outcome", "finished_at")
    assert list(attempts) == [("crashed", now), ("", None)]
    assert job() == wake_up(held)
    data = {"attempt": 1, "error": "the worker stopped before it"}
    assert event("delivery.retried") == (audit.SYSTEM.name, str(held.pk), held.conversation_id, data)
    assert told == []


def test_a_lost_worker_after_the_hand_over_is_told_to_the_approver(
    world: World, held: Delivery, told: list[str]
) -> None:
    lost(held, handover_at=timezone.now())
    assert outbox.sweep(account_id=held.account_id)["uncertain"] == 1
    held.refresh_from_db()
    assert (held.status, held.lease_until, told) == ("uncertain", None, ["uncertain"])
    assert "after it began" in held.error
    assert event("delivery.uncertain")[3] == {"attempt": 1, "error": held.error}
    assert_told_the_approver(world, held, "send_uncertain")


def test_a_row_that_came_back_meanwhile_is_left_alone(held: Delivery) -> None:
    lost(held)
    Delivery.objects.filter(pk=held.pk).update(lease_until=timezone.now() + timedelta(minutes=1))
    with assert_nothing_written():
        assert outbox._recover(held.pk, 1, timezone.now()) == "woken"


# --- what a person settles -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("outcome", "status"), [("sent", "sent"), ("send_again", "queued"), ("give_up", "cancelled")])
def test_what_is_in_doubt_is_settled(world: World, held: Delivery, told: list[str], outcome: str, status: str) -> None:
    at(held, "uncertain", error="in doubt", next_attempt_at=timezone.now() + timedelta(days=1))
    assert outcomes.resolve(delivery_id=held.pk, actor=world.ada, outcome=outcome).status == status
    held.refresh_from_db()
    assert held.status == status
    assert event("delivery.resolved") == ("Ada", str(held.pk), held.conversation_id, {"outcome": outcome})
    conversation, message = Conversation.objects.get(pk=held.conversation_id), Message.objects.get(pk=held.message_id)
    assert (conversation.status == "pending", conversation.due_at is None) == (outcome == "sent", outcome == "sent")
    assert (message.withdrawn_at is not None) == (outcome == "give_up")
    assert not Message.objects.filter(direction="inbound", withdrawn_at__isnull=False).exists()
    assert told == ([] if outcome == "send_again" else [status])
    assert held.error == ("in doubt" if outcome == "give_up" else "")
    if outcome == "sent":
        assert held.sent_at is not None and recent(held.sent_at)
    if outcome == "send_again":
        assert recent(held.next_attempt_at)
        assert job() == wake_up(held)


def test_what_failed_is_sent_again_or_given_up_and_was_not_sent(world: World, held: Delivery) -> None:
    at(held, "failed")
    with assert_nothing_written(), pytest.raises(Conflict):
        outcomes.resolve(delivery_id=held.pk, actor=world.ada, outcome="sent")
    assert outcomes.resolve(delivery_id=held.pk, actor=world.ada, outcome="send_again").status == "queued"
    at(held, "failed")
    assert outcomes.resolve(delivery_id=held.pk, actor=world.ada, outcome="give_up").status == "cancelled"


@pytest.mark.parametrize("status", ["sent", "delivered"])
def test_a_bounce_of_what_was_sent_is_told(world: World, held: Delivery, told: list[str], status: str) -> None:
    at(held, status)
    assert outcomes.record_bounce(delivery_id=held.pk, detail="5" * 700)
    held.refresh_from_db()
    assert (held.status, held.error, told) == ("bounced", "5" * 500, ["bounced"])
    assert_told_the_approver(world, held, "bounced")
    assert event("delivery.bounced") == (audit.SYSTEM.name, str(held.pk), held.conversation_id, {})
    with assert_nothing_written():
        assert not outcomes.record_bounce(delivery_id=held.pk, detail="again")
