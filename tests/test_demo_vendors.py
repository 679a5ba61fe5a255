"""The demo's stand-ins of vendors: what is said there comes to the desk, what the desk answers stands there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from bs4 import BeautifulSoup

from config.demo.vendors.server import serve
from config.demo.vendors.stand_in import StandIn
from config.demo.vendors.talks import KINDS, stand_ins
from conversations.channels.base import Outbound, Party
from conversations.channels.zoho import keys
from conversations.messages import access, outbox, outgoing
from conversations.models import Channel, Conversation, Message
from conversations.tenancy import tenant_context
from drafts.demo.seeding import CHANNELS
from drafts.desk import decisions
from ingestion import mailboxes, receive
from ingestion.models import InboundEvent, Mailbox
from tests import factories
from tests.conftest import World
from tests.servers import in_background

OURS = [one for one in CHANNELS if one["provider"] in KINDS]


class Demo:
    """The stand-ins of the account's channels, served, with the desk that they post to."""

    def __init__(self, world: World, desk: str, settings: Any) -> None:
        self.world, self.account = world, world.acme
        self.vendors: list[StandIn] = stand_ins(world.acme.pk, desk=desk)
        self.http = serve(0, self.vendors, desk=desk)
        in_background(self.http)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        settings.VENDOR_OVERRIDE = f"127.0.0.1:{self.http.server_port}"
        self.poll()  # what is there from now on is new

    def get(self, path: str) -> BeautifulSoup:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return BeautifulSoup(answer.read(), "html.parser")

    def post(self, path: str, headers: dict[str, str] | None = None, **given: str) -> str:
        """Where it leads to."""
        asked = urllib.request.Request(self.url + path, urllib.parse.urlencode(given).encode(), headers or {})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return urllib.parse.urlsplit(answer.url).path

    def poll(self) -> None:
        mailboxes.ask_for_rounds(account_id=self.account.pk)
        with tenant_context(self.account.pk):
            ids = list(Mailbox.objects.values_list("pk", flat=True))
        for pk in ids:
            mailboxes.fetch(account_id=self.account.pk, mailbox_id=pk)

    def heard(self, until: Callable[[], bool]) -> None:
        """Read what was posted to the desk until that holds."""
        for _ in range(200):
            self.poll()
            with tenant_context(self.account.pk):
                waiting = list(InboundEvent.objects.filter(status="received").values_list("pk", flat=True))
            for pk in waiting:
                receive.read_event(account_id=self.account.pk, event_id=pk)
            if until():
                return
            threading.Event().wait(0.1)
        raise AssertionError("the desk was not told of it")

    def messages(self) -> list[tuple[str, str]]:
        with tenant_context(self.account.pk):
            return list(Message.objects.shown().order_by("seq").values_list("direction", "body_text"))


@pytest.fixture
def demo(committed_world: World, live_server: Any, settings: Any, attachments_dir: Any) -> Iterator[Demo]:
    keys.forget()
    for channel in OURS:
        factories.channel(committed_world.acme, **channel)
    found = Demo(committed_world, live_server.url, settings)
    yield found
    found.http.shutdown()
    found.http.server_close()


