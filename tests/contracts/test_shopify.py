"""Comments of a shop: asked for, answered in public, found again, against a stand-in of the shop."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import graphql
import pytest
from django.test import Client

from conversations.channels.base import Author, ChannelError, EventKind, Failure, HookRequest, Outbound, Party, Refused
from conversations.channels.shopify import facts
from conversations.channels.shopify.checking import check
from conversations.channels.shopify.comments import KEPT, event_of
from conversations.channels.shopify.privacy import parse, sign, verify
from conversations.channels.shopify.sending import ShopifyAdapter
from conversations.channels.shopify.settings import ShopifySettings
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.messages import outbox, reconcile
from conversations.models import Channel, ChannelHealth, Conversation, Delivery, Message, Notification
from conversations.setup import hooks as setup
from conversations.tenancy import tenant_context
from conversations.visible import ALL
from drafts.desk import batch, lanes
from drafts.desk.decisions import Attention
from drafts.desk.scene import NeedsSecondPress
from drafts.models import Draft
from ingestion import mailboxes, receive
from ingestion.models import InboundEvent, Mailbox
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import CORPORA, World, needs_corpora
from tests.servers import shopify
from tests.servers.vendor import Asked, Fault

METADATA = {"shop": "acme", "author": "Acme", "address": "shop@acme.test", "people": "lou@acme.test"}
SETTINGS = ShopifySettings(**METADATA)
ADAPTER = ShopifyAdapter(SETTINGS, shopify.TOKEN)
TWICE = Attention(pressed_twice=True)


@pytest.fixture
def shop() -> Iterator[shopify.Shop]:
    with shopify.running() as found:
        yield found
    assert found.wrong == []


@pytest.fixture
def alone(shop: shopify.Shop, settings: Any) -> shopify.Shop:
    settings.VENDOR_OVERRIDE = shop.address
    return shop


class Blog:
    """A tenant's channel with the shop beside it."""

    def __init__(self, world: World, shop: shopify.Shop) -> None:
        self.world, self.account, self.shop = world, world.acme, shop
        self.channel = factories.channel(
            world.acme, type="shopify", provider="shopify", external_id="acme.myshopify.com", name="Blog",
            credentials=shopify.TOKEN, incoming_credentials=shopify.SECRET, metadata=METADATA,
        )  # fmt: skip
        self.fetch()  # from now on

    def fetch(self) -> int:
        """A round, and what came is read."""
        mailboxes.ask_for_rounds(account_id=self.account.pk)
        with tenant_context(self.account.pk):
            mailbox = Mailbox.objects.get(channel=self.channel)
        count = mailboxes.fetch(account_id=self.account.pk, mailbox_id=mailbox.pk)
        for event in self.events("received"):
            receive.read_event(account_id=self.account.pk, event_id=event.pk)
        return count

    def events(self, status: str = "") -> list[InboundEvent]:
        with tenant_context(self.account.pk):
            rows = InboundEvent.objects.filter(channel=self.channel).order_by("id")
            return list(rows.filter(status=status) if status else rows)

    def messages(self) -> list[tuple[str, str]]:
        with tenant_context(self.account.pk):
            return list(Message.objects.order_by("conversation", "seq").values_list("direction", "body_text"))

    def owed(self) -> list[str]:
        with tenant_context(self.account.pk):
            return list(Conversation.objects.order_by("id").values_list("owed", flat=True))

    def draft(self, text: str = "Yes, it does.") -> Draft:
        with tenant_context(self.account.pk):
            asked = Message.objects.filter(direction="inbound").latest("created_at")
        return factories.draft(asked, text, statements=[])

    def approved(self, text: str = "Yes, it does.") -> Delivery:
        found = factories.approved(self.draft(text), self.world.ada, attention=TWICE)
        with tenant_context(self.account.pk):
            due = database_time.now() - timedelta(seconds=5)
            Delivery.objects.filter(pk=found.pk).update(hold_until=due, next_attempt_at=due)
        return found

    def deliver(self, delivery: Delivery) -> str:
        return outbox.deliver(account_id=self.account.pk, delivery_id=delivery.pk)

    def now(self, delivery: Delivery) -> Delivery:
        with tenant_context(self.account.pk):
            return Delivery.objects.get(pk=delivery.pk)


