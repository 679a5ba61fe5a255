"""Posts in any order, many times, by several readers who may die: each thing is here once."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from conversations.channels.base import Outbound, Receipt
from conversations.database import database_time
from conversations.messages import outbox
from conversations.models import AuditEvent, Channel, Conversation, Delivery, Message
from conversations.tenancy import tenant_context
from ingestion import happened, receive
from ingestion.models import InboundEvent, InboundKey
from tests import factories, toy
from tests.conftest import World
from tests.ingestion.toy_vendor import Vendor

pytestmark = pytest.mark.usefixtures("toys")


POSTS, MESSAGES = 2000, 260


@pytest.fixture
def vendor(toys: None, committed_world: World, attachments_dir: Any) -> Vendor:
    metadata = {"sender_per_hour": 100_000, "mails_per_hour": 1_000_000}
    return Vendor(committed_world, metadata=metadata)


def waiting(vendor: Vendor) -> list[Any]:
    with tenant_context(vendor.account.pk):
        return list(InboundEvent.objects.filter(status="received").order_by("id").values_list("pk", flat=True))


def test_an_echo_that_is_faster_than_the_receipt_is_never_a_second_message(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor posts it while its answer to us is on the way, and it is read on another connection."""
    dice, readers, caught, recorded = random.Random(15), [], Counter(), threading.Event()

    def read(number: int, thread: str, text: str, mark: str) -> None:
        try:
            if number % 6 == 1:  # some come after the receipt in any case
                assert recorded.wait(30)
            body = {"event": f"x-{number}", "type": "message", "id": f"toy-{number}", "thread": thread, "from": "bot",
                    "by": "us", "text": text, "mark": mark}  # fmt: skip
            assert vendor.post(json.dumps(body).encode()).status_code == 200
            caught[receive.read_event(account_id=vendor.account.pk, event_id=waiting(vendor)[-1]).event.status] += 1
        finally:
            connection.close()

    def send(self: toy.ToyAdapter, outbound: Outbound, *, before_handover: Callable[[], None]) -> Receipt:
        before_handover()
        toy.SENT.append((self.room, outbound.body_text, outbound.thread_id, outbound.answers))
        number = len(toy.SENT)
        mark = outbound.message_id if number % 3 == 0 else ""
        reader = threading.Thread(target=read, args=(number, outbound.thread_id, outbound.body_text, mark))
        reader.start()
        readers.append(reader)
        if number % 6 == 4:  # and some are read before it
            reader.join(timeout=30)
        time.sleep(dice.choice([0, 0.005, 0.02, 0.06]))
        return Receipt(provider_id=f"toy-{number}", response="thanks")

    monkeypatch.setattr(toy.ToyAdapter, "send", send)
    for number in range(60):
        asked = factories.message(
            vendor.channel, f"Question {number}", external_id=f"m-{number}", thread_id=f"t-{number}"
        )
        factories.approved(factories.draft(asked, "We do.", statements=[]), vendor.world.ada)
        with tenant_context(vendor.account.pk):
            delivery = Delivery.objects.order_by("-id")[0]
            due = database_time.now() - timedelta(seconds=5)
            Delivery.objects.filter(pk=delivery.pk).update(hold_until=due, next_attempt_at=due)
        recorded.clear()
        assert outbox.deliver(account_id=vendor.account.pk, delivery_id=delivery.pk) == "sent"
        recorded.set()
        readers[-1].join(timeout=30)
    assert min(caught["received"], caught["ignored"]) > 3, caught  # both orders were seen
    for event_id in waiting(vendor):
        receive.read_event(account_id=vendor.account.pk, event_id=event_id)
    with tenant_context(vendor.account.pk):
        assert set(InboundEvent.objects.values_list("status", flat=True)) == {"ignored"}
        assert Counter(Message.objects.values_list("direction", flat=True)) == {"inbound": 60, "outbound": 60}
        assert Delivery.objects.filter(status="sent").exclude(provider_id="").count() == 60
        assert len(toy.SENT) == 60


class Killed(BaseException):
    """What no handler of the product's catches: the process is gone, and its lease stands."""


