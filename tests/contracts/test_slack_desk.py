"""A Slack conversation from the customer's post to the reply that stands in the thread, and what comes back of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connections
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels import registry
from conversations.channels.slack import SLACK
from conversations.channels.slack.signature import sign
from conversations.database import database_time
from conversations.messages import outbox, outcomes, reconcile
from conversations.models import AuditEvent, Channel, ChannelHealth, Conversation, Delivery, DeliveryAttempt, Message
from conversations.setup import hooks as setup
from conversations.tenancy import tenant_context
from drafts.models import Draft
from ingestion import receive
from ingestion.knowledge.index import index_document
from ingestion.models import InboundEvent
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.contracts.vendors import SlackWorkspace
from tests.conversations.test_breaker import Time

SECRET = "the app's signing secret"
CHANNEL = {"type": "slack", "provider": "slack", "external_id": "T1", "name": "Slack, dealers"}


class Desk:
    """The account's Slack channel, and what Slack posts to it."""

    def __init__(self, world: World) -> None:
        self.world, self.account, self.events = world, world.acme, 0
        self.channel = factories.channel(
            world.acme,
            **CHANNEL,
            credentials=SlackWorkspace.TOKEN,
            incoming_credentials=SECRET,
            metadata={"people": "UCOL"},
        )
        with tenant_context(self.account.pk):
            self.token = setup.make_hook(channel_id=self.channel.pk, actor=world.dan)

    def hears(self, **event: Any) -> InboundEvent:
        """Slack posts it, and a worker reads it."""
        self.events += 1
        said = {
            "type": "event_callback", "event_id": f"Ev{self.events}", "api_app_id": "A1",
            "authorizations": [{"user_id": "UBOT", "is_bot": True}],
            "event": {
                "type": "message", "channel": "C0DEALERS", "user": "UCUST", "ts": f"{1795990000 + self.events}.000100", **event,
            },
        }  # fmt: skip
        body, moment = json.dumps(said).encode(), str(int(database_time.now().timestamp()))
        headers = {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": sign(SECRET, moment, body)}
        answer = Client().post(f"/hooks/{self.token}/", body, content_type="application/json", headers=headers)
        assert answer.status_code == 200
        with tenant_context(self.account.pk):
            newest = InboundEvent.objects.order_by("-id").first()
        assert newest is not None
        return receive.read_event(account_id=self.account.pk, event_id=newest.pk).event

    def messages(self) -> list[tuple[str, str]]:
        with tenant_context(self.account.pk):
            return list(Message.objects.shown().order_by("conversation", "seq").values_list("direction", "body_text"))


def fields(page: bytes) -> dict[str, str]:
    form = BeautifulSoup(page, "html.parser").select_one("#decide")
    found = form.find_all("input", type="hidden", recursive=False)  # type: ignore[union-attr]
    return {field["name"]: field["value"] for field in found if field["name"] != "csrfmiddlewaretoken"}


def test_from_the_customers_post_to_a_colleagues_answer_in_slack(
    committed_world: World, signed_in: Callable[..., Client], worker_turn: Callable[[], None], workspace:
    SlackWorkspace, attachments_dir: Path,
) -> None:  # fmt: skip
    world, desk = committed_world, Desk(committed_world)
    index_document(
        account_id=world.acme.pk,
        source_url="https://a.test/ptfe",
        title="PTFE",
        text="# PTFE and E85\n\nPTFE hose is safe with E85. It does not harden.",
    )
    desk.hears(text="Is PTFE hose safe with E85?", ts="1795990000.000100")
    worker_turn()
    with tenant_context(world.acme.pk):
        draft = Draft.objects.pending().get()
    world.ada.preferences = {"hold_seconds": 0}
    world.ada.save()
    client = signed_in(world.ada)
    page = client.get(f"/drafts/{draft.pk}/").content
    answer = client.post(f"/drafts/{draft.pk}/approve/", {**fields(page), "pressed_twice": "1"})
    assert answer.status_code == 303, answer.content
    worker_turn()

    # It is sent, once, into the thread.
    [posted] = workspace.posted
    assert (posted["channel"], posted["thread_ts"]) == ("C0DEALERS", "1795990000.000100")
    with tenant_context(world.acme.pk):
        delivery = Delivery.objects.get()
        assert (delivery.status, delivery.provider_id) == ("sent", f"C0DEALERS:{posted['ts']}")
        assert not Conversation.objects.get().owed
    assert posted["metadata"]["event_payload"]["delivery"] == delivery.idempotency_key
    before = desk.messages()
    assert [direction for direction, _ in before] == ["inbound", "outbound"]

    # The vendor shows it to us again: nothing new.
    desk.hears(
        user="UBOT",
        bot_id="B1",
        ts=posted["ts"],
        thread_ts=posted["thread_ts"],
        text=posted["text"],
        metadata=posted["metadata"],
    )
    desk.hears(user="UBOT", bot_id="B1", ts=posted["ts"], thread_ts=posted["thread_ts"], text=posted["text"])
    assert desk.messages() == before

    # The customer asks again, and a colleague answers in Slack itself: settled, and the draft is gone.
    desk.hears(text="And with diesel?", thread_ts="1795990000.000100", ts="1796000010.000100")
    worker_turn()
    with tenant_context(world.acme.pk):
        assert Conversation.objects.get().owed
        assert Draft.objects.pending().count() == 1
    desk.hears(user="UCOL", text="Yes, with diesel too.", thread_ts="1795990000.000100", ts="1796000020.000100")
    assert desk.messages()[-1] == ("outbound", "Yes, with diesel too.")
    with tenant_context(world.acme.pk):
        assert not Conversation.objects.get().owed
        assert not Draft.objects.pending().exists()
    assert len(workspace.posted) == 1


# --- through the outbox
# ------------------------------------------------------------------------------------------------
def approved(world: World, channel: Channel, number: int = 0) -> Delivery:
    message = factories.message(
        channel,
        f"Question {number}?",
        thread_id=f"C0DEALERS:1795990000.{number:06d}",
        external_id=f"C0DEALERS:1795990000.{number:06d}",
    )
    found = factories.approved(factories.draft(message), world.ada)
    with tenant_context(world.acme.pk):
        now = database_time.now()
        Delivery.objects.filter(pk=found.pk).update(hold_until=now, next_attempt_at=now)
    return found


def slack_channel(world: World) -> Channel:
    return factories.channel(world.acme, **CHANNEL, credentials=SlackWorkspace.TOKEN)


def test_a_lost_answer_is_looked_for_in_the_thread_and_nobody_is_asked(
    committed_world: World, workspace: SlackWorkspace
) -> None:
    world = committed_world
    delivery = approved(world, slack_channel(world))
    workspace.fault = lambda request: "drop" if request.method == "POST" else None
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk) == "uncertain"
    job = ProcrastinateJob.objects.get(task_name=outbox.LOOK_TASK)
    assert job.args["number"] in {1, "1"}
    assert reconcile.look(account_id=world.acme.pk, delivery_id=delivery.pk, number=1) == "sent"
    with tenant_context(world.acme.pk):
        delivery.refresh_from_db()
        assert delivery.provider_id == f"C0DEALERS:{workspace.posted[0]['ts']}"
        assert "stands in the thread in Slack" in delivery.receipt
        assert AuditEvent.objects.filter(kind="delivery.sent").count() == 1
    assert len(workspace.posted) == 1


