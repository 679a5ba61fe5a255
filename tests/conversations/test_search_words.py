"""What people look for is found, however it was written: case, accents, forms of Unicode, scripts, beginnings, numbers."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from conversations import search
from conversations.channels.base import File, Party
from conversations.models import Conversation, Message
from conversations.models.search import SearchWords
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import World
from tests.conversations.test_search import names

#: Two letters of each language, as a customer would write them.
LETTERS = {
    "de": "Größenänderung für die Kühlmittelschläuche: welcher Straßenrenner braucht 8 mm? Über Lösungen wäre ich froh.",
    "fr": "Le régulateur de pression fuit déjà après l'été ; où puis-je l'échanger ? Mon garçon a perçu un œil-de-bœuf cassé.",
    "es": "¿Cuándo llegará el envío? El año pasado la señora pidió un tornillo español y pingüinos de goma.",
    "pt": "A conexão não serve; preciso de três peças até amanhã, às dez. Informações sobre a devolução, por favor.",
    "it": "Perché il tubo è già rotto? La qualità è così così, e la città più vicina non ha ricambi.",
    "nl": "Eén koppeling is te kort; de reünie is zaterdag en ik wil graag geïnformeerd worden over ruilen.",
    "sv": "Slangen läcker på båda ändarna, och jag behöver nya kopplingar före midsommar. Är åtta för långa?",
    "da": "Jeg ønsker at bytte de røde slanger, da de ikke passer på køleren på min gamle bil fra Ærø.",
    "pl": "Zażółć gęślą jaźń: wąż paliwowy cieknie, a złączka nie pasuje. Proszę o zwrot pieniędzy do środy.",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy, a hadice přesto teče. Kdy přijde náhradní díl?",
    "tr": "Siparişim İstanbul'a ulaşmadı; ışıklı bağlantı çok kısa, değişim için göndereceğim.",
    "ru": "Шланг протекает, ёмкость пуста, а заказ ещё не пришёл. Пожалуйста, объясните, где мой подъёмник.",
    "el": "Ο σωλήνας στάζει και η παραγγελία δεν έχει φτάσει. Πότε θα λάβω τον σύνδεσμο;",
    "vi": "Ống nhiên liệu bị rò rỉ, xin vui lòng cho biết thời gian đổi hàng và địa chỉ gửi lại.",
    "ar": "وصل الطلب متأخرا والأنبوب يسرّب الوقود، أرجو استبداله",
}
DENSE = {
    "zh": "您好，我的燃油软管漏油了，请问什么时候可以更换新的零件？订单已经等了两个星期。",
    "ja": "お世話になっております。燃料ホースの交換時期を教えてください。ガスケットも必要です。",
    "ko": "안녕하세요 배송은 언제 도착하나요 연료 호스 교환을 원합니다",
    "th": "สวัสดีครับ ท่อน้ำมันรั่ว ต้องการเปลี่ยนสินค้าใหม่เมื่อไหร่จะได้รับ",
}


def words_of(text: str) -> list[str]:
    parted = "".join(sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in text)
    return sorted({word for word in parted.split() if len(word) > 1})


def pieces_of(text: str, chance: random.Random) -> list[str]:
    """Any stretch of a script that parts no words is one that somebody may look for."""
    runs = [run for run in words_of(text) if len(run) > 3]
    found = []
    for _ in range(25):
        run = chance.choice(runs)
        start = chance.randrange(len(run) - 1)
        found.append(run[start : start + chance.randint(2, 5)])
    return found


@pytest.fixture(params=["asked one by one", "by the index"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both ways to the same answer: common words are asked of the newest conversations, rare ones looked up."""
    if request.param == "by the index":
        monkeypatch.setattr(search, "PROBED", 0)
    yield request.param


def mail(world: World, name: str, text: str, **changes: Any) -> Message:
    values = {"sender": Party(f"{name}@customer.test", name), "subject": "A question", **changes}
    return factories.message(world.mail, text, **values)