@pytest.fixture
def blog(committed_world: World, attachments_dir: Any, alone: shopify.Shop) -> Blog:
    return Blog(committed_world, alone)


def reply(**changes: Any) -> Outbound:
    values: dict[str, Any] = {
        "message_id": "d-1", "sender": Party("shop@acme.test", "Acme"), "to": (Party("kim@customer.test", "Kim"),),
        "subject": "Re: Hoses", "body_text": "Yes, it does.", "thread_id": "4/9/kim@customer.test", "answers": "512",
    }  # fmt: skip
    return Outbound(**{**values, **changes})


def is_write(asked: Asked) -> bool:
    return asked.path.endswith("/comments.json")


def is_question(asked: Asked) -> bool:
    return asked.path.endswith("/graphql.json")


# --- what is asked of Shopify -----------------------------------------------------------------------------------------
@needs_corpora
def test_each_question_is_one_that_shopifys_own_schema_has() -> None:
    with gzip.open(CORPORA / "api-specs" / "shopify_admin_2026-07.json.gz") as file:
        found = json.load(file)
    schema = graphql.build_client_schema(
        found.get("data", found), assume_valid=True
    )  # it deprecates what interfaces do not
    for question in (facts.NEWEST, facts.AFTER, facts.OF_ARTICLE, facts.CHECK):
        assert graphql.validate(schema, graphql.parse(question)) == []
        assert graphql.validate(schema, graphql.parse(question.replace("nodes", "knots"))) != []
    # And why it is REST that writes: nothing there does.
    mutations = schema.mutation_type.fields if schema.mutation_type else {}
    assert not any(one.startswith("comment") and "create" in one.lower() for one in mutations)


def test_a_reply_is_a_comment_below_the_same_article(alone: shopify.Shop) -> None:
    handed: list[int] = []
    receipt = ADAPTER.send(reply(), before_handover=lambda **_: handed.append(len(alone.asked)))
    assert (receipt.provider_id, receipt.is_pending, handed) == ("512", False, [0])
    assert alone.written == [
        {
            "body": "Yes, it does.",
            "author": "Acme",
            "email": "shop@acme.test",
            "ip": "127.0.0.1",
            "blog_id": 4,
            "article_id": 9,
        }
    ]
    assert alone.asked[0].headers["host"] == "acme.myshopify.com"
    assert ADAPTER.find(reply()) == ADAPTER.find(reply(body_text="Yes,  it does. "))
    assert ADAPTER.find(reply(body_text="No.")) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"thread_id": ""}, "no article"),
        ({"thread_id": "4/9/"}, "no article"),
        ({"thread_id": "t-7"}, "no article"),
        ({"cc": (Party("a@b.test"),)}, "no copies"),
    ],
)
def test_what_cannot_be_a_comment_is_said_before_anybody_approves(changes: dict[str, Any], words: str) -> None:
    [found] = ADAPTER.problems(reply(**changes))
    assert words in found and ADAPTER.problems(reply()) == []


@pytest.mark.parametrize(
    ("fault", "failure", "of_channel"),
    [
        ({"says": (422, {"errors": {"email": ["is invalid"]}})}, Failure.PERMANENT, False),
        ({"says": (404, {})}, Failure.PERMANENT, False),
        ({"says": (401, {})}, Failure.TRANSIENT, True),
        ({"says": (429, {}, {"Retry-After": "2.0"})}, Failure.TRANSIENT, True),
        ({"says": (500, {})}, Failure.UNCERTAIN, False),
        ({"says": (201, {})}, Failure.UNCERTAIN, False),
        ({"drops": True}, Failure.UNCERTAIN, False),
    ],
)
def test_what_is_known_when_it_does_not_go_well(
    alone: shopify.Shop, fault: dict[str, Any], failure: Failure, of_channel: bool
) -> None:
    alone.fault = Fault(is_write, **fault)
    with pytest.raises(ChannelError) as found:
        ADAPTER.send(reply(), before_handover=lambda **_: None)
    assert (found.value.failure, found.value.channel_fault) == (failure, of_channel)
    assert shopify.TOKEN not in f"{found.value} {found.value.response}"


