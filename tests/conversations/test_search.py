"""Finding conversations: words, phrases, operators; what is not understood is said; other tenants never."""

from __future__ import annotations

import random
import re
import zoneinfo
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.test import Client
from django.utils import timezone

from conversations import search
from conversations.channels.base import File, Party
from conversations.models import Account, Conversation, Delivery, Message, User
from conversations.tenancy import tenant_context
from ingestion.models import Passage
from tests import factories
from tests.asserts import counted
from tests.conftest import World

Browser = Callable[[User], Client]
HTMX = {"HX-Request": "true", "HX-Target": "pal-found"}
UTC = zoneinfo.ZoneInfo("UTC")


def a_message(world: World, name: str, text: str, **changes: Any) -> Message:
    sender = Party(f"{name.lower()}@customer.test", name)
    values = {"subject": f"From {name}", "sender": sender, **changes}
    return factories.message(world.mail, text, **values)


@pytest.fixture
def mail(world: World) -> dict[str, Message]:
    chat = factories.channel(world.acme, type="chat", external_id="chat-1", name="Site chat")
    found = {
        "anna": a_message(world, "Anna", "Which torque for the -8 fittings on aluminium?"),
        "bob": a_message(world, "Bob", "My rubber hoses leak after a week. Order HRA-20931."),
        "carl": a_message(world, "Carl", "PTFE hose or rubber for E85, and what torque?"),
    }
    found["dana"] = factories.message(
        chat, "Do you ship to Norway?", sender=Party("dana@customer.test", "Dana"), subject="Shipping"
    )
    return found


def names(world: World, text: str) -> list[str]:
    with tenant_context(world.acme.pk):
        question = search.parse(text, UTC)
        page = search.find(Conversation.objects.of_customers().newest_first(), question)
        return [conversation.customer_name for conversation in page]


def problems(text: str) -> list[str]:
    return search.parse(text, UTC).problems


def test_words_are_found_by_their_stems_and_as_written(world: World, mail: dict[str, Message]) -> None:
    assert names(world, "hose") == ["Carl", "Bob"]
    assert names(world, "leaking") == ["Bob"]
    assert names(world, "hra-20931") == ["Bob"]
    assert names(world, "torque hose") == ["Carl"]
    assert names(world, "carburettor") == []


def test_a_phrase_is_kept_together_and_a_minus_leaves_out(world: World, mail: dict[str, Message]) -> None:
    assert names(world, '"rubber hoses"') == ["Bob"]
    assert names(world, "rubber -leak") == ["Carl"]
    assert names(world, 'torque -"PTFE hose"') == ["Anna"]


def test_a_word_may_be_the_customers_and_another_the_messages(world: World, mail: dict[str, Message]) -> None:
    assert names(world, "anna torque") == ["Anna"]
    assert names(world, "anna@customer.test") == ["Anna"]
    assert names(world, "torque -anna") == ["Carl"]


def test_every_operator_narrows(world: World, mail: dict[str, Message]) -> None:
    factories.draft(mail["anna"])
    factories.reply_to(
        mail["bob"], "See picture", files=(File("a.png", "image/png", b"x"),), sender=Party("bob@customer.test", "Bob")
    )
    approved = factories.approved(factories.draft(mail["carl"]), world.ada)
    with tenant_context(world.acme.pk):
        Conversation.objects.filter(pk=mail["dana"].conversation_id).update(
            status="closed", owed="", due_at=None, completed_at=timezone.now(), is_archived=True
        )
        for status in ("queued", "sending", "sent"):
            now = timezone.now()
            Delivery.objects.filter(pk=approved.pk).update(status=status, lease_until=now, sent_at=now)
        factories.tagged(mail["dana"], "VIP")
        number = Conversation.objects.get(pk=mail["bob"].conversation_id).number
    assert names(world, "from:anna") == ["Anna"]
    assert names(world, "to:support@acme.test") == ["Carl", "Bob", "Anna"]
    assert names(world, "to:carl@customer") == ["Carl"]
    assert names(world, "channel:chat") == ["Dana"]
    assert names(world, 'channel:"Site chat"') == ["Dana"]
    assert names(world, "is:pending") == ["Anna"]
    assert names(world, "is:closed") == names(world, "is:archived") == names(world, "tag:vip") == ["Dana"]
    assert names(world, "is:open -is:pending -is:sent") == ["Bob"]
    assert names(world, "is:owed") == ["Bob"]
    assert names(world, "is:waiting -is:sent") == names(world, "is:snoozed") == []
    assert names(world, "is:sent") == ["Carl"]
    assert names(world, "has:attachment") == ["Bob"]
    assert names(world, f"#{number}") == ["Bob"]
    assert names(world, "torque from:carl") == ["Carl"]
    assert names(world, "-channel:email") == ["Dana"]


def test_days_are_the_persons_own(world: World, mail: dict[str, Message]) -> None:
    today = timezone.now().date()
    assert names(world, f"after:{today - timedelta(days=1)} channel:chat") == ["Dana"]
    assert names(world, f"before:{today - timedelta(days=1)}") == []
    [condition] = search.parse("after:2026-03-01", zoneinfo.ZoneInfo("Pacific/Auckland")).conditions
    assert condition.children[0][1].isoformat() == "2026-03-01T00:00:00+13:00"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour:red hose", "There is no “colour:”"),
        ("is:late", "“is:late” was not understood"),
        ("has:hope", "write attachment"),
        ("before:yesterday", "write a day as 2026-01-31"),
        ("from:", "“from:” was not understood"),
        ("-rubber", "something to find"),
        ("x " * 300, "Only the first 200 characters"),
        (" ".join(f"w{n}" for n in range(20)), "Only the first 12 words"),
    ],
)
def test_what_is_not_understood_is_said(text: str, said: str) -> None:
    assert any(said in one for one in problems(text)), problems(text)


