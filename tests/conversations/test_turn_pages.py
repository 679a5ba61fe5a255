"""What somebody asked, on the page: being written, answered, stopped, failed; and the chat beside a conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from conversations.answer_shapes import AnswerClaim, AnswerSource, Said, Step
from conversations.chats import exporting, turns
from conversations.chats.turns import Answer, Status
from conversations.metadata import MessageMetadata
from conversations.models import (
    AssistantSession,
    AssistantTurn,
    Conversation,
    Membership,
    MembershipChannel,
    Message,
    User,
)
from conversations.tenancy import tenant_context
from drafts.assistant.search import search_own
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World

Browser = Callable[[User], Client]
MARKER = "zebracanary"


def soup(answer: Any, status: int = 200) -> BeautifulSoup:
    assert answer.status_code == status, answer.content[:500]
    return BeautifulSoup(answer.content, "html.parser")


def asked(world: World, text: str = "Which hose?", **about: Any) -> AssistantTurn:
    session = factories.chat(world.acme, world.ada, **about)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        return turns.post(session_id=session.pk, actor=world.ada, text=text, request_id="")[0]


def answered(world: World, turn: AssistantTurn, answer: Answer) -> Message | None:
    with tenant_context(world.acme.pk, person=world.ada.pk):
        turns.claim(turn_id=turn.pk)
        return turns.finish_turn(turn_id=turn.pk, fence=1, answer=answer)


def url(name: str, turn: AssistantTurn) -> str:
    return reverse(f"conversations:{name}", args=[turn.pk])


def test_what_is_written_is_shown_until_it_is_there(world: World, signed_in: Browser) -> None:
    turn, browser = asked(world), signed_in(world.ada)
    page = soup(browser.get(reverse("conversations:chat", args=[turn.session_id])))
    assert page.select_one(".working .now").get_text(strip=True) == "Starting"  # type: ignore[union-attr]
    assert page.select_one("#ask-go button").get_text(strip=True) == "Stop"  # type: ignore[union-attr]
    with tenant_context(world.acme.pk, person=world.ada.pk):
        turns.claim(turn_id=turn.pk)
        steps = [{"text": "Searched the sources", "seconds": 0.2}, {"text": "Writing", "seconds": 0}]
        turns.tell(turn_id=turn.pk, fence=1, text="Take <b>PTFE</b>", steps=steps)
    part = soup(browser.get(url("turn", turn), headers={"HX-Request": "true"}))
    assert [step.get_text(strip=True) for step in part.select(".working li")] == ["Searched the sources", "Writing"]
    assert part.select_one(".bub__t").get_text() == "Take <b>PTFE</b>"  # type: ignore[union-attr]
    assert part.select_one("[hx-get]")["hx-trigger"] == "every 700ms"  # type: ignore[index]
    with tenant_context(world.acme.pk, person=world.ada.pk):
        turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("Take <b>PTFE</b>."))
    part = soup(browser.get(url("turn", turn), headers={"HX-Request": "true"}), 286)
    assert part.select_one(".bub--a p").get_text(strip=True) == "Take <b>PTFE</b>."  # type: ignore[union-attr]
    assert not part.select("[hx-trigger]")
    assert part.select_one("#say").get_text() == "Take <b>PTFE</b>."  # type: ignore[union-attr]
    assert part.select_one("#ask-go[hx-swap-oob] button").get_text(strip=True).startswith("Send")  # type: ignore[union-attr]
    assert part.select_one("#chat-count[hx-swap-oob]").get_text() == "2 messages"  # type: ignore[union-attr]
    assert not soup(browser.get(f"{url('turn', turn)}?panel=1", headers={"HX-Request": "true"}), 286).select(
        "#chat-count"
    )
    assert browser.get(url("turn", turn)).status_code == 303  # without a script


def test_an_answer_shows_what_each_statement_rests_on(world: World, signed_in: Browser) -> None:
    case = factories.message(world.mail).conversation_id
    text = "Wants: A hose.\n\nTake PTFE. It lasts.\n- Not rubber."
    metadata = MessageMetadata(
        steps=[Step(text="Searched the sources", seconds=0.2)],
        sources=[
            AnswerSource(passage="p", title="Hoses", url="https://acme.test/h", quote="Take PTFE."),
            AnswerSource(passage="q", title="Bad", url="javascript:alert(1)", quote="x"),
        ],
        claims=[
            AnswerClaim(start=7, end=14, label="Wants", said=[Said(conversation=str(case), message="", label="14:48")]),
            AnswerClaim(start=16, end=26, sources=[1]),
            AnswerClaim(start=27, end=36),
            AnswerClaim(start=39, end=50, sources=[1]),
        ],
        choices=["Tomorrow at 9"],
    )
    turn = asked(world)
    answered(world, turn, Answer(text, metadata=metadata, model="offline-assistant-v1"))
    page = soup(signed_in(world.ada).get(reverse("conversations:chat", args=[turn.session_id])))
    said = page.select_one(".bub--a")
    assert said is not None
    fact = said.select_one(".facts li")
    assert fact is not None and fact.b.get_text() == "Wants"  # type: ignore[union-attr]
    assert fact.select_one("a.cite")["href"] == reverse("conversations:detail", args=[case])  # type: ignore[index]
    assert [a["href"] for a in said.select("p a.cite, .said a.cite")] == [f"#{li['id']}" for li in [said.select_one("ol.rests__src li")] * 2]  # type: ignore[index]  # fmt: skip
    assert [a["href"] for a in said.select(".rests__src a")] == ["https://acme.test/h"]  # a link to a script is none
    assert "3 of 4 statements have a source" in said.get_text() and "built-in assistant" in said.get_text()
    assert page.select_one(".choices button")["value"] == "Tomorrow at 9"  # type: ignore[index]


def test_a_stop_and_another_try_by_forms_alone(world: World, signed_in: Browser) -> None:
    turn, browser = asked(world), signed_in(world.ada)
    assert browser.get(url("stop-turn", turn)).status_code == 405
    assert browser.post(url("stop-turn", turn)).status_code == 303
    page = soup(browser.get(reverse("conversations:chat", args=[turn.session_id])))
    assert "before anything was written" in page.get_text()
    assert browser.post(url("ask-again", turn)).status_code == 303
    page = soup(browser.post(url("ask-again", turn)), 409)
    assert turns.WRITING in page.get_text()
    with tenant_context(world.acme.pk, person=world.ada.pk):
        again = AssistantTurn.objects.live().get()
    answered(world, again, Answer("", Status.FAILED, error="No answer came within 30 s.", reason="time-out"))
    page = soup(browser.get(reverse("conversations:chat", args=[turn.session_id])))
    assert "No answer came within 30 s." in page.get_text()
    builtin = page.select_one("button[name=engine]")
    assert builtin is not None and builtin["value"] == "offline"
    assert browser.post(url("ask-again", again), {"engine": "offline"}).status_code == 303
    with tenant_context(world.acme.pk, person=world.ada.pk):
        assert AssistantTurn.objects.live().get().engine == "offline"


def test_while_one_is_written_what_is_typed_is_kept(world: World, signed_in: Browser) -> None:
    turn, browser = asked(world), signed_in(world.ada)
    with assert_nothing_written_in(world.acme):
        page = soup(browser.post(reverse("conversations:say", args=[turn.session_id]), {"text": "And now?"}), 409)
    assert page.select_one("textarea").get_text().strip() == "And now?"  # type: ignore[union-attr]


def test_the_chat_beside_a_conversation_begins_with_the_first_question(world: World, signed_in: Browser) -> None:
    message = factories.message(world.mail)
    panel = reverse("conversations:assistant-of", args=[message.conversation_id])
    browser = signed_in(world.cy)
    page = soup(browser.get(reverse("conversations:detail", args=[message.conversation_id])))
    assert page.select_one(f'a[hx-get="{panel}"]') is not None
    with assert_nothing_written_in(world.acme):
        part = soup(browser.get(panel, headers={"HX-Request": "true"}))
    starters = [button["value"] for button in part.select(".starter")]
    assert len(starters) == 6 and "html" not in part
    sent = {one["name"]: one.get("value", "") for one in part.select("#box input")}
    part = soup(browser.post(panel, {**sent, "text": starters[0]}, headers={"HX-Request": "true"}))
    assert part.select_one(".bub--u .bub__t").get_text() == starters[0]  # type: ignore[union-attr]
    with tenant_context(world.acme.pk, person=world.cy.pk):
        session = AssistantSession.objects.get()
        assert (session.case_id, session.context_type) == (message.conversation_id, "case")
    again = soup(browser.post(panel, {"text": "Another?"}, headers={"HX-Request": "true"}), 409)
    assert again.select_one("textarea").get_text().strip() == "Another?"  # type: ignore[union-attr]
    assert browser.get(f"{panel}?closed=1").content == b""
    whole = soup(browser.get(panel))  # without a script it is a page
    assert whole.select_one("main .asst h1").get_text() == "Assistant"  # type: ignore[union-attr]
    with tenant_context(world.acme.pk, person=world.cy.pk):
        turns.stop(turn_id=AssistantTurn.objects.live().get().pk, actor=world.cy)
    assert browser.post(panel, {"text": "Once more"}).status_code == 303


def test_what_is_about_a_channel_that_was_lost_is_not_asked_again(world: World, signed_in: Browser) -> None:
    case = factories.message(world.mail).conversation_id
    session = factories.chat(world.acme, world.cy, context="case", case=case)
    with tenant_context(world.acme.pk, person=world.cy.pk):
        turn, _ = turns.post(session_id=session.pk, actor=world.cy, text="What is this about?", request_id="")
        turns.stop(turn_id=turn.pk, actor=world.cy)
        member = Membership.objects.get(user=world.cy)
    other = factories.channel(world.acme, external_id="other@acme.test")
    with tenant_context(world.acme.pk):
        MembershipChannel.objects.create(account=world.acme, membership=member, channel=other)
    browser = signed_in(world.cy)
    with assert_nothing_written_in(world.acme):
        page = soup(browser.post(url("ask-again", turn)), 409)
        assert "You do not see the conversation of this chat any more." in page.get_text()
        assert browser.post(url("ask-again", turn), headers={"HX-Request": "true"}).status_code == 404
    with tenant_context(world.acme.pk, person=world.cy.pk):
        assert AssistantTurn.objects.count() == 1


@pytest.mark.parametrize("person", ["dan", "cy", "eve", "bo"])
def test_nobody_else_gets_a_question_or_its_answer(world: World, signed_in: Browser, person: str) -> None:
    case = factories.message(world.mail).conversation_id
    turn = asked(world, f"What is {MARKER}?", context="case", case=case)
    answered(world, turn, Answer(f"It is {MARKER}."))
    other = getattr(world, person)
    browser, refused = signed_in(other), 403 if person == "bo" else 404
    for method, address in (
        ("get", url("turn", turn)),
        ("post", url("stop-turn", turn)),
        ("post", url("ask-again", turn)),
        ("get", reverse("conversations:chat", args=[turn.session_id])),
    ):
        for headers in ({}, {"HX-Request": "true"}):
            with assert_nothing_written_in(world.acme):
                answer = getattr(browser, method)(address, headers=headers)
            assert answer.status_code == refused and MARKER.encode() not in answer.content, address
    beside = browser.get(reverse("conversations:assistant-of", args=[case]))
    assert beside.status_code == (refused if person in ("eve", "bo") else 200) and MARKER.encode() not in beside.content
    with tenant_context(world.acme.pk, person=other.pk):
        assert not AssistantTurn.objects.exists()
        assert not Conversation.objects.filter(kind="assistant").exists()
        with pytest.raises(AssistantSession.DoesNotExist):
            exporting.export_session(session_id=turn.session_id, actor=other, form="json")
    assert search_own(account_id=world.acme.pk, person_id=other.pk, text=MARKER).found == []


def test_an_answer_is_taken_along_with_what_it_rests_on(world: World) -> None:
    turn = asked(world)
    metadata = MessageMetadata(claims=[AnswerClaim(start=0, end=10, sources=[1])])
    answered(world, turn, Answer("Take PTFE.", metadata=metadata))
    with tenant_context(world.acme.pk, person=world.ada.pk):
        taken = exporting.export_session(session_id=turn.session_id, actor=world.ada, form="json").content
    assert '"claims"' in taken and "Take PTFE." in taken
