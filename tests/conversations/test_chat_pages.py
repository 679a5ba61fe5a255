"""The pages of one's own chats, as a browser without a script uses them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client
from django.urls import reverse

from conversations.chats import listing, sessions
from conversations.chats.finding import by_words
from conversations.models import AssistantSession, Conversation, Message, User
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import assert_nothing_written_in, counted
from tests.conftest import World

Browser = Callable[[User], Client]
CHATS = "/assistant/"
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def soup(answer: Any, status: int = 200) -> BeautifulSoup:
    assert answer.status_code == status, answer.content[:500]
    return BeautifulSoup(answer.content, "html.parser")


def titles(page: BeautifulSoup, label: str = "Chats, newest first") -> list[str]:
    return [row.get_text(strip=True) for row in page.select(f'ol[aria-label="{label}"] .row__who > span:first-child')]


def test_a_chat_is_begun_gone_on_with_and_read(world: World, signed_in: Browser) -> None:
    browser = signed_in(world.cy)
    empty = soup(browser.get(CHATS))
    assert "No chat yet" in empty.select_one(".rows").get_text()  # type: ignore[union-attr]
    box = empty.select_one("form#box")
    assert box is not None
    sent = {one["name"]: one.get("value", "") for one in box.select("input")} | {"text": "Which hose for E85?\nThe 6."}
    begun = browser.post(box["action"], sent)
    assert begun.status_code == 303
    page = soup(browser.get(begun["Location"]))
    assert page.select_one(".asst__t h1").get_text() == "Which hose for E85?"  # type: ignore[union-attr]
    box = page.select_one("form#box")
    assert box is not None
    stop = page.select_one("#ask-go button")  # the first question is still being looked into
    assert stop is not None and stop.get_text(strip=True) == "Stop"
    assert browser.post(stop["formaction"]).status_code == 303
    sent = {one["name"]: one.get("value", "") for one in box.select("input")} | {"text": "And <b>torque</b>?"}
    for _ in range(2):  # pressed twice
        assert browser.post(box["action"], sent).status_code == 303
    page = soup(browser.get(begun["Location"]))
    assert [bub.get_text() for bub in page.select(".bub__t")] == ["Which hose for E85?\nThe 6.", "And <b>torque</b>?"]
    assert "Only you can read this" in page.get_text()
    assert titles(page) == ["Which hose for E85?"]


def test_what_cannot_be_sent_comes_back_as_it_was_typed(world: World, signed_in: Browser) -> None:
    browser, session = signed_in(world.ada), factories.chat(world.acme, world.ada, "Hello")
    say = reverse("conversations:say", args=[session.pk])
    with assert_nothing_written_in(world.acme):
        page = soup(browser.post(say, {"text": "x" * 8001}), 422)
        assert page.select_one("textarea").get_text().strip() == "x" * 8001  # type: ignore[union-attr]
        assert "8,001" in page.select_one("[role=alert]").get_text()  # type: ignore[union-attr]
        soup(browser.post(CHATS, {"text": "  "}), 422)
        soup(browser.post(reverse("conversations:change-chat", args=[session.pk, "rename"]), {"title": " "}), 422)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.close_session(session_id=session.pk, actor=world.ada)
    page = soup(browser.post(say, {"text": "Are you there?"}), 409)
    assert "Are you there?" in page.select_one("textarea").get_text()  # type: ignore[union-attr]


def test_every_act_does_what_it_says(world: World, signed_in: Browser) -> None:
    browser, session = signed_in(world.ada), factories.chat(world.acme, world.ada, "Hello")

    def press(act: str, **fields: str) -> Conversation:
        address = reverse("conversations:change-chat", args=[session.pk, act])
        assert browser.get(address).status_code == 405
        assert browser.post(address, fields).status_code == 303
        with tenant_context(world.acme.pk, person=world.ada.pk):
            return Conversation.objects.get(pk=session.conversation_id)

    assert press("pin").is_pinned and not press("unpin").is_pinned
    assert press("favourite").is_favorited and not press("unfavourite").is_favorited
    assert press("archive").is_archived and not press("unarchive").is_archived
    assert press("rename", title="Hoses").title == "Hoses"
    assert press("tags", tags="Fuel, vip,,fuel").tags == ["fuel", "vip"]
    assert browser.post(reverse("conversations:change-chat", args=[session.pk, "fly"])).status_code == 404
    press("end")
    assert "This chat has ended" in soup(browser.get(reverse("conversations:chat", args=[session.pk]))).get_text()
    press("delete")
    assert browser.get(reverse("conversations:chat", args=[session.pk])).status_code == 404
    assert titles(soup(browser.get(CHATS))) == []


def test_a_chat_is_taken_along(world: World, signed_in: Browser) -> None:
    browser, session = signed_in(world.ada), factories.chat(world.acme, world.ada, "Hello there")
    data = browser.get(reverse("conversations:export-chat", args=[session.pk, "json"]))
    assert json.loads(data.content)["messages"][0]["text"] == "Hello there"
    assert data["Content-Disposition"].startswith('attachment; filename="chat-')
    text = browser.get(reverse("conversations:export-chat", args=[session.pk, "md"]))
    assert text["Content-Type"] == "text/markdown; charset=utf-8"
    assert "> Hello there" in text.content.decode()
    assert browser.get(reverse("conversations:export-chat", args=[session.pk, "exe"])).status_code == 404


def test_nobody_else_gets_a_chat_by_its_address(world: World, signed_in: Browser) -> None:
    session = factories.chat(world.acme, world.ada, "Hello")
    addresses = [
        ("get", reverse("conversations:chat", args=[session.pk])),
        ("get", reverse("conversations:export-chat", args=[session.pk, "json"])),
        ("post", reverse("conversations:say", args=[session.pk])),
        *(
            ("post", reverse("conversations:change-chat", args=[session.pk, act]))
            for act in ("pin", "rename", "delete")
        ),
    ]
    for user, status in ((world.dan, 404), (world.cy, 404), (world.eve, 404), (world.bo, 403)):
        browser = signed_in(user)
        for method, address in addresses:
            with assert_nothing_written_in(world.acme):
                answer = getattr(browser, method)(address, {"text": "x", "title": "x"})
            assert answer.status_code == status, (user, method, address)
    assert signed_in(world.bo).get(CHATS).status_code == 403


def test_lists_tags_pins_and_search_find_the_persons_own(world: World, signed_in: Browser) -> None:
    made = {name: factories.chat(world.acme, world.ada, f"{name} hose") for name in ("one", "two", "three", "four")}
    factories.chat(world.acme, world.dan, "dan's hose")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.set_flag(session_id=made["one"].pk, actor=world.ada, flag="pinned", on=True)
        sessions.set_flag(session_id=made["two"].pk, actor=world.ada, flag="favourite", on=True)
        sessions.archive(session_id=made["three"].pk, actor=world.ada, on=True)
        sessions.set_tags(session_id=made["four"].pk, actor=world.ada, tags=["fuel"])
    browser = signed_in(world.ada)
    page = soup(browser.get(CHATS))
    assert titles(page) == ["four hose", "two hose", "one hose"]
    assert titles(page, "Pinned chats") == ["one hose"]
    assert titles(soup(browser.get(CHATS + "?list=favourites"))) == ["two hose"]
    assert titles(soup(browser.get(CHATS + "?list=archived"))) == ["three hose"]
    assert titles(soup(browser.get(CHATS + "?tag=Fuel"))) == ["four hose"]
    assert titles(soup(browser.get(CHATS + "?q=hoses"))) == ["four hose", "three hose", "two hose", "one hose"]
    assert "Nothing found" in soup(browser.get(CHATS + "?q=zeppelin")).get_text()
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.post(session_id=made["two"].pk, actor=world.ada, text="Something else", request_id="")
    found = soup(browser.get(CHATS + '?q="two hose"'))
    assert [line.get_text(strip=True) for line in found.select(".row__sub")] == ["two hose"]  # the line that holds it


@pytest.mark.parametrize("damaged", ["x", "MjAyNg", "99", ""])
def test_a_damaged_place_is_the_first_page(world: World, signed_in: Browser, damaged: str) -> None:
    factories.chat(world.acme, world.ada, "Hello")
    for name in ("after", "before"):
        assert titles(soup(signed_in(world.ada).get(f"{CHATS}?{name}={damaged}"))) == ["Hello"]


# --- pages by keyset, and what they cost ------------------------------------------------------------------------------
def plant(world: World, person: User, chats: int, messages: int) -> list[AssistantSession]:
    """Chats with messages, some at the same moment, which only the id tells apart."""
    with tenant_context(world.acme.pk, person=person.pk):
        mine = {"account": world.acme, "private_to": person}
        made = Conversation.objects.bulk_create(
            [Conversation(**mine, kind="assistant", number=None, title=f"Chat {n}") for n in range(chats)]
        )
        opened = AssistantSession.objects.bulk_create([AssistantSession(**mine, conversation=chat) for chat in made])
        Message.objects.bulk_create(
            [
                Message(
                    **mine, conversation=chat, direction="inbound", role="user", body_text=f"Line {n}",
                    received_at=BEGUN + timedelta(minutes=number // 3),
                )
                for number, chat in enumerate(made)
                for n in range(messages)
            ],
            batch_size=2000,
        )  # fmt: skip
    return opened


def test_pages_go_both_ways_and_leave_nobody_out(world: World, signed_in: Browser) -> None:
    plant(world, world.ada, 130, 1)
    browser = signed_in(world.ada)

    def walk(url: str, rel: str) -> tuple[list[list[str]], str]:
        """The titles of each page, and where the way back from the last one begins."""
        pages = []
        while True:
            page = soup(browser.get(url))
            pages.append(titles(page))
            links = {str(link["rel"][0]): str(link["href"]) for link in page.select(".queue .pager a")}
            if rel not in links:
                return pages, links.get("prev", "")
            url = links[rel]

    forth, way_back = walk(CHATS, "next")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        expected = list(Conversation.objects.filter(kind="assistant").newest_first().values_list("title", flat=True))
    assert [len(page) for page in forth] == [50, 50, 30]
    assert list(chain.from_iterable(forth)) == expected
    back, _ = walk(way_back, "prev")
    assert back[::-1] == forth[:2]


def test_messages_page_both_ways(world: World, signed_in: Browser) -> None:
    (session,) = plant(world, world.ada, 1, 120)
    browser, url = signed_in(world.ada), reverse("conversations:chat", args=[session.pk])

    def lines(query: str) -> list[str]:
        return [bub.get_text() for bub in soup(browser.get(url + query)).select(".bub__t")]

    assert lines("") == [f"Line {n}" for n in range(70, 120)]
    assert lines("?before=71") == [f"Line {n}" for n in range(20, 70)]
    assert lines("?before=21") == [f"Line {n}" for n in range(20)]
    assert lines("?after=20") == [f"Line {n}" for n in range(20, 70)]


def statements(browser: Client, url: str) -> list[str]:
    with counted() as queries:
        assert browser.get(url).status_code == 200
    return [query["sql"] for query in queries]


def test_a_thousand_chats_and_ten_thousand_messages_cost_as_many_statements_as_few(
    world: World, signed_in: Browser
) -> None:
    """Acceptance 15. Cy has twenty chats, one with fifty messages; Ada a thousand, one with ten thousand."""
    found: dict[str, list[int]] = {}
    for user, chats, messages in ((world.cy, 20, 50), (world.ada, 1000, 10_000)):
        plant(world, user, chats - 1, 1)
        (long,) = plant(world, user, 1, messages)
        browser = signed_in(user)
        browser.get(CHATS)
        found[user.display_name] = [
            len(statements(browser, url))
            for url in (
                CHATS,
                f"{CHATS}?list=archived",
                f"{CHATS}?q=line",
                reverse("conversations:chat", args=[long.pk]),
            )
        ]
        with tenant_context(world.acme.pk, person=user.pk), counted() as said:
            sessions.post(session_id=long.pk, actor=user, text="One more", request_id="r")
        found[user.display_name].append(len(said))
    assert found["Cy"] == found["Ada"]


def test_a_word_that_stands_in_every_message_is_found_at_once(world: World) -> None:
    """Of ten thousand in a thousand chats. A look at each message's chat took ten seconds; this takes some milliseconds.

    Nine long ones: each message counts itself in its chat's row, and versions of one row within one transaction add up.
    """
    plant(world, world.ada, 990, 1)
    long = plant(world, world.ada, 9, 1_000)
    (gone,) = plant(world, world.ada, 1, 1)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        sessions.delete_session(session_id=gone.pk, actor=world.ada)
        started = time.perf_counter()
        found = by_words("line")
        assert time.perf_counter() - started < 1
    assert {said.conversation for said in found} <= {chat.conversation_id for chat in long}
    assert len(found) == 200


def test_chips_count_up_to_a_hundred(world: World, signed_in: Browser) -> None:
    plant(world, world.ada, 101, 1)
    plant(world, world.cy, 100, 1)
    for user, number in ((world.ada, "100+"), (world.cy, "100")):
        chip = soup(signed_in(user).get(CHATS)).select_one(".chip .num")
        assert chip is not None and chip.get_text() == number


def test_the_list_reads_few_pages_of_the_index_however_many_chats_there_are(world: World) -> None:
    """No sequential scan, and the newest of a thousand cost what the newest of twenty cost."""
    for user, number in ((world.cy, 60), (world.ada, 1000)):
        plant(world, user, number, 1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = on")
    read = {}
    for user in (world.cy, world.ada):
        with tenant_context(world.acme.pk, person=user.pk):
            mine = listing.chats_of(user, world.acme.pk).filter(is_archived=False)
            plan = mine.newest_first().values("id", "last_message_at")[:51].explain(analyze=True, buffers=True)
        assert "Seq Scan" not in plan, plan
        assert "idx_chat_recent" in plan, plan
        read[user.display_name] = sum(
            int(word.partition("=")[2])
            for line in plan.splitlines()[:3]
            for word in line.split()
            if word.startswith("hit=")
        )
    assert read["Ada"] <= read["Cy"] * 1.5, read
