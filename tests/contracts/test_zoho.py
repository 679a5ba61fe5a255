"""Zoho Desk's outbound half against a stand-in of the vendor that holds each request against its description, and loses
answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels.base import ChannelError, Failure, Outbound, Party
from conversations.channels.http import Vendor
from conversations.channels.zoho.sending import ZohoAdapter
from conversations.channels.zoho.settings import ZohoSettings
from conversations.database import database_time
from conversations.messages import outbox, outcomes, reconcile
from conversations.models import AuditEvent, ChannelHealth, Conversation, Delivery, Notification
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import CORPORA, World, needs_corpora
from tests.contracts import openapi
from tests.servers import zoho
from tests.servers.vendor import Asked, Fault
from tests.zoho import METADATA, Desk

ADAPTER = ZohoAdapter(ZohoSettings(**METADATA), zoho.TOKEN)


@pytest.fixture
def server() -> Iterator[zoho.Zoho]:
    with zoho.running() as found:
        yield found
    assert found.wrong == []


@pytest.fixture
def alone(server: zoho.Zoho, settings: Any) -> zoho.Zoho:
    settings.VENDOR_OVERRIDE = server.address
    return server


@pytest.fixture
def desk(committed_world: World, attachments_dir: Any, server: zoho.Zoho, settings: Any) -> Desk:
    return Desk(committed_world, server, settings)


def reply(ticket: str, **changes: Any) -> Outbound:
    values: dict[str, Any] = {
        "message_id": "d-1", "sender": Party("support@acme.test", "Acme"), "to": (Party("kim@customer.test", "Kim"),),
        "subject": "Re: Hose", "body_text": "Yes & no.\n\nTight < 5 bar", "thread_id": ticket, "answers": "903000000000001",
    }  # fmt: skip
    return Outbound(**{**values, **changes})


class Fence:
    def __init__(self) -> None:
        self.begun: list[str] = []

    def __call__(self, *, begun: str = "") -> None:
        self.begun.append(begun)


def is_send(asked: Asked) -> bool:
    return asked.path.endswith("/sendDraft")


# --- what is asked of Zoho --------------------------------------------------------------------------------------------
def test_a_draft_is_laid_down_and_then_sent(alone: zoho.Zoho) -> None:
    ticket, fence = alone.ticket(), Fence()
    receipt = ADAPTER.send(reply(ticket), before_handover=fence)
    [(name, content)] = alone.sent
    assert (receipt.provider_id, receipt.is_pending, fence.begun) == (name, False, [name])
    assert content == "<div>Yes &amp; no.</div><div><br></div><div>Tight &lt; 5 bar</div>"
    draft, send = alone.asked
    assert draft.data() == {
        "channel": "EMAIL", "contentType": "html", "content": content, "fromEmailAddress": "support@acme.test",
        "inReplyToThreadId": "903000000000001", "to": "kim@customer.test",
    }  # fmt: skip
    assert send.query == {"draftThreadId": name, "sendImmediately": "true"} and send.body == b""
    assert {one.headers["host"] for one in alone.asked} == {"desk.zoho.eu"}


@needs_corpora
def test_the_draft_is_as_the_vendors_own_description_has_it(alone: zoho.Zoho) -> None:
    spec = json.loads((CORPORA / "api-specs" / "zoho-desk-thread-excerpt.json").read_text())
    copies = {"cc": (Party("a@b.test"), Party("c@d.test")), "bcc": (Party("e@f.test"),), "body_html": "<p>Yes</p>"}
    for one in (reply(alone.ticket()), reply(alone.ticket(), **copies), reply(alone.ticket(), answers="comment:5")):
        ADAPTER.send(one, before_handover=Fence())
    drafts = [one for one in alone.asked if one.path.endswith("/draftReply")]
    assert len(drafts) == 3
    for one in drafts:
        assert openapi.problems(spec, one.method, one.path, one.query, one.headers, one.body) == []
        wrong = {name: value for name, value in one.data().items() if name != "fromEmailAddress"}
        said = openapi.problems(spec, one.method, one.path, one.query, one.headers, json.dumps(wrong).encode())
        assert said == [": 'fromEmailAddress' is a required property"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"thread_id": ""}, "no ticket"),
        ({"thread_id": "t-7"}, "no ticket"),
        ({"body_text": "", "body_html": "x" * 16_000_001}, "characters as HTML"),
        ({"cc": tuple(Party(f"{n}@long.test") for n in range(1500))}, "addresses have more"),
        ({"to": (Party("nobody"),)}, "none that a mail"),
        ({"cc": (Party("a,b@c.test"),)}, "none that a mail"),
    ],
)
def test_what_zoho_would_refuse_is_said_before_anybody_approves(changes: dict[str, Any], words: str) -> None:
    [found] = ADAPTER.problems(reply("1", **changes))
    assert words in found
    assert ADAPTER.problems(reply("1")) == []


# --- what is known when it does not go well ---------------------------------------------------------------------------
def test_a_hundred_lost_answers_send_each_reply_once_and_a_naive_sender_sends_twice(alone: zoho.Zoho) -> None:
    """The second try is made as a person makes it who was told that nobody knows."""
    for number in range(100):
        alone.fault, fence = Fault(is_send, drops=True, times=1), Fence()
        outbound = reply(alone.ticket(), body_text=f"Reply {number}")
        with pytest.raises(ChannelError) as lost:
            ADAPTER.send(outbound, before_handover=fence)
        assert lost.value.failure == Failure.UNCERTAIN
        again = reply(outbound.thread_id, body_text=outbound.body_text, begun=fence.begun[-1])
        assert ADAPTER.find(again) is not None
        ADAPTER.send(again, before_handover=Fence())
    contents = [content for _, content in alone.sent]
    assert len(contents) == len(set(contents)) == 100
    # The control: what a client does that tries again by itself.
    alone.sent.clear()
    naive, ticket = (
        Vendor("naive", "desk.zoho.eu", {"Authorization": f"Zoho-oauthtoken {zoho.TOKEN}", "orgId": zoho.ORGANISATION}),
        alone.ticket(),
    )
    alone.fault = Fault(is_send, drops=True, times=1)
    for _ in range(2):
        draft = alone._draft(ticket, {"content": "Naive", "fromEmailAddress": "support@acme.test"})[1]["id"]
        try:
            path, query = f"/api/v1/tickets/{ticket}/sendDraft", {"draftThreadId": draft}
            naive.write("POST", path, None, query=query, before_handover=lambda: None)
        except ChannelError:
            continue
        break
    assert [content for _, content in alone.sent] == ["Naive", "Naive"]


def test_a_draft_that_was_never_sent_is_sent_by_the_next_try_and_no_second_one_is_made(alone: zoho.Zoho) -> None:
    ticket, fence = alone.ticket(), Fence()
    alone.fault = Fault(is_send, says=(429, {}, {"Retry-After": "7"}), times=1)
    with pytest.raises(ChannelError) as refused:
        ADAPTER.send(reply(ticket), before_handover=fence)
    assert refused.value.failure == Failure.TRANSIENT and refused.value.channel_fault and refused.value.retry_at
    assert ADAPTER.find(reply(ticket, begun=fence.begun[0])) is None
    ADAPTER.send(reply(ticket, begun=fence.begun[0]), before_handover=fence)
    assert len(set(fence.begun)) == 1 and alone.count("POST", "/draftReply") == 1 and len(alone.sent) == 1


@pytest.mark.parametrize(
    ("fault", "failure", "of_channel"),
    [
        ({"says": (422, {"errorCode": "INVALID_DATA"})}, Failure.PERMANENT, False),
        ({"says": (404, {})}, Failure.PERMANENT, False),
        ({"says": (401, {})}, Failure.TRANSIENT, True),
        ({"says": (429, {})}, Failure.TRANSIENT, True),
        ({"says": (500, {})}, Failure.TRANSIENT, True),
        ({"says": (200, {})}, Failure.TRANSIENT, False),
        ({"drops": True}, Failure.TRANSIENT, True),
    ],
)
def test_nothing_that_goes_wrong_with_the_draft_is_uncertain(
    alone: zoho.Zoho, fault: dict[str, Any], failure: Failure, of_channel: bool
) -> None:
    alone.fault, fence = Fault(lambda one: one.path.endswith("/draftReply"), **fault), Fence()
    with pytest.raises(ChannelError) as found:
        ADAPTER.send(reply(alone.ticket()), before_handover=fence)
    assert (found.value.failure, found.value.channel_fault) == (failure, of_channel)
    assert (alone.sent, fence.begun) == ([], [])


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ({"says": (422, {})}, Failure.PERMANENT),
        ({"says": (200, {"id": "9", "status": "FAILED"})}, Failure.PERMANENT),
        ({"says": (500, {})}, Failure.UNCERTAIN),
        ({"drops": True}, Failure.UNCERTAIN),
    ],
)
def test_what_goes_wrong_with_the_sending(alone: zoho.Zoho, fault: dict[str, Any], failure: Failure) -> None:
    alone.fault = Fault(is_send, **fault)
    with pytest.raises(ChannelError) as found:
        ADAPTER.send(reply(alone.ticket()), before_handover=Fence())
    assert found.value.failure == failure


def test_an_answer_without_a_status_is_not_taken_for_delivered(alone: zoho.Zoho) -> None:
    alone.fault, fence = Fault(is_send, says=(200, {})), Fence()
    receipt = ADAPTER.send(reply(alone.ticket()), before_handover=fence)
    assert receipt.is_pending and receipt.provider_id == fence.begun[0]


def test_a_draft_that_somebody_threw_away_is_made_anew(alone: zoho.Zoho) -> None:
    ticket = alone.ticket()
    ADAPTER.send(reply(ticket, begun="404"), before_handover=Fence())
    assert len(alone.sent) == 1


# --- from approval to delivery ----------------------------------------------------------------------------------------
def asked_for(desk: Desk) -> Delivery:
    desk.tells_of(desk.zoho.thread(desk.zoho.ticket()))
    return desk.approved()


def owed(desk: Desk) -> str:
    with tenant_context(desk.account.pk):
        return Conversation.objects.get().owed


def looks() -> list[ProcrastinateJob]:
    return list(ProcrastinateJob.objects.filter(task_name=outbox.LOOK_TASK).order_by("id"))


def look(desk: Desk, delivery: Delivery, number: int = 1) -> str:
    return reconcile.look(account_id=desk.account.pk, delivery_id=delivery.pk, number=number)


def test_a_message_comes_in_is_answered_and_comes_back_as_what_it_is(desk: Desk) -> None:
    """In, draft, approved, sent, echo, and a colleague's reply there to what the customer asks next."""
    delivery = asked_for(desk)
    assert desk.deliver(delivery) == "sent"
    sent = desk.now(delivery)
    assert desk.zoho.sent == [(sent.provider_id, "<div>Yes, PTFE is safe with E85.</div>")]
    for at in ("1", "2", "3"):
        assert desk.tells_of(sent.provider_id, at=at).status == "ignored"
    assert desk.messages() == [
        ("inbound", "Does PTFE hose work with E85?"), ("outbound", "Yes, PTFE is safe with E85."),
    ]  # fmt: skip
    assert owed(desk) == ""
    ticket = sent.envelope["thread_id"]
    later = [f"{database_time.now() + timedelta(seconds=s):%Y-%m-%dT%H:%M:%S.000Z}" for s in (5, 9)]
    desk.tells_of(desk.zoho.thread(ticket, "<div>And the return side?</div>", createdTime=later[0]))
    assert owed(desk) == "message"
    desk.tells_of(desk.zoho.answers(ticket, "<div>Too.</div>", createdTime=later[1]))
    assert owed(desk) == "" and len(desk.messages()) == 4
    assert desk.zoho.count("POST", "/sendDraft") == 1