def test_a_hundred_lost_answers_write_each_comment_once_and_a_naive_sender_writes_two(alone: shopify.Shop) -> None:
    for number in range(100):
        alone.fault = Fault(is_write, drops=True, times=1)
        outbound = reply(body_text=f"Reply {number}", thread_id=f"4/{number + 1}/kim@customer.test")
        with pytest.raises(ChannelError) as lost:
            ADAPTER.send(outbound, before_handover=lambda **_: None)
        assert lost.value.failure == Failure.UNCERTAIN
        assert ADAPTER.find(outbound) is not None  # what the outbox asks before anybody may send it again
    assert len(alone.written) == len({one["body"] for one in alone.written}) == 100
    alone.written.clear()
    alone.fault = Fault(is_write, drops=True, times=1)
    for _ in range(2):
        try:
            ADAPTER.send(reply(), before_handover=lambda **_: None)
        except ChannelError:
            continue
    assert len(alone.written) == 2


def test_the_check_says_that_replies_are_public(alone: shopify.Shop) -> None:
    assert [one.state for one in check(SETTINGS, shopify.TOKEN)] == ["ok", "warn"]
    assert [one.state for one in check(SETTINGS, "wrong")] == ["bad"]
    alone.fault = Fault(
        is_question, says=(200, {"errors": [{"message": "no", "extensions": {"code": "ACCESS_DENIED"}}]})
    )
    [denied] = check(SETTINGS, shopify.TOKEN)
    assert denied.state == "bad" and "read_content" in denied.remedy
    alone.fault = Fault(is_question, says=(200, {"errors": [{"message": "slow", "extensions": {"code": "THROTTLED"}}]}))
    assert check(SETTINGS, shopify.TOKEN)[0].state == "bad"


@pytest.mark.parametrize(
    ("changes", "kind", "author"),
    [
        ({}, EventKind.MESSAGE, Author.CUSTOMER),
        ({"status": "PENDING"}, EventKind.MESSAGE, Author.CUSTOMER),
        ({"status": "SPAM"}, EventKind.OTHER, Author.CUSTOMER),
        ({"status": "REMOVED"}, EventKind.OTHER, Author.CUSTOMER),
        ({"name": "Acme", "email": "shop@acme.test"}, EventKind.MESSAGE, Author.US),
        ({"name": "Acme"}, EventKind.MESSAGE, Author.CUSTOMER),
        ({"email": "shop@acme.test", "name": "Somebody"}, EventKind.MESSAGE, Author.CUSTOMER),
        ({"email": "Lou@acme.test"}, EventKind.MESSAGE, Author.TEAM),
    ],
)
def test_who_wrote_a_comment(alone: shopify.Shop, changes: dict[str, Any], kind: EventKind, author: Author) -> None:
    found = event_of(alone.comments[alone.says(**changes)], SETTINGS)
    assert (found.kind, found.author) == (kind, author)
    assert bool(found.among) == (author != Author.CUSTOMER)


# --- from comment to comment ------------------------------------------------------------------------------------------
def test_what_stood_there_before_is_not_fetched_and_what_comes_is_a_conversation_each(blog: Blog) -> None:
    blog.shop.says("Old")
    assert blog.fetch() == 1  # it came after the channel was there
    with tenant_context(blog.account.pk):
        found = Conversation.objects.get()
        assert (found.external_id, found.subject, found.owed) == ("4/9/kim@customer.test", "Hoses for E85", "message")
    blog.shop.says("And the return side?")
    blog.shop.says("Me too", email="pat@customer.test")
    blog.shop.says("Elsewhere", article=10)
    blog.shop.says("Buy watches", status="SPAM")
    assert blog.fetch() == 4 and blog.fetch() == 0
    with tenant_context(blog.account.pk):
        assert Conversation.objects.count() == 3 and Message.objects.count() == 4


def test_a_channel_that_is_new_reads_nothing_of_what_stood_there(
    committed_world: World, attachments_dir: Any, alone: shopify.Shop
) -> None:
    for _ in range(3):
        alone.says()
    found = Blog(committed_world, alone)
    assert found.fetch() == 0 and found.messages() == []


def test_a_comment_is_answered_in_public_and_comes_back_as_what_it_is(blog: Blog) -> None:
    blog.shop.says()
    blog.fetch()
    delivery = blog.approved()
    assert blog.deliver(delivery) == "sent"
    assert [one["body"] for one in blog.shop.written] == ["Yes, it does."]
    for _ in range(2):
        blog.fetch()
    assert blog.messages() == [("inbound", "Does PTFE hose work with E85?"), ("outbound", "Yes, it does.")]
    assert blog.owed() == [""] and len(blog.shop.written) == 1


