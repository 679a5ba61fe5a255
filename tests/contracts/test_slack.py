"""Slack's Web API as its description has it, behind a server that loses answers and says that it is called too
often."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from conversations.channels.base import ChannelError, Failure, File, Outbound, Party, SignInRefused
from conversations.channels.slack.checking import check_slack, places, send_test
from conversations.channels.slack.events import plain
from conversations.channels.slack.sending import SlackAdapter, escaped, open_slack
from conversations.channels.slack.settings import SlackSettings
from tests.contracts.conftest import slack_contract
from tests.contracts.spec import Request
from tests.contracts.vendors import SlackWorkspace

THREAD = "C0DEALERS:1795000000.000100"


def reply(text: str = "It holds 4 bar.", **changes: Any) -> Outbound:
    values: dict[str, Any] = {"thread_id": THREAD, "answers": THREAD, "message_id": "d-1", **changes}
    return Outbound(sender=Party("T1"), to=(Party("U1"),), subject="Re: x", body_text=text, **values)


def adapter(token: str = SlackWorkspace.TOKEN) -> SlackAdapter:
    return SlackAdapter(token)


def send(outbound: Outbound, **changes: Any) -> Any:
    return replace(adapter(), **changes).send(outbound, before_handover=lambda: None)


def test_a_reply_is_posted_into_its_thread_with_our_name_of_it(workspace: SlackWorkspace) -> None:
    receipt = send(reply("5 < 6 & <!channel>\nhttps://a.test"))
    [request] = workspace.requests
    assert (request.method, request.path) == ("POST", "/api/chat.postMessage")
    assert request.data() == {
        "channel": "C0DEALERS", "thread_ts": "1795000000.000100", "unfurl_links": False, "unfurl_media": False,
        "text": "5 &lt; 6 &amp; &lt;!channel&gt;\nhttps://a.test",
        "metadata": {"event_type": "countersign_reply", "event_payload": {"delivery": "d-1"}},
    }  # fmt: skip
    assert receipt.provider_id == f"C0DEALERS:{workspace.posted[0]['ts']}"
    send(reply(), previews=True)
    assert workspace.requests[1].data()["unfurl_links"] is True


@pytest.mark.parametrize("text", ["<!channel> & <@U1>", "&amp; &lt;", "plain", "a<b>c|d"])
def test_what_was_written_is_what_is_read(text: str) -> None:
    assert plain(escaped(text)) == text
    assert "<" not in escaped(text)


def test_what_cannot_be_posted_is_said_before_anybody_decides(settings: Any) -> None:
    assert not adapter("").problems(reply())
    assert "names no thread" in adapter().problems(reply(thread_id="t-7"))[0]
    assert "Files cannot be sent" in adapter().problems(reply(files=(File("a.png", "image/png", b"x"),)))[0]
    assert adapter().problems(reply("  ")) == ["The reply has no text."]
    for wrong in (reply(thread_id="C1:1.1\n"), reply(files=(File("a", "b/c", b""),))):
        with pytest.raises(ChannelError) as found:
            adapter().send(wrong, before_handover=lambda: pytest.fail("handed over"))
        assert found.value.failure == Failure.PERMANENT


@pytest.mark.parametrize(
    ("said", "failure", "fault"),
    [
        ({"ok": False, "error": "invalid_auth"}, "transient", True),
        ({"ok": False, "error": "missing_scope", "needed": "chat:write"}, "transient", True),
        ({"ok": False, "error": "ratelimited"}, "transient", True),
        ({"ok": False, "error": "service_unavailable"}, "transient", True),
        ({"ok": False, "error": "not_in_channel"}, "permanent", False),
        ({"ok": False, "error": "is_archived"}, "permanent", False),
        ({"ok": False, "error": "something_new"}, "permanent", False),
        ({"ok": False, "error": "internal_error"}, "uncertain", False),
        ({"ok": False, "error": "fatal_error"}, "uncertain", False),
        ({"ok": True}, "uncertain", False),
        ({"ok": "yes", "ts": "1.1", "channel": "C1"}, "uncertain", False),
        ({}, "uncertain", False),
    ],
)
def test_each_no_of_slacks_means_what_it_says(
    workspace: SlackWorkspace, said: dict[str, Any], failure: str, fault: bool
) -> None:
    workspace.fault = lambda request: (200, said, {})
    with pytest.raises(ChannelError) as found:
        send(reply())
    assert (found.value.failure, found.value.channel_fault) == (failure, fault)
    assert found.value.response.startswith(said.get("error", ""))
    assert len(workspace.requests) == 1


def test_no_token_is_the_channels_fault_and_asks_nobody(workspace: SlackWorkspace) -> None:
    for act in (lambda: adapter("").send(reply(), before_handover=lambda: None), lambda: adapter("").find(reply())):
        with pytest.raises(SignInRefused):
            act()
    assert not workspace.requests


def naive(workspace: SlackWorkspace, name: str) -> None:
    """What a library does that tries again when a connection ends: the control."""
    mark = {"event_type": "countersign_reply", "event_payload": {"delivery": name}}
    body = json.dumps({"channel": "C0DEALERS", "text": "x", "metadata": mark})
    for _ in range(2):
        connection = http.client.HTTPConnection(workspace.address, timeout=5)
        headers = {
            "Host": "slack.com",
            "Authorization": f"Bearer {workspace.TOKEN}",
            "Content-Type": "application/json",
        }
        connection.request("POST", "/api/chat.postMessage", body, headers)
        try:
            connection.getresponse().read()
            return
        except (OSError, http.client.HTTPException):
            continue


def test_a_hundred_lost_answers_leave_each_reply_there_once_and_it_is_found(workspace: SlackWorkspace) -> None:
    workspace.fault = lambda request: "drop" if request.path == "/api/chat.postMessage" else None
    names = [f"d-{number}" for number in range(100)]
    for name in names:
        with pytest.raises(ChannelError) as found:
            send(reply(message_id=name))
        assert found.value.failure == Failure.UNCERTAIN
    assert workspace.marks() == Counter(names)
    for name in (names[0], names[-1]):
        receipt = adapter().find(reply(message_id=name))
        assert receipt is not None and receipt.provider_id in {f"C0DEALERS:{one['ts']}" for one in workspace.posted}
    assert adapter().find(reply(message_id="d-never")) is None
    naive(workspace, "control")
    assert workspace.marks()["control"] == 2, "the control, which tries again, sends twice"


def test_what_never_came_there_is_not_found(workspace: SlackWorkspace) -> None:
    workspace.fault = lambda request: "reset" if request.method == "POST" else None
    with pytest.raises(ChannelError) as found:
        send(reply())
    assert found.value.failure == Failure.UNCERTAIN, "a reset says nothing of whether it was done"
    assert adapter().find(reply()) is None
    assert not workspace.posted


def test_a_long_thread_is_read_page_by_page_from_the_message_that_is_answered(workspace: SlackWorkspace) -> None:
    pages = iter(["next-1", "next-2", ""])
    mark = {"event_type": "countersign_reply", "event_payload": {"delivery": "d-1"}}

    def page(request: Request) -> Any:
        cursor = next(pages)
        last = [{"ts": "1796000000.000009", "metadata": mark}] if not cursor else []
        there = [{"ts": "1.1", "text": "another"}, {"ts": "1.2", "metadata": {**mark, "event_type": "anothers"}}, *last]
        return 200, {"ok": True, "messages": there, "response_metadata": {"next_cursor": cursor}}, {}

    workspace.fault = page
    receipt = adapter().find(reply(answers="C0DEALERS:1795000009.000200"))
    assert receipt is not None and receipt.provider_id == "C0DEALERS:1796000000.000009"
    assert [one.query.get("cursor") for one in workspace.requests] == [None, "next-1", "next-2"]
    assert {one.query["oldest"] for one in workspace.requests} == {"1795000009.000200"}


@pytest.mark.parametrize(
    "said",
    [
        {
            "messages": [
                None,
                {"ts": "1.1"},
                {"metadata": "x"},
                {"ts": "1.2", "metadata": {"event_type": "countersign_reply"}},
            ]
        },
        {"messages": {"a": 1}, "response_metadata": "x"},
        {},
    ],
)
def test_what_makes_no_sense_is_nothing_found(workspace: SlackWorkspace, said: dict[str, Any]) -> None:
    workspace.fault = lambda request: (200, {"ok": True, **said}, {})
    assert adapter().find(reply()) is None


def test_an_endless_thread_is_given_up(workspace: SlackWorkspace) -> None:
    workspace.fault = lambda request: (200, {"ok": True, "messages": [], "response_metadata": {"next_cursor": "x"}}, {})
    assert adapter().find(reply()) is None
    assert len(workspace.requests) == 10


# --- check and test
# ----------------------------------------------------------------------------------------------------
def states(**settings: str) -> list[tuple[str, str]]:
    return [(one.state, one.title) for one in check_slack(SlackSettings(**settings), SlackWorkspace.TOKEN)]


def test_a_check_says_whose_the_token_is_what_it_may_and_where_the_app_is(workspace: SlackWorkspace) -> None:
    assert states(rooms="C0DEALERS, C0OTHER") == [
        ("ok", "Token accepted"), ("ok", "May write"), ("ok", "Is in C0DEALERS"), ("warn", "Is not in C0OTHER"),
    ]  # fmt: skip
    workspace.scopes = "channels:history"
    assert ("bad", "May not write") in states()
    workspace.scopes = "chat:write"
    assert states() == [("ok", "Token accepted"), ("ok", "May write"), ("warn", "One permission is missing")]
    workspace.scopes = ""
    assert states()[1][0] == "warn"
    assert not workspace.posted, "nothing is posted by a check"
    workspace.fault = lambda request: (429, {}, {"Retry-After": "3"})
    assert states()[0] == ("bad", "Slack did not answer")


def test_a_wrong_token_is_told_in_slacks_words(workspace: SlackWorkspace) -> None:
    found = check_slack(SlackSettings(), "xoxb-wrong")
    assert (found[0].state, found[0].said) == ("bad", "invalid_auth")
    assert [one.state for one in found[1:]] == ["no", "no"]


def test_a_test_goes_to_what_the_settings_name(workspace: SlackWorkspace) -> None:
    settings = SlackSettings(rooms="c0dealers", people="u7")
    assert places(settings) == ["C0DEALERS", "U7"]
    send_test(settings, SlackWorkspace.TOKEN, "C0DEALERS", "a <test>")
    [message] = workspace.posted
    assert (message["text"], "thread_ts" in message, "metadata" in message) == ("a &lt;test&gt;", False, False)


# --- the checker itself
# ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channel": None}, "missing: channel"),
        ({"unfurl_links": "no"}, "unfurl_links is no boolean: 'no'"),
        ({"thread": "1.1"}, "unknown: thread"),
        ({"text": 5}, "text is no string: 5"),
    ],
)
def test_a_request_that_breaks_the_contract_is_noticed(change: dict[str, Any], said: str) -> None:
    body = {"channel": "C1", "text": "x", "unfurl_links": False, **change}
    headers = {"authorization": "Bearer t", "content-type": "application/json"}
    post = Request("POST", "/api/chat.postMessage", {}, headers, json.dumps(body).encode())
    assert said in slack_contract("sample").problems(post)
    assert slack_contract("sample").problems(Request("PUT", "/api/chat.postMessage", {}, {}, b""))
    assert slack_contract("sample").problems(Request("GET", "/api/auth.test", {}, {}, b"")) == ["missing: token"]


def test_a_channel_opens_with_what_was_entered() -> None:
    assert open_slack(SlackSettings(previews=True), " xoxb-1\n") == SlackAdapter("xoxb-1", previews=True)
