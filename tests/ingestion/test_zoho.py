"""Zoho Desk's inbound half: whose post it is, and that its words are asked for and never taken from the post."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels.base import Author, ChannelError, EventKind, HookRequest, Refused
from conversations.channels.zoho import events, gaps, keys
from conversations.channels.zoho.facts import HOSTS, NAMES
from conversations.channels.zoho.settings import ZohoSettings
from conversations.channels.zoho.signature import signer, verify
from conversations.channels.zoho.threads import ask, event_of
from conversations.database import database_time
from conversations.models import Channel, ChannelHealth, Conversation, Message
from conversations.tenancy import tenant_context
from ingestion import mailboxes, receive
from ingestion.models import InboundEvent, InboundKey, Mailbox
from tests.asserts import assert_nothing_written_in
from tests.conftest import World
from tests.servers import zoho
from tests.servers.vendor import Fault
from tests.zoho import METADATA, Desk

SETTINGS = ZohoSettings(**METADATA)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def server() -> Iterator[zoho.Zoho]:
    with zoho.running() as found:
        yield found
    assert found.wrong == []


@pytest.fixture
def asked(server: zoho.Zoho, settings: Any) -> zoho.Zoho:
    """The vendor alone, for what needs no tenant."""
    keys.forget()
    settings.VENDOR_OVERRIDE = server.address
    return server


@pytest.fixture
def desk(committed_world: World, attachments_dir: Any, server: zoho.Zoho, settings: Any) -> Desk:
    return Desk(committed_world, server, settings)


# --- whose post it is -------------------------------------------------------------------------------------------------
def said(token: str, settings: ZohoSettings = SETTINGS, body: bytes = b"[]") -> Any:
    request = HookRequest({"x-zdesk-jwt": token}, body, datetime.fromtimestamp(time.time(), UTC))
    return verify(request, signer(settings))


def test_a_token_of_the_organisations_own_data_centre_is_right(asked: zoho.Zoho) -> None:
    assert said(zoho.token()).key
    now = int(time.time())
    assert said(zoho.token(iat=now * 1000, exp=(now + 600) * 1000)).key  # milliseconds, as Zoho's page has it
    assert said(zoho.token(aud=["someone", f"webhookId:{zoho.WEBHOOK}"])).key
    any_webhook = ZohoSettings(**{**METADATA, "webhook": ""})
    assert said(zoho.token(aud="webhookId:1"), any_webhook).key
    assert asked.count("GET", "jwks.json") == 1
    assert asked.asked[0].headers["host"] == "desk.zoho.eu"


@pytest.mark.parametrize(
    "token",
    [
        lambda: "",
        lambda: "a.b.c",
        lambda: "é.é.é",
        lambda: "." * 9000,
        lambda: zoho.token()[:-4] + "AAAA",
        lambda: zoho.token(key=OTHER_KEY),
        lambda: zoho.token(iss="orgId:1"),
        lambda: zoho.token(iss=None),
        lambda: zoho.token(aud="webhookId:1"),
        lambda: zoho.token(aud=None),
        lambda: zoho.token(exp=int(time.time()) - 61),
        lambda: zoho.token(exp=None),
        lambda: zoho.token(exp=True),
        lambda: zoho.token(exp="soon"),
        lambda: zoho.token(iat=int(time.time()) - 3601),
        lambda: zoho.token(iat=int(time.time()) + 300),
        lambda: zoho.token(header={"alg": "none"}),
        lambda: zoho.token(header={"alg": "HS256"}),
        lambda: zoho.token(header={"kid": 7}),
    ],
)
def test_nothing_near_it_is(asked: zoho.Zoho, token: Any) -> None:
    with pytest.raises(Refused):
        said(token())
    assert said(zoho.token()).key


def test_as_long_as_the_organisation_is_not_known_nobody_has_signed(asked: zoho.Zoho) -> None:
    with pytest.raises(Refused):
        said(zoho.token(iss="orgId:"), ZohoSettings())
    assert asked.asked == []


def test_a_key_that_is_not_known_is_asked_for_and_not_more_often_than_every_five_minutes(
    asked: zoho.Zoho, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(zoho.token())
    asked.keys.append(zoho.jwk(OTHER_KEY, "k-2"))
    for _ in range(20):
        with pytest.raises(Refused):
            said(zoho.token(key=OTHER_KEY, kid="k-2"))
    assert asked.count("GET", "jwks.json") == 1
    monkeypatch.setattr(keys, "AT_MOST", 0.0)
    assert said(zoho.token(key=OTHER_KEY, kid="k-2")).key
    monkeypatch.setattr(keys, "AT_MOST", 300.0)
    for _ in range(20):
        with pytest.raises(Refused):
            said(zoho.token(kid="anybody's"))
    assert asked.count("GET", "jwks.json") == 2


def test_a_token_that_cannot_be_right_has_no_keys_fetched(asked: zoho.Zoho) -> None:
    for token in (zoho.token(iss="orgId:1"), zoho.token(exp=1), zoho.token(header={"alg": "none"})):
        with pytest.raises(Refused):
            said(token)
    assert asked.asked == []


def test_while_the_keys_cannot_be_had_old_ones_are_good_for_a_day(
    asked: zoho.Zoho, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.fault = Fault(lambda one: True, says=(503, {}))
    with pytest.raises(ChannelError):
        said(zoho.token())
    asked.fault = None
    assert said(zoho.token()).key
    asked.fault = Fault(lambda one: True, says=(503, {}))
    monkeypatch.setattr(keys, "AT_MOST", 0.0)
    monkeypatch.setattr(keys, "GOOD", -1.0)
    assert said(zoho.token()).key
    monkeypatch.setattr(keys, "GOOD_ENOUGH", -1.0)
    with pytest.raises(ChannelError):
        said(zoho.token())


def test_only_keys_that_sign_are_taken(asked: zoho.Zoho) -> None:
    good = zoho.jwk(zoho.KEY, "good")
    short = zoho.jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "short")
    asked.keys = [good, short, {**good, "kid": "enc", "use": "enc"}, {**good, "kid": "ec", "kty": "EC"}, {"kid": "x"}]
    asked.keys += [{**good, "kid": ""}, {**good, "kid": "n", "n": "é"}, "none"]  # type: ignore[list-item]
    assert list(keys.fetch("desk.zoho.eu")) == ["good"]


def test_each_region_has_its_hosts_and_a_name() -> None:
    assert set(HOSTS) == set(NAMES) == set(ZohoSettings.model_fields["region"].annotation.__args__)  # type: ignore[union-attr]
    for region, (host, accounts) in HOSTS.items():
        chosen = ZohoSettings(region=region, client_id="c")  # type: ignore[arg-type]
        assert chosen.host == host and "zoho" in host
        assert chosen.grant and chosen.grant.token_url == f"https://{accounts}/oauth/v2/token"


# --- what a post names ------------------------------------------------------------------------------------------------
def post(kind: str, **payload: Any) -> dict[str, Any]:
    return {"eventType": kind, "payload": payload, "orgId": "1", "eventTime": "7"}


def test_an_event_is_known_by_type_thread_and_time() -> None:
    one = post("Ticket_Thread_Add", id="11", ticketId="1", modifiedTime="2026-01-01T00:00:00.000Z")
    other = post("Ticket_Thread_Add", id="11", ticketId="1", modifiedTime="2026-01-01T00:00:01.000Z")
    assert events.names(json.dumps([one]).encode()) == ["Ticket_Thread_Add:11:2026-01-01T00:00:00.000Z"]
    assert events.names(json.dumps([one]).encode()) != events.names(json.dumps([other]).encode())
    ticket = post("Ticket_Add", id="1", firstThread={"id": "11"})
    assert events.names(json.dumps(ticket).encode()) == ["Ticket_Add:11:7"]
    for junk in (b"", b"{}", b"[]", b"null", b"[1]", b"\xff", b'[{"eventType": "x"}]'):
        assert events.names(junk) == []


def test_only_ids_are_read_of_it() -> None:
    read = events.read(
        json.dumps(
            [
                post("Ticket_Thread_Add", id="11", ticketId="1"),
                post("Ticket_Update", id="1", status="Closed"),
                post("Contact_Update", id="2"),
            ]
        ).encode()
    )
    assert read == [events.Said("1", thread="11"), events.Said("1", is_change=True)]
    for wrong in ("1/../2", "", "x", "1?a=b", "１", "9" * 31):
        with pytest.raises(ValueError):
            events.read(json.dumps([post("Ticket_Thread_Add", id=wrong, ticketId="1")]).encode())
        with pytest.raises(ValueError):
            events.read(json.dumps([post("Ticket_Update", id=wrong)]).encode())


# --- what Zoho says of it ---------------------------------------------------------------------------------------------
TICKET = {"id": "1", "subject": "Hose", "email": "kim@customer.test", "departmentId": "9"}


def test_a_thread_of_the_customers_is_a_message_with_what_is_new_in_it(asked: zoho.Zoho) -> None:
    ticket = asked.ticket(subject="Hose for E85")
    html = (
        "<div>And on the return side?</div><div>On Mon, 5 Jan 2026 at 10:00, Acme wrote:</div>"
        "<blockquote>Yes, it is.</blockquote>"
    )
    thread = asked.thread(ticket, html, attachments=[{"name": "photo.jpg"}], createdTime="2026-01-05T11:00:00.000Z")
    [found] = ask(asked.post("Ticket_Thread_Add", asked.threads[thread]), SETTINGS, zoho.TOKEN)
    assert (found.kind, found.provider_id, found.author) == (EventKind.MESSAGE, thread, Author.CUSTOMER)
    inbound = found.inbound
    assert inbound and (inbound.thread_id, inbound.external_id, inbound.subject) == (ticket, thread, "Hose for E85")
    assert (inbound.sender.address, inbound.sender.name) == ("kim@customer.test", "Kim Tran")
    assert inbound.body_new == "And on the return side?" and "Yes, it is." in inbound.body_text
    assert inbound.body_html == html
    assert inbound.problems == ("Files that Zoho Desk does not hand out: photo.jpg.",)
    assert found.at == datetime(2026, 1, 5, 11, tzinfo=UTC)


def test_a_long_thread_is_fetched_whole(asked: zoho.Zoho) -> None:
    thread = asked.thread(asked.ticket(), f"<div>{'long ' * 500}end</div>", isContentTruncated=True)
    [found] = ask(asked.post("Ticket_Thread_Add", asked.threads[thread]), SETTINGS, zoho.TOKEN)
    assert found.inbound and found.inbound.body_text.endswith("end")
    assert asked.count("GET", "/fullContent") == 1


@pytest.mark.parametrize(
    ("changes", "kind", "author", "pending"),
    [
        ({}, EventKind.MESSAGE, Author.CUSTOMER, False),
        ({"direction": "out"}, EventKind.MESSAGE, Author.TEAM, False),
        ({"direction": "out", "status": "PENDING"}, EventKind.MESSAGE, Author.TEAM, True),
        ({"direction": "out", "status": "FAILED"}, EventKind.FAILED, Author.TEAM, False),
        ({"direction": "out", "status": "DRAFT"}, EventKind.OTHER, Author.CUSTOMER, False),
        ({"visibility": "private"}, EventKind.OTHER, Author.CUSTOMER, False),
        ({"direction": "out", "isForward": True}, EventKind.OTHER, Author.CUSTOMER, False),
        ({"id": None}, EventKind.OTHER, Author.CUSTOMER, False),
    ],
)
def test_what_a_thread_is(changes: dict[str, Any], kind: EventKind, author: Author, pending: bool) -> None:
    thread = {"id": "11", "direction": "in", "status": "SUCCESS", "visibility": "public", "content": "Hello", **changes}
    found = event_of(thread, TICKET)
    assert (found.kind, found.author, found.is_pending) == (kind, author, pending)


@pytest.mark.parametrize(
    ("comment", "author"),
    [
        ({"isPublic": False}, None),
        ({"isPublic": "true"}, None),
        ({}, None),
        ({"isPublic": True, "commenter": {"type": "END_USER", "email": "kim@customer.test"}}, Author.CUSTOMER),
        ({"isPublic": True, "commenter": {"type": "AGENT", "email": "lou@acme.test"}}, Author.TEAM),
        ({"isPublic": True}, Author.TEAM),
    ],
)
def test_a_private_comment_is_never_a_message(asked: zoho.Zoho, comment: dict[str, Any], author: Author | None) -> None:
    ticket = asked.ticket()
    stored = {"id": "55", "ticketId": ticket, "content": "Secret", "contentType": "plainText", **comment}
    asked.comments["55"] = stored
    told = {**stored, "isPublic": True, "commenter": {"type": "END_USER"}}  # whatever the post says
    [found] = ask(asked.post("Ticket_Comment_Add", told), SETTINGS, zoho.TOKEN)
    assert (found.author if found.kind == EventKind.MESSAGE else None) == author
    assert found.kind == EventKind.OTHER or found.provider_id == "comment:55"


def test_another_department_and_what_is_gone_are_nothing(asked: zoho.Zoho) -> None:
    only = ZohoSettings(**METADATA, departments="8, 10")
    thread = asked.threads[asked.thread(asked.ticket(departmentId="9"))]
    assert [one.kind for one in ask(asked.post("Ticket_Thread_Add", thread), only, zoho.TOKEN)] == [EventKind.OTHER]
    for gone in ({"id": "404", "ticketId": thread["ticketId"]}, {"id": thread["id"], "ticketId": "404"}):
        assert [one.kind for one in ask(asked.post("Ticket_Thread_Add", gone), SETTINGS, zoho.TOKEN)] == [
            EventKind.OTHER
        ]
    assert [one.kind for one in ask(b"[]", SETTINGS, zoho.TOKEN)] == [EventKind.OTHER]


# --- from post to message ---------------------------------------------------------------------------------------------
def test_its_first_look_is_answered_and_a_post_exactly_with_200(desk: Desk) -> None:
    url = f"/hooks/{desk.token}/"
    assert Client().get(url).status_code == 200
    thread = desk.zoho.threads[desk.zoho.thread(desk.zoho.ticket())]
    body = desk.zoho.post("Ticket_Thread_Add", thread)
    seen = {desk.post(one).status_code for one in (body, body, b"[]", b"{}", b"\xff", b"")}
    assert seen == {200}
    seen = {desk.post(body, token=one).status_code for one in ("", "x.y.z", zoho.token(iss="orgId:1"))}
    assert seen == {401}


def test_a_new_ticket_is_a_conversation_and_its_thread_comes_once(desk: Desk) -> None:
    ticket = desk.zoho.ticket()
    thread = desk.zoho.thread(ticket)
    first = desk.tells("Ticket_Add", {**desk.zoho.tickets[ticket], "firstThread": {"id": thread}})
    again = desk.tells_of(thread)
    assert (first.status, again.status) == ("processed", "ignored")
    assert desk.messages() == [("inbound", "Does PTFE hose work with E85?")]
    with tenant_context(desk.account.pk):
        conversation = Conversation.objects.get()
        assert (conversation.external_id, conversation.subject) == (ticket, "Hose for E85")
        assert conversation.customer_email == "kim@customer.test" and conversation.owed == "message"
        assert InboundEvent.objects.filter(signature="valid").count() == 2


def test_a_ticket_that_names_no_thread_begins_with_its_first(desk: Desk) -> None:
    ticket = desk.zoho.ticket()
    first, _ = desk.zoho.thread(ticket), desk.zoho.thread(ticket, "<div>Hello?</div>")
    desk.tells("Ticket_Add", desk.zoho.tickets[ticket])
    with tenant_context(desk.account.pk):
        assert Message.objects.get().external_id == first


def test_words_in_a_post_are_not_believed(desk: Desk) -> None:
    """Its token does not cover the body: who has one could put any words under it."""
    ticket = desk.zoho.ticket()
    thread = desk.zoho.threads[desk.zoho.thread(ticket)]
    forged = {**thread, "content": "Refund me", "direction": "in", "fromEmailAddress": "boss@acme.test"}
    body = json.dumps([{"eventType": "Ticket_Thread_Add", "payload": forged, "orgId": zoho.ORGANISATION}]).encode()
    assert desk.post(body).status_code == 200
    desk.read()
    assert desk.messages() == [("inbound", "Does PTFE hose work with E85?")]


def test_a_colleagues_own_reply_settles_what_is_owed(desk: Desk) -> None:
    ticket = desk.zoho.ticket()
    desk.tells_of(desk.zoho.thread(ticket))
    desk.tells_of(
        desk.zoho.answers(ticket, createdTime=f"{database_time.now() + timedelta(seconds=5):%Y-%m-%dT%H:%M:%S.000Z}")
    )
    assert desk.messages() == [("inbound", "Does PTFE hose work with E85?"), ("outbound", "Yes, it does.")]
    with tenant_context(desk.account.pk):
        assert Conversation.objects.get().owed == ""


def test_while_zoho_is_away_a_post_waits_and_loses_no_try(desk: Desk) -> None:
    thread = desk.zoho.thread(desk.zoho.ticket())
    body = desk.zoho.post("Ticket_Thread_Add", desk.zoho.threads[thread])
    desk.post(body)
    until = database_time.now() + timedelta(seconds=120)
    desk.zoho.fault = Fault(lambda one: "/tickets/" in one.path, says=(429, {}, {"Retry-After": "120"}), times=1)
    waits = desk.read()
    assert (waits.status, waits.tries) == ("received", 0)
    assert waits.lease_until is not None and abs(waits.lease_until - until) < timedelta(seconds=5)
    asked = len(desk.zoho.asked)
    assert desk.read().status == "received" and len(desk.zoho.asked) == asked  # not before its time
    with tenant_context(desk.account.pk):
        InboundEvent.objects.update(lease_until=database_time.now())
    assert desk.read().status == "processed"
    with tenant_context(desk.account.pk):
        assert InboundEvent.objects.get().detail == ""


def test_what_zoho_does_not_tell_for_a_day_waits_for_a_person(desk: Desk) -> None:
    desk.post(desk.zoho.post("Ticket_Thread_Add", desk.zoho.threads[desk.zoho.thread(desk.zoho.ticket())]))
    desk.zoho.fault = Fault(lambda one: True, says=(500, {}))
    with tenant_context(desk.account.pk):
        event = InboundEvent.objects.get()
        InboundEvent.objects.update(received_at=database_time.now() - receive.ASKED_FOR - timedelta(seconds=1))
    found = receive.read_event(account_id=desk.account.pk, event_id=event.pk).event
    assert found.status == "failed" and zoho.TOKEN not in found.detail


def test_while_its_keys_are_away_a_post_is_503_and_stores_nothing(desk: Desk) -> None:
    thread = desk.zoho.threads[desk.zoho.thread(desk.zoho.ticket())]
    desk.zoho.fault = Fault(lambda one: True, says=(500, {}))
    with assert_nothing_written_in(desk.account):
        assert desk.post(desk.zoho.post("Ticket_Thread_Add", thread)).status_code == 503
    desk.zoho.fault = None
    assert desk.post(desk.zoho.post("Ticket_Thread_Add", thread)).status_code == 200
    with tenant_context(desk.account.pk):
        assert ChannelHealth.objects.get(channel=desk.channel).hook_refused_at is None
        assert InboundKey.objects.count() == 1


def test_five_thousand_bent_requests_get_nothing_that_zoho_punishes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never 410, which ends the subscription, nor 429 or 5xx."""
    monkeypatch.setattr(keys, "AT_MOST", 3600.0)  # on a slow machine these take longer than five minutes
    import random

    dice, url, seen = random.Random(7), f"/hooks/{desk.token}/", set()
    good, body = zoho.token(), desk.zoho.post("Ticket_Thread_Add", {"id": "1", "ticketId": "2"})
    client = Client()
    for _ in range(5000):
        bent = bytearray(dice.choice([good.encode(), body, b"", b"\x00\xff" * 40]))
        for _ in range(dice.randrange(4)):
            if bent:
                bent[dice.randrange(len(bent))] = dice.randrange(256)
        raw = bytes(bent).decode("latin-1").replace("\r", "").replace("\n", "")
        token = dice.choice(
            [
                raw,
                "",
                good[: dice.randrange(len(good))],
                zoho.token(header={"kid": raw[:9]}) if dice.random() < 0.02 else raw,
            ]
        )
        seen.add(
            client.post(url, bytes(bent), content_type="application/json", headers={"X-ZDesk-JWT": token}).status_code
        )
    assert seen <= {200, 401}, seen
    assert desk.zoho.count("GET", "jwks.json") <= 1