def test_pending_is_not_delivered_and_then_it_is(desk: Desk) -> None:
    delivery = asked_for(desk)
    desk.zoho.sends_as = "PENDING"
    assert desk.deliver(delivery) == "sending"
    taken = desk.now(delivery)
    assert taken.taken_at and taken.provider_id and taken.lease_until and taken.sent_at is None
    assert owed(desk) == "leaving"
    assert desk.tells_of(taken.provider_id).status == "ignored"  # its own echo, which proves nothing yet
    assert desk.now(delivery).status == "sending"
    assert look(desk, delivery) == "sending" and len(looks()) == 2
    desk.zoho.threads[taken.provider_id]["status"] = "SUCCESS"
    assert look(desk, delivery, 2) == "sent"
    assert owed(desk) == "" and len(desk.messages()) == 2 and len(desk.zoho.sent) == 1


def test_an_event_settles_what_was_pending(desk: Desk) -> None:
    delivery = asked_for(desk)
    desk.zoho.sends_as = "PENDING"
    desk.deliver(delivery)
    name = desk.now(delivery).provider_id
    desk.tells_of(name)
    desk.zoho.threads[name]["status"] = "SUCCESS"
    desk.tells_of(name, at="later")
    assert desk.now(delivery).status == "sent" and owed(desk) == ""


