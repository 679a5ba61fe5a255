"""An Intercom conversation from the customer's first words to the reply that stands there, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from conversations.channels.intercom.sending import as_html
from conversations.channels.intercom.signature import sign
from conversations.database import database_time
from conversations.errors import Invalid
from conversations.messages import outbox, reconcile
from conversations.models import Channel, ChannelHealth, Conversation, Delivery, DeliveryAttempt, Message
from conversations.setup import hooks as setup
from conversations.tenancy import tenant_context
from drafts.models import Draft
from ingestion import receive
from ingestion.knowledge.index import index_document
from ingestion.models import InboundEvent
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.contracts.test_slack_desk import fields
from tests.contracts.vendors import IntercomInbox
from tests.conversations.test_breaker import Time

SECRET = "the app's client secret"
CHANNEL = {"type": "chat", "provider": "intercom", "external_id": "abc123", "name": "Site chat"}
SETTINGS = {"admin_id": IntercomInbox.ADMIN}


class Desk:
    """The account's Intercom channel, and what Intercom posts to it."""

    def __init__(self, world: World) -> None:
        self.world, self.account, self.events = world, world.acme, 0
        self.channel = factories.channel(
            world.acme, **CHANNEL, metadata=SETTINGS, credentials=IntercomInbox.TOKEN, incoming_credentials=SECRET
        )
        with tenant_context(self.account.pk):
            self.token = setup.make_hook(channel_id=self.channel.pk, actor=world.dan)

    def hears(self, topic: str, *parts: dict[str, Any], number: str = "900") -> InboundEvent:
        """Intercom posts it, and a worker reads it."""
        self.events += 1
        author = {"type": "user", "id": "c1", "name": "Robin"}
        item = {
            "type": "conversation", "id": number, "created_at": 1_795_990_000, "contacts": {"contacts": [{"id": "c1"}]},
            "source": {"id": "77", "body": "<p>Is PTFE hose safe with E85?</p>", "author": author},
            "conversation_parts": {"conversation_parts": list(parts)},
        }  # fmt: skip
        said = {"type": "notification_event", "topic": topic, "id": f"notif_{self.events}", "data": {"item": item}}
        body = json.dumps(said).encode()
        headers = {"X-Hub-Signature": sign(SECRET, body)}
        answer = Client().post(f"/hooks/{self.token}/", body, content_type="application/json", headers=headers)
        assert answer.status_code == 200
        with tenant_context(self.account.pk):
            newest = InboundEvent.objects.order_by("-id").first()
        assert newest is not None
        return receive.read_event(account_id=self.account.pk, event_id=newest.pk).event

    def messages(self) -> list[tuple[str, str]]:
        with tenant_context(self.account.pk):
            return list(Message.objects.shown().order_by("conversation", "seq").values_list("direction", "body_text"))


def test_from_the_customers_post_to_a_colleagues_answer_in_intercom(
    committed_world: World,
    signed_in: Callable[..., Client],
    worker_turn: Callable[[], None],
    inbox: IntercomInbox,
    attachments_dir: Path,
) -> None:
    world, desk = committed_world, Desk(committed_world)
    index_document(
        account_id=world.acme.pk,
        source_url="https://a.test/ptfe",
        title="PTFE",
        text="# PTFE and E85\n\nPTFE hose is safe with E85. It does not harden.",
    )
    desk.hears("conversation.user.created")
    worker_turn()
    with tenant_context(world.acme.pk):
        draft = Draft.objects.pending().get()
    assert "PTFE hose is safe with E85." in draft.suggested_text
    assert "Hello" not in draft.suggested_text and world.acme.name not in draft.suggested_text, "as in a chat"
    world.ada.preferences = {"hold_seconds": 0}
    world.ada.save()
    client = signed_in(world.ada)
    page = client.get(f"/drafts/{draft.pk}/").content
    answer = client.post(f"/drafts/{draft.pk}/approve/", {**fields(page), "pressed_twice": "1"})
    assert answer.status_code == 303, answer.content
    worker_turn()

    # It is given, once, in the conversation.
    [given] = inbox.parts["900"]
    assert given["body"] == as_html(draft.suggested_text)
    with tenant_context(world.acme.pk):
        delivery = Delivery.objects.get()
        assert (delivery.status, delivery.provider_id) == ("sent", f"900:{given['id']}")
        assert not Conversation.objects.get().owed
    before = desk.messages()
    assert [direction for direction, _ in before] == ["inbound", "outbound"]

    # Intercom shows it to us again, also as an assignment of the same part: nothing new.
    desk.hears("conversation.admin.replied", given)
    desk.hears("conversation.admin.assigned", given)
    assert desk.messages() == before

    # The customer asks again; a note is nobody's answer, and a colleague's is.
    customer = {"type": "user", "id": "c1", "name": "Robin"}
    desk.hears("conversation.user.replied", inbox.put("900", "<p>And with diesel?</p>", author=customer))
    worker_turn()
    with tenant_context(world.acme.pk):
        assert Conversation.objects.get().owed
        assert Draft.objects.pending().count() == 1
    colleague = {"type": "admin", "id": "1", "name": "Cordelia"}
    desk.hears("conversation.admin.replied", inbox.put("900", "<p>Who knows?</p>", author=colleague, part_type="note"))
    assert desk.messages()[-1] == ("inbound", "And with diesel?")
    desk.hears("conversation.admin.replied", inbox.put("900", "<p>Yes, with diesel too.</p>", author=colleague))
    assert desk.messages()[-1] == ("outbound", "Yes, with diesel too.")
    with tenant_context(world.acme.pk):
        assert not Conversation.objects.get().owed
        assert not Draft.objects.pending().exists()
    assert sum(request.method == "POST" for request in inbox.requests) == 1