def test_a_ticket_that_is_closed_there_is_closed_here_where_nothing_is_owed(desk: Desk) -> None:
    """Zoho does not tell who closed it, so who is owed an answer stays; that a ticket is open says nothing."""
    ticket = desk.zoho.ticket()
    desk.tells_of(desk.zoho.thread(ticket))
    closed = {"status": "Closed", "statusType": "Closed", "closedTime": "2099-01-01T00:00:00.000Z"}
    desk.zoho.tickets[ticket].update(closed)
    owed = desk.tells("Ticket_Update", desk.zoho.tickets[ticket], eventTime="2")
    assert owed.detail == "something is owed here, and no person of ours closed it there"
    desk.tells_of(desk.zoho.answers(ticket))  # a colleague answered there
    desk.zoho.tickets[ticket].update({"modifiedTime": "2099-01-01T00:00:01.000Z"})
    assert desk.tells("Ticket_Update", desk.zoho.tickets[ticket]).detail == "closed"
    with tenant_context(desk.account.pk):
        assert Conversation.objects.get().outcome == "closed_there"
    desk.zoho.tickets[ticket].update({"statusType": "Open", "modifiedTime": "2099-01-01T00:00:02.000Z"})
    assert desk.tells("Ticket_Update", desk.zoho.tickets[ticket]).status == "ignored"
    with tenant_context(desk.account.pk):
        assert Conversation.objects.get().status == "closed"


