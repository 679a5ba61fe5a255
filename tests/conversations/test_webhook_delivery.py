"""An event arrives at a real receiver, which verifies and takes each once: through faults, replays and killed workers."""

from __future__ import annotations

import ipaddress
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from conversations.database import database_time
from conversations.models import (
    AuditEvent,
    Notification,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from conversations.tenancy import tenant_context
from conversations.webhooks import deliver, endpoints, posting
from conversations.webhooks.emit import News, emit
from conversations.webhooks.replay import replay
from tests import factories
from tests.conftest import World
from tests.conversations.test_crash import Zygote
from tests.receiver import Receiver, receiving, verified

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture(autouse=True)
def _own_network(settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = LOOPBACK


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as running:
        yield running


def told(world: World, receiver: Receiver, *events: str, **more: Any) -> WebhookEndpoint:
    """Acme tells the receiver, which knows the secret."""
    with tenant_context(world.acme.pk):
        endpoint, secret = endpoints.add(
            account_id=world.acme.pk, actor=world.dan, url=receiver.url, events=events or News.values,
            with_text=more.get("with_text", False),
        )  # fmt: skip
    receiver.secrets.append(secret)
    return endpoint


def happens(world: World, count: int = 1) -> list[uuid.UUID]:
    """So many events; their deliveries, in order."""
    with tenant_context(world.acme.pk):
        before = set(WebhookDelivery.objects.values_list("pk", flat=True))
    for _ in range(count):
        with tenant_context(world.acme.pk):
            emit(News.CONVERSATION_CLOSED, world.mail, conversation_id=uuid.uuid4())
    with tenant_context(world.acme.pk):
        rows = WebhookDelivery.objects.exclude(pk__in=before).order_by("event__seq")
        return list(rows.values_list("pk", flat=True))


def send(world: World, delivery_id: uuid.UUID) -> str:
    return deliver.deliver(account_id=world.acme.pk, delivery_id=delivery_id)


def make_due(world: World) -> None:
    """Everything that waits is due, and no pause is left."""
    with tenant_context(world.acme.pk):
        WebhookDelivery.objects.filter(status="pending").update(next_attempt_at=database_time.now())
        WebhookEndpoint.objects.update(paused_until=None)


def row(world: World, delivery_id: uuid.UUID) -> WebhookDelivery:
    with tenant_context(world.acme.pk):
        return WebhookDelivery.objects.select_related("event", "endpoint").get(pk=delivery_id)


def test_an_event_arrives_signed_with_ids_and_a_link(committed_world: World, receiver: Receiver, settings: Any) -> None:
    settings.SITE_URL = "https://desk.example"
    world = committed_world
    told(world, receiver)
    message = factories.message(world.mail, "Where is my order?")
    delivery_id = row_of(world, "message.received")
    assert send(world, delivery_id) == "1 sent"
    ((headers, _),) = receiver.requests
    (body,) = receiver.bodies
    sent = row(world, delivery_id)
    assert receiver.forged == 0 and headers["webhook-id"] == str(sent.event_id)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert headers["content-type"] == "application/json"
    assert body == {
        "type": "message.received",
        "timestamp": sent.event.created_at.isoformat(),
        "seq": 1,
        "data": {
            "conversation": str(message.conversation_id),
            "message": str(message.pk),
            "link": f"https://desk.example/conversations/{message.conversation_id}/",
        },
    }
    with tenant_context(world.acme.pk):
        attempt = WebhookAttempt.objects.get()
        endpoint = WebhookEndpoint.objects.get()
    assert (sent.status, sent.attempt_count, sent.last_status, sent.lease_until) == ("delivered", 1, 200, None)
    assert (attempt.outcome, attempt.http_status, attempt.answer) == ("delivered", 200, "said so")
    assert (endpoint.last_status, endpoint.faults, endpoint.failing_since) == (200, 0, None)


def row_of(world: World, kind: str) -> uuid.UUID:
    with tenant_context(world.acme.pk):
        return WebhookDelivery.objects.values_list("pk", flat=True).get(event__kind=kind)


def test_texts_go_only_where_an_admin_switched_them_on_and_their_answers_are_not_kept(
    committed_world: World, receiver: Receiver
) -> None:
    world = committed_world
    endpoint = told(world, receiver, with_text=True)
    factories.message(world.mail, "zebra is my secret")
    send(world, row_of(world, "message.received"))
    assert receiver.bodies[0]["data"]["text"] == "zebra is my secret"
    with tenant_context(world.acme.pk):
        assert WebhookAttempt.objects.get().answer == ""
        assert "zebra" not in str(list(WebhookEvent.objects.values()))
        endpoints.change(
            endpoint_id=endpoint.pk, actor=world.dan, url=receiver.url, events=News.values, with_text=False
        )
    factories.message(world.mail, "zebra again")
    with tenant_context(world.acme.pk):
        newest = WebhookDelivery.objects.order_by("-event__seq").first()
    assert newest is not None
    send(world, newest.pk)
    assert "zebra" not in str(receiver.bodies[1])


def test_two_hundred_events_through_faults_are_each_processed_once_and_fifty_replayed(
    committed_world: World, receiver: Receiver, worker_turn: Callable[[], None]
) -> None:
    world = committed_world
    # Of seven requests one meets a 503, one a reset before the answer.
    receiver.plan = lambda number: {0: 503, 3: "reset"}.get(number % 7, 200)
    endpoint = told(world, receiver)
    started = database_time.now()
    deliveries = happens(world, 200)
    for _ in range(30):
        worker_turn()
        make_due(world)
        deliver.sweep(account_id=world.acme.pk)
        for delivery_id in deliveries:
            if row(world, delivery_id).status == "pending":
                send(world, delivery_id)
        if all(row(world, each).status == "delivered" for each in deliveries):
            break
    assert receiver.forged == 0
    with tenant_context(world.acme.pk):
        ids = {str(pk) for pk in WebhookEvent.objects.values_list("pk", flat=True)}
        assert list(WebhookEvent.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 201))
        assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}
        faults = WebhookAttempt.objects.exclude(outcome="delivered").count()
    assert len(ids) == 200 and receiver.processed == dict.fromkeys(ids, 1)
    assert faults >= 50 and len(receiver.requests) == 200 + faults

    receiver.plan = lambda number: 200
    before = len(receiver.requests)
    with tenant_context(world.acme.pk):
        first = WebhookEvent.objects.order_by("created_at")[50].created_at
        assert replay(endpoint_id=endpoint.pk, actor=world.dan, since=started, until=first) == 50
    worker_turn()
    again = [headers["webhook-id"] for headers, _ in receiver.requests[before:]]
    assert len(again) == 50 and len(set(again)) == 50
    assert receiver.processed == dict.fromkeys(ids, 1) and receiver.forged == 0


