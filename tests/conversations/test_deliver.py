"""Promise 2 against a real SMTP server: sent once, failed for a reason, or uncertain and left to a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from config.demo.__main__ import free_port
from conversations import hooks
from conversations.channels.base import Outbound
from conversations.channels.email.smtp import SmtpAdapter
from conversations.errors import Conflict, Invalid
from conversations.messages import moves, outbox, outcomes
from conversations.models import AuditEvent, Channel, Conversation, Delivery, DeliveryAttempt, Message, Notification
from conversations.tenancy import tenant_context
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World


class Keeper:
    """Keeps what it takes; `answer` is said to DATA's end, `drop` hangs up instead of answering."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.answer, self.drop = "250 kept", False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope)
        if self.drop:
            server.transport.abort()
        return self.answer


@pytest.fixture
def keeper() -> Iterator[tuple[Keeper, int]]:
    handler = Keeper()
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


@pytest.fixture
def held(world: World, acme, keeper) -> Delivery:
    """An approved reply whose hold is over, on a channel that speaks to the keeper."""
    Channel.objects.filter(pk=world.mail.pk).update(
        metadata={"smtp_host": "127.0.0.1", "smtp_port": keeper[1], "smtp_security": "none"}
    )
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    Delivery.objects.filter(pk=delivery.pk).update(hold_until=timezone.now(), next_attempt_at=timezone.now())
    return delivery


def deliver(delivery: Delivery) -> str:
    return outbox.deliver(account_id=delivery.account_id, delivery_id=delivery.pk)


def test_it_is_sent_once_with_its_own_id_and_the_right_threading(held: Delivery, keeper) -> None:
    handler, _ = keeper
    assert deliver(held) == "sent"
    assert deliver(held) == "sent"
    held.refresh_from_db()
    (mail,) = handler.mails
    text = mail.content.decode()
    assert mail.rcpt_tos == ["marcus@customer.test"]
    assert f"Message-ID: {held.idempotency_key}" in text
    assert f"In-Reply-To: {held.envelope['in_reply_to']}" in text
    assert "Subject: Re: Hose for E85" in text
    assert (held.status, held.attempt_count, held.receipt) == ("sent", 1, "250 kept")
    assert held.provider_id == held.idempotency_key
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.number, attempt.outcome, attempt.response) == (1, "sent", "250 kept")
    assert attempt.finished_at is not None
    assert Draft.objects.get().status == "sent"
    assert Conversation.objects.get().due_at is None
    assert AuditEvent.objects.filter(kind="delivery.sent").count() == 1


def test_it_waits_for_the_undo_window(world: World, acme, keeper) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with assert_nothing_written():
        assert deliver(delivery) == "held"
    assert keeper[0].mails == []


def test_an_account_that_moved_on_does_not_change_what_was_approved(world: World, held: Delivery, keeper) -> None:
    Conversation.objects.update(customer_email="somebody@else.test")
    Draft.objects.update(suggested_text="Another text")
    deliver(held)
    (mail,) = keeper[0].mails
    assert mail.rcpt_tos == ["marcus@customer.test"]
    assert "Another text" not in mail.content.decode()


def test_a_refusal_for_good_fails_and_tells_the_approver(world: World, held: Delivery, keeper) -> None:
    keeper[0].answer = "554 no thanks"
    assert deliver(held) == "failed"
    held.refresh_from_db()
    notice = Notification.objects.get()
    assert (notice.type, notice.user) == ("send_failed", world.ada)
    assert "554 no thanks" in held.error
    assert Draft.objects.get().status == "approved"


def test_a_passing_failure_is_tried_again_after_a_wait(held: Delivery, keeper) -> None:
    keeper[0].answer = "451 try later"
    assert deliver(held) == "queued"
    held.refresh_from_db()
    assert held.next_attempt_at > timezone.now()
    assert deliver(held) == "queued"  # not before its time
    assert len(keeper[0].mails) == 1
    keeper[0].answer = "250 ok"
    Delivery.objects.update(next_attempt_at=timezone.now())
    assert deliver(held) == "sent"
    assert list(DeliveryAttempt.objects.order_by("number").values_list("outcome", flat=True)) == ["transient", "sent"]


def test_after_the_last_attempt_a_passing_failure_is_a_failure(held: Delivery, keeper, settings) -> None:
    settings.DELIVERY_MAX_ATTEMPTS = 1
    keeper[0].answer = "451 try later"
    assert deliver(held) == "failed"


