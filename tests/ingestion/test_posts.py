"""What vendors post: proved, stored once, read by a worker. With the toy's channel, as any other would be."""

from __future__ import annotations

import json
import statistics
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels import registry
from conversations.database import database_time
from conversations.models import (
    AuditEvent,
    Channel,
    ChannelHealth,
    ChannelHook,
    Conversation,
    Message,
    User,
)
from conversations.setup import hooks as setup
from conversations.tenancy import tenant_context
from drafts import retention
from ingestion import happened, keys, receive
from ingestion.models import InboundEvent, InboundKey
from tests import factories, toy
from tests.asserts import assert_nothing_written_in
from tests.ingestion.toy_vendor import SECRET, Vendor

pytestmark = pytest.mark.usefixtures("toys")


# --- the address -----------------------------------------------------------------------------------------------------------
def test_a_post_is_stored_and_its_reading_asked_for_and_then_it_is_a_message(vendor: Vendor) -> None:
    body = vendor.body("Is PTFE hose safe?")
    answer = vendor.post(body)
    assert (answer.status_code, answer.content) == (200, b"")
    with tenant_context(vendor.account.pk):
        event, key = InboundEvent.objects.get(), InboundKey.objects.get()
        assert (event.status, event.signature, bytes(event.payload or b"")) == ("received", "valid", body)
        assert (key.kind, key.message, event.external_id) == ("event", None, f"hook:{key.digest}")
        assert "e-1" not in event.external_id
    job = ProcrastinateJob.objects.get(task_name="ingestion.read_event")
    assert job.args == {"account_id": str(vendor.account.pk), "event_id": str(event.pk)}
    found = receive.read_event(account_id=vendor.account.pk, event_id=event.pk)
    assert (found.event.status, found.is_new, found.event.sender) == ("processed", True, "kid-1")
    with tenant_context(vendor.account.pk):
        message = Message.objects.get()
        assert (message.body_text, message.external_id) == ("Is PTFE hose safe?", "m-1")
        assert message.conversation.external_id == "t-7"
        assert InboundKey.objects.get(kind="message").message == message
        assert InboundEvent.objects.get().message == message


def test_the_same_key_again_is_answered_and_stores_nothing(vendor: Vendor) -> None:
    body = vendor.body()
    vendor.post(body)
    for again in (body, body.replace(b"Hello", b"Other")):
        with assert_nothing_written_in(vendor.account):
            assert vendor.post(again).status_code == 200


def test_an_unknown_address_and_a_wrong_signature_are_the_same_to_whoever_asks(vendor: Vendor) -> None:
    body = vendor.body()
    wrong, unknown = vendor.post(body, secret="guessed"), vendor.post(body, token="A" * 43)
    old = vendor.post(body, ago=301)
    bare = Client().post(f"/hooks/{vendor.token}/", body, content_type="application/json")
    assert {one.status_code for one in (wrong, unknown, old, bare)} == {401}
    assert len({one.content for one in (wrong, unknown, old, bare)}) == 1
    assert {key: wrong[key] for key in wrong.headers} == {key: unknown[key] for key in unknown.headers}
    with tenant_context(vendor.account.pk):
        assert not InboundEvent.objects.exists() and not InboundKey.objects.exists()
        assert ChannelHealth.objects.get().hook_refused_at is not None
    vendor.post(body)
    with tenant_context(vendor.account.pk):
        assert ChannelHealth.objects.get().hook_refused_at is None


def test_both_refusals_take_the_same_time(vendor: Vendor) -> None:
    body, took = vendor.body(), {"wrong": [], "unknown": []}
    for _ in range(60):
        for name, how in (("wrong", {"secret": "guessed"}), ("unknown", {"token": "A" * 43})):
            began = time.perf_counter()
            vendor.post(body, **how)
            took[name].append(time.perf_counter() - began)
    wrong, unknown = (statistics.median(one[10:]) for one in took.values())
    assert abs(wrong - unknown) < 0.35 * max(wrong, unknown), (wrong, unknown)


def test_a_challenge_is_answered_and_stores_nothing(vendor: Vendor) -> None:
    body = vendor.body(None, type="challenge", challenge="say this")
    with assert_nothing_written_in(vendor.account):
        answer = vendor.post(body)
    assert (answer.status_code, answer.content) == (200, b"say this")
    assert vendor.post(body, secret="guessed").status_code == 401


