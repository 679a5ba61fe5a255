"""What vendors post: proved, stored once, read by a worker. With the toy's channel, as any other would be."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels import registry
from conversations.channels.base import HookRequest, Verified
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.messages import outbox
from conversations.models import (
    AuditEvent,
    Channel,
    ChannelHealth,
    ChannelHook,
    Conversation,
    Delivery,
    Message,
    Notification,
    User,
)
from conversations.setup import hooks as setup
from conversations.setup.channels import save_channel
from conversations.tenancy import tenant_context
from drafts import retention
from drafts.models import Draft
from ingestion import happened, keys, receive
from ingestion.models import InboundEvent, InboundKey
from tests import factories, toy
from tests.asserts import assert_nothing_written, assert_nothing_written_in
from tests.conftest import World

SECRET = "the toy signs with this"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "PROVIDERS", (*registry.PROVIDERS, toy.TOY))
    monkeypatch.setattr(toy, "SENT", [])
    yield


class Vendor:
    """The toy's vendor, who knows the address and the secret of one channel."""

    def __init__(self, world: World, **changes: Any) -> None:
        self.world, self.account = world, world.acme
        self.channel = factories.channel(
            world.acme, type="chat", provider="toy", external_id="toy-1", name="Toy box", credentials="sesame",
            incoming_credentials=SECRET, **changes,
        )  # fmt: skip
        with tenant_context(self.account.pk):
            self.token = setup.make_hook(channel_id=self.channel.pk, actor=world.dan)
        self.events = 0

    def body(self, text: str | None = "Hello", **changes: Any) -> bytes:
        self.events += 1
        data = {
            "event": f"e-{self.events}", "type": "message", "id": "m-1", "thread": "t-7", "from": "kid-1", "name": "Robin",
            "text": text, **changes,
        }  # fmt: skip
        return json.dumps(data).encode()

    def post(self, body: bytes, *, secret: str = SECRET, token: str = "", ago: int = 0) -> Any:
        headers = toy.signed(body, secret, database_time.now() - timedelta(seconds=ago))
        url = f"/hooks/{token or self.token}/"
        return Client().post(url, body, content_type="application/json", headers=headers)

    def says(self, text: str | None = "Hello", **changes: Any) -> InboundEvent:
        """Posted, stored and read."""
        assert self.post(self.body(text, **changes)).status_code == 200
        return self.read()

    def read(self) -> InboundEvent:
        with tenant_context(self.account.pk):
            newest = InboundEvent.objects.order_by("-id").first()
        assert newest is not None
        return receive.read_event(account_id=self.account.pk, event_id=newest.pk).event

    def messages(self) -> list[tuple[str, str]]:
        with tenant_context(self.account.pk):
            return list(Message.objects.order_by("conversation", "seq").values_list("direction", "body_text"))


@pytest.fixture
def vendor(committed_world: World, attachments_dir: Any) -> Vendor:
    return Vendor(committed_world)


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


# --- whose address and secret it is ------------------------------------------------------------------------------------------
def test_the_address_before_stands_for_two_days_and_one_before_that_is_gone(vendor: Vendor) -> None:
    first = vendor.token
    with tenant_context(vendor.account.pk):
        second = setup.make_hook(channel_id=vendor.channel.pk, actor=vendor.world.dan)
        assert [vendor.post(vendor.body(), token=one).status_code for one in (first, second)] == [200, 200]
        third = setup.make_hook(channel_id=vendor.channel.pk, actor=vendor.world.dan)
        said = AuditEvent.objects.filter(kind="channel.hook_made")
        assert {(event.actor_name, tuple(event.data)) for event in said} == {("Dan", ("name",))}
        assert ChannelHook.objects.count() == 2
    assert [vendor.post(vendor.body(), token=one).status_code for one in (first, second, third)] == [401, 200, 200]
    with tenant_context(vendor.account.pk):
        ChannelHook.objects.filter(expires_at__isnull=False).update(expires_at=database_time.now())
    assert [vendor.post(vendor.body(), token=one).status_code for one in (second, third)] == [401, 200]


