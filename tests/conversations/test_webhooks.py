"""What an admin does with endpoints leaves exactly these rows; whoever may not, changes nothing. An event is told in the
transaction in which it happened."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction

from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import (
    Account,
    AuditEvent,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from conversations.tenancy import tenant_context
from conversations.webhooks import deliver, endpoints, retention, signing
from conversations.webhooks.emit import KEPT, News, emit
from conversations.webhooks.replay import replay
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World

URL = "https://hooks.acme.test/in?key=1"


def made(world: World, *events: str, url: str = URL, **more: Any) -> WebhookEndpoint:
    endpoint, _ = endpoints.add(
        account_id=world.acme.pk, actor=world.dan, url=url, events=events or News.values, with_text=False, **more
    )
    return endpoint


def happened(world: World, kind: News = News.CONVERSATION_CLOSED) -> None:
    emit(kind, world.mail, conversation_id=uuid.uuid4())


def newest() -> AuditEvent:
    return AuditEvent.objects.order_by("-id")[0]


ACTS: dict[str, Callable[[World, uuid.UUID, Any], Any]] = {
    "change": lambda w, pk, who: endpoints.change(
        endpoint_id=pk, actor=who, url=URL, events=["draft.ready"], with_text=True
    ),
    "renew_secret": lambda w, pk, who: endpoints.renew_secret(endpoint_id=pk, actor=who),
    "end_old_secret": lambda w, pk, who: endpoints.end_old_secret(endpoint_id=pk, actor=who),
    "switch": lambda w, pk, who: endpoints.switch(endpoint_id=pk, actor=who, on=False),
    "send_test": lambda w, pk, who: endpoints.send_test(endpoint_id=pk, actor=who),
    "try_now": lambda w, pk, who: endpoints.try_now(endpoint_id=pk, actor=who),
    "replay": lambda w, pk, who: replay(
        endpoint_id=pk, actor=who, since=database_time.now() - timedelta(hours=1), until=database_time.now()
    ),
    "remove": lambda w, pk, who: endpoints.remove(endpoint_id=pk, actor=who),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("name", ["ada", "bo", "cy", "eve"])
def test_only_an_admin_of_the_account_acts(world: World, acme: Account, act: str, name: str) -> None:
    endpoint = made(world)
    endpoints.renew_secret(endpoint_id=endpoint.pk, actor=world.dan)
    happened(world)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        ACTS[act](world, endpoint.pk, getattr(world, name))
    ACTS[act](world, endpoint.pk, world.dan)  # the control: an admin gets through with the very same


@pytest.mark.parametrize("act", ACTS)
def test_another_tenants_endpoint_is_not_there(world: World, act: str) -> None:
    with tenant_context(world.acme.pk):
        endpoint = made(world)
    with tenant_context(world.globex.pk), assert_nothing_written(), pytest.raises(WebhookEndpoint.DoesNotExist):
        ACTS[act](world, endpoint.pk, world.dan)


def test_only_an_admin_adds_one(world: World, acme: Account) -> None:
    for who in (world.ada, world.bo, world.cy, world.eve):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            endpoints.add(account_id=world.acme.pk, actor=who, url=URL, events=["draft.ready"], with_text=False)


def test_adding_one_leaves_a_row_and_an_event_and_shows_the_secret_once(world: World, acme: Account) -> None:
    endpoint, secret = endpoints.add(
        account_id=world.acme.pk, actor=world.dan, url=f" {URL} ", events=["draft.ready", "message.received"],
        with_text=True,
    )  # fmt: skip
    stored = WebhookEndpoint.objects.get()
    assert stored.pk == endpoint.pk and stored.secret == secret and secret.startswith("whsec_")
    assert (stored.url, stored.events, stored.with_text) == (URL, ["message.received", "draft.ready"], True)
    assert (stored.state, stored.secret_before, stored.before_until, stored.faults) == ("on", None, None, 0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM conversations_webhookendpoint")
        assert cursor.fetchone()[0].startswith("enc1:")
    event = newest()
    assert (event.kind, event.actor_name, event.object_id) == ("webhook.added", world.dan.name, str(endpoint.pk))
    assert event.data == {
        "host": "hooks.acme.test", "events": "message.received, draft.ready", "texts": "with texts",
    }  # fmt: skip
    assert secret not in str(event.data) and "key=1" not in str(event.data)


@pytest.mark.parametrize(
    "url", ["", "hooks.acme.test", "ftp://acme.test/", "https://", "https://user:word@acme.test/", "https://u@acme.test/",
            "https://acme.test/#part", "https://acme.test:99999/", "https://acme.test/a b", "https://acme.test/\nx",
            "https://äcme.test/", "https://acme.test/" + "x" * 500, "javascript:alert(1)"],
)  # fmt: skip
def test_an_address_that_cannot_be_one_is_refused(world: World, acme: Account, url: str) -> None:
    with assert_nothing_written(), pytest.raises(Invalid):
        made(world, url=url)


def test_events_that_are_not_offered_are_refused(world: World, acme: Account) -> None:
    for events in ([], ["draft.ready", "endpoint.test"], ["nonsense"]):
        with assert_nothing_written(), pytest.raises(Invalid):
            endpoints.add(account_id=world.acme.pk, actor=world.dan, url=URL, events=events, with_text=False)


def test_the_same_address_twice_and_the_twenty_first_are_refused(world: World, acme: Account) -> None:
    made(world)
    with assert_nothing_written(), pytest.raises(Conflict, match="told already"):
        made(world)
    other = made(world, url="https://other.test/")
    with assert_nothing_written(), pytest.raises(Conflict, match="Another endpoint"):
        endpoints.change(endpoint_id=other.pk, actor=world.dan, url=URL, events=["draft.ready"], with_text=False)
    for number in range(endpoints.MOST - 2):
        made(world, url=f"https://acme.test/{number}")
    with assert_nothing_written(), pytest.raises(Conflict, match="20 endpoints"):
        made(world, url="https://acme.test/more")


def test_two_admins_who_press_at_once_make_one(committed_world: World, in_threads: Any) -> None:
    world = committed_world

    def press() -> Any:
        with tenant_context(world.acme.pk):
            return made(world)

    results = in_threads([press, press])
    assert sorted(type(one).__name__ for one in results) == ["Conflict", "WebhookEndpoint"]


def test_a_change_says_what_it_was(world: World, acme: Account) -> None:
    endpoint = made(world)
    endpoints.change(endpoint_id=endpoint.pk, actor=world.dan, url=URL, events=["draft.ready"], with_text=True)
    stored = WebhookEndpoint.objects.get()
    assert (stored.events, stored.with_text) == (["draft.ready"], True)
    assert (newest().kind, newest().data["fields"]) == ("webhook.changed", "events, with_text")
    with assert_nothing_written():
        endpoints.change(endpoint_id=endpoint.pk, actor=world.dan, url=URL, events=["draft.ready"], with_text=True)


def test_a_new_secret_stands_beside_the_old_one_for_two_days(world: World, acme: Account) -> None:
    endpoint = made(world)
    old = endpoint.secret
    new = endpoints.renew_secret(endpoint_id=endpoint.pk, actor=world.dan)
    stored = WebhookEndpoint.objects.get()
    now = database_time.now()
    assert stored.before_until is not None and timedelta(hours=47) < stored.before_until - now <= timedelta(days=2)
    assert deliver.keys_of(stored, now) == (new, old) and newest().kind == "webhook.secret_made"
    assert deliver.keys_of(stored, now + timedelta(days=2, seconds=1)) == (new,)
    endpoints.end_old_secret(endpoint_id=endpoint.pk, actor=world.dan)
    stored.refresh_from_db()
    assert deliver.keys_of(stored, now) == (new,) and newest().kind == "webhook.secret_ended"
    with assert_nothing_written(), pytest.raises(Conflict):
        endpoints.end_old_secret(endpoint_id=endpoint.pk, actor=world.dan)


def test_switching_off_gives_up_what_waits_and_on_begins_anew(world: World, acme: Account) -> None:
    endpoint = made(world)
    happened(world)
    WebhookEndpoint.objects.update(faults=7, failing_since=database_time.now(), paused_until=database_time.now())
    endpoints.switch(endpoint_id=endpoint.pk, actor=world.dan, on=False)
    assert WebhookDelivery.objects.get().status == "given_up"
    assert newest().data == {"host": "hooks.acme.test", "state": "off", "reason": "by hand"}
    for act in ("send_test", "try_now", "replay"):
        with assert_nothing_written(), pytest.raises(Conflict, match="switched off"):
            ACTS[act](world, endpoint.pk, world.dan)
    with assert_nothing_written(), pytest.raises(Conflict, match="off already"):
        endpoints.switch(endpoint_id=endpoint.pk, actor=world.dan, on=False)
    happened(world)
    assert WebhookEvent.objects.count() == 2 and WebhookDelivery.objects.count() == 1
    endpoints.switch(endpoint_id=endpoint.pk, actor=world.dan, on=True)
    stored = WebhookEndpoint.objects.get()
    assert (stored.state, stored.faults, stored.failing_since, stored.paused_until) == ("on", 0, None, None)
    assert ACTS["replay"](world, endpoint.pk, world.dan) == 2
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"pending"}


def test_a_test_goes_to_one_endpoint_whatever_it_wants(world: World, acme: Account) -> None:
    endpoint = made(world, "draft.ready")
    made(world, url="https://other.test/")
    delivery = endpoints.send_test(endpoint_id=endpoint.pk, actor=world.dan)
    assert WebhookDelivery.objects.get() == delivery and delivery.endpoint_id == endpoint.pk
    assert (WebhookEvent.objects.get().kind, newest().kind) == ("endpoint.test", "webhook.tested")
    other = WebhookEndpoint.objects.exclude(pk=endpoint.pk).get()
    with assert_nothing_written(), pytest.raises(Invalid):
        replay(endpoint_id=other.pk, actor=world.dan, event_ids=[delivery.event_id])


def test_removing_one_takes_what_was_noted_of_it_and_leaves_the_trail(world: World, acme: Account) -> None:
    endpoint, other = made(world), made(world, url="https://other.test/")
    happened(world)
    WebhookAttempt.objects.create(account=world.acme, delivery=WebhookDelivery.objects.get(endpoint=endpoint), number=1)
    endpoints.remove(endpoint_id=endpoint.pk, actor=world.dan)
    assert list(WebhookEndpoint.objects.all()) == [other]
    assert WebhookDelivery.objects.get().endpoint_id == other.pk and not WebhookAttempt.objects.exists()
    assert (newest().kind, newest().data) == ("webhook.removed", {"host": "hooks.acme.test"})


def test_an_act_does_not_fail_because_its_endpoint_is_removed_meanwhile(
    committed_world: World, in_threads: Any
) -> None:
    """The act holds the endpoint until it commits; who removes it waits and takes the act's event along."""
    import threading

    world, told, may_commit = committed_world, threading.Event(), threading.Event()
    with tenant_context(world.acme.pk):
        endpoint = made(world)

    def act() -> None:
        with tenant_context(world.acme.pk):
            happened(world)
            told.set()
            may_commit.wait(2)

    def remove() -> None:
        told.wait(5)
        with tenant_context(world.acme.pk):
            connection.cursor().execute("SELECT 1")
            threading.Timer(0.5, may_commit.set).start()
            endpoints.remove(endpoint_id=endpoint.pk, actor=world.dan)

    assert in_threads([act, remove]) == [None, None]
    with tenant_context(world.acme.pk):
        assert not WebhookEndpoint.objects.exists() and not WebhookDelivery.objects.exists()