@pytest.fixture
def letters(world: World) -> dict[str, Message]:
    return {code: mail(world, code, text) for code, text in (LETTERS | DENSE).items()}


def test_every_word_of_every_language_is_found_in_any_form_and_case(
    world: World, letters: dict[str, Message], path: str
) -> None:
    chance = random.Random(3)
    forms = ("NFC", "NFD", "NFKC", "NFKD")
    cases = (str, str.lower, str.upper, str.title)
    asked = [(code, word) for code, text in LETTERS.items() for word in words_of(text)]
    asked += [(code, piece) for code, text in DENSE.items() for piece in pieces_of(text, chance)]
    assert len(asked) >= 300
    missed = []
    for code, word in asked:
        written = unicodedata.normalize(chance.choice(forms), word)
        # İ and ı are two letters in Turkish only: in another case they are others.
        written = written if code == "tr" else chance.choice(cases)(written)
        if code not in names(world, f'"{written}"') or code not in names(world, written):
            missed.append((code, written))
    assert missed == []


def test_letters_stored_in_the_decomposed_form_are_found_too(world: World, path: str) -> None:
    for code, text in (LETTERS | DENSE).items():
        mail(world, code, unicodedata.normalize("NFD", text), subject="")
    missed = [
        (code, word)
        for code, text in LETTERS.items()
        for word in words_of(text)[:6]
        if code not in names(world, unicodedata.normalize("NFC", word))
    ]
    assert missed == []
    assert names(world, "ガス") == ["ja"]
    assert names(world, "배송") == ["ko"]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("regulateur", "Le régulateur fuit"),
        ("Grossenanderung", "Eine Größenänderung"),
        ("größenänderung", "GROSSENANDERUNG"),
        ("Cafe", "Café hose"),
        ("Lodz", "Łódź"),
        ("oeuvre", "Œuvre complète"),
        ("smorrebrod", "Smørrebrød"),
        ("istanbul", "İSTANBUL"),
        ("ёлка", "Елка"),
        ("σας", "ΣΑΣ"),
        ("fine", "\ufb01ne print"),
        ("ガス", "ｶﾞｽ"),
        ("abc123", "ＡＢＣ１２３"),
        ("zusammen", "zu\u00adsam\u00admen"),
        ("交換", "燃料ホースの交換時期"),
        ("换", "可以更换新的"),
        ("件", "更换新的零件"),
        ("น้ำมัน", "ท่อน้ำมันรั่ว"),
        ("배송", "배송은 언제"),
        ("E85対応", "新しいE85対応ホース"),
        ("regul", "Le régulateur fuit"),
        ("leaking", "It leaks"),
        ("leak", "It is leaking"),
        ("studies", "A study"),
        ("tries", "We try"),
        ("installation", "Installing it"),
        ("happiness", "We are happy"),
        ("HR-10231", "My order HR-10231 is late"),
        ("#HR-10231", "My order HR 10231 is late"),
        ("HR10231", "My order #HR-10231 is late"),
        ("hr-10231", "My order HR10231 is late"),
        ("10231", "My order HR10231 is late"),
        ("HR-102", "My order HR10231 is late"),
        ("10231", "Invoice over 10 231 crowns"),
        ("10231", "Invoice over 10.231,50"),
        ("10 231", "Invoice over 10231 crowns"),
        ("10,231", "Invoice over 10 231 crowns"),
        ("231 10", "10 hoses, 231 fittings"),
        ("10 231", "10 hoses, 231 fittings"),
        ("anna.berg@customer.test", "Write to anna.berg@customer.test"),
        ("anna.be", "Write to Anna.Berg@customer.test"),
        ("berg@plant.test", "Write to anna.berg@plant.test"),
        ("a.test/x", "See https://a.test/x?y=1"),
        ("l'été", "Après l’été"),
        ("don't", "I don’t know"),
        ("C++", "Written in C++ once"),
    ],
)
def test_it_finds_what_is_meant(world: World, path: str, asked: str, text: str) -> None:
    mail(world, "other", "Nothing of the kind")
    mail(world, "wanted", text)
    assert names(world, asked) == ["wanted"]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ('"car"', "The carburettor"),
        ('"leaking"', "It leaks"),
        ('"rubber hoses"', "hoses of rubber"),
        ("a", "Another one"),  # one letter begins too much
        ("operation", "We sing an opera"),
        ("交換", "換交"),
        ("HR-10231", "HR-20231"),
        ("10231", "10 232"),
    ],
)
def test_it_leaves_out_what_is_not_meant(world: World, path: str, asked: str, text: str) -> None:
    mail(world, "unwanted", text, subject="")
    mail(world, "last", "Nothing of the kind", subject="")
    assert "unwanted" not in names(world, asked)