def test_both_secrets_sign_until_the_old_one_ends(committed_world: World, receiver: Receiver) -> None:
    world = committed_world
    endpoint = told(world, receiver)
    with tenant_context(world.acme.pk):
        new = endpoints.renew_secret(endpoint_id=endpoint.pk, actor=world.dan)
    first, second = happens(world, 2)[:2]
    send(world, first)
    headers, body = receiver.requests[0]
    assert verified(receiver.secrets[0], headers, body) and verified(new, headers, body)
    assert not verified("whsec_" + "A" * 44, headers, body)
    with tenant_context(world.acme.pk):
        endpoints.end_old_secret(endpoint_id=endpoint.pk, actor=world.dan)
    third = happens(world)[0]
    send(world, third)
    headers, body = receiver.requests[-1]
    assert verified(new, headers, body) and not verified(receiver.secrets[0], headers, body)
    assert row(world, second).status == "delivered"  # the first worker went on with it


def test_what_fails_is_tried_eight_times_later_and_later(committed_world: World, receiver: Receiver) -> None:
    world = committed_world
    receiver.plan = lambda number: 500
    told(world, receiver)
    (delivery_id,) = happens(world)
    waited = []
    for _ in range(8):
        make_due(world)
        send(world, delivery_id)
        found = row(world, delivery_id)
        waited.append((found.next_attempt_at - database_time.now()).total_seconds())
    for wait, planned in zip(waited, (5, 300, 1800, 7200, 18_000, 36_000, 36_000), strict=False):
        assert planned * 0.79 - 2 <= wait <= planned * 1.21
    assert (found.status, found.attempt_count) == ("given_up", 8)
    make_due(world)
    assert send(world, delivery_id) == "0 sent" and len(receiver.requests) == 8
    stamps = {(headers["webhook-id"], headers["webhook-signature"]) for headers, _ in receiver.requests}
    assert {pk for pk, _ in stamps} == {str(found.event_id)}
    with tenant_context(world.acme.pk):
        replay(endpoint_id=found.endpoint_id, actor=world.dan, event_ids=[found.event_id])
    send(world, delivery_id)
    assert (row(world, delivery_id).status, row(world, delivery_id).tries_before) == ("pending", 8)  # eight more