def test_nobody_to_tell_costs_one_statement_and_leaves_nothing(world: World, acme: Account) -> None:
    made(world, "draft.ready")
    with assert_nothing_written(), counted() as queries:
        happened(world)
    assert len(queries) == 1


def test_every_endpoint_that_wants_it_is_told_and_no_other_tenants(world: World, acme: Account) -> None:
    both = {made(world).pk, made(world, "conversation.closed", url="https://b.test/").pk}
    made(world, "draft.ready", url="https://c.test/")
    conversation = uuid.uuid4()
    emit(News.CONVERSATION_CLOSED, world.mail, conversation_id=conversation, state="closed")
    event = WebhookEvent.objects.get()
    assert event.data == {"conversation": str(world.mail.pk), "state": "closed"}
    assert {row.endpoint_id for row in WebhookDelivery.objects.all()} == both
    assert set(WebhookDelivery.objects.values_list("event", "status", "attempt_count")) == {(event.pk, "pending", 0)}
    with tenant_context(world.globex.pk):
        emit(News.CONVERSATION_CLOSED, world.other_mail, conversation_id=uuid.uuid4())
        assert not WebhookEvent.objects.exists()


def test_what_is_taken_back_is_not_told(committed_world: World) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        made(world)
    with pytest.raises(ZeroDivisionError), tenant_context(world.acme.pk):
        happened(world)
        raise ZeroDivisionError
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert not WebhookEvent.objects.exists()