def test_a_person_who_sends_it_again_does_not_double_what_stands_there(
    committed_world: World, workspace: SlackWorkspace
) -> None:
    world = committed_world
    delivery = approved(world, slack_channel(world))
    workspace.fault = lambda request: "drop" if request.method == "POST" else None
    outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk)
    workspace.fault = lambda request: None
    with tenant_context(world.acme.pk):
        outcomes.resolve(delivery_id=delivery.pk, actor=world.ada, outcome="send_again")
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk) == "sent"
    assert len(workspace.posted) == 1


def test_a_storm_of_429_asks_nobody_before_its_time_and_costs_no_try(
    world: World, acme: Any, workspace: SlackWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    time, channel = Time(monkeypatch, world.acme.pk), slack_channel(world)
    deliveries = [approved(world, channel, number) for number in range(5)]
    for one in deliveries:
        time.wake("", delivery_id=one.pk)
    workspace.fault = lambda request: (429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "120"})
    time.work()
    assert len(workspace.requests) == 1
    until = ChannelHealth.objects.get(channel=channel).paused_until
    assert until is not None
    time.goes_on(seconds=110)
    assert len(workspace.requests) == 1, "nobody asks before the time that Slack named"
    time.goes_on(seconds=20)
    assert len(workspace.requests) == 2
    assert set(DeliveryAttempt.objects.values_list("outcome", flat=True)) == {"channel"}
    assert {outbox._tries(one) for one in Delivery.objects.all()} == {0}
    workspace.fault = lambda request: None
    time.goes_on(seconds=200)
    assert workspace.marks() == {one.idempotency_key: 1 for one in Delivery.objects.all()}
    assert set(Delivery.objects.values_list("status", flat=True)) == {"sent"}