def test_a_minus_leaves_out_the_word_in_its_forms_and_not_what_begins_with_it(world: World, path: str) -> None:
    mail(world, "leaks", "The hose leaks")
    mail(world, "carburettor", "The hose of the carburettor")
    assert names(world, "hose -leaking -car") == ["carburettor"]
    assert names(world, 'hose -"of the carburettor"') == ["leaks"]


def test_each_word_may_stand_in_another_part_of_the_conversation(world: World, path: str) -> None:
    first = mail(world, "Zoë", "The régulateur is late", subject="Commande HR-7")
    sender = Party("zoë@customer.test", "Zoë")
    factories.reply_to(first, "It has come", sender=sender, files=(File("Reçu_2026-05.pdf", "application/pdf", b"x"),))
    factories.reply_to(first, "Thanks", sender=sender)
    mail(world, "Max", "The regulateur is late")
    assert names(world, "zoe regulateur commande come recu thanks") == ["Zoë"]
    assert names(world, "regulateur -thanks") == ["Max"]
    assert names(world, "late -recu") == ["Max"]


def test_names_of_files_are_words_and_those_of_pictures_in_the_text_are_not(world: World, path: str) -> None:
    files = (
        File("Rechnung_Müller-2024.pdf", "application/pdf", b"x"),
        File("image001.png", "image/png", b"y", content_id="a", inline=True),
    )
    mail(world, "anna", "See file", files=files)
    assert names(world, "rechnung") == names(world, "muller") == names(world, "Rechnung_Müller-2024.pdf") == ["anna"]
    assert names(world, "image001") == []


def test_whoever_stands_in_a_message_is_found(world: World, path: str) -> None:
    mail(
        world,
        "anna",
        "Please answer my office",
        reply_to=Party("Büro@office.test", "Ute Groß"),
        answer_to=(Party("büro@office.test", "Ute Groß"),),
        recipient="support@acme.test",
        to=(Party("support@acme.test", ""), Party("colleague@garage.test", "")),
        cc=(Party("foreman@plant.test", ""),),
    )
    for word in (
        "buro@office.test",
        "buro",
        "gross",
        "foreman@plant.test",
        "foreman",
        "plant",
        "colleague@garage.test",
    ):
        assert names(world, word) == ["anna"], word
    # The desk itself stands in every mail: its address finds nothing, `to:` does.
    assert names(world, "support@acme.test") == []