# --- what was missed --------------------------------------------------------------------------------------------------
def fetched(desk: Desk) -> int:
    """A round of five minutes later, and what came is read."""
    with tenant_context(desk.account.pk):
        Mailbox.objects.update(checked_at=database_time.now() - timedelta(minutes=5))
        ProcrastinateJob.objects.filter(task_name=mailboxes.TASK).delete()
    mailboxes.ask_for_rounds(account_id=desk.account.pk)
    assert ProcrastinateJob.objects.filter(task_name=mailboxes.TASK).count() == 1
    with tenant_context(desk.account.pk):
        mailbox = Mailbox.objects.get(channel=desk.channel)
    count = mailboxes.fetch(account_id=desk.account.pk, mailbox_id=mailbox.pk)
    with tenant_context(desk.account.pk):
        waiting = list(InboundEvent.objects.filter(status="received").order_by("id").values_list("pk", flat=True))
    for pk in waiting:
        receive.read_event(account_id=desk.account.pk, event_id=pk)
    return count


def moment(seconds: int) -> str:
    return f"{database_time.now() + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.{seconds % 1000:03d}Z}"


def test_fifty_posts_that_never_came_are_made_good_by_one_round_and_none_comes_twice(desk: Desk) -> None:
    with tenant_context(desk.account.pk):
        Channel.objects.filter(pk=desk.channel.pk).update(metadata={**METADATA, "sender_per_hour": 1000})
    desk.zoho.thread(desk.zoho.ticket(), "<div>Long ago</div>", createdTime=moment(-86_400))
    assert fetched(desk) == 0  # it begins with what comes from now on
    tickets = [desk.zoho.ticket() for _ in range(50)]
    threads = [
        desk.zoho.thread(one, f"<div>Question {n}</div>", createdTime=moment(n + 1)) for n, one in enumerate(tickets)
    ]
    for thread in threads[:10]:
        desk.tells_of(thread)
    fetched(desk)
    assert sorted(text for _, text in desk.messages()) == sorted(f"Question {n}" for n in range(50))
    for thread in threads[40:]:
        assert desk.tells_of(thread).status == "ignored"
    assert fetched(desk) == 0 and len(desk.messages()) == 50


def test_a_round_asks_for_more_than_one_page_if_it_has_to(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "PAGE", 2)
    fetched(desk)
    for n in range(5):
        desk.zoho.thread(desk.zoho.ticket(), f"<div>Question {n}</div>", createdTime=moment(n + 1))
    fetched(desk)
    assert len(desk.messages()) == 5


@pytest.mark.parametrize(("minutes", "jobs"), [(1, 0), (4, 0), (5, 1)])
def test_it_is_asked_every_five_minutes_and_not_every_minute(desk: Desk, minutes: int, jobs: int) -> None:
    fetched(desk)
    ProcrastinateJob.objects.filter(task_name=mailboxes.TASK).delete()
    with tenant_context(desk.account.pk):
        Mailbox.objects.update(checked_at=database_time.now() - timedelta(minutes=minutes))
    mailboxes.ask_for_rounds(account_id=desk.account.pk)
    assert ProcrastinateJob.objects.filter(task_name=mailboxes.TASK).count() == jobs