def test_a_colleagues_comment_there_settles_what_was_asked_last(blog: Blog) -> None:
    early, late, after = (f"{database_time.now() + timedelta(seconds=s):%Y-%m-%dT%H:%M:%SZ}" for s in (1, 2, 3))
    blog.shop.says("First", email="pat@customer.test", at=early)
    blog.shop.says("Second", at=late)
    blog.fetch()
    blog.shop.says("Yes, both.", name="Lou", email="lou@acme.test", at=after)
    blog.shop.says("Welcome!", name="Lou", email="lou@acme.test", article=77, at=after)
    blog.fetch()
    assert sorted(blog.owed()) == ["", "message"]
    assert blog.messages().count(("outbound", "Yes, both.")) == 1 and ("outbound", "Welcome!") not in blog.messages()


def test_a_lost_answer_is_found_below_the_article(blog: Blog) -> None:
    blog.shop.says()
    blog.fetch()
    delivery = blog.approved()
    blog.shop.fault = Fault(is_write, drops=True, times=1)
    assert blog.deliver(delivery) == "uncertain"
    assert reconcile.look(account_id=blog.account.pk, delivery_id=delivery.pk, number=1) == "sent"
    assert blog.now(delivery).provider_id == str(max(blog.shop.comments))
    blog.fetch()
    assert len(blog.messages()) == 2 and len(blog.shop.written) == 1


def test_a_lost_answer_comes_back_by_itself_and_settles(blog: Blog) -> None:
    blog.shop.says()
    blog.fetch()
    delivery = blog.approved()
    blog.shop.fault = Fault(is_write, drops=True, times=1)
    blog.deliver(delivery)
    blog.fetch()
    assert blog.now(delivery).status == "sent" and len(blog.messages()) == 2 and blog.owed() == [""]


def test_while_shopify_wants_to_be_left_alone_nothing_is_written(blog: Blog) -> None:
    blog.shop.says()
    blog.fetch()
    delivery = blog.approved()
    blog.shop.fault = Fault(is_write, says=(429, {}, {"Retry-After": "600.0"}))
    assert blog.deliver(delivery) == "queued"
    asked = len(blog.shop.asked)
    for _ in range(20):
        blog.deliver(delivery)
    assert len(blog.shop.asked) == asked
    with tenant_context(blog.account.pk):
        assert outbox._tries(blog.now(delivery)) == 0
        ChannelHealth.objects.update(paused_until=database_time.now())
    blog.shop.fault = None
    assert blog.deliver(delivery) == "sent"


def test_a_shop_that_does_not_answer_is_a_fault_of_the_round_and_nothing_is_lost(blog: Blog) -> None:
    blog.shop.says()
    blog.shop.fault = Fault(is_question, says=(503, {}), times=1)
    assert blog.fetch() == 0
    with tenant_context(blog.account.pk):
        assert "Shopify" in Mailbox.objects.get().problem
    assert blog.fetch() == 1


# --- public: two presses, and nothing without a person ----------------------------------------------------------------
def test_approving_needs_a_second_press(blog: Blog, signed_in: Any) -> None:
    blog.shop.says()
    blog.fetch()
    draft = blog.draft()
    with (
        tenant_context(blog.account.pk),
        assert_nothing_written(),
        pytest.raises(NeedsSecondPress, match="Everybody can read it"),
    ):
        factories.decisions.approve(draft_id=draft.pk, actor=blog.world.ada, seen=factories.seen(draft))
    page = signed_in(blog.world.ada).get(f"/drafts/{draft.pk}/").content.decode()
    assert "This reply is public" in page and 'data-second="public"' in page
    factories.approved(draft, blog.world.ada, attention=TWICE)
    assert blog.shop.written == []  # it waits for the undo window like any other


def test_a_batch_leaves_it_out(blog: Blog) -> None:
    blog.shop.says()
    blog.fetch()
    draft = blog.draft()
    with tenant_context(blog.account.pk):
        [candidate] = batch.candidates([draft.pk], blog.world.ada, ALL)
    assert candidate.why_not == "Everybody can read it there"