@pytest.mark.parametrize("told_by", ["event", "look"])
def test_pending_and_then_failed_is_failed_and_owed_again(desk: Desk, told_by: str) -> None:
    delivery = asked_for(desk)
    desk.zoho.sends_as = "PENDING"
    desk.deliver(delivery)
    name = desk.now(delivery).provider_id
    desk.zoho.threads[name]["status"] = "FAILED"
    for _ in range(2):
        look(desk, delivery) if told_by == "look" else desk.tells_of(name, at=f"{told_by}{len(desk.zoho.asked)}")
    failed = desk.now(delivery)
    assert (failed.status, failed.error.startswith("Zoho Desk could not send it."), failed.sent_at) == (
        "failed",
        True,
        None,
    )
    assert owed(desk) == "failed"
    with tenant_context(desk.account.pk):
        assert Notification.objects.filter(type="send_failed").count() == 1
        assert AuditEvent.objects.filter(kind="delivery.failed").count() == 1
    # A person sends it again: a new draft, for the old one is none any more.
    desk.zoho.sends_as = "SUCCESS"
    with tenant_context(desk.account.pk):
        outcomes.resolve(delivery_id=delivery.pk, actor=desk.world.ada, outcome="send_again")
    assert desk.deliver(delivery) == "sent" and desk.now(delivery).taken_at is None
    assert desk.now(delivery).provider_id != name and owed(desk) == ""