@pytest.mark.parametrize(("asked", "least", "most"), [("7200", 7190, 7210), ("9999999", 86_390, 86_410), ("1", 2, 7)])
def test_a_retry_after_is_kept_up_to_a_day(
    committed_world: World, receiver: Receiver, asked: str, least: int, most: int
) -> None:
    receiver.plan = lambda number: (429, {"retry-after": asked})
    told(committed_world, receiver)
    (delivery_id,) = happens(committed_world)
    send(committed_world, delivery_id)
    wait = (row(committed_world, delivery_id).next_attempt_at - database_time.now()).total_seconds()
    assert least <= wait <= most


def test_a_redirect_is_refused(committed_world: World, receiver: Receiver) -> None:
    receiver.plan = lambda number: (302, {"location": receiver.url + "?elsewhere"})
    told(committed_world, receiver)
    (delivery_id,) = happens(committed_world)
    send(committed_world, delivery_id)
    with tenant_context(committed_world.acme.pk):
        attempt = WebhookAttempt.objects.get()
    assert (attempt.outcome, attempt.http_status) == ("refused", 302) and "not followed" in attempt.answer
    assert len(receiver.requests) == 1


def test_a_410_switches_it_off_and_admins_are_told(committed_world: World, receiver: Receiver) -> None:
    world = committed_world
    receiver.plan = lambda number: 410
    endpoint = told(world, receiver)
    first, second = happens(world, 2)
    send(world, first)
    with tenant_context(world.acme.pk):
        endpoint.refresh_from_db()
        notice = Notification.objects.get(type="webhook_away")
        event = AuditEvent.objects.get(kind="webhook.switched")
    assert (endpoint.state, endpoint.faults) == ("gone", 0)
    assert (row(world, first).status, row(world, second).status) == ("given_up", "given_up")
    assert (notice.user_id, notice.payload["host"]) == (world.dan.pk, "127.0.0.1")
    assert (event.actor_name, event.data["state"]) == ("Countersign", "off")
    assert happens(world) == []  # kept to be replayed, and not sent
    with tenant_context(world.acme.pk):
        assert WebhookEvent.objects.count() == 3
        endpoints.switch(endpoint_id=endpoint.pk, actor=world.dan, on=True)
        now = database_time.now()
        assert replay(endpoint_id=endpoint.pk, actor=world.dan, since=now - timedelta(hours=1), until=now) == 3


def test_after_a_day_admins_are_told_once_and_after_five_it_is_off(committed_world: World, receiver: Receiver) -> None:
    world = committed_world
    receiver.plan = lambda number: 503
    endpoint = told(world, receiver)
    for hours, notices, state in ((1, 0, "on"), (25, 1, "on"), (30, 1, "on"), (121, 2, "failed")):
        (delivery_id,) = happens(world)
        make_due(world)
        with tenant_context(world.acme.pk):
            since = database_time.now() - timedelta(hours=hours)
            WebhookEndpoint.objects.update(failing_since=since, faults=1)
        send(world, delivery_id)
        with tenant_context(world.acme.pk):
            endpoint.refresh_from_db()
            assert (Notification.objects.filter(type="webhook_away").count(), endpoint.state) == (notices, state)
    assert set(statuses(world)) == {"given_up"}