# --- through the outbox ----------------------------------------------------------------------------------------------
def approved(world: World, channel: Channel, text: str = "It holds.", number: str = "900") -> Delivery:
    with tenant_context(world.acme.pk):
        count = Message.objects.count()
    message = factories.message(channel, f"Question {count}?", thread_id=number, external_id=f"{number}:q{count}")
    found = factories.approved(factories.draft(message, text, statements=[]), world.ada)
    with tenant_context(world.acme.pk):
        now = database_time.now()
        Delivery.objects.filter(pk=found.pk).update(hold_until=now, next_attempt_at=now)
    return found


def intercom_channel(world: World) -> Channel:
    return factories.channel(world.acme, **CHANNEL, metadata=SETTINGS, credentials=IntercomInbox.TOKEN)


def test_a_lost_answer_is_looked_for_and_an_earlier_reply_with_the_same_words_is_not_it(
    committed_world: World, inbox: IntercomInbox
) -> None:
    world = committed_world
    channel = intercom_channel(world)
    first = approved(world, channel)
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=first.pk) == "sent"
    second = approved(world, channel)
    inbox.fault = lambda request: "reset" if request.method == "POST" else None
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=second.pk) == "uncertain"
    look = {"account_id": world.acme.pk, "delivery_id": second.pk}
    assert reconcile.look(**look, number=1) == "uncertain", "what stands there is the first one's"
    inbox.put("900", as_html("It holds."))
    assert reconcile.look(**look, number=2) == "sent"
    with tenant_context(world.acme.pk):
        second.refresh_from_db()
    assert second.provider_id == f"900:{inbox.parts['900'][1]['id']}"


def test_a_storm_of_429_asks_nobody_before_its_time_and_costs_no_try(
    world: World, acme: Any, inbox: IntercomInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    time, channel = Time(monkeypatch, world.acme.pk), intercom_channel(world)
    for number in range(3):
        inbox.parts[f"90{number}"] = []
        time.wake("", delivery_id=approved(world, channel, f"Answer {number}.", number=f"90{number}").pk)
    reset = int(database_time.now().timestamp()) + 120
    inbox.fault = lambda request: (429, {}, {"X-RateLimit-Reset": str(reset)})
    time.work()
    assert len(inbox.requests) == 1
    time.goes_on(seconds=100)
    assert len(inbox.requests) == 1, "nobody asks before the time that Intercom named"
    time.goes_on(seconds=30)
    assert len(inbox.requests) == 2
    assert set(DeliveryAttempt.objects.values_list("outcome", flat=True)) == {"channel"}
    inbox.fault = lambda request: None
    time.goes_on(seconds=200)
    assert inbox.said() == {as_html(f"Answer {number}."): 1 for number in range(3)}


# --- the page of the channel -----------------------------------------------------------------------------------------
ADD = "/admin/conversations/channel/add/"


def entries(**changes: str) -> dict[str, str]:
    return {
        "provider": "intercom", "external_id": "abc123", "name": "Site chat", "credentials": IntercomInbox.TOKEN,
        "incoming_credentials": SECRET, "region": "us", "admin_id": IntercomInbox.ADMIN, "sender_per_hour": "30",
        "mails_per_hour": "600", **changes,
    }  # fmt: skip


def test_an_admin_checks_and_switches_on_in_the_browser(world: World, signed_in: Any, inbox: IntercomInbox) -> None:
    client = signed_in(world.dan)
    for wrong in (
        {"admin_id": ""},
        {"credentials": ""},
        {"credentials": "wrong"},
        {"admin_id": "99"},
        {"region": "mars"},
    ):
        assert client.post(ADD, entries(is_active="on", **wrong)).status_code == 422, wrong
    with tenant_context(world.acme.pk):
        assert not Channel.objects.filter(provider="intercom").exists()
    answer = client.post(ADD, entries(is_active="on"))
    assert answer.status_code == 303, answer.content
    page = client.get(answer["Location"]).content.decode()
    assert "Replies appear as" in page and IntercomInbox.TOKEN not in page
    with tenant_context(world.acme.pk):
        channel = Channel.objects.get(provider="intercom")
        assert (channel.is_active, channel.metadata["admin_id"]) == (True, IntercomInbox.ADMIN)
    assert client.post(f"/admin/channels/{channel.pk}/test/", {"to": "dan@acme.test"}).status_code == 422
    assert not inbox.parts["900"]


def test_a_channel_whose_entries_are_missing_says_so_before_anybody_decides(world: World, acme: Any) -> None:
    channel = factories.channel(world.acme, **CHANNEL)
    draft = factories.draft(factories.message(channel, thread_id="900"))
    with assert_nothing_written(), pytest.raises(Invalid, match="cannot send yet"):
        factories.approved(draft, world.ada)
    assert not ChannelHealth.objects.filter(channel=channel, faults__gt=0).exists()
