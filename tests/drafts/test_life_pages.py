"""The pages of a conversation's life: lists under one set of words, and acts that are always there or say why not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.channels.base import Party
from conversations.database import database_time
from conversations.models import AuditEvent, Conversation, User
from conversations.tenancy import tenant_context
from drafts.desk import decisions, editing, life
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World
from tests.drafts.test_decision_views import shown as form_of

Browser = Callable[[User], Client]
HOLDING = "Hi Marcus,\n\nA colleague will look into it and get back to you.\n\nBest regards"


@pytest.fixture
def message(world: World) -> Any:
    return factories.message(world.mail)


def soup(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content.decode(), "html.parser")


def page(client: Client, message: Any) -> BeautifulSoup:
    return soup(client.get(f"/conversations/{message.conversation_id}/"))


def press(client: Client, message: Any, act: str, **values: Any) -> Any:
    return client.post(f"/conversations/{message.conversation_id}/{act}/", values)


def state(message: Any) -> str:
    with tenant_context(message.account_id):
        found = Conversation.objects.get(pk=message.conversation_id)
        return found.owed or found.status


def events(world: World) -> int:
    with tenant_context(world.acme.pk):
        return AuditEvent.objects.count()


def later(hours: float = 1) -> str:
    return (database_time.now() + timedelta(hours=hours)).isoformat()


def test_a_team_works_through_a_conversation_by_its_page(world: World, signed_in: Browser, message: Any) -> None:
    client = signed_in(world.cy)
    assert "No reply and no draft yet" in page(client, message).select_one(".rv-meta").text
    assert press(client, message, "assign", to=str(world.dan.pk)).status_code == 303
    assert "Owner: Dan" in page(client, message).select_one(".banner--warn").text
    press(client, message, "snooze", until=later())
    assert page(client, message).select_one(".state").text == "Snoozed"
    press(client, message, "owe", due=later(2), note="Call her", to="")
    assert "Call her" in page(client, message).text
    press(client, message, "answered-elsewhere", last_inbound=str(message.pk))
    assert page(client, message).select_one(".state").text == "Waiting"
    press(client, message, "close")
    assert page(client, message).select_one(".state").text == "Closed"
    press(client, message, "reopen")
    assert state(message) == "reopened"
    begun = press(client, message, "write")
    assert begun.status_code == 303 and begun["Location"].endswith("/?do=edit")
    editor = soup(client.get(begun["Location"]))
    assert editor.select_one("#final").text == ""
    discard = editor.select_one("[data-act=discard]")["formaction"]
    assert client.post(discard)["Location"] == f"/conversations/{message.conversation_id}/"
    assert state(message) == "reopened"


def test_closing_what_is_owed_asks_why_and_a_refusal_stands_on_the_page(
    world: World, signed_in: Browser, message: Any
) -> None:
    client = signed_in(world.ada)
    form = page(client, message).select_one(f"form[action='/conversations/{message.conversation_id}/close/']")
    assert [one["value"] for one in form.select("[name=reason]")] == [
        "answered_elsewhere", "not_needed", "goes_on", "other",
    ]  # fmt: skip
    assert form.select("[checked]") == []
    for values, status, words in (
        ({}, 422, "Say why: no reply and no draft yet. It was not closed."),
        ({"reason": "other", "last_inbound": "x"}, 422, "Reload the page"),
        ({"reason": "other", "last_inbound": str(world.acme.pk)}, 409, "The customer wrote while you were reading."),
    ):
        with assert_nothing_written():
            refused = press(client, message, "close", **values)
        assert refused.status_code == status
        assert words in soup(refused).select_one("[role=alert]").text


@pytest.mark.parametrize("act", ["close", "reopen", "answered-elsewhere", "assign", "snooze", "owe", "write"])
def test_who_may_not_or_is_elsewhere_gets_403_or_404(world: World, signed_in: Browser, message: Any, act: str) -> None:
    values = {"reason": "other", "until": later(), "due": later()}
    before = events(world)
    assert press(signed_in(world.bo), message, act, **values).status_code == 403
    assert press(signed_in(world.eve), message, act, **values).status_code == 404
    assert signed_in(world.ada).get(f"/conversations/{message.conversation_id}/{act}/").status_code == 405
    assert (events(world), state(message)) == (before, "message")


def test_an_auditor_reads_the_state_and_is_offered_nothing(world: World, signed_in: Browser, message: Any) -> None:
    shown = page(signed_in(world.bo), message)
    assert shown.select_one(".state").text == "Owed"
    assert shown.select("main form") == []


def test_what_cannot_be_pressed_says_why(world: World, signed_in: Browser) -> None:
    notice = factories.message(world.mail, "Undeliverable", automatic="bounce")
    shown = page(signed_in(world.ada), notice)
    button = shown.select_one(f"form[action='/conversations/{notice.conversation_id}/write/'] button")
    assert button.has_attr("disabled")
    assert shown.select_one(f"#{button['aria-describedby']}").text == "Nobody wrote here yet."


def test_each_list_has_its_own_and_the_owed_are_by_their_time(world: World, signed_in: Browser) -> None:
    made = {
        name: factories.message(world.mail, sender=Party(f"{name}@customer.test", name), subject=name)
        for name in ("answer", "late", "soon", "asleep", "waits", "ended")
    }
    with tenant_context(world.acme.pk):
        factories.draft(made["answer"])
        Conversation.objects.filter(subject="late").update(due_at=database_time.now() - timedelta(hours=1))
        ids = {name: one.conversation_id for name, one in made.items()}
        until = database_time.now() + timedelta(hours=1)
        life.snooze(conversation_id=ids["asleep"], actor=world.ada, until=until)
        life.answered_elsewhere(conversation_id=ids["waits"], actor=world.ada)
        life.close(conversation_id=ids["ended"], actor=world.ada, reason="other")
        life.assign(conversation_id=ids["soon"], actor=world.ada, to=world.ada.pk)
    client = signed_in(world.ada)

    def rows(query: str) -> list[str]:
        return [cell.text for cell in soup(client.get(f"/conversations/?{query}")).select("#rows .cell-link")]

    assert rows("list=to_answer") == ["answer"]
    assert rows("list=owed") == ["late", "soon"]
    assert rows("list=mine") == ["soon"]
    assert rows("list=snoozed") == ["asleep"]
    assert rows("list=waiting") == rows("status=pending") == ["waits"]
    assert rows("list=closed") == rows("status=closed") == ["ended"]
    assert len(rows("list=nonsense")) == 6
    shown = soup(client.get("/conversations/?list=owed"))
    assert [chip.text.split() for chip in shown.select(".chips .chip") if chip.select(".num")] == [
        ["Owed", "2"], ["Mine", "1"], ["Snoozed", "1"],
    ]  # fmt: skip
    assert [one.text for one in shown.select("#rows .state")] == ["Owed", "Owed"]
    assert "1 h late" in shown.select_one("#rows .due.bad").text
    assert "Nobody wrote for days" not in shown.text
    queue = soup(client.get("/queue/"))
    assert queue.select_one("#tally-owed").text == "2"


def test_nothing_is_due_of_us_while_our_answer_is_on_its_way(world: World, signed_in: Browser, message: Any) -> None:
    draft = factories.draft(message)
    client = signed_in(world.ada)
    assert soup(client.get("/conversations/")).select_one(".table .due") is not None
    pressed = decisions.Attention(pressed_twice=True)
    decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attention=pressed)
    listed = soup(client.get("/conversations/"))
    assert listed.select_one(".state").text == "Waiting"
    assert listed.select_one(".table .due") is None


def test_the_owed_page_by_their_time_without_growing(world: World, signed_in: Browser) -> None:
    for at in range(53):
        factories.message(world.mail, sender=Party(f"c{at}@customer.test", f"c{at}"), subject=f"Subject {at}")
    client = signed_in(world.ada)
    first = soup(client.get("/conversations/?list=owed"))
    with counted() as queries:
        second = soup(client.get(f"/conversations/{first.select_one('a[rel=next]')['href']}"))
    assert [cell.text for cell in second.select("#rows .cell-link")] == ["Subject 50", "Subject 51", "Subject 52"]
    assert len(queries) <= 9


# --- with a draft --------------------------------------------------------------------------------------------------
def test_a_rejection_asks_what_follows_and_does_it(world: World, signed_in: Browser, message: Any) -> None:
    client, draft = signed_in(world.ada), factories.draft(message)
    asked = soup(client.get(f"/drafts/{draft.pk}/?do=reject"))
    assert [one["value"] for one in asked.select("[name=then]")] == ["write", "redraft", "elsewhere", "close", "owed"]
    assert [one["value"] for one in asked.select("[name=then][checked]")] == ["owed"]
    values = {**form_of(client, draft), "reason": "tone", "then": "write"}
    answered = client.post(f"/drafts/{draft.pk}/reject/", values)
    with tenant_context(world.acme.pk):
        begun = Draft.objects.pending().get()
    assert answered["Location"] == f"/drafts/{begun.pk}/?do=edit"


def test_the_script_is_sent_to_the_editor_too(world: World, signed_in: Browser, message: Any) -> None:
    client, draft = signed_in(world.ada), factories.draft(message)
    values = {**form_of(client, draft), "reason": "tone", "then": "write"}
    answered = client.post(f"/drafts/{draft.pk}/reject/", values, headers={"HX-Request": "true"})
    assert answered["HX-Redirect"].endswith("/?do=edit")


def test_what_follows_is_one_of_five(world: World, signed_in: Browser, message: Any) -> None:
    client, draft = signed_in(world.ada), factories.draft(message)
    values = {**form_of(client, draft), "reason": "tone"}
    for more in ({"then": "nothing"}, {"then": "owed", "owed_due": "soon"}):
        with assert_nothing_written():
            assert client.post(f"/drafts/{draft.pk}/reject/", {**values, **more}).status_code == 422
    client.post(f"/drafts/{draft.pk}/reject/", {**values, "then": "owed", "owed_by": "me", "owed_due": later(30)})
    with tenant_context(world.acme.pk):
        assert Conversation.objects.get().owner == world.ada


def test_a_holding_reply_shows_what_it_promises_before_it_is_approved(
    world: World, signed_in: Browser, message: Any
) -> None:
    client, draft = signed_in(world.ada), factories.draft(message, HOLDING)
    shown = soup(client.get(f"/drafts/{draft.pk}/"))
    assert "promises a person's answer" in shown.select_one(".promise").text
    due = shown.select("#promise-due option")[1]["value"]
    values = {**form_of(client, draft), "promise_due": due, "promise_by": "me", "pressed_twice": "1"}
    client.post(f"/drafts/{draft.pk}/approve/", values)
    with tenant_context(world.acme.pk):
        found = Conversation.objects.get()
        assert (found.owed, found.owner) == ("promised", world.ada)
        assert found.due_at is not None and due.startswith(found.due_at.isoformat()[:10])
    other = factories.draft(factories.message(world.mail))
    assert soup(client.get(f"/drafts/{other.pk}/")).select(".promise") == []


def test_approve_is_off_while_somebody_else_works_on_it(world: World, signed_in: Browser, message: Any) -> None:
    draft = factories.draft(message)
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=draft.pk, actor=world.dan)
    shown = soup(signed_in(world.ada).get(f"/drafts/{draft.pk}/"))
    button = shown.select_one("[data-act=approve]")
    assert button["aria-disabled"] == "true"
    assert "Approve is off while" in shown.select_one("#why-blocked").text
    assert "Dan" in shown.select_one("#why-blocked").text


def test_where_a_channel_cannot_send_answered_elsewhere_goes_first(world: World, signed_in: Browser) -> None:
    chat = factories.channel(world.acme, type="chat", external_id="chat", name="Chat")
    draft = factories.draft(factories.message(chat))
    shown = soup(signed_in(world.ada).get(f"/drafts/{draft.pk}/"))
    first = shown.select_one(".actions .btn")
    assert (first.text.strip(), "btn--primary" in first["class"]) == ("Answered elsewhere", True)
    assert shown.select_one("[data-act=approve]")["aria-disabled"] == "true"
    assert "btn--primary" not in shown.select_one("[data-act=approve]")["class"]


def test_mine_shows_what_one_owns_and_what_one_holds(world: World, signed_in: Browser) -> None:
    owned, held, others = (factories.draft(factories.message(world.mail)) for _ in range(3))
    with tenant_context(world.acme.pk):
        life.assign(conversation_id=owned.conversation_id, actor=world.dan, to=world.ada.pk)
        editing.claim(draft_id=held.pk, actor=world.ada)
        life.assign(conversation_id=others.conversation_id, actor=world.ada, to=world.dan.pk)
    rows = soup(signed_in(world.ada).get("/queue/?show=mine")).select("#rows .row")
    assert {row["data-id"] for row in rows} == {str(owned.pk), str(held.pk)}


def test_a_persons_own_words_are_asked_for_no_source_also_after_a_save(
    world: World, signed_in: Browser, message: Any
) -> None:
    client = signed_in(world.ada)
    address = press(client, message, "write")["Location"].partition("?")[0]
    with tenant_context(world.acme.pk):
        begun = Draft.objects.pending().get()
    values = {**form_of(client, begun), "final_text": "It ships on Monday."}
    saved = client.post(f"{address}edit/", values, headers={"HX-Request": "true"})
    assert (saved.status_code, saved["X-Second"]) == (204, "")
    money = {**form_of(client, begun), "final_text": "We refund 20 USD."}
    assert client.post(f"{address}edit/", money, headers={"HX-Request": "true"})["X-Second"] == "money"


def test_a_stale_page_leads_to_the_new_draft_as_soon_as_it_is_there(
    world: World, signed_in: Browser, message: Any
) -> None:
    client, old = signed_in(world.ada), factories.draft(message)
    newer = factories.reply_to(message)
    banner = soup(client.get(f"/drafts/{old.pk}/")).select_one(".banner")
    assert "a new one is being written" in banner.text
    assert banner.select("a[href^='/drafts/']") == []
    ready = factories.draft(newer)
    for url in (f"/drafts/{old.pk}/", f"/queue/pulse/?since=x&draft={old.pk}"):
        banner = soup(client.get(url)).select_one(".banner")
        assert "a new draft is ready" in banner.text
        assert banner.select_one("a[href^='/drafts/']")["href"].startswith(f"/drafts/{ready.pk}/")