def test_what_was_sent_and_bounced_there_is_owed_again(desk: Desk) -> None:
    delivery = asked_for(desk)
    desk.deliver(delivery)
    name = desk.now(delivery).provider_id
    desk.zoho.threads[name]["status"] = "FAILED"
    desk.tells_of(name)
    assert desk.now(delivery).status == "bounced" and owed(desk) == "bounced"


def test_what_stays_pending_is_a_persons_to_look_at(desk: Desk) -> None:
    delivery = asked_for(desk)
    desk.zoho.sends_as = "PENDING"
    desk.deliver(delivery)
    for number in range(1, len(outbox.TAKEN_LOOKS) + 1):
        status = look(desk, delivery, number)
    assert status == "uncertain" and "has not been said since" in desk.now(delivery).error
    assert owed(desk) == "uncertain"
    with tenant_context(desk.account.pk):
        assert Notification.objects.filter(type="send_uncertain").count() == 1
    name = desk.now(delivery).provider_id
    desk.zoho.threads[name]["status"] = "FAILED"
    desk.tells_of(name)
    assert desk.now(delivery).status == "failed"


def test_a_worker_is_not_busy_with_what_zoho_has(desk: Desk, settings: Any) -> None:
    settings.CHANNEL_PARALLEL = 1
    desk.zoho.sends_as = "PENDING"
    first = asked_for(desk)
    desk.deliver(first)
    desk.tells_of(desk.zoho.thread(desk.zoho.ticket(), "<div>Second</div>"))
    second = desk.approved("Another answer.")
    assert desk.deliver(second) == "sending" and desk.now(second).taken_at


