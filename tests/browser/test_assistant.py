"""The assistant in a browser: beside a draft and a conversation, in four looks, live, stopped, and without a script."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from conversations.channels.base import Party
from conversations.chats import turns
from conversations.models import AssistantTurn, Message, ProposedAction, Tag, User
from conversations.tenancy import tenant_context
from drafts.assistant import engine
from drafts.desk import life
from ingestion.knowledge.index import index_document
from tests import factories
from tests.browser.conftest import OpenPage
from tests.browser.looks import SCREENS, wrong_on
from tests.conftest import World

PICTURES = os.environ.get("COUNTERSIGN_CHAT_PICTURES", "")
HOSE = "# Fuel hose\n\nPTFE hose resists E85. We do not recommend rubber hose for E85 at any pressure.\n\nEnds:\n\n- Rubber ends do not seal on PTFE.\n- PTFE ends do not grip rubber."


def picture(page: Page, name: str, width: int) -> None:
    if PICTURES:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=str(Path(PICTURES) / f"{name}-{width}-{scheme}.png"))


def work(world: World, person: User) -> list[str]:
    """A worker answers what this person asked. In a thread of its own: the browser's loop runs in this one."""

    def answer() -> list[str]:
        try:
            with tenant_context(world.acme.pk, person=person.pk):
                waiting = list(AssistantTurn.objects.live().values_list("pk", flat=True))
            return [engine.answer(account_id=world.acme.pk, person_id=person.pk, turn_id=pk) for pk in waiting]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as aside:
        return aside.submit(answer).result()


@pytest.fixture
def case(committed_world: World) -> Message:
    world = committed_world
    index_document(account_id=world.acme.pk, source_url="https://acme.test/hose", title="Fuel hose", text=HOSE)
    before = factories.message(
        world.mail, "Which hose do I take for E85?", sender=Party("curt@customer.test", "Curt Lindqvist")
    )
    factories.sent(before, "Hi Curt,\n\nTake PTFE hose for E85. We will send it by Friday.")
    with tenant_context(world.acme.pk):
        life.close(conversation_id=before.conversation_id, actor=world.ada, reason="other")
    message = factories.message(world.mail, "Hello. Can I keep my rubber hose for E85? I go to the track on Friday.")
    factories.draft(message)
    factories.tagged(message, "fuel")
    factories.tagged(before, "order")
    return message


def ask(page: Page, text: str) -> None:
    page.locator("#chat-text").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


@pytest.mark.parametrize("screen", SCREENS)
def test_the_panel_beside_a_draft_has_nothing_wrong_in_any_look(
    committed_world: World, case: Message, open_page: OpenPage, screen: tuple[int, int]
) -> None:
    world, width = committed_world, screen[0]
    page = open_page(world.ada, "/queue/", width=width)
    if width < 820:
        page.locator(".row").first.click()
    page.locator("[data-act=assist]").click()
    expect(page.locator(".starter")).to_have_count(6)
    assert wrong_on(page, screen) == [], "empty"
    picture(page, "panel-empty", width)
    page.get_by_role("button", name="Summarise it").click()
    expect(page.locator(".working .now")).to_have_text("Starting")
    assert wrong_on(page, screen) == [], "asked"
    picture(page, "panel-asked", width)
    assert work(world, world.ada) == ["done"]
    expect(page.locator(".facts li")).to_have_count(1)
    ask(page, "Does PTFE hose resist E85?")
    expect(page.locator(".working")).to_be_visible()
    work(world, world.ada)
    expect(page.locator(".rests__src li")).to_have_count(1)
    ask(page, "Tag it order and snooze it")
    expect(page.locator(".working")).to_be_visible()
    work(world, world.ada)
    expect(page.get_by_role("button", name="Tomorrow at 9")).to_be_visible()
    assert wrong_on(page, screen) == [], "answered"
    picture(page, "panel-answered", width)
    page.get_by_role("link", name="Close the assistant").click()
    expect(page.locator(".asst")).to_have_count(0)


def test_an_order_becomes_a_card_and_the_card_is_confirmed(
    committed_world: World, case: Message, open_page: OpenPage
) -> None:
    world = committed_world
    for path, opener in ((f"/conversations/{case.conversation_id}/", "Ask"), ("/queue/", "Ask the assistant")):
        page = open_page(world.ada, path, width=1440)
        page.get_by_role("link", name=opener, exact=True).click()
        ask(page, "Tag it order" if opener == "Ask" else "Remove the tag order")
        expect(page.locator(".working")).to_be_visible()
        work(world, world.ada)
        card = page.locator(".act").last
        expect(card).to_be_visible()
        picture(page, f"panel-card-{opener}", 1440)
        assert wrong_on(page, SCREENS[0]) == []
        expect(page.locator(".act[data-armed='1']")).to_be_visible()
        card.get_by_role("button", name="Confirm").click()
        expect(page.locator(".act").last).to_contain_text("Done")
        with ThreadPoolExecutor(1) as aside:
            assert aside.submit(seen_ms, world).result() >= 350
        with ThreadPoolExecutor(1) as aside:
            assert aside.submit(tags_of, world, case).result() == (["fuel", "order"] if opener == "Ask" else ["fuel"])
        page.close()


