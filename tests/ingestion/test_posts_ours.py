"""What a vendor posts of what we sent and of what a colleague answered there: it is theirs, and settles what is owed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.database import database_time
from conversations.messages import outbox
from conversations.models import (
    AuditEvent,
    Conversation,
    Delivery,
    Message,
    Notification,
)
from conversations.tenancy import tenant_context
from drafts.models import Draft
from ingestion.models import InboundEvent
from tests import factories, toy
from tests.ingestion.toy_vendor import Vendor

pytestmark = pytest.mark.usefixtures("toys")


def approved(vendor: Vendor, text: str = "We do.") -> Delivery:
    with tenant_context(vendor.account.pk):
        asked = Message.objects.get(direction="inbound")
    draft = factories.draft(asked, text, statements=[])
    factories.approved(draft, vendor.world.ada)
    with tenant_context(vendor.account.pk):
        delivery = Delivery.objects.get()
        due = database_time.now() - timedelta(seconds=5)
        Delivery.objects.update(hold_until=due, next_attempt_at=due)
        return delivery


def state(vendor: Vendor) -> tuple[str, str, str]:
    with tenant_context(vendor.account.pk):
        delivery = Delivery.objects.get()
        return delivery.status, delivery.provider_id, Conversation.objects.get().owed


def us(vendor: Vendor, text: str = "We do.", **changes: Any) -> InboundEvent:
    return vendor.says(text, **{"id": "toy-1", "by": "us", "from": "bot", **changes})


def test_what_we_sent_comes_back_and_is_no_message(vendor: Vendor) -> None:
    vendor.says()
    delivery = approved(vendor)
    outbox.deliver(account_id=vendor.account.pk, delivery_id=delivery.pk)
    for by in ("us", "team", "customer"):
        echo = us(vendor, by=by)
        assert (echo.status, echo.message_id) == ("ignored", delivery.message_id)
    assert vendor.messages() == [("inbound", "Hello"), ("outbound", "We do.")]
    assert state(vendor) == ("sent", "toy-1", "")


@pytest.mark.parametrize(("status", "settled"), [("uncertain", True), ("queued", True), ("failed", True)])
@pytest.mark.parametrize("marked", [True, False])
def test_an_echo_settles_a_delivery_that_nobody_was_sure_of(
    vendor: Vendor, status: str, settled: bool, marked: bool
) -> None:
    vendor.says()
    delivery = approved(vendor)
    _tried(vendor, status)
    mark = {"mark": delivery.idempotency_key, "text": "We *do*."} if marked else {}
    us(vendor, **mark)
    assert state(vendor) == ("sent", "toy-1", "")
    assert vendor.messages() == [("inbound", "Hello"), ("outbound", "We do.")]
    with tenant_context(vendor.account.pk):
        assert AuditEvent.objects.filter(kind="delivery.seen").count() == 1
        # The customer asked for nothing else meanwhile: the draft went with its reply.
        assert Draft.objects.get().status == "sent"
    outbox.deliver(account_id=vendor.account.pk, delivery_id=delivery.pk)
    assert toy.SENT == []


def _tried(vendor: Vendor, status: str) -> None:
    """A worker had it once, and it ended like this."""
    with tenant_context(vendor.account.pk):
        lease = database_time.now() + timedelta(minutes=2)
        for one in ("queued", "sending", status):
            Delivery.objects.update(status=one, attempt_count=1, lease_until=lease)


@pytest.mark.parametrize(
    ("marked", "text"),
    [(True, "We do."), (False, "We do."), (False, "We *do*.")],
    ids=["marked", "same words", "words changed there"],
)
def test_while_it_is_being_sent_its_echo_waits_and_loses_no_try(vendor: Vendor, marked: bool, text: str) -> None:
    vendor.says()
    delivery = approved(vendor)
    mark = delivery.idempotency_key if marked else ""
    _tried(vendor, "sending")
    vendor.post(vendor.body(text, id="toy-1", by="us", mark=mark))
    ProcrastinateJob.objects.all().delete()  # a worker has it
    waits = vendor.read()
    assert (waits.status, waits.tries, waits.lease_until) == ("received", 0, None)
    job = ProcrastinateJob.objects.filter(task_name="ingestion.read_event").order_by("-id")[0]
    assert job.scheduled_at is not None and job.scheduled_at > database_time.now() + timedelta(seconds=5)
    assert vendor.messages() == [("inbound", "Hello"), ("outbound", "We do.")]
    with tenant_context(vendor.account.pk):
        Delivery.objects.update(status="sent", sent_at=database_time.now(), provider_id="toy-1")
    assert vendor.read().status == "ignored"
    assert vendor.messages() == [("inbound", "Hello"), ("outbound", "We do.")]


@pytest.mark.parametrize("status", ["held", "queued", "cancelled"])
def test_a_mark_on_what_never_left_or_was_given_up_is_not_believed(vendor: Vendor, status: str) -> None:
    vendor.says()
    delivery = approved(vendor)
    with tenant_context(vendor.account.pk):
        Delivery.objects.update(status=status)
    us(vendor, mark=delivery.idempotency_key, text="Forged")
    assert vendor.messages()[-1] == ("outbound", "Forged")  # a colleague's answer: what waits does not follow it
    assert state(vendor)[0] == ("cancelled" if status in {"held", "queued"} else status)


def test_a_second_reply_of_the_same_words_is_another_message(vendor: Vendor) -> None:
    vendor.says()
    delivery = approved(vendor)
    outbox.deliver(account_id=vendor.account.pk, delivery_id=delivery.pk)
    us(vendor, id="typed-there")
    assert vendor.messages() == [("inbound", "Hello"), ("outbound", "We do."), ("outbound", "We do.")]


@pytest.mark.parametrize("by", ["team", "us"])
def test_what_a_colleague_typed_there_is_theirs_and_settles_what_is_owed(vendor: Vendor, by: str) -> None:
    vendor.says()
    with tenant_context(vendor.account.pk):
        asked = Message.objects.get()
    draft = factories.draft(asked)
    event = us(vendor, "Yes, it is.", id="m-9", by=by, name="Mina")
    assert event.status == "processed"
    assert vendor.messages() == [("inbound", "Hello"), ("outbound", "Yes, it is.")]
    with tenant_context(vendor.account.pk):
        answer = Message.objects.get(direction="outbound")
        assert (answer.role, answer.details.sender_name, answer.deliveries.count()) == ("operator", "Mina", 0)
        conversation = Conversation.objects.get()
        assert (conversation.status, conversation.owed) == ("pending", "")
        assert Draft.objects.get(pk=draft.pk).status == "answered_elsewhere"
    us(vendor, "Yes, it is.", id="m-9", by=by)
    assert len(vendor.messages()) == 2


@pytest.mark.parametrize("tried", [False, True])
def test_a_reply_that_has_not_left_is_not_sent_after_a_colleagues_answer(vendor: Vendor, tried: bool) -> None:
    vendor.says()
    delivery = approved(vendor)
    if tried:
        with tenant_context(vendor.account.pk):
            outage = {
                "status": "queued",
                "attempt_count": 1,
                "next_attempt_at": database_time.now() + timedelta(hours=1),
            }
            Delivery.objects.update(**outage)
    us(vendor, "Yes, it is.", id="m-9", by="team", name="Mina")
    with tenant_context(vendor.account.pk):
        delivery.refresh_from_db()
        assert (delivery.status, Draft.objects.get().status) == ("cancelled", "answered_elsewhere")
        conversation = Conversation.objects.get()
        assert (conversation.status, conversation.owed) == ("pending", "")
        notice = Notification.objects.get(type="came_back")
        assert (notice.user_id, notice.payload["why"]) == (
            delivery.approved_by_id, "somebody answered outside of this desk before it left",
        )  # fmt: skip
    assert outbox.deliver(account_id=vendor.account.pk, delivery_id=delivery.pk) == "cancelled"


def test_a_reply_that_has_not_left_stays_where_a_colleagues_answer_is_older_than_the_question(vendor: Vendor) -> None:
    vendor.says("And this?", at="2026-11-01T11:00:00+00:00")
    delivery = approved(vendor)
    us(vendor, "Yes.", by="team", id="m-9", at="2026-11-01T10:00:00+00:00")
    with tenant_context(vendor.account.pk):
        delivery.refresh_from_db()
        assert delivery.status == "held"


def test_an_answer_waits_for_what_it_answers_and_then_opens_it(vendor: Vendor) -> None:
    waits = us(vendor, "Yes.", by="team", id="m-9", at="2026-11-01T10:00:00+00:00")
    assert (waits.status, waits.tries) == ("received", 0)
    assert vendor.messages() == []
    with tenant_context(vendor.account.pk):
        InboundEvent.objects.update(received_at=database_time.now() - timedelta(seconds=61))
    assert vendor.read().status == "processed"
    vendor.says("Is it?", at="2026-11-01T09:00:00+00:00")
    with tenant_context(vendor.account.pk):
        assert (Conversation.objects.get().status, Conversation.objects.get().owed) == ("pending", "")
    vendor.says("And this?", id="m-2", at="2026-11-01T11:00:00+00:00")
    with tenant_context(vendor.account.pk):
        assert Conversation.objects.get().owed == "message"


def test_an_answer_that_is_older_than_the_question_settles_nothing(vendor: Vendor) -> None:
    vendor.says("And this?", at="2026-11-01T11:00:00+00:00")
    us(vendor, "Yes.", by="team", id="m-9", at="2026-11-01T10:00:00+00:00")
    assert len(vendor.messages()) == 2
    with tenant_context(vendor.account.pk):
        assert Conversation.objects.get().owed == "message"


def test_people_see_whose_answer_it_was(vendor: Vendor, signed_in: Any) -> None:
    vendor.says()
    us(vendor, "Yes, it is.", id="m-9", by="team", name="Mina")
    with tenant_context(vendor.account.pk):
        pk = Conversation.objects.get().pk
    page = signed_in(vendor.world.ada).get(f"/conversations/{pk}/").content.decode()
    assert "Mina" in page
    assert "not from this desk" in page