def test_whose_looks_were_lost_is_found_by_the_sweep(desk: Desk) -> None:
    delivery = asked_for(desk)
    desk.zoho.sends_as = "PENDING"
    desk.deliver(delivery)
    later = database_time.now() + outbox.TAKEN_FOR + timedelta(seconds=1)
    assert outbox.sweep(account_id=desk.account.pk, now=database_time.now())["uncertain"] == 0
    assert outbox.sweep(account_id=desk.account.pk, now=later)["uncertain"] == 1
    desk.zoho.threads[desk.now(delivery).provider_id]["status"] = "SUCCESS"
    assert look(desk, delivery) == "sent"


def test_a_lost_answer_is_looked_for_and_found(desk: Desk) -> None:
    delivery = asked_for(desk)
    desk.zoho.fault = Fault(is_send, drops=True, times=1)
    assert desk.deliver(delivery) == "uncertain"
    assert desk.now(delivery).provider_id == desk.zoho.sent[0][0]
    assert look(desk, delivery) == "sent"
    assert owed(desk) == "" and len(desk.zoho.sent) == 1
    with tenant_context(desk.account.pk):
        assert not Notification.objects.filter(type="send_uncertain").exists()


def test_a_request_that_never_arrived_leaves_a_draft_and_a_person_sends_that(desk: Desk) -> None:
    delivery = asked_for(desk)
    desk.zoho.fault = Fault(is_send, says=(500, {}), times=1)
    assert desk.deliver(delivery) == "uncertain"
    for number in (1, 2, 3):
        assert look(desk, delivery, number) == "uncertain"
    assert desk.zoho.sent == [] and "looked for 3 times" in desk.now(delivery).error
    with tenant_context(desk.account.pk):
        outcomes.resolve(delivery_id=delivery.pk, actor=desk.world.ada, outcome="send_again")
    assert desk.deliver(delivery) == "sent"
    assert desk.zoho.count("POST", "/draftReply") == 1 and len(desk.zoho.sent) == 1


def test_while_zoho_wants_to_be_left_alone_nothing_is_asked_and_no_try_is_lost(desk: Desk) -> None:
    delivery = asked_for(desk)
    desk.zoho.fault = Fault(lambda one: one.method == "POST", says=(429, {}, {"Retry-After": "600"}))
    assert desk.deliver(delivery) == "queued"
    asked = len(desk.zoho.asked)
    for _ in range(20):
        assert desk.deliver(delivery) == "queued"
    assert len(desk.zoho.asked) == asked
    with tenant_context(desk.account.pk):
        health = ChannelHealth.objects.get(channel=desk.channel)
        left = health.paused_until - database_time.now() if health.paused_until else timedelta(0)
        assert timedelta(seconds=590) < left <= timedelta(seconds=600)
        assert outbox._tries(desk.now(delivery)) == 0
        ChannelHealth.objects.update(paused_until=database_time.now())
    desk.zoho.fault = None
    assert desk.deliver(delivery) == "sent"


def test_what_it_cannot_send_is_said_before_anybody_approves(desk: Desk) -> None:
    message = factories.message(desk.channel, thread_id="not-a-ticket")
    draft = factories.draft(message, "Yes.", statements=[])
    with pytest.raises(Exception, match="no ticket in Zoho Desk"):
        factories.approved(draft, desk.world.ada)
    assert desk.zoho.asked == []