def test_the_secret_before_stands_too_until_somebody_ends_it(vendor: Vendor) -> None:
    with tenant_context(vendor.account.pk):
        channel = Channel.objects.get(pk=vendor.channel.pk)
        channel.incoming_credentials = "new"
        save_channel(channel=channel, actor=vendor.world.dan, changed=["incoming_credentials"])
    secrets = (SECRET, "new", "guessed")
    assert [vendor.post(vendor.body(), secret=one).status_code for one in secrets] == [200, 200, 401]
    with tenant_context(vendor.account.pk):
        setup.end_old(channel_id=vendor.channel.pk, actor=vendor.world.dan)
        assert AuditEvent.objects.filter(kind="channel.hook_refused").count() == 1
    assert [vendor.post(vendor.body(), secret=one).status_code for one in secrets] == [401, 200, 401]
    with tenant_context(vendor.account.pk), assert_nothing_written(), pytest.raises(Conflict):
        setup.end_old(channel_id=vendor.channel.pk, actor=vendor.world.dan)


def test_only_an_admin_of_the_account_makes_an_address_and_only_where_something_is_posted(vendor: Vendor) -> None:
    world = vendor.world
    with tenant_context(vendor.account.pk):
        for verb in (setup.make_hook, setup.end_old):
            for actor in (world.ada, world.bo, world.cy):
                with assert_nothing_written(), pytest.raises(PermissionDenied):
                    verb(channel_id=vendor.channel.pk, actor=actor)
        with assert_nothing_written(), pytest.raises(Conflict):
            setup.make_hook(channel_id=world.mail.pk, actor=world.dan)
    with tenant_context(world.globex.pk), pytest.raises(Channel.DoesNotExist):
        setup.make_hook(channel_id=vendor.channel.pk, actor=world.eve)


def test_the_page_shows_an_address_once_and_that_posts_are_refused(vendor: Vendor, signed_in: Any) -> None:
    page = f"/admin/conversations/channel/{vendor.channel.pk}/change/"
    act = f"/admin/channels/{vendor.channel.pk}/address/"
    dan = signed_in(vendor.world.dan)
    shown = dan.post(act, {"do": "make"})
    assert (shown.status_code, "no-store" in shown["Cache-Control"]) == (200, True)
    found = re.search(r"https?://[^/\"]+/hooks/([\w-]{43})/", shown.content.decode())
    assert found and vendor.post(vendor.body(), token=found[1]).status_code == 200
    again = dan.get(page).content.decode()
    assert found[1] not in again and SECRET not in again and "An old address or secret is good until" in again
    vendor.post(vendor.body(), secret="guessed")
    assert "Enter the toy&#x27;s signing secret" in " ".join(dan.get(page).content.decode().split())
    assert "Refuses what is posted" in dan.get("/admin/channels/").content.decode()
    assert dan.post(act, {"do": "end"}).status_code == 303
    others = [signed_in(getattr(vendor.world, name)) for name in ("ada", "bo", "cy")]
    with assert_nothing_written_in(vendor.account):
        assert dan.post(act, {"do": "end"}).status_code == 409
        assert dan.post(f"/admin/channels/{vendor.world.mail.pk}/address/", {"do": "make"}).status_code == 409
        assert dan.post(f"/admin/channels/{vendor.world.other_mail.pk}/address/", {"do": "make"}).status_code == 404
        for refused in [one.post(act, {"do": "make"}) for one in others]:
            assert refused.status_code in {302, 403}  # the administration's own door


def test_a_verifier_that_breaks_refuses(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(request: HookRequest, secrets: Any) -> Verified:
        raise ZeroDivisionError

    monkeypatch.setattr(registry, "PROVIDERS", (*registry.PROVIDERS[:-1], _with(verify=breaks)))
    assert vendor.post(vendor.body()).status_code == 401


def _with(**changes: Any) -> Any:
    from dataclasses import replace

    assert toy.TOY.hooks
    return replace(toy.TOY, hooks=replace(toy.TOY.hooks, **changes))


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


# --- what we sent, and what a colleague did ------------------------------------------------------------------------------------
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


def test_nobody_sees_or_names_what_was_posted_to_others(vendor: Vendor) -> None:
    vendor.says()
    eve: User = vendor.world.eve
    with tenant_context(vendor.world.globex.pk, person=eve.pk):
        assert not InboundKey.objects.exists() and not ChannelHook.objects.exists()