def test_replies_go_at_the_pace_that_slack_takes(
    world: World, acme: Any, workspace: SlackWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    time, channel = Time(monkeypatch, world.acme.pk), slack_channel(world)
    # A clock that stands still but for what the test moves.
    stands = database_time.now()
    monkeypatch.setattr(database_time, "now", lambda: stands + time.later)
    for number in range(10):
        time.wake("", delivery_id=approved(world, channel, number).pk)
    time.work()
    assert len(workspace.posted) == 3, "the burst"
    for second in range(1, 5):
        time.later += timedelta(seconds=1)
        for one in Delivery.objects.exclude(status="sent"):
            outbox.deliver(account_id=world.acme.pk, delivery_id=one.pk)
        assert len(workspace.posted) == 3 + second
    # Whoever was turned away comes again by itself, about when it is its turn.
    time.later += timedelta(seconds=20)
    time.work()
    assert len(workspace.posted) == 10 or ChannelHealth.objects.get(channel=channel).pace_left == 0
    time.later += timedelta(seconds=20)
    time.work()
    assert len(workspace.posted) == 10
    assert DeliveryAttempt.objects.count() == 10


def test_workers_at_once_share_one_pace(
    committed_world: World, workspace: SlackWorkspace, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = replace(SLACK, limits=replace(SLACK.limits, per_second=0.001, burst=3))
    monkeypatch.setattr(registry, "PROVIDERS", (slow, *(one for one in registry.PROVIDERS if one is not SLACK)))
    settings.CHANNEL_PARALLEL = 10
    world = committed_world
    channel = slack_channel(world)
    waiting = [approved(world, channel, number) for number in range(8)]

    def deliver(delivery: Delivery) -> str:
        try:
            return outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(deliver, waiting))
    assert found.count("sent") == 3
    assert len(workspace.posted) == 3
    with tenant_context(world.acme.pk):
        assert DeliveryAttempt.objects.count() == 3, "whoever was turned away has lost no try"


def test_a_channel_without_a_token_keeps_its_replies(world: World, acme: Any, workspace: SlackWorkspace) -> None:
    channel = slack_channel(world)
    delivery = approved(world, channel)
    Channel.objects.filter(pk=channel.pk).update(credentials="")
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk) == "queued"
    assert "No bot token is entered" in ChannelHealth.objects.get(channel=channel).problem
    assert not workspace.requests


# --- the page of the channel
# -------------------------------------------------------------------------------------------
ADD = "/admin/conversations/channel/add/"


def entries(**changes: str) -> dict[str, str]:
    return {
        "provider": "slack", "external_id": "T1", "name": "Dealers", "credentials": SlackWorkspace.TOKEN,
        "rooms": "C0DEALERS", "incoming_credentials": SECRET, "sender_per_hour": "30", "mails_per_hour": "600", **changes,
    }  # fmt: skip


def test_an_admin_checks_switches_on_and_sends_a_test_in_the_browser(
    world: World, signed_in: Any, workspace: SlackWorkspace
) -> None:
    client = signed_in(world.dan)
    answer = client.post(ADD, entries(is_active="on"))
    assert answer.status_code == 303, answer.content
    page = client.get(answer["Location"]).content.decode()
    assert "Token accepted" in page
    assert SlackWorkspace.TOKEN not in page
    with tenant_context(world.acme.pk):
        channel = Channel.objects.get(provider="slack")
        assert (channel.is_active, channel.credentials) == (True, SlackWorkspace.TOKEN)
    test = f"/admin/channels/{channel.pk}/test/"
    assert client.post(test, {"to": "C0DEALERS"}).status_code == 303
    assert "This is a test." in workspace.posted[0]["text"]
    with tenant_context(world.acme.pk):
        channel.refresh_from_db()
        assert channel.tested_to == "C0DEALERS"
        assert AuditEvent.objects.filter(kind="channel.tested").count() == 1
    for elsewhere in ("C0OTHER", "", "dan@acme.test"):
        with tenant_context(world.acme.pk), assert_nothing_written():
            assert client.post(test, {"to": elsewhere}).status_code == 422
    assert len(workspace.posted) == 1


def test_without_a_token_or_with_a_wrong_one_it_is_not_switched_on(
    world: World, signed_in: Any, workspace: SlackWorkspace
) -> None:
    client = signed_in(world.dan)
    missing = client.post(ADD, entries(is_active="on", credentials=""))
    assert missing.status_code == 422
    wrong = client.post(ADD, entries(is_active="on", credentials="xoxb-wrong"))
    assert wrong.status_code == 422
    assert "Token not accepted" in wrong.content.decode()
    with tenant_context(world.acme.pk):
        assert not Channel.objects.filter(provider="slack").exists()