def test_numbers_are_given_at_commit_without_a_gap(committed_world: World, in_threads: Any) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        made(world)

    def act(audit_first: bool) -> None:
        """Both orders of the two rows that are sealed at commit."""
        for _ in range(5):
            with tenant_context(world.acme.pk):
                if audit_first:
                    factories.message(world.mail)
                    happened(world)
                else:
                    happened(world)
                    factories.message(world.mail)

    assert in_threads([lambda: act(True), lambda: act(False), lambda: act(True), lambda: act(False)]) == [None] * 4
    with tenant_context(world.acme.pk):
        numbers = list(WebhookEvent.objects.order_by("seq").values_list("seq", flat=True))
        assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) == 40  # each message is told of, too
    with tenant_context(world.globex.pk):
        assert not WebhookEvent.objects.exists()


def test_a_span_ends_before_what_happened_at_its_end(world: World, acme: Account) -> None:
    endpoint = made(world, "conversation.closed")
    now = database_time.now()
    for minutes in (0, 10, 20):
        happened(world)
        WebhookEvent.objects.filter(pk=WebhookEvent.objects.order_by("-id")[0].pk).update(
            created_at=now - timedelta(minutes=minutes)
        )
    WebhookDelivery.objects.update(status="sending", lease_until=now, attempt_count=3)
    WebhookDelivery.objects.update(status="delivered", delivered_at=now)
    since = now - timedelta(minutes=20)
    assert replay(endpoint_id=endpoint.pk, actor=world.dan, since=since, until=now) == 2
    again = WebhookDelivery.objects.filter(status="pending")
    assert set(again.values_list("tries_before", "attempt_count")) == {(3, 3)} and again.count() == 2
    assert newest().data == {"host": "hooks.acme.test", "count": 2}
    for wrong in (
        {"since": now, "until": now},
        {"since": since},
        {},
        {"event_ids": [uuid.uuid4()]},
        {"since": now - timedelta(days=90), "until": now - timedelta(days=80)},
    ):
        with assert_nothing_written(), pytest.raises(Invalid):
            replay(endpoint_id=endpoint.pk, actor=world.dan, **wrong)  # type: ignore[arg-type]


