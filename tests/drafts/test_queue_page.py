"""The queue page and the pane: what is shown, to whom, and for how many statements."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils import timezone

from conversations.channels.base import Party
from conversations.models import Account, User
from conversations.tenancy import tenant_context
from conversations.visible import ALL
from drafts.desk import editing, life
from drafts.models import Draft
from drafts.queue import Filters, feed, neighbour
from tests import factories
from tests.asserts import counted
from tests.conftest import World

Browser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
MAX_STATEMENTS = 6
MAX_PULSE_STATEMENTS = 4


def a_draft(world: World, name: str, place: int, **changes: Any) -> Draft:
    sender = Party(f"{name}@customer.test", name)
    message = factories.message(world.mail, f"{name} asks", sender=sender, subject=f"Question of {name}")
    return factories.draft(message, due_at=timezone.now() + timedelta(minutes=place), **changes)


def rows(response: Any) -> list[str]:
    soup = BeautifulSoup(response.content, "html.parser")
    return [row.select_one(".row__sub").text for row in soup.select("#rows .row")]


def statements(client: Client, url: str, **headers: Any) -> int:
    """Without the transaction's own words: they are one round trip each way whatever the page asks."""
    client.get(url)
    with counted() as queries:
        response = client.get(url, **headers)
    assert response.status_code in {200, 204}
    return sum(not q["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")) for q in queries)


def test_it_lists_what_waits_by_its_due_time(world: World, signed_in: Browser) -> None:
    for name, place in (("later", 30), ("first", 10), ("middle", 20)):
        a_draft(world, name, place)
    with tenant_context(world.acme.pk):
        assert Draft.objects.count() == 3
    response = signed_in(world.ada).get("/queue/")
    assert rows(response) == ["Question of first", "Question of middle", "Question of later"]
    soup = BeautifulSoup(response.content, "html.parser")
    assert soup.select_one("#rv-title").text == "Question of first"
    assert soup.select_one("#count").text == "3"
    assert [t["data-next"] for t in soup.select("#next-slot template[data-next]")] == [
        soup.select(".row")[1]["data-id"],
        soup.select(".row")[2]["data-id"],
    ]


def test_it_takes_as_many_statements_for_fifty_rows_as_for_five(world: World, signed_in: Browser) -> None:
    client = signed_in(world.ada)
    for at in range(5):
        a_draft(world, f"c{at}", at)
    few = {url: statements(client, url) for url in ("/queue/", "/queue/?show=care", "/queue/?show=mine")}
    for at in range(5, 60):
        a_draft(world, f"c{at}", at)
    many = {url: statements(client, url) for url in few}
    assert many == few
    assert many["/queue/"] <= MAX_STATEMENTS


def test_one_draft_takes_no_more_statements_than_the_queue(world: World, signed_in: Browser) -> None:
    draft = a_draft(world, "marcus", 5)
    client = signed_in(world.ada)
    assert statements(client, f"/drafts/{draft.pk}/") <= MAX_STATEMENTS
    assert statements(client, f"/drafts/{draft.pk}/", headers=HTMX) <= MAX_STATEMENTS


def test_an_idle_pulse_is_204_for_four_statements(committed_world: World, signed_in: Browser) -> None:
    world = committed_world
    a_draft(world, "marcus", 5)
    client = signed_in(world.ada)
    since = BeautifulSoup(client.get("/queue/").content, "html.parser").select_one("#pulse")["data-since"]
    url = f"/queue/pulse/?since={since}"
    assert client.get(url, headers=HTMX).status_code == 204
    assert statements(client, url) <= MAX_PULSE_STATEMENTS
    a_draft(world, "dana", 6)
    news = client.get(url, headers=HTMX)
    assert news.status_code == 200
    assert "Question of dana" in news.content.decode()
    assert client.get(f"/queue/pulse/?since={news['X-Since']}").status_code == 204