def seen_ms(world: World) -> int:
    """How long the newest card was on screen before it was confirmed."""
    try:
        with tenant_context(world.acme.pk):
            return ProposedAction.objects.order_by("-pk").values_list("seen_ms", flat=True)[0] or 0
    finally:
        connections.close_all()


def tags_of(world: World, case: Message) -> list[str]:
    try:
        with tenant_context(world.acme.pk):
            return sorted(Tag.objects.filter(links__conversation=case.conversation_id).values_list("name", flat=True))
    finally:
        connections.close_all()


def test_an_answer_that_is_being_written_is_shown_and_stopped(
    committed_world: World, case: Message, open_page: OpenPage
) -> None:
    world = committed_world
    page = open_page(world.ada, f"/conversations/{case.conversation_id}/", width=1440)
    page.get_by_role("link", name="Ask", exact=True).click()
    ask(page, "What is this about?")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    with ThreadPoolExecutor(1) as aside:
        aside.submit(begin_to_write, world).result()
    expect(page.locator(".bub__t").last).to_contain_text("He wants to keep")
    picture(page, "panel-writing", 1440)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".working .now")).to_have_text("Stopping")


def begin_to_write(world: World) -> None:
    try:
        with tenant_context(world.acme.pk, person=world.ada.pk):
            turn = turns.claim(turn_id=AssistantTurn.objects.live().get().pk)
            assert turn is not None
            steps = [{"text": "Read 1 message", "seconds": 0.1}, {"text": "Writing the answer", "seconds": 0}]
            turns.tell(turn_id=turn.pk, fence=turn.fence, text="He wants to keep", steps=steps)
    finally:
        connections.close_all()


@pytest.mark.parametrize("screen", SCREENS)
def test_a_chat_with_answers_has_nothing_wrong_in_any_look(
    committed_world: World, case: Message, open_page: OpenPage, screen: tuple[int, int]
) -> None:
    world = committed_world
    session = factories.chat(world.acme, world.ada, context="case", case=case.conversation_id)
    for text in (
        "What is this about?",
        "Have we answered this before?",
        "What should I do next?",
        "Which ends seal on PTFE?",
    ):
        with tenant_context(world.acme.pk, person=world.ada.pk):
            turns.post(session_id=session.pk, actor=world.ada, text=text, request_id="")
        work(world, world.ada)
    general = factories.chat(world.acme, world.ada)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        turn, _ = turns.post(
            session_id=general.pk, actor=world.ada, text="What is the boiling point of mercury?", request_id=""
        )
        turns.claim(turn_id=turn.pk)
        failed = turns.Answer("", turns.Status.FAILED, error="No answer came within 30 s.", reason="time-out")
        turns.finish_turn(turn_id=turn.pk, fence=1, answer=failed)
    for name, path in (
        ("chat-answered", f"/assistant/{session.pk}/"),
        ("chat-failed", f"/assistant/{general.pk}/"),
        ("case-page", f"/conversations/{case.conversation_id}/assistant/"),
        ("chats-empty", "/assistant/"),
    ):
        page = open_page(world.ada, path, width=screen[0])
        assert wrong_on(page, screen) == [], name
        picture(page, name, screen[0])
        page.close()


def test_without_a_script_it_asks_waits_and_reads(committed_world: World, case: Message, open_page: OpenPage) -> None:
    world = committed_world
    page = open_page(world.ada, f"/conversations/{case.conversation_id}/assistant/", script=False)
    page.get_by_role("button", name="Summarise it").click()
    expect(page.locator(".working .now")).to_have_text("Starting")
    work(world, world.ada)
    page.get_by_role("link", name="See if it is there").click()
    expect(page.locator(".facts li")).to_have_count(1)
    ask(page, "Hello there")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".bub--a").last).to_contain_text("Stopped by you")


def test_a_question_is_sent_by_keyboard(committed_world: World, case: Message, open_page: OpenPage) -> None:
    page = open_page(committed_world.ada, f"/conversations/{case.conversation_id}/", width=1440)
    page.get_by_role("link", name="Ask", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#chat-text")).to_be_visible()
    page.locator("#chat-text").focus()
    page.keyboard.type("What is this about?")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".working")).to_be_visible()
