"""Slack's inbound half: its signature, and what its posts say happened, on payloads of its own SDK's tests."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from conversations.channels.base import Author, EventKind, HookRequest, Refused
from conversations.channels.slack.events import parse, plain
from conversations.channels.slack.settings import SlackSettings
from conversations.channels.slack.signature import sign, verify
from conversations.database import database_time
from conversations.models import Conversation, Message
from conversations.setup import hooks as setup
from conversations.tenancy import tenant_context
from ingestion import receive
from ingestion.models import InboundEvent
from tests import factories
from tests.conftest import CORPORA, World, needs_corpora

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
#: Slack's own example (docs.slack.dev, "Verifying requests from Slack"; also in python-slack-sdk, MIT).
MOMENT, SIGNATURE = "1531420618", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d"
    b"10d2c447fce8b6703c"
)


def request(body: bytes, *, signature: str, moment: str = MOMENT, at: int = int(MOMENT)) -> HookRequest:
    headers = {"x-slack-request-timestamp": moment, "x-slack-signature": signature}
    return HookRequest(headers, body, datetime.fromtimestamp(at, UTC))


def test_slacks_own_example_is_right_and_nothing_near_it() -> None:
    assert verify(request(BODY, signature=SIGNATURE), ["another", SECRET]).key
    for wrong in (
        request(BODY + b"x", signature=SIGNATURE),
        request(BODY, signature=SIGNATURE[:-1]),
        request(BODY, signature=""),
        request(BODY, signature="é"),
        request(BODY, signature=SIGNATURE, at=int(MOMENT) + 301),
        request(BODY, signature=SIGNATURE, at=int(MOMENT) - 301),
        request(BODY, signature=sign(SECRET, "soon", BODY), moment="soon"),
        request(BODY, signature=sign(SECRET, "", BODY), moment=""),
        request(BODY, signature=sign(SECRET, "²", BODY), moment="²"),
    ):
        with pytest.raises(Refused):
            verify(wrong, [SECRET])
    for none in ([], ["another"]):
        with pytest.raises(Refused):
            verify(request(BODY, signature=SIGNATURE), none)


def said(body: Any) -> Any:
    raw = json.dumps(body).encode()
    return verify(request(raw, signature=sign(SECRET, MOMENT, raw)), [SECRET])


def test_the_challenge_is_answered_and_an_event_is_known_by_its_id() -> None:
    asked = said({"type": "url_verification", "challenge": "say this"})
    assert (asked.key, asked.answer) == ("", "say this")
    assert said({"type": "event_callback", "event_id": "Ev1"}).key == "Ev1"
    assert len(said({"type": "app_rate_limited", "minute_rate_limited": 1}).key) == 64
    assert len(said([]).key) == 64


def callback(**event: Any) -> dict[str, Any]:
    return {
        "type": "event_callback", "event_id": "Ev1", "api_app_id": "A1",
        "authorizations": [{"user_id": "UBOT", "is_bot": True}],
        "event": {"type": "message", "channel": "C1", "user": "U1", "text": "Hello", "ts": "1596183880.004200", **event},
    }  # fmt: skip


def read(settings: SlackSettings | None = None, **event: Any) -> Any:
    [found] = parse(json.dumps(callback(**event)).encode(), settings or SlackSettings())
    return found


def test_a_message_is_named_by_channel_and_ts_and_its_thread_by_the_first() -> None:
    first, answer = read(), read(thread_ts="1596183880.004200", ts="1596183990.000100")
    assert (first.provider_id, first.inbound.thread_id) == ("C1:1596183880.004200", "C1:1596183880.004200")
    assert (answer.provider_id, answer.inbound.thread_id) == ("C1:1596183990.000100", "C1:1596183880.004200")
    assert first.at == datetime(2020, 7, 31, 8, 24, 40, 4200, UTC)
    assert (first.author, first.inbound.sender.address) == (Author.CUSTOMER, "U1")


@pytest.mark.parametrize(
    ("event", "author"),
    [
        ({}, Author.CUSTOMER),
        ({"user": "U2"}, Author.TEAM),
        ({"user": "UBOT", "bot_id": "B1"}, Author.US),
        ({"user": "UX", "bot_id": "B1", "app_id": "A1"}, Author.US),
        ({"user": None, "subtype": "bot_message", "bot_id": "B1", "bot_profile": {"app_id": "A1"}}, Author.US),
    ],
)
def test_who_wrote_it(event: dict[str, Any], author: Author) -> None:
    assert read(SlackSettings(people="U2, W3"), **event).author == author


@pytest.mark.parametrize(
    "event",
    [
        {"subtype": "channel_join"},
        {"type": "reaction_added"},
        {"user": "U9", "bot_id": "B9", "bot_profile": {"app_id": "A9"}},
        {"user": None, "subtype": "bot_message", "bot_id": "B9"},
        {"channel": "C2"},
    ],
)
def test_what_is_nobodys_message_to_us_is_nothing(event: dict[str, Any]) -> None:
    assert read(SlackSettings(rooms="c1"), **event).kind == EventKind.OTHER


def test_an_edit_and_an_end_name_the_message_that_they_are_of() -> None:
    new, old = {"ts": "1.1", "user": "U1", "text": "new"}, {"ts": "1.1", "text": "old"}
    edit = read(subtype="message_changed", message=new, previous_message=old)
    assert (edit.kind, edit.provider_id, edit.inbound.body_text) == (EventKind.EDITED, "C1:1.1", "new")
    preview = read(subtype="message_changed", message=new, previous_message=new)
    assert preview.kind == EventKind.OTHER
    gone = read(subtype="message_deleted", deleted_ts="1.1")
    tombstone = read(subtype="message_changed", message={**new, "subtype": "tombstone"}, previous_message=old)
    assert [(one.kind, one.provider_id) for one in (gone, tombstone)] == [(EventKind.DELETED, "C1:1.1")] * 2


def test_our_mark_is_read_of_the_metadata_that_we_send() -> None:
    payload = {"event_type": "countersign_reply", "event_payload": {"delivery": "d-1"}}
    assert read(user="UBOT", bot_id="B1", metadata=payload).mark == "d-1"
    assert read(metadata={**payload, "event_type": "other"}).mark == ""


def test_its_text_is_written_out() -> None:
    text = "Hi <@U1|ada>, <!here> see <https://a.test/x|the page> &amp; <https://b.test>, <#C1|orders>, <mailto:a@b.test|a@b.test> &lt;b&gt; <!date^1^x|May>"  # fmt: skip
    assert plain(text) == "Hi @ada, @here see the page (https://a.test/x) & https://b.test, #orders, a@b.test <b> @May"


def test_a_file_that_cannot_be_fetched_is_named() -> None:
    found = read(subtype="file_share", text="", files=[{"name": "ends.jpg"}])
    assert found.inbound.body_text == "ends.jpg"
    assert found.inbound.problems == ("Files that Slack does not hand out: ends.jpg.",)


@needs_corpora
def test_payloads_of_slacks_own_tests_are_taken_in_once(committed_world: World, attachments_dir: Any) -> None:
    world = committed_world
    channel = factories.channel(
        world.acme, type="slack", provider="slack", external_id="T111", name="Slack", incoming_credentials=SECRET,
        metadata={"sender_per_hour": 1000, "mails_per_hour": 1000},
    )  # fmt: skip
    with tenant_context(world.acme.pk):
        token = setup.make_hook(channel_id=channel.pk, actor=world.dan)
    answers: Counter[int] = Counter()
    files = sorted((CORPORA / "webhooks-slack" / "dev").glob("*.json"))
    assert len(files) > 20
    # Their tests share a few ids of events; these are as many events as there are files.
    bodies = [_own_id(path.read_bytes(), path.name) for path in files]
    for retry in range(2):
        for body in bodies:
            moment = str(int(database_time.now().timestamp()))
            headers = {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": sign(SECRET, moment, body), "X-Slack-Retry-Num": str(retry)}  # fmt: skip
            answer = Client().post(f"/hooks/{token}/", body, content_type="application/json", headers=headers)
            answers[answer.status_code] += 1
            if b"challenge" in body:
                assert answer.content.decode() == json.loads(body)["challenge"]
    assert answers == {200: 2 * len(files)}
    with tenant_context(world.acme.pk):
        stored = list(InboundEvent.objects.values_list("pk", flat=True))
    assert len(stored) == len(files) - sum(b"url_verification" in body for body in bodies)
    for _ in range(2):  # what our own app said waits a minute for the thread that it stands in
        for pk in stored:
            receive.read_event(account_id=world.acme.pk, event_id=pk)
        with tenant_context(world.acme.pk):
            InboundEvent.objects.update(received_at=database_time.now() - timedelta(seconds=61))
    with tenant_context(world.acme.pk):
        assert set(InboundEvent.objects.values_list("status", flat=True)) <= {"processed", "ignored"}, list(
            InboundEvent.objects.filter(status="failed").values_list("detail", flat=True)
        )
        texts = set(Message.objects.values_list("body_text", flat=True))
        assert {"Hello World!", "updated message", "Hi there!"} <= texts
        assert "Hi there! This is a reply using response_url." not in texts, "another app's"
        assert Conversation.objects.count() == Message.objects.count()


def _own_id(raw: bytes, name: str) -> bytes:
    data = json.loads(raw)
    return json.dumps({**data, "event_id": name} if "event_id" in data else data).encode()