def test_the_operators_still_narrow_beyond_what_was_looked_up(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LOOKED_UP", 2)
    for at in range(6):
        mail(world, f"n{at}", "A hose")
    assert names(world, "hose") == [f"n{at}" for at in (5, 4, 3, 2, 1, 0)]
    assert names(world, "hose from:n1") == ["n1"]
    assert names(world, "hose from:n -n4") == [f"n{at}" for at in (5, 3, 2, 1, 0)]


def test_conversations_of_the_same_moment_are_all_found(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LOOKED_UP", 2)
    for at in range(5):
        mail(world, f"n{at}", "A hose")
    with tenant_context(world.acme.pk):
        Conversation.objects.update(last_message_at=timezone.now())
    assert sorted(names(world, "hose")) == [f"n{at}" for at in range(5)]


# --- words follow what they are the words of ------------------------------------------------------------------------
def kept(world: World) -> list[str]:
    with tenant_context(world.acme.pk):
        return list(SearchWords.objects.values_list("words", flat=True))


def test_erasing_a_message_takes_its_words_and_those_of_its_files(world: World) -> None:
    message = mail(world, "anna", "A secret", subject="Hush", files=(File("secret.pdf", "application/pdf", b"x"),))
    with tenant_context(world.acme.pk):
        Message.objects.filter(pk=message.pk).update(
            body_text="", body_new="", subject="", metadata={}, erased_at=timezone.now()
        )
    assert len(kept(world)) == 1
    assert names(world, "secret") == []
    assert names(world, "anna") == ["anna"]


def test_erasing_a_customer_takes_names_address_and_subject(world: World) -> None:
    message = mail(world, "anna", "Hello", subject="My divorce")
    with tenant_context(world.acme.pk):
        Message.objects.filter(pk=message.pk).update(
            body_text="", body_new="", subject="", metadata={}, erased_at=timezone.now()
        )
        Conversation.objects.filter(pk=message.conversation_id).update(
            customer_name="", customer_email="", subject="", title=""
        )
    assert kept(world) == []


def test_a_conversation_without_words_has_none_that_are_not_wanted(world: World) -> None:
    mail(world, "leaks", "It leaks")
    gone = mail(world, "gone", "A secret")
    with tenant_context(world.acme.pk):
        Message.objects.filter(pk=gone.pk).update(
            body_text="", body_new="", subject="", metadata={}, erased_at=timezone.now()
        )
        Conversation.objects.filter(pk=gone.conversation_id).update(
            customer_name="", customer_email="", subject="", title=""
        )
    assert names(world, "is:open -leak") == [""]
    assert names(world, "is:open -secret") == ["", "leaks"]


def test_what_is_changed_is_found_as_it_is_now(world: World) -> None:
    message = mail(world, "anna", "An old text")
    with tenant_context(world.acme.pk):
        Message.objects.filter(pk=message.pk).update(body_text="A new one [redacted]")
        Conversation.objects.filter(pk=message.conversation_id).update(customer_name="Berta", title="Renamed")
    assert names(world, "old") == []
    assert [names(world, word) for word in ("redacted", "berta", "renamed")] == [["Berta"]] * 3


def test_a_very_long_text_is_stored_and_its_beginning_is_found(world: World) -> None:
    han = "".join(chr(0x4E00 + (at * 7919) % 20000) for at in range(150_000))
    mail(world, "han", "開始 " + han)
    mail(world, "words", "Start " + " ".join(f"w{at}x{at * 7}" for at in range(40_000)))
    mail(world, "ligatures", "Begin " + "\ufdfa" * 120_000)
    assert [names(world, word) for word in ("開始", "start", "begin")] == [["han"], ["words"], ["ligatures"]]


# --- whose words ------------------------------------------------------------------------------------------------------
def test_the_functions_see_the_callers_tenant_only(world: World) -> None:
    theirs = factories.message(world.other_mail, "zebra")
    with tenant_context(world.acme.pk), connection.cursor() as cursor:
        cursor.execute("SELECT conversation_holds(%s, ARRAY['zebra'::tsquery], '{}')", [theirs.conversation_id])
        assert cursor.fetchone() == (False,)
        cursor.execute("SELECT holding FROM search_conversations('{zebra}', '{f}', '{f}', NULL, 0, 10)")
        assert cursor.fetchone() == ([],)
    with tenant_context(world.globex.pk), connection.cursor() as cursor:
        cursor.execute("SELECT holding FROM search_conversations('{zebra}', '{f}', '{f}', NULL, 0, 10)")
        assert cursor.fetchone() == ([theirs.conversation_id],)


@pytest.mark.parametrize("call", ["search_folded('x')", "search_words('x')", "search_asked('x', true, true)"])
def test_the_runtime_role_may_search_and_nothing_beside_it(world: World, call: str) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT {call}")