def test_what_a_vendor_punishes_is_never_answered(vendor: Vendor) -> None:
    """410 removes a subscription, 429 drops what was said."""
    url, junk = f"/hooks/{vendor.token}/", [b"", b"{", b"\xff\x00", b"[]", b"null", b'{"event": 1}', b"x" * 5000]
    seen = set()
    for raw in junk:
        for headers in ({}, {"Toy-Time": "x", "Toy-Signature": "é"}, toy.signed(raw, SECRET, database_time.now())):
            seen.add(Client().post(url, raw, content_type="text/plain", headers=headers).status_code)
    for method in ("get", "head", "put", "delete", "options"):
        seen.add(getattr(Client(), method)(url).status_code)
    seen.add(Client().get("/hooks/nobody/").status_code)
    assert seen <= {200, 401, 405}, seen


def test_what_is_larger_than_its_posts_can_be_is_not_read(vendor: Vendor) -> None:
    with assert_nothing_written_in(vendor.account):
        assert vendor.post(vendor.body("x" * (1 << 20))).status_code == 413


def test_a_channel_that_is_off_answers_and_keeps_no_words(vendor: Vendor) -> None:
    with tenant_context(vendor.account.pk):
        Channel.objects.filter(pk=vendor.channel.pk).update(is_active=False)
    assert vendor.post(vendor.body()).status_code == 200
    with tenant_context(vendor.account.pk):
        event = InboundEvent.objects.get()
        assert (event.status, event.payload, event.detail) == ("ignored", None, "The channel is switched off.")
    assert not ProcrastinateJob.objects.filter(task_name="ingestion.read_event").exists()


def test_an_account_that_is_off_has_no_address(vendor: Vendor) -> None:
    with tenant_context(vendor.account.pk):
        type(vendor.account).objects.filter(pk=vendor.account.pk).update(is_active=False)
    assert vendor.post(vendor.body()).status_code == 401


def test_a_browser_that_is_signed_in_may_post_it_too(vendor: Vendor, signed_in: Any) -> None:
    """Its request has a transaction of its own already, in another account."""
    body = vendor.body()
    headers = toy.signed(body, SECRET, database_time.now())
    answer = signed_in(vendor.world.eve).post(
        f"/hooks/{vendor.token}/", body, content_type="application/json", headers=headers
    )
    assert answer.status_code == 200
    with tenant_context(vendor.account.pk):
        assert InboundEvent.objects.count() == 1