def the_world() -> list[dict[str, Any]]:
    """Everything that ever happens at this vendor: in 60 threads, customers write, correct, take back; colleagues answer."""
    dice, out, day = random.Random(1504), [], datetime(2026, 11, 1, tzinfo=UTC)
    for number in range(MESSAGES):
        at = (day + timedelta(minutes=number)).isoformat()
        one = {"id": f"m-{number}", "thread": f"t-{number % 60}", "from": f"kid-{number % 60}", "at": at}
        by = "team" if number >= 60 and number % 5 == 0 else "customer"
        out.append({**one, "type": "message", "text": f"text {number}", "by": by})
        if by == "customer" and dice.random() < 0.2:
            out.append({**one, "type": "edited", "text": f"text {number} corrected"})
        elif by == "customer" and dice.random() < 0.1:
            out.append({**one, "type": "deleted"})
    # Some vendors bring one thing under several ids of events.
    out += [dict(dice.choice(out)) for _ in range(80)]
    return [{**one, "event": f"e-{number}"} for number, one in enumerate(out)]


def test_two_thousand_posts_in_any_order_with_repeats_and_deaths_are_each_message_once(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, in_threads: Any
) -> None:
    every, dice = the_world(), random.Random(42)
    posts = [*every, *(dice.choice(every) for _ in range(POSTS - len(every)))]
    dice.shuffle(posts)
    deaths: Counter[str] = Counter()
    died: Counter[Any] = Counter()
    luck = threading.local()

    def failpoint(name: str) -> None:
        if (
            luck.dice.random() < 0.08 and luck.left and died[luck.event] < receive.MAX_TRIES - 1
        ):  # what kills each try is given up
            luck.left -= 1
            died[luck.event] += 1
            deaths[name] += 1
            raise Killed

    monkeypatch.setattr(receive, "failpoint", failpoint)

    def read(event_id: Any) -> None:
        luck.event = event_id
        try:
            receive.read_event(account_id=vendor.account.pk, event_id=event_id)
        except Killed:
            with tenant_context(vendor.account.pk):  # its lease runs out
                InboundEvent.objects.filter(pk=event_id, tries__lt=receive.MAX_TRIES).update(lease_until=None)

    def worker(share: list[dict[str, Any]], seed: int) -> None:
        luck.dice, luck.left = random.Random(seed), 12
        for number, one in enumerate(share):
            assert vendor.post(json.dumps(one).encode()).status_code == 200
            if number % 40 == 39:
                found = waiting(vendor)
                luck.dice.shuffle(found)
                for event_id in found[:60]:
                    read(event_id)

    done = in_threads([lambda n=n: worker(posts[n::3], n) for n in range(3)], within=280)
    assert done == [None, None, None]
    luck.dice, luck.left = random.Random(9), 0
    with tenant_context(vendor.account.pk):
        InboundEvent.objects.update(received_at=database_time.now() - timedelta(seconds=61))
        InboundEvent.objects.filter(status="received").update(lease_until=None)
    for event_id in waiting(vendor):
        read(event_id)

    assert sum(deaths.values()) > 10, deaths
    with tenant_context(vendor.account.pk):
        kept = InboundEvent.objects.all()
        unread = kept.exclude(status__in=["processed", "ignored"]).values_list("status", "tries", "detail")
        assert list(unread) == []
        assert kept.count() == len(every) == InboundKey.objects.filter(kind="event").count()
        assert Conversation.objects.count() == 60
        said = Counter(Message.objects.values_list("direction", "body_text"))
        gone = set(Message.objects.filter(metadata__problems__contains=[happened.DELETED]).values_list("external_id", flat=True))  # fmt: skip
        deleted_events = AuditEvent.objects.filter(kind="message.deleted_there").count()
    assert set(said.values()) == {1}, [key for key, count in said.items() if count > 1]
    kinds: dict[str, set[str]] = {}
    for one in every:
        kinds.setdefault(one["id"], set()).add(one["type"])
    expected = set()
    for one in every:
        number, direction = one["id"].split("-")[1], "outbound" if one.get("by") == "team" else "inbound"
        whole, corrected = (direction, f"text {number}"), (direction, f"text {number} corrected")
        if "edited" in kinds[one["id"]]:
            assert said[corrected] == 1, corrected
            expected |= {whole, corrected}
        elif "deleted" in kinds[one["id"]]:
            assert said[whole] == 0 or one["id"] in gone, whole
            expected.add(whole)
        else:
            assert said[whole] == 1, whole
            expected.add(whole)
    assert set(said) <= expected
    assert deleted_events == len(gone)


def test_a_channel_that_is_switched_off_between_a_post_and_its_reading_still_has_it_read(vendor: Vendor) -> None:
    """It was answered with 200 while the channel was on."""
    vendor.post(vendor.body())
    with tenant_context(vendor.account.pk):
        Channel.objects.filter(pk=vendor.channel.pk).update(is_active=False)
    assert vendor.read().status == "processed"
