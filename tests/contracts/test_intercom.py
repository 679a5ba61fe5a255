"""Intercom's API as its description has it, and what its posts say, on payloads that others captured."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from conversations.channels.base import (
    Author,
    ChannelError,
    EventKind,
    Failure,
    File,
    HookRequest,
    Outbound,
    Party,
    Refused,
    SignInRefused,
)
from conversations.channels.email.reading.html_text import html_to_text
from conversations.channels.intercom.checking import check_intercom, missing
from conversations.channels.intercom.events import parse
from conversations.channels.intercom.sending import IntercomAdapter, as_html, open_intercom
from conversations.channels.intercom.settings import HOSTS, IntercomSettings
from conversations.channels.intercom.signature import sign, verify
from tests.conftest import CORPORA, needs_corpora
from tests.contracts.conftest import intercom_contract
from tests.contracts.spec import Request
from tests.contracts.vendors import IntercomInbox

SECRET = "the app's client secret"
SETTINGS = IntercomSettings(admin_id=IntercomInbox.ADMIN)


def reply(text: str = "It holds 4 bar.", **changes: Any) -> Outbound:
    values: dict[str, Any] = {"thread_id": "900", "answers": "900:source", "message_id": "d-1", **changes}
    return Outbound(sender=Party("T1"), to=(Party("c1"),), subject="Re: x", body_text=text, **values)


def adapter(**changes: Any) -> IntercomAdapter:
    return replace(IntercomAdapter("api.intercom.io", IntercomInbox.ADMIN, IntercomInbox.TOKEN), **changes)


def send(outbound: Outbound) -> Any:
    return adapter().send(outbound, before_handover=lambda: None)


# --- sending ---------------------------------------------------------------------------------------------------------
def test_a_reply_is_given_in_the_teammates_name_and_its_part_is_its_id(inbox: IntercomInbox) -> None:
    receipt = send(reply("One <b> & two\nlines\n\nand a paragraph"))
    [request] = inbox.requests
    assert (request.method, request.path, request.headers["intercom-version"]) == (
        "POST",
        "/conversations/900/reply",
        "2.15",
    )
    assert request.data() == {
        "message_type": "comment", "type": "admin", "admin_id": "4711",
        "body": "<p>One &lt;b&gt; &amp; two<br>lines</p><p>and a paragraph</p>",
    }  # fmt: skip
    assert receipt.provider_id == f"900:{inbox.parts['900'][0]['id']}"


def test_files_travel_along(inbox: IntercomInbox) -> None:
    send(reply(files=(File("ends.txt", "text/plain", b"hello"),)))
    assert inbox.requests[0].data()["attachment_files"] == [
        {"content_type": "text/plain", "name": "ends.txt", "data": "aGVsbG8="}
    ]


@pytest.mark.parametrize("text", ["One\ntwo\n\nthree", "a < b & c > d", "<script>alert(1)</script>", "- one\n- two"])
def test_what_was_approved_is_what_is_read(text: str) -> None:
    assert html_to_text(as_html(text)).split() == text.split()
    assert "<script" not in as_html(text)


def test_what_cannot_be_given_is_said_before(inbox: IntercomInbox) -> None:
    assert not adapter(token="").problems(reply())
    assert "no number of Intercom's" in adapter().problems(reply(thread_id="t-7"))[0]
    assert adapter().problems(reply(" ")) == ["The reply has no text."]
    with pytest.raises(ChannelError) as found:
        send(reply(thread_id="1/../2"))
    assert found.value.failure == Failure.PERMANENT
    for changes in ({"token": ""}, {"admin_id": ""}):
        with pytest.raises(SignInRefused):
            adapter(**changes).send(reply(), before_handover=lambda: pytest.fail("handed over"))
    assert not inbox.requests


def test_each_refusal_means_what_it_says(inbox: IntercomInbox) -> None:
    for outbound, changes, failure, fault in (
        (reply(thread_id="404"), {}, Failure.PERMANENT, False),
        (reply(), {"token": "wrong"}, Failure.TRANSIENT, True),
    ):
        with pytest.raises(ChannelError) as found:
            adapter(**changes).send(outbound, before_handover=lambda: None)
        assert (found.value.failure, found.value.channel_fault) == (failure, fault)
    inbox.fault = lambda request: (200, {"type": "admin"}, {})
    with pytest.raises(ChannelError) as found:
        send(reply())
    assert found.value.failure == Failure.UNCERTAIN
    inbox.fault = lambda request: (429, {}, {"X-RateLimit-Reset": "4102444800"})
    with pytest.raises(ChannelError) as found:
        send(reply())
    assert found.value.retry_at is not None and found.value.channel_fault
    assert not inbox.parts["900"]


def naive(inbox: IntercomInbox, text: str) -> None:
    """What a library does that tries again when a connection ends: the control."""
    body = json.dumps({"message_type": "comment", "type": "admin", "admin_id": inbox.ADMIN, "body": text})
    for _ in range(2):
        connection = http.client.HTTPConnection(inbox.address, timeout=5)
        headers = {
            "Host": "api.intercom.io",
            "Authorization": f"Bearer {inbox.TOKEN}",
            "Content-Type": "application/json",
        }
        connection.request("POST", "/conversations/900/reply", body, headers)
        try:
            connection.getresponse().read()
            return
        except (OSError, http.client.HTTPException):
            continue


def test_a_hundred_lost_answers_leave_each_reply_there_once_and_it_is_found(inbox: IntercomInbox) -> None:
    inbox.fault = lambda request: "drop" if request.method == "POST" else None
    texts = [f"Answer {number}" for number in range(100)]
    for text in texts:
        with pytest.raises(ChannelError) as found:
            send(reply(text))
        assert found.value.failure == Failure.UNCERTAIN
    assert inbox.said() == Counter(as_html(text) for text in texts)
    for number in (0, 99):
        receipt = adapter().find(reply(texts[number]))
        assert receipt is not None and receipt.provider_id == f"900:{inbox.parts['900'][number]['id']}"
    assert adapter().find(reply("Never said")) is None
    assert adapter().find(reply(thread_id="404")) is None
    naive(inbox, "control")
    assert inbox.said()["control"] == 2, "the control, which tries again, sends twice"


def test_only_what_stands_behind_the_answered_part_in_his_name_and_no_note_is_found(inbox: IntercomInbox) -> None:
    inbox.put("900", "<p>Thanks!</p>")
    asked = inbox.put("900", "<p>Is it safe?</p>", author={"type": "user", "id": "c1"})
    answers = f"900:{asked['id']}"
    inbox.put("900", "<p>Thanks!</p>", part_type="note")
    inbox.put("900", "<p>Thanks!</p>", author={"type": "admin", "id": "1"})
    inbox.put("900", "<p>Thanks!</p>", author={"type": "user", "id": IntercomInbox.ADMIN})
    assert adapter().find(reply("Thanks!", answers=answers)) is None
    there = inbox.put("900", "Thanks!\n")
    receipt = adapter().find(reply("Thanks!", answers=answers))
    assert receipt is not None and receipt.provider_id == f"900:{there['id']}"


@pytest.mark.parametrize(
    "parts",
    [None, [], {"conversation_parts": "x"}, {"conversation_parts": [None, {}, {"id": "1", "author": "x"}, {"id": 2}]}],
)
def test_what_makes_no_sense_is_nothing_found_and_a_reply_that_was_taken_stays_taken(
    inbox: IntercomInbox, parts: Any
) -> None:
    inbox.fault = lambda request: (200, {"type": "conversation", "id": "900", "conversation_parts": parts}, {})
    assert adapter().find(reply()) is None
    assert send(reply()).provider_id == ""


# --- check -----------------------------------------------------------------------------------------------------------
def states(settings: IntercomSettings = SETTINGS, token: str = IntercomInbox.TOKEN) -> list[tuple[str, str]]:
    return [(one.state, one.title) for one in check_intercom(settings, token)]


def test_a_check_says_whose_the_token_is_and_who_answers(inbox: IntercomInbox) -> None:
    assert states() == [("ok", "Token accepted"), ("ok", "Replies appear as")]
    assert states(token="wrong") == [("bad", "Token not accepted"), ("no", "Teammate")]
    assert ("bad", "No such teammate") in states(IntercomSettings(admin_id="99"))
    inbox.region = "EU"
    assert ("bad", "Another region") in states()
    inbox.fault = lambda request: (500, {}, {})
    assert states()[0] == ("bad", "Intercom did not answer")
    assert not inbox.parts["900"]


def test_the_region_picks_the_host_and_what_is_missing_is_named() -> None:
    assert [open_intercom(IntercomSettings(region=region), "x").host for region in ("us", "eu", "au")] == list(
        HOSTS.values()
    )
    assert missing(IntercomSettings(), "") == ["admin_id", "credentials"]
    assert missing(SETTINGS, "x") == []
    for wrong in ({"admin_id": "4711/../1"}, {"region": "evil.test"}):
        with pytest.raises(ValueError):
            IntercomSettings(**wrong)


# --- what is posted --------------------------------------------------------------------------------------------------
def request(body: bytes, signature: str) -> HookRequest:
    return HookRequest({"x-hub-signature": signature}, body, datetime(2026, 11, 29, tzinfo=UTC))


def test_a_post_is_proved_by_its_bytes() -> None:
    body = b'{"type": "notification_event", "topic": "conversation.user.created", "id": "notif_1"}'
    assert verify(request(body, sign(SECRET, body)), ["another", SECRET]).key == "notif_1"
    # RFC 2202, test case 2: the signature is what it says.
    assert sign("Jefe", b"what do ya want for nothing?") == "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    for wrong in (
        request(body + b" ", sign(SECRET, body)),
        request(body, sign("guessed", body)),
        request(body, ""),
        request(body, sign(SECRET, body).removeprefix("sha1=")),
        request(body, "é"),
    ):
        with pytest.raises(Refused):
            verify(wrong, [SECRET])
    with pytest.raises(Refused):
        verify(request(body, sign(SECRET, body)), [])
    ping = b'{"topic": "ping", "id": null}'
    assert verify(request(ping, sign(SECRET, ping)), [SECRET]).key == ""
    for nameless in (b"{}", b"[]", b"no json"):
        assert len(verify(request(nameless, sign(SECRET, nameless)), [SECRET]).key) == 64


def notification(topic: str, *parts: dict[str, Any], **item: Any) -> bytes:
    source = {
        "type": "conversation",
        "id": "1",
        "subject": "",
        "body": "<p>Hello</p>",
        "author": {"type": "user", "id": "c1"},
    }
    listed = {"type": "conversation_part.list", "conversation_parts": list(parts)}
    conversation = {
        "type": "conversation", "id": "900", "created_at": 1_796_000_000, "source": source,
        "contacts": {"contacts": [{"type": "contact", "id": "c1"}]}, "conversation_parts": listed, **item,
    }  # fmt: skip
    return json.dumps(
        {"type": "notification_event", "topic": topic, "id": "notif_1", "data": {"item": conversation}}
    ).encode()


def part(**changes: Any) -> dict[str, Any]:
    author = {"type": "user", "id": "c1", "name": "Robin"}
    return {
        "id": "5",
        "part_type": "comment",
        "body": "<p>And E85?</p>",
        "created_at": 1_796_000_060,
        "author": author,
        **changes,
    }


def read(topic: str, *parts: dict[str, Any], **item: Any) -> Any:
    return parse(notification(topic, *parts, **item), SETTINGS)


def test_the_first_message_is_the_source_and_the_next_ones_are_parts() -> None:
    [first] = read("conversation.user.created")
    assert (first.kind, first.provider_id, first.author) == (EventKind.MESSAGE, "900:source", Author.CUSTOMER)
    assert (first.inbound.thread_id, first.inbound.body_text, first.inbound.body_html) == (
        "900",
        "Hello",
        "<p>Hello</p>",
    )
    assert first.inbound.sender == Party("c1")
    assert first.at == datetime.fromtimestamp(1_796_000_000, UTC)
    [next_] = read("conversation.user.replied", part())
    assert (next_.provider_id, next_.inbound.body_text, next_.inbound.sender) == (
        "900:5",
        "And E85?",
        Party("c1", "Robin"),
    )


@pytest.mark.parametrize(
    ("author", "is_by"),
    [
        ({"type": "lead", "id": "c1"}, Author.CUSTOMER),
        ({"type": "admin", "id": "1"}, Author.TEAM),
        ({"type": "admin", "id": "4711"}, Author.US),
        ({"type": "bot", "id": "9"}, None),
        ({"type": "admin", "id": "9", "from_ai_agent": True}, None),
        ({}, None),
    ],
)
def test_who_wrote_it(author: dict[str, Any], is_by: Author | None) -> None:
    [found] = read("conversation.admin.replied", part(author=author))
    assert (found.author if found.kind == EventKind.MESSAGE else None) == is_by


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        ("conversation.admin.noted", [part(part_type="note")]),
        ("conversation.admin.replied", [part(part_type="note")]),
        ("conversation.admin.replied", [part(body=None)]),
        ("conversation.admin.replied", [part(redacted=True)]),
        ("conversation.admin.assigned", []),
        ("contact.created", []),
        ("conversation.admin.single.created", [part()]),
    ],
)
def test_what_is_nobodys_message_to_us_is_nothing(topic: str, parts: list[dict[str, Any]]) -> None:
    assert [one.kind for one in read(topic, *parts)] == [EventKind.OTHER]


def test_a_part_that_was_taken_back_there_is_deleted() -> None:
    [gone] = read("conversation_part.redacted", part(redacted=True, body="<p>This message was deleted</p>"))
    assert (gone.kind, gone.provider_id) == (EventKind.DELETED, "900:5")


@pytest.mark.parametrize(
    ("body", "text", "html"),
    [
        ("<p>a &lt; b</p>", "a < b", "<p>a &lt; b</p>"),
        ("a < b and <p>", "a < b and <p>", ""),  # version 2.15 of the posts has plain text
        ("<3 thanks", "<3 thanks", ""),
        ("<script>x</script>", "<script>x</script>", ""),
        ("<p>Hi<script>x()</script></p>", "Hi", "<p>Hi<script>x()</script></p>"),
    ],
)
def test_html_is_read_as_mail_is_and_text_as_it_stands(body: str, text: str, html: str) -> None:
    [found] = read("conversation.user.replied", part(body=body))
    assert (found.inbound.body_text, found.inbound.body_html) == (text, html)


def test_a_file_that_cannot_be_fetched_is_named() -> None:
    [found] = read("conversation.user.replied", part(body="", attachments=[{"name": "ends.jpg"}]))
    assert found.inbound.problems == ("Files that Intercom does not hand out: ends.jpg.",)
    has_address = [{"type": "upload", "name": "ends.jpg", "url": "https://downloads.intercomcdn.com/i/o/1/ends.jpg"}]
    [found] = read("conversation.user.replied", part(body="See", attachments=has_address))
    assert [(one.name, one.address) for one in found.inbound.there] == [("ends.jpg", has_address[0]["url"])]
    assert found.inbound.problems == ()


@pytest.mark.parametrize("raw", [b"[]", b"{}", b"null", b'{"topic": "conversation.user.created"}', b"\xff"])
def test_what_is_no_notification_waits_for_a_person(raw: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse(raw, SETTINGS)


@needs_corpora
def test_payloads_that_others_captured_are_read() -> None:
    found = {}
    for path in sorted((CORPORA / "webhooks-intercom" / "dev").glob("*.json")):
        raw = path.read_bytes()
        assert verify(request(raw, sign(SECRET, raw)), [SECRET]).key.startswith("notif_")
        [event] = parse(raw, IntercomSettings(admin_id="1957471"))
        said = event.inbound.body_text if event.inbound else ""
        found[path.stem] = (event.kind.value, event.author.value, event.provider_id, said)
    assert found == {
        "conversation_admin_replied": ("message", "us", "21322009097:2824382500", "Hey Eeshan! How can I help?"),
        "conversation_part_redacted": ("deleted", "customer", "215472621202693:37358539897", ""),
        "conversation_user_created": ("message", "customer", "21321941764:source", "Hello everyone!"),
        "conversation_user_replied": (
            "message", "customer", "21322009097:2824391734", "Well, I need some help getting access to a developer account.",
        ),
    }  # fmt: skip


# --- the checker itself ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change", [{"admin_id": None}, {"message_type": "shout"}, {"type": "robot"}, {"attachment_files": [{"data": 5}]}]
)
def test_a_request_that_breaks_the_contract_is_noticed(change: dict[str, Any]) -> None:
    body = {"message_type": "comment", "type": "admin", "admin_id": "1", "body": "x"}
    headers = {"content-type": "application/json", "intercom-version": "2.15"}
    check = intercom_contract("sample").problems
    path = "/conversations/900/reply"
    assert not check(Request("POST", path, {}, headers, json.dumps(body).encode()))
    assert check(Request("POST", path, {}, headers, json.dumps({**body, **change}).encode()))
    assert check(Request("POST", path, {}, {**headers, "intercom-version": "1"}, json.dumps(body).encode()))
    assert check(Request("GET", "/conversations/x", {}, headers, b""))
    assert check(Request("GET", path, {}, headers, b""))