def test_events_go_after_thirty_days_unless_they_are_on_their_way_or_held(committed_world: World) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        made(world)
        for _ in range(3):
            happened(world)
        waits, old, young = WebhookDelivery.objects.order_by("event_id")
        for each in (old, young):
            WebhookAttempt.objects.create(account=world.acme, delivery=each, number=1)
        WebhookDelivery.objects.exclude(pk=waits.pk).update(status="given_up")
        long_ago = database_time.now() - KEPT - timedelta(minutes=1)
        WebhookEvent.objects.exclude(pk=young.event_id).update(created_at=long_ago)
        Account.objects.filter(pk=world.acme.pk).update(legal_hold=True)
    assert retention.forget_old(account_id=world.acme.pk) == 0
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(legal_hold=False)
    assert retention.forget_old(account_id=world.acme.pk) == 1
    with tenant_context(world.acme.pk):
        assert {row.pk for row in WebhookDelivery.objects.all()} == {waits.pk, young.pk}
        assert WebhookEvent.objects.count() == 2 and WebhookAttempt.objects.get().delivery_id == young.pk


@pytest.mark.parametrize(
    "wrong",
    [
        {"faults": 1},
        {"failing_since": "2026-01-01T00:00Z"},
        {"before_until": "2026-01-01T00:00Z"},
        {"state": "asleep"},
    ],
)
def test_the_database_refuses_an_endpoint_that_cannot_be(world: World, acme: Account, wrong: dict[str, Any]) -> None:
    made(world)
    with pytest.raises(IntegrityError), transaction.atomic():
        WebhookEndpoint.objects.update(**wrong)


def test_a_signature_is_the_specifications_own_example() -> None:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    made_headers = signing.headers(
        event_id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=1614265330, body=b'{"test": 2432232314}',
        keys=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )  # fmt: skip
    assert made_headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