def test_show_more_goes_on_where_the_page_ended(world: World, signed_in: Browser) -> None:
    for at in range(53):
        a_draft(world, f"c{at:02}", at)
    client = signed_in(world.ada)
    first = client.get("/queue/")
    more = BeautifulSoup(first.content, "html.parser").select_one("#more-rows a")["hx-get"]
    rest = BeautifulSoup(client.get(more, headers=HTMX).content, "html.parser")
    assert [row.text for row in rest.select(".row__sub")] == [f"Question of c{at}" for at in (50, 51, 52)]
    assert not rest.select("#more-rows")
    assert rows(client.get(more)) == [f"Question of c{at}" for at in (50, 51, 52)]


@pytest.mark.parametrize("sort", ["", "oldest", "sourced"])
def test_every_order_pages_through_all_drafts_once(acme: Account, world: World, sort: str) -> None:
    wanted = set()
    for at in range(7):
        sources = [] if at % 2 else None
        draft = a_draft(world, f"c{at}", at % 3)
        if sources is not None:
            Draft.objects.filter(pk=draft.pk).update(unsourced_count=1)
        wanted.add(draft.pk)
    found: list[uuid.UUID] = []
    cursor = ""
    while True:
        page, cursor = feed(Filters(sort=sort), world.ada, {}, within=ALL, after=cursor, limit=2)
        found += [row["id"] for row in page]
        if not cursor:
            break
    assert len(found) == 7
    assert set(found) == wanted
    assert [neighbour(Filters(sort=sort), world.ada, pk, back=False, within=ALL) for pk in found] == [*found[1:], None]
    assert [neighbour(Filters(sort=sort), world.ada, pk, back=True, within=ALL) for pk in found] == [None, *found[:-1]]


@pytest.mark.parametrize("cursor", ["x", "%00", "Zm9v", "a" * 3000, "é", "b2xkZXN0fjE"])
def test_a_damaged_cursor_is_the_first_page(world: World, signed_in: Browser, cursor: str) -> None:
    a_draft(world, "marcus", 5)
    response = signed_in(world.ada).get("/queue/", {"after": cursor})
    assert response.status_code == 200
    assert rows(response) == ["Question of marcus"]


def test_filters_show_what_they_say(world: World, signed_in: Browser) -> None:
    _, mine, later = a_draft(world, "plain", 1), a_draft(world, "mine", 2), a_draft(world, "later", 3)
    chat = factories.channel(world.acme, type="chat", external_id="chat-1", name="Chat")
    message = factories.message(chat, "hi", sender=Party("x@customer.test", "x"), subject="Question of chat")
    factories.unsourced(message)
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=mine.pk, actor=world.ada)
        life.snooze_draft(draft_id=later.pk, actor=world.ada, until=timezone.now() + timedelta(hours=2))
    client = signed_in(world.ada)
    assert rows(client.get("/queue/?show=mine")) == ["Question of mine"]
    assert rows(client.get("/queue/?show=care")) == ["Question of chat"]
    assert rows(client.get("/queue/?show=snoozed")) == ["Question of later"]
    assert rows(client.get("/queue/?channel=chat")) == ["Question of chat"]
    everything = rows(client.get("/queue/?show=nonsense&channel=carrier-pigeon&sort=best"))
    assert everything == ["Question of chat", "Question of plain", "Question of mine"]


def test_counts_stop_at_a_hundred(world: World, signed_in: Browser) -> None:
    for at in range(102):
        a_draft(world, f"c{at}", at)
    soup = BeautifulSoup(signed_in(world.ada).get("/queue/").content, "html.parser")
    assert soup.select_one("#count").text == "100+"


def test_an_empty_queue_says_so(world: World, signed_in: Browser) -> None:
    response = signed_in(world.ada).get("/queue/")
    assert "All caught up" in response.content.decode()