def test_while_the_database_is_away_it_is_503_and_nothing_else(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    body = vendor.body()
    db = connections["default"]
    db.close()
    monkeypatch.setitem(db.settings_dict, "PORT", "1")
    answer = vendor.post(body)
    assert answer.status_code == 503
    db.close()
    monkeypatch.undo()
    registry.PROVIDERS = (*registry.PROVIDERS, toy.TOY)
    try:
        assert vendor.post(body).status_code == 200
    finally:
        registry.PROVIDERS = registry.PROVIDERS[:-1]


# --- what happened -----------------------------------------------------------------------------------------------------------
def test_one_message_under_eleven_event_ids_is_one_message(vendor: Vendor) -> None:
    read = [vendor.says() for _ in range(11)]
    assert vendor.messages() == [("inbound", "Hello")]
    assert [event.status for event in read] == ["processed", *["ignored"] * 10]


def test_several_things_in_one_post_are_all_taken_in(vendor: Vendor) -> None:
    one, two = (json.loads(vendor.body(f"Hello {n}", id=f"m-{n}", thread=f"t-{n}")) for n in range(2))
    vendor.says(None, all=[one, two, one])
    assert vendor.messages() == [("inbound", "Hello 0"), ("inbound", "Hello 1")]


def test_what_it_cannot_read_waits_for_a_person_and_the_next_is_read(vendor: Vendor) -> None:
    failed = vendor.says(type="no such type")
    assert (failed.status, failed.tries) == ("failed", 1)
    assert vendor.says(id="m-2").status == "processed"


def test_an_edit_is_a_message_of_its_own_and_says_so(vendor: Vendor) -> None:
    vendor.says("Two hoses")
    assert vendor.says("Two hoses", type="edited").status == "ignored"
    for _ in range(2):
        vendor.says("Three hoses", type="edited")
    assert vendor.messages() == [("inbound", "Two hoses"), ("inbound", "Three hoses")]
    with tenant_context(vendor.account.pk):
        assert Message.objects.get(seq=2).details.problems == [happened.CHANGED]
        assert Conversation.objects.count() == 1


def test_an_edit_before_its_message_is_the_message(vendor: Vendor) -> None:
    vendor.says("Three hoses", type="edited")
    assert vendor.says("Two hoses").status == "ignored"
    assert vendor.messages() == [("inbound", "Three hoses")]


def test_what_was_deleted_there_says_so_and_stays(vendor: Vendor) -> None:
    vendor.says("Never mind")
    for _ in range(2):
        vendor.says(None, type="deleted")
    assert vendor.messages() == [("inbound", "Never mind")]
    with tenant_context(vendor.account.pk):
        assert Message.objects.get().details.problems == [happened.DELETED]
        said = AuditEvent.objects.get(kind="message.deleted_there")
        assert (said.actor_name, said.data) == ("Customer", {"seq": 1})


def test_what_was_deleted_before_it_came_never_comes(vendor: Vendor) -> None:
    vendor.says(None, type="deleted")
    for kind in ("message", "edited"):
        assert vendor.says("Never mind", type=kind).status == "ignored"
    assert vendor.messages() == []


@pytest.mark.parametrize("purge", [True, False])
def test_a_message_that_was_erased_is_not_taken_in_again(vendor: Vendor, purge: bool) -> None:
    vendor.says("Ring me at 555")
    with tenant_context(vendor.account.pk):
        days = {"purge_after_days": 1} if purge else {"archive_bodies_after_days": 1}
        type(vendor.account).objects.filter(pk=vendor.account.pk).update(**days)
        at = database_time.now() - timedelta(days=2)
        Conversation.objects.update(
            status="closed", owed="", due_at=None, completed_at=at, snoozed_until=None, outcome="other"
        )
    retention.apply(account_id=vendor.account.pk, dry_run=False)
    before = vendor.messages()
    assert "555" not in str(before)
    for kind in ("message", "edited"):
        vendor.says("Ring me at 555", type=kind)
    assert vendor.messages() == before
    with tenant_context(vendor.account.pk):
        assert Conversation.objects.count() == 1


def test_keys_of_events_end_and_those_of_messages_do_not(vendor: Vendor) -> None:
    vendor.says()
    with tenant_context(vendor.account.pk):
        InboundKey.objects.update(created_at=database_time.now() - timedelta(days=401))
    assert keys.forget(vendor.account.pk) == 1
    vendor.says()
    assert vendor.messages() == [("inbound", "Hello")]


def test_what_is_over_a_limit_waits_and_comes_in_when_it_is_let_in(vendor: Vendor) -> None:
    with tenant_context(vendor.account.pk):
        Channel.objects.filter(pk=vendor.channel.pk).update(metadata={"sender_per_hour": 1})
    vendor.says()
    held = vendor.says("Again", id="m-2")
    assert held.status == "quarantined"
    with tenant_context(vendor.account.pk):
        assert InboundKey.objects.filter(kind="message").count() == 1
        InboundEvent.objects.filter(pk=held.pk).update(status="received", is_released=True, tries=0)
    assert vendor.read().status == "processed"
    assert vendor.messages() == [("inbound", "Hello"), ("inbound", "Again")]


def test_a_key_is_a_channels_own(vendor: Vendor) -> None:
    other = factories.channel(
        vendor.account, type="chat", provider="toy", external_id="toy-2", name="Box 2", incoming_credentials=SECRET
    )
    with tenant_context(vendor.account.pk):
        token = setup.make_hook(channel_id=other.pk, actor=vendor.world.dan)
    body = vendor.body()
    for one in (vendor.token, token):
        assert vendor.post(body, token=one).status_code == 200
        vendor.read()
    assert vendor.messages() == [("inbound", "Hello")] * 2


def test_nobody_sees_or_names_what_was_posted_to_others(vendor: Vendor) -> None:
    vendor.says()
    eve: User = vendor.world.eve
    with tenant_context(vendor.world.globex.pk, person=eve.pk):
        assert not InboundKey.objects.exists() and not ChannelHook.objects.exists()
