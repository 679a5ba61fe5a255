"""The persona and the rubric, read without a database: 40 scripted talks, and what each criterion sees in a text."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from drafts.models.practice import MOST_ANSWERS
from drafts.models.rubric import Criterion, Fact, Rubric
from drafts.practice import words
from drafts.practice.persona import SCRIPT, Persona, Said, answer
from drafts.practice.scoring import Ended, Reply, Score, grade
from drafts.writing.sentences import split_sentences

EN = Persona(
    "en",
    "The ends I got do not grip the hose. I want my money back today.",
    (
        Fact(key="order number, which order", sentence="It is HRA-21950."),
        Fact(key="hose", sentence="The hose says PTFE -6. My dad says the blue ends always worked."),
        Fact(key="photo, picture", sentence="I have no picture."),
    ),
    ("PTFE ends", "30 days"),
    3,
)
DE = Persona(
    "de",
    "Die Verschraubungen passen nicht.",
    (Fact(key="Bestellnummer", sentence="Sie lautet HRA-1."), Fact(key="Schlauch", sentence="Es ist PTFE -6.")),
    ("14 Tage",),
    2,
)
ES = Persona(
    "es",
    "Los racores no encajan.",
    (Fact(key="número de pedido, pedido", sentence="Es el HRA-2."), Fact(key="manguera", sentence="Es de PTFE."),),
    ("30 días",),
    2,
)  # fmt: skip
NO = "Thank you for your message."
ORDER, HOSE = "Hi Rosa, which order is it?", "Please tell us which hose you have."
GOAL = "You need PTFE ends. Unused ones come back within 30 days."

#: Persona, the replies, and how it ends: the outcome and the number of answers that were needed; "" goes on.
TALKS: list[tuple[Persona, list[str], str]] = [
    (EN, [GOAL], "resolved"),
    (EN, [ORDER, GOAL], "resolved"),
    (EN, [ORDER, HOSE, GOAL], "resolved"),
    (EN, [f"{ORDER} {HOSE}", GOAL], "resolved"),
    (EN, ["You need PTFE ends.", "They come back within 30 days."], "resolved"),
    (EN, ["PTFE-ends, within 30 days."], "resolved"),
    (EN, ["ptfe ENDS and 30  days"], "resolved"),
    (EN, [NO, GOAL], "resolved"),
    (EN, [NO, NO, GOAL], "resolved"),
    (EN, [NO, NO, NO], "impatient"),
    (EN, [NO, NO, NO, GOAL], "impatient"),
    (EN, [NO, ORDER, NO, HOSE, NO], "impatient"),
    (EN, [NO, ORDER, NO, HOSE, GOAL], "resolved"),
    (EN, [ORDER, ORDER, ORDER, ORDER], "impatient"),
    (EN, [ORDER, ORDER, GOAL], "resolved"),
    (EN, [ORDER], ""),
    (EN, [NO], ""),
    (EN, [NO, NO], ""),
    (EN, ["The order number is on the bag."], ""),
    (EN, ["Could you send us a picture?"], ""),
    (EN, ["Could you send us a photo?", GOAL], "resolved"),
    (EN, ["We have 130 days and no PTFE ends."], ""),
    (EN, ["30 daysy PTFE ends"], ""),
    (EN, ["Which hose, and which order?", "So?", "So?", "So?"], "impatient"),
    (EN, [ORDER, HOSE, "Could you send us a photo?", NO, NO, NO], "impatient"),
    (EN, [ORDER, HOSE, "Could you send us a photo?", GOAL], "resolved"),
    (DE, ["Sie haben 14 Tage."], "resolved"),
    (DE, ["Wie lautet die Bestellnummer?", "Sie haben 14 Tage."], "resolved"),
    (DE, ["Bitte nennen Sie uns den Schlauch.", "Sie haben 14 Tage Zeit."], "resolved"),
    (DE, ["Danke für Ihre Nachricht.", "Danke für Ihre Nachricht."], "impatient"),
    (DE, ["Danke für Ihre Nachricht.", "Innerhalb von 14 Tagen."], "resolved"),
    (DE, ["Welche Bestellnummer?", "Welche Bestellnummer?", "Welche Bestellnummer?"], "impatient"),
    (DE, ["Welcher Schlauch?"], ""),
    (ES, ["Tiene 30 días."], "resolved"),
    (ES, ["¿Cuál es el número de pedido?", "Tiene 30 días."], "resolved"),
    (ES, ["Por favor, díganos qué manguera tiene.", "Son 30 días."], "resolved"),
    (ES, ["Gracias.", "Gracias."], "impatient"),
    (ES, ["¿Qué pedido?", "¿Qué pedido?", "¿Qué pedido?"], "impatient"),
    (ES, ["Gracias."], ""),
    (ES, ["¿Qué manguera?", "Gracias.", "Tiene 30 días."], "resolved"),
]


def play(persona: Persona, replies: list[str]) -> list[Said]:
    """What the persona says to each, until they go."""
    said, told, patience = [], (), persona.patience
    for n in range(1, len(replies) + 1):
        one = answer(persona, replies[:n], told=told, patience=patience)
        said.append(one)
        told, patience = one.told, one.patience
        if one.outcome:
            break
    return said


def test_there_are_forty_talks() -> None:
    assert len(TALKS) == 40


@pytest.mark.parametrize("at", range(len(TALKS)))
def test_a_scripted_talk_ends_as_it_must_and_says_nothing_but_facts(at: int) -> None:
    persona, replies, outcome = TALKS[at]
    said = play(persona, replies)
    assert said == play(persona, replies), "the same replies, the same talk"
    assert said[-1].outcome == outcome
    lines = {line for group in SCRIPT[persona.language].values() for line in group}
    known = lines | {one.text for fact in persona.facts for one in split_sentences(fact.sentence)}
    spoken = [one.text for each in said for one in split_sentences(each.text)]
    whole = {one.text for line in lines for one in split_sentences(line)}
    assert set(spoken) <= known | whole, "a sentence without a fact"


def test_a_fact_is_told_when_it_is_asked_for_and_once() -> None:
    first, second = play(EN, [ORDER, ORDER])
    assert (first.text, first.patience) == ("It is HRA-21950.", 3)
    assert (second.text, second.patience) == ("I have told you that already.", 2)
    (both,) = play(EN, ["Which order is it, and which hose?"])
    assert both.text.startswith("It is HRA-21950. The hose says")


def test_a_talk_ends_by_itself_however_much_is_asked() -> None:
    chatty = Persona(
        "en", "Hello.", tuple(Fact(key=f"fact{n}", sentence=f"It is {n}.") for n in range(20)), ("never",), 6
    )
    said = play(chatty, [f"What is fact{n}?" for n in range(20)])
    assert (len(said), said[-1].outcome) == (MOST_ANSWERS, "impatient")


# --- what the criteria see ---------------------------------------------------------------------------------------------


def graded(
    kind: str, reply: str, *more: str, text: str = "", ended: Ended = "resolved", goal: tuple[str, ...] = ("30 days",)
) -> str:
    replies = [Reply(n, one, "", (), (), "") for n, one in enumerate((reply, *more), 1)]
    return found(kind, replies, text=text, ended=ended, goal=goal).grades[0].outcome


def found(
    kind: str, replies: list[Reply], *, text: str = "", ended: Ended = "resolved", goal: tuple[str, ...] = ()
) -> Score:
    return grade([Criterion(kind=kind, text=text, weight=10)], goal, replies, ended)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "text", "reply", "outcome"),
    [
        ("says", "PTFE, olive", "PTFE ends with an olive.", "met"),
        ("says", "PTFE, olive", "PTFE ends.", "not_met"),
        ("never_says", "warranty", "You have a right to return it.", "met"),
        ("never_says", "warranty", "The Warranty is void.", "not_met"),
        ("asks_for", "order number, which order", "Which order is it?", "met"),
        ("asks_for", "order number", "Please send the order number.", "met"),
        ("asks_for", "order number", "Your order number is 7.", "not_met"),
        ("no_promise", "refund", "We have refunded your order today.", "not_met"),
        ("no_promise", "refund", "We will refund it.", "not_met"),
        ("no_promise", "refund", "Your refund is on its way.", "not_met"),
        ("no_promise", "refund", "A refund is made once the parcel was checked.", "met"),
        ("no_promise", "refund", "We will refund it once the parcel was checked.", "met"),
        ("no_promise", "refund", "You can send it back.", "met"),
        ("no_promise", "", "You will get a discount.", "not_met"),
        ("no_promise", "Erstattung", "Sie bekommen heute die Erstattung.", "not_met"),
        ("no_promise", "reembolso", "Recibirá el reembolso hoy.", "not_met"),
        ("greets", "", "Hi Rosa,\n\nthe ends fit.", "met"),
        ("greets", "", "Sehr geehrte Frau Delmonte,\n\ndie Enden passen.", "met"),
        ("greets", "", "Rosa,\n\nthe ends fit.", "not_met"),
        ("resolves", "", "They come back within 30 days.", "met"),
        ("within", "1", "They come back within 30 days.", "met"),
        ("catches", "", "Nothing was planted.", "undecided"),
        ("sourced", "", "Hi Rosa,", "undecided"),
        ("like_sent", "30 days, unused, parcel", "Unused ones come back within 30 days.", "met"),
        ("like_sent", "30 days, unused, parcel", "They come back within 30 days.", "not_met"),
        ("like_sent", "30 days, unused", "They come back within 30 days.", "met"),
        ("like_sent", "warranty", "They come back.", "not_met"),
    ],
)
def test_a_criterion_sees_what_stands_there(kind: str, text: str, reply: str, outcome: str) -> None:
    assert graded(kind, reply, text=text) == outcome


def test_likeness_to_the_sent_reply_is_of_all_answers_together_and_counts_a_fifth_at_most() -> None:
    assert graded("like_sent", "Unused ones do.", "Within 30 days.", text="30 days, unused, parcel") == "met"
    alike, greets = {"kind": "like_sent", "text": "30 days", "weight": 20}, {"kind": "greets", "weight": 80}
    assert Rubric.model_validate([alike, greets])
    for wrong in ([{**alike, "weight": 21}, greets], [alike], [{**alike, "text": " , "}, greets]):
        with pytest.raises(ValidationError):
            Rubric.model_validate(wrong)


def test_what_did_not_end_well_is_neither_solved_nor_quick() -> None:
    assert graded("resolves", "Within 30 days.", ended="impatient") == "not_met"
    assert graded("within", "Within 30 days.", text="3", ended="ended") == "not_met"
    assert graded("within", "Hello", "Hello", "Within 30 days.", text="2") == "not_met"


def test_a_quote_that_does_not_stand_there_does_not_count() -> None:
    """Met by its word alone and with nothing to show: not met."""
    assert graded("resolves", "Nothing of the goal.", ended="resolved") == "not_met"


def test_an_error_counts_as_caught_when_it_went() -> None:
    planted = "Our office answers on Tuesdays between four and five only."
    draft = f"Hi Rosa,\n\nIt fits. {planted}\n\nBest regards"
    kept, cut = Reply(1, draft, draft, (), (), planted), Reply(1, draft.replace(planted, ""), draft, (), (), planted)
    assert found("catches", [kept]).grades[0].outcome == "not_met"
    caught = found("catches", [cut]).grades[0]
    assert caught.outcome == "met"
    (span,) = caught.evidence
    assert (draft[span.start : span.end], span.of) == (planted, "draft")


def test_the_total_is_the_share_of_what_was_decided() -> None:
    rubric = [
        Criterion(kind="greets", weight=10),
        Criterion(kind="says", text="olive", weight=30),
        Criterion(kind="catches", weight=60),
    ]
    score = grade(rubric, (), [Reply(1, "Hi Rosa,", "", (), (), "")], "ended")
    assert (score.met, score.decided, score.total) == (10, 40, 25)
    assert grade(rubric, (), [], "ended").total is None, "who answered nothing is not scored"


def test_phrases_are_whole_words_in_any_case() -> None:
    assert words.find("order", "two Orders here") == (4, 10)
    assert words.find("order", "reorder it") is None
    assert words.find("30 days", "130 days") is None