@pytest.mark.parametrize(
    "text",
    ["https://a.test/x", "12:30", "hose's", "-8 AN", '"', "''''", "%", "((", "a & !", "\x00", "é", ":", "-", "<->"],
)
def test_ordinary_text_and_rubbish_are_no_problem_to_the_database(
    world: World, mail: dict[str, Message], text: str
) -> None:
    assert isinstance(names(world, text), list)


#: What breaks readers of search words: runs of operators, quotes, brackets, long words.
ODD = ("-" * 80, "a" + "-" * 199, '"' * 81, "a -" * 60, "x" * 200, "or " * 60, "!()&|<->:*" * 15, "\\'" * 60)
SIGNS = [*"-\"'\\()!&|: \t\u202e\x00é漢8", "--", "<->", ":*", "or", "hose"]


def test_no_text_breaks_a_page_that_searches_words(world: World, mail: dict[str, Message], signed_in: Browser) -> None:
    """Eighty dashes were a 500 on both pages."""
    client = signed_in(world.ada)
    for url in ("/conversations/", "/sources/"):
        for text in ODD:
            assert client.get(url, {"q": text}).status_code == 200, (url, text)


def test_no_mix_of_signs_breaks_the_search_for_words(world: World, mail: dict[str, Message]) -> None:
    chance = random.Random(7)
    for _ in range(100):
        text = "".join(chance.choice(SIGNS) for _ in range(chance.randint(1, 120)))
        names(world, text)
        with tenant_context(world.acme.pk):
            if words := search.words_query(text[:200]):
                assert not Passage.objects.filter(search=words).exists()


def test_no_code_hands_a_persons_text_to_a_parser_of_operators() -> None:
    """`phraseto_tsquery` and `plainto_tsquery` take any text; the others have a syntax that a text can break."""
    parsers = re.compile(r"(?<!phrase)(?<!plain)to_tsquery\(|search_type=.(websearch|raw)|SearchQuery\((?!term\.text)")
    for app in ("conversations", "ingestion", "drafts"):
        for path in (Path(settings.BASE_DIR) / app).rglob("*.py"):
            assert not parsers.search(path.read_text()), path


def test_another_tenants_messages_are_never_found(world: World, mail: dict[str, Message]) -> None:
    factories.message(world.other_mail, "zebra hose", sender=Party("eve@customer.test", "Zebra"))
    assert names(world, "zebra") == []
    assert names(world, "hose") == ["Carl", "Bob"]


def test_erased_and_withdrawn_words_are_not_found(world: World, mail: dict[str, Message]) -> None:
    with tenant_context(world.acme.pk):
        Message.objects.filter(pk=mail["bob"].pk).update(
            body_text="", subject="", body_new="", erased_at=timezone.now()
        )
    assert names(world, "leak") == []


def test_the_page_takes_as_many_statements_for_any_search(
    world: World, mail: dict[str, Message], signed_in: Browser
) -> None:
    client = signed_in(world.ada)

    def statements(query: str) -> int:
        client.get("/conversations/", {"q": query})
        with counted() as queries:
            assert client.get("/conversations/", {"q": query}).status_code == 200
        return len(queries)

    few = statements("hose")
    for at in range(30):
        a_message(world, f"More{at}", "Another hose")
    assert statements("hose torque -leak is:open from:m has:attachment") == statements("hose") == few


def test_it_pages_through_all_that_matches_once(
    world: World, signed_in: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.views.lists.PAGE", 3)
    for at in range(8):
        a_message(world, f"N{at}", "One more hose")
    client, url, seen = signed_in(world.ada), "/conversations/?q=hose", []
    while url:
        soup = BeautifulSoup(client.get(url).content, "html.parser")
        seen += [row.select("td")[2].text for row in soup.select("#rows tr")]
        more = soup.select_one("a[rel=next]")
        url = f"/conversations/{more['href']}" if more else ""
    assert seen == [f"N{at}" for at in range(7, -1, -1)]


def test_the_page_says_what_was_not_understood_and_escapes_it(
    world: World, mail: dict[str, Message], signed_in: Browser
) -> None:
    text = signed_in(world.ada).get("/conversations/", {"q": "is:<b>x</b> hose"}).content.decode()
    assert "was not understood" in text
    assert "<b>x</b>" not in text


def test_the_palette_gets_a_short_list(world: World, mail: dict[str, Message], signed_in: Browser) -> None:
    client = signed_in(world.ada)
    found = BeautifulSoup(client.get("/conversations/?q=hose", headers=HTMX).content, "html.parser")
    assert [b.text for b in found.select("li a b")] == ["Carl", "Bob"]
    assert client.get("/conversations/?q=", headers=HTMX).content == b""
    assert "No conversation has" in client.get("/conversations/?q=zzz", headers=HTMX).content.decode()


def test_a_row_says_when_its_answer_is_due(
    world: World, mail: dict[str, Message], acme: Account, signed_in: Browser
) -> None:
    Conversation.objects.filter(pk=mail["anna"].conversation_id).update(due_at=timezone.now() - timedelta(minutes=5))
    Conversation.objects.filter(pk=mail["bob"].conversation_id).update(
        due_at=timezone.now() + timedelta(hours=3, minutes=1)
    )
    soup = BeautifulSoup(signed_in(world.ada).get("/conversations/?q=from:anna").content, "html.parser")
    assert soup.select_one(".due").text == "5 min late"
    soup = BeautifulSoup(signed_in(world.ada).get("/conversations/?q=from:bob").content, "html.parser")
    assert soup.select_one(".due").text == "due in 3 h"