def test_a_foreign_draft_is_the_same_404_as_none(world: World, signed_in: Browser) -> None:
    draft = a_draft(world, "marcus", 5)
    eve = signed_in(world.eve)
    foreign, absent = eve.get(f"/drafts/{draft.pk}/"), eve.get(f"/drafts/{uuid.uuid4()}/")
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert "marcus" not in foreign.content.decode()
    assert rows(eve.get("/queue/")) == []


def test_a_stranger_is_sent_to_the_log_in_page_and_htmx_gets_401(world: World) -> None:
    draft = a_draft(world, "marcus", 5)
    for url in ("/", "/queue/", f"/drafts/{draft.pk}/", "/queue/pulse/"):
        page = Client().get(url)
        assert (page.status_code, page["Location"].split("?")[0]) == (302, "/accounts/login/")
        fragment = Client().get(url, headers=HTMX)
        assert (fragment.status_code, fragment["HX-Trigger"]) == (401, "session-ended")


def test_pages_are_neither_cached_nor_mixed_with_fragments(world: World, signed_in: Browser) -> None:
    draft = a_draft(world, "marcus", 5)
    client = signed_in(world.ada)
    page = client.get(f"/drafts/{draft.pk}/")
    fragment = client.get(f"/drafts/{draft.pk}/", headers=HTMX)
    assert b"<!doctype html>" in page.content
    assert b"<!doctype html>" not in fragment.content
    restored = client.get(f"/drafts/{draft.pk}/", headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert b"<!doctype html>" in restored.content
    for response in (page, fragment):
        assert "HX-Request" in response["Vary"]
        assert response["Cache-Control"] == "no-store, private"
        assert "unsafe" not in response["Content-Security-Policy"]


def test_an_auditor_gets_no_form_control(world: World, signed_in: Browser) -> None:
    a_draft(world, "marcus", 5)
    soup = BeautifulSoup(signed_in(world.bo).get("/queue/").content, "html.parser")
    assert soup.select("#decide button, #decide input, #decide textarea, #decide select") == []


def test_an_agent_sees_why_a_risky_draft_cannot_be_approved(world: World, signed_in: Browser) -> None:
    risky = factories.unsourced(factories.message(world.mail))
    soup = BeautifulSoup(signed_in(world.cy).get(f"/drafts/{risky.pk}/").content, "html.parser")
    button = soup.select_one("[data-act=approve]")
    assert button["aria-disabled"] == "true"
    assert (
        soup.select_one(f"#{button['aria-describedby']}").text == "Your role may not approve this one; a reviewer can"
    )


def test_an_edited_draft_counts_its_sources_once(world: World, signed_in: Browser) -> None:
    reasons = ["1 of 1 statement has a source.", "A passage speaks directly to the question."]
    draft = a_draft(world, "ann", 1, confidence_reasons=reasons)
    text = f"{draft.suggested_text}\n\nTighten the ends to 18 ft-lb."
    with tenant_context(world.acme.pk):
        editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=text)
    page = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{draft.pk}/").content, "html.parser")
    said = page.select_one(".support").text
    assert said.count("a source") == 1, said
    assert "speaks directly" in said


def test_customer_text_is_escaped_everywhere(world: World, signed_in: Browser) -> None:
    bad = "<img src=x onerror=alert(1)>"
    message = factories.message(world.mail, bad, sender=Party("x@customer.test", bad), subject=bad)
    source = {"passage": str(uuid.uuid4()), "title": bad, "url": "javascript:alert(1)", "quote": bad}
    draft = factories.draft(message, f"Hi\n\n{bad}", statements=[{"start": 4, "end": 20, "sources": [source["passage"]]}], top_sources=[source])  # fmt: skip
    client = signed_in(world.ada)
    for url in ("/queue/", f"/drafts/{draft.pk}/?do=edit", "/conversations/", f"/conversations/{draft.conversation_id}/", f"/conversations/{draft.conversation_id}/timeline/"):  # fmt: skip
        text = client.get(url).content.decode()
        assert "<img" not in text, url
        assert "javascript:" not in text, url