def test_a_lost_answer_is_uncertain_and_never_sent_again_by_itself(world: World, held: Delivery, keeper) -> None:
    keeper[0].drop = True
    assert deliver(held) == "uncertain"
    assert deliver(held) == "uncertain"
    outbox.sweep(account_id=held.account_id, now=timezone.now() + timedelta(days=1))
    held.refresh_from_db()
    assert held.status == "uncertain"
    assert len(keeper[0].mails) == 1
    assert Notification.objects.get().type == "send_uncertain"


@pytest.mark.parametrize(("outcome", "status"), [("sent", "sent"), ("send_again", "queued"), ("give_up", "cancelled")])
def test_a_person_settles_what_is_uncertain(world: World, held: Delivery, keeper, outcome: str, status: str) -> None:
    keeper[0].drop = True
    deliver(held)
    assert outcomes.resolve(delivery_id=held.pk, actor=world.ada, outcome=outcome).status == status
    assert AuditEvent.objects.filter(kind="delivery.resolved").get().data == {"outcome": outcome}


def test_there_is_nothing_to_settle_on_a_held_reply(world: World, held: Delivery) -> None:
    with assert_nothing_written(), pytest.raises(Conflict):
        outcomes.resolve(delivery_id=held.pk, actor=world.ada, outcome="sent")
    with assert_nothing_written(), pytest.raises(Invalid):
        outcomes.resolve(delivery_id=held.pk, actor=world.ada, outcome="perhaps")


def test_an_auditor_settles_and_releases_nothing(world: World, held: Delivery) -> None:
    for act in (lambda: outcomes.resolve(delivery_id=held.pk, actor=world.bo, outcome="sent"), lambda: outbox.release(delivery_id=held.pk, actor=world.bo)):  # fmt: skip
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            act()


def test_send_now_ends_the_hold(world: World, acme, keeper) -> None:
    Channel.objects.filter(pk=world.mail.pk).update(
        metadata={"smtp_host": "127.0.0.1", "smtp_port": keeper[1], "smtp_security": "none"}
    )
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    outbox.release(delivery_id=delivery.pk, actor=world.ada)
    assert deliver(delivery) == "sent"


def test_a_worker_that_died_before_the_hand_over_is_harmless(held: Delivery, keeper) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.update(status="queued")
    Delivery.objects.update(status="sending", lease_until=past, attempt_count=1)
    DeliveryAttempt.objects.create(account_id=held.account_id, delivery=held, number=1)
    assert outbox.sweep(account_id=held.account_id)["recovered"] == 1
    assert DeliveryAttempt.objects.get().outcome == "crashed"
    assert deliver(held) == "sent"
    assert len(keeper[0].mails) == 1


def test_what_stops_every_worker_is_given_up_and_told(held: Delivery, settings: Any, keeper) -> None:
    """An adapter with a fault would otherwise take a worker at every lease, for ever, and nobody would know."""
    settings.DELIVERY_MAX_ATTEMPTS = 3
    past = timezone.now() - timedelta(seconds=1)
    for attempt, found in ((2, "recovered"), (3, "failed")):
        Delivery.objects.update(status="queued")
        Delivery.objects.update(status="sending", lease_until=past, attempt_count=attempt, handover_at=None)
        assert outbox.sweep(account_id=held.account_id)[found] == 1
    held.refresh_from_db()
    assert held.status == "failed" and "before it handed" in held.error
    assert Notification.objects.filter(type="send_failed", user=held.approved_by).count() == 1
    assert deliver(held) == "failed"
    assert keeper[0].mails == []


def test_a_worker_that_died_after_it_is_uncertain(held: Delivery, keeper) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.update(status="queued")
    Delivery.objects.update(status="sending", lease_until=past, attempt_count=1, handover_at=past)
    assert outbox.sweep(account_id=held.account_id)["uncertain"] == 1
    held.refresh_from_db()
    assert held.status == "uncertain"


def test_a_lease_that_ran_out_before_the_hand_over_stops_the_old_worker(held: Delivery, keeper, settings) -> None:
    settings.DELIVERY_LEASE_SECONDS = -1.0
    assert deliver(held) == "queued"
    assert keeper[0].mails == []


