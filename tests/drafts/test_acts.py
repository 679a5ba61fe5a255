"""What a reply does: it answers, in part, asks back, holds, closes, or hands over."""

from __future__ import annotations

import pytest

from drafts.writing.acts import Act
from drafts.writing.closed import is_closed
from drafts.writing.facts import FactKind, facts_of
from drafts.writing.glossary import in_english
from drafts.writing.reading import Need, read_question
from drafts.writing.slots import Slot, missing
from drafts.writing.statements import HOLDING_SENTENCES
from tests.drafts.test_offline_drafter import SHIPPING, source, write


@pytest.mark.parametrize(
    "text",
    [
        "Thanks, it fits!",
        "ok",
        "Got it, thanks, all good now",
        "Sorted it out myself, please ignore",
        "Never mind, the neighbour had it",
        "Thanks for the quick refund, much appreciated",
        "It arrived this morning, great packaging",
        "Danke, hat geklappt",
        "Merci, c'est parfait",
    ],
)
def test_a_courtesy_is_answered_with_one_and_never_with_a_decline(text: str) -> None:
    result = write(text, SHIPPING)
    assert result.act is Act.NONE
    assert "Thank you for letting us know." in result.text
    assert not any(sentence in result.text for sentence in HOLDING_SENTENCES)
    assert (result.statements, result.asked) == ((), ())


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for the hose, but it leaks",
        "Forget it, I want my money back",
        "Never mind, I'll send it back",
        "Thanks. Where is my order?",
        "Thanks, please send another one",
        "The line broke",
        "",
    ],
)
def test_what_still_wishes_something_is_not_closed(text: str) -> None:
    assert not is_closed(text)


@pytest.mark.parametrize(
    ("text", "subject", "need"),
    [
        ("Under Article 15 GDPR I ask for a copy of my data.", "", Need.PRIVACY),
        ("Two cars are dripping.", "possible bad batch", Need.SAFETY),
        ("He was taken to the hospital.", "", Need.SAFETY),
        ("Your driver was rude to my mother. How much is shipping to Canada?", "", Need.FURIOUS),
        ("Mein Anwalt meldet sich.", "", Need.LEGAL),
    ],
)
def test_what_is_grave_gets_a_person_and_no_page(text: str, subject: str, need: Need) -> None:
    result = write(text, SHIPPING, subject=subject)
    assert result.act is Act.PERSON
    assert need in result.needs_human
    assert result.statements == ()
    assert "24.95" not in result.text


def test_somebody_in_hospital_is_no_emergency_of_ours() -> None:
    assert read_question("The owner is in hospital, how long does shipping take?").needs == ()


def test_what_says_too_little_is_asked_back() -> None:
    result = write("Its leaking. What now", SHIPPING)
    assert result.act is Act.ASK
    assert "What exactly happens" in result.text
    assert "photo" in result.text
    assert not any(sentence in result.text for sentence in HOLDING_SENTENCES)


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("it doesnt work", (Slot.WHAT,)),
        ("My line is leaking", (Slot.WHAT, Slot.PHOTO)),
        ("My line is leaking, photo attached", (Slot.WHAT,)),
        ("You sent me the wrong part", (Slot.CAME, Slot.ORDER, Slot.PHOTO)),
        ("This is not what I ordered, see the picture", (Slot.CAME, Slot.ORDER)),
        ("You sent me the wrong size: I ordered -8 and got -6", ()),
        ("Sie haben mir das falsche Teil geschickt", (Slot.CAME, Slot.ORDER, Slot.PHOTO)),
        ("Me ha llegado la pieza equivocada", (Slot.CAME, Slot.ORDER, Slot.PHOTO)),
        ("J'ai reçu la mauvaise pièce", (Slot.CAME, Slot.ORDER, Slot.PHOTO)),
        ("please change it to the other one", (Slot.WHICH,)),
        ("I need hose for my truck, what do I order?", (Slot.CAR,)),
        ("I need hose for my 1999 truck with an LS1", ()),
        ("The swivel of the -8 elbow leaks at the back of the nut since I tightened it", ()),
        ("HRA-20993 does not work", ()),
        ("How long does shipping take?", ()),
    ],
)
def test_what_is_missing_is_typed_and_what_was_told_is_not_asked(text: str, slots: tuple[Slot, ...]) -> None:
    assert missing(text, facts_of(text)) == slots


def test_what_a_message_tells_is_kept() -> None:
    told = facts_of("Order HRA-23350 of 4 November: two -8 ends for 24.95 USD, 5 psi, write to a@b.example.com")
    assert {fact.kind: fact.text for fact in told} == {
        FactKind.ORDER: "HRA-23350",
        FactKind.AMOUNT: "24.95 USD",
        FactKind.SIZE: "-8",
        FactKind.DATE: "4 November",
        FactKind.MEASURE: "5 psi",
        FactKind.ADDRESS: "a@b.example.com",
    }


def test_a_rule_comes_with_its_condition_and_not_with_what_stands_under_another_heading() -> None:
    page = source(
        "Hose can be returned within 30 days. It must be uncut.\n\n## Gifts\n\nGift wrapping costs 3 USD.", "Returns"
    )
    text = write("Can I return hose within 30 days?", page).text
    assert "Hose can be returned within 30 days. It must be uncut." in text
    assert "Gift" not in text


def test_a_short_question_is_read_with_the_message_around_it() -> None:
    page = source("An order can be cancelled until it is packed.", "Cancelling an order")
    message = "I ordered ten minutes ago and want to cancel the order. Can you still stop it?"
    assert "until it is packed" in write(message, page).text


def test_a_question_that_is_about_something_else_stays_open_whatever_is_around_it() -> None:
    result = write("How long does shipping to Canada take? Who anodizes your fittings in purple?", SHIPPING)
    assert result.act is Act.PARTLY
    assert [one.statement is None for one in result.asked] == [False, True]


def test_many_questions_do_not_push_the_last_answer_out() -> None:
    pages = [
        source(f"The {name} takes exactly {n} days to arrive here.", f"{name} delivery")
        for n, name in enumerate(("hose", "filter", "pump", "wrench", "sticker", "adapter"), 11)
    ]
    result = write(" ".join(f"How many days does the {p.title.split()[0]} take?" for p in pages), *pages)
    assert result.act is Act.ANSWER
    assert all(str(n) in result.text for n in range(11, 17))


@pytest.mark.parametrize(
    ("language", "text", "english"),
    [
        ("de", "Was kostet der Versand nach Österreich?", "what does it cost shipping Austria other countries"),
        ("es", "¿Cuánto tiempo tarda el envío?", "how long time take time delivery shipping ship"),
        ("fr", "Quel est le délai de livraison pour -8 ?", "time how long delivery shipping -8"),
        ("en", "How long?", "How long?"),
        ("tr", "Kargo ne kadar?", "Kargo ne kadar?"),
    ],
)
def test_words_of_other_languages_are_said_in_english(language: str, text: str, english: str) -> None:
    assert english in " ".join(in_english(text, language).split())


def test_a_reviewers_act_is_done_whatever_the_message_says() -> None:
    question = "How long does shipping to Canada take?"
    assert write(question, SHIPPING, act=Act.HOLD).statements == ()
    assert write(question, SHIPPING, act=Act.ASK).act is Act.ASK
    assert write("Thanks, it fits!", SHIPPING, act=Act.HOLD).act is Act.HOLD
    assert write("Would you sponsor our team?", SHIPPING, act=Act.ANSWER).act is Act.HOLD  # nothing to answer with