def test_no_lane_is_opened_there(blog: Blog) -> None:
    with tenant_context(blog.account.pk), assert_nothing_written(), pytest.raises(Conflict, match="people decide it"):
        lanes.open_lane(
            account_id=blog.account.pk, actor=blog.world.dan, intent="fitment", channel_id=blog.channel.pk,
            prompt_label="built-in", model_key="m",
        )  # fmt: skip


# --- what Shopify posts -----------------------------------------------------------------------------------------------
SHOP = {"shop_id": 954889, "shop_domain": "acme.myshopify.com"}
KIM = {"id": 191167, "email": "kim@customer.test", "phone": "555-625-1199"}
PRIVACY = [
    ({**SHOP, "customer": KIM, "orders_requested": [299938], "data_request": {"id": 9999}}, "wants to know what is stored"),
    ({**SHOP, "customer": KIM, "orders_to_redact": [299938]}, "wants to be erased"),
    (SHOP, "was removed from acme.myshopify.com"),
]  # fmt: skip


def posted(body: bytes, given: str, name: str = "x-shopify-hmac-sha256") -> HookRequest:
    return HookRequest({name: given}, body, datetime(2026, 11, 29, tzinfo=UTC))


def test_a_post_is_proved_by_its_bytes_with_either_secret() -> None:
    body = json.dumps(SHOP).encode()
    assert verify(posted(body, sign("old", body)), ["new", "old"]).key
    newer = posted(body, sign("new", body), "shopify-hmac-sha256")
    assert verify(newer, ["new"]).key
    for wrong in (
        posted(body + b" ", sign("new", body)),
        posted(body, ""),
        posted(body, "é"),
        posted(body, sign("x", body)),
    ):
        with pytest.raises(Refused):
            verify(wrong, ["new", "old"])
    with pytest.raises(Refused):
        verify(posted(body, sign("", body)), [])


@pytest.mark.parametrize(("data", "words"), PRIVACY)
def test_a_customers_right_waits_for_an_admin_and_nothing_is_done_by_itself(
    blog: Blog, data: dict[str, Any], words: str
) -> None:
    blog.shop.says()
    blog.fetch()
    with tenant_context(blog.account.pk):
        token = setup.make_hook(channel_id=blog.channel.pk, actor=blog.world.dan)
    body = json.dumps(data).encode()
    for _ in range(2):
        headers = {"X-Shopify-Hmac-Sha256": sign(shopify.SECRET, body), "X-Shopify-Topic": "customers/redact"}
        answer = Client().post(f"/hooks/{token}/", body, content_type="application/json", headers=headers)
        assert answer.status_code == 200
    [event] = blog.events("received")
    receive.read_event(account_id=blog.account.pk, event_id=event.pk)
    [held] = blog.events("quarantined")
    assert (
        words in held.detail
        and "kim@" not in held.detail
        and blog.messages() == [("inbound", "Does PTFE hose work with E85?")]
    )
    with tenant_context(blog.account.pk):
        assert words in Notification.objects.get(type="inbound_held").payload["reason"]


def test_what_it_posts_besides_is_taken_and_nothing(blog: Blog) -> None:
    bodies = [{}, [], None, {"id": 1, "email": "kim@customer.test"}, {**SHOP, "id": 7}, {KEPT: "no comment"}]
    for data in bodies:
        assert [one.kind for one in parse(json.dumps(data).encode(), SETTINGS)] == [EventKind.OTHER]


@needs_corpora
def test_all_that_shopify_ever_posts_is_taken_and_none_of_it_is_a_message() -> None:
    files = sorted((CORPORA / "webhooks-shopify").rglob("*.json"))
    assert len(files) > 80
    for path in files:
        body = json.dumps(json.loads(path.read_text())["body"]).encode()
        assert verify(posted(body, sign("s", body)), ["s"]).key
        assert {one.kind for one in parse(body, SETTINGS)} <= {EventKind.OTHER, EventKind.PRIVACY}


def test_its_secrets_are_two(blog: Blog) -> None:
    """Comments are asked for with the token, and posts are proved with the app's secret."""
    with tenant_context(blog.account.pk):
        stored = Channel.objects.get(pk=blog.channel.pk)
    assert stored.incoming_secret == shopify.TOKEN
    assert stored.hook_secrets(database_time.now()) == [shopify.SECRET]
    assert stored.missing == []
