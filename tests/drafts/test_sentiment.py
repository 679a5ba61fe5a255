"""How content a text sounds: measured on 300 labelled sentences, kept with the message, and null where nothing is known."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from conversations.models import Conversation, Message
from conversations.tenancy import tenant_context
from conversations.views.words import mood, mood_of
from drafts.flow import drafting
from drafts.models import Scenario
from drafts.practice import drafting as practice
from drafts.sentiment import LANGUAGES, measure, measure_message
from tests import factories
from tests.conftest import World

LABELLED = Path(__file__).parents[1] / "eval" / "sentiment"
MOODS = {"negative": "discontent", "neutral": "even", "positive": "content"}
ANGRY = "I am very disappointed. The pump arrived broken and nobody answers my letters."


def labelled(language: str) -> list[tuple[str, str]]:
    lines = (LABELLED / f"{language}.tsv").read_text(encoding="utf-8").splitlines()
    return [(MOODS[label], text) for label, _, text in (line.partition("\t") for line in lines)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_three_of_four_labels_are_right_and_hardly_one_has_the_wrong_sign(language: str) -> None:
    wanted = labelled(language)
    found = [measure(text, language) for _, text in wanted]
    assert len(wanted) == len({text for _, text in wanted}) == 100
    got = [mood(one.value) for one in found if one is not None]
    assert len(got) == 100
    right = sum(label == mine for (label, _), mine in zip(wanted, got, strict=True))
    opposite = sum({label, mine} == {"content", "discontent"} for (label, _), mine in zip(wanted, got, strict=True))
    assert right >= 75
    assert opposite <= 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_finds_the_language_itself_or_says_nothing(language: str) -> None:
    found = [(label, measure(text)) for label, text in labelled(language)]
    known = [(label, one) for label, one in found if one is not None]
    assert len(known) >= 80
    assert sum(label == mood(one.value) for label, one in known) >= 0.75 * len(known)


@pytest.mark.parametrize(
    "text",
    ["Je suis très déçu de votre service, personne ne répond à mes lettres.", "Sono molto arrabbiato, il pacco non arriva mai.",
     "Jestem bardzo rozczarowany, nikt nie odpowiada na moje listy.", "", "ok", "12345"],
)  # fmt: skip
def test_of_other_languages_and_of_nothing_it_says_nothing(text: str) -> None:
    assert measure(text) is None


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("de", "Das passt.", "content"),
        ("de", "Das passt nicht.", "discontent"),
        ("de", "Kein Problem, alles gut.", "content"),
        ("de", "Welcher Schlauch passt?", "even"),
        ("es", "La bomba no funciona.", "discontent"),
        ("es", "No estoy nada contento.", "discontent"),
        ("en", "I am not happy.", "discontent"),
        ("en", "Is this a good hose for E85?", "even"),
        ("en", "Dear team, please help me with my order. Best regards", "even"),
    ],
)
def test_denials_questions_and_courtesies_are_understood(language: str, text: str, wanted: str) -> None:
    found = measure(text, language)
    assert found is not None
    assert mood(found.value) == wanted


def test_a_long_text_stays_between_minus_one_and_one() -> None:
    for text in ("terrible awful worst " * 5_000, "great perfect excellent " * 5_000):
        found = measure(text, "en")
        assert found is not None
        assert -1 <= found.value <= 1


def test_a_customers_mail_is_measured_with_its_draft_and_never_before(acme: object, world: World) -> None:
    message = factories.message(world.mail, ANGRY)
    assert Message.objects.get(pk=message.pk).sentiment is None, "taking a mail in measures nothing"
    drafting.write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id)
    kept = Message.objects.get(pk=message.pk)
    assert kept.sentiment is not None
    assert kept.sentiment < Decimal("-0.5")
    assert kept.sentiment_by == "desk-lexicon-v1 en"
    conversation = Conversation.objects.get(pk=message.conversation_id)
    assert conversation.sentiment_count == 1
    assert conversation.average_sentiment == pytest.approx(float(kept.sentiment))


def test_the_pages_say_how_they_sound_and_of_how_many(committed_world: World, signed_in: Any) -> None:
    world = committed_world
    angry, french = (
        factories.message(world.mail, ANGRY),
        factories.message(world.mail, "Bonjour, le colis n'est pas arrivé."),
    )
    browser = signed_in(world.ada)
    for message, words in ((angry, "discontent, -"), (french, "")):
        drafting.write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id)
        page = browser.get(reverse("conversations:detail", args=[message.conversation_id])).content.decode()
        assert ("<dt>Mood</dt>" in page, words in page) == (bool(words), True)
    chat = factories.chat(world.acme, world.ada, "Thank you so much, that was perfect.")
    assert "Your mood: not measured" in browser.get(reverse("conversations:chat", args=[chat.pk])).content.decode()


def test_what_is_measured_or_erased_is_not_measured_again(acme: object, world: World) -> None:
    message = factories.message(world.mail, ANGRY)
    first = measure_message(message, ANGRY)
    message.refresh_from_db()
    assert measure_message(message, "Everything is perfect, thank you so much!") is None
    assert Message.objects.get(pk=message.pk).sentiment == first
    message.sentiment, message.erased_at = None, message.created_at
    assert measure_message(message, ANGRY) is None


def test_of_a_practice_the_trainee_is_measured_and_not_who_is_played(committed_world: World) -> None:
    world = committed_world
    scenario: Scenario = factories.scenario(world.acme, world.dan, opening=ANGRY, patience=1)
    talk = factories.Practice(scenario, world.cy)
    turn = talk.answer("Thank you so much, I am very happy to hear from you.")
    practice.write(account_id=world.acme.pk, person_id=world.cy.pk, turn_id=turn.pk)
    with tenant_context(world.acme.pk, person=world.cy.pk):
        found = dict(Message.objects.filter(conversation=talk.session.conversation_id).values_list("role", "sentiment"))
        chat = Conversation.objects.get(pk=talk.session.conversation_id)
    assert found["assistant"] is None
    assert found["user"] > Decimal("0.5")
    assert (chat.sentiment_count, chat.average_sentiment) == (1, pytest.approx(float(found["user"])))


def test_an_average_says_of_how_many_it_is_and_what_is_not_measured() -> None:
    assert mood_of(0.4, 2, 2) == "content, +0.40 (2 of 2 messages measured)"
    assert mood_of(-0.4, 1, 3) == "discontent, -0.40 (1 of 3 messages measured; only English, German and Spanish are)"
    assert mood_of(None, 0, 1) == "not measured (0 of 1 message; only English, German and Spanish are)"
    assert mood_of(None, 0, 0) == ""