@pytest.mark.parametrize("vendor", sorted(KINDS))
def test_a_talk_from_the_customers_question_to_the_answers(demo: Demo, vendor: str) -> None:
    talk = demo.post(f"/{vendor}/", name="Caleb <b>Nguyen</b>", text="Can 40 pcs ship by <Friday> & who pays?")
    demo.heard(lambda: len(demo.messages()) == 1)
    with tenant_context(demo.account.pk):
        asked = Message.objects.get()
        assert (asked.body_text, asked.conversation.customer_name) == (
            "Can 40 pcs ship by <Friday> & who pays?",
            "Caleb <b>Nguyen</b>",
        )
    before = events_read(demo)
    draft = factories.draft(asked, "Yes, by <noon> & free.", statements=[])
    delivery = factories.approved(draft, demo.world.ada, attention=decisions.Attention(pressed_twice=True))
    with tenant_context(demo.account.pk):
        outbox.release(delivery_id=delivery.pk, actor=demo.world.ada)
    assert outbox.deliver(account_id=demo.account.pk, delivery_id=delivery.pk) == "sent"
    page = demo.get(talk)
    assert [one.get_text() for one in page.select(".said p")] == [asked.body_text, "Yes, by <noon> & free."]
    assert not page.select(".said b b")  # a name is text
    demo.heard(lambda: events_read(demo) > before)
    assert len(demo.messages()) == 2  # its own echo is nothing new

    demo.post(talk, who="colleague", text="I sent them out.")
    demo.heard(lambda: len(demo.messages()) == 3)
    demo.post(talk, who="customer", text="Thanks!")
    demo.heard(lambda: len(demo.messages()) == 4)
    assert [side for side, _ in demo.messages()] == ["inbound", "outbound", "outbound", "inbound"]
    with tenant_context(demo.account.pk):
        assert Conversation.objects.count() == 1


def events_read(demo: Demo) -> int:
    with tenant_context(demo.account.pk):
        return InboundEvent.objects.exclude(status="received").count()


def test_it_goes_on_where_the_desk_is(demo: Demo, settings: Any) -> None:
    demo.post("/slack/", name="Gus", text="Would you sponsor us?")
    demo.heard(lambda: len(demo.messages()) == 1)
    again = stand_ins(demo.account.pk, desk="")
    assert [(talk.name, [one.text for one in talk.said]) for vendor in again for talk in vendor.talks] == [
        ("Gus", ["Would you sponsor us?"])
    ]


@pytest.mark.parametrize("vendor", sorted(KINDS))
def test_the_channel_is_checked_and_looked_into_as_the_vendors_own(demo: Demo, vendor: str) -> None:
    with tenant_context(demo.account.pk):
        channel = Channel.objects.get(provider=vendor)
    found = channel.provided_by.check(channel.options, access.sending_secret(channel))
    assert {one.state for one in found} <= {"ok", "warn"}, found
    demo.post(f"/{vendor}/", name="Gus", text="Would you sponsor us?")
    [talk] = [one for stand_in in demo.vendors for one in stand_in.talks]
    adapter = outgoing.adapter_of(channel)
    reply = Outbound("<mark-1>", Party("support@hotrodan.example"), (Party("y"),), "", "Yes & no", thread_id=talk.id)
    assert adapter.find(reply) is None
    names: list[str] = []
    receipt = adapter.send(reply, before_handover=lambda begun="": names.append(begun))
    assert adapter.find(replace(reply, begun=names[-1])).provider_id == receipt.provider_id


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("/slack/", {"name": "Gus"}, 422),
        ("/slack/", {"text": "Hello"}, 422),
        ("/teams/", {"name": "Gus", "text": "Hello"}, 404),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_begun(
    demo: Demo, path: str, given: dict[str, str], status: int
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        demo.post(path, **given)
    assert refused.value.code == status
    assert not any(vendor.talks for vendor in demo.vendors)


def test_another_sites_page_does_not_speak_there(demo: Demo) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        demo.post("/slack/", {"Sec-Fetch-Site": "cross-site"}, name="Gus", text="Hello")
    assert refused.value.code == 403
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{demo.url}/", headers={"Host": "rebound.example"}), timeout=10)
    assert refused.value.code == 404
    assert not any(vendor.talks for vendor in demo.vendors)


def test_it_stands_in_only_where_the_demo_runs(tmp_path: Any) -> None:
    environment = {**os.environ, "COUNTERSIGN_LOCAL_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}
    environment |= {"DEMO": "false", "DEBUG": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "config.demo.vendors"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1
    assert "only where DEMO is on" in done.stderr, done.stderr
