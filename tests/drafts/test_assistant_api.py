"""A script with a person's own token reads and writes that person's chats, as the pages do, and nobody else's."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from conversations import audit
from conversations.chats import sessions, turns
from conversations.models import (
    Account,
    AssistantSession,
    AssistantTurn,
    AuditEvent,
    Conversation,
    Membership,
    MembershipChannel,
    Message,
    PolicyRule,
)
from conversations.people import tokens
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World
from tests.drafts.personal import Script


@pytest.fixture
def script(world: World) -> Script:
    return Script(world.acme, world.cy)


def as_cy(world: World) -> Any:
    return tenant_context(world.acme.pk, person=world.cy.pk)


def finish(world: World, turn_id: str, text: str) -> None:
    """A worker answers it."""
    with as_cy(world):
        claimed = turns.claim(turn_id=uuid.UUID(turn_id))
        assert claimed is not None
        turns.finish_turn(turn_id=claimed.pk, fence=claimed.fence, answer=turns.Answer(text))


# --- chats ------------------------------------------------------------------------------------------------------------
def test_a_chat_is_begun_asked_in_answered_and_read(world: World, script: Script) -> None:
    status, chat = script("post", "assistant/sessions", {"request_id": "begin-1"})
    assert (status, chat["status"], chat["context"], chat["message_count"]) == (201, "active", "general", 0)
    assert script("post", "assistant/sessions", {"request_id": "begin-1"}) == (200, chat)
    place = f"assistant/sessions/{chat['id']}"
    status, turn = script("post", f"{place}/messages", {"text": "Which hose?", "request_id": "q1"})
    assert (status, turn["status"], turn["answer_id"], turn["text"]) == (202, "queued", None, "")
    status, same = script("post", f"{place}/messages", {"text": "Which hose?", "request_id": "q1"})
    assert (status, same["id"]) == (200, turn["id"])
    assert script.get(place)["live_turn"] == turn["id"]
    finish(world, turn["id"], "PTFE is fine.")
    ended = script.get(f"assistant/turns/{turn['id']}")
    assert (ended["status"], ended["text"]) == ("done", "PTFE is fine.")
    found = script.get(f"{place}/messages")
    assert [(one["role"], one["text"], one["seq"]) for one in found["messages"]] == [
        ("user", "Which hose?", 1), ("assistant", "PTFE is fine.", 2),
    ]  # fmt: skip
    assert (found["earlier"], found["later"]) == (None, None)
    [row] = script.get("assistant/sessions")["sessions"]
    assert (row["id"], row["title"], row["last_line"]) == (chat["id"], "Which hose?", "PTFE is fine.")
    with as_cy(world):
        assert AssistantSession.objects.count() == AssistantTurn.objects.count() == 1
        assert AuditEvent.objects.get(kind="session.started").actor_name == "Cy"


def test_about_a_case_there_is_one_open_chat(world: World, script: Script) -> None:
    case = factories.message(world.mail).conversation_id
    status, chat = script("post", "assistant/sessions", {"context": "case", "case": str(case), "request_id": "a"})
    assert (status, chat["case"]) == (201, str(case))
    assert script("post", "assistant/sessions", {"context": "case", "case": str(case), "request_id": "b"})[1] == chat
    with tenant_context(world.acme.pk):
        own = Membership.objects.get(user=world.cy)
        other = factories.channel(world.acme, external_id="other@acme.test", name="Other")
        MembershipChannel.objects.create(account=world.acme, membership=own, channel=other)
    assert script.get(f"assistant/sessions/{chat['id']}")["case"] is None


def test_the_list_goes_both_ways_by_keyset_and_by_words(world: World, script: Script) -> None:
    made = [factories.chat(world.acme, world.cy, f"About {word}") for word in ("hoses", "fittings", "pumps")]
    names = [str(one.pk) for one in reversed(made)]

    def ids(query: str) -> list[str]:
        return [one["id"] for one in script.get(f"assistant/sessions?{query}")["sessions"]]

    first = script.get("assistant/sessions?limit=2")
    assert ([one["id"] for one in first["sessions"]], first["newer"]) == (names[:2], None)
    second = script.get(f"assistant/sessions?limit=2&after={first['older']}")
    assert ([one["id"] for one in second["sessions"]], second["older"]) == (names[2:], None)
    assert ids(f"limit=2&before={second['newer']}") == names[:2]
    assert ids("q=fittings") == [names[1]]
    assert ids("list=archived") == ids("context=case") == ids("tag=x") == []


def test_messages_go_both_ways_by_their_numbers(world: World, script: Script) -> None:
    chat = factories.chat(world.acme, world.cy, *(f"Line {number}" for number in range(1, 6)))
    place = f"assistant/sessions/{chat.pk}/messages?limit=2"

    def page(query: str = "") -> tuple[list[int], Any, Any]:
        found = script.get(place + query)
        return [one["seq"] for one in found["messages"]], found["earlier"], found["later"]

    assert page() == ([4, 5], 4, None)
    assert page("&before=4") == ([2, 3], 2, 3)
    assert page("&before=2") == ([1], None, 1)
    assert page("&after=3") == ([4, 5], 4, None)


def test_a_chat_is_named_pinned_put_away_tagged_and_ended_in_one_request(world: World, script: Script) -> None:
    chat = factories.chat(world.acme, world.cy, "Hello")
    place = f"assistant/sessions/{chat.pk}"
    wanted = {"title": "Hoses", "pinned": True, "favourite": True, "archived": True, "tags": ["Fuel"], "ended": True}
    status, found = script("patch", place, wanted)
    assert (status, found["title"], found["pinned"], found["favourite"]) == (200, "Hoses", True, True)
    assert (found["archived"], found["tags"], found["status"]) == (True, ["fuel"], "completed")
    with assert_nothing_written_in(world.acme), as_cy(world):
        before = Conversation.objects.get(pk=chat.conversation_id)
        assert script("patch", place, {"pinned": False, "title": " "})[0] == 422
        after = Conversation.objects.get(pk=chat.conversation_id)
        assert (after.is_pinned, after.title) == (before.is_pinned, "Hoses")


def test_a_deleted_chat_is_nowhere_any_more(world: World, script: Script) -> None:
    chat = factories.chat(world.acme, world.cy, "Hello")
    assert script("delete", f"assistant/sessions/{chat.pk}") == (204, "")
    assert script("get", f"assistant/sessions/{chat.pk}")[0] == 404
    assert script("delete", f"assistant/sessions/{chat.pk}")[0] == 404
    assert script.get("assistant/sessions")["sessions"] == []


# --- answers ----------------------------------------------------------------------------------------------------------
def test_an_answer_is_streamed_from_where_it_was_left(world: World, script: Script) -> None:
    chat = factories.chat(world.acme, world.cy)
    _, turn = script("post", f"assistant/sessions/{chat.pk}/messages", {"text": "Go"})
    place = f"assistant/turns/{turn['id']}/stream"
    with as_cy(world):
        claimed = turns.claim(turn_id=uuid.UUID(turn["id"]))
        assert claimed is not None
        turns.tell(turn_id=claimed.pk, fence=claimed.fence, text="PTFE is", steps=[])
    status, part = script("get", place)
    assert (status, 'data: {"from": 0, "text": "PTFE is"}' in part) == (200, True)
    with as_cy(world):
        turns.finish_turn(turn_id=claimed.pk, fence=claimed.fence, answer=turns.Answer("PTFE is fine."))
    rest = script("get", place, **{"Last-Event-ID": "1:7"})[1]
    assert '{"from": 7, "text": " fine."}' in rest and "event: done" in rest
    assert script("get", place, **{"Last-Event-ID": "1:end"}) == (204, "")


def test_an_answer_is_stopped_and_a_question_without_one_asked_again(world: World, script: Script) -> None:
    chat = factories.chat(world.acme, world.cy)
    _, turn = script("post", f"assistant/sessions/{chat.pk}/messages", {"text": "Go", "engine": "offline"})
    status, stopped = script("post", f"assistant/turns/{turn['id']}/stop")
    assert (status, stopped["status"]) == (200, "stopped")
    status, once_more = script("post", f"assistant/turns/{turn['id']}/again", {"engine": "offline"})
    assert (status, once_more["question_id"]) == (202, turn["question_id"])
    with assert_nothing_written_in(world.acme):
        assert script("post", f"assistant/turns/{turn['id']}/again", {})[0] == 409  # it is being written
    finish(world, once_more["id"], "Yes.")
    with assert_nothing_written_in(world.acme):
        assert script("post", f"assistant/turns/{turn['id']}/again", {})[0] == 409  # it has its answer


def test_a_question_while_one_is_written_in_an_ended_chat_or_over_the_cap_is_refused(
    world: World, script: Script
) -> None:
    chat = factories.chat(world.acme, world.cy)
    place = f"assistant/sessions/{chat.pk}/messages"
    script("post", place, {"text": "One"})
    with assert_nothing_written_in(world.acme):
        status, problem = script("post", place, {"text": "Two"})
        assert (status, "still being written" in problem["detail"]) == (409, True)
        assert script("post", place, {"text": "  "})[0] == 422
        assert script("post", place, {"text": "x", "request_id": "some words"})[0] == 422
    ended = factories.chat(world.acme, world.cy)
    script("patch", f"assistant/sessions/{ended.pk}", {"ended": True})
    with assert_nothing_written_in(world.acme):
        assert script("post", f"assistant/sessions/{ended.pk}/messages", {"text": "Two"})[0] == 409
    for _ in range(turns.TURNS_A_MINUTE - 1):
        script("post", f"assistant/sessions/{factories.chat(world.acme, world.cy).pk}/messages", {"text": "Go"})
    fresh = factories.chat(world.acme, world.cy)
    with assert_nothing_written_in(world.acme):
        assert script("post", f"assistant/sessions/{fresh.pk}/messages", {"text": "Too much"})[0] == 429


# --- who --------------------------------------------------------------------------------------------------------------
def reads(chat: AssistantSession, turn: AssistantTurn) -> list[str]:
    own, one = f"assistant/sessions/{chat.pk}", f"assistant/turns/{turn.pk}"
    return [own, f"{own}/messages", f"{own}/actions", one, f"{one}/stream"]


def writes(chat: AssistantSession, turn: AssistantTurn) -> list[tuple[str, str, Any]]:
    own, one = f"assistant/sessions/{chat.pk}", f"assistant/turns/{turn.pk}"
    return [
        ("patch", own, {"pinned": True}),
        ("delete", own, None),
        ("post", f"{own}/messages", {"text": "Mine"}),
        ("post", f"{one}/stop", None),
        ("post", f"{one}/again", {}),
    ]


@pytest.fixture
def asked(world: World) -> tuple[AssistantSession, AssistantTurn]:
    chat = factories.chat(world.acme, world.cy)
    with as_cy(world):
        turn, _ = turns.post(session_id=chat.pk, actor=world.cy, text="zebra words", request_id="")
    return chat, turn


Asked = tuple[AssistantSession, AssistantTurn]


def test_another_person_and_another_account_find_nothing(world: World, asked: Asked) -> None:
    for other in (Script(world.acme, world.dan), Script(world.globex, world.eve)):
        with assert_nothing_written_in(world.acme), as_cy(world):
            for path in reads(*asked):
                status, found = other("get", path)
                assert (status, "zebra" in str(found)) == (404, False), path
            for method, path, body in writes(*asked):
                assert other(method, path, body)[0] == 404, path
        assert other.get("assistant/sessions?q=zebra")["sessions"] == other.get("assistant/sessions")["sessions"] == []


def test_without_the_scope_without_a_person_and_without_a_token_nothing_is_read_or_done(
    world: World, asked: Asked
) -> None:
    with tenant_context(world.acme.pk):
        plain = tokens.issue(account=world.acme, name="S", scopes=tokens.Scope.values, actor=audit.SYSTEM)[1]
    service = Script(world.acme, world.cy)
    service.headers = {"Authorization": f"Bearer {plain}"}
    reader, writer = (Script(world.acme, world.cy, scope) for scope in ("assistant:read", "assistant:write"))
    nobody = Script(world.acme, world.cy)
    nobody.headers = {}
    begin = ("post", "assistant/sessions", {})
    with assert_nothing_written_in(world.acme):
        for path in ("assistant/sessions", "assistant/actions", *reads(*asked)):
            assert [one("get", path)[0] for one in (service, writer, nobody)] == [403, 403, 401], path
            assert "a person's own" in service("get", path)[1]["detail"]
        for method, path, body in (begin, *writes(*asked)):
            assert [one(method, path, body)[0] for one in (service, reader, nobody)] == [403, 403, 401], path


def test_a_persons_token_opens_nothing_of_services(world: World, script: Script) -> None:
    message = factories.message(world.mail)
    with assert_nothing_written_in(world.acme):
        for path in (
            f"conversations/{message.conversation_id}",
            "customers?address=a@b.c",
            "assistant/config/documents",
        ):
            status, problem = script("get", path)
            assert (status, "for services" in problem["detail"]) == (403, True), path
        assert script("post", f"conversations/{message.conversation_id}/close", {})[0] == 403


def test_who_may_not_ask_an_assistant_any_more_is_refused(world: World, script: Script, asked: Asked) -> None:
    with tenant_context(world.acme.pk):
        PolicyRule.objects.create(account=world.acme, role="agent", verb="assist", kind="any", allowed=False)
    with assert_nothing_written_in(world.acme):
        assert {script("get", path)[0] for path in reads(*asked)} == {403}
        assert {script(*one)[0] for one in writes(*asked)} == {403}


def test_an_auditor_who_may_ask_reads_and_changes_nothing(world: World) -> None:
    with tenant_context(world.acme.pk):
        PolicyRule.objects.create(account=world.acme, role="auditor", verb="assist", kind="any", allowed=True)
    script = Script(world.acme, world.bo)
    assert script.get("assistant/sessions")["sessions"] == []
    with assert_nothing_written_in(world.acme):
        assert script("post", "assistant/sessions", {})[0] == 403


def test_a_second_factor_that_the_account_wants_is_asked_for(world: World, script: Script) -> None:
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(settings={"second_factor": True})
    status, problem = script("get", "assistant/sessions")
    assert (status, "second factor" in problem["detail"]) == (403, True)


def test_reading_writes_nothing_even_if_it_wanted_to(world: World, script: Script, monkeypatch: Any) -> None:
    """The transaction of a GET is read-only in the database."""
    chat = factories.chat(world.acme, world.cy, "Hello")

    def writes_all_the_same(session_id: uuid.UUID, actor: Any) -> Any:
        Message.objects.update(intent="x")

    monkeypatch.setattr(sessions, "session_of", writes_all_the_same)
    with assert_nothing_written_in(world.acme):
        assert script("get", f"assistant/sessions/{chat.pk}")[0] == 500


def test_thirty_requests_with_one_id_begin_one_chat(
    committed_world: World, in_threads: Callable[..., list[Any]]
) -> None:
    world = committed_world
    script = Script(world.acme, world.cy)
    answers = in_threads([lambda: script("post", "assistant/sessions", {"request_id": "one"})] * 12)
    assert sorted(status for status, _ in answers) == [200] * 11 + [201]
    assert len({chat["id"] for _, chat in answers}) == 1
    with as_cy(world):
        assert Conversation.objects.filter(kind="assistant").count() == 1