def test_ten_workers_at_once_send_one_mail(committed_world: World, keeper, in_threads) -> None:
    world = committed_world
    handler, port = keeper
    with tenant_context(world.acme.pk):
        Channel.objects.filter(pk=world.mail.pk).update(
            metadata={"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
        )
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with tenant_context(world.acme.pk):
        Delivery.objects.update(hold_until=timezone.now(), next_attempt_at=timezone.now())
    results = in_threads([lambda: deliver(delivery)] * 10)
    assert len(handler.mails) == 1, results
    with tenant_context(world.acme.pk):
        assert (Delivery.objects.get().status, DeliveryAttempt.objects.count()) == ("sent", 1)
        assert Message.objects.filter(direction="outbound").count() == 1


def test_a_header_that_could_be_injected_is_refused_not_repaired(held: Delivery, keeper) -> None:
    Delivery.objects.update(envelope={**held.envelope, "subject": "Hi\r\nBcc: everybody@else.test"})
    assert deliver(held) == "failed"
    assert keeper[0].mails == []


@pytest.mark.parametrize("error", [OSError("the disk is full"), ValueError("a new fault"), KeyError("a new fault")])
def test_what_an_adapter_does_not_foresee_is_in_doubt_and_not_called_unsent(
    held: Delivery, monkeypatch, error: Exception
) -> None:
    def breaks(self: SmtpAdapter, outbound: Outbound, *, before_handover) -> None:
        before_handover()
        raise error

    monkeypatch.setattr(SmtpAdapter, "send", breaks)
    with pytest.raises(type(error)):
        deliver(held)
    outbox.sweep(account_id=held.account_id, now=timezone.now() + timedelta(days=1))
    held.refresh_from_db()
    assert held.status == "uncertain"


def test_settings_that_are_not_valid_fail_before_anything_is_handed_over(held: Delivery, keeper) -> None:
    Channel.objects.filter(pk=held.channel_id).update(metadata={"smtp_port": "no number"})
    assert deliver(held) == "failed"
    assert keeper[0].mails == []


@pytest.fixture
def heard(monkeypatch) -> list[str]:
    """The statuses of deliveries that the apps above are told of."""
    found: list[str] = []
    monkeypatch.setattr(hooks, "on_delivery", [lambda delivery: found.append(delivery.status)])
    return found


def test_a_reply_that_is_taken_back_is_told_like_every_other_end(world: World, held: Delivery, heard) -> None:
    outbox.cancel(delivery=moves.lock_delivery(held.pk), actor=world.ada, reason="undone")
    assert heard == ["cancelled"]


def test_a_reply_that_cannot_be_taken_back_is_told_to_nobody(world: World, held: Delivery, heard) -> None:
    Delivery.objects.update(status="queued")
    Delivery.objects.update(status="sending", lease_until=timezone.now())
    with assert_nothing_written(), pytest.raises(Conflict):
        outbox.cancel(delivery=moves.lock_delivery(held.pk), actor=world.ada, reason="undone")
    assert heard == []


def sent(delivery: Delivery) -> None:
    for status in ("queued", "sending", "sent"):
        Delivery.objects.filter(pk=delivery.pk).update(
            status=status, lease_until=timezone.now(), sent_at=timezone.now()
        )


def test_the_same_bounce_told_by_eight_at_once_counts_once(committed_world: World, in_threads) -> None:
    world = committed_world
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)

    def bounce() -> bool:
        with tenant_context(world.acme.pk):
            return outcomes.record_bounce(delivery_id=delivery.pk, detail="no such mailbox")

    with tenant_context(world.acme.pk):
        assert not outcomes.record_bounce(delivery_id=delivery.pk, detail="it was never sent")
        sent(delivery)
    results = in_threads([bounce] * 8)
    assert sorted(map(str, results)) == ["False"] * 7 + ["True"]
    with tenant_context(world.acme.pk):
        assert Notification.objects.filter(type="bounced").count() == 1
        assert AuditEvent.objects.filter(kind="delivery.bounced").count() == 1
        assert Delivery.objects.get().error == "no such mailbox"


def test_a_bounce_is_looked_at_under_the_conversations_lock(held: Delivery) -> None:
    sent(held)
    with counted() as queries:
        assert outcomes.record_bounce(delivery_id=held.pk, detail="no such mailbox")
    asked = [query["sql"] for query in queries if '"status"' in query["sql"]]
    assert "FOR UPDATE" in asked[0], "the status was read before it was locked"