def statuses(world: World) -> list[str]:
    with tenant_context(world.acme.pk):
        return list(WebhookDelivery.objects.values_list("status", flat=True))


def test_a_good_answer_ends_what_was_held_against_it(committed_world: World, receiver: Receiver) -> None:
    world = committed_world
    receiver.plan = lambda number: 503 if number < 7 else 200
    endpoint = told(world, receiver)
    (delivery_id,) = happens(world)
    for _ in range(7):
        make_due(world)
        send(world, delivery_id)
        with tenant_context(world.acme.pk):
            endpoint.refresh_from_db()
    assert (endpoint.faults, endpoint.failing_since, endpoint.paused_until) == (0, None, None)


def test_a_dead_endpoint_is_paused_and_holds_one_worker_at_most(committed_world: World, receiver: Receiver) -> None:
    world = committed_world
    receiver.plan = lambda number: 503
    endpoint = told(world, receiver)
    deliveries = happens(world, 8)
    for delivery_id in deliveries:
        send(world, delivery_id)
    assert len(receiver.requests) == 5  # and then it has a pause
    with tenant_context(world.acme.pk):
        endpoint.refresh_from_db()
        assert endpoint.paused_until is not None and endpoint.faults == 5
        assert 25 < (endpoint.paused_until - database_time.now()).total_seconds() <= 30
        WebhookEndpoint.objects.update(paused_until=None)
        now = database_time.now()
        WebhookDelivery.objects.filter(pk=deliveries[-1]).update(
            status="sending", lease_until=now + timedelta(minutes=1)
        )
    assert send(world, deliveries[5]) == "0 sent"  # one is under way


def test_a_killed_worker_sends_again_with_the_same_id(committed_world: World, receiver: Receiver, cluster: Any) -> None:
    """Between the answer and the commit nobody knows that it arrived: it is sent again, and known by its id."""
    world, zygote = committed_world, Zygote(str(cluster.socket_dir))
    try:
        told(world, receiver)
        (delivery_id,) = happens(world)
        ids = {"account": str(world.acme.pk), "webhook": str(delivery_id)}
        assert zygote.run(failpoint="webhook.answered", **ids) == signal.SIGKILL
        assert row(world, delivery_id).status == "sending"
        assert send(world, delivery_id) == "0 sent"  # its lease runs
        with tenant_context(world.acme.pk):
            WebhookDelivery.objects.update(lease_until=database_time.now() - timedelta(seconds=1))
        assert deliver.sweep(account_id=world.acme.pk)["recovered"] == 1
        make_due(world)
        assert zygote.run(failpoint="", **ids) == 0
    finally:
        zygote.process.kill()
        zygote.process.wait()
    assert row(world, delivery_id).status == "delivered"
    assert [headers["webhook-id"] for headers, _ in receiver.requests] == [str(row(world, delivery_id).event_id)] * 2
    assert list(receiver.processed.values()) == [1]
    with tenant_context(world.acme.pk):
        assert list(WebhookAttempt.objects.order_by("number").values_list("outcome", flat=True)) == [
            "crashed",
            "delivered",
        ]


def test_ten_workers_at_once_send_one_event_once(
    committed_world: World, receiver: Receiver, in_threads: Callable[..., list[Any]]
) -> None:
    world = committed_world
    told(world, receiver)
    (delivery_id,) = happens(world)
    results = in_threads([lambda: send(world, delivery_id)] * 10)
    assert sorted(results) == ["0 sent"] * 9 + ["1 sent"]
    assert len(receiver.requests) == 1


def test_a_worker_whose_lease_ran_out_sends_nothing(committed_world: World, receiver: Receiver) -> None:
    world = committed_world
    told(world, receiver)
    (delivery_id,) = happens(world)
    real = posting.address_of

    def slowly(parts: Any) -> str:
        with tenant_context(world.acme.pk):
            WebhookDelivery.objects.update(lease_until=database_time.now() - timedelta(seconds=1))
        return real(parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posting, "address_of", slowly)
        send(world, delivery_id)
    assert receiver.requests == [] and row(world, delivery_id).status == "sending"
